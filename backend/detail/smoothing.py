"""Laplacian smoothing of a dense head, by region, as HeadCraft does before it adds displacements (B.1, "Animation")."""

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags

from .subdivision import Subdivision

ROUNDS = {"lips": 3, "face": 5, "scalp": 10, "neck": 10}
"""The paper's rounds by region. A vertex of two regions gets the fewer."""
UNTOUCHED = (
    "mouth_pocket", "ears", "left_ear", "right_ear", "eyes", "left_eyeball", "right_eyeball", "left_eye_region",
    "right_eye_region",
)  # fmt: skip
"""Parts whose exact shape an animation needs."""


def rounds_of(regions: dict[str, np.ndarray], count: int, rounds: dict[str, int] = ROUNDS) -> np.ndarray:
    """(W,) how often each vertex of a mesh with these regions is smoothed; 0 where no region says."""
    result = np.full(count, max(rounds.values()) + 1)
    for name, times in rounds.items():
        members = regions.get(name, np.zeros(0, int))
        result[members] = np.minimum(result[members], times)
    for name in UNTOUCHED:
        result[regions.get(name, np.zeros(0, int))] = 0
    return np.where(result > max(rounds.values()), 0, result)


def smoothed(subdivision: Subdivision, rounds: np.ndarray) -> Subdivision:
    """A subdivision whose every vertex then moves to the mean of its neighbours, as many times as it is said.

    That is linear and depends on the triangles alone, so shape keys and modes go through it as positions do. Vertices
    of an open border stay.

    Args:
        subdivision: to W vertices.
        rounds: (W,) how often.
    """
    matrix = subdivision.matrix
    near, border = neighbours(subdivision.faces, matrix.shape[0])
    rounds = np.where(border, 0, rounds)
    mean = diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near
    for done in range(rounds.max(initial=0)):
        moving = (rounds > done).astype(np.float64)
        matrix = (diags(moving) @ mean + diags(1 - moving)) @ matrix
    return replace(subdivision, matrix=matrix.tocsr())


def neighbours(faces: np.ndarray, count: int) -> tuple[csr_matrix, np.ndarray]:
    """(W, W) ones where an edge is, and (W,) whether a vertex lies on an open border."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    directed = coo_matrix((np.ones(len(start)), (start, end)), (count, count)).tocsr()
    both = directed + directed.T
    lonely = both == 1
    border = np.asarray(lonely.sum(axis=1)).ravel() > 0
    both.data[:] = 1.0
    return both, border
