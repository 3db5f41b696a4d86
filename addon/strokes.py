"""Strokes over photographs, painted with Blender's own brushes in the image editor.

What is painted on is a copy of a photograph in the file; what differs from the photograph in one of three pure colours
is a stroke, and is kept in the capture's folder.
"""

import contextlib
from pathlib import Path

import bpy
import numpy as np
from bpy.app.handlers import persistent

from ..backend.errors import CaptureError, MaquetteError
from ..backend.formats.capture import View, has_poses, read_capture
from ..backend.formats.mask_strokes import COLOURS, FOLDER, colours_of, label_colours, write_strokes

VIEW, CAPTURE = "maquette_strokes", "maquette_strokes_of"
"""Custom properties of an image that is painted on: its view, and its capture's folder."""
KINDS = {"hair": 3, "bust": 2, "background": 1}
"""What a brush says → the word of formats.mask_strokes."""
CHANGED = 6 / 255
"""Of a channel: what differs by more has been painted on."""


def view_named(folder: Path, name: str) -> View:
    """Raises CaptureError."""
    capture = read_capture(folder, poses=has_poses(folder))
    found = next((view for view in capture.views if view.name == name), None)
    if found is None:
        raise CaptureError(f"The capture has no photograph named {name}; open it again.")
    return found


def canvas_of(folder: Path, name: str) -> bpy.types.Image:
    """The image to paint strokes of a view on, as it was left, or made anew with the strokes that are kept.

    Raises CaptureError.
    """
    for image in bpy.data.images:
        if image.get(VIEW) == name and Path(image.get(CAPTURE, "")) == folder:
            return image
    view = view_named(folder, name)
    colours = _photograph(view)
    height, width = colours.shape[:2]
    strokes = _kept(folder, name, width, height)
    painted = strokes > 0
    colours[painted, :3] = colours_of(strokes)[painted] / 255
    image = bpy.data.images.new(f"Strokes {name}", width, height)
    image[VIEW], image[CAPTURE] = name, str(folder)
    _write(image, colours)
    image.pack()
    return image


def keep_strokes(folder: Path) -> int:
    """Write what was painted in this file for a capture to its folder; returns how many photographs have strokes.

    Raises CaptureError.
    """
    count = 0
    for image in [i for i in bpy.data.images if VIEW in i and Path(i.get(CAPTURE, "")) == folder]:
        view = view_named(folder, image[VIEW])
        labels = strokes_on(image, _photograph(view))
        write_strokes(folder, view.name, labels)
        count += bool(labels.any())
    return count


@persistent
def keep_all(*_) -> None:
    """Write the strokes of all captures: before the file is saved, and before another one is opened in its place.

    What cannot be written now is kept or told of by Make Masks.
    """
    for folder in {image.get(CAPTURE, "") for image in bpy.data.images if VIEW in image}:
        with contextlib.suppress(MaquetteError):
            keep_strokes(Path(folder))


def strokes_on(image: bpy.types.Image, photograph: np.ndarray) -> np.ndarray:
    """(H, W) uint8, first row on top: what is painted in one of the three colours over a photograph (H, W, 4)."""
    painted = _pixels(image)
    if painted.shape != photograph.shape:
        raise CaptureError(f"{image.name} has another size than its photograph now; remove it and paint again.")
    changed = np.abs(painted[..., :3] - photograph[..., :3]).max(axis=2) > CHANGED
    labels = label_colours(np.round(painted[..., :3] * 255).astype(np.uint8))
    labels[~changed] = 0
    return labels


def remove_strokes(folder: Path, name: str) -> None:
    """Take the strokes of a view away, in the capture's folder and in this file. Raises CaptureError."""
    write_strokes(folder, name, np.zeros((1, 1), np.uint8))
    for image in [i for i in bpy.data.images if i.get(VIEW) == name and Path(i.get(CAPTURE, "")) == folder]:
        _write(image, _photograph(view_named(folder, name)))


def views_with_strokes(folder: Path) -> list[str]:
    """Names of the photographs that have strokes in the capture's folder."""
    return sorted(path.stem for path in (folder / FOLDER).glob("*.png"))


def set_brush(context: bpy.types.Context, kind: str) -> None:
    """Give the brushes that paint images the colour of a kind."""
    paint, colour = context.tool_settings.image_paint, tuple(channel / 255 for channel in COLOURS[KINDS[kind]])
    # Blender 5 keeps what brushes share with each mode. Before the first stroke there may be no brush yet.
    unified = getattr(paint, "unified_paint_settings", None) or context.tool_settings.unified_paint_settings
    unified.use_unified_color = True
    unified.color = colour
    if paint.brush is not None:
        paint.brush.color = colour


def _photograph(view: View) -> np.ndarray:
    """(H, W, 4) float32 as stored, first row on top."""
    try:
        image = bpy.data.images.load(str(view.image))
    except RuntimeError:
        raise CaptureError(f"The photograph {view.image.name} cannot be read.") from None
    try:
        if not image.size[0]:
            raise CaptureError(f"The photograph {view.image.name} cannot be read.")
        return _pixels(image)
    finally:
        bpy.data.images.remove(image)


def _kept(folder: Path, name: str, width: int, height: int) -> np.ndarray:
    """(H, W) uint8 strokes of the capture's folder, at a photograph's size."""
    path = folder / FOLDER / f"{name}.png"
    if not path.is_file():
        return np.zeros((height, width), np.uint8)
    image = bpy.data.images.load(str(path))
    try:
        pixels = _pixels(image)
    finally:
        bpy.data.images.remove(image)
    rows = np.arange(height) * len(pixels) // height
    columns = np.arange(width) * pixels.shape[1] // width
    pixels = np.round(pixels[rows[:, None], columns] * 255).astype(np.uint8)
    return label_colours(pixels[..., :3], pixels[..., 3])


def _pixels(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 4) float32, first row on top."""
    width, height = image.size
    pixels = np.empty((height, width, 4), np.float32)
    image.pixels.foreach_get(pixels.ravel())
    return pixels[::-1].copy()


def _write(image: bpy.types.Image, pixels: np.ndarray) -> None:
    image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1]).ravel())
    image.update()


classes = ()


def register():
    for handlers in (bpy.app.handlers.save_pre, bpy.app.handlers.load_pre):
        handlers.append(keep_all)


def unregister():
    for handlers in (bpy.app.handlers.save_pre, bpy.app.handlers.load_pre):
        if keep_all in handlers:
            handlers.remove(keep_all)
