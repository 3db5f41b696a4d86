"""Points in space to pixels, and pictures read at them. Pixel centres lie at +0.5; OpenCV's camera axes."""

import torch
import torch.nn.functional as F


def project(
    points: torch.Tensor, intrinsics: torch.Tensor, world_to_camera: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pinhole projection.

    Args:
        points: (..., 3) metres in the world.
        intrinsics: (3, 3) pixels.
        world_to_camera: (4, 4), OpenCV's axes (x right, y down, z forward).

    Returns:
        pixels (..., 2) and depth along the optical axis (...), metres; points behind the camera get a depth below 0
        and a pixel far outside the picture.
    """
    camera = points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    depth = camera[..., 2]
    safe = torch.where(depth > 1e-4, depth, torch.full_like(depth, 1e-4))
    focal = torch.stack([intrinsics[0, 0], intrinsics[1, 1]])
    pixels = camera[..., :2] / safe[..., None] * focal + intrinsics[:2, 2]
    outside = torch.full_like(pixels, -1e6)
    return torch.where((depth > 1e-4)[..., None], pixels, outside), depth


def sample_image(image: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """A picture (C, H, W) read bilinearly at pixels (..., 2): (..., C), zero outside the picture, differentiable."""
    height, width = image.shape[1:]
    size = torch.tensor([width, height], dtype=pixels.dtype, device=pixels.device)
    where = (pixels / size * 2 - 1).clamp(-4, 4).reshape(1, 1, -1, 2)
    values = F.grid_sample(image[None], where, mode="bilinear", padding_mode="zeros", align_corners=False)
    return values[0, :, 0].T.reshape(*pixels.shape[:-1], image.shape[0])


def pixel_rays(pixels: torch.Tensor, intrinsics: torch.Tensor) -> torch.Tensor:
    """(..., 3) directions in the camera's axes, with depth 1, through pixels (..., 2)."""
    focal = torch.stack([intrinsics[0, 0], intrinsics[1, 1]])
    planar = (pixels - intrinsics[:2, 2]) / focal
    return torch.cat([planar, torch.ones_like(planar[..., :1])], dim=-1)
