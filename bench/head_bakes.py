"""What becomes of a reconstructed head afterwards: its saved field as a fine mesh, and photographs on a mesh."""

import argparse
import json
import os
from pathlib import Path

from backend.errors import MaquetteError

from .head import Row, folder_of, measured, scene_of, spent_on
from .head_scenes import Photography

HELP = (
    "A head's saved field as a mesh at 512³, and a texture of 2048² on a mesh: seconds, memory, whether it is closed."
)
SCAN = Row("real scan, 12 views over 180 degrees", "scan")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench head-bakes``."""
    pinned = Photography()
    parser.add_argument("--head", type=Path, help="Folder of a reconstructed scan; without one it is made first.")
    parser.add_argument("--resolution", type=int, default=512, help="Nodes along a side. Default: 512.")
    parser.add_argument("--texture", type=int, default=2048, help="Pixels along a side. Default: 2048.")
    parser.set_defaults(scan=None, size=pinned.size, samples=pinned.samples)


def run(options: argparse.Namespace) -> None:
    """Bake each, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    capture, _ = scene_of(SCAN, options)
    head = options.head or folder_of(SCAN, options)
    if options.head and not all((head / name).is_file() for name in ("field.npz", "head.npz")):
        raise MaquetteError(f"{head} is no folder of a reconstructed head: it wants field.npz and head.npz.")
    if not (head / "field.npz").is_file():
        print("Reconstructing the scan", flush=True)
        measured(SCAN, options)
    mesh = ("bake-sdf", head / "field.npz", "--resolution", options.resolution)
    rows = {
        f"field at {options.resolution}³, all triangles": (*mesh, "--faces", 0),
        f"field at {options.resolution}³, 100,000 triangles": (*mesh, "--faces", 100_000),
        f"texture of {options.texture}²": ("bake-texture", head / "head.npz", capture, "--size", options.texture),
    }
    results = []
    for number, (name, words) in enumerate(rows.items()):
        results.append(_baked(name, words, options.out / f"bake-{number}"))
        print(told(results[-1]), flush=True)
        write(options.out, results)
    print(f"Results in {options.out / 'results.md'}")


def _baked(name: str, words: tuple, folder: Path) -> dict:
    spent = spent_on(*words, "--out", folder)
    report = json.loads((folder / "report.json").read_text("utf-8"))
    return {
        "name": name, "wall_s": round(spent.seconds, 1), "processor_s": round(spent.processor, 1),
        "peak_mb": round(spent.peak_mb), "report": report,
    }  # fmt: skip


def told(result: dict) -> str:
    """A result in one line."""
    return (
        f"{result['name']}: {result['wall_s']:.1f} s ({result['processor_s']:.1f} s of processors), "
        f"{result['peak_mb']:.0f} MB, {_what(result['report'])}"
    )


def _what(report: dict) -> str:
    if "triangles" in report:
        closed = "watertight" if report["watertight"] else f"{len(report['holes'])} holes"
        return f"{report['triangles']:,} triangles, {closed}"
    return (
        f"{report['seen_share']:.0%} seen; views differ by {report['seam_before']:.1f} of 255 where they meet, "
        f"{report['seam_after']:.1f} after levelling"
    )


def write(folder: Path, results: list[dict]) -> None:
    """results.json and results.md."""
    (folder / "results.json").write_text(json.dumps({"cores": os.cpu_count(), "results": results}, indent=1))
    lines = ["# A field as a mesh, photographs on it", "", f"The commands from start to end; {os.cpu_count()} cores.",
             "", "| | s | processor s | MB | |", "|---|---|---|---|---|"]  # fmt: skip
    for result in results:
        cells = [result["name"], f"{result['wall_s']:.1f}", f"{result['processor_s']:.1f}", str(result["peak_mb"])]
        lines.append("| " + " | ".join([*cells, _what(result["report"])]) + " |")
    (folder / "results.md").write_text("\n".join(lines) + "\n")
