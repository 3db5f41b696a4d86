"""The demo's second head: a synthetic scan registered, its displacements baked, and the detailed head moving.

What an artist clicks is done here by the same operators, one after another.
"""

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import RenderGroundTruth
from ..backend.formats.arkit_csv import read_arkit_csv
from ..backend.protocol import Reporter
from . import demo_face, detail_heads, flame_arkit
from .flame_animation import keyframe
from .flame_rig import rig_of
from .ground_truth.files import Files
from .ground_truth.from_files import head_object
from .ground_truth.orbit import orbit_cameras
from .ground_truth.render import Subject, render_ground_truth
from .heads import head_from_object
from .versions import use_nodes

STYLE, SEED, SPACING = "ponytail", 3, 0.002
SHOWN = (0.95, 1.95, 2.6)
"""Seconds of the recording that the strip shows: smiling, talking, talking with the head turned."""
ASIDE = 0.6
"""Metres from the first head to where the second one stands."""
CLAY = (0.34, 0.31, 0.28)
"""Of what is rendered, linear Rec. 709: shape is what there is to see."""
AROUND = 24
"""Cameras of which the second, 45 degrees to the side and level, is the strip's."""


class DetailDemo:
    """Its steps in their order; each leaves its files in the folder, and pictures for the contact sheet.

    Args:
        backend: runs a command of the backend's.
    """

    def __init__(self, folder: Path, settings: RenderGroundTruth, reporter: Reporter, backend: Callable):
        self.folder, self.settings, self.reporter, self.backend = folder, settings, reporter, backend
        self.pictures: list[str] = []

    def register(self) -> None:
        """Scan, landmarks, Register Scan: the dense head on the scan, and its map."""
        made, ours = self.folder / "scan", bpy.context.scene.maquette
        choices = ["--style", STYLE, "--seed", str(SEED), "--spacing", str(SPACING)]
        self.backend("make-scan", *choices, "--out", made)
        scan = head_object(Files(None, made / "scan.ply"))
        scan.name = "Synthetic Scan"
        scan.location.x += ASIDE
        bpy.context.view_layer.update()
        ours.fit.scan, ours.fit.unit = scan, "m"
        bpy.ops.maquette.load_landmarks(filepath=str(made / "landmarks.json"))
        ours.detail.preset, ours.detail.size = "draft", "512"
        bpy.ops.maquette.register_scan()
        self.detail = detail_heads.detail_object(bpy.context)
        self.camera = orbit_cameras(head_from_object(scan).vertices, AROUND, self.settings.size)[1]
        self._show("scan", scan)
        self._show("registered", self.detail)
        self.pictures.append(_contrasted(ours.detail.map, self.folder / "pictures" / "map.png"))

    def animate(self) -> None:
        """Animate Detail, and a recording keyed onto the plain head, whose sliders and bones it follows."""
        scene = bpy.context.scene
        rig = rig_of(detail_heads.plain_head_of(bpy.context, self.detail))
        scene.maquette.detail.head, scene.maquette.detail.way = rig.mesh, "live"
        bpy.ops.maquette.animate_detail()
        live = bpy.context.active_object
        recording = read_arkit_csv(self.folder.parent / "face.csv")
        keyframe(bpy.context, rig, recording.motion(flame_arkit.table_of(rig), rig.joints))
        for number, seconds in enumerate(SHOWN):
            scene.frame_set(1 + round(demo_face.RATE * seconds))
            self._show(f"moving/{number}", live)
        scene.frame_set(1)
        self.detail.hide_set(True)

    def _show(self, name: str, thing: bpy.types.Object) -> None:
        """Picture an object in clay, eyes and all."""
        slots = [(slot, slot.material) for slot in thing.material_slots]
        for slot, _ in slots:
            slot.material = clay()
        render_ground_truth(
            Subject.of([], thing), self.settings, self.folder / "pictures" / name, self.reporter, views=[self.camera]
        )
        for slot, material in slots:
            slot.material = material
        self.pictures.append(str(self.folder / "pictures" / name / "images" / "view_000.png"))


def clay() -> bpy.types.Material:
    """A dull grey that shows shape."""
    found = bpy.data.materials.get("Clay")
    if found is None:
        found = bpy.data.materials.new("Clay")
        tree = use_nodes(found)
        shader, output = tree.nodes.new("ShaderNodeBsdfPrincipled"), tree.nodes.new("ShaderNodeOutputMaterial")
        shader.inputs["Base Color"].default_value = (*CLAY, 1.0)
        shader.inputs["Roughness"].default_value = 0.7
        tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return found


def _contrasted(displacement: bpy.types.Image, path: Path) -> str:
    """A picture of a map (16-bit PNG) to look at: half a percent of its texels reach beyond what is shown; its file."""
    width, height = displacement.size
    pixels = np.empty((height * width, displacement.channels), np.float32)
    displacement.pixels.foreach_get(pixels.ravel())
    moved = pixels[:, :3] - 0.5
    shown = np.ones((height * width, 4), np.float32)
    shown[:, :3] = (0.5 + 0.5 * moved / max(float(np.percentile(np.abs(moved), 99.5)), 1e-6)).clip(0, 1)
    picture = bpy.data.images.new("Contrasted Map", width, height)
    picture.colorspace_settings.name = "Non-Color"
    picture.pixels.foreach_set(shown.ravel())
    picture.filepath_raw, picture.file_format = str(path), "PNG"
    picture.save()
    bpy.data.images.remove(picture)
    return str(path)
