"""Both stages of a registration against either alone (HeadCraft, figure 10): numbers and a picture."""

from pathlib import Path

import cv2
import numpy as np

from backend.detail.dense import dense_head
from backend.detail.intersections import self_intersecting_share
from backend.detail.registration import REACH, Scanned, register
from backend.detail.registration_measure import measure
from backend.fit.head_on_scan import lay_head_on_scan
from backend.jobs.register_scan import CALM
from backend.protocol import Reporter

from .detail_layout import TILE, seen
from .detail_scans import BenchScan

WAYS = {"vectors only": ("vector",), "normals only": ("normal",), "both stages": ("vector", "normal")}
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
        found = register(dense, fitted, scanned, preset, reporter, stages=stages)
        vertices = fitted + found.displacement
        distances, _ = measure(dense, vertices, found.movable, scanned)
        free = found.movable.free_faces
        to_mesh, to_scan = distances["scan_to_mesh_mm"], distances["mesh_to_scan_mm"]
        figures[name] = {
            "scan_to_mesh_mm": to_mesh,
            "mesh_to_scan_mm": to_scan,
            "self_intersecting_share": self_intersecting_share(vertices, dense.faces, free),
            "folded_share": folded_share(vertices, dense.faces[free]),
            "seconds": found.seconds,
        }
        rows.append(_row(vertices, dense.faces, f"{name}: {to_mesh['mean']:.2f} mm"))
        print(f"  {name}: {to_mesh['mean']:.3f} mm, 95 % {to_mesh['p95']:.3f}", flush=True)
    return figures, np.vstack(rows)


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
