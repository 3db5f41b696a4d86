"""Detail measured: scans registered, either stage alone, layouts, maps there and back, and the losses.

Real: Lee Perry-Smith's scan, where it lies beside the checkout. Synthetic: three heads with hair of our own making.
"""

import argparse
import json
import os
import time
from pathlib import Path

import cv2
import numpy as np

from backend.child_job import ChildJob
from backend.contract import BUILT_IN, REGISTRATION_PRESETS, RegisterScan
from backend.detail.dense import dense_head
from backend.detail.given import given_displacement
from backend.detail.registration import REACH
from backend.errors import MaquetteError
from backend.fit.model import model_to_fit
from backend.fit.scan import ScanSurface, read_scan
from backend.fit.surfaces import MovingSurface
from backend.formats.coefficients import read_coefficients
from backend.formats.dense_mesh import DenseMesh, read_dense_mesh
from backend.formats.landmarks import read_landmarks

from . import detail_layout
from .detail_losses import time_losses
from .detail_report import write_report
from .detail_scans import FLAME, PERRY, STYLES, BenchScan, real_scans, synthetic_scans
from .detail_stages import POINTS as WHOLE_POINTS
from .detail_stages import compare_stages, whole_scan

PAPER = "Register with the published optimisation as well, 2 x 1,000 steps: it tells by the minute how long it takes."
HELP = "Scans registered, either stage alone, UV layouts, maps there and back, losses: millimetres and seconds."
PARTS = ("scans", "stages", "layouts", "pictures", "losses")
MINUTE = 60


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench detail``."""
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--preset", default="standard", help="Default: standard.")
    parser.add_argument("--paper", action="store_true", help=PAPER)
    parser.add_argument("--styles", nargs="+", choices=STYLES, default=list(STYLES), metavar="STYLE")
    parser.add_argument("--spacing", type=float, default=0.0012, help="Metres between a synthetic scan's points.")
    parser.add_argument("--lee-perry-smith", type=Path, default=PERRY, metavar="FILE", help="His scan (.obj).")
    parser.add_argument("--flame", type=Path, default=FLAME, metavar="FILE", help="A model of FLAME's topology.")


def run(options: argparse.Namespace) -> None:
    """Measure, and write results.json, results.md and the pictures after every step."""
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict = {"preset": options.preset}
    real = real_scans(options.lee_perry_smith, options.flame)
    synthetic = []
    if {"scans", "stages", "pictures"} & set(options.parts):
        synthetic = synthetic_scans(options.out / "scans", tuple(options.styles), options.spacing)
    if not real:
        print("Lee Perry-Smith's scan is not at hand; only synthetic heads are measured.")
    if "scans" in options.parts:
        presets = [options.preset] + ["paper"] * (options.paper and "paper" in REGISTRATION_PRESETS)
        results["scans"] = []
        for scan in [*real, *synthetic]:
            for preset in presets:
                results["scans"].append(registered(scan, preset, options.out))
                write_report(options.out, results)
    if "stages" in options.parts:
        results["stages"] = {}
        for scan in synthetic:
            print(f"{scan.label}: each stage alone", flush=True)
            figures, picture = compare_stages(scan, options.preset, options.out)
            results["stages"][scan.label] = figures
            name = f"stages_{scan.scan.parent.name.partition('-')[0]}.jpg"
            _write_picture(options.out / name, picture)
            write_report(options.out, results)
    if "layouts" in options.parts:
        results["layouts"] = layouts(options)
        write_report(options.out, results)
    if "pictures" in options.parts:
        _pictures(options, [*real, *synthetic])
    if "losses" in options.parts:
        results["losses"] = time_losses(dense_head(model_to_fit(BUILT_IN)))
        write_report(options.out, results)
    print(f"Results in {options.out / 'results.md'}")


def registered(scan: BenchScan, preset: str, out: Path) -> dict:
    """A row: one scan registered in a process of its own, as an artist's is, with its map there and back."""
    folder = _folder(out, scan, preset)
    request = RegisterScan(
        scan=scan.scan.absolute(), landmarks=scan.landmarks.absolute(), model=scan.model, unit=scan.unit, preset=preset
    )
    began = said = time.perf_counter()
    job = ChildJob(request, folder, os.cpu_count() or 1)
    try:
        while job.running:
            time.sleep(0.2)
            if job.seconds_left is not None and time.perf_counter() - said > MINUTE:
                said = time.perf_counter()
                print(f"  {scan.label}, {preset}: {job.stage}, {job.seconds_left / 60:.0f} min left of it", flush=True)
    finally:
        job.stop()
    wall = time.perf_counter() - began
    if job.error is not None:
        raise MaquetteError(f"{scan.label}: {job.error}")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    mesh = read_dense_mesh(folder / "mesh.npz")
    dense = dense_head(model_to_fit(scan.model))
    row = {"scan": scan.label, "synthetic": scan.synthetic, "preset": preset, "wall_seconds": round(wall, 1)}
    kept = (
        "seconds", "stage_seconds", "scan_to_mesh_mm", "mesh_to_scan_mm", "clipped_vertices", "vertices", "scan_points",
        "self_intersecting_share",
    )  # fmt: skip
    row |= {key: report.get(key) for key in kept}
    row["whole_scan_mm"] = whole_scan(dense, mesh.vertices, _seen_points(scan, folder, report, mesh))
    row["round_trip"] = detail_layout.round_trip(dense, given_displacement(folder / "registered.npz", dense))
    mean, points = report["scan_to_mesh_mm"]["mean"], report["scan_points"]
    print(f"{scan.label}, {preset}: {mean:.3f} mm, {wall:.0f} s, {points:,} points", flush=True)
    return row


def _folder(out: Path, scan: BenchScan, preset: str) -> Path:
    name = scan.label.lower().replace(",", "").replace(" ", "-").replace("'", "")
    return (out / f"{name}-{preset}").absolute()


def _pictures(options: argparse.Namespace, scans: list[BenchScan]) -> None:
    """Layouts, their checker over the built-in head's registrations, the first one's face with the second's hair."""
    places = [_folder(options.out, scan, options.preset) for scan in scans if scan.model == BUILT_IN]
    found = [place / "registered.npz" for place in places if (place / "registered.npz").is_file()]
    transfer = [(found[1], found[0])] if len(found) > 1 else []
    out = options.out / "pictures"
    detail_layout.run(
        argparse.Namespace(registered=found, transfer=transfer, model=BUILT_IN, out=out, pictures=out),
    )


def _seen_points(scan: BenchScan, folder: Path, report: dict, mesh: DenseMesh) -> np.ndarray:
    """(N, 3) metres, in the head's frame: points of what can be seen of a scan's surface from outside."""
    on_file = read_coefficients(folder / "coefficients.npz").similarity
    metres = report["metres_per_unit"]
    head = MovingSurface(mesh.faces)
    head.move(on_file.apply(mesh.vertices) * metres)
    middle = read_landmarks(scan.landmarks).points.mean(axis=0) * metres
    surface = ScanSurface(
        read_scan(scan.scan), metres, middle, lambda at: head.normals_at(*head.nearest(at)[1:]), REACH
    )
    points = surface.samples(WHOLE_POINTS)[0] / metres
    return (points - on_file.translation) @ on_file.rotation / on_file.scale


def layouts(options: argparse.Namespace) -> dict:
    """Figures of both layouts, of both topologies."""
    found = {}
    models = [BUILT_IN] + ([str(options.flame)] if options.flame.is_file() else [])
    for name in models:
        dense = dense_head(model_to_fit(name))
        uvs = {"custom": dense.layout.uv} | ({"standard": dense.model.uv} if dense.model.uv is not None else {})
        found[dense.model.name] = {kind: detail_layout.figures(dense, uv) for kind, uv in uvs.items()}
    return found


def _write_picture(path: Path, picture) -> None:
    path.write_bytes(cv2.imencode(path.suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, 86])[1].tobytes())
