"""Nearest points, signed distance and grids against closed forms."""

import numpy as np
import pytest
import torch
import trimesh

from backend.geometry.frames import rotation_minimising_frames
from backend.geometry.grid import Grid, gradient
from backend.geometry.surface import Surface, nearest_on_triangles


@pytest.fixture(scope="module")
def ball() -> Surface:
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    return Surface(mesh.vertices, mesh.faces, spacing=0.004)


def test_nearest_on_triangles_agrees_with_dense_samples():
    rng = np.random.default_rng(0)
    corners, points = rng.random((200, 3, 3)), rng.random((200, 3)) * 2 - 0.5
    found = nearest_on_triangles(points, corners)
    assert np.allclose(found.sum(1), 1)
    assert (found >= -1e-12).all()
    distance = np.linalg.norm(np.einsum("nk,nkc->nc", found, corners) - points, axis=1)
    sampled = rng.dirichlet([1, 1, 1], 4000)
    dense = np.linalg.norm(np.einsum("sk,nkc->nsc", sampled, corners) - points[:, None], axis=2).min(1)
    assert (distance <= dense + 1e-12).all()
    assert np.abs(distance - dense).max() < 0.05


def test_signed_distance_of_a_ball(ball):
    rng = np.random.default_rng(1)
    points = rng.standard_normal((2000, 3))
    points *= (rng.uniform(0.02, 0.16, 2000) / np.linalg.norm(points, axis=1))[:, None]
    distance = ball.signed_distance(points)
    assert np.abs(distance - (np.linalg.norm(points, axis=1) - 0.1)).max() < 0.001


def test_signed_distance_on_a_grid_is_exact_near_the_surface(ball):
    grid = Grid.around(np.full(3, -0.13), np.full(3, 0.13), 0.006)
    volume = ball.signed_distance_on(grid).reshape(-1)
    exact = ball.signed_distance(grid.centres())
    near = np.abs(exact) < 0.02
    assert np.abs(volume - exact)[near].max() < 5e-4
    assert np.abs(volume - exact).max() < 4 * grid.spacing


def test_nearest_gives_face_and_weights_of_that_point(ball):
    points = np.random.default_rng(2).uniform(-0.15, 0.15, (300, 3))
    there, face, weights = ball.nearest(points)
    assert np.allclose(np.einsum("nk,nkc->nc", weights, ball.vertices[ball.faces[face]]), there)


def test_grid_reads_a_linear_field_exactly():
    grid = Grid.around(np.array([-1.0, 0.0, 2.0]), np.array([1.0, 1.5, 2.5]), 0.25)
    volume = torch.from_numpy(grid.centres() @ np.array([1.0, -2.0, 3.0], np.float32)).reshape(grid.shape)
    points = torch.rand(50, 3) * torch.tensor([2.0, 1.5, 0.5]) + torch.tensor([-1.0, 0.0, 2.0])
    assert torch.allclose(grid.sample(volume[None], points)[:, 0], points @ torch.tensor([1.0, -2.0, 3.0]), atol=1e-4)
    slope = grid.sample(gradient(volume, grid.spacing), points)
    assert torch.allclose(slope, torch.tensor([1.0, -2.0, 3.0]).expand_as(slope), atol=1e-3)


def test_an_eyeball_inside_the_head_leaves_it_solid():
    head = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    eye = trimesh.creation.icosphere(subdivisions=2, radius=0.012)
    eye.apply_translation([0, -0.092, 0])
    both = trimesh.util.concatenate([head, eye])
    surface = Surface(both.vertices, both.faces)
    points = np.array([[0, -0.07, 0], [0, -0.095, 0], [0, -0.1035, 0], [0, -0.11, 0], [0.0, 0, 0.12]])
    inside = surface.signed_distance(points) < 0
    assert inside.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(("kind", "exact"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_frames_neither_twist_nor_tilt(kind, exact):
    t = np.linspace(0, 3, 200)
    path = np.stack([np.cos(t), np.sin(t), 0.3 * t], axis=1)[None].astype(kind)
    tangent, normal, binormal = rotation_minimising_frames(path)
    for vectors in (tangent, normal, binormal):
        assert np.abs(np.linalg.norm(vectors, axis=2) - 1).max() < 10 * exact
    for a, b in ((tangent, normal), (tangent, binormal), (normal, binormal)):
        assert np.abs((a * b).sum(axis=2)).max() < 10 * exact
    # Rotation-minimising: the normal changes along the tangent only.
    turn = np.diff(normal, axis=1) / np.diff(t)[:, None]
    assert np.abs((turn * binormal[:, 1:]).sum(axis=2)).max() < 0.02


def test_frames_of_points_that_coincide_are_finite():
    path = np.zeros((2, 5, 3))
    path[1, 2:, 0] = [1, 2, 3]
    assert all(np.isfinite(vectors).all() for vectors in rotation_minimising_frames(path))
