"""Runs inside an environment that has bpy: a head with hair in a room with pictures on its walls, rendered with its
truth.

capture_scene_in_blender.py SCENE.json, which holds the files, the cameras and the settings (bench/capture_scene.py).
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from building import extension, headless

HALF, LOW, HIGH = 2.4, -1.2, 1.5
"""Metres from the head to the walls, the floor and the ceiling."""
_BOXES = 9
_GLOW = 0.75


def main(scene: dict) -> None:
    with tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True) as user:
        link = extension.link(Path(user))
        try:
            headless.enable(Path(user))
            render(scene)
        finally:
            extension.unlink(link)


def render(scene: dict) -> None:
    """Render the scene's cameras into a capture with its truth."""
    import bpy

    def part(name):
        return importlib.import_module(f"{headless.MODULE}.{name}")

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    files = part("addon.ground_truth.files").Files(
        Path(scene["strands"]), Path(scene["mesh"]), hair_colour=tuple(scene["colour"])
    )
    protocol, renderer = part("backend.protocol"), part("addon.ground_truth.render")
    folder = Path(scene["out"])
    reporter = protocol.Reporter(folder, part("addon.headless").print_event)
    hair, head = part("addon.ground_truth.from_files").load_subject(files, scene["seed"], reporter.warning)
    # The scan knows no regions; the head fitted to it says where landmarks and the scalp are.
    fitted = part("backend.formats.head").read_head(Path(scene["fitted"]))
    strands = renderer.Subject.of(hair, None).strands
    subject = renderer.Subject(hair, head, strands, fitted, _room(bpy, [Path(p) for p in scene["walls"]]))
    contract = part("backend.contract")
    settings = contract.RenderGroundTruth(samples=scene["samples"], seed=scene["seed"], surface=False)
    camera = part("backend.formats.capture").Camera
    views = [camera(**values) for values in scene["cameras"]]
    renderer.render_ground_truth(subject, settings, folder, reporter, views=views)


def _room(bpy, pictures: list[Path]) -> list:
    """Walls, floor, ceiling and some boxes that shine by themselves and neither light the head nor shade it."""
    materials = [_shining(bpy, path) for path in pictures]
    middle = (HIGH + LOW) / 2
    height = HIGH - LOW
    made = []
    for number, (place, turn, size) in enumerate((
        ((0, HALF, middle), (np.pi / 2, 0, 0), (2 * HALF, height)),
        ((0, -HALF, middle), (np.pi / 2, 0, np.pi), (2 * HALF, height)),
        ((HALF, 0, middle), (np.pi / 2, 0, -np.pi / 2), (2 * HALF, height)),
        ((-HALF, 0, middle), (np.pi / 2, 0, np.pi / 2), (2 * HALF, height)),
        ((0, 0, LOW), (0, 0, 0), (2 * HALF, 2 * HALF)),
        ((0, 0, HIGH), (np.pi, 0, 0), (2 * HALF, 2 * HALF)),
    )):  # fmt: skip
        bpy.ops.mesh.primitive_plane_add(size=1, location=place, rotation=turn)
        made.append(bpy.context.active_object)
        made[-1].scale = (*size, 1)
        made[-1].data.materials.append(materials[number % len(materials)])
    rng = np.random.default_rng(3)
    for number in range(_BOXES):
        angle, far = 2 * np.pi * (number + rng.uniform(-0.3, 0.3)) / _BOXES, rng.uniform(1.5, 2.0)
        edges = rng.uniform(0.25, 0.6, 3)
        at = (far * np.cos(angle), far * np.sin(angle), rng.uniform(-0.9, 0.5))
        bpy.ops.mesh.primitive_cube_add(size=1, location=at, rotation=(0, 0, rng.uniform(0, np.pi)))
        made.append(bpy.context.active_object)
        made[-1].scale = edges.tolist()
        made[-1].data.materials.append(materials[(3 * number + 1) % len(materials)])
    for thing in made:
        thing.visible_diffuse = thing.visible_glossy = thing.visible_transmission = thing.visible_shadow = False
    return made


def _shining(bpy, picture: Path):
    versions = importlib.import_module(f"{headless.MODULE}.addon.versions")
    material = bpy.data.materials.new(picture.stem)
    tree = versions.use_nodes(material)
    image = tree.nodes.new("ShaderNodeTexImage")
    image.image = bpy.data.images.load(str(picture))
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Strength"].default_value = _GLOW
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(image.outputs["Color"], emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    material.cycles.emission_sampling = "NONE"
    return material


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
