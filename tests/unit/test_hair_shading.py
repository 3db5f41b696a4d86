"""Hollows that the pictures show dark, on a synthetic block of hair over a flat head."""

import numpy as np
import pytest
import torch

from backend.geometry.grid import Grid
from backend.hair.hull import Volumes
from backend.hair.presets import ShadingConfig
from backend.hair.shading import hollowed
from backend.hair.views import HairView
from backend.hair.visibility import DepthMap
from backend.protocol import SilentReporter

SIZE, METRES_PER_PIXEL, DISTANCE = 120, 0.001, 1.0
DARK = 0.009
"""Metres; half the width of the dark band along x = 0."""


def block(thickness: float, brightness: float) -> tuple[Volumes, HairView, DepthMap]:
    """Hair between z = 0, a head's surface, and z = thickness, seen from above with a dark band through the middle."""
    grid = Grid.around(np.array([-0.05, -0.05, -0.02]), np.array([0.05, 0.05, 0.06]), 0.0025)
    z = torch.from_numpy(grid.centres(np.arange(grid.size)))[:, 2].float().reshape(grid.shape)
    volumes = Volumes(grid, z - thickness, z)
    focal = DISTANCE / METRES_PER_PIXEL
    intrinsics = np.array([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1]])
    world_to_camera = np.diag([1.0, -1, -1, 1])
    world_to_camera[2, 3] = thickness + DISTANCE
    x = np.abs(np.arange(SIZE) + 0.5 - SIZE / 2) * METRES_PER_PIXEL
    grey = np.where(x < DARK, brightness, 1.0) * 200
    image = np.broadcast_to(grey[None, :, None], (SIZE, SIZE, 3)).astype(np.uint8)
    hair = np.ones((SIZE, SIZE), np.float32)
    view = HairView.from_camera("above", image, hair, None, intrinsics, world_to_camera)
    return volumes, view, DepthMap(torch.full((SIZE, SIZE), DISTANCE), 1.0)


def drawn_in(volumes: Volumes, view: HairView, depth: DepthMap, tmp_path, config: ShadingConfig) -> np.ndarray:
    """(X, Y) metres by which the surface went down."""
    found = hollowed(volumes, [view], [depth], 0.004, config, SilentReporter(tmp_path))
    change = found.hair - volumes.hair
    top = volumes.hair.abs().argmin(2, keepdim=True)
    return change.gather(2, top)[..., 0].numpy()


@pytest.fixture
def config() -> ShadingConfig:
    return ShadingConfig()


def test_a_dark_band_is_a_hollow(config, tmp_path):
    volumes, view, depth = block(0.04, 0.5)
    down = drawn_in(volumes, view, depth, tmp_path, config)
    x = np.abs(volumes.grid.origin[0] + volumes.grid.spacing * np.arange(volumes.grid.shape[0]))
    assert down[x < 0.006].mean() > 0.001
    assert down[x > 0.03].max() < 0.0002
    assert down.max() <= config.deepest + 1e-6


def test_an_even_picture_changes_nothing(config, tmp_path):
    volumes, view, depth = block(0.04, 1.0)
    assert np.abs(drawn_in(volumes, view, depth, tmp_path, config)).max() < 1e-6


def test_thin_hair_has_no_hollows(config, tmp_path):
    volumes, view, depth = block(0.0039, 0.5)
    assert np.abs(drawn_in(volumes, view, depth, tmp_path, config)).max() < 1e-6


def test_a_surface_that_a_view_sees_edge_on_stays(config, tmp_path):
    volumes, view, depth = block(0.04, 0.5)
    # From the front, in the plane of the surface, whose border is the mask's.
    world_to_camera = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0.04], [0, 1, 0, DISTANCE], [0, 0, 0, 1]])
    hair = np.zeros((SIZE, SIZE), np.float32)
    hair[SIZE // 2 :] = 1
    image = np.full((SIZE, SIZE, 3), 150, np.uint8)
    side = HairView.from_camera("front", image, hair, None, view.intrinsics.numpy(), world_to_camera)
    open_depth = DepthMap(torch.full((SIZE, SIZE), 10.0), 1.0)
    found = hollowed(volumes, [view, side], [depth, open_depth], 0.004, config, SilentReporter(tmp_path))
    assert (found.hair - volumes.hair).abs().max() < 1e-4
