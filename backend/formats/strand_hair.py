"""``.hair``: Cem Yuksel's hair model format, and the other format of that ending, which MonoHair writes.

Yuksel's has a header of 128 bytes: "HAIR", strands u32, points u32, bits of the arrays that follow, default segments
u32, default thickness and transparency f32, default colour 3 f32, 88 bytes of text. Then, where their bit is set:
segments u16 a strand (one fewer than points), points 3 f32, thickness f32, transparency f32, colour 3 f32.
MonoHair's has neither magic nor bits: strands u32, points u32, points of each strand u16, points 3 f32.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import StrandFileError
from .file_bytes import FileBytes
from .strands import Strands

MAGIC = b"HAIR"
HEADER = np.dtype(
    [
        ("magic", "S4"),
        ("strands", "<u4"),
        ("points", "<u4"),
        ("arrays", "<u4"),
        ("segments", "<u4"),
        ("thickness", "<f4"),
        ("transparency", "<f4"),
        ("colour", "<f4", 3),
        ("text", "S88"),
    ]
)
SEGMENTS, POINTS, THICKNESS, TRANSPARENCY, COLOUR = 1, 2, 4, 8, 16
MOST_POINTS = 65536
"""On a strand: segments are counted in 16 bits."""


def read_hair(path: Path, warn: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) points in the file's unit and axes, (N,) counts. Raises StrandFileError."""
    file = FileBytes(path)
    if file.data[:4] != MAGIC:
        return _read_without_magic(file, warn)
    header = file.take(HEADER, 1, "header")[0]
    strands, points, arrays = int(header["strands"]), int(header["points"]), int(header["arrays"])
    if not arrays & POINTS:
        raise StrandFileError(f"{file.name} has no points.")
    if arrays & SEGMENTS:
        counts = file.take("<u2", strands, "strands").astype(np.int64) + 1
    else:
        # The default is not in the file strand by strand, so only the count of points can vouch for it.
        _expect(file, strands * (int(header["segments"]) + 1), points)
        counts = np.full(strands, int(header["segments"]) + 1, np.int64)
    _expect(file, int(counts.sum()), points)
    positions = file.take("<f4", 3 * points, "coordinates").reshape(-1, 3)
    for bit, values in ((THICKNESS, 1), (TRANSPARENCY, 1), (COLOUR, 3)):
        if arrays & bit and file.left >= 4 * values * points:
            file.seek(file.at + 4 * values * points, "attributes")
    file.nothing_left(warn)
    return positions, counts


def _read_without_magic(file: FileBytes, warn) -> tuple[np.ndarray, np.ndarray]:
    if file.left < 8:
        raise StrandFileError(f"{file.name} is not a hair file: it is too short.")
    strands, points = (int(n) for n in file.take("<u4", 2, "counts"))
    if 8 + 2 * strands + 12 * points != len(file.data):
        raise StrandFileError(f'{file.name} is not a hair file: it does not begin with "HAIR".')
    counts = file.take("<u2", strands, "strands").astype(np.int64)
    _expect(file, int(counts.sum()), points)
    return file.take("<f4", 3 * points, "coordinates").reshape(-1, 3), counts


def _expect(file: FileBytes, counted: int, points: int) -> None:
    if counted != points:
        raise StrandFileError(f"{file.name} counts {counted:,} points on its strands but {points:,} in all.")


def write_hair(path: Path, strands: Strands) -> None:
    """Segments and points only, Z up, in metres."""
    longest = int(strands.counts.max(initial=2))
    if longest > MOST_POINTS:
        raise StrandFileError(f"A .hair file holds {MOST_POINTS:,} points a strand at most, and one has {longest:,}.")
    header = np.zeros(1, HEADER)
    header["magic"], header["strands"], header["points"] = MAGIC, len(strands), len(strands.points)
    header["arrays"], header["thickness"], header["colour"] = SEGMENTS | POINTS, 0.00007, 0.3
    header["text"] = b"metres, Z up"
    with path.open("wb") as file:
        file.write(header.tobytes())
        file.write((strands.counts - 1).astype("<u2").tobytes())
        file.write(strands.points.astype("<f4", copy=False).tobytes())
