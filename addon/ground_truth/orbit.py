"""Cameras in rings around what is to be seen, each as near as its picture allows."""

import numpy as np

from ...backend.formats.capture import Camera

RINGS = (15.0, -10.0, 45.0)
"""Degrees of elevation; views are shared out between them, the first ring getting what is left over."""

FOCAL_LENGTH = 2.4
"""In picture widths; a portrait lens, 86 mm on full frame."""

MARGIN = 0.94
"""Share of the picture that the subject may fill."""


def orbit_cameras(points: np.ndarray, views: int, size: int) -> list[Camera]:
    """Cameras on three rings that see all the points, in a square picture of ``size`` pixels.

    Args:
        points: (N, 3) of the subject, metres, Z up, facing -Y.
    """
    points = np.asarray(points, np.float64)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    # Only the outermost points can touch a picture's edge.
    points = _extremes(points - centre) + centre
    cameras = []
    for ring, elevation in enumerate(RINGS):
        count = (views - ring + len(RINGS) - 1) // len(RINGS)
        for number in range(count):
            # Staggered, so that no two rings repeat an azimuth; 0 is the face.
            azimuth = 360.0 * (number + ring / len(RINGS)) / count
            cameras.append(fitted_camera(points, centre, np.radians(azimuth), np.radians(elevation), size))
    return cameras


def _extremes(points: np.ndarray, directions: int = 500) -> np.ndarray:
    if len(points) <= 10 * directions:
        return points
    # Fibonacci's sphere: the farthest point in each of many directions.
    i = np.arange(directions) + 0.5
    z, turn = 1 - 2 * i / directions, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z * z)
    aims = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1).astype(np.float32)
    sample = points[:: max(1, len(points) // 200_000)].astype(np.float32)
    best = [int(np.argmax(sample @ aim)) for aim in aims]
    return sample[np.unique(best)].astype(np.float64)


def fitted_camera(points, centre, azimuth: float, elevation: float, size: int) -> Camera:
    """The nearest camera that sees all points (N, 3) in a square picture, looking at ``centre`` from radians."""
    back = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    axes = np.stack([right, np.cross(back, right), back], axis=1)
    local = (points - centre) @ axes
    reach = MARGIN / 2 / FOCAL_LENGTH  # half the picture at distance 1
    # The four sides of the view pyramid, each pushed out until it touches the points, meet in one eye:
    # |x - ex| <= reach (ez - z) for all points, and the same in y.
    sides = [(s * local[:, a] + reach * local[:, 2]).max() for a in (0, 1) for s in (1, -1)]
    eye = np.array([(sides[0] - sides[1]) / 2, (sides[2] - sides[3]) / 2, 0.0])
    eye[2] = max(sides[0] + sides[1], sides[2] + sides[3]) / 2 / reach
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes, centre + axes @ eye
    focal = FOCAL_LENGTH * size
    return Camera(size, size, focal, focal, size / 2, size / 2, pose)
