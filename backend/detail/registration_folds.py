"""Triangles that a registration pushed through others, brought back by evening out the displacement around them."""

import numpy as np
from scipy import sparse

from .intersections import self_intersecting
from .smoothing import neighbours

ROUNDS = 8
"""At most; each looks only at what is near the last one's faults."""
RINGS = 3
"""Of vertices around a fault that are evened out."""
EVENED = 4
"""Times in a round that each takes its neighbours' mean."""
HAIR = 0.006
"""Metres of displacement that are hair rather than skin."""
REACH = 0.008
"""Metres around a fault in which another may come of mending it."""


def without_folds(
    fitted: np.ndarray, displacement: np.ndarray, faces: np.ndarray, skin: np.ndarray, free: np.ndarray, reporter
) -> np.ndarray:
    """(W, 3) the displacement without the folds that it made.

    What intersected before it moved (lips that are shut) is the model's own and left to ``registration_untangle``.

    Args:
        fitted: (W, 3) metres, without displacement.
        displacement: (W, 3) metres.
        faces: (G, 3)
        skin: (G,) bool, triangles that count: not those of eyeballs, which touch the lids of many models.
        free: (W,) bool vertices whose displacement may change.
        reporter: told of rounds.
    """
    looked, before = np.flatnonzero(skin), None
    near, _ = neighbours(faces, len(fitted))
    mean = sparse.diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near
    result = displacement.copy()
    for number in range(ROUNDS):
        moved = fitted + result
        faults = looked[self_intersecting(moved, faces[looked])]
        if before is None:
            before = np.zeros(len(faces), bool)
            asked = _around(fitted, faces, skin, faults) if len(faults) else faults
            before[asked] = self_intersecting(fitted, faces[asked])
        faults = faults[~before[faults]]
        if not len(faults):
            break
        mark = np.zeros(len(fitted))
        mark[faces[faults].ravel()] = 1
        for _ in range(RINGS):
            mark = np.maximum(mark, near @ mark > 0)
        mine = np.flatnonzero((mark > 0) & free)
        for _ in range(EVENED):
            result[mine] = mean[mine] @ result
        if number >= ROUNDS // 2:
            # What evening out does not mend goes back to where the model had it; hair would be torn by that.
            small = mine[np.linalg.norm(result[mine], axis=1) < HAIR]
            result[small] *= 0.7
        looked = _around(moved, faces, skin, faults)
        reporter.check()
    return result


def _around(vertices: np.ndarray, faces: np.ndarray, skin: np.ndarray, faults: np.ndarray) -> np.ndarray:
    """Triangles near faulty ones, by the cells of a grid."""
    cell = np.floor(vertices[faces].mean(axis=1) / REACH).astype(np.int64)
    key = lambda c: (c[..., 0] * 4096 + c[..., 1]) * 4096 + c[..., 2]  # noqa: E731
    steps = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    wanted = np.unique(key(np.unique(cell[faults], axis=0)[:, None] + steps))
    return np.flatnonzero(skin & np.isin(key(cell), wanted))
