"""Strands traced through the direction field, all at once."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..formats.strands import Strands
from ..geometry.grid import Grid, gradient
from ..protocol import Reporter
from .field import PAIRS, DirectionField
from .hull import Volumes
from .presets import GrowthConfig
from .roots import Roots


@dataclass(eq=False)
class Medium:
    """What a strand feels on its way: directions, the hair's surface and the head's, on one grid and device.

    Attributes:
        tensors: (6, X, Y, Z) of d d^T.
        vectors: (3, X, Y, Z) signed directions.
        surfaces: (2, X, Y, Z) metres to hair and head.
        slopes: (6, X, Y, Z) their gradients.
        inset: metres by which strands are drawn inside the hair's surface, but not ended there.
    """

    grid: Grid
    tensors: torch.Tensor
    vectors: torch.Tensor
    surfaces: torch.Tensor
    slopes: torch.Tensor
    inset: float = 0.0

    @classmethod
    def of(cls, field: DirectionField, volumes: Volumes, device: torch.device) -> "Medium":
        """Gather the volumes; the head's distances reach beyond its surface, the hair's are those of the hull."""
        spacing = volumes.grid.spacing
        slopes = torch.cat([gradient(volumes.hair, spacing), gradient(volumes.head, spacing)])
        surfaces = torch.stack([volumes.hair, volumes.head])
        parts = (field.tensors(), field.vectors(), surfaces, slopes)
        return cls(volumes.grid, *(part.to(device) for part in parts))

    def drawn_in(self, inset: float) -> "Medium":
        """The same medium with the hair's surface drawn in by so many metres in all."""
        further = torch.tensor([inset - self.inset, 0.0], dtype=self.surfaces.dtype, device=self.surfaces.device)
        surfaces = self.surfaces + further.reshape(2, 1, 1, 1)
        return replace(self, surfaces=surfaces, inset=inset)

    def along(self, points: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """(N, 3) the field's unit directions at points (N, 3), on the side of the previous directions (N, 3).

        The interpolated tensor's greatest eigenvector by power iteration from the previous direction, so that signs
        never cancel between nodes; where the field is silent the previous direction stays.
        """
        entries = self.grid.sample(self.tensors, points)
        tensor = points.new_zeros(len(points), 3, 3)
        for k, (i, j) in enumerate(PAIRS):
            tensor[:, i, j] = tensor[:, j, i] = entries[:, k]
        # A little of the previous direction keeps a strand on its layer where two cross.
        tensor = tensor + 1e-4 * previous[:, :, None] * previous[:, None]
        direction = previous
        for _ in range(5):
            direction = torch.nn.functional.normalize((tensor @ direction[..., None])[..., 0], dim=-1)
        return direction


def grow(roots: Roots, medium: Medium, config: GrowthConfig, reporter: Reporter, plain: bool = False) -> "Traces":
    """Strands from the scalp.

    Args:
        plain: follow the field only, and end where the hair does: no inertia, no sliding, no grace at the hairline.

    Returns:
        one trace a root, the root first.
    """
    device = medium.tensors.device
    points = torch.from_numpy(roots.points).to(device)
    normals = torch.from_numpy(roots.normals).to(device)
    ahead = medium.grid.sample(medium.vectors, points + 0.003 * normals)
    start = torch.nn.functional.normalize(normals + 0.7 * ahead, dim=-1)
    return trace(points, start, medium, config, reporter, normals=normals, plain=plain)


@dataclass(eq=False)
class Traces:
    """Polylines of one step length: points (N, T, 3) float32 metres, of which the first counts (N,) hold."""

    points: np.ndarray
    counts: np.ndarray

    def resampled(self, count: int) -> np.ndarray:
        """(N, count, 3) float32 at equal arc lengths."""
        kept = np.arange(self.points.shape[1])[None] < self.counts[:, None]
        return Strands(self.points[kept], self.counts).resampled(count)

    def subset(self, chosen: np.ndarray) -> "Traces":
        """The traces at the given indices."""
        return Traces(self.points[chosen], self.counts[chosen])


def adopted(strands: np.ndarray, rooted: Roots, lost: Roots, reach: float) -> tuple[np.ndarray, Roots]:
    """Strands for roots that found no hair, such as beside a parting, where it is thinner than the volume's voxels.

    Each lost root takes the strand of the nearest root that has one, moved to it; the move fades towards the tip.

    Args:
        strands: (N, L, 3) metres, of the roots ``rooted`` (N,).
        lost: (M,) roots without a strand.
        reach: metres to the nearest root with a strand; beyond it the scalp is taken for bare.

    Returns:
        strands (K, L, 3) and their roots (K,), K at most M.
    """
    distance, nearest = cKDTree(rooted.points).query(lost.points, distance_upper_bound=reach)
    found = np.flatnonzero(np.isfinite(distance))
    host = nearest[found]
    fade = (1 - np.linspace(0, 1, strands.shape[1], dtype=np.float32)) ** 2
    moved = strands[host] + fade[:, None] * (lost.points[found] - strands[host, 0])[:, None]
    return moved.astype(np.float32), lost.subset(found)


def trace(
    points: torch.Tensor,
    start: torch.Tensor,
    medium: Medium,
    config: GrowthConfig,
    reporter: Reporter,
    normals: torch.Tensor | None = None,
    plain: bool = False,
) -> Traces:
    """Follow the field from points (N, 3) with first directions (N, 3).

    Args:
        normals: (N, 3) of the scalp when these are roots; their pull fades, and leaving the hair is forgiven at first.
    """
    steps = int(config.longest / config.step)
    path = torch.empty(len(points), steps + 1, 3)
    path[:, 0] = points.cpu()
    counts = np.ones(len(points), np.int64)
    alive = torch.arange(len(points), device=points.device)
    position, direction = points.clone(), start.clone()
    for step in range(1, steps + 1):
        here, previous = position[alive], direction[alive]
        ahead = medium.along(here, previous)
        if not plain:
            ahead = torch.nn.functional.normalize((1 - config.inertia) * ahead + config.inertia * previous, dim=-1)
        if normals is not None:
            pull = np.exp(-(step - 1) * config.step / config.normal_fade)
            ahead = torch.nn.functional.normalize((1 - pull) * ahead + pull * normals[alive], dim=-1)
        there = here + config.step * ahead
        surfaces, slopes = medium.grid.sample(medium.surfaces, there), medium.grid.sample(medium.slopes, there)
        hair_slope = torch.nn.functional.normalize(slopes[:, :3], dim=-1)
        head_slope = torch.nn.functional.normalize(slopes[:, 3:], dim=-1)
        out = surfaces[:, 0] > 0
        young = normals is not None and step * config.step < config.grace
        if plain:
            keep = ~out | (step * config.step < 0.003 if normals is not None else False)
        else:
            # Slide along the hair's surface instead of leaving it, unless the strand heads straight out: a tip.
            leaving = (ahead * hair_slope).sum(-1)
            keep = ~out | (leaving < config.slide) | young
            slide = torch.where(out & (not young), surfaces[:, 0].clamp(max=config.step), 0.0)
            there = there - slide[:, None] * hair_slope
            keep &= (surfaces[:, 0] < 2 * config.step + medium.inset) | young
        deep = (config.head_gap - surfaces[:, 1]).clamp(min=0)
        there = there + deep[:, None] * head_slope
        moved = there - here
        length = torch.linalg.vector_norm(moved, dim=-1)
        # A strand that is pushed aside more than it advances has come to the end of the hair.
        advance = (moved * ahead).sum(-1)
        keep &= (length > 0.2 * config.step) & ((advance > 0.6 * length) | young)
        alive, there = alive[keep], there[keep]
        if not len(alive):
            break
        direction[alive] = moved[keep] / length[keep, None]
        position[alive] = there
        path[alive.cpu(), step] = there.cpu()
        counts[alive.cpu().numpy()] += 1
        if step % 8 == 0:
            reporter.check()
    longest = int(counts.max(initial=1))
    return Traces(path[:, :longest].numpy(), counts)
