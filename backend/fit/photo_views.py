"""A capture's photographs as the fit takes them: pictures, pinhole cameras, masks where there are any, landmarks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..capture.face_landmarks import SUFFIX, detect_landmarks
from ..capture.images import load_photograph
from ..capture.selection import spread
from ..errors import CaptureError
from ..formats.capture import Camera, Capture, View
from ..formats.capture_landmarks import FILE, read_capture_landmarks
from ..formats.undistortion import undistorted_positions

FEWEST = 6
"""Landmarks that place a camera, or a head before one: its rotation and translation, with some to check them by."""


@dataclass(frozen=True, eq=False)
class PhotoView:
    """One photograph without lens distortion.

    Attributes:
        name: the view's.
        image: (H, W, 3) uint8, RGB, sRGB.
        camera: pinhole camera of these very pixels, metres (or the capture's own unit where nobody said).
        skin: (H, W) float32 share of each pixel that is visible skin; None where the masks do not say.
        hair: (H, W) float32 share that is hair; None where they do not say.
        landmarks: name → (2,) pixels, of those that are seen.
    """

    name: str
    image: np.ndarray
    camera: Camera
    skin: np.ndarray | None
    hair: np.ndarray | None
    landmarks: dict[str, np.ndarray]


def load_photo_views(
    capture: Capture,
    landmarks: Path | None,
    names: Iterable[str],
    *,
    poses: bool = True,
    most: int = 0,
    largest_side: int = 512,
    warn: Callable[[str], None] = lambda sentence: None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[PhotoView]:
    """Decode the photographs that can be fitted to.

    Args:
        landmarks: their file, in place of the capture's own; or a MediaPipe model (.task) that finds them.
        names: landmarks that the model has.
        poses: the capture knows where its cameras stood. Where it does not, a photograph with fewer than 6 landmarks
            has no place in space, and is left out with a warning.
        most: views to use, spread over the directions they look from; 0 for all.
        largest_side: pixels; larger pictures are reduced to it.
        warn: takes sentences about what was left out.
        tick: called with the views done and the views in all; may raise Cancelled.

    Raises:
        CaptureError: a picture cannot be read, or the landmarks place no head in any.
    """
    found = _read_landmarks(capture, landmarks, set(names), warn)
    counts = {view.name: len(found.get(view.name, {})) for view in capture.views}
    if max(counts.values()) < FEWEST:
        best = max(counts, key=counts.get)
        raise CaptureError(
            f"No photograph has {FEWEST} landmarks ({best} has {counts[best]}); set at least {FEWEST} in one from the "
            "front, such as the corners of the eyes, the nose and the corners of the mouth."
        )
    usable = list(capture.views)
    if not poses:
        few = [view for view in usable if counts[view.name] < FEWEST]
        usable = [view for view in usable if counts[view.name] >= FEWEST]
        if few:
            warn(
                f"{len(few)} of {len(capture.views)} photographs have fewer than {FEWEST} landmarks, so that their "
                f"cameras cannot be found, and are left out: {_listed([view.name for view in few])}."
            )
    if most and len(usable) > most:
        # Photographs with a face come first: the others can refine a head, but never place one.
        with_face = [view for view in usable if counts[view.name] >= FEWEST]
        pool = with_face if len(with_face) >= most else usable
        if poses:
            usable = [pool[i] for i in spread([view.camera for view in pool], most)]
        else:
            usable = [pool[i] for i in np.unique(np.linspace(0, len(pool) - 1, most).round().astype(int))]
    views = []
    for number, view in enumerate(usable):
        views.append(_load(view, found.get(view.name, {}), largest_side, warn))
        tick(number + 1, len(usable))
    return views


def _read_landmarks(capture: Capture, path: Path | None, names: set[str], warn) -> dict[str, dict[str, np.ndarray]]:
    """View → landmark → (2,) pixels of the photograph as it is stored, of what is seen and of what the model has."""
    if path is not None and Path(path).suffix == SUFFIX:
        given = detect_landmarks(Path(path), capture.views)
        if not given:
            raise CaptureError("No face is found in any photograph; set the landmarks by hand.")
        file = Path(path)
    elif path is not None and not Path(path).is_file():
        raise CaptureError(f"There is no file of landmarks at {path}; choose another, or set them in the photographs.")
    else:
        file = capture.folder / FILE if path is None else Path(path)
        given = read_capture_landmarks(file, carried=False)
    if not any(given.values()):
        raise CaptureError(
            f"The capture has no landmarks ({file.name}); set at least {FEWEST} in a photograph from the front."
        )
    unknown_views = sorted(given.keys() - {view.name for view in capture.views})
    if len(unknown_views) == len(given):
        raise CaptureError(
            f"{file.name} has landmarks for {_listed(unknown_views)}, but the capture has no photographs of these "
            "names; name them as the pictures are named, without the ending."
        )
    if unknown_views:
        warn(f"{file.name} has landmarks for {_listed(unknown_views)}, which the capture does not have.")
    everything = {name for seen in given.values() for name in seen}
    unknown = sorted(everything - names)
    if len(unknown) == len(everything):
        raise CaptureError(
            f"The model has none of the landmarks in {file.name} ({_listed(unknown)}); name them as the 68-point "
            'scheme does, "right eye 1" or "nose bridge 4".'
        )
    if unknown:
        warn(f"The model has no landmarks named {_listed(unknown)}; they are left out.")
    result = {}
    for view in capture.views:
        seen = given.get(view.name, {})
        points = {name: np.array([s.x, s.y]) for name, s in seen.items() if s.visible and name in names}
        size = np.array([view.camera.width, view.camera.height])
        outside = [name for name, at in points.items() if not ((at >= 0) & (at <= size)).all()]
        if outside:
            at = points[outside[0]]
            raise CaptureError(
                f"{outside[0]} in {view.name} lies at {at[0]:.0f}, {at[1]:.0f}, outside the photograph of {size[0]} by "
                f"{size[1]} pixels; set it again, or use landmarks of these very pictures."
            )
        result[view.name] = points
    return result


def _load(view: View, landmarks: dict[str, np.ndarray], largest_side: int, warn) -> PhotoView:
    image, camera, masks = load_photograph(view, largest_side, warn)
    if landmarks:
        places = undistorted_positions(view.camera, camera, np.stack(list(landmarks.values())))
        landmarks = dict(zip(landmarks, places, strict=True))
    hair, skin = masks.get("hair"), masks.get("bust")
    return PhotoView(view.name, image, camera, skin, hair, landmarks)


def _listed(names: list[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
