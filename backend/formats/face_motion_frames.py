"""A face in motion from a folder with a file for each frame, as DECA, EMOCA, SMIRK and VHAP leave it.

A frame's file is a ``.npz`` or a pickle (``.pkl``, ``.pickle``) with a tracker's keys, at any depth of dictionaries;
its place in the motion is the number in its name. Pickles are read without running them.
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import CoefficientError, HeadError
from .face_motion import KEYS, LARGEST_BYTES, FaceMotion, motion_of, read_face_motion
from .inert_pickle import read_pickle

SUFFIXES = (".npz", ".pkl", ".pickle")
_DEEPEST = 4
_KNOWN = {key for keys in KEYS.values() for key in keys}


def read_motion(path: Path, rate: float = 25.0) -> FaceMotion:
    """A motion from a file of all frames, from a folder of files of a frame each, or from one of these files.

    Args:
        rate: frames a second, where the file tells none; files of single frames never do.

    Raises:
        CoefficientError: it cannot be read, or holds no motion of a face.
    """
    path = Path(path)
    if path.is_dir():
        return _of_files(_frames_in(path), path.name, rate)
    if path.suffix.lower() == ".npz":
        motion = read_face_motion(path, rate)
        if len(motion.times) > 1:
            return motion
    else:
        motion = motion_of({k: np.asarray(v) for k, v in _values(path).items()}, path.stem, rate)
        if len(motion.times) > 1:
            return motion
    others = [file for file in _numbered(path.parent, path.suffix) if _series(file) == _series(path)]
    return _of_files(others, path.parent.name, rate) if len(others) > 1 else motion


def _frames_in(folder: Path) -> list[Path]:
    """The folder's files of the kind that it has most of, in the order of their numbers."""
    kinds = sorted((_numbered(folder, suffix) for suffix in SUFFIXES), key=len)
    if not kinds[-1]:
        raise CoefficientError(
            f"The folder {folder.name} has no files of frames: {', '.join(SUFFIXES)} with a number in the name."
        )
    return kinds[-1]


def _numbered(folder: Path, suffix: str) -> list[Path]:
    """Files of a kind with a number in the name, in the order of their last numbers."""
    found = [file for file in folder.iterdir() if file.suffix.lower() == suffix.lower() and _number(file) is not None]
    return sorted(found, key=lambda file: (_series(file), _number(file)))


def _number(file: Path) -> int | None:
    numbers = re.findall(r"\d+", file.stem)
    return int(numbers[-1]) if numbers else None


def _series(file: Path) -> str:
    """A name without its last number, which files of one motion have in common."""
    return re.sub(r"\d+(?=\D*$)", "#", file.stem)


def _of_files(files: list[Path], name: str, rate: float) -> FaceMotion:
    if sum(file.stat().st_size for file in files) > LARGEST_BYTES:
        raise CoefficientError(f"The files of {name} are more than {LARGEST_BYTES // 10**9} GB together.")
    frames: dict[str, list[np.ndarray]] = {}
    for place, file in enumerate(files):
        values = _values(file)
        if not values:
            raise CoefficientError(f"{file.name} has none of the arrays that trackers write ({', '.join(KEYS)}).")
        if place and values.keys() != frames.keys():
            raise CoefficientError(f"{file.name} has other arrays than {files[0].name}; move it elsewhere.")
        for key, value in values.items():
            row = np.asarray(value).reshape(1, -1)
            rows = frames.setdefault(key, [])
            if rows and rows[0].shape != row.shape:
                raise CoefficientError(
                    f"{key} has {row.size} numbers in {file.name}, but {rows[0].size} in {files[0].name}."
                )
            rows.append(row)
    motion = motion_of({key: np.concatenate(rows) for key, rows in frames.items()}, name, rate)
    steps = np.diff([_number(file) for file in files])
    if len(steps) and (steps > 0).all():  # a frame that the tracker lost is a gap, not the next frame
        return replace(motion, times=np.concatenate([[0], np.cumsum(steps // np.gcd.reduce(steps))]) / rate)
    return motion


def _values(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file that are called as trackers call them."""
    try:
        if file.suffix.lower() != ".npz":
            return _known(read_pickle(file), _DEEPEST)
        with zipfile.ZipFile(file) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST_BYTES:
                raise CoefficientError(f"{file.name} unpacks to more than {LARGEST_BYTES // 10**9} GB.")
        with np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files if key in _KNOWN}
    except FileNotFoundError:
        raise CoefficientError(f"There is no file at {file}.") from None
    except HeadError as error:  # said of a model's file; here it is a tracker's
        raise CoefficientError(str(error)) from error
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise CoefficientError(f"{file.name} cannot be read as arrays: {error}.") from error


def _known(value: object, depth: int) -> dict[str, np.ndarray]:
    """Arrays of numbers under known names in dictionaries within dictionaries, the outermost first."""
    if not isinstance(value, Mapping) or not depth:
        return {}
    found = {
        key: np.asarray(part)
        for key, part in value.items()
        if key in _KNOWN and not isinstance(part, Mapping) and np.asarray(part).dtype.kind in "fiu"
    }
    for part in value.values():
        found = _known(part, depth - 1) | found
    return found
