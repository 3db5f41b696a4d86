"""Captures: pictures with calibrated cameras and masks, as a folder with nerfstudio's ``transforms.json``.

NumPy and the standard library only: Blender reads and writes captures without the backend's environment. Pictures are
decoded elsewhere (``backend/capture/images.py``), and ``ground_truth/`` is never opened here.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CaptureError
from .image_size import image_size
from .job_folder import write_json

MASK_KINDS = ("hair", "bust", "person")
SCALE_SOURCES = ("rendered", "measured", "head fit", "assumed")
DISTORTION = ("k1", "k2", "p1", "p2", "k3")
"""Coefficients in OpenCV's order."""

FEWEST_LEFT = 3
"""Views that a capture keeps whatever is left out."""

_CAMERA_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
_OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
_MOST_FRAMES = 10_000
_LARGEST_FILE = 256 * 2**20
_LARGEST_SIDE = 65_536


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with OpenCV's distortion.

    Attributes:
        width, height: size of its picture in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels; the first pixel's centre is at (0.5, 0.5).
        camera_to_world: (4, 4) float64, metres, OpenGL axes (x right, y up, looking along -z) as Blender's cameras.
        distortion: (k1, k2, p1, p2, k3), or empty for none.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    camera_to_world: np.ndarray
    distortion: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "camera_to_world", np.array(self.camera_to_world, np.float64).reshape(4, 4))
        for name, kind in (("width", int), ("height", int), ("fx", float), ("fy", float), ("cx", float), ("cy", float)):
            object.__setattr__(self, name, kind(getattr(self, name)))
        coefficients = tuple(float(k) for k in self.distortion)
        object.__setattr__(self, "distortion", coefficients if any(coefficients) else ())

    @property
    def intrinsics(self) -> np.ndarray:
        """(3, 3) float64 matrix K in pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def world_to_camera(self) -> np.ndarray:
        """(4, 4) float64, metres, OpenCV axes (x right, y down, looking along +z)."""
        return _OPENGL_TO_OPENCV @ np.linalg.inv(self.camera_to_world)

    @property
    def centre(self) -> np.ndarray:
        """(3,) float64 position in the world, metres."""
        return self.camera_to_world[:3, 3].copy()

    @property
    def direction(self) -> np.ndarray:
        """(3,) float64 unit vector along which the camera looks."""
        return -self.camera_to_world[:3, 2]

    def ray(self, x: float, y: float) -> np.ndarray:
        """(3,) float64 unit vector in the world from the centre through a pixel, as a lens without distortion sees."""
        local = np.array([(x - self.cx) / self.fx, -(y - self.cy) / self.fy, -1.0])
        ray = self.camera_to_world[:3, :3] @ local
        return ray / np.linalg.norm(ray)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (N, 2) and depths (N,) along the optical axis, metres, of world points (N, 3).

        The distortion is OpenCV's (Brown-Conrady). Points behind the camera have a depth below zero, and pixels that
        mean nothing.
        """
        world_to_camera = self.world_to_camera
        local = np.asarray(points, np.float64) @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
        depth = local[:, 2]
        x, y = (local[:, :2] / np.where(np.abs(depth) < 1e-12, 1e-12, depth)[:, None]).T
        if self.distortion:
            x, y = self.distorted(x, y)
        return np.stack([self.fx * x + self.cx, self.fy * y + self.cy], axis=1), depth

    def distorted(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image coordinates at depth 1, after the lens, of undistorted ones (OpenCV, Brown-Conrady)."""
        k1, k2, p1, p2, k3 = (self.distortion + (0.0,) * 5)[:5]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )

    def resized(self, width: int, height: int) -> "Camera":
        """The camera of the same picture resampled to another size."""
        sx, sy = width / self.width, height / self.height
        return dataclasses.replace(
            self, width=width, height=height, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy
        )


@dataclass(frozen=True, eq=False)
class View:
    """One photograph of a capture.

    Attributes:
        name: the picture's stem, unique in the capture; masks and depth maps carry it.
        image: the picture's path.
        camera: its camera, in metres.
        masks: paths of the masks that are there, by kind (``hair``, ``bust``, ``person``).
    """

    name: str
    image: Path
    camera: Camera
    masks: dict[str, Path] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Capture:
    """A capture in memory.

    Attributes:
        folder: where ``transforms.json`` lies.
        views: in the file's order.
        metres_per_unit: metres in one unit of the file; the cameras here are in metres already. None where nobody
            has said: the cameras then stand in the file's unit, whatever it is.
        scale_source: where the scale comes from, one of SCALE_SOURCES.
        light_bounces: after how many bounces of light the pictures' renderer stopped; None for all of it, as in
            photographs. Ours, in ``transforms.json``.
    """

    folder: Path
    views: tuple[View, ...]
    metres_per_unit: float | None = 1.0
    scale_source: str = "assumed"
    light_bounces: int | None = None

    def in_metres(self, metres_per_unit: float, scale_source: str) -> "Capture":
        """A capture without a unit, given one."""
        views = []
        for view in self.views:
            pose = view.camera.camera_to_world.copy()
            pose[:3, 3] *= metres_per_unit
            views.append(dataclasses.replace(view, camera=dataclasses.replace(view.camera, camera_to_world=pose)))
        return dataclasses.replace(self, views=tuple(views), metres_per_unit=metres_per_unit, scale_source=scale_source)


def read_capture(folder: Path, poses: bool = True) -> Capture:
    """Read a capture's cameras and find its pictures and masks; decodes no picture.

    Intrinsics may stand in each frame or once for all; ``camera_angle_x`` stands in for focal lengths, the principal
    point is the middle where none is given. Poses become metres by ``metres_per_unit``; without it they are metres
    where ``scale_source`` tells of a known scale, and else in a unit that nobody has named.

    Args:
        folder: with ``transforms.json``.
        poses: without them nobody asks where the cameras stood, so frames need no ``transform_matrix``; every camera
            then stands at the origin.

    Raises:
        CaptureError: a sentence naming the file and what to do.
    """
    folder = Path(folder)
    path = folder if folder.suffix == ".json" else folder / "transforms.json"
    folder = path.parent
    values = _read_json(path)
    frames = values.get("frames")
    if not isinstance(frames, list) or not frames:
        raise CaptureError(f"{path.name} lists no frames; export the capture again with its cameras.")
    if len(frames) > _MOST_FRAMES:
        raise CaptureError(f"{path.name} lists {len(frames)} frames; at most {_MOST_FRAMES} are read.")
    metres_per_unit = _number(values, {}, "metres_per_unit", "transforms.json", None)
    if metres_per_unit is not None and not metres_per_unit > 0:
        raise CaptureError(f"{path.name}: metres_per_unit must be above zero, not {metres_per_unit}.")
    source = values.get("scale_source", "assumed" if metres_per_unit is None else "measured")
    if source not in SCALE_SOURCES:
        raise CaptureError(f"{path.name}: scale_source must be one of {', '.join(SCALE_SOURCES)}, not {source!r}.")
    if metres_per_unit is None and source != "assumed":
        metres_per_unit = 1.0
    views, seen = [], {}
    for number, frame in enumerate(frames):
        if not isinstance(frame, dict):
            raise CaptureError(f"{path.name}: frame {number} is not a table of settings; export the capture again.")
        view = _read_view(folder, frame, values, number, metres_per_unit or 1.0, poses)
        if view.name in seen:
            raise CaptureError(
                f"{path.name}: {seen[view.name]} and {view.image.name} are both named {view.name}; rename one,"
                " because masks are found by that name."
            )
        seen[view.name] = view.image.name
        views.append(view)
    bounces = _number(values, {}, "light_bounces", "transforms.json", None)
    return Capture(folder, tuple(views), metres_per_unit, source, None if bounces is None else int(bounces))


def has_poses(folder: Path) -> bool:
    """A capture's file tells where some camera stood."""
    try:
        return '"transform_matrix"' in (Path(folder) / "transforms.json").read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return True  # whoever reads it as a capture says what is wrong


def write_capture(capture: Capture, poses: bool = True) -> Path:
    """Write ``transforms.json`` in metres to the capture's folder (made if need be) and return its path.

    A capture in an unknown unit is written in that unit, and stays unknown.

    Pictures and masks are not written; their paths must lie in the capture's folder.

    Args:
        poses: without them, nobody knows where the cameras stood.
    """
    frames = []
    for view in capture.views:
        camera = view.camera
        frame = {
            "file_path": view.image.relative_to(capture.folder).as_posix(),
            "w": camera.width, "h": camera.height,
            "fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy,
        }  # fmt: skip
        frame |= dict(zip(DISTORTION, camera.distortion, strict=False))
        if poses:
            frame["transform_matrix"] = camera.camera_to_world.tolist()
        frames.append(frame)
    unit = {} if capture.metres_per_unit is None else {"metres_per_unit": 1.0}
    light = {} if capture.light_bounces is None else {"light_bounces": capture.light_bounces}
    values = {"camera_model": "OPENCV", **unit, "scale_source": capture.scale_source, **light, "frames": frames}
    capture.folder.mkdir(parents=True, exist_ok=True)
    path = capture.folder / "transforms.json"
    write_json(path, values)
    return path


def leave_out(folder: Path, name: str) -> None:
    """Take a view out of ``transforms.json``; no other file is touched.

    Raises:
        CaptureError: there is no such view, or fewer than 3 would be left.
    """
    path = Path(folder) / "transforms.json"
    values = _read_json(path)
    names = [view.name for view in read_capture(folder, poses=has_poses(folder)).views]
    if name not in names:
        raise CaptureError(f"The capture has no photograph named {name}; open it again.")
    if len(names) <= FEWEST_LEFT:
        raise CaptureError(f"The capture has {len(names)} photographs; fewer than {FEWEST_LEFT} are of no use.")
    values["frames"] = [frame for frame, view in zip(values["frames"], names, strict=True) if view != name]
    write_json(path, values)


def _read_json(path: Path) -> dict:
    if not path.is_file():
        raise CaptureError(
            f"There is no transforms.json in {path.parent}; choose a capture's folder, with its cameras."
        )
    if path.stat().st_size > _LARGEST_FILE:
        raise CaptureError(f"{path.name} is larger than {_LARGEST_FILE // 2**20} MiB, which no list of cameras is.")
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise CaptureError(f"{path} cannot be read as JSON ({error}); export the capture again.") from error
    if not isinstance(values, dict):
        raise CaptureError(f"{path} is not a nerfstudio transforms.json; export the capture again.")
    return values


def _read_view(folder: Path, frame: dict, shared: dict, number: int, metres_per_unit: float, poses: bool) -> View:
    image = _image_path(folder, frame, number)
    name = image.stem
    masks = {kind: folder / "masks" / kind / f"{name}.png" for kind in MASK_KINDS}
    masks = {kind: path for kind, path in masks.items() if path.is_file()}
    return View(name, image, _read_camera(image, frame, shared, metres_per_unit, poses), masks)


def _image_path(folder: Path, frame: dict, number: int) -> Path:
    text = frame.get("file_path")
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise CaptureError(f"transforms.json: frame {number} names no picture (file_path).")
    relative = Path(text.replace("\\", "/"))
    inside = not relative.is_absolute() and ".." not in relative.parts and relative.parts
    if not inside or relative.parts[0].lower() == "ground_truth":
        raise CaptureError(
            f"transforms.json: the picture {text} lies outside the capture's images; copy it into images/ and name it"
            " relative to transforms.json."
        )
    # NeRF's synthetic captures leave the ending out.
    for candidate in (relative, *(relative.with_name(relative.name + e) for e in (".png", ".jpg", ".jpeg"))):
        if (folder / candidate).is_file():
            return folder / candidate
    raise CaptureError(f"The picture {text} of transforms.json is not there; put it back or remove its frame.")


def _read_camera(image: Path, frame: dict, shared: dict, metres_per_unit: float, poses: bool) -> Camera:
    name = image.name
    model = frame.get("camera_model", shared.get("camera_model", "OPENCV"))
    if model not in _CAMERA_MODELS:
        raise CaptureError(
            f"{name}: the camera model {model} is not read; undistort the pictures to PINHOLE or OPENCV."
        )

    def get(key, default=None):
        return _number(frame, shared, key, name, default)

    width, height = get("w"), get("h")
    if width is None or height is None:
        width, height = image_size(image) or (None, None)
        if width is None:
            raise CaptureError(f"{name}: transforms.json does not give its size; add w and h.")
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE) or width % 1 or height % 1:
        raise CaptureError(f"{name}: a picture of {width} by {height} pixels cannot be; correct w and h.")
    fx, fy = get("fl_x"), get("fl_y")
    if fx is None and (angle := get("camera_angle_x")) is not None:
        if not 0 < angle < math.pi:
            raise CaptureError(f"{name}: camera_angle_x must be between 0 and pi, not {angle}.")
        fx = width / 2 / math.tan(angle / 2)
    if fx is None and fy is None:
        raise CaptureError(f"{name}: transforms.json gives no focal length; add fl_x or camera_angle_x.")
    fx, fy = fy if fx is None else fx, fx if fy is None else fy
    if not (fx > 0 and fy > 0):
        raise CaptureError(f"{name}: the focal length must be above zero, not {fx} and {fy}.")
    if get("k4", 0.0) != 0.0:
        raise CaptureError(f"{name}: the distortion coefficient k4 is not read; undistort the pictures first.")
    distortion = tuple(get(key, 0.0) for key in DISTORTION)
    pose = _read_pose(frame, name) if poses else np.eye(4)
    pose[:3, 3] *= metres_per_unit
    cx, cy = get("cx", width / 2), get("cy", height / 2)
    return Camera(int(width), int(height), fx, fy, cx, cy, pose, distortion)


def _read_pose(frame: dict, name: str) -> np.ndarray:
    try:
        pose = np.array(frame.get("transform_matrix"), np.float64)
    except (TypeError, ValueError):
        pose = np.empty(0)
    if pose.shape not in ((4, 4), (3, 4)):
        raise CaptureError(f"{name}: its transform_matrix in transforms.json is not a matrix of 4 by 4 numbers.")
    if not np.isfinite(pose).all():
        raise CaptureError(
            f"{name}: its transform_matrix in transforms.json holds NaN or infinity; remove that frame or solve its"
            " camera again."
        )
    axes = pose[:3, :3]
    scale = np.cbrt(np.linalg.det(axes))
    # Some exporters leave a uniform scale in the axes, which has no meaning for a camera.
    if scale <= 1e-9 or np.abs(axes.T @ axes / scale**2 - np.eye(3)).max() > 1e-2:
        raise CaptureError(
            f"{name}: its transform_matrix in transforms.json is no rotation and position; solve it again."
        )
    left, _, right = np.linalg.svd(axes)
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = left @ right, pose[:3, 3]
    return result


def _number(frame: dict, shared: dict, key: str, name: str, default: float | None) -> float | None:
    value = frame.get(key, shared.get(key))
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise CaptureError(f"{name}: {key} in transforms.json must be a number, not {value!r}.")
    return float(value)
