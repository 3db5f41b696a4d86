"""Strokes that an artist paints over photographs to say what is hair, what skin or clothes, and what background.

``strokes/<image stem>.png`` of the capture: red, green and blue where it is opaque, whatever its size; any program
that paints can make one.
"""

from pathlib import Path

import cv2
import numpy as np

from ..images import decode_picture

FOLDER = "strokes"
NOTHING, BACKGROUND, BUST, HAIR = range(4)
COLOURS = {HAIR: (255, 0, 0), BUST: (0, 255, 0), BACKGROUND: (0, 0, 255)}
"""RGB, sRGB."""
PURE = 0.5
"""How much stronger its own channel must be than the others, of 255, for a pixel to be of a colour."""


def strokes_of(path: Path, width: int, height: int) -> np.ndarray:
    """(H, W) uint8 of the four words above, at the size asked for; all NOTHING where there is no such file.

    Raises:
        CaptureError: the file cannot be read.
    """
    if not path.is_file():
        return np.zeros((height, width), np.uint8)
    pixels = decode_picture(path)
    if pixels.ndim == 2:
        return np.zeros((height, width), np.uint8)
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    return resized(label_colours(pixels[..., 2::-1], alpha), width, height)


def resized(labels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Labels (H, W) at another size; a thin stroke must not fall between the pixels of a smaller picture."""
    if labels.shape == (height, width):
        return labels
    result = np.zeros((height, width), np.uint8)
    for label in np.unique(labels[labels > 0]):
        share = cv2.resize((labels == label).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        result[share > 0.25] = label
    return result


def label_colours(colour: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """(H, W) uint8 of the four words above, of colours (H, W, 3) uint8 RGB and their opacity (H, W) uint8."""
    colour = colour.astype(np.int16)
    labels = np.zeros(colour.shape[:2], np.uint8)
    for label, pure in COLOURS.items():
        own = int(np.argmax(pure))
        others = np.delete(colour, own, axis=2).max(axis=2)
        labels[colour[..., own] - others > PURE * 255] = label
    if alpha is not None:
        labels[alpha < 128] = NOTHING
    return labels
