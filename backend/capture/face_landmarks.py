"""Landmarks found in photographs by MediaPipe, with a model file that the artist supplies.

Neither comes with Maquette: ``mediapipe`` is a package of its own, and its ``face_landmarker.task`` a file of Google's.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import CaptureError, EnvironmentTrouble
from ..formats.capture import View
from ..formats.capture_landmarks import Seen
from .images import read_picture

SUFFIX = ".task"
PACKAGES = "--no-deps mediapipe absl-py certifi"
"""What pip is to be told. Everything else that finding landmarks needs is in the backend's environment; MediaPipe's own
list would put another OpenCV over the one that is there, which on a machine without a desktop does not start."""
MESH = {
    "jaw": (127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    "right eyebrow": (70, 63, 105, 66, 107),
    "left eyebrow": (336, 296, 334, 293, 300),
    "nose bridge": (168, 197, 5, 4),
    "nose base": (75, 97, 2, 326, 305),
    "right eye": (33, 160, 158, 133, 153, 144),
    "left eye": (362, 385, 387, 263, 373, 380),
    "outer lip": (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    "inner lip": (78, 82, 13, 312, 308, 317, 14, 87),
}
"""Vertices of MediaPipe's face mesh where the 68-point scheme's points are."""


def detect_landmarks(
    task: Path, views: tuple[View, ...], tick: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, dict[str, Seen]]:
    """View → landmark → pixels of its photograph as it is stored; nothing where no face is found.

    Args:
        task: MediaPipe's ``face_landmarker.task``.
        views: a capture's.
        tick: called with the views done and the views in all; may raise Cancelled.

    Raises:
        EnvironmentTrouble: the package is not there.
        CaptureError: the file is not there, or is none of MediaPipe's.
    """
    task = Path(task)
    if not task.is_file():
        raise CaptureError(f"There is no MediaPipe model at {task}; choose its face_landmarker.task.")
    try:
        import mediapipe
        from mediapipe.tasks.python.vision import FaceLandmarker
    except ImportError as error:
        raise EnvironmentTrouble(
            "Finding landmarks needs the package mediapipe, which the backend's environment does not have; install it "
            f"there ({sys.executable} -m pip install {PACKAGES}), or click the landmarks in one to three photographs."
        ) from error
    try:
        landmarker = FaceLandmarker.create_from_model_path(str(task))
    except (RuntimeError, ValueError, OSError) as error:
        raise CaptureError(f"{task.name} cannot be read as MediaPipe's face_landmarker.task: {error}.") from error
    found = {}
    with landmarker:
        for number, view in enumerate(views):
            picture = np.ascontiguousarray(read_picture(view.image))
            seen = landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture))
            if seen.face_landmarks:
                found[view.name] = scheme_68_of(seen.face_landmarks[0], picture.shape[1], picture.shape[0])
            tick(number + 1, len(views))
    return found


def scheme_68_of(mesh: list, width: int, height: int) -> dict[str, Seen]:
    """The 68-point scheme's landmarks of a face mesh (478 points with x and y from 0 to 1), as far as they lie in a
    picture of this size."""
    result = {}
    for part, vertices in MESH.items():
        for number, vertex in enumerate(vertices, start=1):
            x, y = mesh[vertex].x * width, mesh[vertex].y * height
            if 0 <= x <= width and 0 <= y <= height:
                result[f"{part} {number}"] = Seen(x, y)
    return result
