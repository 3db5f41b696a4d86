"""Landmarks that were clicked in one to three photographs, carried through the cameras to all others."""

import numpy as np

from ..errors import CaptureError
from ..fit.photo_start import triangulated
from ..fit.photo_views import FEWEST, PhotoView
from ..formats.capture import Capture
from ..formats.capture_landmarks import Seen, read_capture_landmarks
from ..formats.undistortion import photo_positions
from ..geometry.raster import rasterise
from .masks.pictures import Picture
from .masks.where import PlacedHead, placed_head, seen_landmarks

_SLACK = 0.006
"""Metres that a landmark may lie behind the head's surface and be seen."""


def carry_landmarks(capture: Capture, pictures: list[Picture], warn) -> tuple[dict, dict]:
    """All landmarks by view, and those of them that were carried, as ``write_capture_landmarks`` takes both.

    A landmark that two photographs show is where their rays meet; any other is where the head is on which the clicked
    ones lie. It is carried to the photographs in which that head does not hide it.

    Args:
        pictures: of all views.

    Raises:
        CaptureError: fewer than six are clicked in every photograph, or they place no head.
    """
    clicked = read_capture_landmarks(capture.folder, carried=False)
    most = max((sum(s.visible for s in seen.values()) for seen in clicked.values()), default=0)
    if most < FEWEST:
        raise CaptureError(
            f"No photograph has {FEWEST} landmarks yet ({most} at most); click at least {FEWEST} in one from the front,"
            " such as the corners of the eyes, the nose and the corners of the mouth."
        )
    head = placed_head(capture, pictures, True, warn)
    if head is None:
        raise CaptureError(_NO_HEAD)
    places = _places(head, capture, pictures)
    names, points = list(places), np.stack(list(places.values()))
    views = {view: dict(seen) for view, seen in clicked.items()}
    carried: dict[str, dict[str, Seen]] = {}
    for picture in pictures:
        own = views.setdefault(picture.name, {})
        for name, seen in _seen_in(picture, head, names, points).items():
            if name not in own:
                own[name] = seen
                carried.setdefault(picture.name, {})[name] = seen
    return views, carried


_NO_HEAD = "The landmarks place no head before the cameras; check their names and places."


def _places(head: PlacedHead, capture: Capture, pictures: list[Picture]) -> dict[str, np.ndarray]:
    """Landmark → (3,) in the world."""
    faces = head.model.faces
    places = {name: weights @ head.vertices[faces[face]] for name, (face, weights) in head.landmarks.items()}
    seen = seen_landmarks(capture, pictures, set(places))
    views = [PhotoView(p.name, p.image, p.camera, None, None, seen[p.name]) for p in pictures if p.name in seen]
    return places | triangulated(views)


def _seen_in(picture: Picture, head: PlacedHead, names: list[str], points: np.ndarray) -> dict[str, Seen]:
    """Landmark → where its photograph shows it, of those points (L, 3) that the head does not hide."""
    camera, lens = picture.camera, picture.view.camera
    drawn = rasterise(*camera.project(head.vertices), head.model.faces, picture.size)
    pixels, depth = camera.project(points)
    visible = drawn.seen(pixels, depth, _SLACK * head.scale)
    found = {}
    for name, (x, y) in zip([n for n, v in zip(names, visible, strict=True) if v], pixels[visible], strict=True):
        if lens.distortion:
            x, y = photo_positions(lens, camera, x, y)
        else:
            x, y = x * lens.width / camera.width, y * lens.height / camera.height
        if 0 <= x <= lens.width and 0 <= y <= lens.height:
            found[name] = Seen(round(float(x), 3), round(float(y), 3))
    return found
