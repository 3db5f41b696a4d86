"""A job that Blender itself does, without a window, on a copy of the file: the other end of addon/jobs.py."""

import json
import sys
from pathlib import Path

import bpy

from ..backend.contract import RenderGroundTruth, Request, UndistortPhotographs
from ..backend.errors import CaptureError, MaquetteError
from ..backend.protocol import Reporter
from ..backend.worker import run_job
from . import job_places
from .cameras import camera_from_object, camera_of_capture, set_resolution
from .captures import straighten
from .ground_truth.render import Subject, render_ground_truth


def main(folder: str, detached: bool) -> None:
    """Do the job in a folder and end this Blender."""
    sys.exit(run_job(Path(folder), detached, serve=serve))


def serve(request: Request, reporter: Reporter) -> dict:
    """Do what is asked. Raises MaquetteError, Cancelled."""
    if isinstance(request, UndistortPhotographs):
        return {"capture": str(request.capture), "copies": straighten(request.capture, reporter)}
    return ground_truth(request, reporter)


def ground_truth(request: RenderGroundTruth, reporter: Reporter) -> dict:
    """Render ground truth of objects in the open file. Raises CaptureError, Cancelled."""
    scene = bpy.context.scene
    hair = [_object(name) for name in json.loads(request.hair)]
    head = _object(request.head) if request.head else None
    views = scene_cameras(scene) if request.cameras == "scene" else None
    folder = request.out if request.out is not None else reporter.folder / "capture"
    try:
        backend = job_places.python("outer-surface", ask=False)
    except MaquetteError as trouble:
        backend = ""
        if request.surface:
            reporter.warning(f"The outer surface is left out: {trouble}")
    capture = render_ground_truth(
        Subject.of(hair, head), request, folder, reporter, views=views, own=scene, backend_python=backend
    )
    return {"capture": str(capture.folder), "views": len(capture.views)}


def scene_cameras(scene: bpy.types.Scene) -> list:
    """Ours for every camera of a scene that renders, in order of their names; a capture's keep their own resolution.

    Raises CaptureError where there is none, or one is no perspective camera.
    """
    things = sorted((o for o in scene.objects if o.type == "CAMERA" and not o.hide_render), key=lambda o: o.name)
    if not things:
        raise CaptureError("The scene has no cameras; add some, or render from rings of cameras.")
    render = scene.render
    names = ("resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y")
    before = {name: getattr(render, name) for name in names}
    found = []
    for thing in things:
        if camera := camera_of_capture(thing):
            set_resolution(scene, camera)
        found.append(camera_from_object(thing, scene))
        for name, value in before.items():
            setattr(render, name, value)
    return found


def _object(name: str) -> bpy.types.Object:
    thing = bpy.data.objects.get(name)
    if thing is None:
        raise CaptureError(f"There is no object named {name}; it was renamed or deleted.")
    return thing
