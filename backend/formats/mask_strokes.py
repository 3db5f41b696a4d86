"""Strokes that an artist paints over photographs to say what is hair, what skin or clothes, and what background.

``strokes/<image stem>.png`` of the capture: red, green and blue on black or on nothing, whatever its size; any program
that paints can make one. NumPy only.
"""

from pathlib import Path

import numpy as np

from ..errors import CaptureError
from .png import write_png

FOLDER = "strokes"
NOTHING, BACKGROUND, BUST, HAIR = range(4)
COLOURS = {HAIR: (255, 0, 0), BUST: (0, 255, 0), BACKGROUND: (0, 0, 255)}
"""RGB, sRGB."""
PURE = 0.5
"""How much stronger its own channel must be than the others, of 255, for a pixel to be of a colour."""


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


def colours_of(labels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of labels (H, W)."""
    table = np.zeros((4, 3), np.uint8)
    for label, colour in COLOURS.items():
        table[label] = colour
    return table[labels]


def write_strokes(capture: Path, view: str, labels: np.ndarray) -> Path:
    """Write the strokes (H, W) of a view of a capture; without any, its file goes. Returns its path.

    Raises:
        CaptureError: it cannot be written.
    """
    path = Path(capture) / FOLDER / f"{view}.png"
    try:
        if labels.any():
            write_png(path, colours_of(labels))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise CaptureError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path
