"""Where a head's landmarks are, in space and in every picture."""

import numpy as np

from ...backend.formats.capture import Camera
from ...backend.formats.head import Head

HIDDEN_BEHIND = 0.006
"""Metres that a surface may lie in front of a landmark before it counts as hidden; depth is of one sample a pixel."""


def landmarks_3d(head: Head) -> dict[str, list[float]]:
    """Name → position in metres."""
    points = head.landmark_points()
    return {name: [round(float(c), 6) for c in point] for name, point in zip(head.landmarks, points, strict=True)}


def landmarks_2d(head: Head, camera: Camera, depth: np.ndarray) -> dict[str, list]:
    """Name → [x, y, visible] in pixels, the first pixel's centre at 0.5; those outside the picture are left out.

    Args:
        depth: (H, W) metres, 0 for nothing.
    """
    pixels, distances = camera.project(head.landmark_points())
    result = {}
    for name, (x, y), distance in zip(head.landmarks, pixels.tolist(), distances.tolist(), strict=True):
        if distance <= 0 or not (0 <= x < camera.width and 0 <= y < camera.height):
            continue
        seen = float(depth[int(y), int(x)])
        result[name] = [round(x, 3), round(y, 3), bool(seen == 0 or seen >= distance - HIDDEN_BEHIND)]
    return result
