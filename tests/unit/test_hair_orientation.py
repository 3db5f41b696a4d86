"""2D orientation against lines of known angle."""

import dataclasses

import numpy as np
import pytest
import torch

from backend.hair.orientation import orientation_map, viewable
from backend.hair.presets import OrientationConfig


def striped(angle: float, size: int = 96, period: float = 4.5, noise: float = 0.05) -> np.ndarray:
    """A picture of stripes that run along an angle, from x towards y (down)."""
    y, x = np.mgrid[:size, :size] + 0.5
    across = -x * np.sin(angle) + y * np.cos(angle)
    grey = 0.5 + 0.3 * np.cos(2 * np.pi * across / period)
    grey += noise * np.random.default_rng(0).standard_normal(grey.shape)
    return np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=-1).astype(np.float32)


@pytest.mark.parametrize("method", ["gabor", "structure tensor"])
@pytest.mark.parametrize("degrees", [0, 10, 45, 90, 131, 175])
def test_lines_are_found_at_their_angle(method, degrees):
    config = dataclasses.replace(OrientationConfig(), method=method)
    hair = np.zeros((96, 96), np.float32)
    hair[8:-8, 8:-8] = 1
    found = orientation_map(striped(np.deg2rad(degrees)), hair, config)
    middle = (slice(24, -24), slice(24, -24))
    off = torch.remainder(found.angle[middle] - np.deg2rad(degrees) + np.pi / 2, np.pi) - np.pi / 2
    # Differences of neighbouring pixels lean towards the axes on lines this fine.
    assert float(off.abs().median()) < np.deg2rad(2 if method == "gabor" else 4)
    assert float(found.confidence[middle].median()) > 0.5
    assert (found.confidence[hair == 0] == 0).all()


def test_noise_is_less_sure_than_lines():
    hair = np.ones((96, 96), np.float32)
    lines = orientation_map(striped(0.7), hair, OrientationConfig())
    noise = np.random.default_rng(1).random((96, 96, 3)).astype(np.float32)
    noise = orientation_map(noise, hair, OrientationConfig())
    assert float(noise.confidence.mean()) < 0.6 * float(lines.confidence.mean())
    assert float(noise.variance.mean()) > 1.2 * float(lines.variance.mean())


def test_the_masks_edge_is_not_taken_for_a_line():
    # Vertical stripes end at a horizontal edge, beyond which all is white: near it they must stay vertical.
    image = striped(np.pi / 2)
    image[60:] = 1
    hair = np.zeros((96, 96), np.float32)
    hair[:60] = 1
    found = orientation_map(image, hair, OrientationConfig())
    off = torch.remainder(found.angle[50:59, 20:-20], np.pi) - np.pi / 2
    assert float(off.abs().median()) < np.deg2rad(5)


def test_it_can_be_looked_at():
    picture = viewable(orientation_map(striped(0.3), np.ones((96, 96), np.float32), OrientationConfig()))
    assert picture.shape == (96, 96, 3)
    assert picture.dtype == np.uint8
    assert picture[40:56, 40:56].max() > 150
