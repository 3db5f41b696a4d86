"""How the surface of a head turns from one pose to another (HeadCraft, B.1, "Animation").

The tangent frames are those of the model's own vertices, as in the paper. In the folds of lips and lids the frames of
neighbours may turn any way, and what is displaced there would be torn; so a vertex turns by the mean of itself and its
neighbours, and a dense vertex by what the subdivision makes of that. Where the whole surface turns alike, and in the
pose it came from, nothing is lost: the turn is that one, or none.
"""

import numpy as np
from scipy.sparse import coo_matrix, diags, identity

from .frames import edged_tangents, tangent_frames
from .subdivision import Subdivision

_FLAT = 0.2
"""Determinant of a mean of rotations below which Newton's steps are not trusted."""


class Turning:
    """Turns at the dense vertices of a model.

    Args:
        subdivision: of the model's triangles.
        faces: (F, 3) the model's own.
        uv: (F, 3, 2) of their corners.
        template: (V, 3) any head of the model.
    """

    def __init__(self, subdivision: Subdivision, faces: np.ndarray, uv: np.ndarray, template: np.ndarray):
        self._faces, self._uv, self._count = faces, uv, len(template)
        self._edged = edged_tangents(template, faces, uv)
        start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
        links = coo_matrix((np.ones(len(start)), (start, end)), (self._count,) * 2)
        near = ((links + links.T) > 0).astype(np.float64) + identity(self._count)
        mean = diags(1 / np.asarray(near.sum(axis=1)).ravel()) @ near
        self._spread = (subdivision.matrix @ mean).tocsr()

    def frames(self, dense: np.ndarray) -> np.ndarray:
        """(V, 3, 3) tangent frames of the model's own vertices, which are the first of the dense ones (W, 3)."""
        return tangent_frames(dense[: self._count], self._faces, self._uv, self._edged)

    def between(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """(W, 3, 3) rotations from one pose to another, given the ``frames`` (V, 3, 3) of both."""
        turns = np.einsum("vab,vcb->vac", after, before)
        return _rotations((self._spread @ turns.reshape(-1, 9)).reshape(-1, 3, 3))


def _rotations(means: np.ndarray) -> np.ndarray:
    """The rotations (W, 3, 3) nearest to matrices: Newton's iteration for the polar factor (Higham, 1986)."""
    turned = np.abs(means - np.eye(3)).max(axis=(1, 2)) > 1e-12
    result, moving = np.broadcast_to(np.eye(3), means.shape).copy(), means[turned]
    planes = np.ascontiguousarray(moving.transpose(1, 2, 0))  # each of the nine numbers in one piece
    for _ in range(4):
        planes = (planes + _inverse_transposed(planes)) / 2
    found = planes.transpose(2, 0, 1).copy()
    flat = np.linalg.det(moving) < _FLAT
    if flat.any():
        u, _, vt = np.linalg.svd(moving[flat])
        u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
        found[flat] = u @ vt
    result[turned] = found
    return result


def _inverse_transposed(m: np.ndarray) -> np.ndarray:
    """Of (3, 3, N), by cofactors."""
    cofactors = np.empty_like(m)
    for i in range(3):
        for j in range(3):
            cofactors[i, j] = m[i - 2, j - 2] * m[i - 1, j - 1] - m[i - 2, j - 1] * m[i - 1, j - 2]
    determinant = (m[0] * cofactors[0]).sum(axis=0)
    return cofactors / np.where(np.abs(determinant) < 1e-12, 1e-12, determinant)
