"""Stereo that sweeps the surface found so far along each view's rays.

A plane sweep (Collins, 1996) asks at which of many parallel planes two pictures agree. Here the surface itself, moved
along the rays, takes the planes' place: what is compared is then slanted as the surface is, so that views a quarter
turn apart still compare, and the search need reach no farther than the surface may be wrong.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ...protocol import Reporter
from .hull import Volume
from .pictures import Picture
from .presets import SweepConfig
from .trace import Seen, first_surface, pixel_grid, slopes_of

SLACK = 2.5
"""Spacings of the grid that a point may lie behind a view's first surface and still count as seen."""
FACING = 0.15
"""Cosine under which a surface is too oblique to compare."""
WHOLE = 0.65
"""Share of a window that both views must see."""
NOISE = 4e-5
"""Square of the grey values' noise: what changes less agrees with nothing."""
LEVELS_A_STEP = 8
"""Of the sweep, to which depths are rounded where spots are looked for."""
OTHER_LABEL = 0.3
"""Correlation that a match is marked down by where the two pictures' labels differ."""


@dataclass(frozen=True, eq=False)
class DepthMap:
    """What stereo says about a view.

    Attributes:
        picture: the view, at the stage's size.
        surface: what it saw of the surface that was swept.
        depth: (H, W) along the optical axis; that of the swept surface where nothing was found.
        sure: (H, W) from 0 to 1.
    """

    picture: Picture
    surface: Seen
    depth: torch.Tensor
    sure: torch.Tensor


@torch.no_grad()
def sweep(
    volume: Volume, pictures: list[Picture], config: SweepConfig, reporter: Reporter, labels: bool
) -> list[DepthMap]:
    """Depths of all views.

    Args:
        volume: the surface found so far.
        pictures: at the stage's size.
        labels: let labels that differ count against a match.
    """
    slopes = slopes_of(volume)
    surfaces = []
    for picture in pictures:
        surfaces.append(first_surface(volume, slopes, picture))
        reporter.step()
    maps = []
    for k, picture in enumerate(pictures):
        partners = partners_of(pictures, k, config)
        maps.append(_swept(picture, surfaces[k], [(pictures[m], surfaces[m], w) for m, w in partners], config,
                           SLACK * volume.grid.spacing, labels))  # fmt: skip
        reporter.step()
    return [_agreed(maps, k, config) for k in range(len(maps))]


def partners_of(pictures: list[Picture], k: int, config: SweepConfig) -> list[tuple[int, float]]:
    """The views that a view is best compared with, and how much each counts."""
    found = []
    for m, other in enumerate(pictures):
        if m == k:
            continue
        apart = torch.rad2deg(torch.arccos((other.axis @ pictures[k].axis).clamp(-1, 1))).item()
        weight = min(apart / config.narrowest, 1.0) * (1.0 if apart < config.widest else config.widest / apart)
        if apart > 1.0 and apart < 2 * config.widest:
            found.append((m, weight, abs(apart - 1.5 * config.narrowest)))
    found.sort(key=lambda item: (-round(item[1], 1), item[2]))
    return [(m, weight) for m, weight, _ in found[: config.neighbours]]


def _swept(picture, surface: Seen, partners, config: SweepConfig, slack: float, labels: bool) -> DepthMap:
    covered = surface.covered
    nothing = DepthMap(picture, surface, surface.depth, torch.zeros_like(surface.depth))
    if not partners or not covered.any():
        return nothing
    rows, columns = torch.nonzero(covered.any(1))[:, 0], torch.nonzero(covered.any(0))[:, 0]
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    covered, depth, normal = covered[window], surface.depth[window], surface.normal[window]
    inside = covered & (surface.facing[window] > FACING)
    rays = picture.rays(pixel_grid(picture.size)[window])
    depth = torch.where(covered, depth, depth[covered].median())
    offsets = torch.linspace(-config.reach, config.reach, config.steps)
    grey = picture.grey[window].contiguous()
    scores = torch.full((len(partners), config.steps, *grey.shape), -1.0)
    for j, (other, seen, share) in enumerate(partners):
        points = picture.centre + depth[..., None] * rays
        pixels, there = other.project(points)
        towards = F.normalize(other.centre - points, dim=-1)
        facing = (normal * towards).sum(-1)
        farthest = farthest_around(seen.depth, pixels)
        visible = inside & (facing > FACING) & (there < farthest + slack) & _framed(other, pixels)
        if not visible.any():
            continue
        own = _Windowed(grey, (covered & visible).float(), config.window)
        # A window that is cut off by an edge matches by chance.
        visible &= torch.from_numpy(own.total) > WHOLE
        grey_there = other.grey.numpy()
        for k, offset in enumerate(offsets):
            pixels, _ = other.project(points + offset * rays)
            value = own.correlation(_warped(grey_there, pixels))
            if labels and picture.labels is not None and other.labels is not None:
                x, y = pixels.floor().long().unbind(-1)
                label = other.labels[y.clamp(0, other.size[0] - 1), x.clamp(0, other.size[1] - 1)]
                value = value - OTHER_LABEL * (label != picture.labels[window]).float()
            scores[j, k] = torch.where(visible, 1 - (1 - value) / max(share, 0.25), scores[j, k])
    best = scores.topk(min(config.best, len(partners)), dim=0).values
    # A neighbour in which the place cannot be seen says nothing; one that sees it is enough.
    known = (best > -1).float()
    count = known.sum(0)
    total = torch.where(count > 0, (best * known).sum(0) / count.clamp(min=1), torch.full_like(count, -1.0))
    step = float(offsets[1] - offsets[0])
    found, sure = _peak(total, config, step, float(offsets[0]))
    sure = sure * (0.6 + 0.4 * (count.amax(0) > 1)) * surface.facing[window].clamp(0, 1) * inside
    sure = torch.where(_speckled(found, sure > 0, step, config), torch.zeros_like(sure), sure)
    result, certainty = surface.depth.clone(), torch.zeros_like(surface.depth)
    result[window] = torch.where(sure > 0, depth + found, result[window])
    certainty[window] = sure
    return DepthMap(picture, surface, result, certainty)


class _Windowed:
    """Correlation, zero mean and normalised, in windows of one picture with others that are warped to it."""

    def __init__(self, grey: torch.Tensor, weight: torch.Tensor, window: int):
        """
        Args:
            grey: (H, W).
            weight: (H, W) of the pixels that count.
            window: pixels across.
        """
        self._window, self._grey, self._weight = window, grey.numpy(), weight.numpy()
        self.total = np.maximum(self._mean(self._weight), 1e-3)
        self._average = self._mean(self._weight * self._grey) / self.total
        self._spread = np.maximum(self._mean(self._weight * self._grey**2) / self.total - self._average**2, 0)

    def _mean(self, layer: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(layer, -1, (self._window, self._window), borderType=cv2.BORDER_CONSTANT)

    def correlation(self, other: np.ndarray) -> torch.Tensor:
        """(H, W) from -1 to 1 with a picture (H, W); low where nothing changes in the window."""
        weighed = self._weight * other
        mean = self._mean(weighed) / self.total
        spread = np.maximum(self._mean(weighed * other) / self.total - mean**2, 0)
        both = self._mean(weighed * self._grey) / self.total - self._average * mean
        return torch.from_numpy(both / np.sqrt((self._spread + NOISE) * (spread + NOISE)))


def _warped(picture: np.ndarray, pixels: torch.Tensor) -> np.ndarray:
    """A picture (H, W) read at pixels (H', W', 2); OpenCV's first pixel centre is at 0."""
    return cv2.remap(
        picture, pixels[..., 0].numpy() - 0.5, pixels[..., 1].numpy() - 0.5, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def _peak(scores: torch.Tensor, config: SweepConfig, step: float, first: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The best place (H, W) along the reach, to a part of a step, and how sure it is (H, W)."""
    count = len(scores)
    best, index = scores.max(dim=0)
    middle = index.clamp(1, count - 2)
    left, centre, right = (scores.gather(0, (middle + k)[None])[0] for k in (-1, 0, 1))
    bend = (2 * centre - left - right).clamp(min=1e-6)
    part = (0.5 * (right - left) / bend).clamp(-0.5, 0.5)
    place = first + (middle + part) * step
    # Another peak that is nearly as high leaves open which one is meant.
    away = (torch.arange(count)[:, None, None] - index).abs() > 3
    rival = torch.where(away, scores, -torch.ones_like(scores)).amax(dim=0)
    clear = ((best - rival) / 0.15).clamp(0.15, 1)
    sure = ((best - config.sure) / (0.95 - config.sure)).clamp(0, 1) * clear
    sure = sure * ((index > 0) & (index < count - 1))
    return place, sure


def _speckled(found: torch.Tensor, known: torch.Tensor, step: float, config: SweepConfig) -> torch.Tensor:
    """(H, W) bool: places found apart from all around them, in spots smaller than a window: chance matches."""
    levels = (found / step * LEVELS_A_STEP).round().clamp(-30_000, 30_000)
    levels = torch.where(known, levels, torch.full_like(levels, -32_000)).numpy().astype(np.int16)
    kept, _ = cv2.filterSpeckles(levels.copy(), -32_000, config.window**2, 2 * LEVELS_A_STEP)
    return torch.from_numpy(kept != levels)


def farthest_around(depth: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """The farthest of a depth map's (H, W) four pixels around places (..., 2); 0 where there is no surface."""
    height, width = depth.shape
    x, y = (pixels - 0.5).floor().clamp(-2, 1e6).long().unbind(-1)
    known = torch.where(torch.isfinite(depth), depth, torch.zeros_like(depth))
    found = torch.zeros_like(pixels[..., 0])
    for row in (y, y + 1):
        for column in (x, x + 1):
            found = torch.maximum(found, known[row.clamp(0, height - 1), column.clamp(0, width - 1)])
    return found


def _framed(picture: Picture, pixels: torch.Tensor) -> torch.Tensor:
    height, width = picture.size
    return (pixels > 1).all(-1) & (pixels[..., 0] < width - 1) & (pixels[..., 1] < height - 1)


def _agreed(maps: list[DepthMap], k: int, config: SweepConfig) -> DepthMap:
    """A depth map less sure where others that look at the same place found another depth, surer where they agree."""
    mine = maps[k]
    chosen = mine.sure > 0
    if not chosen.any():
        return mine
    rays = mine.picture.rays(pixel_grid(mine.picture.size)[chosen])
    points = mine.picture.centre + mine.depth[chosen][:, None] * rays
    tolerance = max(0.12 * config.reach, 0.0006)
    agree, against = torch.zeros(len(points)), torch.zeros(len(points))
    for m, other in enumerate(maps):
        if m == k or float(other.sure.max()) == 0:
            continue
        pixels, depth = other.picture.project(points)
        height, width = other.picture.size
        x, y = pixels.floor().long().unbind(-1)
        here = (x >= 0) & (y >= 0) & (x < width) & (y < height) & (depth > 0)
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
        sure, there = other.sure[y, x] * here, torch.nan_to_num(other.depth[y, x], posinf=0.0)
        gap = (there - depth).abs()
        agree += sure * (gap < tolerance)
        # One that looks through the point to something farther says that it is not there.
        against += sure * (there - depth > 3 * tolerance)
    sure = mine.sure.clone()
    sure[chosen] *= ((0.3 + agree) / (0.6 + agree + 2 * against)).clamp(0, 1)
    return DepthMap(mine.picture, mine.surface, mine.depth, sure)
