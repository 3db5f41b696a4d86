"""Which part of the head each pixel shows: read from a capture's label images, or drawn from the fitted head.

The classes are prior-guided-head's (section III-D), and one for the rest of the person. What face parsers call their
classes (CelebAMask-HQ's names, our own renders') is told in ``NAMES``.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...capture.images import read_picture
from ...errors import CaptureError
from ...formats.capture import Camera, View
from ...formats.undistortion import sampling_positions, undistorted_camera

CLASSES = ("background", "hair", "face", "eyes", "eyebrows", "nose", "lips", "body")
"""A class's number is its place here."""
BACKGROUND, HAIR, FACE, BODY = (CLASSES.index(name) for name in ("background", "hair", "face", "body"))
NOT_SAID = 255
FOLDER, TABLE = "labels", "classes.json"

NAMES = {
    **{name: name for name in CLASSES},
    "skin": "face", "scalp": "face", "forehead": "face", "ears": "face", "l_ear": "face", "r_ear": "face",
    "ear_r": "face", "left_ear": "face", "right_ear": "face", "eye_g": "face", "glasses": "face",
    "l_eye": "eyes", "r_eye": "eyes", "left_eye": "eyes", "right_eye": "eyes",
    "l_brow": "eyebrows", "r_brow": "eyebrows", "brows": "eyebrows", "eyebrow": "eyebrows",
    "mouth": "lips", "u_lip": "lips", "l_lip": "lips",
    "neck": "body", "neck_l": "body", "cloth": "body", "clothes": "body", "shoulders": "body", "hat": "body",
}  # fmt: skip
"""Others' names → ours. What is not here is ``NOT_SAID``."""


@dataclass(frozen=True)
class LabelTable:
    """Numbers of a capture's label images → classes; (256,) uint8."""

    classes: np.ndarray


def read_table(folder: Path) -> LabelTable | None:
    """The table of a capture's label images, or None where it has none.

    Raises:
        CaptureError: the table cannot be read.
    """
    path = Path(folder) / FOLDER / TABLE
    if not path.is_file():
        return None
    try:
        given = {int(number): str(name) for number, name in json.loads(path.read_text(encoding="utf-8-sig")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise CaptureError(f"{FOLDER}/{TABLE} is no table of numbers and names ({error}); write it again.") from error
    classes = np.full(256, NOT_SAID, np.uint8)
    for number, name in given.items():
        known = NAMES.get(name.strip().lower().replace(" ", "_"))
        if 0 <= number < 256 and known:
            classes[number] = CLASSES.index(known)
    return LabelTable(classes)


def read_labels(folder: Path, view: View, camera: Camera, table: LabelTable) -> np.ndarray | None:
    """(H, W) uint8 classes of a view's undistorted, perhaps reduced picture; None where it has no label image.

    Args:
        camera: of the picture as it was loaded.
    """
    path = Path(folder) / FOLDER / f"{view.name}.png"
    if not path.is_file():
        return None
    labels = table.classes[read_picture(path)[..., 0]]
    size = (view.camera.width, view.camera.height)
    if labels.shape != size[::-1]:
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    if view.camera.distortion:
        x, y = sampling_positions(view.camera, undistorted_camera(view.camera))
        # OpenCV's first pixel centre is at 0.
        labels = cv2.remap(labels, x - 0.5, y - 0.5, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(labels, (camera.width, camera.height), interpolation=cv2.INTER_NEAREST_EXACT)


def without_hair_label(labels: np.ndarray) -> np.ndarray:
    """Labels where hair counts as background, as in the paper's experiment without it (table I)."""
    return np.where(labels == HAIR, BACKGROUND, labels).astype(np.uint8)
