"""The face in photographs, found without a network or a click: where it is, which way it looks, how large it is.

A cascade over local binary patterns, which scikit-image brings along, finds upright faces that look about at the
camera (Zhang, Chu, Xiang, Liao and Li, "Face Detection Based on Multi-Block LBP Representation", 2007). In one
photograph it is often wrong; what several cameras see in one place, and of one size, is a face.
"""

import functools
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np

from ..formats.capture import Camera
from .agreement import looked_at, nearest_point

SIDE = 400
"""Pixels of a picture's longer side while faces are looked for; the smallest is a tenth of that."""
BREADTH = 0.16
"""Metres: how broad what the cascade frames is on a grown person. Its middle lies half-way down the nose's bridge."""
_STEP = 1.1
"""Ratio of one size that is looked for to the next."""
_APART = 0.3
"""Of its breadth by which a camera may see a face beside where others see it."""
_UNLIKE = 0.35
"""Natural logarithm of the ratio by which its breadth may differ from what others see."""
_NEAR = 0.6
"""Of the cameras' distance to what they look at, that a face may be away from it."""


@dataclass(frozen=True)
class Framed:
    """What looks like a face in one picture: the middle and the breadth of its frame, in pixels."""

    x: float
    y: float
    breadth: float


@dataclass(frozen=True, eq=False)
class Face:
    """A face in the world.

    Attributes:
        place: (3,) half-way down the nose's bridge.
        forward: (3,) unit vector, the way it looks, as far as the cameras that see it tell.
        breadth: of its frame, in the world's unit.
        views: how many cameras see it.
    """

    place: np.ndarray
    forward: np.ndarray
    breadth: float
    views: int


@dataclass(frozen=True, eq=False)
class _Sighting:
    """What looks like a face, as a ray in the world.

    Attributes:
        picture: its number.
        origin: (3,) where the camera stands.
        direction: (3,) unit vector to the frame's middle.
        angle: the frame's breadth at a unit's distance.
    """

    picture: int
    origin: np.ndarray
    direction: np.ndarray
    angle: float


def framed_faces(image: np.ndarray) -> list[Framed]:
    """What looks like a face in a picture (H, W, 3) uint8, RGB, or (H, W), grey; largest first."""
    scale = SIDE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = _cascade().detect_multi_scale(
        img=small, scale_factor=_STEP, step_ratio=1, min_size=(SIDE // 10,) * 2, max_size=(min(small.shape[:2]),) * 2
    )
    frames = [
        Framed((f["c"] + f["width"] / 2) / scale, (f["r"] + f["height"] / 2) / scale, f["width"] / scale) for f in found
    ]
    return sorted(frames, key=lambda frame: -frame.breadth)


def agreed_face(cameras: list[Camera], frames: list[list[Framed]], up: np.ndarray) -> Face | None:
    """The face that most cameras see in one place, or None where no two of them agree.

    Args:
        cameras: pinhole cameras of the pictures, in one world.
        frames: each picture's, as ``framed_faces`` gives them.
        up: (3,) unit vector.
    """
    subject = _where_a_face_may_be(cameras)
    sightings = [
        _sighting(number, camera, frame)
        for number, (camera, of) in enumerate(zip(cameras, frames, strict=True))
        for frame in of
    ]
    best: list[_Sighting] = []
    for pair in combinations(sightings, 2):
        agreeing = _agreeing(sightings, pair, subject)
        if len(agreeing) > len(best):
            best = agreeing
    if not best:
        return None
    place, breadths = _meeting(best)
    towards = np.stack([sighting.origin for sighting in best]) - place
    towards -= np.outer(towards @ up, up)
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-9)
    return Face(place, _middle_of_fan(towards, up), float(np.median(breadths)), len(best))


def before_face(camera: Camera, frame: Framed, place: np.ndarray) -> Camera:
    """A camera of unknown pose, held upright before a grown person's face at ``place`` (3,) that looks along -Y."""
    depth = camera.fx * BREADTH / frame.breadth
    right, down = (frame.x - camera.cx) / camera.fx, (frame.y - camera.cy) / camera.fy
    pose = np.eye(4)
    pose[:3, :3] = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    pose[:3, 3] = place - depth * np.array([right, 1.0, -down])
    return replace(camera, camera_to_world=pose)


def _sighting(number: int, camera: Camera, frame: Framed) -> _Sighting:
    return _Sighting(number, camera.centre, camera.ray(frame.x, frame.y), frame.breadth / camera.fx)


def _where_a_face_may_be(cameras: list[Camera]) -> tuple[np.ndarray, float] | None:
    """What all cameras look at (3,), and how far a face may be from there; None where they look at nothing."""
    middle = looked_at(cameras)
    if middle is None:
        return None
    return middle, _NEAR * float(np.median([np.linalg.norm(camera.centre - middle) for camera in cameras]))


def _agreeing(
    sightings: list[_Sighting], pair: tuple[_Sighting, _Sighting], subject: tuple[np.ndarray, float] | None
) -> list[_Sighting]:
    """Those of all sightings, one a picture, that see a face where a pair of them does; empty where the pair does
    not agree, or meets far from what cameras look at: on a poster."""
    met = _meeting(pair) if pair[0].picture != pair[1].picture else None
    if met is None or (subject is not None and np.linalg.norm(met[0] - subject[0]) > subject[1]):
        return []
    place, breadths = met
    size = float(np.exp(np.log(breadths).mean()))
    found: dict[int, tuple[float, _Sighting]] = {}
    for sighting in sightings:
        depth = float((place - sighting.origin) @ sighting.direction)
        beside = float(np.linalg.norm(place - sighting.origin - depth * sighting.direction))
        if depth <= 0 or beside > _APART * size or abs(np.log(sighting.angle * depth / size)) > _UNLIKE:
            continue
        if sighting.picture not in found or beside < found[sighting.picture][0]:
            found[sighting.picture] = beside, sighting
    chosen = [sighting for _, sighting in found.values()]
    return chosen if all(any(one is other for other in chosen) for one in pair) else []


def _meeting(sightings) -> tuple[np.ndarray, np.ndarray] | None:
    """The (3,) point nearest to sightings' rays and the breadths (R,) that they see there; None where they meet
    nowhere."""
    origins, directions = np.stack([s.origin for s in sightings]), np.stack([s.direction for s in sightings])
    place = nearest_point(origins, directions)
    if place is None:
        return None
    depths = np.einsum("rc,rc->r", place - origins, directions)
    return (place, depths * np.array([s.angle for s in sightings])) if (depths > 0).all() else None


def _middle_of_fan(towards: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(3,) the direction half-way between the outermost of unit vectors (R, 3) about an axis: more cameras on one side
    do not turn a face to them."""
    first = towards.sum(axis=0)
    first /= max(np.linalg.norm(first), 1e-9)
    side = np.cross(up, first)
    angles = np.arctan2(towards @ side, towards @ first)
    angle = (angles.min() + angles.max()) / 2
    return np.cos(angle) * first + np.sin(angle) * side


@functools.cache
def _cascade():
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())
