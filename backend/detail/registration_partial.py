"""Registration of a part of a head, such as one depth picture shows (HeadCraft, supplementary B.2)."""

from dataclasses import replace

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from ..errors import ScanError
from .registration_regions import Movable

EXPANSION = 1.5
"""Times that the hull is larger than the cloud, about its centre."""
SHOULDERS = 0.3
"""Share of the points, the lowest, that do not count for the hull: shoulders and clothing."""
NEAR, NEAR_SPARSE = 0.1 / 120, 0.3 / 120
"""Metres from a dense and from a sparse cloud (1 % of a depth picture) within which a vertex counts as seen."""
SPARSE = 0.003
"""Metres between a cloud's points from which it is sparse."""


def within(points: np.ndarray, vertices: np.ndarray, free: Movable, faces: np.ndarray) -> Movable:
    """What may move where only a part of the head was seen: nothing outside the enlarged convex hull of the points, so
    that the rest of the head is not drawn to what its own part cannot reach. The border of it stays.

    Args:
        points: (N, 3) metres, Z up, in the head's frame.
        vertices: (W, 3) metres, as fitted.
        free: what may move of a whole head.
        faces: (G, 3)

    Raises:
        ScanError: the points span no volume.
    """
    kept = points[points[:, 2] >= np.quantile(points[:, 2], SHOULDERS)]
    centre = kept.mean(axis=0)
    try:
        hull = Delaunay(centre + EXPANSION * (kept - centre))
    except QhullError:
        raise ScanError("The part of the scan is flat, so nothing tells which part of the head it shows.") from None
    inside = hull.find_simplex(vertices) >= 0
    allowed = inside & free.all
    # A triangle that reaches outside stays with all its corners.
    allowed[faces[~inside[faces].all(axis=1)].ravel()] = False
    touching = np.unique(faces[allowed[faces].any(axis=1) & ~allowed[faces].all(axis=1)])
    border = touching[free.all[touching] & ~allowed[touching]]
    return replace(
        free,
        scalp=free.scalp & allowed,
        all=allowed,
        free_faces=allowed[faces].all(axis=1),
        borders=free.borders | {"part": border},
    )


def proximity(points: np.ndarray) -> tuple[float, float]:
    """How near a cloud's points (N, 3) a vertex must lie to count as seen: metres from their tangent plane, and along
    it, where even the middle between points must count."""
    draw = points[:: max(1, len(points) // 2000)]
    spacing = float(np.median(cKDTree(points).query(draw, k=2)[0][:, 1]))
    near = NEAR_SPARSE if spacing > SPARSE else NEAR
    return near, max(near, 3 * spacing)
