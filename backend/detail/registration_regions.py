"""Which vertices of a dense head a registration may move, and how far each is from those that stay."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from .charts import FACE, SCALP
from .dense import DenseHead

FROZEN = ("neck", "left_ear", "right_ear", "mouth_pocket", "eyes", "left_eyeball", "right_eyeball")
"""Parts whose exact shape an animation needs, or that no scanner sees (HeadCraft, A.1)."""


@dataclass(frozen=True, eq=False)
class Movable:
    """Vertices by what a registration may do with them.

    Attributes:
        scalp: (W,) bool, moved freely in stage 1.
        all: (W,) bool, scalp and face, moved along normals in stage 2.
        skin: (G,) bool, triangles that a scan can show: all but eyeballs and the linings of mouth and eye sockets.
        depth: (W,) metres along the surface to the nearest vertex that stays; 0 at those.
    """

    scalp: np.ndarray
    all: np.ndarray
    skin: np.ndarray
    depth: np.ndarray


def movable(dense: DenseHead, vertices: np.ndarray) -> Movable:
    """Scalp and face are free; eyes, ears, neck and the inside of the mouth stay (HeadCraft, A.1).

    Args:
        dense: the head, whose layout tells the linings of mouth and eye sockets from the outer skin.
        vertices: (W, 3) metres, as fitted.
    """
    names = dense.layout.names
    outer = np.array([name.split()[0] in (SCALP, FACE) for name in names])[dense.chart]
    ear = np.array([name.endswith("_ear") for name in names])[dense.chart]
    free = np.ones(dense.vertex_count, bool)
    free[dense.faces[~outer].ravel()] = False
    for name in FROZEN:
        free[dense.regions.get(name, np.zeros(0, int))] = False
    scalp = np.zeros(dense.vertex_count, bool)
    scalp[dense.regions[SCALP]] = True
    return Movable(scalp & free, free, outer | ear, _depth(vertices, dense.faces, free))


def _depth(vertices: np.ndarray, faces: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(W,) metres along edges from the frozen vertices, which must not be jumped across (lids, lips)."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    length = np.linalg.norm(vertices[start] - vertices[end], axis=1) + 1e-9
    graph = coo_matrix((length, (start, end)), (len(vertices),) * 2).tocsr()
    touching = np.unique(faces[(free[faces].any(axis=1)) & (~free[faces]).any(axis=1)])
    border = touching[~free[touching]]
    if not len(border):
        return np.where(free, np.inf, 0.0)
    depth = dijkstra(graph, directed=False, indices=border, min_only=True)
    return np.where(free, depth, 0.0)
