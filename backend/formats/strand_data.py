"""``.data`` of USC-HairSalon, and CT2Hair's ``.bin``.

USC-HairSalon has the count of strands as i32, then of each strand its count of points k as i32 and k times x, y, z
as f32. CT2Hair has seven f32 a point, of which the first three are its position. USC-HairSalon's
strands are Y up.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import StrandFileError
from .file_bytes import FileBytes
from .strands import Strands


def read_data(path: Path, warn: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) points in the file's unit and axes, (N,) counts. Raises StrandFileError."""
    return _read(path, 3, warn)


def read_bin(path: Path, warn: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """As ``read_data``, for seven numbers a point."""
    return _read(path, 7, warn)


def _read(path: Path, width: int, warn) -> tuple[np.ndarray, np.ndarray]:
    file = FileBytes(path)
    strands = int(file.number("<i4", "count of strands"))
    if strands < 0 or 4 * strands > file.left:
        raise StrandFileError(f"{file.name} is truncated or no such file: it announces {strands:,} strands.")
    words = file.take("<i4", file.left // 4, "numbers")
    # Where a strand begins is known only from the one before it, so this one walk is a loop.
    counts, heads, at = np.zeros(strands, np.int64), np.zeros(strands, np.int64), 0
    for strand in range(strands):
        count = int(words[at]) if at < len(words) else -1
        if count < 0 or at + 1 + width * count > len(words):
            raise StrandFileError(
                f"{file.name} is truncated or its counts are wrong at strand {strand + 1:,} of {strands:,}."
            )
        counts[strand], heads[strand] = count, at
        at += 1 + width * count
    file.seek(4 + 4 * at, "strands")
    file.nothing_left(warn)
    numbers = np.ones(at, bool)
    numbers[heads] = False
    return words[:at].view("<f4")[numbers].reshape(-1, width)[:, :3], counts


def write_data(path: Path, strands: Strands) -> None:
    """``.data``, in metres; our Z up is kept."""
    heads = 3 * strands.offsets[:-1] + np.arange(len(strands))
    words = np.empty(len(strands) + 3 * len(strands.points), "<i4")
    numbers = np.ones(len(words), bool)
    numbers[heads] = False
    words[heads] = strands.counts
    words[numbers] = strands.points.astype("<f4", copy=False).ravel().view("<i4")
    with path.open("wb") as file:
        file.write(np.array([len(strands)], "<i4").tobytes())
        file.write(words.tobytes())
