"""What strands cost: comparing two sets of them, bringing them into Blender as a groom, reading and writing files."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from backend.errors import MaquetteError
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.strands import Strands, write_npz
from backend.hair.styles import STYLES, make_hairstyle

from .blender import in_blender
from .hair_scenes import CHECKOUT
from .strands_report import write_report

HELP = "Seconds and memory of evaluating, importing, reading and writing strands, against plain ways in the same run."
POINTS = 100
"""Of each strand."""
GROWN = 10_000
"""Strands of a hairstyle; more are copies of these, each moved by a millimetre or so, because growing takes longer than
what is measured."""
PARTS = ("evaluate", "import", "files")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench strands``."""
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=5, help="Of each measurement. Default: 5.")
    for name, default, what in (
        ("evaluate", 10_000, "Strands on each side of the evaluation"),
        ("import", 100_000, "Strands brought into Blender"),
        ("files", 10_000, "Strands in each file"),
    ):
        text = f"{what}, of {POINTS} points. Default: {default}."
        parser.add_argument(f"--{name}-strands", type=int, default=default, metavar="N", help=text)
    parser.add_argument(
        "--baseline-points", type=int, default=20_000, metavar="N",
        help="Points asked of the plain evaluation, which is then scaled up. Default: 20000.",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Measure in processes of their own, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    about = {"repeats": options.repeats, "points": POINTS, "load": _load()}
    results = []
    with tempfile.TemporaryDirectory(prefix="maquette-strands-") as folder:
        place = Path(folder)
        for part in options.parts:
            for found in _measured(part, place, options):
                results.append(found)
                print(f"{part}: {found['name']}: {np.median(found['seconds']):.3g} s", flush=True)
                write_report(options.out, results, about)
    print(f"Results in {options.out / 'results.md'}")


def _measured(part: str, place: Path, options: argparse.Namespace):
    if part == "evaluate":
        for style in ("straight", "curly"):
            two = [_strands(style, options.evaluate_strands, seed, place) for seed in (1, 2)]
            yield from _child("evaluate", *two, options.repeats, options.baseline_points, style)
    elif part == "import":
        strands = _strands("straight", options.import_strands, 1, place)
        yield from _child("import", strands, options.repeats)
    else:
        strands = _strands("straight", options.files_strands, 1, place)
        yield from _child("files", strands, place, options.repeats)


def _child(part: str, *arguments) -> list[dict]:
    """What a process of its own measured; its peak memory is then that of the part alone."""
    told = {"stdout": subprocess.PIPE, "text": True}
    if part == "import":
        done = in_blender(CHECKOUT / "bench" / "strands_in_blender.py", *arguments, **told)
    else:
        command = [sys.executable, "-P", "-m", "bench.strands_measures", part, *map(str, arguments)]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, **told)
    answer = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("[{")), None)
    if done.returncode or answer is None:
        raise MaquetteError(f"The part '{part}' ended with code {done.returncode}; what it said is above.")
    return [{"part": part} | found for found in json.loads(answer)]


def _strands(style: str, count: int, seed: int, place: Path) -> Path:
    """A file of strands: a hairstyle of ours, synthetic, on the built-in head."""
    path = place / f"{style}-{count}-{seed}.npz"
    if path.exists():
        return path
    print(f"growing {style} hair", flush=True)
    grown = make_hairstyle(read_head(BUILT_IN_HEAD), STYLES[style], min(count, GROWN), seed=seed)
    grown = grown.strands.resampled(POINTS)
    copies = -(-count // len(grown))
    moves = (
        np.random.default_rng(seed).normal(0, 0.0007, (copies, len(grown), 1, 3))
        * (np.arange(copies) > 0)[:, None, None, None]
    )
    many = (grown[None] + moves).reshape(-1, POINTS, 3)[:count]
    write_npz(path, Strands.from_array(many.astype(np.float32)))
    return path


def _load() -> float | None:
    """How busy the machine was, which every figure of time depends on."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
