"""Blender's cameras and ours: the same projection both ways, to a thousandth of a pixel.

A camera's focal lengths and principal point are the camera's own (lens, shift); the size of the picture and fx/fy
belong to the scene (resolution, pixel aspect), so a scene shows one such camera exactly at a time.
"""

import json

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import CaptureError
from ..backend.formats.capture import Camera

SENSOR_WIDTH = 36.0
"""Millimetres; only the ratio to the lens matters."""

_INTRINSICS = "maquette_camera"
"""Custom property of a camera object: JSON of width, height, fx, fy, cx, cy."""


def add_camera(name: str, camera: Camera, collection: bpy.types.Collection) -> bpy.types.Object:
    """A camera object for one of ours, its distortion left out."""
    thing = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    collection.objects.link(thing)
    set_camera(thing, camera)
    return thing


def set_camera(thing: bpy.types.Object, camera: Camera) -> None:
    """Make a camera object project as ours does, once ``set_resolution`` has been called as well."""
    data = thing.data
    data.type = "PERSP"
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = SENSOR_WIDTH
    data.lens = camera.fx * SENSOR_WIDTH / camera.width
    # Shifts count in sensor widths, and upwards; a pixel of another aspect is fy/fx times as high as wide.
    data.shift_x = (camera.width / 2 - camera.cx) / camera.width
    data.shift_y = (camera.cy - camera.height / 2) / camera.width * camera.fx / camera.fy
    thing.matrix_world = Matrix(camera.camera_to_world.tolist())
    values = {key: getattr(camera, key) for key in ("width", "height", "fx", "fy", "cx", "cy")}
    thing[_INTRINSICS] = json.dumps(values)


def set_resolution(scene: bpy.types.Scene, camera: Camera) -> None:
    """Give the scene the picture size and pixel aspect that belong to one of our cameras."""
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = camera.width, camera.height, 100
    # Blender takes no aspect below 1.
    render.pixel_aspect_x = max(1.0, camera.fy / camera.fx)
    render.pixel_aspect_y = max(1.0, camera.fx / camera.fy)


def camera_of_capture(thing: bpy.types.Object) -> Camera | None:
    """The camera that an object was made from, where the object stands now; None for an artist's own camera."""
    try:
        values = json.loads(thing.get(_INTRINSICS, "null"))
        return values and Camera(camera_to_world=np.array(thing.matrix_world.normalized()), **values)
    except (ValueError, TypeError):
        return None  # somebody else's property under our name


def camera_from_object(
    thing: bpy.types.Object, scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None = None
) -> Camera:
    """Ours for a camera object, at the scene's resolution and pixel aspect, as it stands now.

    Raises:
        CaptureError: it is no perspective camera.
    """
    if thing.type != "CAMERA" or thing.data.type != "PERSP":
        raise CaptureError(f"{thing.name} is no perspective camera; change its type or leave it out.")
    render = scene.render
    scale = render.resolution_percentage / 100
    width, height = int(render.resolution_x * scale), int(render.resolution_y * scale)
    depsgraph = depsgraph or bpy.context.evaluated_depsgraph_get()
    projection = np.array(
        thing.calc_matrix_camera(
            depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
        )
    )
    location, rotation, _ = thing.evaluated_get(depsgraph).matrix_world.decompose()
    return Camera(
        width=width,
        height=height,
        fx=projection[0, 0] * width / 2,
        fy=projection[1, 1] * height / 2,
        cx=(1 - projection[0, 2]) * width / 2,
        cy=(1 + projection[1, 2]) * height / 2,
        camera_to_world=np.array(Matrix.LocRotScale(location, rotation, None)),
    )
