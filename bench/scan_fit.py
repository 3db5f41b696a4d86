"""Head models fitted to a scan, measured, and a picture of scan, fit and residual to look at."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from backend.contract import BUILT_IN, FitHead
from backend.fit.scan import read_scan
from backend.fit.surfaces import MovingSurface
from backend.formats.coefficients import Similarity
from backend.geometry.raster import rasterise
from backend.jobs import fit_head
from backend.protocol import SilentReporter

HELP = "Head models fitted to a scan with landmarks: millimetres, seconds, and a picture to look at."
TILE, HALF = 300, 0.14
"""Pixels across a picture, and metres from its middle to its edge."""
WORST = 3.0
"""Millimetres at the ends of the residual's colours."""
VIEWS = {"front": 0.0, "profile": 90.0}
SUPERSAMPLING = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench scan-fit``."""
    parser.add_argument("scan", type=Path, help="Mesh of a scan.")
    parser.add_argument("--landmarks", type=Path, required=True, help="Landmarks on it.")
    parser.add_argument("--unit", default="", help="Of the scan; guessed without one.")
    parser.add_argument("--models", nargs="+", default=[BUILT_IN], help=f"Head model files. Default: {BUILT_IN}.")
    parser.add_argument("--picture", type=Path, help="Where the picture goes; default: fit.jpg beside the results.")


def run(options: argparse.Namespace) -> None:
    """Fit every model, and write results.json and the picture."""
    options.out.mkdir(parents=True, exist_ok=True)
    scan, rows, results = read_scan(options.scan), [], {}
    for name in options.models:
        label = Path(name).stem if name != BUILT_IN else name
        folder = options.out / label
        request = FitHead(scan=options.scan, landmarks=options.landmarks, model=name, unit=options.unit)
        fit_head.run(request, SilentReporter(folder))
        report = json.loads((folder / "report.json").read_text())
        results[label] = {k: report[k] for k in ("seconds", "unit_source", "scan_to_head_mm", "head_to_scan_mm")}
        regions = {k: v["mean"] for k, v in report["scan_to_head_mm"]["regions"].items()}
        print(f"{label}: {report['seconds']:.1f} s, scan to head in mm: {regions}", flush=True)
        rows.append(_row(scan, folder, report, label))
    (options.out / "results.json").write_text(json.dumps(results, indent=1))
    picture = options.picture or options.out / "fit.jpg"
    picture.write_bytes(cv2.imencode(picture.suffix, np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())
    print(f"Results in {options.out / 'results.json'}, and {picture}")


def _row(scan, folder: Path, report: dict, label: str) -> np.ndarray:
    """Scan, fit and residual, from the front and in profile, all in the head's own frame."""
    import trimesh

    head = trimesh.load(folder / "head.ply", process=False, maintain_order=True)
    residual = np.asarray(head.metadata["_ply_raw"]["vertex"]["data"]["residual"]).reshape(-1) * 1000
    place = Similarity(**{key: np.array(value) for key, value in report["similarity"].items()})
    # In the head's own axes, about its middle without the neck.
    own = [(points - place.translation) @ place.rotation / place.scale for points in (scan.points, head.vertices)]
    upper = own[1][own[1][:, 2] > -0.06]
    own = [points - (upper.max(axis=0) + upper.min(axis=0)) / 2 for points in own]
    faces = np.asarray(head.faces, np.int64)
    face_mm = report["scan_to_head_mm"]["regions"]["face"]["mean"]
    scalp_mm = report["scan_to_head_mm"]["regions"]["scalp"]["mean"]
    tiles = []
    for name, degrees in VIEWS.items():
        tiles.append(_labelled(_tile(own[0], scan.faces, degrees), f"scan, {name}"))
        tiles.append(_labelled(_tile(own[1], faces, degrees), f"{label}, {name}"))
        tiles.append(_tile(own[1], faces, degrees, _heat(residual)))
        words = f"-{WORST:g} to {WORST:g} mm" if name == "profile" else f"face {face_mm:.2f}, scalp {scalp_mm:.2f} mm"
        _labelled(tiles[-1], words)
    return np.hstack(tiles)


def _tile(vertices, faces, degrees: float, colours=None) -> np.ndarray:
    """(TILE, TILE, 3) uint8 of a mesh (metres, Z up) from ``degrees`` to the left of its front."""
    size = TILE * SUPERSAMPLING
    a = np.radians(degrees)
    axes = np.array([[np.cos(a), np.sin(a), 0], [0, 0, 1], [np.sin(a), -np.cos(a), 0]])
    near = np.flatnonzero((np.abs(vertices) < 2 * HALF).all(axis=1)[faces].all(axis=1))
    seen = (vertices + [0, 0, 0.025]) @ axes.T
    pixels = (seen[:, :2] * [1, -1] / HALF + 1) * size / 2
    raster = rasterise(pixels, 1 - seen[:, 2], faces[near], (size, size), perspective=False)
    surface = MovingSurface(faces)
    surface.move(vertices)
    normals = raster.blend(surface.vertex_normals, faces[near]) @ axes.T
    light = 0.25 + 0.75 * np.clip(normals @ np.array([0.3, 0.42, 0.86]), 0, 1)
    paint = np.array([205, 212, 222]) if colours is None else raster.blend(colours, faces[near])
    picture = np.where(raster.covered[..., None], light[..., None] * paint, 255)
    return cv2.resize(picture.astype(np.uint8), (TILE, TILE), interpolation=cv2.INTER_AREA)


def _heat(residual: np.ndarray) -> np.ndarray:
    """(V, 3) BGR: blue where the scan lies inside the head, red outside, white where they meet, grey unseen."""
    t = np.clip(np.nan_to_num(residual) / WORST, -1, 1)[:, None]
    colours = np.where(t < 0, 255 - np.abs(t) * [35, 150, 255], 255 - t * [255, 200, 25])
    return np.where(np.isnan(residual)[:, None], 150.0, colours)


def _labelled(tile: np.ndarray, text: str) -> np.ndarray:
    return cv2.putText(tile, text, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
