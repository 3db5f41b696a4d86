"""What every reader of solved cameras gives: poses and lenses in the file's own words, made ours and checked."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import CameraFileError
from ...formats.capture import Camera

MOST_CAMERAS = 10_000
LARGEST_FILE = 512 * 2**20
LARGEST_SIDE = 65_536
OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""Turns a camera's axes about its own x: right of a camera-to-world matrix."""
LARGEST_NUMBER = 1e12
_LARGEST_PLACE = 1e9
_FOCAL_LENGTHS = (0.1, 300.0)
"""Of any lens that a pinhole camera with distortion describes, in the longer side of its picture."""


@dataclass(frozen=True)
class Lens:
    """Intrinsics in pixels, the first pixel's centre at (0.5, 0.5), with OpenCV's distortion (k1, k2, p1, p2, k3).

    ``error`` is by how many pixels, at most, it misses the lens of the file, which may have further terms.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    error: float = 0.0


@dataclass(frozen=True, eq=False)
class SolvedCamera:
    """One camera of a file.

    Attributes:
        name: its picture, as the file names it: a path, a name, or a name without its ending; for a file that names
            none, the place in the order of pictures, as "#3".
        camera_to_world: (4, 4) float64 in the file's world and unit, OpenGL axes.
        lens: gives the lens of a picture of (width, height) pixels.
        size: (width, height) of the picture that it was solved with; None where the file does not say.
    """

    name: str
    camera_to_world: np.ndarray
    lens: Callable[[int, int], Lens]
    size: tuple[int, int] | None = None

    def error(self, width: int, height: int) -> float:
        """Pixels of a picture of that size by which ``camera`` misses the file's, at most."""
        solved = self.size or (width, height)
        return self.lens(*solved).error * width / solved[0]

    def camera(self, width: int, height: int, where: str) -> Camera:
        """Ours, for its picture of that many pixels: as solved, and then resized where the picture is.

        Raises CameraFileError for a lens that can be none; ``where`` says of which camera in which file.
        """
        solved = self.size or (width, height)
        lens = checked_lens(self.lens(*solved), *solved, where)
        camera = Camera(*solved, lens.fx, lens.fy, lens.cx, lens.cy, self.camera_to_world, lens.distortion)
        return camera if solved == (width, height) else camera.resized(width, height)


@dataclass(frozen=True, eq=False)
class SolvedCameras:
    """The cameras of a file.

    Attributes:
        format: in the words that people read: "COLMAP", "Metashape XML", ...
        cameras: in the file's order.
        roots: folders that the pictures' names may be relative to, best first.
        metres_per_unit: metres in one unit of the file; None where it does not say.
        scale_source: where that comes from, one of ``formats.capture.SCALE_SOURCES``.
        notes: sentences about what was assumed or left out.
        report: anything else that is worth telling, as JSON values.
    """

    format: str
    cameras: list[SolvedCamera]
    roots: tuple[Path, ...]
    metres_per_unit: float | None = None
    scale_source: str = "assumed"
    notes: tuple[str, ...] = ()
    report: dict | None = None


def in_pixels(lens: Lens) -> Callable[[int, int], Lens]:
    """The same lens for every size of picture."""
    return lambda width, height: lens


def number(value, what: str, where: str) -> float:
    """A finite number from text or JSON. Raises CameraFileError naming it."""
    try:
        if isinstance(value, bool) or value is None:
            raise ValueError(value)
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        said = "nothing" if value is None else repr(value if len(str(value)) < 40 else short(str(value)))
        raise CameraFileError(f"{where}: {what} must be a number, not {said}; export the cameras again.") from None
    if not abs(found) < LARGEST_NUMBER:
        raise CameraFileError(f"{where}: {what} is {found}, which no camera has; export the cameras again.")
    return found


def short(text: str) -> str:
    """A name from outside, in a length that fits a sentence."""
    return text if len(text) <= 64 else f"{text[:30]}...{text[-30:]}"


def numbers(values, count: int, what: str, where: str) -> np.ndarray:
    """``count`` finite numbers from text with spaces or a list, float64. Raises CameraFileError."""
    if isinstance(values, str):
        values = values.split()
    flat = list(values) if isinstance(values, (list, tuple)) else []
    if any(isinstance(row, (list, tuple)) for row in flat):
        flat = [value for row in flat for value in (row if isinstance(row, (list, tuple)) else [row])]
    if len(flat) != count:
        raise CameraFileError(f"{where}: {what} must be {count} numbers, not {len(flat)}; export the cameras again.")
    return np.array([number(value, what, where) for value in flat])


def whole(value, what: str, where: str, lowest: int = 0) -> int:
    """A whole number. Raises CameraFileError."""
    if isinstance(value, (str, bytes)):
        try:
            found: float = int(value)
        except ValueError:
            found = number(value, what, where)
    else:
        found = number(value, what, where)
    if not lowest <= found < LARGEST_NUMBER or found % 1:
        raise CameraFileError(f"{where}: {what} cannot be {short(str(value))}; export the cameras again.")
    return int(found)


def size_of(width, height, where: str) -> tuple[int, int]:
    """(width, height) of a picture. Raises CameraFileError."""
    size = whole(width, "the picture's width", where), whole(height, "the picture's height", where)
    if not all(0 < side <= LARGEST_SIDE for side in size):
        raise CameraFileError(
            f"{where}: a picture of {size[0]} by {size[1]} pixels cannot be; export the cameras again."
        )
    return size


def pose_from_opencv(rotation: np.ndarray, centre: np.ndarray, where: str) -> np.ndarray:
    """Camera-to-world (4, 4), OpenGL axes, from the rotation (3, 3) that takes a camera's OpenCV axes to the world's,
    and its centre (3,). Raises CameraFileError."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, centre
    return checked_pose(matrix @ OPENGL_FROM_OPENCV, where)


def checked_pose(matrix: np.ndarray, where: str) -> np.ndarray:
    """A camera-to-world matrix (4, 4) whose axes are a rotation. A uniform scale in them has no meaning for a camera.

    Raises CameraFileError.
    """
    axes = matrix[:3, :3]
    scale = np.cbrt(np.linalg.det(axes)) if np.isfinite(matrix).all() else 0.0
    if scale <= 1e-9 or np.abs(axes.T @ axes / scale**2 - np.eye(3)).max() > 1e-2:
        raise CameraFileError(f"{where}: its pose is no rotation and position; export the cameras again.")
    if np.abs(matrix[:3, 3]).max() > _LARGEST_PLACE:
        raise CameraFileError(f"{where}: it stands {np.abs(matrix[:3, 3]).max():.3g} units away; solve it again.")
    left, _, right = np.linalg.svd(axes)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = left @ right, matrix[:3, 3]
    return pose


def checked_lens(lens: Lens, width: int, height: int, where: str) -> Lens:
    """A lens that a picture of that size may have. Raises CameraFileError."""
    longer = max(width, height)
    if not all(map(math.isfinite, (lens.fx, lens.fy, lens.cx, lens.cy, *lens.distortion))):
        raise CameraFileError(f"{where}: its lens holds NaN or infinity; export the cameras again.")
    for focal in (lens.fx, lens.fy):
        if not _FOCAL_LENGTHS[0] * longer <= focal <= _FOCAL_LENGTHS[1] * longer:
            raise CameraFileError(
                f"{where}: a focal length of {focal:.6g} pixels is none for a picture of {width} by {height};"
                " solve the cameras again."
            )
    if abs(lens.cx - width / 2) > width or abs(lens.cy - height / 2) > height:
        raise CameraFileError(
            f"{where}: its principal point ({lens.cx:.6g}, {lens.cy:.6g}) lies far outside the picture of {width} by"
            f" {height}; solve the cameras again."
        )
    return lens


def bytes_of(path: Path) -> bytes:
    """A file from outside. Raises CameraFileError."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CameraFileError(f"{path.name} is larger than {LARGEST_FILE // 2**20} MiB, which no camera file is.")
        return path.read_bytes()
    except OSError as error:
        raise CameraFileError(f"{path.name} cannot be opened: {error.strerror or error}.") from error


def text_of(path: Path) -> str:
    """A text file from outside, in UTF-8 or, as older programs write, the first 256 letters. Raises CameraFileError."""
    data = bytes_of(path)
    if b"\0" in data[:4096]:
        raise CameraFileError(f"{path.name} is no text; export the cameras again.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def json_of(path: Path) -> dict:
    """A JSON object from outside. Raises CameraFileError."""
    try:
        values = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise CameraFileError(
            f"{path.name} cannot be read as JSON ({error}); it may be cut off, so export the cameras again."
        ) from error
    if not isinstance(values, dict):
        raise CameraFileError(f"{path.name} holds no cameras; export them again.")
    return values


def left_out(count: int, what: str, name: str, why: str) -> list[str]:
    """The sentence about cameras that have no pose; none where every one has."""
    if not count:
        return []
    many = f"{count} {what}s of {name} were" if count > 1 else f"1 {what} of {name} was"
    return [f"{many} not {why}, and left out."]


def check_count(count: int, name: str, listed: str = "cameras") -> None:
    """Raises CameraFileError where a file lists none, or more than any capture has."""
    if not count:
        raise CameraFileError(f"{name} lists no {listed}; solve the cameras, and export them again.")
    if count > MOST_CAMERAS:
        raise CameraFileError(f"{name} lists {count:,} {listed}; at most {MOST_CAMERAS:,} are read.")
