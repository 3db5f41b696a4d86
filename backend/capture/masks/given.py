"""Masks from files of any naming: the photographs' own transparency, a folder for each kind, masks whose names tell
their kind, or label pictures with a table of classes."""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ...errors import CaptureError
from ...formats.capture import Capture, View
from ..images import decode_picture, read_mask
from ..pictures import SUFFIXES
from .classes import Classes

WORDS = {
    "hair": {"hair", "hairs"},
    "bust": {"bust", "body", "skin", "face", "head", "shoulders"},
    "person": {"person", "people", "subject", "silhouette", "foreground", "fg", "matte", "alpha", "human"},
}
"""Words of a name that tell what a mask is of."""
_PLAIN = {"mask", "masks", "segmentation", "seg", "label", "labels", "parsing", "png", "jpg", "jpeg", "tif", "tiff"}
_MOST_FILES = 20_000


def given_masks(
    capture: Capture,
    folder: Path | None,
    classes: Classes | None,
    warn: Callable[[str], None],
    tick: Callable[[], None] = lambda: None,
):
    """Yield (view, kind → (H, W) float32 mask from 0 to 1 at its photograph's size) for the views that have any.

    Args:
        folder: of the masks; None for the photographs' own transparency.
        classes: of label pictures; without a table, every file is a mask.

    Raises:
        CaptureError: nothing fits, or a file cannot be read.
    """
    if folder is None:
        yield from _transparency(capture, tick)
        return
    if not folder.is_dir():
        raise CaptureError(f"There is no folder {folder}; choose the one with the masks.")
    found = _by_view(capture.views, _files(folder), folder)
    missing = [view.name for view in capture.views if view.name not in found]
    if not found:
        raise CaptureError(
            f"No file in {folder} is named as a photograph of the capture is ({capture.views[0].name}.png, say); name "
            "the masks as the photographs are named."
        )
    if missing:
        named = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
        warn(f"{len(missing)} of {len(capture.views)} photographs have no mask in {folder.name}: {named}.")
    for view in capture.views:
        masks: dict[str, np.ndarray] = {}
        for path, kind in found.get(view.name, ()):
            for name, mask in (_labelled(path, classes) if classes else {kind: read_mask(path, warn)}).items():
                mask = _fitting(mask, view, path)
                masks[name] = np.maximum(masks[name], mask) if name in masks else mask
        if masks:
            yield view, completed(masks)
        tick()


def completed(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Masks with the kinds that follow from the others: the person is hair and bust, the bust is the person without
    hair."""
    masks = dict(masks)
    if "person" not in masks and "hair" in masks and "bust" in masks:
        masks["person"] = np.clip(masks["hair"] + masks["bust"], 0, 1)
    if "person" in masks:
        for kind, other in (("bust", "hair"), ("hair", "bust")):
            if kind not in masks and other in masks:
                masks[kind] = np.clip(masks["person"] - masks[other], 0, 1)
    return masks


def _transparency(capture: Capture, tick):
    empty = True
    for view in capture.views:
        pixels = decode_picture(view.image)
        if pixels.ndim == 3 and pixels.shape[2] == 4 and pixels[..., 3].min() < 255:
            empty = False
            yield view, {"person": pixels[..., 3].astype(np.float32) / 255}
        tick()
    if empty:
        raise CaptureError(
            "No photograph has transparency; choose the folder with the masks, or have the masks made here."
        )


def _files(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        found += [Path(place) / f for f in sorted(files) if Path(f).suffix.lower() in SUFFIXES and f[0] != "."]
        if len(found) > _MOST_FILES:
            raise CaptureError(f"The folder {folder} holds more than {_MOST_FILES:,} pictures; choose a smaller one.")
    return found


def _by_view(views: tuple[View, ...], files: list[Path], folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """View → (file, kind) of the masks that are named as it is."""
    names = {view.name.lower(): view.name for view in views}
    words = {key: tuple(_words(key)) for key in names}
    by_words = defaultdict(list)
    for key, own in words.items():
        by_words[_bare(own)].append(names[key])
    found = defaultdict(list)
    for path in files:
        stem = path.stem.lower()
        own = tuple(_words(stem))
        kind = _kind(own) or _kind([w for part in path.relative_to(folder).parts[-2::-1] for w in _words(part)])
        kind = kind or _kind(_words(folder.name)) or "person"
        # A picture may be named after its kind itself ("head_03.jpg"), so the whole name comes first.
        bare = stem.removesuffix(".jpg").removesuffix(".png").removesuffix(".jpeg")
        if bare in names:
            found[names[bare]].append((path, kind))
        elif len(match := by_words.get(_bare(own), [])) == 1:
            found[match[0]].append((path, kind))
    return dict(found)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", name.lower())


def _bare(words) -> tuple[str, ...]:
    """The words of a name without those that tell a kind, and numbers without their zeros."""
    known = _PLAIN.union(*WORDS.values())
    return tuple(w.lstrip("0") or w[:1] for w in words if w not in known)


def _kind(words) -> str:
    return next((kind for word in words for kind, known in WORDS.items() if word in known), "")


def _labelled(path: Path, classes: Classes) -> dict[str, np.ndarray]:
    """Kind → (H, W) float32 of a label picture, whose values are class numbers or colours."""
    pixels = decode_picture(path)
    by_colour = any(isinstance(key, tuple) for key in classes.kinds)
    if by_colour and pixels.ndim == 2:
        raise CaptureError(f"{path.name} is grey, but the table gives colours; number the classes in it.")
    if not by_colour and pixels.ndim == 3:
        if np.ptp(pixels[..., :3].astype(np.int16), axis=2).max() > 0:
            raise CaptureError(f"{path.name} is in colours, but the table gives numbers; put #rrggbb in it.")
        pixels = pixels[..., 0]
    masks = {kind: np.zeros(pixels.shape[:2], np.float32) for kind in set(classes.kinds.values())}
    for key, kind in classes.kinds.items():
        same = (pixels[..., 2::-1] == np.array(key, np.uint8)).all(axis=2) if by_colour else pixels == key
        masks[kind][same] = 1.0
    return masks


def _fitting(mask: np.ndarray, view: View, path: Path) -> np.ndarray:
    width, height = view.camera.width, view.camera.height
    if mask.shape == (height, width):
        return mask
    scale = mask.shape[1] / width
    if abs(mask.shape[0] - height * scale) > max(1.0, scale):
        raise CaptureError(
            f"{path.name} has {mask.shape[1]} by {mask.shape[0]} pixels, but its photograph {width} by {height}; make"
            " it at the photograph's size."
        )
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(mask, (width, height), interpolation=way)
