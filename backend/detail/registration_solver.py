"""The preset ``standard``'s solver: both stages as a few sparse linear systems each.

Every round pairs the head's vertices with the scan and the scan's points with the head's triangles, and brings partners
onto each other's tangent planes (Chen and Medioni, 1992) against the stiffness of the displacement field, which eases
from round to round (Amberg, Romdhani, Vetter, "Optimal step nonrigid ICP algorithms for surface registration", 2007).
Stage 1 moves the coarse head's vertices, then those of the first subdivision, and the Butterfly matrix carries the
dense ones along: what it cannot show is stage 2's.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from .registration_partners import Moving, Target
from .smoothing import neighbours
from .subdivision import subdivide

USUAL_EDGE = 0.0015
"""Metres of a dense head's edge."""
PULLED = 0.003
"""Metres from which a point of the scan is far."""
MOST_FINER = 3.0
"""Times that an edge is taken to be shorter than the usual, at most."""


@dataclass(frozen=True)
class Round:
    """One linear system.

    Attributes:
        stiffness: weight of the field's bending against the misfit.
        reach: metres between partners, at most.
        alike: cosine between their normals, at least.
        level: rounds of subdivision that the unknowns have; of stage 1 only.
        turn: metres that opposite normals are apart, halved, when partners are sought.
        pull: weight with which far points of the scan draw the head towards them, and not only onto their planes: hair
            that hangs or stands off is reached by stretching. Of stage 1 only.
    """

    stiffness: float
    reach: float
    alike: float = 0.5
    level: int = 0
    turn: float = 0.006
    pull: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """What a preset does.

    Attributes:
        vector: stage 1's rounds.
        normal: stage 2's.
        samples: points of the scan that look for the head in a round.
        smoothing: rounds of Laplacian smoothing of the normals that stage 2 moves along.
    """

    vector: tuple[Round, ...]
    normal: tuple[Round, ...]
    samples: int
    smoothing: int


class Pairs:
    """Rows of equations: that points of the head come onto planes."""

    def __init__(self, corners, weights, normals, gaps, trust):
        self.corners, self.weights, self.normals, self.gaps, self.trust = corners, weights, normals, gaps, trust

    def on_vertices(self, count: int) -> sparse.csr_array:
        """(N, W) which vertices a point leans on."""
        starts = np.arange(0, self.corners.size + 1, self.corners.shape[1])
        return sparse.csr_array((self.weights.ravel(), self.corners.ravel(), starts), shape=(len(self.corners), count))


def pairs(moving: Moving, target: Target, chosen: np.ndarray, free: np.ndarray, step: Round) -> list[Pairs]:
    """Partners both ways, as far as they are near and face alike.

    Args:
        moving: the head as it is.
        target: the scan.
        chosen: its points that look for the head.
        free: (W,) bool vertices that may move.
        step: what the round asks.
    """
    mine = np.flatnonzero(free)
    here, facing = moving.vertices[mine], moving.normals[mine]
    found = target.nearest(here, facing, step.turn)
    there, normals = target.points[found], target.normals[found]
    gap = here - there
    ok = (np.linalg.norm(gap, axis=1) < step.reach) & ((facing * normals).sum(axis=1) > step.alike)
    along = (gap * normals).sum(axis=1)
    to_scan = Pairs(mine[ok, None], np.ones((ok.sum(), 1)), normals[ok], along[ok], _robust(along[ok], step.reach))
    points, normals = target.points[chosen], target.normals[chosen]
    on = moving.nearest(points, normals, step.turn)
    gap = on.points - points
    ok = on.inside & (np.linalg.norm(gap, axis=1) < step.reach) & ((on.normals * normals).sum(axis=1) > step.alike)
    ok &= free[on.corners].all(axis=1)
    along = (gap * normals).sum(axis=1)
    # Both ways weigh the same in all, however many points the scan has.
    share = max(to_scan.trust.sum(), 1e-9) / max(ok.sum(), 1)
    trust = share * (np.ones(ok.sum()) if step.pull else _robust(along[ok], step.reach))
    found = [to_scan, Pairs(on.corners[ok], on.weights[ok], normals[ok], along[ok], trust)]
    if step.pull:
        size = np.linalg.norm(gap, axis=1)
        far = on.inside & (size > PULLED) & (size < step.reach) & free[on.corners].all(axis=1)
        for axis in np.eye(3):
            every = np.broadcast_to(axis, (far.sum(), 3))
            pulled = np.full(far.sum(), share * step.pull)
            found.append(Pairs(on.corners[far], on.weights[far], every, gap[far] @ axis, pulled))
    return found


def _robust(along: np.ndarray, reach: float) -> np.ndarray:
    """(N,) Geman and McClure's weights: partners much further apart than most are doubtful."""
    if not len(along):
        return along
    scale = max(3 * 1.4826 * float(np.median(np.abs(along))), 0.1 * reach)
    return 1 / (1 + (along / scale) ** 2) ** 2


def vector_stage(
    faces: np.ndarray, coarse_count: int, levels: int, base: np.ndarray, dense_faces: np.ndarray, free: np.ndarray,
    seen: np.ndarray, target: Target, schedule: Schedule, reporter,
) -> np.ndarray:  # fmt: skip
    """Stage 1: (W, 3) displacements of the scalp in all directions (HeadCraft, equation 2).

    Args:
        faces: (F, 3) of the coarse head with ``coarse_count`` vertices, which ``levels`` rounds make the dense one.
        base: (W, 3) metres, the dense head as fitted.
        dense_faces: (G, 3)
        free: (W,) bool, the scalp.
        seen: (G,) bool triangles that may move in some stage.
        target: the scan.
        schedule: ``vector`` rounds.
        reporter: told of rounds.
    """
    moving = Moving(dense_faces[seen])
    chosen = _even(len(target.points), schedule.samples)
    displacement = np.zeros_like(base)
    unknown, matrix, columns, bending = None, None, None, None
    at_level = -1
    for number, step in enumerate(schedule.vector):
        level = min(step.level, levels)
        if level != at_level:
            mesh_faces = faces if level == 0 else subdivide(faces, coarse_count, level).faces
            count = int(mesh_faces.max()) + 1
            rest = subdivide(mesh_faces, count, levels - level).matrix if level < levels else sparse.eye(count)
            # A vertex moves all that its basis function covers, so only those that cover nothing frozen are unknowns.
            outside = np.asarray((abs(rest[~free]) > 0.02).sum(axis=0)).ravel() > 0
            columns = np.flatnonzero(free[:count] & ~outside)
            matrix = rest.tocsc()[:, columns].tocsr()
            laplacian = (_mean(mesh_faces, count) - sparse.eye(count)).tocsc()[:, columns]
            bending = (laplacian.T @ laplacian) * (free.sum() / max(len(columns), 1))
            # What the coarser level found goes on as the finer's start: coarse vertices are the first of the dense.
            unknown, at_level = displacement[columns], level
        moving.move(base + displacement)
        rows = pairs(moving, target, chosen, free, step)
        normal, right = None, np.zeros((3, len(columns)))
        blocks = [[None] * 3 for _ in range(3)]
        for part in rows:
            on = part.on_vertices(len(base)) @ matrix
            residual = part.gaps - (part.normals * (on @ unknown)).sum(axis=1)
            for i in range(3):
                right[i] -= on.T @ (part.trust * part.normals[:, i] * residual)
                for j in range(i, 3):
                    weighted = part.trust * part.normals[:, i] * part.normals[:, j]
                    block = on.T @ sparse.diags(weighted) @ on
                    blocks[i][j] = block if blocks[i][j] is None else blocks[i][j] + block
        for i in range(3):
            blocks[i][i] = blocks[i][i] + step.stiffness * bending + 1e-6 * sparse.eye(len(columns))
            for j in range(i):
                blocks[i][j] = blocks[j][i]
        normal = sparse.bmat(blocks, format="csc")
        unknown = _solve(normal, right.ravel()).reshape(3, -1).T
        displacement = np.where(free[:, None], matrix @ unknown, 0.0)
        reporter.step(number + 1)
    return displacement


def normal_stage(
    base: np.ndarray, dense_faces: np.ndarray, free: np.ndarray, seen: np.ndarray, target: Target,
    schedule: Schedule, reporter,
) -> np.ndarray:  # fmt: skip
    """Stage 2: (W, 3) displacements along the normals of what stage 1 left (HeadCraft, equations 3 and 4).

    The normals are smoothed, so that neighbours in a crease move side by side rather than into each other.

    Args:
        base: (W, 3) metres, the dense head after stage 1.
        free: (W,) bool, scalp and face.
        others: as for ``vector_stage``.
    """
    moving = Moving(dense_faces[seen])
    chosen = _even(len(target.points), schedule.samples)
    count, columns = len(base), np.flatnonzero(free)
    moving.move(base)
    mean = _mean(dense_faces, count)
    direction = moving.normals.copy()
    for _ in range(schedule.smoothing):
        direction = direction + mean @ direction
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
    # The field bends freely at the border: how it ends there is another matter (``registration_regions.ended``).
    inner = dense_faces[free[dense_faces].all(axis=1)]
    laplacian = (_mean(inner, count) - sparse.eye(count)).tocsr()[columns][:, columns]
    # Smooth over as many millimetres wherever the mesh is finer than usual: lips and lids would fold first.
    edges = np.linalg.norm(base[inner] - base[np.roll(inner, -1, axis=1)], axis=2)
    size = np.bincount(inner.ravel(), edges.ravel(), count) / np.maximum(np.bincount(inner.ravel(), minlength=count), 1)
    finer = np.clip(USUAL_EDGE / np.maximum(size[columns], 1e-6), 1, MOST_FINER) ** 2
    bending = laplacian.T @ sparse.diags(finer**2) @ laplacian
    amplitude = np.zeros(len(columns))
    for number, step in enumerate(schedule.normal):
        displacement = np.zeros_like(base)
        displacement[columns] = amplitude[:, None] * direction[columns]
        moving.move(base + displacement)
        system = step.stiffness * bending + 1e-6 * sparse.eye(len(columns))
        right = np.zeros(len(columns))
        for part in pairs(moving, target, chosen, free, step):
            slope = (part.normals[:, None] * direction[part.corners]).sum(axis=2)
            leaning = Pairs(part.corners, part.weights * slope, None, None, None).on_vertices(count)
            leaning = leaning.tocsc()[:, columns].tocsr()
            residual = part.gaps - leaning @ amplitude
            system = system + leaning.T @ sparse.diags(part.trust) @ leaning
            right -= leaning.T @ (part.trust * residual)
        amplitude = _solve(system.tocsc(), right)
        reporter.step(number + 1)
    displacement = np.zeros_like(base)
    displacement[columns] = amplitude[:, None] * direction[columns]
    return displacement


def _mean(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """(count, count) the mean over a vertex's neighbours."""
    near, _ = neighbours(faces, count)
    return sparse.diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near


def _solve(system: sparse.csc_matrix, right: np.ndarray) -> np.ndarray:
    factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return factor.solve(right)


def _even(count: int, wanted: int) -> np.ndarray:
    """About ``wanted`` of ``count`` points, the same every time."""
    return np.arange(count) if count <= wanted else np.sort(np.random.default_rng(0).choice(count, wanted, False))
