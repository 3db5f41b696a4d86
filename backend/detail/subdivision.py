"""Butterfly subdivision as one sparse matrix that belongs to a topology, not to a shape.

Dyn, Levin, Gregory, "A butterfly subdivision scheme for surface interpolation with tension control", 1990, with the
tension 1/16 and the boundary rules that MeshLab uses, so that one round at its threshold 0 is the same. HeadCraft
subdivides every head anew and has to match vertices afterwards (B.1, "consistent subdivision"); here every head of one
topology gets the same triangles, and whatever is linear in the vertices (shape keys, modes) goes through the matrix.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, identity

from ..errors import HeadError

DENSE_VERTICES = 80_000
"""About how many vertices a dense head has: two rounds of FLAME's 5,023."""


@dataclass(frozen=True, eq=False)
class Subdivision:
    """What subdivision does to any mesh with these triangles.

    Attributes:
        matrix: (W, V) float64 sparse: dense = matrix @ coarse, for (V, anything). Its first V rows are the identity,
            unless it was smoothed.
        faces: (G, 3) int32 of the dense mesh; triangles 4 i to 4 i + 3 come from the coarse mesh's i in each round.
        corners: (G, 3, 3) float32 barycentric place of every dense corner in its coarse triangle.
        parents: (G,) int32 coarse triangle of every dense one.
        levels: rounds of subdivision.
    """

    matrix: csr_matrix
    faces: np.ndarray
    corners: np.ndarray
    parents: np.ndarray
    levels: int

    def dense(self, values: np.ndarray) -> np.ndarray:
        """Values (V, ...) of the coarse vertices, smoothly at the dense ones (W, ...), in the values' own precision.

        Positions, shape keys and modes; the same whether keys are added before or after.
        """
        values = np.asarray(values)
        flat = self.matrix @ values.reshape(len(values), -1).astype(np.float64)
        kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.float64
        return flat.reshape(-1, *values.shape[1:]).astype(kind)

    def corner_values(self, values: np.ndarray) -> np.ndarray:
        """UVs (F, 3, C) of the coarse triangles' corners at the dense triangles' corners (G, 3, C), linearly.

        Linearly, so that a layout's border stays where it was and no triangle turns over.
        """
        values = np.asarray(values)
        # Weights are whole numbers of quarters, so float64 has no rounding: neighbours agree to the last bit.
        dense = np.einsum("gkc,gcd->gkd", self.corners.astype(np.float64), values.astype(np.float64)[self.parents])
        return dense.astype(values.dtype)

    def regions(self, regions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Name → dense vertices; one in an edge or triangle is where all its ends are."""
        result = {}
        for name, members in regions.items():
            inside = np.zeros(self.matrix.shape[1], bool)
            inside[members] = True
            dense = np.zeros(len(self.matrix.indptr) - 1, bool)
            dense[: len(inside)] = inside
            # A dense corner lies in its coarse triangle: it belongs where every coarse corner it leans on does.
            coarse = inside[self._coarse_faces()][self.parents]
            leans = self.corners > 0
            dense[self.faces.ravel()] = (coarse[:, None] | ~leans).all(axis=2).ravel()
            result[name] = np.flatnonzero(dense).astype(np.int32)
        return result

    def _coarse_faces(self) -> np.ndarray:
        """(F, 3) the triangles that were subdivided."""
        # The corner that has all its weight on one coarse corner is that vertex, in every round.
        faces = np.zeros((self.parents.max() + 1, 3), np.int32)
        triangle, corner, coarse = np.nonzero(self.corners == 1)
        faces[self.parents[triangle], coarse] = self.faces[triangle, corner]
        return faces


def subdivide(faces: np.ndarray, vertex_count: int, levels: int = 2) -> Subdivision:
    """The subdivision of a topology; kept for as long as the process lives, so asking again costs nothing.

    Args:
        faces: (F, 3) triangles, every edge with one or two of them, which run along it in opposite directions.
        vertex_count: V
        levels: rounds; each makes four triangles of one.

    Raises:
        HeadError: an edge has three triangles or two that disagree about the outside.
    """
    faces = np.ascontiguousarray(faces, np.int32)
    return _subdivide(faces.tobytes(), int(vertex_count), int(levels))


def levels_for(vertex_count: int, wanted: int = DENSE_VERTICES) -> int:
    """How many rounds come nearest to so many vertices: each makes about four of one; at least one round."""
    return max(1, round(np.log(wanted / vertex_count) / np.log(4)))


@lru_cache(maxsize=4)
def _subdivide(face_bytes: bytes, vertex_count: int, levels: int) -> Subdivision:
    faces = np.frombuffer(face_bytes, np.int32).reshape(-1, 3)
    matrix = identity(vertex_count, format="csr")
    corners = np.broadcast_to(np.eye(3, dtype=np.float32), (len(faces), 3, 3))
    parents = np.arange(len(faces), dtype=np.int32)
    for _ in range(levels):
        step, faces = _butterfly(faces, matrix.shape[0])
        matrix = step @ matrix
        middle = (corners + np.roll(corners, -1, axis=1)) / 2  # of the edges 0-1, 1-2, 2-0
        corners = _four(corners, middle, axis=1)
        parents = np.repeat(parents, 4)
    return Subdivision(matrix.tocsr(), faces, corners, parents, levels)


def _four(old: np.ndarray, middle: np.ndarray, axis: int) -> np.ndarray:
    """The corners' values of four triangles a triangle: three at the corners, then the one in the middle."""
    pick = lambda array, k: np.take(array, k, axis)  # noqa: E731
    small = [
        np.stack([pick(old, 0), pick(middle, 0), pick(middle, 2)], axis),
        np.stack([pick(middle, 0), pick(old, 1), pick(middle, 1)], axis),
        np.stack([pick(middle, 2), pick(middle, 1), pick(old, 2)], axis),
        np.stack([pick(middle, 0), pick(middle, 1), pick(middle, 2)], axis),
    ]
    joined = np.stack(small, axis=1)
    return joined.reshape(-1, *joined.shape[2:])


def _butterfly(faces: np.ndarray, count: int) -> tuple[csr_matrix, np.ndarray]:
    """One round: (count + E, count) matrix and the new triangles. New vertices follow the old, one an edge."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()  # half-edge 3 f + k runs from corner k to k + 1
    low, high = np.minimum(start, end).astype(np.int64), np.maximum(start, end)
    keys, first, edge, uses = np.unique(low * count + high, return_index=True, return_inverse=True, return_counts=True)
    if uses.max() > 2:
        raise HeadError("The mesh has an edge with more than two triangles; mend it before it is subdivided.")
    twin = _twins(start, end, count)
    if ((twin < 0) & (uses[edge] == 2)).any():
        raise HeadError("Neighbouring triangles of the mesh face opposite ways; recalculate its normals first.")

    opposite = np.roll(faces, -2, axis=1).ravel()  # the corner across from each half-edge
    # The wing beyond each half-edge: its neighbour's far corner. Beyond the border MeshLab takes the corner across.
    wing = np.where(twin >= 0, opposite[twin], opposite)
    after = np.arange(len(start)).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    before = np.arange(len(start)).reshape(-1, 3)[:, [2, 0, 1]].ravel()

    inner = first[uses == 2]  # one half-edge of each edge with two triangles
    other = twin[inner]
    points = [start[inner], end[inner], opposite[inner], opposite[other]]
    points += [wing[after[inner]], wing[before[inner]], wing[after[other]], wing[before[other]]]
    weights = [1 / 2, 1 / 2, 1 / 8, 1 / 8, -1 / 16, -1 / 16, -1 / 16, -1 / 16]
    rows = [np.flatnonzero(uses == 2)] * 8

    # On the border the curve of the border alone counts (the four-point rule).
    border = first[uses == 1]
    following, previous = np.arange(count), np.arange(count)
    following[start[border]], previous[end[border]] = end[border], start[border]
    points += [start[border], end[border], previous[start[border]], following[end[border]]]
    weights += [9 / 16, 9 / 16, -1 / 16, -1 / 16]
    rows += [np.flatnonzero(uses == 1)] * 4

    row = np.concatenate([*rows]) + count
    column = np.concatenate(points)
    value = np.concatenate([np.full(len(p), w) for p, w in zip(points, weights)])
    old = np.arange(count)
    shape = (count + len(keys), count)
    matrix = coo_matrix(
        (np.concatenate([np.ones(count), value]), (np.concatenate([old, row]), np.concatenate([old, column]))), shape
    ).tocsr()
    middle = (edge.reshape(-1, 3) + count).astype(np.int32)
    return matrix, _four(faces, middle, axis=1).astype(np.int32)


def _twins(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """(H,) the half-edge that runs the other way, or -1 on the border."""
    forward, backward = start.astype(np.int64) * count + end, end.astype(np.int64) * count + start
    order = np.argsort(forward)
    place = np.searchsorted(forward[order], backward).clip(max=len(order) - 1)
    found = order[place]
    return np.where(forward[found] == backward, found, -1)
