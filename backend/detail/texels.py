"""Between a layout's texels and a dense head's vertices: bilinear samples, and texels that give wanted samples."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags, identity
from scipy.sparse.linalg import LinearOperator, cg

_DAMPING, _ROOMY = 0.01, 1024
"""Of the squares of a sample's weights, in a picture that has texels enough for every vertex of a dense head."""
_FINE = 2e-7
"""Metres, in the mean, at which the corrections end."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where a dense head's vertices lie in a layout; one that a seam passes lies at more than one place.

    Attributes:
        vertex: (P,) the vertex of each place.
        uv: (P, 2) float64.
        corners: (G, 3) the place of each triangle's corner.
    """

    vertex: np.ndarray
    uv: np.ndarray
    corners: np.ndarray

    @property
    def on_seam(self) -> np.ndarray:
        """(P,) bool, whether the place's vertex has others."""
        return np.bincount(self.vertex)[self.vertex] > 1


def places(faces: np.ndarray, uv: np.ndarray) -> Places:
    """Of triangles (G, 3) with UVs (G, 3, 2); UVs within a millionth of the square are one place of a vertex."""
    flat = np.asarray(uv, np.float64).reshape(-1, 2)
    whole = np.round(flat * 1e6).astype(np.int64)
    whole -= whole.min(axis=0, initial=0)
    wide, high = (whole.max(axis=0, initial=0) + 1).tolist()
    key = (faces.ravel().astype(np.int64) * wide + whole[:, 0]) * high + whole[:, 1]
    _, first, corner = np.unique(key, return_index=True, return_inverse=True)
    return Places(faces.ravel()[first], flat[first], corner.reshape(-1, 3))


def texel_places(uv: np.ndarray, size: int) -> np.ndarray:
    """(..., 2) pixels, x to the right and y down, of UVs: V = 1 is the top."""
    uv = np.asarray(uv, np.float64)
    return np.stack([uv[..., 0] * size, (1 - uv[..., 1]) * size], axis=-1)


def bilinear(uv: np.ndarray, size: int) -> csr_matrix:
    """(P, size²) the matrix that samples a picture, row by row, at UVs (P, 2)."""
    place = (texel_places(uv, size) - 0.5).clip(0, size - 1)
    x, y = np.minimum(place.astype(np.int64), size - 2).T
    s, t = place[:, 0] - x, place[:, 1] - y
    texel = y * size + x
    columns = np.concatenate([texel, texel + 1, texel + size, texel + size + 1])
    weights = np.concatenate([(1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t])
    rows = np.tile(np.arange(len(uv)), 4)
    return coo_matrix((weights, (rows, columns)), (len(uv), size * size)).tocsr()


def sample(values: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(..., C) float64 bilinear values of a picture (N, N, C) at UVs (..., 2); texel centres are at half numbers."""
    size, channels = len(values), values.shape[2]
    flat = bilinear(np.reshape(uv, (-1, 2)), size) @ values.reshape(-1, channels).astype(np.float64)
    return flat.reshape(*np.shape(uv)[:-1], channels)


def answering(
    values: np.ndarray, uv: np.ndarray, wanted: np.ndarray, weights: np.ndarray | None = None, rounds: int = 3
) -> np.ndarray:
    """The picture nearest to one such that bilinear samples at some UVs are what is wanted.

    The correction is the smallest that does it, A' (A A' + damping)^-1 (wanted - A x), by conjugate gradients, again
    for what is left; texels that no sample touches keep their values. Where texels hold more vertices than they can
    satisfy, they serve them in the mean, and the more there are the stronger is the damping, lest texels swing.

    Args:
        values: (N, N, C)
        uv: (P, 2)
        wanted: (P, C)
        weights: (P,) of the samples, where not all of them can be had; 1 without.
        rounds: how often.
    """
    matrix = bilinear(uv, len(values))
    if weights is not None:
        matrix, wanted = diags(weights) @ matrix, weights[:, None] * wanted
    return _corrected(values, matrix, wanted, rounds)


def agreeing(values: np.ndarray, uv: np.ndarray, owner: np.ndarray, weights: np.ndarray, rounds: int = 3) -> np.ndarray:
    """The picture nearest to one such that bilinear samples at UVs of one owner are the same, whatever they are.

    Args:
        values: (N, N, C)
        uv: (P, 2)
        owner: (P,) whole numbers.
        weights: (P,) of the samples.
        rounds: how often.
    """
    matrix = bilinear(uv, len(values))
    groups = np.unique(owner, return_inverse=True)[1]
    belongs = coo_matrix((np.ones(len(groups)), (groups, np.arange(len(groups))))).tocsr()
    mean = diags(1 / np.asarray(belongs.sum(axis=1)).ravel()) @ belongs
    apart = diags(weights) @ (matrix - belongs.T @ (mean @ matrix))
    return _corrected(values, apart, np.zeros((len(uv), values.shape[2])), rounds)


def _corrected(values: np.ndarray, matrix: csr_matrix, wanted: np.ndarray, rounds: int) -> np.ndarray:
    """(N, N, C) float64: values with the smallest correction by which matrix (P, N²) gives what is wanted (P, C)."""
    flat = values.reshape(-1, values.shape[2]).astype(np.float64)
    # The same as (A' A + damping)^-1 A' (wanted - A x), over the texels in question: nine numbers a row at most.
    touched = np.flatnonzero(matrix.getnnz(axis=0))
    matrix = matrix[:, touched]
    damping = _DAMPING * max(1.0, _ROOMY / len(values)) ** 2.5
    gram = (matrix.T @ matrix + damping * identity(len(touched))).tocsr()
    scale, fine = 1 / gram.diagonal(), _FINE * np.sqrt(len(touched))
    precondition = LinearOperator(gram.shape, lambda v: scale * v.ravel())
    for _ in range(rounds):
        lacking = matrix.T @ (wanted - matrix @ flat[touched])
        for k in range(values.shape[2]):
            flat[touched, k] += cg(gram, lacking[:, k], rtol=0, atol=fine, maxiter=60, M=precondition)[0]
    return flat.reshape(values.shape)
