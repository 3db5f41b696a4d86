"""Curls: measured from pictures of known helices, and wound about straight axes."""

import numpy as np
import pytest
import torch

from backend.geometry.grid import Grid
from backend.hair.curls import Curls, _period, measure, wind
from backend.hair.growth import Medium
from backend.hair.orientation import OrientationMap
from backend.hair.presets import CurlConfig
from backend.hair.views import HairView
from backend.hair.visibility import DepthMap
from backend.protocol import SilentReporter

SIZE, METRES_PER_PIXEL, DISTANCE = 160, 0.001, 1.0


def hanging(radius: float, pitch: float) -> tuple[HairView, OrientationMap, Medium]:
    """A view of hair hanging along -Z whose lines lean as those of helices in columns of 12 mm, each with its phase."""
    focal = DISTANCE / METRES_PER_PIXEL
    intrinsics = np.array([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1]])
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    world_to_camera[2, 3] = DISTANCE
    hair = np.ones((SIZE, SIZE), np.float32)
    view = HairView.from_camera("v", np.zeros((SIZE, SIZE, 3), np.uint8), hair, None, intrinsics, world_to_camera)
    y, x = (np.mgrid[:SIZE, :SIZE] + 0.5) * METRES_PER_PIXEL
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, SIZE)[(x / 0.012).astype(int)]
    lean = np.arctan(2 * np.pi * radius / pitch * np.cos(2 * np.pi * y / pitch + phase))
    angle = torch.from_numpy(np.mod(np.pi / 2 + lean, np.pi)).float()
    found = OrientationMap(angle, torch.ones(SIZE, SIZE), torch.zeros(SIZE, SIZE))
    grid = Grid.around(np.full(3, -0.1), np.full(3, 0.1), 0.02)
    down = torch.zeros(3, *grid.shape)
    down[2] = -1
    tensors = torch.zeros(6, *grid.shape)
    tensors[2] = 1
    surfaces = torch.stack([torch.full(grid.shape, -0.1), torch.full(grid.shape, 0.1)])
    return view, found, Medium(grid, tensors, down, surfaces, torch.zeros(6, *grid.shape))


def measured(radius: float, pitch: float, tmp_path):
    view, found, medium = hanging(radius, pitch)
    rng = np.random.default_rng(1)
    points = np.stack([rng.uniform(-0.07, 0.07, 600), np.zeros(600), rng.uniform(0, 0.07, 600)], 1)
    depth = DepthMap(torch.full((SIZE, SIZE), DISTANCE), 1.0)
    points = torch.from_numpy(points).float()
    return measure(points, medium, [view], [found], [depth], 0.004, CurlConfig(), SilentReporter(tmp_path))[0]


@pytest.mark.parametrize(("radius", "pitch"), [(0.008, 0.03), (0.005, 0.02)])
def test_radius_and_pitch_are_measured(radius, pitch, tmp_path):
    curls = measured(radius, pitch, tmp_path)
    assert curls.pitch == pytest.approx(pitch, rel=0.12)
    assert curls.radius == pytest.approx(radius, rel=0.25)


def test_straight_hair_has_no_curls(tmp_path):
    assert measured(0.0, 0.03, tmp_path) is None


def test_noise_is_not_taken_for_curls():
    correlation = np.r_[1.0, 0.05 * np.random.default_rng(2).standard_normal(47)]
    assert _period(correlation, CurlConfig())[1] < CurlConfig().regularity


def test_strands_wind_about_their_axes_from_the_same_roots():
    axes = np.zeros((50, 120, 3), np.float32)
    axes[:, :, 2] = -np.linspace(0, 0.24, 120)
    axes[:, :, 0] = np.linspace(0, 0.1, 50)[:, None]
    strands = wind(axes, Curls(0.008, 0.03, 0.5), CurlConfig(), np.random.default_rng(3))
    assert np.allclose(strands[:, 0], axes[:, 0], atol=1e-6)
    offset = np.linalg.norm((strands - axes)[:, 60:], axis=-1)
    assert 0.006 < offset.mean() < 0.010
    lean = np.abs(np.diff(strands, axis=1)[:, 60:, 2]) / np.linalg.norm(np.diff(strands, axis=1)[:, 60:], axis=-1)
    assert np.degrees(np.arccos(lean)).mean() == pytest.approx(np.degrees(np.arctan(2 * np.pi * 8 / 30)), abs=5)


def test_a_slow_slope_of_the_axes_is_not_taken_for_part_of_the_wave():
    lag = np.arange(48) * CurlConfig().step
    wave = 0.3 * np.exp(-lag / 0.06) * np.cos(2 * np.pi * lag / 0.03)
    correlation = wave + 0.5 - 8 * lag + 30 * lag**2
    pitch, regularity = _period(correlation, CurlConfig())
    assert pitch == pytest.approx(0.03, rel=0.03)
    assert regularity == pytest.approx(0.3 * np.exp(-0.25), rel=0.15)
