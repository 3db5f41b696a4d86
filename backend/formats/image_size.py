"""Width and height of a PNG or JPEG from its first bytes, without a library that decodes pictures."""

import struct
from pathlib import Path

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG frame header (ITU-T T.81, table B.1)."""


def image_size(path: Path) -> tuple[int, int] | None:
    """(width, height) in pixels as stored, or None where the file is neither PNG nor JPEG, or is cut short."""
    with path.open("rb") as file:
        head = file.read(24)
        if head[:8] == _PNG and len(head) == 24:
            return struct.unpack(">II", head[16:24])
        if head[:2] != b"\xff\xd8":
            return None
        file.seek(2)
        while len(segment := file.read(4)) == 4 and segment[0] == 0xFF:
            if segment[1] in _JPEG_FRAMES:
                frame = file.read(5)
                return struct.unpack(">HH", frame[1:])[::-1] if len(frame) == 5 else None
            file.seek(struct.unpack(">H", segment[2:])[0] - 2, 1)
    return None
