"""Placing charts in the unit square: two large ones side by side, the small ones in the room that they leave."""

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.signal import fftconvolve

from ..errors import HeadError
from ..geometry.raster import rasterise

GRID = 256
MARGIN = 8
"""Texels at 256² between any two charts, and between a chart and the square's edge."""
_MOST_UNEVEN = 1.3
"""The larger of the two large charts has at most so many times the other's area."""
_MUCH_LARGER = 1.4
_MOST_DETAIL = 1.8
"""Small charts get at most so many times the large ones' texels a metre."""


def pack(flats: list[np.ndarray], pieces: list) -> list[np.ndarray]:
    """UVs of each chart in the unit square.

    Args:
        flats: (P, 2) of each chart upright, in metres; the first goes on the left half, the second on the right.
        pieces: the charts' triangles, ``corners`` (K, 3) into those points.
    """
    high = GRID - 2 * MARGIN
    wide = (GRID - 3 * MARGIN) / 2
    large = [_lying_better(flat, wide, high) for flat in flats[:2]]
    scales = [min(wide / size[0], high / size[1]) for size in (np.ptp(flat, axis=0) for flat in large)]
    areas = [scale**2 * _area(flat, piece.corners) for scale, flat, piece in zip(scales, large, pieces)]
    scales = [scale * min(1.0, np.sqrt(_MOST_UNEVEN * min(areas) / area)) for scale, area in zip(scales, areas)]
    placed = []
    for number, (flat, scale) in enumerate(zip(large, scales)):
        size = np.ptp(flat, axis=0)
        left = MARGIN + number * (wide + MARGIN)
        corner = [left + (wide - scale * size[0]) / 2, GRID - MARGIN - scale * size[1]]
        placed.append((flat - flat.min(axis=0)) * scale + corner)
    small = sorted(range(2, len(flats)), key=lambda k: (-_area(flats[k], pieces[k].corners), k))
    least, most, best = 0.0, _MOST_DETAIL * min(scales), None
    for _ in range(7):
        scale = (least + most) / 2 if best is not None or least else most
        found = _place_small(flats, pieces, placed, small, scale)
        if found is None:
            most = scale
            if most < 0.05 * min(scales):
                break
            least = least or 1e-9
        else:
            best, least = found, scale
            if scale == most:
                break
    if best is None and small:
        raise HeadError("The layout has more pieces than find room; mark fewer seams.")
    order = {k: (best or {})[k] for k in small}
    return [(placed[k] if k < 2 else order[k]) / GRID for k in range(len(flats))]


def _lying_better(flat: np.ndarray, wide: float, high: float) -> np.ndarray:
    """The chart upright, or turned by a quarter where that makes it much larger, as a scalp that is slit open wants."""
    across, up = np.ptp(flat, axis=0)
    turned = min(wide / up, high / across) > _MUCH_LARGER * min(wide / across, high / up)
    return flat[:, ::-1] * [-1, 1] if turned else flat


def covered(uv: np.ndarray, size: int) -> np.ndarray:
    """(size, size) bool: texels whose centre lies in a triangle of UVs (F, 3, 2); the first row is the top (V = 1)."""
    return _mask((np.asarray(uv, np.float64) * size).reshape(-1, 2), np.arange(3 * len(uv)).reshape(-1, 3), size)[::-1]


def _place_small(flats, pieces, placed, small, scale):
    """Point lists of the small charts at so many texels a metre, or None if they do not find room."""
    taken = np.zeros((GRID, GRID), bool)
    taken[:MARGIN], taken[-MARGIN:], taken[:, :MARGIN], taken[:, -MARGIN:] = True, True, True, True
    for k in (0, 1):
        # Two texels more than the margin stand for what rounding to whole texels hides.
        taken |= _spread(_mask(placed[k], pieces[k].corners, GRID), MARGIN + 1)
    result = {}
    for k in small:
        flat = (flats[k] - flats[k].min(axis=0)) * scale + 1
        size = np.ceil(np.ptp(flat, axis=0)).astype(int) + 3
        if size.max() > GRID:
            return None
        shape = binary_dilation(_mask(flat, pieces[k].corners, int(size.max()))[: size[1], : size[0]])
        clash = fftconvolve(taken.astype(float), shape[::-1, ::-1].astype(float), mode="valid")
        free = np.argwhere(clash < 0.5)
        if not len(free):
            return None
        # Left parts keep to the right of the square, as on a face seen from the front.
        side = np.sign(flats[k].mean())
        row, column = free[np.lexsort((side * free[:, 1], free[:, 0]))[0]]
        result[k] = flat + [column, row]
        taken |= _spread(_mask(result[k], pieces[k].corners, GRID), MARGIN + 1)
    return result


def _spread(mask: np.ndarray, texels: int) -> np.ndarray:
    y, x = np.ogrid[-texels : texels + 1, -texels : texels + 1]
    return binary_dilation(mask, structure=x**2 + y**2 <= texels**2)


def _mask(points: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    return rasterise(points, np.ones(len(points)), corners, (size, size), perspective=False).face >= 0


def _area(flat: np.ndarray, corners: np.ndarray) -> float:
    a, b, c = np.moveaxis(flat[corners], 1, 0)
    return float(np.abs(np.linalg.det(np.stack([b - a, c - a], axis=1))).sum())
