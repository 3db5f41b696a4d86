"""The pictures and masks of a capture, ready to reconstruct from.

Pixels are taken as they are stored: an EXIF orientation is ignored, as the programs that solve cameras do, because
width, height and principal point count stored pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import CaptureError
from ..formats.capture import Camera, Capture, View
from ..formats.undistortion import sampling_positions, undistorted_camera
from .agreement import check_cameras
from .selection import spread

FEWEST_VIEWS = 3
_GREY = 128
"""What shows through where a picture is transparent."""


@dataclass(frozen=True, eq=False)
class LoadedView:
    """One photograph without lens distortion, with its masks.

    Attributes:
        name: the view's.
        camera: pinhole camera of these very pixels, metres.
        image: (H, W, 3) uint8, RGB, sRGB.
        hair: (H, W) float32, share of each pixel that is hair, 0 to 1.
        bust: (H, W) float32, share that is visible skin, face or shoulders; None where nobody said.
    """

    name: str
    camera: Camera
    image: np.ndarray
    hair: np.ndarray
    bust: np.ndarray | None


def load_views(
    capture: Capture,
    views: int = 0,
    *,
    largest_side: int = 0,
    warn: Callable[[str], None] = lambda sentence: None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[LoadedView]:
    """Decode the views of a capture that have hair.

    Masks of one kind may be missing: hair is then person less bust, bust is person less hair, and without either of
    bust and person, bust is None. A view without a usable hair mask is left out with a warning.

    Args:
        views: most views to use, spread over the directions they look from; 0 for all.
        largest_side: pixels; larger pictures are reduced to it, 0 for none.
        warn: takes sentences about what was left out or mended.
        tick: called with the views done and the views in all; may raise Cancelled.

    Raises:
        CaptureError: a sentence naming the file and what to do, or that fewer than 3 views have hair.
    """
    masked = [view for view in capture.views if _has_hair(view)]
    _check_count(len(masked), len(capture.views), warn)
    chosen = [masked[i] for i in spread([v.camera for v in masked], views)]
    loaded = []
    for number, view in enumerate(chosen):
        found = _load(view, largest_side, warn)
        if found.hair.max() <= 0.5:
            warn(f"The hair mask of {view.image.name} is empty; that photograph is left out.")
        else:
            loaded.append(found)
        tick(number + 1, len(chosen))
    if not loaded:
        raise CaptureError("Every hair mask is empty; paint the hair white in masks/hair.")
    loaded = check_cameras(loaded, warn)
    if len(loaded) < FEWEST_VIEWS:
        raise CaptureError(_too_few(len(loaded)))
    if all(view.bust is None for view in loaded):
        warn("The capture has no bust masks; hair may be found in front of the face, where they would forbid it.")
    return loaded


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an 8 or 16 bit grey, RGB or RGBA file; what is transparent is mid grey.

    Raises:
        CaptureError: the file cannot be read.
    """
    pixels = decode_picture(path)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    colour = np.ascontiguousarray(pixels[..., 2::-1])
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.float32) / 255
        colour = np.round(colour * alpha + _GREY * (1 - alpha)).astype(np.uint8)
    return colour


def read_mask(path: Path, warn: Callable[[str], None] = lambda sentence: None) -> np.ndarray:
    """(H, W) float32 from 0 to 1; colours count by their brightest channel, transparency as outside."""
    pixels = decode_picture(path)
    mask = pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=2)
    if mask.max() == 1:
        warn(f"The mask {_short(path)} has values 0 and 1 instead of 0 and 255; it is read as if it had those.")
        mask = mask * 255
    mask = mask.astype(np.float32) / 255
    return mask * (pixels[..., 3] / np.float32(255)) if pixels.ndim == 3 and pixels.shape[2] == 4 else mask


def decode_picture(path: Path) -> np.ndarray:
    """(H, W) or (H, W, 3 or 4) uint8 as stored, BGR or BGRA. Raises CaptureError."""
    try:
        # Not imread: on Windows that cannot open a path with letters outside the system's code page.
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise CaptureError(f"{_short(path)} cannot be opened ({error.strerror}); put the picture back.") from error
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise CaptureError(f"{_short(path)} is no picture that can be read; export it again as PNG or JPEG.")
    if pixels.dtype == np.uint16:
        pixels = np.round(pixels / 257.0).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise CaptureError(f"{_short(path)} holds {pixels.dtype} values; export it again with 8 or 16 bits.")
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        return np.where(pixels[..., 1] > 0, pixels[..., 0], 0).astype(np.uint8)
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def load_photograph(
    view: View, largest_side: int = 0, warn: Callable[[str], None] = lambda sentence: None
) -> tuple[np.ndarray, Camera, dict[str, np.ndarray]]:
    """One photograph without lens distortion, whatever masks it has.

    Args:
        largest_side: pixels; a larger picture is reduced to it, 0 for none.
        warn: takes sentences about what was mended.

    Returns:
        the picture (H, W, 3) uint8 RGB sRGB, its pinhole camera, and its masks (H, W) float32 from 0 to 1 by kind;
        "hair" and "bust" are made from the other one and "person" where they can be.

    Raises:
        CaptureError: a sentence naming the file and what to do.
    """
    image = read_picture(view.image)
    camera = _camera_of(image, view)
    masks = {kind: _mask_of(path, image, view, warn) for kind, path in view.masks.items()}
    if "person" in masks:
        for kind, other in (("hair", "bust"), ("bust", "hair")):
            if kind not in masks and other in masks:
                masks[kind] = np.clip(masks["person"] - masks[other], 0, 1)
    layers = {"image": image} | masks
    if camera.distortion:
        target = undistorted_camera(camera)
        x, y = sampling_positions(camera, target)
        # OpenCV's first pixel centre is at 0.
        layers = {
            kind: cv2.remap(layer, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for kind, layer in layers.items()
        }
        camera = target
    longest = max(camera.width, camera.height)
    if largest_side and longest > largest_side:
        size = tuple(max(1, round(side * largest_side / longest)) for side in (camera.width, camera.height))
        layers = {kind: cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for kind, layer in layers.items()}
        camera = camera.resized(*size)
    return layers.pop("image"), camera, layers


def _load(view: View, largest_side: int, warn) -> LoadedView:
    image, camera, masks = load_photograph(view, largest_side, warn)
    return LoadedView(view.name, camera, image, masks["hair"], masks.get("bust"))


def _camera_of(image: np.ndarray, view: View) -> Camera:
    height, width = image.shape[:2]
    camera = view.camera
    if (width, height) == (camera.width, camera.height):
        return camera
    if not _same_shape(width, height, camera.width, camera.height):
        raise CaptureError(
            f"{view.image.name} has {width} by {height} pixels, but transforms.json says {camera.width} by"
            f" {camera.height}; use the pictures that the cameras were solved from."
        )
    return camera.resized(width, height)


def _mask_of(path: Path, image: np.ndarray, view: View, warn) -> np.ndarray:
    mask = read_mask(path, warn)
    (height, width), (rows, columns) = image.shape[:2], mask.shape
    if (rows, columns) == (height, width):
        return mask
    if not _same_shape(columns, rows, width, height):
        raise CaptureError(
            f"The mask {_short(path)} has {columns} by {rows} pixels, but its picture {view.image.name} has {width} by"
            f" {height}; make the mask at the picture's size."
        )
    warn(f"The mask {_short(path)} has {columns} by {rows} pixels; it is stretched to {width} by {height}.")
    way = cv2.INTER_AREA if columns > width else cv2.INTER_LINEAR
    return cv2.resize(mask, (width, height), interpolation=way)


def _same_shape(width: int, height: int, other_width: int, other_height: int) -> bool:
    """Whether one size is the other one reduced or enlarged, rounded to whole pixels."""
    scale = width / other_width
    return abs(height - other_height * scale) <= max(1.0, scale)


def _has_hair(view: View) -> bool:
    return "hair" in view.masks or {"bust", "person"} <= view.masks.keys()


def _check_count(masked: int, views: int, warn) -> None:
    if not masked:
        raise CaptureError("The capture has no hair masks; put one for each photograph into masks/hair, as <name>.png.")
    if masked < FEWEST_VIEWS:
        raise CaptureError(_too_few(masked))
    if masked < views:
        warn(f"{views - masked} of {views} photographs have no hair mask and are left out.")


def _too_few(views: int) -> str:
    photographs = "1 photograph" if views == 1 else f"{views} photographs"
    return f"The capture has {photographs} with hair masks; at least {FEWEST_VIEWS} are needed."


def _short(path: Path) -> str:
    """The part of a path that tells a mask from its picture: masks/hair/front.png."""
    return "/".join(path.parts[-3:] if "masks" in path.parts else path.parts[-1:])
