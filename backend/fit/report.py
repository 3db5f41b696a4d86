"""How well a fitted head lies on a scan: distances from point to surface, both ways, by region."""

import numpy as np

from ..geometry.surface import Surface
from .model import regions_of, skin
from .scan import ScanSurface
from .surfaces import boundary_edges, on_rim

POINTS = 20_000
"""Of the scan, spread evenly, that are measured."""
HEAD = ("face", "scalp", "left_ear", "right_ear")
"""Regions that are counted: below them a scan goes on where the model ends."""
FAR = 0.03
"""Metres: where the scan is further from the head, it has nothing there to show."""


def measure(model, vertices: np.ndarray, scan: ScanSurface) -> tuple[dict, np.ndarray]:
    """Distances between a fitted head and a scan.

    A point of the scan counts for the region that it is nearest to. What lies behind the skin (a mouth's lining, the
    other side of a shell) does not count, nor what is nearest to the model's open border or the scan's.

    Args:
        model: whose faces and regions the head has.
        vertices: (V, 3) metres, the head on the scan.
        scan: metres.

    Returns:
        {"scan_to_head_mm": {mean, median, p90, max, "regions": {name: {...}}}, "head_to_scan_mm": likewise}, and (V,)
        metres from the head to the scan along the head's normal, above 0 where the scan lies outside, NaN where it has
        nothing.
    """
    head, outer = Surface(vertices, model.faces), skin(model)
    regions = {name: members for name, members in regions_of(model).items() if name in HEAD}
    member = {name: np.isin(np.arange(len(vertices)), members) & outer for name, members in regions.items()}
    points, normals = scan.samples(POINTS)
    there, face, weights = head.nearest(points)
    counts = (head.smooth_normals(face, weights) * normals).sum(axis=1) > 0
    counts &= ~on_rim(boundary_edges(np.asarray(model.faces)), face, weights)
    distance = np.linalg.norm(points - there, axis=1)
    corner = model.faces[face, weights.argmax(axis=1)]
    to_head = _by_region(distance, {name: inside[corner] & counts for name, inside in member.items()})
    there, normals, whole = scan.nearest(vertices)
    agree = (normals * head.vertex_normals).sum(axis=1)
    distance = np.linalg.norm(vertices - there, axis=1)
    to_scan = _by_region(distance, {name: inside & whole & (agree > 0) for name, inside in member.items()})
    # Along the head's normal to the scan's tangent plane.
    residual = ((there - vertices) * normals).sum(axis=1) / np.maximum(agree, 0.5)
    residual[~outer | ~whole | (agree < 0.3) | (distance > FAR)] = np.nan
    return {"scan_to_head_mm": to_head, "head_to_scan_mm": to_scan}, residual


def _by_region(distance: np.ndarray, inside: dict[str, np.ndarray]) -> dict:
    """Figures in mm over all regions, and over each; None where there is nothing to measure."""
    everywhere = np.any(list(inside.values()), axis=0)
    return _figures(distance[everywhere]) | {
        "regions": {name: _figures(distance[rows]) for name, rows in inside.items()}
    }


def _figures(distance: np.ndarray) -> dict:
    if not len(distance):
        return dict.fromkeys(("mean", "median", "p90", "max"))
    values = {"mean": distance.mean(), "median": np.median(distance), "p90": np.quantile(distance, 0.9)}
    return {key: round(1000 * float(value), 4) for key, value in (values | {"max": distance.max()}).items()}
