"""Runs inside an environment that has bpy: a tracked sequence becomes keyframes of a FLAME head.

keyframing_in_blender.py MODEL.npz MOTION.npz REPEATS
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


def main(model: Path, motion: Path, repeats: int) -> dict:
    with tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True) as folder:
        link = extension.link(Path(folder))
        try:
            headless.enable(Path(folder))
            return measure(model, motion, repeats)
        finally:
            extension.unlink(link)


def measure(model: Path, motion: Path, repeats: int) -> dict:
    """From a motion that is read to all its F-curves, as Keyframe Face does it."""
    import bpy

    def part(name):
        return importlib.import_module(f"{headless.MODULE}.{name}")

    rigs, animation = part("addon.flame_rig"), part("addon.flame_animation")
    read = part("backend.formats.flame_files").read_flame_model(model)
    recorded = part("backend.formats.face_motion").read_face_motion(motion, 24)
    spent = []
    for _ in range(repeats):
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        rig = rigs.add_flame_head(bpy.context, read)
        began = time.perf_counter(), time.process_time()
        keyed = animation.keyframe(bpy.context, rig, recorded)
        spent.append([1e3 * (now - then) for now, then in zip((time.perf_counter(), time.process_time()), began)])
    wall, cpu = (median(values) for values in zip(*spent))
    name = f"keyframes in bpy {bpy.app.version_string}, {keyed.frames:,} frames of {keyed.channels} channels (bar 2 s)"
    return {"row": name, "ms": wall, "cpu_ms": cpu}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
