"""What a view sees first: depth maps splatted from dense surface samples."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .views import HairView


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Depth of the first surface in one view.

    Attributes:
        depth: (h, w) float32 metres along the optical axis; inf where nothing is.
        scale: its pixels in one pixel of the view, at most 1.
    """

    depth: torch.Tensor
    scale: float

    def at(self, pixels: torch.Tensor) -> torch.Tensor:
        """(...) metres of depth at the view's pixels (..., 2); inf outside or where nothing is."""
        height, width = self.depth.shape
        index = (pixels * self.scale).floor()
        inside = (index >= 0).all(-1) & (index[..., 0] < width) & (index[..., 1] < height)
        column = index[..., 0].clamp(0, width - 1).long()
        row = index[..., 1].clamp(0, height - 1).long()
        return torch.where(inside, self.depth[row, column], torch.inf)

    def behind(self, pixels: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        """(...) metres by which depths (...) at pixels (..., 2) lie behind the first surface; -inf without one."""
        return depth - self.at(pixels)


def depth_map(points: torch.Tensor, view: HairView, sample_spacing: float = 0.0012) -> DepthMap:
    """Splat points that cover a surface into a view.

    Args:
        points: (N, 3) metres, no farther from each other on the surface than about the spacing.
        sample_spacing: metres; the map's pixels are made about 1.5 times as wide, so that no hole is left.
    """
    pixels, depth = view.project(points)
    front = depth > 0
    typical = float(depth[front].median()) if bool(front.any()) else 1.0
    scale = min(1.0, typical / view.focal / (1.5 * sample_spacing))
    height, width = (max(1, int(n * scale + 0.999)) for n in view.size)
    index = (pixels * scale).floor()
    inside = front & (index >= 0).all(-1) & (index[:, 0] < width) & (index[:, 1] < height)
    flat = (index[inside, 1] * width + index[inside, 0]).long()
    values = torch.full((height * width,), torch.inf)
    values.scatter_reduce_(0, flat, depth[inside], "amin")
    values = values.reshape(height, width)
    # Single holes take the farthest of their filled neighbours, so that no surface grows towards the camera.
    return DepthMap(_filled(values), scale)


def _filled(values: torch.Tensor) -> torch.Tensor:
    known = torch.isfinite(values)
    padded = torch.where(known, values, torch.zeros_like(values))[None, None]
    farthest = F.max_pool2d(padded, 3, stride=1, padding=1)[0, 0]
    around = F.avg_pool2d(known.float()[None, None], 3, stride=1, padding=1)[0, 0] * 9
    return torch.where(~known & (around >= 5), farthest, values)
