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
    """Drop the strands that are none.

    Args:
        points: (P, 3) floats, metres.
        counts: (N,) integers >= 0 that sum to P.

    Returns:
        the strands that are left, and what was dropped. A strand is counted under the first reason that fits.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        points = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
    counts = np.ascontiguousarray(counts, np.int64).reshape(-1)
    few = counts < 2
    not_numbers = _any_per_strand(~np.isfinite(points).all(axis=1), counts)
    with np.errstate(invalid="ignore"):
        far = _any_per_strand((np.abs(points) > FARTHEST).any(axis=1), counts) & ~not_numbers
    usable = np.repeat(~(not_numbers | far), counts)
    steps = np.zeros(len(points))
    steps[1:] = np.linalg.norm(np.diff(np.where(usable[:, None], points, 0).astype(np.float64), axis=0), axis=1)
    steps[(np.cumsum(counts) - counts)[counts > 0]] = 0  # from a tip to the next root is no length
    still = _sum_per_strand(steps, counts) < SHORTEST
    few, still = few & ~not_numbers & ~far, still & ~few & ~not_numbers & ~far
    kept = ~(not_numbers | far | few | still)
    report = Cleaning(*(int(mask.sum()) for mask in (not_numbers, far, few, still)))
    if kept.all():
        return Strands(points, counts), report
    return Strands(points[np.repeat(kept, counts)], counts[kept]), report


def _any_per_strand(mask: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) bool from (P,) bool."""
    return _sum_per_strand(mask.astype(np.int64), counts) > 0


def _sum_per_strand(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) from (P,); strands may be empty, which ``np.add.reduceat`` does not allow."""
    total = np.concatenate([np.zeros(1, values.dtype), np.cumsum(values)])
    ends = np.cumsum(counts)
    return total[ends] - total[ends - counts]
