"""Writing grey and colour pictures as PNG with NumPy and zlib alone: Blender's writer would change a mask's values."""

import struct
import zlib
from pathlib import Path

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write (H, W) or (H, W, 3) uint8 or uint16 values as they are, to a temporary name first; folders are made.

    Format: W3C, Portable Network Graphics (2nd edition), filter type 2 (Up) on every line.
    """
    path = Path(path)
    colour = picture.ndim == 3 and picture.shape[2] == 3
    if not (picture.ndim == 2 or colour) or picture.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"an array of {picture.shape} {picture.dtype} is no grey or colour picture")
    height, width = picture.shape[:2]
    rows = np.ascontiguousarray(picture.astype(picture.dtype.newbyteorder(">"))).view(np.uint8).reshape(height, -1)
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    lines[:, 0] = 2
    lines[0, 1:] = rows[0]
    lines[1:, 1:] = rows[1:] - rows[:-1]  # wraps around, as the format has it
    header = struct.pack(">IIBBBBB", width, height, 8 * picture.itemsize, 2 if colour else 0, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(_SIGNATURE)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    temporary.replace(path)
