"""A head's capture with the faults that an artist's own photographs have. Each copy lacks the truth."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from backend.formats.capture import read_capture, write_capture

from .robustness import copy, with_dilated_masks, with_shaken_cameras

BRIGHTER = 1.8
"""Of one view's values."""


def with_room(source: Path, destination: Path) -> Path:
    """A capture before a cluttered background that differs from view to view, one view exposed wrongly."""
    copy(source, destination)
    random = np.random.default_rng(4)
    for number, view in enumerate(read_capture(destination).views):
        picture = cv2.imdecode(np.fromfile(view.image, np.uint8), cv2.IMREAD_COLOR).astype(np.float32)
        mask = cv2.imdecode(np.fromfile(view.masks["person"], np.uint8), cv2.IMREAD_GRAYSCALE)[..., None] / 255
        coarse = random.random((9, 9, 3)).astype(np.float32) * 255
        room = cv2.resize(coarse, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        room += cv2.resize(random.normal(0, 30, (90, 90, 3)).astype(np.float32), picture.shape[1::-1])
        picture = mask * picture + (1 - mask) * room
        if number == 4:
            picture *= BRIGHTER
        view.image.write_bytes(cv2.imencode(".png", np.round(picture.clip(0, 255)))[1].tobytes())
    return destination


def without_a_mask(source: Path, destination: Path) -> Path:
    """A capture one of whose views has no mask of any kind, nor labels."""
    copy(source, destination)
    view = read_capture(destination).views[3]
    for path in view.masks.values():
        path.unlink()
    (destination / "labels" / f"{view.name}.png").unlink(missing_ok=True)
    return destination


def with_a_repeated_view(source: Path, destination: Path) -> Path:
    """A capture two of whose views were taken from one place: the last repeats the one before."""
    copy(source, destination)
    capture = read_capture(destination)
    views = list(capture.views)
    before, last = views[-2:]
    for part, suffix in (("images", last.image.suffix), ("labels", ".png")):
        if (destination / part / f"{before.name}{suffix}").is_file():
            shutil.copyfile(destination / part / f"{before.name}{suffix}", destination / part / f"{last.name}{suffix}")
    for kind, path in before.masks.items():
        shutil.copyfile(path, last.masks[kind])
    views[-1] = dataclasses.replace(last, camera=before.camera)
    write_capture(dataclasses.replace(capture, views=tuple(views)))
    _without_landmarks_of(destination, last.name)
    return destination


def pictures_and_masks_only(source: Path, destination: Path) -> Path:
    """A capture without labels, landmarks or masks of hair: pictures, cameras and the person's masks."""
    copy(source, destination)
    for part in ("labels", "masks/hair", "masks/bust"):
        shutil.rmtree(destination / part, ignore_errors=True)
    (destination / "landmarks.json").unlink(missing_ok=True)
    return destination


FAULTS: dict[str, tuple[str, Callable[[Path, Path], Path]]] = {
    "room": ("cluttered background, one view 1.8 times as bright", with_room),
    "shaken": ("cameras off by 0.5 px", lambda source, to: with_shaken_cameras(source, to, 0.5, seed=0)),
    "dilated": ("masks dilated by 3 px", lambda source, to: with_dilated_masks(source, to, 3)),
    "unmasked": ("one view without a mask", without_a_mask),
    "repeated": ("two views from one place", with_a_repeated_view),
    "bare": ("pictures, cameras and masks of the person only", pictures_and_masks_only),
}
"""Name → in words, and what makes it of a capture, into a folder."""


def _without_landmarks_of(folder: Path, view: str) -> None:
    path = folder / "landmarks.json"
    if path.is_file():
        values = json.loads(path.read_text("utf-8"))
        values.get("views", {}).pop(view, None)
        path.write_text(json.dumps(values), encoding="utf-8")
