"""A capture in the scene: its cameras as Blender's cameras, each with its photograph behind it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import CaptureError
from ..backend.formats.capture import Capture, has_poses, read_capture
from ..backend.formats.undistortion import undistorted_camera
from ..backend.protocol import Reporter
from . import photographs
from .cameras import add_camera, camera_of_capture, set_resolution

CAMERA_ROLE, CAPTURE_ROLE = "camera", "capture"
FOLDER, SCALE = "maquette_capture", "maquette_metres_per_unit"
"""Custom properties of a capture's collection: its folder, and, where its file does not tell its unit, the metres that
a unit of it has in the scene."""
VIEW, LENS = "maquette_view", "maquette_lens"
"""Custom properties of a capture's camera: its view's name, and, as JSON, the lens of a distorted photograph."""
LENS_VALUES = ("width", "height", "fx", "fy", "cx", "cy", "distortion")
LINED_UP = 0.3
"""Metres between cameras of which nobody knows where they stood."""


@dataclass(frozen=True)
class OpenedCapture:
    """A capture that is in the scene.

    Attributes:
        collection: holds its cameras.
        cameras: in the capture's order.
        scale_source: where its metres come from; "unknown" where its unit may be anything, "unposed" where nobody
            knows where its cameras stood either.
        warnings: sentences about views that could not be shown in full.
        pending: names of the views whose photographs are still to be undistorted.
    """

    collection: bpy.types.Collection
    cameras: list[bpy.types.Object]
    scale_source: str
    warnings: list[str]
    pending: list[str]


def open_capture(
    context: bpy.types.Context,
    folder: Path,
    tick: Callable[[int, int], None] = lambda done, total: None,
    *,
    later: bool = False,
) -> OpenedCapture:
    """Bring a capture's cameras into the scene and make it the scene's capture. The caller pushes the undo step.

    A capture that is there already is replaced. One whose file does not tell its unit comes at the scale that a head
    gave it in this scene, and as if it were in metres before that. The scene's resolution becomes that of the first
    photograph, because a camera of a capture means a picture of a size.

    Undistorting a large photograph takes seconds, once. ``tick`` is called with the views done and the views in all;
    with ``later``, the caller sees to it that ``straighten`` and ``show_straightened`` are called instead.

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
    things, warnings, pending = [], [], []
    for view, camera in zip(capture.views, cameras, strict=True):
        thing = add_camera(view.name, camera, collection)
        thing["maquette_role"], thing[VIEW] = CAMERA_ROLE, view.name
        if view.camera.distortion:
            thing[LENS] = json.dumps({key: getattr(view.camera, key) for key in LENS_VALUES})
        thing.data.display_size = 0.05
        try:
            if later and not photographs.is_ready(view, capture.folder):
                pending.append(view.name)
            else:
                photographs.show(thing, photographs.image_of(view, camera, capture.folder))
        except (OSError, RuntimeError):
            warnings.append(photographs.unreadable(view))
        things.append(thing)
        tick(len(things), len(cameras))
    set_resolution(context.scene, cameras[0])
    context.scene.camera = things[0]
    collection.pop(SCALE, None)
    if unknown:
        collection[SCALE] = capture.metres_per_unit or 1.0
    context.scene.maquette.capture = str(capture.folder)
    posed = has_poses(capture.folder)
    context.scene.maquette.fit.cameras = "known" if posed else "unknown"
    scale_source = "unknown" if capture.metres_per_unit is None else capture.scale_source
    if not posed:
        scale_source = "unposed"
    return OpenedCapture(collection, things, scale_source, warnings, pending)


def straighten(folder: Path, reporter: Reporter) -> int:
    """Undistort the photographs of a capture for which that was not done yet; returns how many those were.

    Raises CaptureError, Cancelled; the copies that are ready then stay.
    """
    capture = _read(folder)
    waiting = [view for view in capture.views if not photographs.is_ready(view, capture.folder)]
    reporter.stage("Undistorting photographs", len(waiting))
    for number, view in enumerate(waiting):
        try:
            image = photographs.image_of(view, undistorted_camera(view.camera), capture.folder)
            bpy.data.images.remove(image)
            if not photographs.is_ready(view, capture.folder):
                raise CaptureError(
                    f"The copy of {view.image.name} cannot be written in {capture.folder}; make room there."
                )
        except (OSError, RuntimeError):
            reporter.warning(photographs.unreadable(view))
        reporter.step(number + 1)
    return len(waiting)


def show_straightened(scene: bpy.types.Scene, folder: Path) -> None:
    """Put the undistorted photographs of a capture behind those of its cameras that have none yet."""
    views = {view.name: view for view in _read(folder).views}
    for thing in _cameras_of(scene, folder):
        view = views.get(thing.get(VIEW))
        if view is not None and not thing.data.background_images and photographs.is_ready(view, Path(folder)):
            photographs.show(thing, photographs.image_of(view, undistorted_camera(view.camera), Path(folder)))


def place_cameras(scene: bpy.types.Scene, folder: Path, poses: dict[str, list]) -> None:
    """Put the cameras of a capture where a fit found them.

    Args:
        poses: view → camera-to-world (4, 4), metres, OpenGL axes.
    """
    for thing in _cameras_of(scene, folder):
        if thing.get(VIEW) in poses:
            thing.matrix_world = Matrix(poses[thing[VIEW]])


def _cameras_of(scene: bpy.types.Scene, folder: Path) -> list[bpy.types.Object]:
    """The cameras in a scene of the capture of a folder."""
    things = capture_cameras(scene)
    return [thing for thing in things if any(Path(c.get(FOLDER, "")) == folder for c in thing.users_collection)]


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


def in_the_way(scene: bpy.types.Scene, cameras: list[bpy.types.Object]) -> str:
    """The name of a mesh around some of the cameras, which hides their photographs; "" if there is none.

    In a new file Blender's own cube is one: it is two metres wide.
    """
    for thing in scene.objects:
        if thing.type != "MESH" or not thing.visible_get() or abs(thing.matrix_world.determinant()) < 1e-12:
            continue
        inverse, corners = thing.matrix_world.inverted(), np.array(thing.bound_box)
        places = np.array([inverse @ camera.matrix_world.translation for camera in cameras])
        if ((places > corners.min(axis=0)) & (places < corners.max(axis=0))).all(axis=1).any():
            return thing.name
    return ""


def capture_cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The cameras of captures in a scene, by name."""
    return sorted((o for o in scene.objects if o.get("maquette_role") == CAMERA_ROLE), key=lambda o: o.name)


def fitted_scale(scene: bpy.types.Scene, folder: Path) -> float:
    """Metres in one unit of a capture, as a head in this scene gave them; 0 where none has."""
    ours = scene.maquette
    return ours.metres_per_unit if ours.scaled_capture and Path(ours.scaled_capture) == Path(folder) else 0.0


def set_fitted_scale(scene: bpy.types.Scene, folder: Path, metres_per_unit: float, source: str = "head fit") -> None:
    """Remember how large the unit of a capture is, and bring its cameras in the scene to metres.

    Args:
        source: where that comes from, of ``formats.capture.SCALE_SOURCES``.
    """
    ours = scene.maquette
    ours.scaled_capture, ours.metres_per_unit = str(folder), metres_per_unit
    ours.scale_assumed = source == "assumed"
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
