"""Whether the cameras of a capture look at one thing."""

from collections.abc import Callable

import numpy as np

from ..errors import CaptureError
from ..formats.capture import Camera

_ONE_PLACE = 1e-6
"""Metres: cameras nearer to each other than this stand in one place."""


def check_cameras(views: list, warn: Callable[[str], None]) -> list:
    """The views whose cameras have the hair in front of them.

    Each view's ray goes through the middle of its hair mask; the point nearest to all rays is where the hair must be.

    Args:
        views: with ``name``, ``camera`` and ``hair`` (H, W).

    Raises:
        CaptureError: most look away from it, or all stand in one place.
    """
    centres = np.array([view.camera.centre for view in views])
    if len(views) > 1 and np.ptp(centres, axis=0).max() < _ONE_PLACE:
        raise CaptureError("All cameras stand in one place, so depth cannot be seen; take photographs from all around.")
    rays = np.array([_ray(view) for view in views])
    point = nearest_point(centres, rays)
    if point is None:
        return views
    away = np.einsum("nc,nc->n", point - centres, rays) <= 0
    if away.sum() * 2 >= len(views):
        raise CaptureError(
            "The cameras look away from the hair; transforms.json must give camera-to-world matrices with OpenGL axes"
            " (looking along -Z), so export it again with those."
        )
    for view in (v for v, gone in zip(views, away, strict=True) if gone):
        warn(f"The camera of {view.name} looks away from the hair; that photograph is left out.")
    return [view for view, gone in zip(views, away, strict=True) if not gone]


def nearest_point(origins: np.ndarray, directions: np.ndarray) -> np.ndarray | None:
    """(3,) point nearest to all lines in the least-squares sense, or None where they are all but parallel.

    Args:
        origins: (N, 3).
        directions: (N, 3) unit vectors.
    """
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    total = across.sum(axis=0)
    if np.linalg.eigvalsh(total)[0] < 1e-6 * len(origins):
        return None
    return np.linalg.solve(total, np.einsum("nij,nj->i", across, origins))


def looked_at(cameras: list[Camera]) -> np.ndarray | None:
    """(3,) what cameras look at, or None where they look at nothing, or most of them away from it."""
    centres, looks = np.stack([c.centre for c in cameras]), np.stack([c.direction for c in cameras])
    middle = nearest_point(centres, looks)
    if middle is None or (np.einsum("nc,nc->n", middle - centres, looks) <= 0).mean() > 0.5:
        return None
    return middle


def _ray(view) -> np.ndarray:
    """(3,) unit vector in the world through the middle of a view's hair."""
    hair = view.hair
    weight = hair.sum()
    column = (hair.sum(axis=0) @ (np.arange(hair.shape[1]) + 0.5)) / weight
    row = (hair.sum(axis=1) @ (np.arange(hair.shape[0]) + 0.5)) / weight
    return view.camera.ray(column, row)
