"""Directions of hair in the photographs, as equation 16 compares them."""

import numpy as np
import torch

from ...hair.orientation import OrientationMap, gabor_responses, local_contrast, log_intensity, orientation_map
from ...hair.presets import OrientationConfig
from .views import HeadView


def best_kernel(image: np.ndarray, hair: np.ndarray, config: OrientationConfig) -> OrientationMap:
    """Prior-guided-head's directions: the kernel that answers most at each pixel, equation 11.

    Args:
        image: (H, W, 3) float32 from 0 to 1 or uint8.
        hair: (H, W) float32 from 0 to 1.

    Returns:
        angles that are one of the kernels', a confidence of 1 in the hair and 0 elsewhere, and no spread.
    """
    mask = torch.as_tensor(hair, dtype=torch.float32)
    # The hair is cut out of the picture; its mean is taken away first, so that the cut makes no edge of its own.
    contrast = local_contrast(log_intensity(image), mask, config.contrast)
    best = torch.full(contrast.shape, -1.0)
    angle = torch.zeros_like(best)
    for theta, response in gabor_responses(contrast, config):
        size = response.abs()
        # d_p = (-sin theta, cos theta): the line runs across the wave.
        angle = torch.where(size > best, torch.tensor((theta + np.pi / 2) % np.pi, dtype=torch.float32), angle)
        best = torch.maximum(best, size)
    return OrientationMap(angle, (mask > 0.5).float(), torch.zeros_like(angle))


def direction(found: OrientationMap) -> torch.Tensor:
    """d_p, (H, W, 2): unit vectors along the hair, x to the right and y down; their sign means nothing."""
    return torch.stack([torch.cos(found.angle), torch.sin(found.angle)], dim=-1)


def hair_orientation(view: HeadView, config: OrientationConfig, published: bool = False) -> OrientationMap | None:
    """Directions of a view's hair; None where it shows none.

    Args:
        published: equation 11's choice of one kernel, instead of the mean over the kernels with its confidence.
    """
    if view.hair is None or not (view.hair > 0.5).any():
        return None
    return (best_kernel if published else orientation_map)(view.image, view.hair, config)
