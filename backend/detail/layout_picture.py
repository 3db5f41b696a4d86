"""A picture of a layout: its charts in colours, its triangles' edges, the names."""

from pathlib import Path

import cv2
import numpy as np

from .texels import texel_places

COLOURS = ((196, 148, 108), (120, 170, 214), (150, 190, 140), (190, 160, 200), (214, 190, 120), (150, 200, 205))
"""8-bit RGB of the charts, in turn; scalp and face are the first two."""
_FINE = 16


def layout_picture(uv: np.ndarray, chart: np.ndarray, size: int = 1024) -> np.ndarray:
    """(size, size, 3) uint8 RGB.

    Args:
        uv: (F, 3, 2)
        chart: (F,) number of each triangle's chart.
    """
    picture = np.full((size, size, 3), 250, np.uint8)
    corners = np.round(texel_places(uv, size) * _FINE - _FINE / 2).astype(np.int32)
    shift = _FINE.bit_length() - 1
    for number in np.unique(chart):
        colour = COLOURS[number % len(COLOURS)]
        for triangle in corners[chart == number]:
            cv2.fillConvexPoly(picture, triangle, colour, cv2.LINE_8, shift)
    cv2.polylines(picture, list(corners), True, (70, 70, 70), 1, cv2.LINE_AA, shift)
    return picture


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as PNG."""
    path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
