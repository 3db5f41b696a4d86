"""A sheet of all photographs with their masks over them."""

import cv2
import numpy as np

TILE = 240
"""Pixels of a tile's longer side."""
HAIR, BUST = (235, 70, 60), (70, 190, 90)
"""RGB of the tints."""
COLUMNS = 6


def overview(rows: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: each photograph with its hair red and the rest of its person green, the background dimmed.

    Args:
        rows: (name, image (h, w, 3) uint8, hair (h, w), person (h, w)) each; masks bool or from 0 to 1.
    """
    tiles = [_tile(*row) for row in rows]
    columns = min(COLUMNS, max(1, len(tiles)))
    height, width = (max(t.shape[k] for t in tiles) for k in (0, 1))
    sheet = np.full((-(-len(tiles) // columns) * height, columns * width, 3), 24, np.uint8)
    for number, tile in enumerate(tiles):
        y, x = number // columns * height, number % columns * width
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _tile(name: str, image: np.ndarray, hair: np.ndarray, person: np.ndarray) -> np.ndarray:
    scale = TILE / max(image.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    hair, person = (
        cv2.resize(np.asarray(mask, np.float32), size, interpolation=cv2.INTER_AREA)[..., None]
        for mask in (hair, person)
    )
    tint = hair * np.array(HAIR, np.float32) + np.clip(person - hair, 0, 1) * np.array(BUST, np.float32)
    seen = small * (0.35 + 0.65 * person)
    tile = np.round(np.where(person > 0, 0.62 * seen + 0.38 * (tint + (1 - person) * seen), seen)).astype(np.uint8)
    label = cv2.LINE_AA
    cv2.putText(tile, name[-28:], (5, size[1] - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 3, label)
    cv2.putText(tile, name[-28:], (5, size[1] - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1, label)
    return tile
