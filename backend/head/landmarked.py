"""The built-in head laid into a capture, and given the person's proportions, by the landmarks that were clicked there.

Shoulders, hats and hair mislead a silhouette; corners of eyes and mouth do not.
"""

from dataclasses import replace

import numpy as np

from ..capture.masks.pictures import load_pictures
from ..capture.masks.where import placed_head, seen_landmarks
from ..contract import BUILT_IN
from ..errors import CaptureError
from ..fit.model import model_to_fit, named_points
from ..fit.photo_start import FEWEST_TRIANGULATED, triangulated
from ..fit.photo_views import FEWEST, PhotoView
from ..formats.capture import Capture
from ..formats.capture_landmarks import read_capture_landmarks
from ..formats.flame_model import y_up
from ..formats.head import Head
from ..formats.mask_strokes import FOLDER
from ..protocol import Reporter
from .scale import tell_scale

SIDE = 512
"""Pixels that the pictures' longer side is reduced to; only the places of the landmarks are taken from them."""


def landmarked_head(capture: Capture, reporter: Reporter) -> tuple[Head, float | None] | None:
    """The built-in head where a capture's landmarks say, fitted to them.

    Args:
        capture: with known cameras.
        reporter: of the job; is told of landmarks that do not agree, and the scale where the head has to tell it.

    Returns:
        the head in the capture's world, metres, and the metres in one unit of the capture where its unit was unknown;
        None where the landmarks are too few: how far and how large a head is, only those tell that two photographs
        show.
    """
    clicked = {
        name: {landmark: place for landmark, place in seen.items() if place.visible}
        for name, seen in read_capture_landmarks(capture.folder, carried=False).items()
    }
    views = tuple(view for view in capture.views if clicked.get(view.name))
    if len(views) < 2 or max(len(clicked[view.name]) for view in views) < FEWEST:
        return None
    marked = replace(capture, views=views)
    pictures = load_pictures(marked, capture.folder / FOLDER, SIDE, warn=reporter.warning, tick=lambda: None)
    seen = seen_landmarks(marked, pictures, set(named_points(model_to_fit(BUILT_IN))))
    rays = [PhotoView(p.name, p.image, p.camera, None, None, seen[p.name]) for p in pictures if p.name in seen]
    if len(triangulated(rays)) < FEWEST_TRIANGULATED:
        return None
    try:
        placed = placed_head(marked, pictures, True, reporter.warning, modes=0)
    except CaptureError as error:
        reporter.warning(f"{error} The head is laid by its outline instead.")
        return None
    if placed is None:
        return None
    head = placed.model.head(y_up(placed.vertices))
    if capture.metres_per_unit is not None:
        return head, None
    metres_per_unit = 1.0 / placed.scale
    tell_scale(metres_per_unit, "a head of likely size fits the landmarks", reporter)
    return head.transformed(np.diag([metres_per_unit] * 3 + [1.0])), metres_per_unit
