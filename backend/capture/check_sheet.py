"""A capture's check as one picture: photographs framed in their light, and where the cameras stand about the head."""

import cv2
import numpy as np

from .check_findings import Checked

TILE, COLUMNS, FRAME = 180, 6, 6
COLOURS = {"green": (80, 190, 90), "yellow": (240, 190, 40), "red": (230, 70, 60)}
"""RGB."""


def check_sheet(checked: Checked) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    lights = checked.report()["views"]
    tiles = [_tile(p.name, p.image, COLOURS[lights[p.name]]) for p in checked.pictures]
    if np.isfinite(checked.azimuths).all() and len(tiles):
        tiles.insert(0, _plan(checked, [COLOURS[lights[p.name]] for p in checked.pictures], tiles[0].shape[0]))
    columns = min(COLUMNS, max(1, len(tiles)))
    height, width = (max(t.shape[k] for t in tiles) for k in (0, 1))
    sheet = np.full((-(-len(tiles) // columns) * height, columns * width, 3), 24, np.uint8)
    for number, tile in enumerate(tiles):
        y, x = number // columns * height, number % columns * width
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _tile(name: str, image: np.ndarray, colour) -> np.ndarray:
    scale = TILE / max(image.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    tile = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    tile = cv2.copyMakeBorder(tile, *(FRAME,) * 4, cv2.BORDER_CONSTANT, value=colour)
    for thick, shade in ((3, (0, 0, 0)), (1, (255, 255, 255))):
        cv2.putText(tile, name[-22:], (FRAME + 4, tile.shape[0] - FRAME - 5), 0, 0.36, shade, thick, cv2.LINE_AA)
    return tile


def _plan(checked: Checked, colours, side: int) -> np.ndarray:
    """The cameras seen from above, the face looking down."""
    plan = np.full((side, side, 3), 40, np.uint8)
    middle, reach = side / 2, side * 0.4
    cv2.circle(plan, (round(middle), round(middle)), round(side * 0.12), (150, 120, 100), -1, cv2.LINE_AA)
    nose = (round(middle), round(middle + side * 0.15))
    cv2.circle(plan, nose, round(side * 0.025), (150, 120, 100), -1, cv2.LINE_AA)
    for azimuth, elevation, colour in zip(checked.azimuths, checked.elevations, colours, strict=True):
        # Left of the person is right in a plan whose face looks down.
        radius = reach * np.cos(np.radians(elevation))
        at = middle + radius * np.array([np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))])
        cv2.circle(plan, tuple(np.round(at).astype(int).tolist()), round(side * 0.022), colour, -1, cv2.LINE_AA)
    return plan
