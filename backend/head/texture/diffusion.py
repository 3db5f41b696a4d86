"""Smoothing, and filling, of values over a mesh's vertices by implicit steps of diffusion."""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

_HOLD = 1e-6
"""Share by which unknown values are drawn to the mean, so that parts that nobody knows get it."""


class Diffusion:
    """Diffusion over the edges of a mesh, whose reach is given in metres.

    Each edge conducts by the inverse of its length squared, so that a reach means about the same on fine and coarse
    meshes (the umbrella operator of Taubin, "A signal processing approach to fair surface design", 1995, with lengths).

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3)
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray):
        ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        self.edges = np.unique(np.sort(ends, axis=1), axis=0)
        length = np.linalg.norm(vertices[self.edges[:, 0]] - vertices[self.edges[:, 1]], axis=1)
        self._count = len(vertices)
        self._closeness = 1.0 / np.maximum(length, 1e-5) ** 2

    def _laplacian(self, weights: np.ndarray) -> sparse.csc_matrix:
        a, b = self.edges.T
        near = sparse.coo_matrix((weights, (a, b)), (self._count, self._count))
        near = (near + near.T).tocsc()
        return sparse.diags(np.asarray(near.sum(axis=1)).reshape(-1)).tocsc() - near

    def smoothed(self, values: np.ndarray, reach: float) -> np.ndarray:
        """Values (V, C) after one implicit step; each is drawn to those about ``reach`` metres around."""
        degree = np.bincount(self.edges.reshape(-1), minlength=self._count)
        each = self._closeness * 2 * reach**2 / np.maximum(degree[self.edges].mean(axis=1), 1)
        return _solved(sparse.identity(self._count, format="csc") + self._laplacian(each), values)

    def filled(self, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Values (V, C) whose unknown rows, where ``known`` (V,) is false, run on smoothly from the known ones."""
        if known.all() or not known.any():
            return values
        free = np.flatnonzero(~known)
        laplacian = self._laplacian(np.ones(len(self.edges)))
        mean = values[known].mean(axis=0)
        side = -(laplacian[free][:, np.flatnonzero(known)] @ values[known]) + _HOLD * mean
        result = values.copy()
        system = laplacian[free][:, free] + _HOLD * sparse.identity(len(free), format="csc")
        result[free] = _solved(system.tocsc(), side)
        return result


def _solved(system: sparse.csc_matrix, sides: np.ndarray) -> np.ndarray:
    # The matrix is symmetric: pivots stay on the diagonal, which keeps the factors thin.
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return factors.solve(np.ascontiguousarray(sides, np.float64)).astype(sides.dtype)
