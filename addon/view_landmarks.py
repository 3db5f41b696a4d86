"""Landmarks in a capture's photographs: between what the artist sees through a camera and ``landmarks.json``."""

import json
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d, region_2d_to_origin_3d, region_2d_to_vector_3d
from mathutils import Vector

from ..backend.errors import CaptureError
from ..backend.formats.capture import Camera
from ..backend.formats.capture_landmarks import FILE, Seen, read_capture_landmarks, write_capture_landmarks
from ..backend.formats.undistortion import photo_positions, pinhole_positions
from .cameras import camera_of_capture
from .captures import CAMERA_ROLE, FOLDER, LENS, VIEW

FEWEST_IN_VIEW = 4
"""Landmarks that say how a head stands in a photograph."""


def is_capture_camera(thing: bpy.types.Object | None) -> bool:
    """One that Open Capture made, of a folder that it knows."""
    return thing is not None and thing.get("maquette_role") == CAMERA_ROLE and folder_of(thing) is not None


def folder_of(thing: bpy.types.Object) -> Path | None:
    """The folder of the capture that a camera belongs to."""
    return next((Path(c[FOLDER]) for c in thing.users_collection if FOLDER in c), None)


def view_of(thing: bpy.types.Object) -> str:
    """The name of a camera's photograph, which the object's name is not where Blender had to add a number."""
    return str(thing.get(VIEW) or thing.name)


def seen_in(thing: bpy.types.Object) -> dict[str, Seen]:
    """The landmarks of a camera's photograph, in pixels of the photograph. Raises CaptureError."""
    return views_of(folder_of(thing)).get(view_of(thing), {})


def views_of(folder: Path) -> dict[str, dict[str, Seen]]:
    """All landmarks of a capture by view, read again where the file has changed. Raises CaptureError."""
    stamp = _stamp(folder)
    if (folder, stamp) != (_kept.get("folder"), _kept.get("stamp")):
        _kept.update(views=read_capture_landmarks(folder), folder=folder, stamp=stamp)
    return _kept["views"]


_kept: dict = {}
"""The folder, its file's time, and its landmarks by view."""


def set_landmark(thing: bpy.types.Object, name: str, seen: Seen | None) -> None:
    """Say where a landmark is in a camera's photograph, or (None) that it is not there. ``keep_landmarks`` writes it.
    Raises CaptureError."""
    there = views_of(folder_of(thing)).setdefault(view_of(thing), {})
    there.pop(name, None)
    if seen is not None:
        there[name] = seen


def keep_landmarks(folder: Path) -> None:
    """Write a capture's landmarks, as they have been set. Raises CaptureError."""
    write_capture_landmarks(folder, views_of(folder))
    _kept["stamp"] = _stamp(folder)


def _stamp(folder: Path) -> int:
    try:
        return (folder / FILE).stat().st_mtime_ns
    except OSError:
        return 0


def pixel_at(thing: bpy.types.Object, region, view, place: tuple[float, float]) -> Seen | None:
    """The pixel of the photograph under a place of a region that looks through its camera; None beside the picture."""
    camera = camera_of_capture(thing)
    if camera is None:
        return None
    origin = region_2d_to_origin_3d(region, view, place)
    point = origin + region_2d_to_vector_3d(region, view, place)
    (pixel,), (depth,) = camera.project(np.array([point]))
    x, y = _photo(thing, camera, *pixel.tolist())
    return Seen(x, y) if depth > 0 and 0 <= x < camera.width and 0 <= y < camera.height else None


def place_of(thing: bpy.types.Object, region, view, seen: Seen) -> Vector | None:
    """The inverse of ``pixel_at``: where in the region a pixel of the photograph is seen."""
    camera = camera_of_capture(thing)
    if camera is None:
        return None
    x, y = seen.x, seen.y
    lens = _lens(thing)
    if lens is not None:
        try:
            x, y = pinhole_positions(lens, camera, x, y)
        except CaptureError:
            return None
    local = ((x - camera.cx) / camera.fx, (camera.cy - y) / camera.fy, -1.0, 1.0)
    return location_3d_to_region_2d(region, view, Vector((camera.camera_to_world @ local)[:3]))


def _photo(thing: bpy.types.Object, camera: Camera, x: float, y: float) -> tuple[float, float]:
    lens = _lens(thing)
    return (x, y) if lens is None else photo_positions(lens, camera, x, y)


def _lens(thing: bpy.types.Object) -> Camera | None:
    """The camera of the photograph itself, where that has distortion."""
    try:
        values = json.loads(thing.get(LENS, "null"))
        return values and Camera(camera_to_world=np.eye(4), **values)
    except (ValueError, TypeError):
        return None  # somebody else's property under our name
