"""Which vertices of a dense head a registration may move, and how its displacements end where they stay."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ..fit.model import pieces
from .charts import FACE, SCALP
from .dense import DenseHead
from .smoothing import neighbours

FROZEN = ("neck", "left_ear", "right_ear", "mouth_pocket", "eyes", "left_eyeball", "right_eyeball")
"""Parts whose exact shape an animation needs, or that no scanner sees (HeadCraft, A.1)."""
WIDTHS = {"lining": 0.004, "ears": 0.016, "neck": 0.016, "part": 0.012}
"""Metres over which displacements end before what is frozen. Between the lips and under the lids a short slope does not
show; at the neck it must be gentle. Around ears the scan has the foot of its own ear, which lies elsewhere."""
EARS = ("left_ear", "right_ear")
SHOWN, LEAST_SHOWN = 0.006, 0.4
"""Metres from the scan within which a part of an ear is seen, and the share of an ear that is, at least, unless hair
covers it."""
BESIDE = 0.03
"""Metres around a covered ear within which hair hangs over cheek and neck."""
OVERHANG = 0.012
"""Metres of displacement from which the slope may be steeper: hair ends in a step."""


@dataclass(frozen=True, eq=False)
class Movable:
    """Vertices by what a registration may do with them.

    Attributes:
        scalp: (W,) bool, moved freely in stage 1.
        all: (W,) bool, scalp and face, moved along normals in stage 2.
        free_faces: (G,) bool, triangles that may move in all their corners.
        ears: (G,) bool, triangles of the ears.
        skin: (G,) bool, triangles that a scan can show: all but eyeballs and the linings of mouth and eye sockets.
        head: (G,) bool, triangles of the head itself: all but eyeballs, which stand in their sockets.
        borders: key of ``WIDTHS`` → vertices that stay, beside some that are free.
    """

    scalp: np.ndarray
    all: np.ndarray
    free_faces: np.ndarray
    ears: np.ndarray
    skin: np.ndarray
    head: np.ndarray
    borders: dict[str, np.ndarray]


def movable(dense: DenseHead) -> Movable:
    """Scalp and face are free; eyes, ears, neck and the inside of the mouth stay (HeadCraft, A.1).

    Args:
        dense: the head, whose layout tells the linings of mouth and eye sockets from the outer skin.
    """
    names = dense.layout.names
    outer = np.array([name.split()[0] in (SCALP, FACE) for name in names])[dense.chart]
    ear = np.array([name.endswith("_ear") for name in names])[dense.chart]
    free = np.ones(dense.vertex_count, bool)
    free[dense.faces[~outer].ravel()] = False
    for name in FROZEN:
        free[dense.regions.get(name, np.zeros(0, int))] = False
    scalp = np.zeros(dense.vertex_count, bool)
    scalp[dense.regions[SCALP]] = True
    head = (pieces(dense.model) == 0)[dense.model.faces[:, 0]][dense.subdivision.parents]
    inside = free[dense.faces]
    touching = np.unique(dense.faces[inside.any(axis=1) & ~inside.all(axis=1)])
    border = touching[~free[touching]]
    kinds = {}
    for kind, regions in {"neck": ("neck",), "ears": ("left_ear", "right_ear")}.items():
        members = np.concatenate([dense.regions.get(name, np.zeros(0, int)) for name in regions])
        kinds[kind] = border[np.isin(border, members)]
    kinds["ears"] = np.union1d(kinds["ears"], np.setdiff1d(np.intersect1d(border, dense.faces[ear]), kinds["neck"]))
    kinds["lining"] = np.setdiff1d(border, np.concatenate(list(kinds.values())))
    return Movable(scalp & free, free, inside.all(axis=1), ear, outer | ear, head, kinds)


def covered_ears(dense: DenseHead, vertices: np.ndarray, points: np.ndarray) -> list[str]:
    """The ears that a scan does not show because hair hangs over them.

    Args:
        dense: the head.
        vertices: (W, 3) metres, as fitted.
        points: (N, 3) metres, of the scan.
    """
    tree, found = cKDTree(points), []
    middle = vertices[dense.regions[SCALP]].mean(axis=0)
    for name in EARS:
        ear = dense.regions.get(name, np.zeros(0, int))
        if not len(ear):
            continue
        place = vertices[ear]
        shown = (tree.query(place)[0] < SHOWN).mean()
        # Hair lies further out than the ear; a hole in the scan has nothing there.
        out = (place.mean(axis=0) - middle)[0]
        beside = np.linalg.norm((points - place.mean(axis=0))[:, 1:], axis=1) < 0.015
        outside = np.sign(out) * (points[beside, 0] - place.mean(axis=0)[0]) > 0
        if shown < LEAST_SHOWN and outside.sum() > 20:
            found.append(name)
    return found


def without_ears(
    dense: DenseHead, vertices: np.ndarray, free: Movable, ears: list[str], points: np.ndarray
) -> tuple[np.ndarray, Movable]:
    """The head with ears flattened into the scalp around them, as hair that hangs over them needs it.

    What lies around such an ear and is hidden as well, of cheek and neck, goes along with the scalp.

    Args:
        dense: the head.
        vertices: (W, 3) metres, as fitted.
        free: what may move otherwise.
        ears: names of those that are covered.
        points: (N, 3) metres, of the scan.

    Returns:
        (W, 3) metres, the ears spanned harmonically between their borders; and what may move, the ears among the scalp.
    """
    if not ears:
        return vertices, free
    inside = np.zeros(dense.vertex_count, bool)
    inside[np.concatenate([dense.regions[name] for name in ears])] = True
    # An ear's chart is a little larger or smaller than its region; none of it may stay behind.
    for name in ears:
        if name in dense.layout.names:
            inside[dense.faces[dense.chart == dense.layout.names.index(name)].ravel()] = True
    hidden = cKDTree(points).query(vertices)[0] > SHOWN
    hidden &= cKDTree(vertices[inside]).query(vertices)[0] < BESIDE
    inside &= ~free.all
    near, _ = neighbours(dense.faces, dense.vertex_count)
    laplacian = sparse.diags(np.asarray(near.sum(axis=1)).ravel()) - near
    mine, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
    rows = laplacian.tocsr()[mine]
    result = vertices.copy()
    result[mine] = splu(rows[:, mine].tocsc()).solve(-(rows[:, rest] @ vertices[rest]))
    neck = np.zeros(dense.vertex_count, bool)
    neck[dense.regions.get("neck", np.zeros(0, int))] = True
    may = free.all | inside | (hidden & neck)
    corners = may[dense.faces]
    ends = np.unique(dense.faces[corners.any(axis=1) & ~corners.all(axis=1)])
    borders = {kind: border[~may[border]] for kind, border in free.borders.items()}
    borders["neck"] = np.union1d(borders["neck"], ends[neck[ends] & ~may[ends]])
    scalp = free.scalp | inside | (hidden & may)
    return result, Movable(scalp, may, may[dense.faces].all(axis=1), free.ears, free.skin, free.head, borders)


def ended(vertices: np.ndarray, faces: np.ndarray, free: Movable, displacement: np.ndarray) -> np.ndarray:
    """(W, 3) metres: displacements that end without a step before what stays.

    They fade; around ears, where the scan shows the foot of another ear than the model's, they are spanned smoothly
    between the ear and what lies further out.

    Distances come from a screened Poisson equation, whose solution falls off as exp(-distance / length) (Varadhan's
    formula, as in Crane, Weischedel, Wardetzky, "Geodesics in heat", 2013): it is smooth where a graph's is ragged.

    Args:
        vertices: (W, 3) metres, before displacement.
        faces: (G, 3)
        free: what could move.
        displacement: (W, 3) metres, of the free vertices as if nothing stayed.
    """
    stiffness, area = _cotangents(vertices, faces)
    steep = 1 + (np.linalg.norm(displacement, axis=1) / OVERHANG) ** 2
    result, share = displacement, free.all.astype(float)
    mine = np.flatnonzero(free.all)
    for kind, border in free.borders.items():
        if not len(border):
            continue
        length = WIDTHS[kind] / (4 if kind == "ears" else 2)
        system = (sparse.diags(area) + length**2 * stiffness).tocsc()
        right = -np.asarray(system[mine][:, border].sum(axis=1)).ravel()
        distance = -length * np.log(np.clip(_factor(system[mine][:, mine]).solve(right), 1e-12, 1))
        t = np.clip(distance * steep[mine] / WIDTHS[kind], 0, 1)
        if kind == "ears":
            result = _spanned(displacement * free.all[:, None], mine[t < 1], stiffness, area)
        else:
            share[mine] *= t**3 * (t * (6 * t - 15) + 10)
    return result * share[:, None]


def _spanned(values: np.ndarray, inside: np.ndarray, stiffness: sparse.csr_matrix, area: np.ndarray) -> np.ndarray:
    """Values (W, 3), those of the vertices ``inside`` (R,) biharmonic: they meet the others with their slope."""
    bending = (stiffness @ sparse.diags(1 / area) @ stiffness).tocsr()[inside]
    others = np.setdiff1d(np.arange(len(values)), inside)
    result = values.copy()
    if len(inside):
        result[inside] = _factor(bending[:, inside]).solve(-(bending[:, others] @ values[others]))
    return result


def _factor(system: sparse.spmatrix):
    """A symmetric, positive definite matrix, ready to solve with."""
    options = {"SymmetricMode": True}
    return splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def _cotangents(vertices: np.ndarray, faces: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """(W, W) the Laplacian's stiffness matrix, obtuse corners taken as right ones so that no weight is below zero, and
    (W,) m² around each vertex."""
    corners = vertices[faces]
    a, b = np.roll(corners, -1, axis=1) - corners, np.roll(corners, -2, axis=1) - corners
    double = np.maximum(np.linalg.norm(np.cross(a, b), axis=2), 1e-14)
    weights = np.clip((a * b).sum(axis=2) / double / 2, 1e-3, 1e3).ravel()
    start, end = np.roll(faces, -1, axis=1).ravel(), np.roll(faces, -2, axis=1).ravel()
    count = len(vertices)
    around = sparse.coo_matrix((weights, (start, end)), (count, count)).tocsr()
    around = around + around.T
    area = np.bincount(faces.ravel(), double.ravel() / 6, count)
    return sparse.diags(np.asarray(around.sum(axis=1)).ravel()) - around, np.maximum(area, 1e-12)
