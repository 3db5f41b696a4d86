"""A capture in the scene: its cameras as Blender's cameras, each with its photograph behind it."""

import contextlib
import glob
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import CaptureError
from ..backend.formats.capture import Camera, Capture, View, read_capture
from ..backend.formats.undistortion import sample, sampling_positions, undistorted_camera
from .cameras import add_camera, camera_of_capture, set_resolution

CAMERA_ROLE, CAPTURE_ROLE = "camera", "capture"
FOLDER, SCALE = "maquette_capture", "maquette_metres_per_unit"
"""Custom properties of a capture's collection: its folder, and, where its file does not tell its unit, the metres that
a unit of it has in the scene."""
VIEW, LENS = "maquette_view", "maquette_lens"
"""Custom properties of a capture's camera: its view's name, and, as JSON, the lens of a distorted photograph."""
LENS_VALUES = ("width", "height", "fx", "fy", "cx", "cy", "distortion")
UNDISTORTED = "undistorted"
"""Folder in the capture for the pinhole copies of its photographs; Blender's cameras have no distortion."""
LINED_UP = 0.3
"""Metres between cameras of which nobody knows where they stood."""
_DIGITS = 12


@dataclass(frozen=True)
class OpenedCapture:
    """A capture that is in the scene.

    Attributes:
        collection: holds its cameras.
        cameras: in the capture's order.
        scale_source: where its metres come from; "unknown" where its unit may be anything.
        warnings: sentences about views that could not be shown in full.
    """

    collection: bpy.types.Collection
    cameras: list[bpy.types.Object]
    scale_source: str
    warnings: list[str]


def open_capture(
    context: bpy.types.Context, folder: Path, tick: Callable[[int, int], None] = lambda done, total: None
) -> OpenedCapture:
    """Bring a capture's cameras into the scene and make it the scene's capture. The caller pushes the undo step.

    A capture that is there already is replaced. One whose file does not tell its unit comes at the scale that a head
    gave it in this scene, and as if it were in metres before that. The scene's resolution becomes that of the first
    photograph, because a camera of a capture means a picture of a size.

    ``tick`` is called with the views done and the views in all: undistorting a large photograph takes seconds, once.

    Where the file does not tell where any camera stood, they are lined up, each with its photograph, until a head is
    fitted to it.

    Raises CaptureError, with the scene as it was.
    """
    capture = _read(folder)
    unknown = capture.metres_per_unit is None
    if unknown and (metres_per_unit := fitted_scale(context.scene, capture.folder)):
        capture = capture.in_metres(metres_per_unit, "head fit")
    cameras = [undistorted_camera(view.camera) for view in capture.views]
    collection = _collection(context, capture.folder)
    things, warnings = [], []
    for view, camera in zip(capture.views, cameras, strict=True):
        thing = add_camera(view.name, camera, collection)
        thing["maquette_role"], thing[VIEW] = CAMERA_ROLE, view.name
        if view.camera.distortion:
            thing[LENS] = json.dumps({key: getattr(view.camera, key) for key in LENS_VALUES})
        thing.data.display_size = 0.05
        warning = _show_photograph(thing, view, camera, capture.folder)
        if warning:
            warnings.append(warning)
        things.append(thing)
        tick(len(things), len(cameras))
    set_resolution(context.scene, cameras[0])
    context.scene.camera = things[0]
    collection.pop(SCALE, None)
    if unknown:
        collection[SCALE] = capture.metres_per_unit or 1.0
    context.scene.maquette.capture = str(capture.folder)
    scale_source = "unknown" if capture.metres_per_unit is None else capture.scale_source
    return OpenedCapture(collection, things, scale_source, warnings)


def place_cameras(scene: bpy.types.Scene, folder: Path, poses: dict[str, list]) -> None:
    """Put the cameras of a capture where a fit found them.

    Args:
        poses: view → camera-to-world (4, 4), metres, OpenGL axes.
    """
    for thing in capture_cameras(scene):
        if any(Path(c.get(FOLDER, "")) == folder for c in thing.users_collection) and thing.get(VIEW) in poses:
            thing.matrix_world = Matrix(poses[thing[VIEW]])


def _read(folder: Path) -> Capture:
    try:
        return read_capture(folder)
    except CaptureError:
        if has_poses(folder):
            raise
    capture = read_capture(folder, poses=False)
    views = []
    for number, view in enumerate(capture.views):
        pose = Matrix.Translation((LINED_UP * (number - (len(capture.views) - 1) / 2), -1.0, 0.0))
        pose = np.array(pose @ Matrix.Rotation(np.pi / 2, 4, "X"))  # level, looking along +Y
        views.append(replace(view, camera=replace(view.camera, camera_to_world=pose)))
    return replace(capture, views=tuple(views))


def has_poses(folder: Path) -> bool:
    """A capture's file tells where some camera stood."""
    try:
        return '"transform_matrix"' in (Path(folder) / "transforms.json").read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return True  # whoever reads it as a capture says what is wrong


def capture_cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The cameras of captures in a scene, by name."""
    return sorted((o for o in scene.objects if o.get("maquette_role") == CAMERA_ROLE), key=lambda o: o.name)


def fitted_scale(scene: bpy.types.Scene, folder: Path) -> float:
    """Metres in one unit of a capture, as a head in this scene gave them; 0 where none has."""
    ours = scene.maquette
    return ours.metres_per_unit if ours.scaled_capture and Path(ours.scaled_capture) == Path(folder) else 0.0


def set_fitted_scale(scene: bpy.types.Scene, folder: Path, metres_per_unit: float) -> None:
    """Remember how large the unit of a capture is, and bring its cameras in the scene to metres."""
    scene.maquette.scaled_capture, scene.maquette.metres_per_unit = str(folder), metres_per_unit
    for collection in scene.collection.children_recursive:
        if SCALE not in collection or Path(collection[FOLDER]) != Path(folder):
            continue
        for thing in [o for o in collection.objects if o.get("maquette_role") == CAMERA_ROLE]:
            thing.matrix_world.translation *= metres_per_unit / collection[SCALE]
        collection[SCALE] = metres_per_unit


def look_through(scene: bpy.types.Scene, thing: bpy.types.Object) -> None:
    """Make a capture's camera the scene's, with the resolution and pixel aspect of its photograph."""
    scene.camera = thing
    if camera := camera_of_capture(thing):
        set_resolution(scene, camera)


def _collection(context: bpy.types.Context, folder: Path) -> bpy.types.Collection:
    """An empty collection for the capture of a folder."""
    for collection in context.scene.collection.children_recursive:
        if collection.get(FOLDER) == str(folder):
            for thing in [o for o in collection.objects if o.get("maquette_role") == CAMERA_ROLE]:
                data = thing.data
                bpy.data.objects.remove(thing)
                if not data.users:
                    bpy.data.cameras.remove(data)
            return collection
    collection = bpy.data.collections.new(f"Capture {folder.name}")
    collection["maquette_role"], collection[FOLDER] = CAPTURE_ROLE, str(folder)
    context.scene.collection.children.link(collection)
    return collection


def _show_photograph(thing: bpy.types.Object, view: View, camera: Camera, folder: Path) -> str:
    """Put a view's photograph behind its camera; a sentence where that cannot be done."""
    try:
        if view.camera.distortion:
            image = _undistorted_copy(view, camera, folder)
        else:
            image = bpy.data.images.load(str(view.image), check_existing=True)
    except (OSError, RuntimeError):
        return f"The photograph {view.image.name} cannot be read."
    thing.data.show_background_images = True
    background = thing.data.background_images.new()
    background.image = image
    background.alpha = 1.0
    background.display_depth = "BACK"
    background.frame_method = "STRETCH"
    return ""


def _undistorted_copy(view: View, camera: Camera, folder: Path) -> bpy.types.Image:
    """The pinhole picture of a photograph, kept in the capture; packed into the file where that cannot be written.

    Its name tells the lens and the photograph that it was made of, so that one of another solution is never taken.
    """
    path = folder / UNDISTORTED / f"{view.name}.{_origin(view)}.png"
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
