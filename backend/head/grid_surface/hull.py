"""The space that the masks leave to a head: a visual hull (Laurentini, 1994) as a signed distance on a grid."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import label

from ...capture.agreement import nearest_point
from ...errors import CaptureError
from ...geometry.grid import Grid
from ...geometry.projection import sample_image
from ...protocol import Reporter
from .pictures import Picture
from .presets import HullConfig

ROUGH = 48
"""Nodes across the box that is asked first."""
SEEN_BY = 0.33
"""Share of the views that must see a place for it to be the person."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A signed distance on a grid.

    Attributes:
        grid: its nodes.
        values: (X, Y, Z) float32 tensor, metres, below 0 inside.
    """

    grid: Grid
    values: torch.Tensor

    def at(self, points: torch.Tensor) -> torch.Tensor:
        """(...,) values at points (..., 3)."""
        return self.grid.sample(self.values[None], points)[..., 0]

    def scaled(self, factor: float) -> "Volume":
        """The same in a world where every length is ``factor`` times as long."""
        grid = Grid((factor * self.grid.origin).astype(np.float32), factor * self.grid.spacing, self.grid.shape)
        return Volume(grid, factor * self.values)

    def resampled(self, nodes: int) -> "Volume":
        """The same box with so many nodes along its longest side."""
        spacing = self.grid.spacing * (max(self.grid.shape) - 1) / (nodes - 1)
        shape = tuple(max(int((n - 1) * self.grid.spacing / spacing + 1e-4) + 1, 2) for n in self.grid.shape)
        grid = Grid(self.grid.origin, spacing, shape)
        values = self.on(grid)
        return Volume(grid, blurred(values) if spacing < 0.9 * self.grid.spacing else values)

    def on(self, grid: Grid) -> torch.Tensor:
        """(X, Y, Z) values at another grid's nodes."""
        values = torch.empty(grid.size)
        for part in np.array_split(np.arange(grid.size), grid.size // 2_000_000 + 1):
            values[part[0] : part[-1] + 1] = self.at(torch.from_numpy(grid.centres(part)))
        return values.reshape(grid.shape)


def blurred(values: torch.Tensor) -> torch.Tensor:
    """A volume (X, Y, Z) under the binomial kernel 1 2 1 along each axis: the facets of linear interpolation go."""
    kernel = torch.tensor([0.25, 0.5, 0.25])
    result = values[None, None]
    for axis in range(3):
        shape, pad = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + axis], pad[2 * (2 - axis)], pad[2 * (2 - axis) + 1] = 3, 1, 1
        result = F.conv3d(F.pad(result, pad, mode="replicate"), kernel.reshape(shape))
    return result[0, 0]


def visual_hull(pictures: list[Picture], config: HullConfig, reporter: Reporter) -> Volume:
    """Carve the person out of the box that the cameras look at.

    A view speaks where it has a mask and sees the place; what too few views see is not the person. Each view gives the
    distance to its mask's cone, and the hull's is the largest of them.

    Raises:
        CaptureError: no place in space is the person in all views.
    """
    masked = [picture for picture in pictures if picture.outside is not None]
    low, high = _bounds(masked)
    rough = Grid.around(low, high, float((high - low).max()) / (ROUGH - 1))
    values = _carved(masked, rough, reporter)
    where = np.argwhere(values < 0.75 * rough.spacing)
    if not (values < rough.spacing / 2).any():
        raise CaptureError(
            "No place in space is the person in all views: the masks and the cameras do not fit together. Check that "
            "the cameras look at the head and that each mask belongs to its picture."
        )
    low = rough.origin + (where.min(0) - 1.5) * rough.spacing
    high = rough.origin + (where.max(0) + 1.5) * rough.spacing
    grid = Grid.around(low, high, float((high - low).max()) / (config.nodes - 1))
    values = _carved(masked, grid, reporter)
    return Volume(grid, torch.from_numpy(largest_piece(values, grid.spacing)))


def _bounds(pictures: list[Picture]) -> tuple[np.ndarray, np.ndarray]:
    """A box (3,), (3,) about the point nearest to the rays through the masks' middles, as large as the masks."""
    origins, directions, spots = [], [], []
    for picture in pictures:
        rows, columns = np.nonzero(picture.outside.numpy() < 0)
        pixels = torch.from_numpy(np.stack([columns, rows], axis=1) + 0.5).float()
        ray = picture.rays(pixels.mean(dim=0)).double().numpy()
        origins.append(picture.centre.double().numpy())
        directions.append(ray / np.linalg.norm(ray))
        spots.append(pixels)
    middle = nearest_point(np.array(origins), np.array(directions))
    if middle is None:
        raise CaptureError(
            "All cameras look along one line, so depth cannot be seen; take photographs from more sides."
        )
    middle, reach = torch.from_numpy(middle).float(), 0.0
    for picture, pixels in zip(pictures, spots, strict=True):
        pixel, depth = picture.project(middle)
        reach = max(reach, float((pixels - pixel).abs().max() * depth) / picture.focal)
    if not 0 < reach < 1e3:
        raise CaptureError(
            "The cameras do not look at the person: the rays through the masks do not meet in front of them. Check "
            "transforms.json, and that its poses are camera-to-world in OpenGL's axes."
        )
    return middle.numpy() - 1.05 * reach, middle.numpy() + 1.05 * reach


def _carved(pictures: list[Picture], grid: Grid, reporter: Reporter) -> np.ndarray:
    """(X, Y, Z) float32, the largest of the views' distances, no more than 4 spacings outside."""
    far = 4 * grid.spacing
    values = np.full(grid.size, -np.inf, np.float32)
    seen = np.zeros(grid.size, np.int16)
    alive = np.arange(grid.size)
    for picture in pictures:
        height, width = picture.size
        for part in np.array_split(alive, len(alive) // 500_000 + 1):
            pixels, depth = picture.project(torch.from_numpy(grid.centres(part)))
            distance = sample_image(picture.outside[None], pixels)[:, 0] * depth / picture.focal
            inside = (depth > 0) & (pixels > 0.5).all(-1) & (pixels[:, 0] < width - 0.5) & (pixels[:, 1] < height - 0.5)
            values[part] = np.maximum(values[part], torch.where(inside, distance, -torch.inf).numpy())
            seen[part] += inside.numpy()
            reporter.check()
        alive = alive[values[alive] < far]
    # At the rim of what the cameras see, cones of a few views meet where nobody is.
    few = seen < min(max(3, np.ceil(SEEN_BY * len(pictures))), len(pictures))
    below = _cut_off(((values < 0) & few).reshape(grid.shape), ((values < 0) & ~few).reshape(grid.shape))
    values[few] = far
    values = np.clip(values, -1e3, far).reshape(grid.shape)
    # Above it a flat neck, below it tatters.
    depth = (below - 0.5 - np.arange(grid.shape[2], dtype=np.float32)) * grid.spacing
    return np.maximum(values, np.minimum(depth, far))


def _cut_off(few: np.ndarray, enough: np.ndarray) -> int:
    """The lowest layer of a volume (X, Y, Z) from which on upwards, to the middle of the person, most nodes of the
    person are seen by enough views."""
    few, enough = few.sum(axis=(0, 1)), enough.sum(axis=(0, 1))
    if not enough.any():
        return 0
    middle = int(np.average(np.arange(len(enough)), weights=enough))
    mostly = few[:middle] > enough[:middle]
    return int(np.flatnonzero(mostly)[-1]) + 1 if mostly.any() else 0


def largest_piece(values: np.ndarray, spacing: float) -> np.ndarray:
    """A field (X, Y, Z) with only the largest piece of its inside; it is changed in place."""
    pieces, count = label(values < 0)
    if count > 1:
        sizes = np.bincount(pieces.reshape(-1))
        sizes[0] = 0
        values[(pieces > 0) & (pieces != sizes.argmax())] = spacing
    return values
