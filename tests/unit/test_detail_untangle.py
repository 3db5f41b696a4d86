"""Surfaces that pass through themselves: told by winding numbers, and taken apart."""

import numpy as np
import pytest
import trimesh

from backend.detail.intersections import self_intersecting
from backend.detail.registration_untangle import untangle
from backend.geometry.winding import winding_numbers
from backend.protocol import SilentReporter


def ball(radius=0.02, centre=(0, 0, 0)):
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return sphere.vertices + centre, sphere.faces


def test_winding_numbers():
    one, faces = ball()
    two, _ = ball(centre=(0.03, 0.001, 0.002))
    both = np.concatenate([one, two]), np.concatenate([faces, faces + len(one)])
    points = np.array(
        [[0.0003, 0.0011, 0.0007], [0.015, 0.0005, 0.0011], [0.03, 0, 0], [0, 0.03, 0], [-0.1, 0.0003, 0.0002]]
    )
    assert winding_numbers(points, *both).tolist() == [1, 2, 1, 0, 0]
    turned = winding_numbers(points, both[0], both[1][:, ::-1])
    assert turned.tolist() == [-1, -2, -1, 0, 0]
    assert winding_numbers(points[:0], *both).tolist() == [] and not winding_numbers(points, one, faces[:0]).any()
    rng = np.random.default_rng(0)
    somewhere = rng.uniform(-0.03, 0.06, (500, 3))
    away = np.stack([np.linalg.norm(somewhere - centre, axis=1) for centre in ([0, 0, 0], [0.03, 0.001, 0.002])])
    surely = (abs(away - 0.02) > 3e-4).all(axis=0)
    np.testing.assert_array_equal(winding_numbers(somewhere, *both)[surely], (away < 0.02).sum(axis=0)[surely])


@pytest.mark.parametrize("kind", ["pressed together", "turned inside out"])
def test_surfaces_come_apart(kind, tmp_path):
    vertices, faces = ball()
    if kind == "pressed together":
        # Two balls that reach into each other by 0.6 mm, as shut lips do.
        other = vertices + [0.0394, 0, 0]
        vertices, faces = np.concatenate([vertices, other]), np.concatenate([faces, faces + len(vertices)])
    else:
        # A flat cake whose upper side is dented through its lower one by 0.5 mm, as the groove of a thin ear is.
        vertices = vertices * [1, 1, 0.1]
        dent = np.exp(-(vertices[:, :2] ** 2).sum(axis=1) / 0.006**2)
        vertices[:, 2] -= np.where(vertices[:, 2] > 0, 0.0045 * dent, 0)
    before = self_intersecting(vertices, faces)
    assert before.sum() > 10
    apart = untangle(vertices, faces, SilentReporter(tmp_path))
    assert not self_intersecting(apart, faces).any()
    moved = np.linalg.norm(apart - vertices, axis=1)
    assert 0.0002 < moved.max() < 0.001, "metres: each side gives way by half of it, about"
    assert (moved == 0).mean() > 0.4


def test_what_is_sound_stays(tmp_path):
    vertices, faces = ball()
    assert np.array_equal(untangle(vertices, faces, SilentReporter(tmp_path)), vertices)
