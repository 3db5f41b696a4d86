"""Photographs as the fit takes them: the sphere around the head, and each picture's pixels as tensors."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ...capture.agreement import nearest_point
from ...errors import CaptureError
from ..priors.gather import Priors
from ..priors.orientation import direction
from ..priors.semantics import BACKGROUND, NOT_SAID
from ..priors.views import HeadView

CARVED = 48
"""Nodes along a side of the grid that finds the head's sphere."""
ROOM = 1.08
"""Times the head's radius: the sphere keeps off it."""
AROUND = 0.15
"""How far rays are drawn around the head in a picture, as a share of its size there."""


@dataclass(frozen=True, eq=False)
class Sphere:
    """What the networks call the unit sphere.

    Attributes:
        centre: (3,) float64 in the capture's world.
        radius: in the capture's unit.
        low, high: (3,) the box of the head in it, in the capture's world.
    """

    centre: np.ndarray
    radius: float
    low: np.ndarray
    high: np.ndarray

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the capture's world in the sphere's own frame."""
        return (points - self.centre) / self.radius

    def camera(self, world_to_camera: np.ndarray) -> np.ndarray:
        """(4, 4) from the sphere's frame to a camera whose lengths are the sphere's radii."""
        result = world_to_camera.copy()
        result[:3, 3] = (world_to_camera[:3, :3] @ self.centre + world_to_camera[:3, 3]) / self.radius
        return result


def sphere_of(views: list[HeadView]) -> Sphere:
    """The sphere around what all masks have in common (the visual hull).

    Raises:
        CaptureError: they have nothing in common.
    """
    masked = [view for view in views if view.person is not None]
    centres, rays, reach = [], [], 0.0
    for view in masked:
        row, column = np.nonzero(view.person > 0.5)
        centres.append(view.camera.centre)
        rays.append(view.camera.ray(column.mean() + 0.5, row.mean() + 0.5))
    about = nearest_point(np.array(centres), np.array(rays))
    if about is None:
        raise CaptureError("All photographs look from one side; a head needs views from different directions.")
    for view in masked:
        row, column = np.nonzero(view.person > 0.5)
        half = 0.5 * np.hypot(np.ptp(row), np.ptp(column))
        depth = view.camera.project(about[None])[1][0]
        reach = max(reach, half * depth / min(view.camera.fx, view.camera.fy))
    # Coarse to fine: a hull of few views may reach far in a direction that none looks across.
    low, high = about - 1.5 * reach, about + 1.5 * reach
    for _ in range(2):
        points = _hull_points(masked, low, high)
        if not len(points):
            raise CaptureError(
                "The masks of the person have nothing in common in space; check that the cameras belong to these "
                "photographs, and that the masks are white where the person is."
            )
        margin = (high - low).max() / CARVED
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    centre = (low + high) / 2
    radius = ROOM * float(np.linalg.norm(points - centre, axis=1).max() + margin)
    return Sphere(centre, radius, low, high)


def _hull_points(views: list[HeadView], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(K, 3) nodes of a grid that lie in the masks of all views that see them, and of two at least."""
    axes = [np.linspace(low[k], high[k], CARVED) for k in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    seen, kept = np.zeros(len(points), int), np.ones(len(points), bool)
    # A pixel's worth of the grid's coarseness is forgiven.
    step = float((high - low).max()) / CARVED
    for view in views:
        pixels, depth = view.camera.project(points)
        height, width = view.person.shape
        wide = max(1, round(0.5 * step * view.camera.fx / max(float(np.median(depth)), 1e-9)))
        mask = cv2.dilate((view.person > 0.5).astype(np.uint8), np.ones((2 * wide + 1,) * 2, np.uint8)) > 0
        # Beyond the picture the person goes on where the mask reaches the picture's border, as necks do.
        column, row = np.floor(pixels).clip(0, [width - 1, height - 1]).astype(int).T
        kept &= (depth > 0) & mask[row, column]
        seen += (pixels >= 0).all(axis=1) & (pixels < [width, height]).all(axis=1)
    return points[kept & (seen >= min(2, len(views)))]


@dataclass(frozen=True, eq=False)
class Picture:
    """One view's pixels, Q of them in the head's region.

    Attributes:
        pixels: (Q, 2) their centres.
        colours: (Q, 3) from -1 to 1.
        inside: (Q,) bool, in the mask; None where the view has no mask.
        labels: (Q,) int64, ``NOT_SAID`` where nobody knows; None without labels.
        hair: (K,) int64, those of the Q that are hair with a direction.
        lines: (K, 2) d_p of the hair.
        confidence: (K,) of it.
    """

    pixels: Tensor
    colours: Tensor
    inside: Tensor | None
    labels: Tensor | None
    hair: Tensor
    lines: Tensor
    confidence: Tensor


def picture_of(view: HeadView, sphere: Sphere, device: torch.device) -> Picture:
    """A view's pixels in and around the head: around its mask, or where it must be, without one."""
    height, width = view.image.shape[:2]
    if view.person is not None:
        row, column = np.nonzero(view.person > 0.5)
        low, high = np.array([column.min(), row.min()]), np.array([column.max(), row.max()]) + 1
    else:
        corners = np.stack(np.meshgrid(*np.stack([sphere.low, sphere.high], axis=1)), axis=-1).reshape(-1, 3)
        at, _ = view.camera.project(corners)
        low, high = at.min(axis=0), at.max(axis=0)
    room = AROUND * (high - low).max()
    left, top = np.floor(low - room).clip(0, [width - 1, height - 1]).astype(int)
    right, bottom = np.ceil(high + room).clip([left + 1, top + 1], [width, height]).astype(int)
    part = (slice(top, bottom), slice(left, right))
    y, x = np.mgrid[top:bottom, left:right]

    def flat(array, dtype) -> Tensor:
        array = np.ascontiguousarray(array)
        return torch.from_numpy(array.reshape(-1, *array.shape[2:])).to(device, dtype)

    labels = None
    if view.labels is not None:
        # No point is looked for in the background, so that it teaches nothing; a hair pixel may be called that.
        known = view.labels[part].astype(np.int64)
        outside = (known == BACKGROUND) & (view.person[part] <= 0.5 if view.person is not None else True)
        labels = flat(np.where(outside, NOT_SAID, known), torch.int64)
    hair, lines = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2)
    confidence = torch.zeros(0)
    if view.orientation is not None:
        sure = view.orientation.confidence[part].reshape(-1)
        hair = torch.nonzero(sure > 0)[:, 0]
        lines, confidence = direction(view.orientation)[part].reshape(-1, 2)[hair], sure[hair]
    return Picture(
        pixels=flat(np.stack([x, y], axis=-1) + 0.5, torch.float32),
        colours=flat(2 * view.image[part] - 1, torch.float32),
        inside=None if view.person is None else flat(view.person[part] > 0.5, torch.bool),
        labels=labels, hair=hair.to(device), lines=lines.to(device), confidence=confidence.to(device),
    )  # fmt: skip


def proxy_points(priors: Priors, views: list[HeadView], sphere: Sphere, seed: int, count: int = 100_000) -> Tensor:
    """(count, 3) float32 points of the fitted face that pictures show, in the sphere's frame; none without a face."""
    if priors.proxy is None:
        return torch.zeros(0, 3)
    seen = priors.proxy.seen_face(views)
    if not seen.any():
        return torch.zeros(0, 3)
    points, _ = priors.proxy.samples(seen, count, np.random.default_rng(seed))
    return torch.from_numpy(sphere.inside(points)).float()
