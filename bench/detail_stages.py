"""Both stages of a registration against either alone (HeadCraft, figure 10): numbers and a picture."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from backend.detail.dense import DenseHead, dense_head
from backend.detail.intersections import self_intersecting_share
from backend.detail.registration import REACH, SCHEDULES, Scanned, register
from backend.detail.registration_measure import measure
from backend.fit.head_on_scan import lay_head_on_scan
from backend.fit.surfaces import boundary_edges, on_rim
from backend.geometry.surface import Surface
from backend.jobs.register_scan import CALM
from backend.protocol import Reporter

from .detail_layout import TILE, seen
from .detail_scans import BenchScan

WAYS = {"vectors only": ("vector",), "normals only": ("normal",), "both stages": ("vector", "normal")}
POINTS = 40_000
"""Of a scan, that the whole of it is measured by."""
VIEWS = (35.0, 110.0, 180.0)


def compare_stages(scan: BenchScan, preset: str, folder: Path) -> tuple[dict, np.ndarray]:
    """Figures by way, and a picture: a row of views of the scan, and of each way.

    Millimetres are from scan to surface over what may move; spikes are told by the share of triangles that pass through
    others and by the sharpest folds.
    """
    reporter = Reporter(folder, lambda *_, **__: None)
    fit = lay_head_on_scan(scan.scan, scan.landmarks, scan.model, scan.unit, 0, True, "cpu", reporter, CALM)
    dense, at = dense_head(fit.model), fit.parameters
    fitted = dense.vertices(at.identity, at.expression, at.pose)
    scanned = Scanned.of(fit.surface_within(REACH), fit.place)
    own = (fit.scan.points * fit.metres - fit.place.translation) @ fit.place.rotation / fit.place.scale
    rows, figures = [_row(own, fit.scan.faces, "scan")], {}
    for name, stages in WAYS.items():
        used = _far_sighted(preset) if name == "normals only" else preset
        found = register(dense, fitted, scanned, used, reporter, stages=stages)
        vertices = fitted + found.displacement
        distances, _ = measure(dense, vertices, found.movable, scanned)
        free = found.movable.free_faces
        to_mesh, to_scan = distances["scan_to_mesh_mm"], distances["mesh_to_scan_mm"]
        figures[name] = {
            "scan_to_mesh_mm": to_mesh,
            "mesh_to_scan_mm": to_scan,
            "whole_scan_mm": whole_scan(dense, vertices, scanned.flat),
            "self_intersecting_share": self_intersecting_share(vertices, dense.faces, free),
            "folded_share": folded_share(vertices, dense.faces[free]),
            "seconds": found.seconds,
        }
        rows.append(_row(vertices, dense.faces, f"{name}: {to_mesh['mean']:.2f} mm"))
        print(f"  {name}: {to_mesh['mean']:.3f} mm, 95 % {to_mesh['p95']:.3f}", flush=True)
    return figures, np.vstack(rows)


def whole_scan(dense: DenseHead, vertices: np.ndarray, points: np.ndarray) -> dict:
    """Millimetres, mean and 95 %, from all points of a scan (N, 3), in the head's frame, to a registered head's surface
    (W, 3), whether or not the head could move there: only what is nearest to the neck or to the model's end is left
    out. So it tells of hair that was not reached, and of frozen ears that it covers."""
    chosen = np.random.default_rng(0).permutation(len(points))[:POINTS]
    there, face, weights = Surface(vertices, dense.faces).nearest(points[chosen])
    neck = np.isin(np.arange(len(vertices)), dense.regions["neck"])
    counts = ~neck[dense.faces[face]].any(axis=1) & ~on_rim(boundary_edges(dense.faces), face, weights)
    away = 1000 * np.linalg.norm(points[chosen] - there, axis=1)[counts]
    return {"mean": round(float(away.mean()), 4), "p95": round(float(np.quantile(away, 0.95)), 4)}


def _far_sighted(preset: str) -> str:
    """The preset's second stage, begun with partners as far as the first's: alone it would not see long hair."""
    name, given = f"{preset}, normals only", SCHEDULES[preset]
    reach = max(r.reach for r in given.vector)
    far = tuple(replace(r, reach=max(r.reach, reach)) for r in given.normal[: max(1, len(given.normal) // 2)])
    SCHEDULES[name] = replace(given, normal=far + given.normal)
    return name


def folded_share(vertices: np.ndarray, faces: np.ndarray, degrees: float = 90.0) -> float:
    """Share of edges between triangles whose normals turn by more than so much: spikes and folds."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    order = np.lexsort(ends.T)
    same = (ends[order[1:]] == ends[order[:-1]]).all(axis=1)
    one, two = order[:-1][same] // 3, order[1:][same] // 3
    return float(((normals[one] * normals[two]).sum(axis=1) < np.cos(np.radians(degrees))).mean())


def _row(vertices: np.ndarray, faces: np.ndarray, words: str) -> np.ndarray:
    tiles = [seen(vertices, np.asarray(faces, np.int64), None, degrees) for degrees in VIEWS]
    picture = np.hstack(tiles)
    return cv2.putText(picture, words, (6, TILE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
