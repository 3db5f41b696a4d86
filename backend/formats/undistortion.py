"""From a distorted photograph to the pinhole picture inside it.

NumPy only, and one rule for everybody: what Blender shows behind a camera and what reconstruction reads are the same.
"""

import numpy as np

from ..errors import CaptureError
from .capture import Camera

_ROUNDS = 60
_TOLERANCE = 1e-3
"""Pixels by which the inverse may miss before the coefficients count as nonsense."""


def undistorted_camera(camera: Camera) -> Camera:
    """The pinhole camera of the same size whose every pixel lies inside the distorted picture.

    It sees a little less, so that no pixel of the undistorted picture is unknown (OpenCV's alpha of 0).

    Raises:
        CaptureError: the coefficients fold the picture over itself.
    """
    if not camera.distortion:
        return camera
    w, h = camera.width, camera.height
    across, down = np.linspace(0, w, 65), np.linspace(0, h, 65)
    left, right = (_undistorted(camera, np.full(65, x), down)[0] for x in (0.0, float(w)))
    top, bottom = (_undistorted(camera, across, np.full(65, y))[1] for y in (0.0, float(h)))
    x0, x1, y0, y1 = left.max(), right.min(), top.max(), bottom.min()
    if not (x1 > x0 and y1 > y0):
        raise CaptureError(_FOLDED)
    fx, fy = w / (x1 - x0), h / (y1 - y0)
    return Camera(w, h, fx, fy, -x0 * fx, -y0 * fy, camera.camera_to_world)


def sampling_positions(camera: Camera, target: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the undistorted picture lies in the distorted one.

    Args:
        camera: of the distorted picture.
        target: ``undistorted_camera`` of it.

    Returns:
        x and y, (H, W) float32 each, in pixels with the first pixel's centre at 0.5.
    """
    x = ((np.arange(target.width) + 0.5 - target.cx) / target.fx)[None, :]
    y = ((np.arange(target.height) + 0.5 - target.cy) / target.fy)[:, None]
    x, y = camera.distorted(*np.broadcast_arrays(x, y))
    return (camera.fx * x + camera.cx).astype(np.float32), (camera.fy * y + camera.cy).astype(np.float32)


def undistorted_positions(camera: Camera, target: Camera, pixels: np.ndarray) -> np.ndarray:
    """Where pixels of a photograph lie in its undistorted, perhaps reduced, copy.

    Args:
        camera: of the photograph.
        target: of the copy: pinhole, at the same place.
        pixels: (N, 2), the first pixel's centre at 0.5.

    Returns:
        (N, 2) float64.

    Raises:
        CaptureError: the coefficients fold the picture over itself.
    """
    u, v = np.asarray(pixels, np.float64).reshape(-1, 2).T
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    if camera.distortion:
        x, y = _undistorted(camera, u, v)
    return np.stack([target.fx * x + target.cx, target.fy * y + target.cy], axis=1)


def photo_positions(camera: Camera, target: Camera, x: float, y: float) -> tuple[float, float]:
    """The pixel of a photograph for one of its undistorted picture; arguments as for ``sampling_positions``."""
    x, y = camera.distorted((x - target.cx) / target.fx, (y - target.cy) / target.fy)
    return camera.fx * x + camera.cx, camera.fy * y + camera.cy


def pinhole_positions(camera: Camera, target: Camera, x: float, y: float) -> tuple[float, float]:
    """The pixel of the undistorted picture for one of the photograph: the inverse of ``photo_positions``.

    Raises:
        CaptureError: the coefficients fold the picture over itself there.
    """
    x, y = _undistorted(camera, np.float64(x), np.float64(y))
    return float(x * target.fx + target.cx), float(y * target.fy + target.cy)


def sample(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear samples of (H, W, C) float values at pixel positions, first centre at 0.5; the edge goes on outside."""
    height, width = picture.shape[:2]
    x, y = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    column, row = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    u, v = (x - column)[..., None], (y - row)[..., None]
    right, below = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    upper = picture[row, column] * (1 - u) + picture[row, right] * u
    return upper * (1 - v) + (picture[below, column] * (1 - u) + picture[below, right] * u) * v


_FOLDED = "The lens distortion in transforms.json folds the picture over itself; solve the cameras again."


def _undistorted(camera: Camera, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalised coordinates of distorted pixels, by fixed-point iteration as OpenCV's undistortPoints."""
    wanted_x, wanted_y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    x, y = wanted_x.copy(), wanted_y.copy()
    with np.errstate(all="ignore"):
        for _ in range(_ROUNDS):
            got_x, got_y = camera.distorted(x, y)
            x, y = x + 0.7 * (wanted_x - got_x), y + 0.7 * (wanted_y - got_y)
        got_x, got_y = camera.distorted(x, y)
        miss = np.hypot((got_x - wanted_x) * camera.fx, (got_y - wanted_y) * camera.fy)
    if not (miss < _TOLERANCE).all():
        raise CaptureError(_FOLDED)
    return x, y
