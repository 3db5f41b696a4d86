"""``.npz`` of others: our own ``points`` and ``counts``, or strands of one length as one (N, L, 3) array."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import StrandFileError

ARRAYS = ("points", "strands", "positions", "xyz")
"""Names under which strands of one length are looked for; "positions" is DiffLocks'."""

DEFLATE_AT_BEST = 1032
"""Bytes that one compressed byte can stand for; an array that claims more is a lie."""


def read_npz_strands(path: Path, warn: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) points and (N,) counts as the file has them. Raises StrandFileError."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {Path(info.filename).stem: _checked(archive, info, path) for info in archive.infolist()}
        with np.load(path, allow_pickle=False) as file:
            if "points" in sizes and "counts" in sizes:
                return _flat(path, np.asarray(file["points"]), np.asarray(file["counts"]))
            for name in ARRAYS:
                if name in sizes and (points := np.asarray(file[name])).ndim == 3 and points.shape[2] == 3:
                    return _flat(path, points.reshape(-1, 3), np.full(points.shape[0], points.shape[1]))
    except StrandFileError:
        raise
    except OSError as error:
        raise StrandFileError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except Exception as error:  # zipfile and NumPy fail on broken files in a dozen ways
        raise StrandFileError(f"{path.name} is broken: {error or type(error).__name__}.") from error
    raise StrandFileError(
        f"{path.name} has neither the arrays 'points' and 'counts' nor strands of one length (N, L, 3) "
        f"under {', '.join(repr(name) for name in ARRAYS)}."
    )


def _checked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> int:
    """Bytes of an array, after comparing the shape that it claims with what is stored, before it is allocated."""
    if not info.filename.endswith(".npy"):
        return 0
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    size = dtype.itemsize
    for length in shape:
        size *= int(length)
    if size > info.file_size or info.file_size > DEFLATE_AT_BEST * info.compress_size + 4096:
        raise StrandFileError(f"{path.name} is broken: its array {info.filename} claims {size:,} bytes.")
    return size


def _flat(path: Path, points: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if points.dtype.kind not in "fiu" or points.ndim != 2 or points.shape[1] != 3:
        raise StrandFileError(f"{path.name}: the array 'points' must hold three numbers a point.")
    if counts.dtype.kind not in "iu" or counts.ndim != 1:
        raise StrandFileError(f"{path.name}: the array 'counts' must hold one whole number a strand.")
    if (counts.astype(np.float64) < 0).any() or counts.astype(np.float64).sum() != len(points):
        raise StrandFileError(f"{path.name}: its counts do not add up to its {len(points):,} points.")
    return points, counts.astype(np.int64)
