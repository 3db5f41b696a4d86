"""Writing grey pictures as PNG with NumPy and zlib alone: Blender's own writer would change the values of a mask."""

import struct
import zlib
from pathlib import Path

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_png(path: Path, grey: np.ndarray) -> None:
    """Write (H, W) uint8 or uint16 values as they are, to a temporary name first; folders are made.

    Format: W3C, Portable Network Graphics (2nd edition), filter type 2 (Up) on every line.
    """
    path = Path(path)
    if grey.ndim != 2 or grey.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"an array of {grey.shape} {grey.dtype} is no grey picture")
    height, width = grey.shape
    rows = grey.astype(">u2").view(np.uint8).reshape(height, -1) if grey.dtype == np.uint16 else grey
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    lines[:, 0] = 2
    lines[0, 1:] = rows[0]
    lines[1:, 1:] = rows[1:] - rows[:-1]  # wraps around, as the format has it
    header = struct.pack(">IIBBBBB", width, height, 8 * grey.itemsize, 0, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(_SIGNATURE)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    temporary.replace(path)
