"""An artist's strokes at the size that masks are cut out at."""

from pathlib import Path

import cv2
import numpy as np

from ...formats.mask_strokes import label_colours
from ..images import decode_picture


def strokes_of(path: Path, width: int, height: int) -> np.ndarray:
    """(H, W) uint8 of formats.mask_strokes' words, at the size asked for; all NOTHING where there is no such file.

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
