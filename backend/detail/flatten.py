"""Flattening charts: cutting a mesh open along its seams, and laying each piece flat."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..errors import HeadError
from ..geometry.unwrap import unwrap
from .charts import adjacency

ENOUGH = 2e-4
"""Flattening stops when a step gains less than this part of the energy."""
ROOM = 0.1
"""Of the mean triangle's area, the least that a triangle is laid out with: a dense head has as many vertices in it."""


@dataclass
class Island:
    """One piece of the cut mesh.

    Attributes:
        faces: (K,) triangles of the mesh.
        corners: (K, 3) their corners in ``points``.
        points: (P,) the mesh's vertices; one that a seam passes may be there twice.
        uv: (P, 2) flat, in the mesh's unit of length.
    """

    faces: np.ndarray
    corners: np.ndarray
    points: np.ndarray
    uv: np.ndarray


def islands(vertices: np.ndarray, faces: np.ndarray, cut: np.ndarray) -> list[Island]:
    """Cut a mesh open and flatten each piece with little distortion (symmetric Dirichlet), no triangle turned over.

    Args:
        vertices: (V, 3)
        faces: (F, 3)
        cut: (E,) whether each edge of ``adjacency(faces)`` is a seam.

    Raises:
        HeadError: a piece cannot be laid flat, because it is closed or has a handle.
    """
    links = adjacency(faces)[~cut]
    # Corners grow together across every edge that is no seam; a seam vertex is left with one point a side.
    ends = []
    for k in (2, 3):
        vertex = links[:, k]
        one, two = ((faces[links[:, i]] == vertex[:, None]).argmax(axis=1) + 3 * links[:, i] for i in (0, 1))
        ends.append(np.column_stack([one, two]))
    ends = np.concatenate(ends)
    joined = coo_matrix((np.ones(len(ends)), ends.T), (3 * len(faces),) * 2)
    point = connected_components(joined, directed=False)[1].reshape(-1, 3)
    pieces = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), (len(faces),) * 2)
    piece = connected_components(pieces, directed=False)[1]
    sides = np.diff(np.asarray(vertices, np.float64)[faces], axis=1)
    narrowest = np.sqrt(ROOM * np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1).mean() / 2)
    result = []
    for k in range(piece.max() + 1):
        mine = np.flatnonzero(piece == k)
        numbers, corners = np.unique(point[mine], return_inverse=True)
        corners = corners.reshape(-1, 3)
        points = np.zeros(len(numbers), int)
        points[corners] = faces[mine]
        flat = _flatten(np.asarray(vertices, np.float64)[points], corners, narrowest)
        result.append(Island(mine, corners, points, flat))
    return result


def _flatten(vertices: np.ndarray, faces: np.ndarray, narrowest: float) -> np.ndarray:
    loops = border_loops(faces)
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    if not loops or len(vertices) - len(edges) + len(faces) + len(loops) != 2:
        where = (1000 * vertices.mean(axis=0)).round().astype(int)
        what = "is closed" if not loops else "has a handle"
        raise HeadError(
            f"The piece of {len(faces)} triangles about ({where[0]}, {where[1]}, {where[2]}) mm {what} and cannot be "
            "laid flat; mark a seam that opens it."
        )
    length = [np.linalg.norm(vertices[loop] - vertices[np.roll(loop, 1)], axis=1).sum() for loop in loops]
    inner = [loop for k, loop in enumerate(loops) if k != int(np.argmax(length))]
    # Holes (eyes, mouth) are filled with fans while the piece is flattened.
    fans, middles = [], []
    for loop in inner:
        centre = len(vertices) + len(middles)
        middles.append(vertices[loop].mean(axis=0))
        fans.append(np.column_stack([np.roll(loop, -1), loop, np.full(len(loop), centre)]))
    filled = np.concatenate([faces, *fans])
    points = np.concatenate([vertices, np.reshape(middles, (-1, 3))])
    flat = unwrap(points, filled, rounds=60, filling=len(filled) - len(faces), enough=ENOUGH, narrowest=narrowest)
    return flat[: len(vertices)]


def border_loops(faces: np.ndarray) -> list[np.ndarray]:
    """The open edges of a mesh whose vertices each lie on one border at most: vertices in order, loop by loop."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    present = set(zip(start.tolist(), end.tolist()))
    after = {a: b for a, b in present if (b, a) not in present}
    loops = []
    while after:
        first = min(after)
        loop, here = [first], after.pop(first)
        while here != first:
            loop.append(here)
            here = after.pop(here)
        loops.append(np.array(loop))
    return loops
