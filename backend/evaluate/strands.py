"""Precision, recall and F-score of strands against true strands.

The measure of hair reconstruction since Nam et al., "Strand-accurate Multi-view Hair Capture" (CVPR 2019), as Neural
Haircut reports it: strands are compared as oriented points, the starts of their segments (so the tip is dropped)
with the normalised forward difference as direction. Precision is the share of predicted points that have *any* true
point within a distance and within an angle; recall swaps the two; F is their harmonic mean.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from ..errors import StrandFileError
from ..formats.strands import Strands

THRESHOLDS = ((0.002, 20.0), (0.003, 30.0), (0.004, 40.0))
"""Metres and degrees."""

SIGNS = ("undirected", "signed")
"""Undirected takes the absolute cosine: root and tip may be swapped. Signed does not."""

NEIGHBOURS = 8
"""Looked at before a query is compared with everything around it. On hair this leaves less than 1 % open."""

CANDIDATES_AT_ONCE = 2_000_000
"""Pairs held in memory at once, which keeps a million points against a million well under 1 GB."""


@dataclass(frozen=True)
class OrientedPoints:
    """Points of hair with the direction in which it runs there.

    Attributes:
        positions: (P, 3) float64, metres.
        directions: (P, 3) float64, unit length, root to tip; zero where two points of a strand coincide.
    """

    positions: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, polylines: np.ndarray) -> "OrientedPoints":
        """Segment starts and forward differences of (N, L, 3) metres; each strand owns L - 1 rows."""
        polylines = np.asarray(polylines, np.float64)
        steps = np.diff(polylines, axis=1).reshape(-1, 3)
        lengths = np.linalg.norm(steps, axis=1, keepdims=True)
        directions = np.divide(steps, lengths, out=np.zeros_like(steps), where=lengths > 0)
        return cls(polylines[:, :-1].reshape(-1, 3), directions)

    def __len__(self) -> int:
        return len(self.positions)

    def rows(self, chosen) -> "OrientedPoints":
        return OrientedPoints(self.positions[chosen], self.directions[chosen])

    def reversed(self) -> "OrientedPoints":
        return OrientedPoints(self.positions, -self.directions)


class Cells:
    """Points sorted into cubes, so that all within one cube's size of a place are found by looking at 27 of them."""

    def __init__(self, positions: np.ndarray, size: float):
        self.origin, self.size = positions.min(axis=0), size
        self.extent = np.floor((positions.max(axis=0) - self.origin) / size).astype(np.int64) + 1
        keys = self.keys(positions)
        self.order = np.argsort(keys, kind="stable")
        self.sorted_keys = keys[self.order]

    def keys(self, positions: np.ndarray) -> np.ndarray:
        """(Q,) int64, one number a cell; places outside the points' box by more than a cell share the border's."""
        cell = np.floor((positions - self.origin) / self.size)
        return self._key(np.clip(cell, -1, self.extent).astype(np.int64))

    def around(self, position: np.ndarray) -> np.ndarray:
        """Indices of the points in the 27 cells about a (3,) position."""
        cell = np.clip(np.floor((position - self.origin) / self.size), -1, self.extent).astype(np.int64)
        columns = cell + np.array([(x, y, 0) for x in (-1, 0, 1) for y in (-1, 0, 1)])
        first = np.searchsorted(self.sorted_keys, self._key(columns - (0, 0, 1)), side="left")
        last = np.searchsorted(self.sorted_keys, self._key(columns + (0, 0, 1)), side="right")
        return np.concatenate([self.order[a:b] for a, b in zip(first, last, strict=True)])

    def _key(self, cell: np.ndarray) -> np.ndarray:
        width = self.extent + 4  # room for one cell beyond the border, and its neighbours, without running into others
        x, y, z = np.moveaxis(cell + 2, -1, 0)
        return (x * width[1] + y) * width[2] + z


class OrientedPointSearch:
    """Answers whether any point lies within a distance *and* within an angle of a query.

    The nearest point alone does not answer it: hair is dense, and the tenth neighbour may be the one that runs the
    right way. So position and direction are searched as one point in six dimensions, ``(x, s u)``. A hit at (d, a)
    has ``|dx| <= d`` and ``|du| <= c`` with the chord ``c = 2 sin(a/2)``, hence lies within ``sqrt(d² + (s c)²)`` of
    the query there. Nothing within that radius is a sure miss; the nearest few are tested by the definition itself;
    the few queries that stay open are compared with every point of the cells around them. The answer is exact.
    """

    def __init__(self, points: OrientedPoints, thresholds=THRESHOLDS):
        self.points, self.thresholds = points, tuple(thresholds)
        chords = [2 * np.sin(np.radians(angle) / 2) for _, angle in self.thresholds]
        # Metres per unit of direction: at the thresholds themselves both terms weigh the same.
        self.scale = float(np.mean([d / c for (d, _), c in zip(self.thresholds, chords, strict=True)]))
        self.radii = [np.hypot(d, self.scale * c) for (d, _), c in zip(self.thresholds, chords, strict=True)]
        # Sliding midpoints build faster and, on hair, answer no slower than medians.
        self.cells: dict[float, Cells] = {}
        self.tree = cKDTree(self._lifted(points), balanced_tree=False)

    def hits(self, queries: OrientedPoints, tick: Callable[[float], None] = lambda share: None) -> np.ndarray:
        """(T, Q) bool: which queries have a hit at each threshold, direction signed. ``tick`` gets the share done."""
        found = np.zeros((len(self.thresholds), len(queries)), bool)
        for start in range(0, len(queries), 100_000):
            rows = slice(start, min(start + 100_000, len(queries)))
            found[:, rows] = self._hits_of_chunk(queries.rows(rows))
            tick(rows.stop / len(queries))
        return found

    def _hits_of_chunk(self, queries: OrientedPoints) -> np.ndarray:
        # One neighbour at the widest radius settles most queries for all thresholds at once.
        distance, index = self._neighbours(queries, 1, max(self.radii))
        found = np.stack([self._within(queries, index, t)[:, 0] for t in range(len(self.thresholds))])
        for t, radius in enumerate(self.radii):
            left = np.flatnonzero(~found[t] & (distance[:, 0] <= radius * (1 + 1e-9)))
            distance_t, index_t = self._neighbours(queries.rows(left), NEIGHBOURS, radius)
            hit = self._within(queries.rows(left), index_t, t).any(axis=1)
            found[t, left] = hit
            left = left[~hit & np.isfinite(distance_t[:, -1])]
            found[t, left] = self._hits_by_cells(queries.rows(left), t)
        return found

    def _hits_by_cells(self, queries: OrientedPoints, t: int) -> np.ndarray:
        """(Q,) bool at threshold t, by comparing each with all points in the 27 cells around it."""
        distance, angle = self.thresholds[t]
        found = np.zeros(len(queries), bool)
        if len(queries) == 0:
            return found
        cells = self._cells_of_size(distance)
        keys = cells.keys(queries.positions)
        order = np.argsort(keys, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            near = cells.around(queries.positions[group[0]])
            for part in np.array_split(near, max(1, len(near) * len(group) // CANDIDATES_AT_ONCE)):
                hit = queries.directions[group] @ self.points.directions[part].T >= np.cos(np.radians(angle))
                some = np.flatnonzero(hit.any(axis=1))
                if len(some):  # distances cost more than cosines, and a whole group often has no direction that fits
                    gap = cdist(queries.positions[group[some]], self.points.positions[part])
                    found[group[some]] |= (hit[some] & (gap <= distance)).any(axis=1)
        return found

    def _cells_of_size(self, size: float) -> "Cells":
        if size not in self.cells:
            self.cells[size] = Cells(self.points.positions, size)
        return self.cells[size]

    def _neighbours(self, queries: OrientedPoints, count: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
        count = min(count, len(self.points) + 1)  # one more than there are, so that "all of them" reads as exhausted
        # The bound is exclusive and rounded, so it is widened a little; the test that decides is made afterwards.
        return self.tree.query(
            self._lifted(queries), k=np.arange(1, count + 1), distance_upper_bound=radius * (1 + 1e-6), workers=-1
        )

    def _within(self, queries: OrientedPoints, index: np.ndarray, t: int) -> np.ndarray:
        """(Q, K) bool: the definition itself, for candidate indices (Q, K); an index past the end is no candidate."""
        distance, angle = self.thresholds[t]
        there = index < len(self.points)
        index = np.where(there, index, 0)
        near = ((self.points.positions[index] - queries.positions[:, None]) ** 2).sum(-1) <= distance**2
        cosine = np.einsum("qki,qi->qk", self.points.directions[index], queries.directions)
        return there & near & (cosine >= np.cos(np.radians(angle)))

    def _lifted(self, points: OrientedPoints) -> np.ndarray:
        return np.hstack([points.positions, self.scale * points.directions])


@dataclass(frozen=True)
class Side:
    """What one side's points found on the other side.

    Attributes:
        strands: (M,) int64 indices of the strands that were asked, of all that were given.
        hits: (2, T, M, L - 1) bool by sign (``SIGNS``), threshold, strand and segment.
    """

    strands: np.ndarray
    hits: np.ndarray

    def shares(self) -> np.ndarray:
        """(2, T) shares of points that hit."""
        return self.hits.mean(axis=(2, 3))

    def error_levels(self) -> np.ndarray:
        """(M, L - 1) uint8, undirected: 0 hits at the narrowest threshold, ..., T at none."""
        return (~self.hits[0]).sum(axis=0).astype(np.uint8)


@dataclass(frozen=True)
class StrandScores:
    """The scores, and where they come from.

    ``precision``, ``recall`` and ``f_score`` are (2, T) float64 in [0, 1], by sign and threshold.
    """

    prediction: Side
    truth: Side
    points: int
    seed: int
    thresholds: tuple[tuple[float, float], ...] = THRESHOLDS

    @property
    def precision(self) -> np.ndarray:
        return self.prediction.shares()

    @property
    def recall(self) -> np.ndarray:
        return self.truth.shares()

    @property
    def f_score(self) -> np.ndarray:
        precision, recall = self.precision, self.recall
        total = precision + recall
        return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)

    def rows(self) -> list[dict]:
        """One row a sign and threshold: sign, millimetres, degrees; precision, recall, f_score in percent."""
        scores = 100 * np.stack([self.precision, self.recall, self.f_score], axis=-1)
        return [
            {"sign": sign, "millimetres": 1000 * d, "degrees": a}
            | dict(zip(("precision", "recall", "f_score"), map(float, scores[s, t]), strict=True))
            for s, sign in enumerate(SIGNS)
            for t, (d, a) in enumerate(self.thresholds)
        ]

    def as_dict(self) -> dict:
        """JSON-able: the rows, and the sampling that they hold for."""
        sampling = {
            "points_per_strand": self.points,
            "prediction_strands": len(self.prediction.strands),
            "truth_strands": len(self.truth.strands),
            "seed": self.seed,
        }
        return {"rows": self.rows(), "sampling": sampling}

    def table(self) -> str:
        lines = [f"{'':12}{'mm/deg':>8}{'precision':>11}{'recall':>9}{'F':>8}"]
        for row in self.rows():
            place = f"{row['millimetres']:g}/{row['degrees']:g}"
            lines.append(f"{row['sign']:12}{place:>8}{row['precision']:11.2f}{row['recall']:9.2f}{row['f_score']:8.2f}")
        asked = f"{len(self.prediction.strands):,} predicted and {len(self.truth.strands):,} true strands"
        lines.append(f"{asked} of {self.points} points by arc length, seed {self.seed}")
        return "\n".join(lines)

    def csv(self) -> str:
        head = "sign,millimetres,degrees,precision,recall,f_score"
        body = [
            f"{r['sign']},{r['millimetres']:g},{r['degrees']:g},{r['precision']:.4f},{r['recall']:.4f},{r['f_score']:.4f}"
            for r in self.rows()
        ]
        return "\n".join([head, *body, ""])


def evaluate(
    prediction: Strands,
    truth: Strands,
    *,
    points: int = 100,
    seed: int = 0,
    maximum_points: int = 1_000_000,
    thresholds: tuple[tuple[float, float], ...] = THRESHOLDS,
    tick: Callable[[float], None] = lambda share: None,
) -> StrandScores:
    """Score predicted strands against true ones.

    Both sides are resampled to the same count of points by arc length. Where a side has more than ``maximum_points``
    of them, that many are asked, on strands chosen at random with ``seed``, but they are asked about *all* points of
    the other side: leaving those out would lower the scores by the density of hair rather than by its quality.

    Args:
        prediction, truth: metres, one frame.
        points: on each strand after resampling.
        thresholds: (metres, degrees) pairs.
        tick: called with the share done, 0 to 1, about once a second or more often.

    Raises StrandFileError when a side has no strand.
    """
    for side, name in ((prediction, "prediction"), (truth, "truth")):
        if len(side) == 0:
            raise StrandFileError(f"The {name} has no strands, so there is nothing to evaluate.")
    oriented = [OrientedPoints.of(side.resampled(points)) for side in (prediction, truth)]
    random = np.random.default_rng(seed)
    sides = []
    for i, (own, other) in enumerate(((0, 1), (1, 0))):
        strands = _chosen(len(oriented[own]) // (points - 1), maximum_points // points, random)
        search = OrientedPointSearch(oriented[other], thresholds)
        asked = oriented[own].rows((strands[:, None] * (points - 1) + np.arange(points - 1)).ravel())
        signed = search.hits(asked, lambda share, i=i: tick((i + 0.5 * share) / 2))
        # Only what no threshold settles for good has to be asked again the other way round.
        left = np.flatnonzero(~signed.all(axis=0))
        undirected = signed.copy()
        undirected[:, left] |= search.hits(
            asked.rows(left).reversed(), lambda share, i=i: tick((i + 0.5 + share / 2) / 2)
        )
        hits = np.stack([undirected, signed]).reshape(2, len(thresholds), len(strands), points - 1)
        sides.append(Side(strands, hits))
    return StrandScores(*sides, points=points, seed=seed, thresholds=tuple(thresholds))


def _chosen(strands: int, most: int, random: np.random.Generator) -> np.ndarray:
    most = max(most, 1)
    return np.arange(strands) if strands <= most else np.sort(random.choice(strands, most, replace=False))
