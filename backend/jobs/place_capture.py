"""A capture's world in metres, and upright."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..capture.frame import apply, moved, moved_points, point_of
from ..contract import FitPhotos, PlaceCapture
from ..errors import CaptureError
from ..fit.model import model_to_fit
from ..formats.capture import Capture, read_capture, write_capture
from ..formats.capture_landmarks import read_capture_landmarks
from ..formats.coefficients import Similarity
from ..formats.flame_model import y_up
from ..formats.head import read_mesh, write_head
from ..protocol import Reporter
from . import fit_photos

_MISSED = 0.01
"""Of the picture's longer side: clicks that miss their point by more are told."""


def run(request: PlaceCapture, reporter: Reporter) -> dict:
    """Write the capture's transforms.json again, and its sparse.npz where it has one.

    By a head, the world becomes the head model's own: metres, Z up, looking along -Y; that head is left as head.npz in
    the job's folder. By a distance the world keeps its axes.
    """
    folder = Path(request.capture).expanduser().absolute()
    capture = read_capture(folder)
    folder = capture.folder
    if capture.scale_source == "rendered":
        raise CaptureError("This capture was rendered, so its metres and its axes are true already.")
    reporter.stage("Measuring the capture")
    told: dict = {}
    if request.by == "head":
        world, told = _by_head(request, reporter)
        # A scale that somebody measured stands above what a head model finds likely.
        source = "head fit" if capture.metres_per_unit is None else capture.scale_source
    elif request.by == "distance":
        world, told = _by_distance(request, capture, reporter)
        source = "measured"
    else:
        world, source = np.eye(4), "assumed"
    views = tuple(replace(view, camera=moved(view.camera, world)) for view in capture.views)
    moved_points(folder, world)
    write_capture(Capture(folder, views, 1.0, source, capture.light_bounces))
    if source == "assumed":
        reporter.warning(
            "The scale is assumed: shapes are right, but every millimetre may be off, by a tenth where the pictures"
            " showed a face when they were imported and by a third where not, until a head is fitted or a distance is"
            " measured."
        )
    scale = float(np.cbrt(np.linalg.det(world[:3, :3])))
    return {"capture": str(folder), "scale": source, "metres_per_unit": scale, "world": world.tolist()} | told


def _by_head(request: PlaceCapture, reporter: Reporter) -> tuple[np.ndarray, dict]:
    if request.fit is None:
        folder = reporter.folder / "fit"
        # Landmarks say where a head is and how large; what its skin looks like is for Fit Head to find.
        fit_photos.run(
            FitPhotos(capture=request.capture, model=request.model, device=request.device),
            _Within(folder, reporter),
            phases=(),
        )
    else:
        folder = Path(request.fit).expanduser()
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        found = Similarity(**{key: np.array(value, np.float64) for key, value in report["similarity"].items()})
        if report["cameras"] != "known":
            raise CaptureError("That head was fitted without the capture's cameras; fit it with them.")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaptureError(f"{folder} holds no fit of a head to photographs ({error}); fit one first.") from error
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = found.scale * found.rotation, found.translation
    world, told = np.linalg.inv(to_world), {"landmark_error_px": report.get("landmark_error_px")}
    model = model_to_fit(request.model)
    if (folder / "head.ply").is_file() and report.get("model_hash") == model.hash:
        vertices = apply(world, read_mesh(folder / "head.ply").vertices)
        write_head(reporter.folder / "head.npz", model.head(y_up(vertices)))
        told["head"] = "head.npz"
    return world, told


def _by_distance(request: PlaceCapture, capture: Capture, reporter: Reporter) -> tuple[np.ndarray, dict]:
    if not request.metres:
        raise CaptureError("Say how far the two points are apart (Metres, --metres).")
    views = {view.name: view.camera for view in capture.views}
    seen = read_capture_landmarks(capture.folder)
    ends = []
    for name in (request.first, request.second):
        point, off = point_of(views, seen, name)
        camera = capture.views[0].camera
        if off > _MISSED * max(camera.width, camera.height):
            reporter.warning(f"The clicks of '{name}' miss each other by {off:.0f} pixels; look at them again.")
        ends.append(point)
    apart = float(np.linalg.norm(ends[1] - ends[0]))
    if apart < 1e-6:
        raise CaptureError("The two points are in one place; click two that are well apart.")
    world = np.eye(4)
    world[:3, :3] *= request.metres / apart
    return world, {"apart_before": apart}


class _Within(Reporter):
    """A part of a job, in a folder of its own."""

    def __init__(self, folder: Path, outer: Reporter):
        super().__init__(folder, outer._send, outer.cancelled)
