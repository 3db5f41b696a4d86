"""How well a registered head lies on its scan: point to surface, both ways."""

import numpy as np

from ..fit.surfaces import boundary_edges, on_rim
from ..geometry.surface import Surface
from .dense import DenseHead
from .registration import Scanned
from .registration_partners import Target
from .registration_regions import Movable

POINTS = 40_000
"""Of the scan, spread evenly, that are measured."""
REGIONS = ("face", "scalp")
FAR = 0.03
"""Metres: where the scan is further from the head, it has nothing there to show."""
TURN = 0.006
"""Metres that opposite normals stand for, halved, where the scan's nearest point is sought for a vertex."""


def measure(dense: DenseHead, vertices: np.ndarray, free: Movable, scanned: Scanned) -> tuple[dict, np.ndarray]:
    """Distances between a registered head and its scan, over the regions that were free to move.

    A point of the scan counts where the nearest point of the whole head lies on a triangle that was free to move in all
    its corners, and faces the same way; so do points near what was frozen, whose distance the freezing costs.

    Args:
        dense: the head.
        vertices: (W, 3) metres, registered, in the frame of the scan's points.
        free: what could move.
        scanned: the scan.

    Returns:
        {"scan_to_mesh_mm": {mean, median, p95, max, points, "regions": {...}}, "mesh_to_scan_mm": likewise}, and (W,)
        metres to the scan along the head's normal, above 0 where the scan lies outside, NaN where it has nothing.
    """
    head, target = Surface(vertices, dense.faces), Target(scanned.points, scanned.normals)
    draw = np.random.default_rng(0).permutation(len(scanned.points))[:POINTS]
    points, normals = scanned.flat[draw], scanned.normals[draw]
    there, face, weights = head.nearest(points)
    facing = (head.smooth_normals(face, weights) * normals).sum(axis=1) > 0
    counts = facing & free.all[dense.faces[face]].all(axis=1) & ~on_rim(boundary_edges(dense.faces), face, weights)
    distance = np.linalg.norm(points - there, axis=1)
    corner = dense.faces[face, weights.argmax(axis=1)]
    member = {name: np.isin(np.arange(len(vertices)), dense.regions[name]) for name in REGIONS}
    to_mesh = _figures(distance[counts]) | {
        "regions": {name: _figures(distance[counts & inside[corner]]) for name, inside in member.items()}
    }
    found = target.nearest(vertices, head.vertex_normals, TURN)
    gap, there = target.points[found] - vertices, target.normals[found]
    agree = (there * head.vertex_normals).sum(axis=1)
    along = (gap * there).sum(axis=1)
    aside = np.linalg.norm(gap - along[:, None] * there, axis=1)
    whole = (agree > 0) & (aside < np.maximum(0.004, np.abs(along))) & (np.abs(along) < FAR)
    to_scan = _figures(np.abs(along)[free.all & whole]) | {
        "regions": {name: _figures(np.abs(along)[free.all & whole & inside]) for name, inside in member.items()}
    }
    skin = np.zeros(len(vertices), bool)
    skin[dense.faces[free.skin].ravel()] = True
    residual = np.where(skin & whole & (agree > 0.3), along / np.maximum(agree, 0.5), np.nan)
    return {"scan_to_mesh_mm": to_mesh, "mesh_to_scan_mm": to_scan}, residual


def _figures(distance: np.ndarray) -> dict:
    """Millimetres; None where there is nothing to measure."""
    if not len(distance):
        return dict.fromkeys(("mean", "median", "p95", "max")) | {"points": 0}
    values = {
        "mean": distance.mean(), "median": np.median(distance), "p95": np.quantile(distance, 0.95),
        "max": distance.max(),
    }  # fmt: skip
    return {key: round(1000 * float(value), 4) for key, value in values.items()} | {"points": len(distance)}
