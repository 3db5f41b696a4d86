"""Self-intersecting triangles: known cases, and every pair of a soup by another way."""

import numpy as np
import pytest

from backend.detail import intersections
from backend.detail.intersections import self_intersecting, self_intersecting_share


def by_hand(corners: np.ndarray) -> np.ndarray:
    """(F,) bool, all pairs of separate triangles, each edge's point in the other's plane in its own coordinates."""
    count = len(corners)
    result = np.zeros(count, bool)
    for i in range(count):
        for j in set(range(count)) - {i}:
            a, b, c = corners[j]
            for k in range(3):
                start, end = corners[i, k], corners[i, (k + 1) % 3]
                share, u, v = np.linalg.solve(np.stack([start - end, b - a, c - a], axis=1), start - a)
                if 0 < share < 1 and u > 0 and v > 0 and u + v < 1:
                    result[[i, j]] = True
    return result


def test_a_soup_of_triangles_of_all_sizes(monkeypatch):
    random = np.random.default_rng(4)
    size = 10 ** random.uniform(-1.5, 0, (120, 1, 1))
    corners = random.uniform(-1, 1, (120, 1, 3)) + size * random.normal(size=(120, 3, 3))
    expected = by_hand(corners)
    vertices, faces = corners.reshape(-1, 3), np.arange(360).reshape(120, 3)
    assert 0.2 < expected.mean() < 0.9
    np.testing.assert_array_equal(self_intersecting(vertices, faces), expected)
    # In metres as in millimetres, and however few pairs are looked at together.
    monkeypatch.setattr(intersections, "_PAIRS", 50)
    np.testing.assert_array_equal(self_intersecting(vertices * 1e-3, faces), expected)
    assert self_intersecting_share(vertices, faces) == pytest.approx(expected.mean())
    assert self_intersecting_share(vertices, faces, ~expected) == 0


def test_a_sheet_that_is_bent_does_not_intersect_and_one_that_is_pushed_through_does():
    x, y = np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21))
    index = np.arange(441).reshape(21, 21)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    roll = np.stack([np.sin(2.9 * x), y, np.cos(2.9 * x)], axis=-1).reshape(-1, 3)
    assert not self_intersecting(roll, faces).any()
    flat = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    assert not self_intersecting(flat, faces).any(), "triangles of one plane do not pass through each other"
    turn = 3.5 * x + 0.05
    eight = np.stack([np.sin(turn), y, np.sin(2 * turn)], axis=-1).reshape(-1, 3)
    found = self_intersecting(eight, faces)
    # It passes the origin at 0 and at half a turn either way, and only there.
    middles = np.abs(turn.ravel()[faces].mean(axis=1))
    assert found.sum() > 80 and np.minimum(middles[found], np.abs(middles[found] - np.pi)).max() < 0.7


def test_neighbours_with_one_vertex_in_common():
    # Two triangles of a fan around the first vertex, the second turned so that its far edge passes the first's inside.
    vertices = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [1, 0.5, 1], [1, 0.5, -1], [3, 3, 1], [3, 3, 2]])
    through = np.array([[0, 1, 2], [0, 3, 4]])
    assert self_intersecting(vertices, through).tolist() == [True, True]
    beside = np.array([[0, 1, 2], [0, 5, 6]])
    assert not self_intersecting(vertices, beside).any()
    touching = np.array([[0, 1, 2], [1, 3, 5]])
    assert not self_intersecting(vertices, touching).any()


def test_broken_triangles_are_told_and_harm_nothing():
    vertices = np.array(
        [[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0.2, 0.2, 1], [0.2, 0.2, -1], [0.3, 0.2, 0.5], [np.nan] * 3]
    )
    faces = np.array([[0, 1, 2], [0, 1, 2], [1, 1, 1], [3, 4, 6], [0, 1, 6]])
    assert self_intersecting(vertices, faces).tolist() == [True, True, False, False, False]  # a triangle there twice
    assert self_intersecting_share(vertices, faces[:0]) == 0
