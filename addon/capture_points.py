"""The points that were solved with a capture's cameras, as a cloud in the scene."""

import zipfile
from pathlib import Path

import bpy
import numpy as np

from ..backend.errors import CaptureError
from .captures import FOLDER, SCALE

POINTS_ROLE = "capture points"
_SEEN_BY, _OFF = 3, 1.5
"""Only points that so many pictures see, to so many pixels, are worth looking at."""


def show_points(scene: bpy.types.Scene, folder: Path) -> bpy.types.Object | None:
    """Put the capture's points into its collection, in place of those that were there; None where it has none.

    Raises CaptureError where their file cannot be read.
    """
    collection = next((c for c in scene.collection.children_recursive if c.get(FOLDER) == str(folder)), None)
    if collection is None:
        return None
    hide_points(scene, folder)
    try:
        with np.load(Path(folder) / "sparse.npz", allow_pickle=False) as file:
            points, colours, tracks, errors = (file[name] for name in ("points", "colours", "tracks", "errors"))
        good = (tracks >= min(_SEEN_BY, tracks.max(initial=0))) & (errors < _OFF) & np.isfinite(points).all(axis=1)
        points, colours = points[good].astype(np.float32), colours[good].astype(np.float32) / 255
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise CaptureError(f"The capture's points cannot be read ({error}); import the pictures again.") from error
    mesh = bpy.data.meshes.new("Capture Points")
    mesh.vertices.add(len(points))
    mesh.vertices.foreach_set("co", (points * collection.get(SCALE, 1.0)).ravel())
    attribute = mesh.color_attributes.new("Colour", "BYTE_COLOR", "POINT")
    attribute.data.foreach_set("color_srgb", np.pad(colours, ((0, 0), (0, 1)), constant_values=1.0).ravel())
    thing = bpy.data.objects.new("Capture Points", mesh)
    thing["maquette_role"], thing[FOLDER] = POINTS_ROLE, str(folder)
    thing.hide_render = True
    collection.objects.link(thing)
    return thing


def hide_points(scene: bpy.types.Scene, folder: Path) -> bool:
    """Take the cloud of a capture out of the scene; whether there was one."""
    found = [o for o in scene.objects if o.get("maquette_role") == POINTS_ROLE and o.get(FOLDER) == str(folder)]
    for thing in found:
        mesh = thing.data
        bpy.data.objects.remove(thing)
        if not mesh.users:
            bpy.data.meshes.remove(mesh)
    return bool(found)


def points_shown(scene: bpy.types.Scene, folder: Path) -> bool:
    """Whether the capture's cloud is in the scene."""
    return any(o.get("maquette_role") == POINTS_ROLE and o.get(FOLDER) == str(folder) for o in scene.objects)
