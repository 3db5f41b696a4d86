"""The world of a capture whose cameras were solved from pictures alone: which way is up, where the head is, and how
large everything is."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import CaptureError
from ..formats.capture import Camera
from ..formats.capture_landmarks import Seen
from ..formats.undistortion import undistorted_camera, undistorted_positions
from .agreement import looked_at, nearest_point
from .found_face import BREADTH, Face, Framed, agreed_face
from .upright import held_up, turn_to_z

AWAY = 0.8
"""Units that cameras stand away from what they look at, on average, in a world whose metres nobody knows: about what
it is in metres, so that the scene is of a handy size."""
_ONE_SIDE = 0.35
"""Length of the cameras' mean direction, along the ground, from which they stood on one side of the head: its front."""
_LEAST_ANGLE = 3.0
"""Degrees between the rays of a point's clicks, from which they fix how far away it is."""
_BEHIND = 0.09
"""Metres from the bridge of the nose to the middle of the head."""
POINTS = "sparse.npz"


def assumed_world(cameras: list[Camera], frames: list[list[Framed]]) -> tuple[np.ndarray, bool, Face | None]:
    """A similarity to a world with Z up and the head at the origin, looking about along -Y, as far as pictures can
    tell.

    Up is how the cameras were held. The head is where they see a face, and as large as a grown person's; where none is
    found it is what they look at, and the front is the side that most look from, or, where they stand all around, where
    the first one stood.

    Args:
        frames: each picture's, as ``framed_faces`` gives them.

    Returns:
        (4, 4) float64; whether the cameras agree on which way is up; the face in the cameras' own world, if there is
        one.
    """
    centres = np.array([camera.centre for camera in cameras])
    looks = np.array([camera.direction for camera in cameras])
    middle = looked_at(cameras)
    if middle is None:
        middle = centres.mean(axis=0) + looks.mean(axis=0) * np.ptp(centres, axis=0).max()
    up = held_up(np.array([camera.world_to_camera for camera in cameras]))
    turn = np.eye(3) if up is None else turn_to_z(up)
    scale = AWAY / max(float(np.linalg.norm(centres - middle, axis=1).mean()), 1e-9)
    along = looks @ turn.T
    ground = along[:, :2].mean(axis=0)
    if np.linalg.norm(ground) < _ONE_SIDE:
        ground = along[0, :2]
    face = None if up is None else agreed_face(cameras, frames, up)
    if face is not None:
        scale = BREADTH / face.breadth
        middle = face.place - face.forward * _BEHIND / scale
        ground = -(turn @ face.forward)[:2]
    # Whoever looks at a face looks along +Y.
    angle = np.arctan2(ground[0], ground[1]) if np.linalg.norm(ground) > 1e-6 else 0.0
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ turn
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = scale * turn, -scale * turn @ middle
    return world, up is not None, face


def moved(camera: Camera, world: np.ndarray) -> Camera:
    """A camera under a (4, 4) similarity of the world; a camera itself has no scale."""
    scale = np.cbrt(np.linalg.det(world[:3, :3]))
    pose = world @ camera.camera_to_world
    pose[:3, :3] /= scale
    return replace(camera, camera_to_world=pose)


def apply(world: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) points under a (4, 4) similarity."""
    return points @ world[:3, :3].T + world[:3, 3]


def moved_points(folder: Path, world: np.ndarray) -> None:
    """Move the points that were solved with a capture's cameras, where it has any, as its cameras move."""
    path = folder / POINTS
    if not path.is_file():
        return
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        arrays["points"] = apply(world, np.asarray(arrays["points"], np.float64).reshape(-1, 3)).astype(np.float32)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CaptureError(f"{path} cannot be read ({error}); remove it, or import the pictures again.") from error
    write_points(folder, **arrays)


def write_points(folder: Path, **arrays: np.ndarray) -> None:
    """The points that were solved with the cameras: points (P, 3) in the capture's unit, colours (P, 3) uint8 RGB,
    tracks (P,) pictures that see each, errors (P,) pixels."""
    partial = folder / (POINTS + ".part")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    partial.replace(folder / POINTS)


def point_of(views: dict[str, Camera], seen: dict[str, dict[str, Seen]], name: str) -> tuple[np.ndarray, float]:
    """Where something that was clicked in photographs is: (3,) in the capture's unit, and by how many pixels its clicks
    miss it at most.

    Raises:
        CaptureError: it was clicked in fewer than two photographs, or they do not meet.
    """
    clicks = [(views[view], marks[name]) for view, marks in seen.items() if view in views and name in marks]
    if len(clicks) < 2:
        raise CaptureError(
            f"'{name}' is clicked in {len(clicks)} of the photographs; click it in two or three that look at it from"
            " different sides."
        )
    rays = []
    for camera, at in clicks:
        pinhole = undistorted_camera(camera)
        ((x, y),) = undistorted_positions(camera, pinhole, np.array([[at.x, at.y]]))
        rays.append(pinhole.ray(x, y))
    rays = np.array(rays)
    point = nearest_point(np.array([camera.centre for camera, _ in clicks]), rays)
    apart = np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1)))
    if point is None or apart < _LEAST_ANGLE:
        raise CaptureError(
            f"The photographs in which '{name}' is clicked look from nearly one place; click it in one from farther"
            " round the head as well."
        )
    off = [np.linalg.norm(camera.project(point[None])[0][0] - (at.x, at.y)) for camera, at in clicks]
    return point, float(max(off))
