"""Meshroom's (AliceVision's) ``.sfm`` and ``cameras.json``.

Numbers are written as text. A pose is a centre in the world and, column by column, the rotation that takes the world's
axes to the camera's (x right, y down, looking along +z). Focal lengths are pixels before version 1.2.2 and millimetres
of the sensor since; the principal point counts from the picture's corner before 1.2.1, and from its middle since.
"""

from pathlib import Path

import numpy as np

from ...errors import CameraFileError
from .solved import (
    OPENGL_FROM_OPENCV,
    Lens,
    SolvedCamera,
    SolvedCameras,
    check_count,
    checked_pose,
    in_pixels,
    json_of,
    left_out,
    number,
    numbers,
    short,
    size_of,
)

TYPES = {
    "pinhole": "none", "radial1": "radialk1", "radial3": "radialk3", "brown": "brown",
}  # fmt: skip
"""Distortion of a camera's type, where the two were one word (before version 1.2.8)."""
_SQUARE = 1e-6


def read_meshroom(path: Path) -> SolvedCameras:
    """The cameras of the views that were solved. Raises CameraFileError."""
    values = json_of(path)
    version = tuple(numbers(values.get("version", ["1", "0", "0"]), 3, "its version", path.name).astype(int).tolist())
    views = _table(values, "views", path)
    check_count(len(views), path.name, "views")
    poses = {str(entry.get("poseId")): entry.get("pose") for entry in _table(values, "poses", path)}
    intrinsics = {str(entry.get("intrinsicId")): entry for entry in _table(values, "intrinsics", path)}
    rigs = {str(entry.get("rigId")): entry.get("subPoses") for entry in _table(values, "rigs", path)}
    lenses, cameras, unsolved = {}, [], 0
    for view in views:
        name = view.get("path")
        if not isinstance(name, str) or not name:
            raise CameraFileError(f"{path.name}: view {short(str(view.get('viewId')))} names no picture.")
        where = f"{path.name}: {short(name.replace(chr(92), '/').rpartition('/')[2])}"
        intrinsic, pose = str(view.get("intrinsicId")), poses.get(str(view.get("poseId", view.get("viewId"))))
        if pose is None:
            unsolved += 1
            continue
        if intrinsic not in intrinsics:
            raise CameraFileError(
                f"{where} has the lens {short(intrinsic)}, which the file does not have; export it again."
            )
        if intrinsic not in lenses:
            lenses[intrinsic] = _lens(intrinsics[intrinsic], version, f"{path.name}: lens {short(intrinsic)}")
        lens, size = lenses[intrinsic]
        matrix = _world_to_camera(pose, where)
        if "rigId" in view and str(view.get("isPoseIndependant", "true")).lower() in ("false", "0"):
            matrix = _in_rig(rigs, view, where) @ matrix
        pose = checked_pose(np.linalg.inv(matrix) @ OPENGL_FROM_OPENCV, where)
        cameras.append(SolvedCamera(name, pose, in_pixels(lens), size))
    check_count(len(cameras), path.name, "solved views")
    notes = tuple(left_out(unsolved, "view", path.name, "solved"))
    return SolvedCameras("Meshroom", cameras, (path.parent, *path.parents[1:4]), notes=notes)


def _table(values: dict, key: str, path: Path) -> list[dict]:
    entries = values.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CameraFileError(f"{path.name}: its {key} are no list; export the file again (ConvertSfMFormat).")
    return entries


def _world_to_camera(pose, where: str) -> np.ndarray:
    """(4, 4) in OpenCV's axes from a pose's ``transform``."""
    transform = pose.get("transform", pose) if isinstance(pose, dict) else None
    if not isinstance(transform, dict):
        raise CameraFileError(f"{where}: its pose has no transform; export the file again.")
    rotation = numbers(transform.get("rotation"), 9, "its rotation", where).reshape(3, 3).T
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2 or np.linalg.det(rotation) < 0:
        raise CameraFileError(f"{where}: its rotation is none; solve the cameras again.")
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = -rotation @ numbers(transform.get("center"), 3, "its centre", where)
    return matrix


def _in_rig(rigs: dict, view: dict, where: str) -> np.ndarray:
    """(4, 4) from a rig's axes to those of one of its cameras."""
    parts = rigs.get(str(view["rigId"]))
    try:
        part = parts[int(view["subPoseId"])]["pose"]
    except (KeyError, IndexError, TypeError, ValueError):
        raise CameraFileError(f"{where} is part of a rig that the file does not describe; export it again.") from None
    return _world_to_camera(part, where)


def _lens(entry: dict, version: tuple, where: str) -> tuple[Lens, tuple[int, int]]:
    size = width, height = size_of(entry.get("width"), entry.get("height"), where)
    kind = str(entry.get("type", "pinhole")).lower()
    distortion = str(entry.get("distortionType", "none")).lower() if version >= (1, 2, 8) else TYPES.get(kind, kind)
    straightened = str(entry.get("undistortionType", "none")).lower()
    if (version >= (1, 2, 8) and kind != "pinhole") or distortion not in TYPES.values() or straightened != "none":
        shown = straightened if straightened != "none" else distortion if kind == "pinhole" else kind
        raise CameraFileError(
            f"{where}: the camera type {short(shown)} is not read; solve it as radial3 or brown, or export undistorted"
            " pictures (ExportImages)."
        )
    offset = numbers(entry.get("principalPoint"), 2, "principalPoint", where)
    if version < (1, 2, 1):
        offset = offset - [width / 2, height / 2]
    fx, fy = _focal_lengths(entry, version, width, where)
    given = entry.get("distortionParams") or []
    count = {"none": 0, "radialk1": 1, "radialk3": 3, "brown": 5}[distortion]
    k1, k2, k3, p1, p2 = np.pad(
        numbers(given, count, "distortionParams", where) if count else np.zeros(0), (0, 5 - count)
    )
    return Lens(fx, fy, width / 2 + offset[0], height / 2 + offset[1], (k1, k2, p1, p2, k3)), size


def _focal_lengths(entry: dict, version: tuple, width: int, where: str) -> tuple[float, float]:
    """Pixels along x and y."""
    if version < (1, 2, 2):
        given = entry.get("pxFocalLength")
        if isinstance(given, list):
            return tuple(numbers(given, 2, "pxFocalLength", where).tolist())
        focal = number(given, "pxFocalLength", where)
        return focal, focal
    sensor = number(entry.get("sensorWidth", 36.0), "sensorWidth", where)
    if not sensor > 0:
        raise CameraFileError(f"{where}: a sensor {sensor} mm wide cannot be; solve the cameras again.")
    focal = number(entry.get("focalLength"), "focalLength", where) / sensor * width
    ratio = number(entry.get("pixelRatio", 1.0), "pixelRatio", where)
    if not ratio > 0 or (version >= (1, 2, 11) and abs(ratio - 1) > _SQUARE):
        raise CameraFileError(f"{where}: its pixels are not square ({ratio:g}); desqueeze the pictures first.")
    # What was called the ratio of pixels was that of focal lengths before 1.2.5.
    return focal, focal / ratio if version < (1, 2, 5) else focal * ratio
