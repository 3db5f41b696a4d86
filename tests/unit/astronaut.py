"""A real photograph with a face (Eileen Collins, NASA; scikit-image carries it), and what an artist says about it."""

import json
from pathlib import Path

import cv2
import numpy as np
import skimage.data

NAME = "eileen"
CLICKS = {
    "right eye 1": (194, 102), "right eye 4": (211, 101), "left eye 1": (239, 103), "left eye 4": (258, 103),
    "nose bridge 4": (225, 126), "nose base 3": (225, 132), "outer lip 1": (205, 140), "outer lip 7": (243, 140),
    "outer lip 10": (224, 154), "jaw 9": (222, 178),
}  # fmt: skip
"""Pixels, read off the picture by eye."""
STROKES = {
    (255, 0, 0): [[(165, 90), (175, 60), (230, 35), (285, 60), (290, 100)]],
    (0, 255, 0): [
        [(205, 120), (240, 120)], [(256, 125), (250, 150)], [(225, 195), (225, 225)],
        [(140, 170), (135, 215), (200, 270), (290, 240)],
        [(60, 300), (330, 330)], [(100, 480), (300, 480)],
    ],
    (0, 0, 255): [
        [(10, 20), (20, 150), (60, 210)], [(110, 20), (120, 140)], [(320, 40), (340, 220)], [(375, 60), (380, 280)],
        [(440, 40), (450, 440)],
    ],
}  # fmt: skip
INSIDE = {
    "hair": [(185, 50), (250, 40), (280, 110), (165, 75), (230, 65)],
    "bust": [(225, 110), (215, 165), (190, 150), (225, 215), (110, 260), (250, 320), (60, 340), (330, 300)],
    "background": [(60, 60), (130, 60), (330, 100), (340, 30), (375, 150), (150, 140), (320, 160)],
}
"""Places, not under the strokes, and what is there."""


def astronaut_capture(folder: Path) -> Path:
    """A capture of that photograph alone, whose camera nobody knows but for a likely focal length."""
    (folder / "images").mkdir(parents=True)
    cv2.imwrite(str(folder / "images" / f"{NAME}.png"), skimage.data.astronaut()[..., ::-1])
    frame = {"file_path": f"images/{NAME}.png", "w": 512, "h": 512}
    (folder / "transforms.json").write_text(json.dumps({"fl_x": 900, "frames": [frame]}))
    return folder


def strokes() -> np.ndarray:
    """(512, 512, 3) uint8 RGB, black where nobody painted."""
    picture = np.zeros((512, 512, 3), np.uint8)
    for colour, lines in STROKES.items():
        for line in lines:
            cv2.polylines(picture, [np.array(line, np.int32)], False, colour, 7)
    return picture
