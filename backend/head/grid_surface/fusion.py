"""Depth maps as one truncated signed distance (Curless and Levoy, 1996)."""

from dataclasses import dataclass

import numpy as np
import torch

from ...protocol import Reporter
from ..priors.semantics import HAIR
from .hull import Volume
from .sweep import DepthMap

HAIR_DEPTH = 0.0008
"""Metres that what pictures match of hair lies under its outer surface: without it, the back of the rendered head with
layered hair came out 0.6 to 1.2 mm too small in the mean."""
TRUNCATION = 3.0
"""Spacings of the grid."""


@dataclass(frozen=True, eq=False)
class Fused:
    """What stereo says about nodes of a grid.

    Attributes:
        nodes: (N,) int64 flat indices.
        distance: (N,) metres, below 0 inside.
        weight: (N,) how much the views say, about 1 for one that is sure.
    """

    nodes: torch.Tensor
    distance: torch.Tensor
    weight: torch.Tensor


@torch.no_grad()
def fuse(volume: Volume, maps: list[DepthMap], reach: float, reporter: Reporter, labels: bool = False) -> Fused:
    """The mean of the distances to the views' depths at the nodes up to ``reach`` metres from the surface; ``labels``
    tell where that is hair, whose outermost strands lie before most that is seen."""
    spacing = volume.grid.spacing
    limit = TRUNCATION * spacing
    near = torch.nonzero(volume.values.reshape(-1).abs() < reach + limit)[:, 0]
    total, weight = torch.zeros(len(near)), torch.zeros(len(near))
    for part in torch.split(torch.arange(len(near)), 400_000):
        points = torch.from_numpy(volume.grid.centres(near[part].numpy()).astype(np.float32))
        for found in maps:
            pixels, depth = found.picture.project(points)
            height, width = found.picture.size
            x, y = pixels.floor().clamp(-1, 1e6).long().unbind(-1)
            inside = (x >= 0) & (y >= 0) & (x < width) & (y < height) & (depth > 0)
            x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
            sure, facing = found.sure[y, x], found.surface.facing[y, x].clamp(min=0.2)
            distance = (torch.nan_to_num(found.depth[y, x], posinf=0.0) - depth) * facing
            if labels and found.picture.labels is not None:
                distance = distance - HAIR_DEPTH * (found.picture.labels[y, x] == HAIR)
            # In front of what a view saw it says "nothing here", behind it says little.
            behind = distance < -limit
            share = sure * inside * ~behind * torch.where(distance > limit, 0.25, 1.0)
            total[part] += share * distance.clamp(-limit, limit)
            weight[part] += share
        reporter.check()
    said = weight > 0.02
    return Fused(near[said], total[said] / weight[said], weight[said].clamp(max=3.0))
