"""Strands in memory, and their own file.

NumPy and the standard library only: Blender reads and writes strands without the backend's environment.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import StrandFileError


@dataclass(frozen=True)
class Strands:
    """Hair strands as polylines, root first.

    Attributes:
        points: (P, 3) float32, metres, Z up; the strands' points one after another.
        counts: (N,) int32, points of each strand, at least 2; their sum is P.
    """

    points: np.ndarray
    counts: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "points", np.ascontiguousarray(self.points, np.float32).reshape(-1, 3))
        object.__setattr__(self, "counts", np.ascontiguousarray(self.counts, np.int32).reshape(-1))
        if int(self.counts.sum(dtype=np.int64)) != len(self.points):
            raise ValueError(f"{self.counts.sum()} points are counted but {len(self.points)} are there")

    def __len__(self) -> int:
        return len(self.counts)

    @classmethod
    def from_array(cls, points: np.ndarray) -> "Strands":
        """Strands of one length from (N, L, 3) metres."""
        return cls(points.reshape(-1, 3), np.full(len(points), points.shape[1], np.int32))

    @property
    def offsets(self) -> np.ndarray:
        """(N + 1,) int64: strand i holds the points offsets[i] to offsets[i + 1]."""
        return np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])

    @property
    def roots(self) -> np.ndarray:
        """(N, 3) float32, metres."""
        return self.points[self.offsets[:-1]]

    def lengths(self) -> np.ndarray:
        """(N,) float64 arc lengths in metres."""
        return np.diff(self._arc_at_points()[self._ends_of_strands()], axis=1)[:, 0]

    def resampled(self, points: int) -> np.ndarray:
        """(N, points, 3) float32: every strand at equal steps of arc length, root and tip kept exactly."""
        arc, ends = self._arc_at_points(), self._ends_of_strands()
        start, stop = arc[ends[:, 0]], arc[ends[:, 1]]
        wanted = start[:, None] + (stop - start)[:, None] * np.linspace(0.0, 1.0, points)
        after = np.searchsorted(arc, wanted.ravel(), side="right").reshape(wanted.shape)
        after = np.clip(after, ends[:, :1] + 1, ends[:, 1:])
        span = arc[after] - arc[after - 1]
        weight = np.where(span > 0, (wanted - arc[after - 1]) / np.where(span > 0, span, 1.0), 0.0)
        weight = np.clip(weight, 0.0, 1.0)[..., None].astype(np.float32)
        result = self.points[after - 1] * (1 - weight) + self.points[after] * weight
        result[:, -1] = self.points[ends[:, 1]]
        return result

    def subset(self, strands: np.ndarray) -> "Strands":
        """The strands at the given indices or under the given (N,) bool mask, in order."""
        indices = np.arange(len(self))[strands]
        counts = self.counts[indices]
        first = np.repeat(self.offsets[indices], counts)
        within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Strands(self.points[first + within], counts)

    def _arc_at_points(self) -> np.ndarray:
        # One running sum over all strands; the jump from a tip to the next root adds nothing.
        steps = np.linalg.norm(np.diff(self.points.astype(np.float64), axis=0), axis=1)
        steps[self.offsets[1:-1] - 1] = 0.0
        return np.concatenate([[0.0], np.cumsum(steps)])

    def _ends_of_strands(self) -> np.ndarray:
        return np.stack([self.offsets[:-1], self.offsets[1:] - 1], axis=1)


def read_npz(path: Path) -> Strands:
    """Read ``points`` (P, 3) and ``counts`` (N,) from a .npz. Raises StrandFileError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = {"points", "counts"} - set(file.files)
            if missing:
                raise StrandFileError(f"{path.name} has no array named {' or '.join(sorted(missing))}.")
            return Strands(file["points"], file["counts"])
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise StrandFileError(f"{path.name} cannot be read as strands: {error}.") from error


def write_npz(path: Path, strands: Strands, **extra: np.ndarray) -> None:
    """Write strands, with any further arrays, to a temporary name and rename it."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez(file, points=strands.points, counts=strands.counts, **extra)
    temporary.replace(path)
