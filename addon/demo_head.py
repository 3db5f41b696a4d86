"""The demo's reconstructed head: the surface of head and hair from the demo's own pictures, with these painted on it.

What an artist clicks is done here by the same operator.
"""

from pathlib import Path

import bpy

from ..backend.contract import RenderGroundTruth
from ..backend.formats.capture import Camera
from ..backend.protocol import Reporter
from .demo_detail import clay
from .ground_truth.render import Subject, render_ground_truth

ASIDE = -0.6
"""Metres from the first head to where its reconstructed surface stands."""
TEXTURE, TRIANGLES = 1024, 0.45
"""Texels across, and triangles for each pixel of a picture: more would say no more than the pictures do."""


class HeadDemo:
    """Its step; it leaves its files in the folder, and pictures for the contact sheet.

    Args:
        folder: for pictures.
        settings: of the demo's renders.
    """

    def __init__(self, folder: Path, settings: RenderGroundTruth, reporter: Reporter):
        self.folder, self.settings, self.reporter = folder, settings, reporter
        self.pictures: list[str] = []
        self.report: dict = {}

    def reconstruct(self, capture: Path, guide: bpy.types.Object, given: Camera, unseen: Camera) -> None:
        """Reconstruct Head with the fitted head as its guide, then pictures of it: bare, and with photographs on it.

        Args:
            given, unseen: cameras, one of the capture's and one that is not.
        """
        from . import head_results

        ours = bpy.context.scene.maquette
        ours.capture, ours.head_surface.guide = str(capture), guide
        ours.head_surface.preset = "draft"
        ours.head_surface.texture, ours.head_surface.faces = TEXTURE, int(TRIANGLES * self.settings.size**2)
        skin = list(guide.data.materials)
        indices = [polygon.material_index for polygon in guide.data.polygons]
        bpy.ops.maquette.reconstruct_head()
        thing = bpy.context.active_object
        self.report = head_results.report_of(thing) or {}
        # The first head goes on with its own skin: hair lies on its photographs.
        guide.data.materials.clear()
        for material in skin:
            guide.data.materials.append(material)
        guide.data.polygons.foreach_set("material_index", indices)
        own = thing.material_slots[0].material
        shown = _as_photographed(own)
        for name, material, camera in (("bare", clay(), given), ("painted", shown, given), ("unseen", shown, unseen)):
            thing.material_slots[0].material = material
            folder = self.folder / name
            render_ground_truth(Subject.of([], thing), self.settings, folder, self.reporter, views=[camera])
            self.pictures.append(str(folder / "images" / "view_000.png"))
        thing.material_slots[0].material = own
        bpy.data.materials.remove(shown)
        thing.location.x += ASIDE


def _as_photographed(material: bpy.types.Material) -> bpy.types.Material:
    """A material's picture without any more light, which the photographs have in them."""
    made = material.copy()
    tree = made.node_tree
    picture = next(node for node in tree.nodes if node.type == "TEX_IMAGE")
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    light = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(picture.outputs["Color"], light.inputs["Color"])
    tree.links.new(light.outputs[0], output.inputs["Surface"])
    return made
