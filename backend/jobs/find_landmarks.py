"""Landmarks in all photographs of a capture."""

from ..capture.carried_landmarks import carry_landmarks
from ..capture.face_landmarks import detect_landmarks
from ..capture.masks.pictures import load_pictures
from ..contract import FindLandmarks
from ..errors import CaptureError
from ..formats.capture import Capture, has_poses, read_capture
from ..formats.capture_landmarks import read_capture_landmarks, write_capture_landmarks
from ..formats.mask_strokes import FOLDER
from ..protocol import Reporter

SIDE = 512
"""Pixels that a picture's longer side is reduced to; it only tells where the head hides itself."""


def run(request: FindLandmarks, reporter: Reporter) -> dict:
    """Write the capture's landmarks.json. What was clicked stays where it is."""
    posed = has_poses(request.capture)
    capture = read_capture(request.capture, poses=posed)
    if request.task is not None:
        reporter.stage("Finding faces", len(capture.views))
        found = detect_landmarks(request.task, capture.views, lambda done, total: reporter.step())
        if not found:
            raise CaptureError("No face is found in any photograph; click the landmarks by hand.")
        clicked = read_capture_landmarks(capture.folder, carried=False)
        views = {name: found.get(name, {}) | clicked.get(name, {}) for name in found.keys() | clicked.keys()}
        write_capture_landmarks(capture.folder, views, {})
        return _result(capture, views, sum(len(seen) for seen in found.values()))
    if not posed:
        raise CaptureError(
            "The capture has no cameras to carry landmarks through; click six landmarks in each photograph, or solve"
            " the cameras first."
        )
    reporter.stage("Reading the photographs", len(capture.views))
    pictures = load_pictures(capture, capture.folder / FOLDER, SIDE, warn=reporter.warning, tick=reporter.step)
    reporter.stage("Carrying the landmarks")
    views, carried = carry_landmarks(capture, pictures, reporter.warning)
    write_capture_landmarks(capture.folder, views, carried)
    return _result(capture, views, sum(len(seen) for seen in carried.values()))


def _result(capture: Capture, views: dict, new: int) -> dict:
    return {"landmarks": str(capture.folder / "landmarks.json"), "views": sum(map(bool, views.values())), "new": new}
