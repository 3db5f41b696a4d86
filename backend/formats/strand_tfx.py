"""``.tfx``: TressFX. A header of 160 bytes (version f32, strands, points a strand, then byte offsets of the positions
and of what else there is, u32), and positions as four f32, the fourth being the inverse mass."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import StrandFileError
from .file_bytes import FileBytes

HEADER_BYTES = 160


def read_tfx(path: Path, warn: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) points in the file's unit and axes, (N,) counts. Raises StrandFileError."""
    file = FileBytes(path)
    if len(file.data) < HEADER_BYTES:
        raise StrandFileError(f"{file.name} is truncated: a TressFX file begins with {HEADER_BYTES} bytes of header.")
    version = file.number("<f4", "version")
    strands, length, positions = (int(n) for n in file.take("<u4", 3, "counts"))
    if not 1 <= version < 100 or length < 2 or positions < HEADER_BYTES:
        raise StrandFileError(f"{file.name} is not a TressFX file: its header makes no sense.")
    file.seek(positions, "positions")
    points = file.take("<f4", 4 * strands * length, "coordinates").reshape(-1, 4)[:, :3]
    return points, np.full(strands, length, np.int64)
