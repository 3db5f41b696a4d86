"""nerfstudio's and instant-ngp's ``transforms.json``, and NeRF's own ``transforms_train.json``.

Intrinsics stand in each frame or once for all, in pixels or as angles; poses are camera-to-world with OpenGL axes
(docs.nerf.studio, "Data conventions"; instant-ngp, "Tips for training NeRF models").
"""

import math
from pathlib import Path

import numpy as np

from ...errors import CameraFileError
from ...formats.capture import SCALE_SOURCES
from .lens import brown_conrady, reduced
from .solved import (
    Lens,
    SolvedCamera,
    SolvedCameras,
    check_count,
    checked_pose,
    in_pixels,
    json_of,
    number,
    numbers,
    short,
    size_of,
)

MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
_OTHERWISE = ("is_fisheye", "fisheye", "equirectangular", "latlong", "ftheta_p0", "ortho")
"""Settings of instant-ngp's that make a camera something else than a pinhole."""


def read_transforms(path: Path) -> SolvedCameras:
    """The cameras of such a file. Raises CameraFileError."""
    values = json_of(path)
    frames = values.get("frames")
    if not isinstance(frames, list):
        raise CameraFileError(f"{path.name} lists no frames; export the cameras again.")
    check_count(len(frames), path.name, "frames")
    cameras, notes = [], []
    for place, frame in enumerate(frames):
        if not isinstance(frame, dict):
            raise CameraFileError(f"{path.name}: frame {place} is not a table of settings; export the cameras again.")
        name = frame.get("file_path")
        if not isinstance(name, str) or not name.strip():
            raise CameraFileError(f"{path.name}: frame {place} names no picture (file_path).")
        cameras.append(_camera(name.strip(), frame, values, f"{path.name}: {short(name.strip())}"))
    if "applied_transform" in values:
        turned = numbers(values["applied_transform"], 12, "applied_transform", path.name).reshape(3, 4)
        checked_pose(np.vstack([turned, [0, 0, 0, 1]]), f"{path.name}: applied_transform")
        notes.append(
            f"{path.name} was turned from the axes of its solver when it was made (applied_transform); its own axes"
            " are kept, which is where nerfstudio's meshes and points stand."
        )
    unit = values.get("metres_per_unit")
    if unit is not None:
        unit = number(unit, "metres_per_unit", path.name)
        if not unit > 0:
            raise CameraFileError(f"{path.name}: metres_per_unit must be above zero, not {unit}.")
    source = values.get("scale_source", "assumed" if unit is None else "measured")
    if source not in SCALE_SOURCES:
        raise CameraFileError(f"{path.name}: scale_source must be one of {', '.join(SCALE_SOURCES)}, not {source!r}.")
    return SolvedCameras("transforms.json", cameras, (path.parent,), unit, source, tuple(notes))


def _camera(name: str, frame: dict, shared: dict, where: str) -> SolvedCamera:
    def get(key, default=None):
        value = frame.get(key, shared.get(key))
        return default if value is None else number(value, key, where)

    model = frame.get("camera_model", shared.get("camera_model", "OPENCV"))
    if model not in MODELS:
        raise CameraFileError(
            f"{where}: the camera model {short(str(model))} is not read; undistort the pictures to PINHOLE or OPENCV."
        )
    for key in _OTHERWISE:
        if frame.get(key, shared.get(key)):
            raise CameraFileError(f"{where}: a camera with {key} is not read; undistort the pictures to a pinhole.")
    matrix = np.vstack([_pose(frame, where), [0, 0, 0, 1]])
    width, height = get("w"), get("h")
    size = None if width is None or height is None else size_of(width, height, where)
    given = {key: get(key) for key in ("fl_x", "fl_y", "cx", "cy")}
    angles = {}
    for axis, along in (("x", "camera_angle_x"), ("y", "camera_angle_y")):
        angle, degrees = get(along), get(f"{axis}_fov")
        angle = math.radians(degrees) if angle is None and degrees is not None else angle
        if angle is not None and not 0 < angle < math.pi:
            raise CameraFileError(f"{where}: {along} must be between 0 and pi, not {angle}.")
        angles[axis] = angle
    if all(given[key] is None for key in ("fl_x", "fl_y")) and not any(angles.values()):
        raise CameraFileError(f"{where}: there is no focal length; add fl_x or camera_angle_x.")
    k1, k2, p1, p2, k3, k4 = (get(key, 0.0) for key in ("k1", "k2", "p1", "p2", "k3", "k4"))

    def lens(width: int, height: int) -> Lens:
        fx, fy = given["fl_x"], given["fl_y"]
        # Pixels go before angles; one direction stands in for the other.
        if fx is None and fy is None:
            fx = angles["x"] and width / 2 / math.tan(angles["x"] / 2)
            fy = angles["y"] and height / 2 / math.tan(angles["y"] / 2)
        fx, fy = fy if fx is None else fx, fx if fy is None else fy
        cx = width / 2 if given["cx"] is None else given["cx"]
        cy = height / 2 if given["cy"] is None else given["cy"]
        return Lens(fx, fy, cx, cy, (k1, k2, p1, p2, k3))

    if k4 and size is None:
        raise CameraFileError(f"{where}: k4 is only read together with w and h; undistort the pictures first.")
    if k4:  # nerfstudio's, of the eighth power of the radius
        found = reduced(lens(*size), brown_conrady((k1, k2, k3, k4), (p1, p2)), *size, where)
        return SolvedCamera(name, checked_pose(matrix, where), in_pixels(found), size)
    return SolvedCamera(name, checked_pose(matrix, where), lens, size)


def _pose(frame: dict, where: str) -> np.ndarray:
    """(3, 4) of a frame's matrix, whose last row may be left out."""
    matrix = frame.get("transform_matrix")
    count = 12 if isinstance(matrix, list) and len(matrix) == 3 else 16
    return numbers(matrix, count, "transform_matrix", where).reshape(-1, 4)[:3]
