"""Runs inside an environment that has bpy: pictures of the live dense head in some expressions and poses.

dense_head_pictures.py MODEL DENSE_KEYS.npz COEFFICIENTS.npz FOLDER
"""

import importlib
import math
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from building import extension, headless

SIZE, SAMPLES = 340, 24
SMILE = ("smile left", "smile right", "cheek squint left", "cheek squint right")
PICTURES = {
    "rest": ((), {}, 0.0, 0.86),
    "smile": (SMILE, {}, 0.2, 0.86),
    "open": ((), {"jaw": (0.33, 0, 0)}, 0.35, 0.86),
    "turned": (("brow inner up left", "smile left"), {"neck": (0.1, 0.6, 0), "jaw": (0.12, 0, 0)}, 0.0, 0.86),
    "mouth": (("smile left", "smile right"), {"jaw": (0.25, 0, 0)}, 0.25, 0.28),
    "lids": (("blink left", "blink right"), {}, 0.0, 0.42),
}
"""Name → shapes at 1, turns of bones, the camera's angle to the side, and its distance."""


def main(model: str, keys: Path, coefficients: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True) as user:
        link = extension.link(Path(user))
        try:
            headless.enable(Path(user))
            draw(model, keys, coefficients, folder)
        finally:
            extension.unlink(link)


def draw(model: str, keys: Path, coefficients: Path, folder: Path) -> None:
    """Write one PNG for each of ``PICTURES``."""
    import bpy
    from mathutils import Quaternion, Vector

    def part(name):
        return importlib.import_module(f"{headless.MODULE}.{name}")

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    add = bpy.ops.maquette.add_built_in_flame_head if model == "built-in" else bpy.ops.maquette.add_flame_head
    add(**({} if model == "built-in" else {"filepath": model}))
    rig = part("addon.flame_rig").current_rig(bpy.context)
    given = part("backend.formats.coefficients").read_coefficients(coefficients)
    part("addon.flame_pose").apply_coefficients(rig, given)
    thing = part("addon.detail_rig").add_live_head(bpy.context, rig, keys)
    rig.mesh.hide_render = True
    scene, camera = bpy.context.scene, _stage(bpy, Vector)
    _settings(scene)
    middle = sum((Vector(corner) for corner in thing.bound_box), Vector()) / 8
    for name, (shapes, turns, side, distance) in PICTURES.items():
        for slider in rig.expression:
            rig.key(slider).value = float(slider in shapes)
        for joint in rig.joints:
            rig.bone(joint).matrix_basis = Quaternion(Vector(turns.get(joint, (0, 0, 0)))).to_matrix().to_4x4()
        target = middle + Vector((0, 0, {"mouth": -0.035, "lids": 0.04}.get(name, 0)))
        camera.location = target + distance * Vector((math.sin(side), -math.cos(side), 0.05))
        camera.location.y -= 0.06 * (distance < 0.5)
        camera.rotation_euler = (target - camera.location).to_track_quat("-Z", "Y").to_euler()
        scene.render.filepath = str(folder / f"{name}.png")
        bpy.ops.render.render(write_still=True)


def _stage(bpy, vector):
    """A key, a fill and a rim light, grey air; the camera, which is returned."""
    scene = bpy.context.scene
    for place, watts in (((-0.6, -0.8, 0.5), 12), ((0.8, -0.5, 0.1), 4), ((0.2, 0.9, 0.6), 8)):
        light = bpy.data.lights.new("Light", "AREA")
        light.energy, light.size = watts, 0.4
        lamp = bpy.data.objects.new("Light", light)
        lamp.location, lamp.rotation_euler = place, (-vector(place)).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(lamp)
    scene.world = bpy.data.worlds.new("World")
    if scene.world.node_tree is None:
        scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.25, 0.27, 0.3, 1)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.lens, scene.camera = 85, camera
    scene.collection.objects.link(camera)
    return camera


def _settings(scene) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", SAMPLES, True
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.view_settings.view_transform = "Standard"


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]))
