"""Lenses that other programs describe with more than our five coefficients, as the nearest that we have."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ...errors import CameraFileError
from .solved import Lens

MOST_PIXELS = 0.5
"""A lens that ours misses by more than this somewhere in the picture is not taken for it."""
_DIRECTIONS, _RADII = 48, 160

Distortion = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def brown_conrady(radial: Sequence[float], tangential: Sequence[float], below: Sequence[float] = ()) -> Distortion:
    """Brown and Conrady's distortion with any number of radial terms, and OpenCV's further ones below the fraction.

    Args:
        radial: (k1, k2, k3, ...), of the powers 2, 4, 6, ... of the radius.
        tangential: (p1, p2) as OpenCV's.
        below: (k4, k5, k6) of OpenCV's rational model.
    """
    p1, p2 = tangential

    def distorted(x, y):
        r2 = x * x + y * y
        scale = np.polynomial.polynomial.polyval(r2, (1.0, *radial)) / np.polynomial.polynomial.polyval(
            r2, (1.0, *below)
        )
        return x * scale + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * scale + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y

    return distorted


def reduced(lens: Lens, distorted: Distortion, width: int, height: int, where: str) -> Lens:
    """The lens whose (k1, k2, p1, p2, k3) come nearest to a distortion of another kind, over its whole picture.

    Linear least squares: Brown and Conrady's displacement is linear in its coefficients.

    Args:
        lens: its distortion is not looked at.
        distorted: image coordinates at depth 1, after the lens, of undistorted ones.

    Raises:
        CameraFileError: by more than MOST_PIXELS, in a sentence.
    """
    x, y, to_x, to_y = _inside(lens, distorted, width, height)
    r2 = x * x + y * y
    columns = [
        (x * r2, y * r2),
        (x * r2**2, y * r2**2),
        (2 * x * y, r2 + 2 * y * y),
        (r2 + 2 * x * x, 2 * x * y),
        (x * r2**3, y * r2**3),
    ]
    matrix = np.stack([np.concatenate(pair) for pair in columns], axis=1)
    wanted = np.concatenate([to_x - x, to_y - y])
    found, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
    miss = (matrix @ found - wanted).reshape(2, -1) * np.array([[lens.fx], [lens.fy]])
    error = float(np.hypot(*miss).max())
    if error > MOST_PIXELS:
        raise CameraFileError(
            f"{where}: its lens has more terms than k1, k2, k3, p1, p2, which miss it by {error:.1f} pixels; export"
            " undistorted pictures with their cameras instead."
        )
    return replace(lens, distortion=tuple(found.tolist()), error=lens.error + error)


def without_skew(skew: float, lens: Lens, height: float, where: str) -> Lens:
    """The lens with its error where it has a skew (pixels in x for 1 in y at depth 1), which ours have not.

    Raises CameraFileError where that is more than MOST_PIXELS.
    """
    error = abs(skew) * max(abs(lens.cy), abs(height - lens.cy)) / lens.fy
    if error > MOST_PIXELS:
        raise CameraFileError(
            f"{where}: its pixels are skewed by {error:.1f} pixels, which is not read; solve the cameras without skew"
            " (B2)."
        )
    return replace(lens, error=lens.error + error)


def _inside(lens: Lens, distorted: Distortion, width: int, height: int):
    """Undistorted coordinates (N,), (N,) whose distorted ones (N,), (N,) lie in the picture, up to where a ray from the
    middle would turn back."""
    corners = np.array([[u, v] for u in (0.0, width) for v in (0.0, height)]) - [lens.cx, lens.cy]
    reach = 1.8 * np.hypot(*(corners / [lens.fx, lens.fy]).T).max()
    angles = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)[:, None]
    radii = np.linspace(0, reach, _RADII)[None, :]
    x, y = np.cos(angles) * radii, np.sin(angles) * radii
    with np.errstate(all="ignore"):
        to_x, to_y = distorted(x, y)
        outward = np.diff(np.hypot(to_x, to_y), axis=1, prepend=-1.0) > 0
        u, v = lens.fx * to_x + lens.cx, lens.fy * to_y + lens.cy
    good = np.logical_and.accumulate(outward & np.isfinite(u) & np.isfinite(v), axis=1)
    good &= (u >= -1) & (u <= width + 1) & (v >= -1) & (v <= height + 1)
    return x[good], y[good], to_x[good], to_y[good]
