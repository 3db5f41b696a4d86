"""A capture's photographs as masks are cut out of them: reduced, without lens distortion, with what is said of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ...formats.capture import Camera, Capture, View
from ...formats.undistortion import undistorted_camera
from ..images import load_photograph
from .strokes import resized, strokes_of


@dataclass(frozen=True, eq=False)
class Picture:
    """One photograph, reduced and without lens distortion.

    Attributes:
        view: of the capture.
        camera: pinhole camera of these very pixels.
        image: (H, W, 3) uint8, RGB, sRGB.
        lab: (H, W, 3) uint8, CIE L*a*b* as OpenCV keeps it in 8 bits.
        strokes: (H, W) uint8, what the artist said (strokes.py).
    """

    view: View
    camera: Camera
    image: np.ndarray
    lab: np.ndarray
    strokes: np.ndarray

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


def load_pictures(
    capture: Capture, strokes: Path, side: int, *, warn: Callable[[str], None], tick: Callable[[], None]
) -> list[Picture]:
    """All photographs of a capture, with the strokes that lie in a folder.

    Raises:
        CaptureError: one cannot be read.
    """
    pictures = []
    for view in capture.views:
        image, camera, _ = load_photograph(replace(view, masks={}), side, warn)
        said = strokes_of(strokes / f"{view.name}.png", view.camera.width, view.camera.height)
        said = resized(_straight(said, view) if said.any() else said, *image.shape[1::-1])
        # A little smoothing takes the sensor's and the JPEG's noise out of the colours.
        lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 0.7), cv2.COLOR_RGB2LAB)
        pictures.append(Picture(view, camera, image, lab, said))
        tick()
    return pictures


def as_stored(mask: np.ndarray, picture: Picture) -> np.ndarray:
    """A mask (h, w) float32 from 0 to 1 of a picture, (H, W) at its photograph's size and with its lens."""
    lens = picture.view.camera
    if not lens.distortion:
        return cv2.resize(mask, (lens.width, lens.height), interpolation=cv2.INTER_LINEAR).clip(0, 1)
    x = (np.arange(lens.width) + 0.5).astype(np.float32)
    y = (np.arange(lens.height) + 0.5).astype(np.float32)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
    distortion = np.array(lens.distortion)
    straight = cv2.undistortPoints(places, lens.intrinsics, distortion, P=picture.camera.intrinsics)
    straight = straight.reshape(lens.height, lens.width, 2).astype(np.float32) - 0.5
    # Beside the pinhole picture the photograph goes on, and so does what is at its edge.
    return cv2.remap(mask, straight[..., 0], straight[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _straight(labels: np.ndarray, view: View) -> np.ndarray:
    if not view.camera.distortion:
        return labels
    lens, target = view.camera, undistorted_camera(view.camera)
    maps = cv2.initUndistortRectifyMap(
        lens.intrinsics, np.array(lens.distortion), None, target.intrinsics, (lens.width, lens.height), cv2.CV_32FC1
    )
    return cv2.remap(labels, *maps, cv2.INTER_NEAREST)
