"""Heads reconstructed from few pictures, against the true surface: views, faulty input, cameras unknown."""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend.errors import MaquetteError
from backend.evaluate.head_alignment import align
from backend.evaluate.head_meshes import Crop, read_head_mesh
from backend.fit.place import umeyama
from backend.formats.capture import read_capture, write_capture
from backend.formats.mesh_ply import write_ply
from backend.protocol import SilentReporter

from . import head_picture
from .hair_scenes import CHECKOUT
from .head_faults import FAULTS
from .head_measure import Truth, measure, on_face, truth_of
from .head_report import write_report
from .head_scenes import HALF_CIRCLE, NARROW, Photography, hair_capture, scan_capture, some_views

HELP = "Heads from 3 to 12 rendered pictures against the true surface: millimetres, seconds, and faulty input."
HAIR_SEEN_BY = 2
"""Cameras that must see a point of the head with hair for it to count."""


@dataclass(frozen=True)
class Row:
    """One reconstruction.

    Attributes:
        name: in the tables.
        scene: "scan", or a style of hair on the built-in head.
        views: of twelve.
        narrow: three views within 115 degrees, not 180.
        preset: of the request.
        fault: of ``head_faults.FAULTS``, or "unposed" for cameras that nobody knows.
        bar: millimetres that the mean must not pass, if there is a bar.
        size: pixels of the scan's pictures; 0 for the bench's.
        words: further words of the command.
    """

    name: str
    scene: str
    views: int = 12
    preset: str = "standard"
    narrow: bool = False
    fault: str = ""
    bar: float | None = None
    size: int = 0
    words: tuple[str, ...] = ()


PAPER = ("--networks", "reduced", "--rounds", "60")
"""What two cores can do of the preset paper in minutes."""
BARE = ("--texture", "0")
"""Where only the shape is asked for."""
ROWS = (
    Row("real scan, 3 views over 180 degrees", "scan", 3, bar=2.5),
    Row("real scan, 3 views over 115 degrees", "scan", 3, narrow=True, bar=2.5),
    Row("real scan, 6 views over 180 degrees", "scan", 6, bar=1.4),
    Row("real scan, 12 views over 180 degrees", "scan", 12, bar=0.9),
    Row("real scan, 12 views, draft", "scan", 12, "draft"),
    Row("built-in head with layered hair, 12 views around", "layered", bar=2.5),
    *(Row(f"real scan, 12 views, {words}", "scan", fault=fault, words=BARE) for fault, (words, _) in FAULTS.items()),
    Row("real scan, 12 views, cameras unknown", "scan", fault="unposed", words=BARE),
    Row("real scan, 12 views of 128², paper, reduced", "scan", preset="paper", size=128, words=PAPER),
    # How deep a surface lies in hair was set on the layered head; these two had no say in it.
    Row("built-in head with straight hair, 12 views around", "straight"),
    Row("built-in head with curly hair, 12 views around", "curly"),
)
SHOWN = {ROWS[3].name: 1, ROWS[5].name: 0}
"""Rows that heads.jpg shows, and which of their pictures."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench head``."""
    pinned = Photography()
    parser.add_argument("--rows", nargs="+", type=int, choices=range(1, len(ROWS) + 1), help="Only these rows, from 1.")
    parser.add_argument("--size", type=int, default=pinned.size, help=f"Pixels. Pinned: {pinned.size}.")
    parser.add_argument("--samples", type=int, default=pinned.samples, help=f"A pixel. Pinned: {pinned.samples}.")
    parser.add_argument("--scan", type=Path, help="A capture of the scan, in place of the pinned one.")


def run(options: argparse.Namespace) -> None:
    """Render what is not in the cache, reconstruct, measure, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    results, pictures = [], []
    for row in ROWS if not options.rows else tuple(ROWS[k - 1] for k in options.rows):
        print(row.name, flush=True)
        results.append(measured(row, options))
        print(f"  {told(results[-1])}", flush=True)
        write_report(options.out, results)
        if row.name in SHOWN:
            pictures.append(head_picture.draw(folder_of(row, options), scene_of(row, options)[0], SHOWN[row.name]))
            head_picture.write(options.out / "heads.jpg", pictures)
    print(f"Results in {options.out / 'results.md'}")


def measured(
    row: Row, options: argparse.Namespace, extra: tuple[str, ...] = (), name: str = "", same: tuple[str, ...] = ()
) -> dict:
    """Reconstruct one row, and measure it.

    Args:
        extra: words of the request that tell the row from others; ``same`` are those that all rows have.
        name: of its folder, where another than its own is meant.
    """
    capture, truth = scene_of(row, options)
    folder = options.out / name if name else folder_of(row, options)
    given, words = capture, [*row.words, *extra, *same]
    if row.fault == "unposed":
        given = _placed_by_head(capture, folder)
        words += ["--proxy", str(folder / "fit"), "--refine-cameras"]
    elif row.fault:
        given = FAULTS[row.fault][1](capture, folder / "capture")
    seconds, processor = backend("reconstruct-head", given, "--preset", row.preset, *words, "--out", folder)
    report = json.loads((folder / "report.json").read_text("utf-8"))
    mesh = folder / "head.ply" if row.fault != "unposed" else _laid_on_truth(folder, given, capture, truth)
    result = {"row": dataclasses.asdict(row) | {"options": list(extra)}} | measure(mesh, truth, capture)
    if row.scene == "scan":
        result["face"] = measure(mesh, truth, capture, chosen=on_face(truth, capture))["visible"]
    kept = ("seconds", "peak_memory_mb", "priors", "scale_source", "mesh", "stages")
    shutil.rmtree(folder / "capture", ignore_errors=True)
    return result | {"processor_s": round(processor, 1), "wall_s": round(seconds, 1)} | {
        key: report[key] for key in kept if key in report
    }  # fmt: skip


def folder_of(row: Row, options: argparse.Namespace) -> Path:
    """Where a row's reconstruction lies."""
    return options.out / "-".join(
        filter(None, (row.scene, str(row.views), "narrow" * row.narrow, row.preset, row.fault))
    )


def scene_of(row: Row, options: argparse.Namespace) -> tuple[Path, Truth]:
    """A row's capture, and its truth."""
    if row.scene != "scan":
        capture = hair_capture(row.scene, options.samples)
        return capture, truth_of(capture, "surface.ply", HAIR_SEEN_BY)
    capture = options.scan or scan_capture(Photography(size=row.size or options.size, samples=options.samples))
    if row.views != 12:
        chosen = NARROW if row.narrow else HALF_CIRCLE[row.views]
        capture = some_views(capture, chosen, options.out / "captures" / f"scan-{row.views}{'-narrow' * row.narrow}")
    return capture, truth_of(capture, "head.ply", below_chin=0.0)


class Spent(NamedTuple):
    """What a command took: seconds, seconds of processors, and the most memory of any of its processes in MB."""

    seconds: float
    processor: float
    peak_mb: float


def backend(kind: str, *words) -> tuple[float, float]:
    """As ``spent_on``, for seconds and those of processors."""
    spent = spent_on(kind, *words)
    return spent.seconds, spent.processor


def spent_on(kind: str, *words) -> Spent:
    """Run a command of the backend's. Its words go to a log beside its files."""
    out = Path(words[-1])
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-m", "backend", kind, *map(str, words)]
    with (out / "log.txt").open("w") as log:
        began = os.times().elapsed
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = os.times().elapsed - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise MaquetteError(f"'{kind}' ended with code {process.returncode}; {out / 'log.txt'} says why.")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Spent(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / unit)


def told(result: dict) -> str:
    """A result in one line."""
    visible = result["visible"]
    face = f", face {result['face']['mean']:.2f}" if "face" in result else ""
    return (
        f"{visible['mean']:.3f} mm (median {visible['median']:.3f}, 95 % {visible['p95']:.2f}{face}), "
        f"{result['wall_s']:.0f} s, {result['processor_s']:.0f} s of processors"
    )


def _placed_by_head(capture: Path, folder: Path) -> Path:
    """The capture with its cameras where a head fitted to the photographs says, and nothing else known of them."""
    backend("fit-photos", capture, "--cameras", "unknown", "--out", folder / "fit")
    poses = json.loads((folder / "fit" / "cameras.json").read_text("utf-8"))
    placed = folder / "capture"
    shutil.rmtree(placed, ignore_errors=True)
    shutil.copytree(capture, placed, ignore=shutil.ignore_patterns("ground_truth", "depth"))
    known = read_capture(placed)
    views = [
        dataclasses.replace(view, camera=dataclasses.replace(view.camera, camera_to_world=np.array(poses[view.name])))
        for view in known.views
        if view.name in poses
    ]
    write_capture(dataclasses.replace(known, views=tuple(views), scale_source="head fit"))
    return placed


def _laid_on_truth(folder: Path, placed: Path, capture: Path, truth: Truth) -> Path:
    """The mesh moved with seven degrees of freedom: its cameras onto the true ones, then onto the true surface."""
    true = {view.name: view.camera.centre for view in read_capture(capture).views}
    found = {view.name: view.camera.centre for view in read_capture(placed).views}
    names = [name for name in found if name in true]
    first = umeyama(np.array([found[n] for n in names]), np.array([true[n] for n in names]), with_scale=True)
    mesh = read_head_mesh(folder / "head.ply", any_size=True)
    moved = dataclasses.replace(mesh, vertices=first.apply(mesh.vertices))
    whole = Crop(np.ones(len(truth.surface.surface.faces), bool), None, None, "all of it")
    laid = align(moved, truth.surface, whole, "similarity", "as they lie", SilentReporter(folder)).similarity
    write_ply(folder / "head_on_truth.ply", laid.apply(moved.vertices), mesh.faces)
    return folder / "head_on_truth.ply"
