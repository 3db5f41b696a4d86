"""One head laid on another with seven degrees of freedom: a start, then iterated closest points with scale."""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import LandmarkError
from ..fit.place import umeyama
from ..fit.surfaces import on_rim
from ..formats.coefficients import Similarity
from ..protocol import Reporter
from .head_meshes import Crop, HeadMesh, even_samples

SAMPLES = 4000
"""Points of either mesh that are laid on the other in each round."""
ROUNDS = 60
STILL = 2e-7
"""Share of the truth's size that a round must move the points by, else it was the last."""
TRIAL_SAMPLES, TRIAL_ROUNDS, TRIALS = 400, 6, 6
"""Of the starts that are tried where no landmarks tell how a head is turned."""
FEWEST_LANDMARKS = 3
FAR = 3.0
"""Times the median distance at which a pair counts no more: what only one of the meshes has."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where the prediction lies.

    Attributes:
        similarity: from the prediction, metres, Z up, to the truth, metres, Z up.
        start: how it was begun, in words.
        rounds: of closest points; 0 where none were asked for.
        converged: the last round moved nothing any more.
    """

    similarity: Similarity
    start: str
    rounds: int
    converged: bool


def align(prediction: HeadMesh, truth: HeadMesh, crop: Crop, mode: str, start: str, reporter: Reporter) -> Alignment:
    """Lay the prediction on the part of the truth that counts.

    Args:
        mode: "similarity" (7 degrees of freedom), "rigid" (6: the scale is kept), or "none" (as they lie).
        start: "landmarks" (Umeyama on those that both have), "centroids" (middles and sizes, and the best of 24 turns
            and of how they lie), "as they lie", or "auto": landmarks where there are enough, else centroids.
        reporter: told of every round.

    Raises:
        LandmarkError: landmarks were asked for, and too few are shared.
    """
    if mode == "none":
        return Alignment(Similarity(1.0, np.eye(3), np.zeros(3)), "as they lie", 0, True)
    free = mode == "similarity"
    shared = _shared(prediction, truth)
    if start == "landmarks" and len(shared) < FEWEST_LANDMARKS:
        raise LandmarkError(
            f"{prediction.name} and {truth.name} have {len(shared)} landmarks in common; at least {FEWEST_LANDMARKS} "
            "are needed to begin with."
        )
    reporter.stage("Laying one head on the other", ROUNDS)
    if start == "landmarks" or (start == "auto" and len(shared) >= FEWEST_LANDMARKS):
        first = umeyama(prediction.landmarks.of(shared), truth.landmarks.of(shared), with_scale=free)
        said = f"{len(shared)} landmarks"
    elif start == "as they lie":
        first, said = Similarity(1.0, np.eye(3), np.zeros(3)), start
    else:
        first, said = _best_start(prediction, truth, crop, free, reporter)
    pairs = _Pairs(prediction, first, truth, crop, SAMPLES)
    similarity, rounds, still = pairs.closest_points(free, ROUNDS, reporter)
    return Alignment(_after(similarity, first), said, rounds, still)


def _shared(prediction: HeadMesh, truth: HeadMesh) -> list[str]:
    if prediction.landmarks is None or truth.landmarks is None:
        return []
    return [name for name in prediction.landmarks.names if name in truth.landmarks.names]


def _best_start(prediction, truth, crop, free, reporter) -> tuple[Similarity, str]:
    """As they lie, or middle on middle in one of 24 turns: whichever a few rounds of closest points like best."""
    points, goal = (even_samples(mesh.surface, TRIAL_SAMPLES)[0] for mesh in (prediction, truth))
    middles, sizes = zip(*((p.mean(axis=0), np.sqrt(p.var(axis=0).sum())) for p in (points, goal)), strict=True)
    scale = sizes[1] / sizes[0] if free else 1.0
    starts = [(Similarity(1.0, np.eye(3), np.zeros(3)), "as they lie")]
    for turn in _quarter_turns():
        starts.append((Similarity(scale, turn, middles[1] - scale * turn @ middles[0]), "middles and sizes"))
    rated = []
    for first, said in starts:
        reporter.check()
        pairs = _Pairs(prediction, first, truth, crop, TRIAL_SAMPLES)
        rated.append((pairs.off(Similarity(1.0, np.eye(3), np.zeros(3))), first, said, pairs))
    tried = []
    for _, first, said, pairs in sorted(rated, key=lambda each: each[0])[:TRIALS]:
        reporter.check()
        similarity, _, _ = pairs.closest_points(free, TRIAL_ROUNDS)
        tried.append((pairs.off(similarity), _after(similarity, first), said))
    _, best, said = min(tried, key=lambda each: each[0])
    return best, said


def _quarter_turns() -> list[np.ndarray]:
    """The 24 rotations (3, 3) that take axes to axes; the identity first."""
    turns = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            turn = np.eye(3)[list(order)] * np.array(signs)[:, None]
            if np.linalg.det(turn) > 0:
                turns.append(turn)
    return sorted(turns, key=lambda turn: -np.trace(turn))


def _after(second: Similarity, first: Similarity) -> Similarity:
    """The similarity that does the first, then the second."""
    rotation = second.rotation @ first.rotation
    return Similarity(second.scale * first.scale, rotation, second.apply(first.translation))


class _Pairs:
    """Closest points of two meshes, each way, as one of them moves on from where it began.

    Args:
        prediction: the mesh that moves.
        by: where it begins.
        truth, crop: what it is laid on.
        count: of samples of each.
    """

    def __init__(self, prediction: HeadMesh, by: Similarity, truth: HeadMesh, crop: Crop, count: int):
        self.surface, self.by = prediction.surface, by
        self.truth, self.crop = truth, crop
        points, face, weights = even_samples(self.surface, count)
        self.points = by.apply(points)
        self.normals = self.surface.smooth_normals(face, weights) @ by.rotation.T
        points, face, weights = even_samples(truth.surface, count, crop.faces)
        chosen = crop.inside(face, points)
        self.goals, face, weights = points[chosen], face[chosen], weights[chosen]
        self.goal_normals = truth.surface.smooth_normals(face, weights)
        self.middle = self.goals.mean(axis=0)
        self.size = float(np.sqrt(((self.goals - self.middle) ** 2).sum(axis=1).mean()))

    def of(self, similarity: Similarity):
        """Pairs under a similarity: moved points (N, 3), where they belong (N, 3), normals there, distances (N,)."""
        moved = similarity.apply(self.points)
        there, face, weights = self.truth.surface.nearest(moved, candidates=3)
        normals = self.truth.surface.smooth_normals(face, weights)
        good = self.crop.inside(face, there) & ~on_rim(self.truth.open_edges, face, weights)
        good &= (normals * (self.normals @ similarity.rotation.T)).sum(axis=1) > 0.3
        both = _after(similarity, self.by)
        back = (self.goals - both.translation) @ both.rotation / both.scale
        near, face, weights = self.surface.nearest(back, candidates=3)
        seen = self.surface.smooth_normals(face, weights) @ both.rotation.T
        facing = (seen * self.goal_normals).sum(axis=1) > 0.3
        moved = np.concatenate([moved[good], both.apply(near)[facing]])
        goal = np.concatenate([there[good], self.goals[facing]])
        return moved, goal, np.concatenate([normals[good], self.goal_normals[facing]])

    def off(self, similarity: Similarity) -> float:
        """Mean distance between the meshes, cut at a fifth of the size; what has no partner is that far away."""
        moved, goal, _ = self.of(similarity)
        most = 0.2 * self.size
        lone = len(self.points) + len(self.goals) - len(moved)
        return float((np.minimum(np.linalg.norm(moved - goal, axis=1), most).sum() + lone * most) / (len(moved) + lone))

    def closest_points(self, free: bool, rounds: int, reporter: Reporter | None = None):
        """Rounds of point to plane (Chen and Medioni, 1992), with the scale as a seventh unknown.

        Returns the similarity, how many rounds, and whether the last one moved nothing.
        """
        similarity = Similarity(1.0, np.eye(3), np.zeros(3))
        for done in range(rounds):
            moved, goal, normals = self.of(similarity)
            if len(moved) < 12:
                return similarity, done, False
            distance = np.linalg.norm(moved - goal, axis=1)
            near = distance <= max(FAR * float(np.median(distance)), 1e-9 * self.size)
            step = self._step(moved[near], goal[near], normals[near], free)
            before, similarity = similarity, _after(step, similarity)
            shift = np.linalg.norm(similarity.apply(self.points) - before.apply(self.points), axis=1).max()
            if reporter is not None:
                reporter.step(done + 1)
            if shift < STILL * self.size:
                return similarity, done + 1, True
        return similarity, rounds, False

    def _step(self, moved, goal, normals, free) -> Similarity:
        """Least squares of the distances along normals, and a hundredth of those in all directions, so that nothing
        slides where planes do not hold it."""
        at = (moved - self.middle) / self.size
        gap = (goal - moved) / self.size
        rows = [np.concatenate([np.cross(at, normals), normals, (at * normals).sum(axis=1, keepdims=True)], axis=1)]
        sides = [(gap * normals).sum(axis=1)]
        for axis in np.eye(3):
            along = np.broadcast_to(axis, at.shape)
            rows.append(0.1 * np.concatenate([np.cross(at, along), along, at @ axis[:, None]], axis=1))
            sides.append(0.1 * gap @ axis)
        system, side = np.concatenate(rows)[:, : 7 if free else 6], np.concatenate(sides)
        solved = np.linalg.lstsq(system.T @ system + 1e-12 * np.eye(system.shape[1]), system.T @ side, rcond=None)[0]
        turn = solved[:3] * min(1.0, 0.3 / max(np.linalg.norm(solved[:3]), 1e-12))
        scale = float(np.exp(np.clip(solved[6], -0.2, 0.2))) if free else 1.0
        rotation = Rotation.from_rotvec(turn).as_matrix()
        return Similarity(scale, rotation, self.middle + self.size * solved[3:6] - scale * rotation @ self.middle)
