"""Few strands that stand for many: which to choose, how many points they need, how best to grow the rest from them.

NumPy only; arrays in the head's own coordinates.
"""

import numpy as np

from ..backend.formats.strands import Strands

SHAPE_WEIGHT = 0.35
"""How much a metre of difference in shape counts against a metre between roots."""

CANDIDATES = 8_000
POINT_CHOICES = (12, 16, 24, 32, 48, 64, 96)
TOLERANCE = 0.0005
"""Metres a guide may stray from its strand."""


def choose_guides(strands: Strands, count: int, seed: int = 0) -> np.ndarray:
    """Indices (count,) of strands that cover scalp and shapes evenly, sorted.

    Farthest-point sampling (Gonzalez 1985) over root and shape; then each of its clusters sends the strand nearest to
    its mean, because farthest points are by nature the odd ones out.
    """
    if count >= len(strands):
        return np.arange(len(strands))
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(strands))[: max(CANDIDATES, 4 * count)])
    features = _features(strands.subset(chosen))
    centres = _farthest_points(features, count)
    cluster = nearest_rows(features, features[centres], 1)[:, 0]
    members = np.bincount(cluster, minlength=count)
    means = np.stack([np.bincount(cluster, f, minlength=count) for f in features.T], axis=1) / members[:, None]
    distance = ((features - means[cluster]) ** 2).sum(1)
    order = np.lexsort((distance, cluster))
    first = order[np.concatenate([[0], np.cumsum(members)[:-1]])]
    return np.sort(chosen[first])


def _features(strands: Strands) -> np.ndarray:
    """(N, 15): root, and the strand at four places relative to it."""
    points = strands.resampled(9)
    shape = (points[:, 2::2] - points[:, :1]) * (SHAPE_WEIGHT / 2.0)
    return np.concatenate([points[:, :1], shape], axis=1).reshape(len(points), -1)


def _farthest_points(features: np.ndarray, count: int) -> np.ndarray:
    chosen = np.empty(count, np.int64)
    chosen[0] = ((features - features.mean(0)) ** 2).sum(1).argmin()
    squares = (features**2).sum(1)
    distance = np.full(len(features), np.inf, features.dtype)
    for i in range(1, count):
        last = chosen[i - 1]
        np.minimum(distance, squares - 2 * features @ features[last] + squares[last], out=distance)
        chosen[i] = distance.argmax()
    return chosen


def nearest_rows(points: np.ndarray, targets: np.ndarray, count: int) -> np.ndarray:
    """(N, count) indices into ``targets`` (M, D) of the rows nearest to each of ``points`` (N, D), nearest first."""
    count = min(count, len(targets))
    squares = (targets**2).sum(1)
    found = np.empty((len(points), count), np.int64)
    for start in range(0, len(points), 2000):
        distance = squares - 2 * points[start : start + 2000] @ targets.T
        near = np.argpartition(distance, count - 1, axis=1)[:, :count] if count < len(targets) else np.argsort(distance)
        order = np.argsort(np.take_along_axis(distance, near, 1), axis=1)
        found[start : start + 2000] = np.take_along_axis(near, order, 1)
    return found


def points_needed(strands: Strands, scale: float = 1.0) -> int:
    """The fewest points in POINT_CHOICES that keep 95 % of the strands within the tolerance.

    Args:
        scale: metres in one unit of the strands.
    """
    dense = strands.resampled(193)
    for points in POINT_CHOICES:
        at = np.linspace(0, 192, points)
        low = np.minimum(at.astype(int), 191)
        kept = dense[:, low] + (at - low)[None, :, None] * (dense[:, low + 1] - dense[:, low])
        where = np.linspace(0, points - 1, 193)
        before = np.minimum(where.astype(int), points - 2)
        line = kept[:, before] + (where - before)[None, :, None] * (kept[:, before + 1] - kept[:, before])
        worst = np.linalg.norm(line - dense, axis=2).max(1)
        if np.quantile(worst, 0.95) * scale < TOLERANCE:
            return points
    return POINT_CHOICES[-1]


def best_neighbours(strands: Strands, guides: Strands, samples: int = 1500, seed: int = 0) -> tuple[int, float]:
    """How many guides to mix into a strand so that it comes closest to the strand that was there, and how close.

    Follows what the Interpolate Curves node does: guides by distance of roots, weighted by its inverse. Mixing curls
    of different phase flattens them, and mixing across a parting closes it; then 1 wins.

    Returns:
        The count, 1 to 4, and the median over strands of the mean distance between points, in the strands' unit.
    """
    random = np.random.default_rng(seed)
    sample = strands.subset(np.sort(random.permutation(len(strands))[:samples]))
    truth, sources = sample.resampled(32), guides.resampled(32)
    roots, guide_roots = truth[:, 0], sources[:, 0]
    near = nearest_rows(roots, guide_roots, 4)
    distance = np.linalg.norm(guide_roots[near] - roots[:, None], axis=2)
    offsets = sources - sources[:, :1]
    results = []
    for count in range(1, near.shape[1] + 1):
        weights = 1.0 / np.maximum(distance[:, :count], 1e-6)
        weights /= weights.sum(1, keepdims=True)
        mixed = roots[:, None] + np.einsum("nk,nkpd->npd", weights, offsets[near[:, :count]])
        error = np.linalg.norm(mixed - truth, axis=2).mean(1)
        # The shortening that averaging does to waves shows more than a small offset does.
        length = np.linalg.norm(np.diff(mixed, axis=1), axis=2).sum(1)
        true_length = np.linalg.norm(np.diff(truth, axis=1), axis=2).sum(1)
        loss = np.median(np.abs(length / np.maximum(true_length, 1e-9) - 1))
        results.append((float(np.median(error)) * (1 + loss), count, float(np.median(error))))
    _, count, error = min(results)
    return count, error
