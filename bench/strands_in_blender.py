"""Runs inside an environment that has bpy: strands become a groom, with this checkout as the extension.

strands_in_blender.py STRANDS.npz REPEATS
"""

import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from building import extension, headless


def main(path: Path, repeats: int) -> list[dict]:
    with tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True) as folder:
        link = extension.link(Path(folder))
        try:
            headless.enable(Path(folder))
            return measure(path, repeats)
        finally:
            extension.unlink(link)


def measure(path: Path, repeats: int) -> list[dict]:
    """Reading, the groom with its guides, and its first evaluation; beside it, bare curves of the same strands."""
    import bpy

    def part(name):
        return importlib.import_module(f"{headless.MODULE}.{name}")

    formats, groom, heads = part("backend.formats.strands"), part("addon.groom"), part("addon.heads")
    head_files, scene = part("backend.formats.head"), part("addon.strands_scene")
    peak = part("backend.memory").Peak()
    steps = {"read the file": [], "make the groom and its guides": [], "evaluate it once": []}
    bare, counts = [], (0, 0)
    for _ in range(repeats):
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        head = heads.add_head(bpy.context, head_files.read_head(head_files.BUILT_IN_HEAD))
        times = [time.perf_counter()]
        strands = formats.read_npz(path)
        times.append(time.perf_counter())
        made = groom.add_groom(bpy.context, strands, head)
        times.append(time.perf_counter())
        bpy.context.view_layer.update()
        made.hair.evaluated_get(bpy.context.evaluated_depsgraph_get())
        times.append(time.perf_counter())
        for seconds, began, ended in zip(steps.values(), times, times[1:], strict=False):
            seconds.append(ended - began)
        counts = len(made.hair.data.curves), len(made.hair.data.points)
        scene.curves_from_strands(strands, "Bare")
        bare.append(time.perf_counter() - times[-1])
    assert counts == (len(strands), len(strands.points)), "strands were lost on the way"
    whole = [sum(values) for values in zip(*steps.values(), strict=True)]
    name = f"{counts[0]:,} strands, {counts[1]:,} points, in bpy {bpy.app.version_string}"
    whole = {"name": name, "seconds": whole, "peak_mb": peak.mb(), "target": 5.0}
    compared = {"name": "for comparison, bare curves without surface, guides or material", "seconds": bare}
    return [whole, *({"name": f"of that: {step}", "seconds": seconds} for step, seconds in steps.items()), compared]


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))), flush=True)
