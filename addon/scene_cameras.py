"""A capture of the scene's own cameras: those that stand before a picture, as another importer or an artist's own
matching leaves them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import bpy

from ..backend.errors import CaptureError
from ..backend.formats.capture import Capture, View, write_capture
from .cameras import camera_from_object
from .captures import CAMERA_ROLE

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


def cameras_with_pictures(scene: bpy.types.Scene) -> list[tuple[bpy.types.Object, bpy.types.Image]]:
    """The scene's cameras that are of no capture and have a picture from a file behind them, by name."""
    found = []
    for thing in sorted(scene.objects, key=lambda o: o.name):
        if thing.type == "CAMERA" and thing.get("maquette_role") != CAMERA_ROLE:
            shown = (background.image for background in thing.data.background_images)
            image = next((i for i in shown if i is not None and i.source == "FILE"), None)
            if image is not None:
                found.append((thing, image))
    return found


def capture_scene(
    context: bpy.types.Context, folder: Path, tick: Callable[[int, int], None] = lambda done, total: None
) -> list[str]:
    """Write the scene's cameras and the pictures behind them as a capture.

    A camera in Blender has no picture size of its own: it is the scene's resolution, and a picture of another shape is
    none of what the camera sees.

    Returns:
        sentences about cameras that were left out.

    Raises:
        CaptureError: there are none, or the capture cannot be written.
    """
    pairs, views, left_out, sources = cameras_with_pictures(context.scene), [], [], []
    if not pairs:
        raise CaptureError("No camera of the scene has a picture behind it; add background images to the cameras.")
    depsgraph = context.evaluated_depsgraph_get()
    for thing, image in pairs:
        path = Path(bpy.path.abspath(image.filepath, library=image.library))
        width, height = image.size
        if path.suffix.lower() not in SUFFIXES or not path.is_file() or not width:
            left_out.append(f"The picture behind {thing.name}, {path.name}, cannot be read; it is left out.")
            continue
        try:
            camera = camera_from_object(thing, context.scene, depsgraph)
        except CaptureError as error:
            left_out.append(str(error))
            continue
        if abs(height - camera.height * width / camera.width) > max(1.0, width / camera.width):
            left_out.append(
                f"The picture behind {thing.name} has {width} by {height} pixels, another shape than the scene's"
                f" resolution of {camera.width} by {camera.height}; it is left out."
            )
            continue
        name = bpy.path.clean_name(thing.name)
        views.append(View(name, folder / "images" / (name + path.suffix.lower()), camera.resized(width, height)))
        sources.append(path)
    if not views:
        raise CaptureError(left_out[0])
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for done, (path, view) in enumerate(zip(sources, views, strict=True)):
            if not view.image.exists() or not view.image.samefile(path):
                shutil.copyfile(path, view.image)
            tick(done + 1, len(views))
        write_capture(Capture(folder, tuple(views), 1.0, "assumed"))
    except OSError as error:
        raise CaptureError(f"The capture cannot be written in {folder}: {error.strerror or error}.") from error
    return left_out
