"""The photographs behind a capture's cameras: cameras have no distortion in Blender, so photographs get copies that
have none either."""

import contextlib
import glob
import hashlib
import os
from pathlib import Path

import bpy
import numpy as np

from ..backend.formats.capture import Camera, View
from ..backend.formats.undistortion import sample, sampling_positions

UNDISTORTED = "undistorted"
"""Folder in the capture for the pinhole copies of its photographs."""
_DIGITS = 12


def is_ready(view: View, folder: Path) -> bool:
    """Whether a view's photograph can be shown without undistorting it first, or could be kept nowhere if it were.

    Raises OSError where there is no such photograph.
    """
    return not view.camera.distortion or _copy_path(view, folder).is_file() or not os.access(folder, os.W_OK)


def image_of(view: View, camera: Camera, folder: Path) -> bpy.types.Image:
    """A view's photograph as its camera in Blender sees it. Raises OSError, RuntimeError where it cannot be read."""
    if view.camera.distortion:
        return _undistorted_copy(view, camera, folder)
    return bpy.data.images.load(str(view.image), check_existing=True)


def show(thing: bpy.types.Object, image: bpy.types.Image) -> None:
    """Put a photograph behind a camera."""
    thing.data.show_background_images = True
    background = thing.data.background_images.new()
    background.image = image
    background.alpha = 1.0
    background.display_depth = "BACK"
    background.frame_method = "STRETCH"


def unreadable(view: View) -> str:
    """What to say where a photograph cannot be shown."""
    return f"The photograph {view.image.name} cannot be read."


def _copy_path(view: View, folder: Path) -> Path:
    return folder / UNDISTORTED / f"{view.name}.{_origin(view)}.png"


def _undistorted_copy(view: View, camera: Camera, folder: Path) -> bpy.types.Image:
    """The pinhole picture of a photograph, kept in the capture; packed into the file where that cannot be written.

    Its name tells the lens and the photograph that it was made of, so that one of another solution is never taken.
    """
    path = _copy_path(view, folder)
    if path.is_file():
        with contextlib.suppress(RuntimeError):
            return bpy.data.images.load(str(path), check_existing=True)
    image = bpy.data.images.load(str(view.image))
    try:
        width, height = image.size
        if not width:
            raise RuntimeError(f"{view.image} has no pixels")
        pixels = np.empty((height, width, 4), np.float32)
        image.pixels.foreach_get(pixels.ravel())
        colours = image.colorspace_settings.name
    finally:
        # Nothing shows it, and a capture of photographs would fill the memory with them.
        bpy.data.images.remove(image)
    # Blender's rows go upwards; a picture of another size than its camera says is sampled in its own pixels.
    x, y = sampling_positions(view.camera, camera)
    x, y = x * (width / view.camera.width), y * (height / view.camera.height)
    straight = sample(pixels[::-1], x, y)[::-1].astype(np.float32)
    copy = bpy.data.images.new(f"{view.name} undistorted", camera.width, camera.height, alpha=False)
    copy.colorspace_settings.name = colours
    copy.pixels.foreach_set(np.ascontiguousarray(straight).ravel())
    copy.file_format = "PNG"
    try:
        path.parent.mkdir(exist_ok=True)
        copy.filepath_raw = str(path)
        copy.save()
        for older in path.parent.glob(f"{glob.escape(view.name)}.{'?' * _DIGITS}.png"):
            if older != path:
                older.unlink()
    except (OSError, RuntimeError):
        copy.pack()
    return copy


def _origin(view: View) -> str:
    """What an undistorted copy depends on, as some digits: the lens, and the photograph's size and time."""
    lens, file = view.camera, view.image.stat()
    values = (lens.width, lens.height, lens.fx, lens.fy, lens.cx, lens.cy, tuple(lens.distortion))
    told = repr(tuple(map(repr, values)) + (file.st_size, file.st_mtime_ns))
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]
