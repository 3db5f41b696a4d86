"""COLMAP's sparse models: ``cameras`` and ``images`` as ``.bin`` or ``.txt``.

Poses stand in ``images`` with and without the rigs and frames files of COLMAP 3.12 and later, which only group them.
Layout, camera models and their parameters: colmap.github.io, "Output Format" and "Camera Models". Little endian.
"""

import re
import struct
from pathlib import Path

import numpy as np

from ...errors import CameraFileError
from .lens import brown_conrady, reduced
from .solved import (
    Lens,
    SolvedCamera,
    SolvedCameras,
    bytes_of,
    check_count,
    checked_lens,
    in_pixels,
    number,
    pose_from_opencv,
    short,
    size_of,
    text_of,
    whole,
)

MODELS = (
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV", "FOV",
    "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE", "SIMPLE_DIVISION",
    "DIVISION", "SIMPLE_FISHEYE", "FISHEYE", "EUCM", "EQUIRECTANGULAR",
)  # fmt: skip
"""By their number in binary files."""
PARAMETERS = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
"""Of the models that are pinhole cameras with distortion."""
_POINT = 24
"""Bytes of an image's point: x, y, number of its 3D point."""
_FILES = ("cameras", "images")


def find_model(path: Path) -> tuple[Path, str, str] | None:
    """(folder, ending, note) of the model that a path means: one of its files, its folder, or a project's folder with
    ``sparse/0`` in it. Of several models, the one with the most pictures."""
    if path.is_file():
        ending = path.suffix.lower()
        if ending in (".bin", ".txt") and path.stem in (*_FILES, "points3D", "rigs", "frames"):
            return path.parent, ending, ""
        return None
    if not path.is_dir():
        return None
    for place in (path, *(path / p for p in ("sparse", "colmap/sparse", "dense/sparse", "dense/0/sparse"))):
        folders = [place, *sorted(child for child in place.glob("*") if child.name.isdigit() and child.is_dir())]
        found = [(folder, e) for folder in folders for e in (".bin", ".txt") if (folder / f"images{e}").is_file()]
        by_folder = dict(reversed(found))  # the binary file, where both are there
        if by_folder:
            largest = max(by_folder, key=lambda folder: (folder / f"images{by_folder[folder]}").stat().st_size)
            note = f"{place.name} holds {len(by_folder)} models; the largest, {largest.name}, is read."
            return largest, by_folder[largest], note if len(by_folder) > 1 else ""
    return None


def read_colmap(path: Path) -> SolvedCameras:
    """The cameras of a model; arguments as for ``find_model``. Raises CameraFileError."""
    folder, ending, note = find_model(path) or (path, "", "")
    for file in (folder / f"{name}{ending}" for name in _FILES):
        if not file.is_file():
            raise CameraFileError(
                f"There is no {file.name} in {folder}; a COLMAP model has cameras and images beside each other."
            )
    if ending == ".bin":
        lenses = _lenses_of_bytes(folder / "cameras.bin")
        images = _images_of_bytes(folder / "images.bin")
    else:
        lenses = _lenses_of_text(folder / "cameras.txt")
        images = _images_of_text(folder / "images.txt")
    check_count(len(images), f"images{ending}", "pictures")
    cameras = []
    for name, quaternion, translation, camera_id in images:
        where = f"images{ending}: {short(name)}"
        if camera_id not in lenses:
            raise CameraFileError(f"{where} is taken with camera {camera_id}, which cameras{ending} does not have.")
        lens, size = lenses[camera_id]
        if isinstance(lens, CameraFileError):
            raise lens
        rotation = _rotation(quaternion, where)
        pose = pose_from_opencv(rotation.T, -rotation.T @ translation, where)
        cameras.append(SolvedCamera(name, pose, in_pixels(lens), size))
    projects = [folder, *folder.parents[:3]]
    roots = [project / name for project in projects for name in ("images", "image", "input")]
    return SolvedCameras("COLMAP", cameras, (*roots, *projects), notes=(note,) if note else ())


def _lens(model: str, values: list[float], size: tuple[int, int], where: str):
    """A lens, or the trouble with it, which matters only if a picture was taken with it."""
    try:
        if model not in PARAMETERS:
            raise CameraFileError(
                f"{where}: the camera model {short(model)} is not read; undistort the pictures in COLMAP"
                " (image_undistorter), and import the undistorted model."
            )
        if len(values) != len(PARAMETERS[model]):
            raise CameraFileError(
                f"{where}: {model} has {len(PARAMETERS[model])} parameters, not {len(values)}; export the model again."
            )
        get = dict(zip(PARAMETERS[model], values)).get
        fx, fy = get("fx", get("f")), get("fy", get("f"))
        k1, k2, p1, p2, k3 = (get(name, 0.0) for name in ("k1", "k2", "p1", "p2", "k3"))
        lens = checked_lens(Lens(fx, fy, get("cx"), get("cy"), (k1, k2, p1, p2, k3)), *size, where)
        below = [get(name, 0.0) for name in ("k4", "k5", "k6")]
        if any(below):
            lens = reduced(lens, brown_conrady((k1, k2, k3), (p1, p2), below), *size, where)
        return lens
    except CameraFileError as trouble:
        return trouble


def _rotation(quaternion: np.ndarray, where: str) -> np.ndarray:
    """(3, 3) world-to-camera from (w, x, y, z). Raises CameraFileError where the length is far from 1."""
    length = np.linalg.norm(quaternion)
    if not abs(length - 1) < 1e-2:
        raise CameraFileError(
            f"{where}: its rotation is a quaternion of length {length:.3g} instead of 1; export the model again."
        )
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _lenses_of_text(path: Path) -> dict[int, tuple]:
    lenses, text = {}, text_of(path)
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{path.name}: camera {short(words[0])}"
        if len(words) < 5:
            raise CameraFileError(f"{where} ends too early; the file is cut off, so export the model again.")
        size = size_of(words[2], words[3], where)
        values = [number(word, "a parameter", where) for word in words[4:]]
        lenses[whole(words[0], "a camera's number", path.name)] = _lens(words[1], values, size, where), size
    _check_said(text, "cameras", len(lenses), path.name)
    return lenses


def _images_of_text(path: Path) -> list[tuple]:
    """(name, quaternion, translation, camera) of every picture; each has a second line, of points, perhaps empty."""
    text = text_of(path)
    images, points_follow = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        if points_follow:
            points_follow = False
            continue
        words = line.split(maxsplit=9)
        if not words:
            continue
        where = f"{path.name}: picture {short(words[0])}"
        if len(words) < 10:
            raise CameraFileError(f"{where} ends too early; the file is cut off, so export the model again.")
        values = np.array([number(word, "its pose", where) for word in words[1:8]])
        images.append((words[9].strip(), values[:4], values[4:], whole(words[8], "its camera", where)))
        points_follow = True
    _check_said(text, "images", len(images), path.name)
    return images


def _check_said(text: str, what: str, count: int, name: str) -> None:
    """COLMAP counts what it writes in a comment at the top."""
    said = re.search(rf"^#\s*Number of {what}:\s*(\d+)", text, re.MULTILINE)
    if said and int(said[1]) != count:
        raise CameraFileError(
            f"{name} says that it has {int(said[1])} {what}, but lists {count}; it is cut off, so export the model"
            " again."
        )


class _Bytes:
    """A binary file from which never more is read than there is."""

    def __init__(self, path: Path):
        self.name, self.data, self.at = path.name, bytes_of(path), 0

    def take(self, layout: str) -> tuple:
        values = self.data[self.at : self.skip(struct.calcsize("<" + layout))]
        return struct.unpack("<" + layout, values)

    def skip(self, count: int) -> int:
        if count > len(self.data) - self.at:
            raise CameraFileError(
                f"{self.name} is cut off, or its counts are wrong: it ends at byte {len(self.data):,}; export the"
                " model again."
            )
        self.at += count
        return self.at

    def text(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0 or end - self.at > 4096:
            raise CameraFileError(f"{self.name} is cut off in a picture's name; export the model again.")
        name = self.data[self.at : end].decode("utf-8", "replace")
        self.at = end + 1
        return name


def _lenses_of_bytes(path: Path) -> dict[int, tuple]:
    file = _Bytes(path)
    (count,) = file.take("Q")
    lenses = {}
    for _ in range(count):
        camera_id, model_id, width, height = file.take("IiQQ")
        where = f"{path.name}: camera {camera_id}"
        model = MODELS[model_id] if 0 <= model_id < len(MODELS) else f"number {model_id}"
        size = size_of(width, height, where)
        if model not in PARAMETERS:
            # How many numbers follow is not the same in all versions, so nothing after it can be found either.
            raise _lens(model, [], size, where)
        values = [number(value, "a parameter", where) for value in file.take(f"{len(PARAMETERS[model])}d")]
        lenses[camera_id] = _lens(model, values, size, where), size
    return lenses


def _images_of_bytes(path: Path) -> list[tuple]:
    file = _Bytes(path)
    (count,) = file.take("Q")
    check_count(count, path.name, "pictures")
    images = []
    for _ in range(count):
        image_id, *pose, camera_id = file.take("I7dI")
        name = file.text()
        where = f"{path.name}: picture {short(name) or image_id}"
        values = np.array([number(value, "its pose", where) for value in pose])
        images.append((name, values[:4], values[4:], camera_id))
        (points,) = file.take("Q")
        file.skip(points * _POINT)
    return images
