"""Colours of different photographs brought to agree: one exposure a view, then a correction that varies over a view.

The second is the global seam levelling of Lempitsky and Ivanov, "Seamless mosaicing of image-based texture maps" (CVPR
2007), as Waechter, Moehrle and Goesele use it in "Let there be color!" (ECCV 2014), on weights that overlap.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from .seeing import to_linear

FEWEST_SHARED = 40
"""Vertices that two views must both show before their exposures are compared."""
DARK, BRIGHT = 0.02, 0.95
"""sRGB values between which a pixel says something about exposure."""
STIFFNESS = 6.0
"""How much a correction's change from vertex to vertex weighs against colours that differ where views overlap."""
TIE = 1e-4
"""How much a correction weighs by itself."""


def exposures(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, 3) factors of the light of N views under which they agree; the middle one is 1.

    Args:
        colours: (N, V, 3) sRGB, blurred.
        weights: (N, V) trust, 0 where not seen.
    """
    count = len(colours)
    usable = (weights > 0) & (colours > DARK).all(axis=2) & (colours < BRIGHT).all(axis=2)
    light = np.log(to_linear(colours.clip(DARK, 1)))
    rows, sides, firsts, seconds = [], [], [], []
    for a in range(count):
        for b in range(a + 1, count):
            both = usable[a] & usable[b]
            shared = int(both.sum())
            if shared >= FEWEST_SHARED:
                rows.append(np.sqrt(shared))
                sides.append(np.median(light[b, both] - light[a, both], axis=0))
                firsts.append(a)
                seconds.append(b)
    if not rows:
        return np.ones((count, 3))
    number = np.arange(len(rows))
    system = np.zeros((len(rows) + count, count))
    system[number, firsts], system[number, seconds] = rows, -np.array(rows)
    system[len(rows) :] = 1e-3 * np.eye(count)
    values = np.concatenate([np.array(sides) * np.array(rows)[:, None], np.zeros((count, 3))])
    logs = np.linalg.lstsq(system, values, rcond=None)[0]
    return np.exp(logs - np.median(logs, axis=0))


def corrections(colours: np.ndarray, shares: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(N, V, 3) to add to each view's colours so that views agree where they meet; 0 where a view has no share.

    Least squares: colours of two views that share a vertex differ little after it, and a view's correction changes
    little along an edge.

    Args:
        colours: (N, V, 3) sRGB, blurred.
        shares: (N, V) of the views in each vertex, adding up to 1 or 0.
        edges: (E, 2) of the mesh.
    """
    result = np.zeros(colours.shape, np.float32)
    present = shares > 0
    view, vertex = np.nonzero(present)
    if not len(view):
        return result
    number = np.full(present.shape, -1)
    number[view, vertex] = np.arange(len(view))
    rows, sides = [], []

    def differences(first: np.ndarray, second: np.ndarray, weight: np.ndarray, wanted: np.ndarray) -> None:
        line = np.arange(len(first))
        values = np.concatenate([weight, -weight])
        rows.append(
            sparse.coo_matrix((values, (np.tile(line, 2), np.concatenate([first, second]))), (len(first), len(view)))
        )
        sides.append(weight[:, None] * wanted)

    for n in range(len(colours)):
        along = edges[present[n, edges].all(axis=1)]
        stiff = np.full(len(along), np.sqrt(STIFFNESS))
        differences(number[n, along[:, 0]], number[n, along[:, 1]], stiff, np.zeros((len(along), 3)))
        for m in range(n + 1, len(colours)):
            both = np.flatnonzero(present[n] & present[m])
            weight = np.sqrt(4 * shares[n, both] * shares[m, both])
            differences(number[n, both], number[m, both], weight, colours[m, both] - colours[n, both])
    system = sparse.vstack(rows).tocsc()
    normal = (system.T @ system + TIE * sparse.identity(len(view))).tocsc()
    factors = splu(normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    result[view, vertex] = factors.solve(system.T @ np.concatenate(sides))
    return result
