"""The colour of each strand, as the pictures show it."""

import numpy as np
import torch

from ..geometry.projection import sample_image
from ..protocol import Reporter
from .views import HairView
from .visibility import DepthMap


def strand_colours(
    strands: np.ndarray, views: list[HairView], depths: list[DepthMap], visible: float, reporter: Reporter
) -> np.ndarray:
    """(N, 3) float32 linear Rec.709 colours of strands (N, L, 3), metres.

    The mean of what the views see of some of its points; a strand that none sees takes the colour of the seen strand
    whose root is nearest. The light of the photographs stays in it.
    """
    from scipy.spatial import cKDTree

    points = torch.from_numpy(np.ascontiguousarray(strands[:, 2::8]))
    total, weight = torch.zeros(len(strands), 3), torch.zeros(len(strands))
    for view, depth_map in zip(views, depths):
        pixels, depth = view.project(points)
        behind = depth_map.behind(pixels.reshape(-1, 2), depth.reshape(-1)).reshape(depth.shape)
        linear = _linear(torch.from_numpy(view.image.astype(np.float32) / 255)).permute(2, 0, 1)
        read = sample_image(torch.cat([linear, torch.from_numpy(view.hair)[None]]), pixels)
        seen = (behind < visible).float() * (read[..., 3] > 0.9)
        total += (read[..., :3] * seen[..., None]).sum(1)
        weight += seen.sum(1)
        reporter.check()
    known = (weight > 0).numpy()
    colours = (total / weight.clamp(min=1e-6)[:, None]).numpy()
    if not known.any():
        return np.full((len(strands), 3), 0.1, np.float32)
    if not known.all():
        _, nearest = cKDTree(strands[known, 0]).query(strands[~known, 0])
        colours[~known] = colours[known][nearest]
    return colours.astype(np.float32)


def _linear(srgb: torch.Tensor) -> torch.Tensor:
    """Rec.709 linear values of sRGB values in [0, 1]."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
