"""What else a scanner saw beside the head: a second person, a chair. It is left out before anything is fitted."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .scan import Scan

GAP = 0.03
"""Metres: what lies closer to each other than this belongs together."""
AROUND = 0.8
"""Metres from the head's middle beyond which nothing is looked at; it is left out anyway."""
APART = 0.08
"""Metres from the head, for half of a piece, from which the piece is none of it. Hair stands off less, or hangs
together with the head."""


def of_one_head(scan: Scan, metres: float, head: np.ndarray) -> tuple[Scan, float]:
    """A scan without separate pieces that lie apart from the head.

    Args:
        scan: as read.
        metres: in one unit of it.
        head: (V, 3) metres, about where the head lies on the scan.

    Returns:
        the scan, and which share of its points around the head was left out.
    """
    points = scan.points * metres
    near = np.linalg.norm(points - head.mean(axis=0), axis=1) < AROUND
    rows = np.flatnonzero(near)
    tree = cKDTree(points[rows[:: max(1, len(rows) // 2000)]])
    sparseness = float(np.median(tree.query(tree.data, k=2)[0][:, 1])) / np.sqrt(max(1, len(rows) // 2000))
    cell = max(GAP / 2, 3 * sparseness)
    places, cell_of = np.unique(np.floor(points[rows] / cell).astype(np.int64), axis=0, return_inverse=True)
    cell_of = cell_of.reshape(-1)
    links = cKDTree(places).query_pairs(1.8, output_type="ndarray")  # neighbours by side, edge or corner
    if scan.faces is not None:
        number = np.full(len(points), -1)
        number[rows] = cell_of
        ends = number[scan.faces]
        ends = np.concatenate([ends[:, [0, 1]], ends[:, [1, 2]]])
        links = np.concatenate([links, ends[(ends >= 0).all(axis=1) & (ends[:, 0] != ends[:, 1])]])
    graph = sparse.coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(places),) * 2)
    count, piece = connected_components(graph, directed=False)
    if count == 1:
        return scan, 0.0
    away = cKDTree(head).query((places + 0.5) * cell)[0]
    strange = np.array([np.median(away[piece == k]) > APART for k in range(count)])
    left_out = np.zeros(len(points), bool)
    left_out[rows] = strange[piece[cell_of]]
    if not left_out.any() or left_out[rows].all():
        return scan, 0.0
    share = float(left_out[rows].mean())
    if scan.faces is None:
        normals = None if scan.normals is None else scan.normals[~left_out]
        return Scan(scan.points[~left_out], None, normals, scan.name), share
    # Vertices may stay without faces.
    return Scan(scan.points, scan.faces[~left_out[scan.faces].any(axis=1)], scan.normals, scan.name), share
