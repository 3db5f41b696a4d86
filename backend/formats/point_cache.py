"""Meshes in motion as a point cache (.pc2), which Blender's Mesh Cache modifier and other programs play.

A header of 32 bytes, then a frame after another of (V, 3) float32, all little-endian. Frames are written as they come,
so that memory does not grow with their number.
"""

import struct
from pathlib import Path

import numpy as np

from ..errors import HeadError

MAGIC = b"POINTCACHE2\0"
VERSION = 1
_HEADER = struct.Struct("<12siiffi")
"""Magic, version, points, start frame, frames from one sample to the next, samples."""


class PointCacheWriter:
    """Writes frames to a temporary name; the file has its own once the ``with`` block ends well.

    Args:
        path: of the file.
        points: V
        start: frame of the first sample, where a player goes by the file's own frames.
    """

    def __init__(self, path: Path, points: int, start: float = 0.0):
        self.path, self.points, self.start = Path(path), points, start
        self.frames = 0
        self._temporary = self.path.with_name(self.path.name + ".part")

    def __enter__(self) -> "PointCacheWriter":
        self._file = self._temporary.open("wb")
        self._write_header()
        return self

    def add(self, vertices: np.ndarray) -> None:
        """Write the next frame, (V, 3)."""
        values = np.ascontiguousarray(vertices, "<f4")
        if values.shape != (self.points, 3):
            raise ValueError(f"a frame has the shape {values.shape}, not {(self.points, 3)}")
        self._file.write(values)
        self.frames += 1

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._write_header()
        finally:
            self._file.close()
            if kind is not None:
                self._temporary.unlink(missing_ok=True)
        if kind is None:
            self._temporary.replace(self.path)

    def _write_header(self) -> None:
        self._file.write(_HEADER.pack(MAGIC, VERSION, self.points, self.start, 1.0, self.frames))


def open_point_cache(path: Path) -> np.ndarray:
    """(N, V, 3) float32 of a file's frames, mapped: only what is looked at is read.

    Raises:
        HeadError: it cannot be opened, is no point cache, or is shorter than it says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
    except OSError as error:
        raise HeadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    if len(header) < _HEADER.size or not header.startswith(MAGIC):
        raise HeadError(f"{path.name} is no point cache (.pc2).")
    _, version, points, _, _, frames = _HEADER.unpack(header)
    if version != VERSION or points < 1 or frames < 1:
        raise HeadError(f"{path.name} is a point cache without frames, or of another version.")
    if path.stat().st_size < _HEADER.size + 12 * points * frames:
        raise HeadError(f"{path.name} is cut short: it says {frames:,} frames of {points:,} points; make it again.")
    return np.memmap(path, "<f4", "r", _HEADER.size, (frames, points, 3))
