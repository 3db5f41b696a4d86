"""Polylines from outside, made fit to be strands; what had to go is counted."""

from dataclasses import dataclass

import numpy as np

from .strands import Strands

FARTHEST = 1e5
"""Metres from the origin. Beyond it float32 has no millimetres left, and the number is noise in any case."""

SHORTEST = 1e-5
"""Metres. A strand a tenth as long as a hair is thick has no direction, and counts as one of zero length."""


@dataclass(frozen=True)
class Cleaning:
    """How many strands were dropped, and why."""

    not_numbers: int = 0
    too_far: int = 0
    too_few_points: int = 0
    zero_length: int = 0

    @property
    def dropped(self) -> int:
        return self.not_numbers + self.too_far + self.too_few_points + self.zero_length

    def sentence(self, name: str, strands: int) -> str:
        """For people; ``strands`` is how many there were."""
        reasons = [
            (self.not_numbers, "with coordinates that are no numbers"),
            (self.too_far, f"with points farther than {FARTHEST / 1000:g} km away"),
            (self.too_few_points, "of fewer than two points"),
            (self.zero_length, "of zero length"),
        ]
        parts = ", ".join(f"{count:,} {reason}" for count, reason in reasons if count)
        return f"{self.dropped:,} of the {strands:,} strands in {name} were dropped: {parts}."


def clean(points: np.ndarray, counts: np.ndarray) -> tuple[Strands, Cleaning]:
    """The strands that are any, of (P, 3) points in metres and (N,) counts, and what was dropped."""
    with np.errstate(over="ignore", invalid="ignore"):
        points = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
    counts = np.ascontiguousarray(counts, np.int64).reshape(-1)
    kept, report = usable(points, counts)
    if kept.all():
        return Strands(points, counts), report
    return Strands(points[np.repeat(kept, counts)], counts[kept]), report


def usable(points: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, Cleaning]:
    """Which polylines are strands.

    Args:
        points: (P, 3) float32, metres.
        counts: (N,) integers >= 0 that sum to P.

    Returns:
        (N,) bool, and the others counted, each under the first reason that fits.
    """
    counts = counts.astype(np.int64)
    not_numbers = far = np.zeros(len(counts), bool)
    # Two numbers vouch for a whole file: with 10 million points every pass over them is felt.
    with np.errstate(invalid="ignore"):
        reach = max(-float(points.min(initial=0)), float(points.max(initial=0)))
        if not reach <= FARTHEST:
            not_numbers = _any_per_strand(~np.isfinite(points).all(axis=1), counts)
            far = _any_per_strand((np.abs(points) > FARTHEST).any(axis=1), counts) & ~not_numbers
    few = (counts < 2) & ~not_numbers & ~far
    still = ~(not_numbers | far | few)
    ends = np.cumsum(counts)[still]
    with np.errstate(invalid="ignore"):
        apart = np.linalg.norm(points[ends - 1].astype(np.float64) - points[ends - counts[still]], axis=1)
    still[still] = apart < SHORTEST  # the others need no measuring along the way
    ends = np.cumsum(counts)
    for strand in np.flatnonzero(still):
        end = int(ends[strand])
        still[strand] = _length(points[end - int(counts[strand]) : end]) < SHORTEST
    kept = ~(not_numbers | far | few | still)
    return kept, Cleaning(*(int(mask.sum()) for mask in (not_numbers, far, few, still)))


def _any_per_strand(mask: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) bool from (P,) bool; strands may be empty, which ``np.add.reduceat`` does not allow."""
    total = np.concatenate([[0], np.cumsum(mask)])
    ends = np.cumsum(counts)
    return total[ends] > total[ends - counts]


def _length(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(points.astype(np.float64), axis=0), axis=1).sum())
