"""The space that the masks leave to the hair: a visual hull that knows where the head is."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, grey_closing, label, maximum_filter, minimum_filter

from ..errors import CaptureError
from ..geometry.grid import Grid
from ..geometry.projection import sample_image
from ..geometry.surface import Surface
from ..protocol import Reporter
from .presets import VolumeConfig
from .views import HairView
from .visibility import DepthMap, depth_map


@dataclass(frozen=True)
class Volumes:
    """Hair and head on one grid.

    Attributes:
        grid: its nodes.
        hair: (X, Y, Z) float32 tensor, metres to the hair's outer surface, below 0 inside; a lower bound outside.
        head: (X, Y, Z) float32 tensor, metres to the head's surface, below 0 inside.
    """

    grid: Grid
    hair: torch.Tensor
    head: torch.Tensor

    def coarser(self) -> "Volumes":
        """Every second node along each axis, for what needs no finer grid."""
        shape = tuple((n + 1) // 2 for n in self.grid.shape)
        grid = Grid(self.grid.origin, 2 * self.grid.spacing, shape)
        return Volumes(grid, *(volume[::2, ::2, ::2].contiguous() for volume in (self.hair, self.head)))

    def inside(self) -> torch.Tensor:
        """(X, Y, Z) bool: hair and not head."""
        return (self.hair < 0) & (self.head > 0)


LARGEST_GRID = 60_000_000
"""Nodes; a metre of hair each way at 2.6 mm. A volume of them takes 240 MB."""


def visual_hull(views: list[HairView], head: Surface, config: VolumeConfig, reporter: Reporter) -> Volumes:
    """Carve the hair's volume from the masks.

    A point is hair when every view that sees that place has hair there. A view does not speak where the head hides
    the point, or where the point falls outside the picture. Each view gives a signed distance to its mask's cone, in
    metres; the hull's is the largest of them, which keeps the surface finer than the grid.

    Raises:
        CaptureError: when no place is hair in all views, or the hair is far larger than a person's.
    """
    cones = [_Cone(view, head, config) for view in views]
    low, high = _bounds(views)
    coarse = Grid.around(low, high, max(float((high - low).max()) / 80, config.spacing))
    rough = torch.from_numpy(_carved(cones, coarse, np.arange(coarse.size), reporter).reshape(coarse.shape))
    where = np.argwhere(rough.numpy() < coarse.spacing)
    if not len(where):
        raise _no_hull()
    low = coarse.origin + (where.min(0) - 1) * coarse.spacing - config.margin
    high = coarse.origin + (where.max(0) + 1) * coarse.spacing + config.margin
    grid = Grid.around(low, high, config.spacing)
    if grid.size > LARGEST_GRID:
        raise CaptureError(
            f"The hair spans {float((high - low).max()):.2g} m in this capture, more than hair does. If its unit"
            " is not the metre, set metres_per_unit in transforms.json."
        )
    # Distances change no faster than places do, but jump where a view falls silent, so nodes are carved again near the
    # coarse surface and wherever a coarse neighbour has the other sign.
    turning = (maximum_filter(rough.numpy(), 3) > 0) & (minimum_filter(rough.numpy(), 3) < 0)
    known = torch.stack([rough, torch.from_numpy(turning.astype(np.float32))])
    hull, near = np.empty(grid.size, np.float32), np.empty(grid.size, bool)
    for part in np.array_split(np.arange(grid.size), grid.size // 2_000_000 + 1):
        found = coarse.sample(known, torch.from_numpy(grid.centres(part))).numpy()
        hull[part] = found[:, 0]
        near[part] = (np.abs(found[:, 0]) < coarse.spacing) | (found[:, 1] > 0)
    near = np.flatnonzero(near)
    hull[near] = _carved(cones, grid, near, reporter)
    hull = _without_crumbs(hull.reshape(grid.shape), config)
    skull = head.signed_distance_on(grid, hull < 2 * config.margin)
    volumes = Volumes(grid, torch.from_numpy(hull), torch.from_numpy(skull))
    # Inside the head every view may be silent; that alone is no hair.
    if not volumes.inside().any():
        raise _no_hull()
    return volumes


def _no_hull() -> CaptureError:
    return CaptureError(
        "No place in space is hair in all views: the hair masks and the cameras do not fit together. Check that the"
        " cameras look at the head and that each mask belongs to its picture."
    )


class _Cone:
    """Signed distances to one view's masks."""

    def __init__(self, view: HairView, head: Surface, config: VolumeConfig):
        self.view = view
        # Gaps between strands, as beside a parting, are not where the hair ends; views would carve all of it by turns.
        covered = grey_closing(view.hair, size=(config.closing, config.closing))
        hair = mask_distance(covered, config.mask_level)
        if view.bust is None:
            # Skin is not told from background, so whatever the head hides stays open.
            person = np.full_like(hair, -1e3)
        else:
            person = mask_distance(np.clip(view.hair + view.bust, 0, 1), config.mask_level)
        self.distances = torch.from_numpy(np.stack([hair, person]))
        self.bust = torch.from_numpy(view.bust if view.bust is not None else np.zeros_like(view.hair))[None]
        self.head: DepthMap = depth_map(head_samples(head), view)
        self.size = torch.tensor([view.size[1], view.size[0]], dtype=torch.float32)

    def signed_distance(self, points: torch.Tensor) -> torch.Tensor:
        """(N,) metres outside this view's cone at points (N, 3); -inf where the view does not speak."""
        pixels, depth = self.view.project(points)
        sampled = sample_image(self.distances, pixels)
        behind = self.head.behind(pixels, depth)
        # Where the picture shows skin but the mesh has none (shoulders, say), hair may be hidden at any depth.
        bare = torch.isinf(behind) & (sample_image(self.bust, pixels)[:, 0] > 0.5)
        # The head's depth is known to about a pixel's width.
        hidden = (behind > (1.5 * depth / self.view.focal).clamp(min=0.004)) | bare
        distance = torch.where(hidden, sampled[:, 1], sampled[:, 0]) * depth / self.view.focal
        seen = (depth > 0) & (pixels > 0.5).all(-1) & (pixels < self.size - 0.5).all(-1)
        return torch.where(seen, distance, torch.full_like(distance, -torch.inf))


def head_samples(head: Surface, spacing: float = 0.0012) -> torch.Tensor:
    """(N, 3) float32 points that cover the head's surface."""
    points, _ = head.covering_samples(head.vertices[head.faces], spacing)
    return torch.from_numpy(points.astype(np.float32))


def mask_distance(mask: np.ndarray, level: float) -> np.ndarray:
    """(H, W) float32 pixels outside the mask, below 0 inside, with the soft edge placed between pixels."""
    inside = mask >= level
    if not inside.any():
        return np.full(mask.shape, 1e3, np.float32)
    distance = distance_transform_edt(~inside) - distance_transform_edt(inside)
    distance -= np.sign(distance) * 0.5
    soft = np.clip((level - mask) / max(level, 1 - level), -0.5, 0.5)
    return np.where(np.abs(distance) < 0.75, soft, distance).astype(np.float32)


def _bounds(views: list[HairView]) -> tuple[np.ndarray, np.ndarray]:
    """A box around what the cameras look at: about the point nearest to all rays through the masks' middles."""
    system, right = np.zeros((3, 3)), np.zeros(3)
    for view in views:
        rows, columns = np.nonzero(view.hair > 0.5)
        if not len(rows):
            continue
        pixel = np.array([columns.mean() + 0.5, rows.mean() + 0.5, 1.0])
        ray = view.world_to_camera[:3, :3].numpy().T.astype(np.float64) @ np.linalg.inv(view.intrinsics.numpy()) @ pixel
        ray /= np.linalg.norm(ray)
        across = np.eye(3) - np.outer(ray, ray)
        system += across
        right += across @ view.centre.numpy()
    middle = np.linalg.solve(system + 1e-9 * np.eye(3), right)
    reach = 0.0
    for view in views:
        rows, columns = np.nonzero(view.hair > 0.5)
        if len(rows):
            depth = float(view.project(torch.tensor(middle, dtype=torch.float32))[1])
            pixel, _ = view.project(torch.tensor(middle, dtype=torch.float32))
            offset = np.stack([columns, rows], 1) - pixel.numpy()
            if depth > 0:
                reach = max(reach, float(np.abs(offset).max()) * depth / view.focal)
    if not 0.005 < reach < 50:
        raise CaptureError(
            "The cameras do not look at the hair: the rays through the hair masks do not meet in front of them."
            " Check transforms.json, and that its poses are camera-to-world in OpenGL's axes."
        )
    return middle - 1.15 * reach, middle + 1.15 * reach


def _carved(cones: list[_Cone], grid: Grid, nodes: np.ndarray, reporter: Reporter) -> np.ndarray:
    """(N,) float32, the largest of the cones' signed distances at the nodes (N,) of a grid."""
    far = 4 * grid.spacing
    values = np.full(len(nodes), -np.inf, np.float32)
    alive = np.arange(len(nodes))
    pictures = np.zeros(len(nodes), np.int16)
    for cone in cones:
        for part in np.array_split(alive, len(alive) // 400_000 + 1):
            found = cone.signed_distance(torch.from_numpy(grid.centres(nodes[part]))).numpy()
            values[part] = np.maximum(values[part], found)
            pictures[part] += np.isfinite(found)
            reporter.check()
        # What one view puts far outside need not be asked of the others.
        alive = alive[values[alive] < far]
        reporter.step()
    # A place at the rim of what the cameras see, in few pictures, is not hair on their word.
    values[pictures < max(2, len(cones) // 3)] = far
    return values


def _without_crumbs(hull: np.ndarray, config: VolumeConfig) -> np.ndarray:
    pieces, count = label(hull < 0)
    if count > 1:
        sizes = np.bincount(pieces.reshape(-1))[1:]
        small = np.flatnonzero(sizes < config.smallest_component * sizes.max()) + 1
        hull[np.isin(pieces, small)] = config.spacing
    return hull
