"""Runs inside an environment that has bpy: the live dense head is added, keyframed, saved and played.

dense_head_in_blender.py MODEL DENSE_KEYS.npz COEFFICIENTS.npz MOTION.npz
"""

import importlib
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from building import extension, headless

ROUNDS = 3


def main(model: str, keys: Path, coefficients: Path, motion: Path) -> dict:
    with tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True) as folder:
        link = extension.link(Path(folder))
        try:
            headless.enable(Path(folder))
            return measure(model, keys, coefficients, motion, Path(folder))
        finally:
            extension.unlink(link)


def measure(model: str, keys: Path, coefficients: Path, motion: Path, folder: Path) -> dict:
    """Milliseconds of a frame with every slider and bone in motion, as the dependency graph is evaluated; and with the
    normals that a viewport asks for."""
    import bpy

    def part(name):
        return importlib.import_module(f"{headless.MODULE}.{name}")

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    if model == "built-in":
        bpy.ops.maquette.add_built_in_flame_head()
    else:
        bpy.ops.maquette.add_flame_head(filepath=model)
    rig = part("addon.flame_rig").current_rig(bpy.context)
    given = part("backend.formats.coefficients").read_coefficients(coefficients)
    part("addon.flame_pose").apply_coefficients(rig, given)
    began = time.perf_counter()
    thing = part("addon.detail_rig").add_live_head(bpy.context, rig, keys)
    spent = {"add_s": time.perf_counter() - began}
    for name, compress in (("compressed", True), ("plain", False)):
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{name}.blend"), compress=compress)
        spent[f"blend_{name}_mb"] = (folder / f"{name}.blend").stat().st_size / 1e6
    read = part("backend.formats.face_motion").read_face_motion(motion)
    keyed = part("addon.flame_animation").keyframe(bpy.context, rig, read)
    rig.mesh.hide_set(True)

    def played(normals: bool) -> list[float]:
        times = []
        for frame in list(range(1, keyed.frames + 1)) * ROUNDS:
            start = time.perf_counter()
            bpy.context.scene.frame_set(frame)
            if normals:
                shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
                shown.vertex_normals[0].vector  # noqa: B018 (they are computed when they are asked for)
            times.append(1e3 * (time.perf_counter() - start))
        return times

    played(False)
    for name, normals in (("frame", False), ("frame_with_normals", True)):
        before = time.process_time()
        times = played(normals)
        spent |= {f"{name}_ms": median(times), f"{name}_ms_best": min(times)}
        spent[f"{name}_cpu_ms"] = 1e3 * (time.process_time() - before) / len(times)
    return {"blender": bpy.app.version_string, "keys": len(thing.data.shape_keys.key_blocks) - 1} | spent


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *map(Path, sys.argv[2:5]))))
