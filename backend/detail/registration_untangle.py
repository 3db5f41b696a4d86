"""A head's skin that passes through itself taken apart: folds of a registration, and what the model's own shape has.

Where a surface overlaps itself its winding number tells which vertices are on the wrong side, and of what kind: lips
that are pressed into each other enclose a place twice, an ear thinner than its groove is deep is turned inside out.
Each such vertex is brought back over the surface opposite it, which gives way as well, by the least bending
displacement (the contacts of Baraff and Witkin's "Large steps in cloth simulation", 1998, without time); creases too
small for that are faired.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ..fit.surfaces import normals_and_areas, unit
from ..geometry.surface import nearest_on_triangles
from ..geometry.winding import winding_numbers
from .intersections import self_intersecting
from .smoothing import neighbours

ROUNDS = 24
"""At most; each looks only at what is near the last one's faults."""
PATIENT = 8
"""Rounds from which more around a fault is faired."""
ENOUGH = 2e-4
"""Share of the triangles that may be left after the patient rounds: each costs seconds where hair is crumpled."""
REACH = 0.006
"""Metres around a fault in which another may come of mending it."""
OPPOSITE = 0.0025
"""Metres between a vertex on the wrong side and the surface that it went through, at most."""
STEP = 0.001
"""Metres that a vertex goes back in a round, at most."""
GAP = 5e-5
"""Metres left between."""
RINGS = 8
"""Of vertices around a fault that give way."""
FLOODED = 6
"""Rings of vertices, from a fault inwards, that may be on the wrong side."""
OFF = 1e-5
"""Metres before a vertex, where the winding number is asked."""
HELD = 1e3
"""Weight of the gaps against the displacement's bending."""
STAY = 1e-3
"""Weight of the displacement's size against its bending."""
CANDIDATES = 12
"""Triangles tried for each vertex."""
TURN = 0.003
"""Metres that opposite normals are apart, halved, where the surface across is sought."""


def untangle(vertices: np.ndarray, faces: np.ndarray, reporter) -> np.ndarray:
    """(W, 3) the vertices so that the faces pass through each other no more, or hardly.

    Args:
        vertices: (W, 3) metres.
        faces: (K, 3) of a surface that is closed but for the neck: without eyeballs, which stand in their sockets.
        reporter: may stop it.
    """
    result = vertices.copy()
    near, border = neighbours(faces, len(vertices))
    mean = sparse.diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near
    looked, best, fewest = np.arange(len(faces)), result.copy(), None
    for number in range(ROUNDS + 1):
        faults = looked[self_intersecting(result, faces[looked])]
        if fewest is None or len(faults) < fewest:
            best, fewest = result.copy(), len(faults)
        enough = number >= PATIENT and len(faults) < ENOUGH * len(faces)
        if not len(faults) or enough or number == ROUNDS:
            break
        middles = result[faces].mean(axis=1)
        around = _within(middles, middles[faults], REACH)
        result = result + _pushed_apart(result, faces, faults, around, near, mean, border)
        if number:
            rings = 1 if number < PATIENT else 2
            mine = np.flatnonzero(_grown(near, faces[faults], rings) & ~border)
            for _ in range(2):
                result[mine] = (result[mine] + mean[mine] @ result) / 2
        looked = _within(result[faces].mean(axis=1), result[faces[faults]].mean(axis=1), REACH)
        reporter.check()
    return best


def _pushed_apart(vertices, faces, faults, around, near, mean, border) -> np.ndarray:
    """(W, 3) displacement that brings vertices over to their own side.

    Args:
        vertices: (W, 3), faces: (K, 3)
        faults: rows of faces that pass through others; around: rows near them.
        near, mean: (W, W) which vertices have an edge in common, and the mean over them.
        border: (W,) bool, of vertices that stay.
    """
    normals, _ = normals_and_areas(vertices, faces)
    wrong, side = _wrong(vertices, faces, faults, normals, near)
    result = np.zeros_like(vertices)
    if not len(wrong):
        return result
    corners = vertices[faces[around]]
    facing = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    tree = cKDTree(np.column_stack([corners.mean(axis=1), TURN * facing]))
    found = tree.query(np.column_stack([vertices[wrong], -TURN * normals[wrong]]), k=CANDIDATES, workers=-1)[1].ravel()
    owner = np.repeat(np.arange(len(wrong)), CANDIDATES)
    across = faces[around[found]]
    weights = nearest_on_triangles(vertices[wrong[owner]], corners[found])
    gap = vertices[wrong[owner]] - np.einsum("nk,nkc->nc", weights, corners[found])
    along = (gap * facing[found]).sum(axis=1) * side[owner]
    fits = ((normals[wrong[owner]] * facing[found]).sum(axis=1) < 0.2) & (along <= 1e-6)
    fits &= ~(across == wrong[owner][:, None]).any(axis=1)
    away = np.where(fits, np.linalg.norm(gap, axis=1), np.inf).reshape(-1, CANDIDATES)
    row = np.arange(len(wrong)) * CANDIDATES + away.argmin(axis=1)
    row = row[away.min(axis=1) < OPPOSITE]
    if not len(row):
        return result
    who = wrong[owner[row]]
    moves = _grown(near, np.concatenate([faces[faults].ravel(), wrong]), RINGS) & ~border
    columns = np.flatnonzero(moves)
    place = np.full(len(vertices), -1)
    place[columns] = np.arange(len(columns))
    # A row says how far a vertex goes along the normal of the surface across, less what that goes itself.
    leaning = np.column_stack([who, across[row]])
    share = np.column_stack([np.ones(len(row)), -weights[row]])
    values = share[:, :, None] * (facing[found[row]] * side[owner[row]][:, None])[:, None]
    at = np.broadcast_to(np.arange(len(row))[:, None, None], values.shape)
    to = place[leaning][:, :, None] * 3 + np.arange(3)
    kept = np.broadcast_to(place[leaning][:, :, None] >= 0, values.shape)
    contact = sparse.csr_matrix((values[kept], (at[kept], to[kept])), (len(row), 3 * len(columns)))
    laplacian = (mean[columns] - sparse.eye(len(vertices)).tocsr()[columns])[:, columns]
    bending = laplacian.T @ laplacian + STAY * sparse.eye(len(columns))
    system = (sparse.kron(bending, sparse.eye(3)) + HELD * contact.T @ contact).tocsc()
    wanted = HELD * contact.T @ (np.minimum(-along[row], STEP) + GAP)
    factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    result[columns] = factor.solve(wanted).reshape(-1, 3)
    return result


def _wrong(vertices, faces, faults, normals, near) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (M,) before which the surface lies as it should not, and (M,) 1 where it overlaps (they must come out
    of what encloses them) or -1 where it is turned inside out (they must go back in)."""
    numbers = np.zeros(len(vertices), int)
    known = np.zeros(len(vertices), bool)
    asked = np.unique(faces[faults])
    # What faults enclose is reached from them, ring by ring.
    for _ in range(FLOODED):
        known[asked] = True
        numbers[asked] = winding_numbers(vertices[asked] + OFF * normals[asked], vertices, faces)
        asked = np.flatnonzero((near @ (numbers != 0) > 0) & ~known)
        if not len(asked):
            break
    wrong = np.flatnonzero(numbers)
    return wrong, np.sign(numbers[wrong])


def _grown(near: sparse.csr_matrix, vertices: np.ndarray, rings: int) -> np.ndarray:
    """(W,) bool: vertices and what lies around them."""
    mark = np.zeros(near.shape[0], bool)
    mark[vertices.ravel()] = True
    for _ in range(rings):
        mark |= near @ mark > 0
    return mark


def _within(middles: np.ndarray, places: np.ndarray, reach: float) -> np.ndarray:
    """Rows of points (K, 3) that lie near others (M, 3)."""
    return np.flatnonzero(np.isfinite(cKDTree(places).query(middles, distance_upper_bound=reach, workers=-1)[0]))
