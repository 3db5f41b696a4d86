"""Cameras that move as the head is fitted: tau of section III-F, and the rays of their pixels."""

import torch
from torch import Tensor, nn

from ...flame.rotation import axis_angle_to_matrix


class Cameras(nn.Module):
    """Pinhole cameras in the frame of the unit sphere, each with a small turn and shift of its own.

    Args:
        intrinsics: (N, 3, 3) pixels.
        world_to_camera: (N, 4, 4), OpenCV's axes.
    """

    def __init__(self, intrinsics: Tensor, world_to_camera: Tensor):
        super().__init__()
        self.register_buffer("intrinsics", intrinsics, persistent=False)
        self.register_buffer("start", world_to_camera, persistent=False)
        self.turns = nn.Parameter(torch.zeros(len(intrinsics), 3, dtype=intrinsics.dtype))
        self.shifts = nn.Parameter(torch.zeros(len(intrinsics), 3, dtype=intrinsics.dtype))

    def world_to_camera(self, view: int) -> Tensor:
        """(4, 4): the camera's start, then turned and shifted in its own axes."""
        moved = torch.eye(4, dtype=self.start.dtype, device=self.start.device).clone()
        moved[:3, :3] = axis_angle_to_matrix(self.turns[view])
        moved[:3, 3] = self.shifts[view]
        return moved @ self.start[view]

    def rays(self, view: int, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """c (P, 3) and unit v (P, 3) of a view's pixels (P, 2), the first pixel's centre at 0.5."""
        camera, lens = self.world_to_camera(view), self.intrinsics[view]
        rotation, shift = camera[:3, :3], camera[:3, 3]
        planar = (pixels - lens[:2, 2]) / torch.stack([lens[0, 0], lens[1, 1]])
        local = torch.cat([planar, torch.ones_like(planar[:, :1])], dim=1)
        # c = -R^T t, below equation 3.
        centre = -(shift @ rotation)
        return centre.expand(len(pixels), 3), torch.nn.functional.normalize(local @ rotation, dim=1)
