"""Subdivision against MeshLab, a polynomial and itself; smoothing by region."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from backend.detail.smoothing import neighbours, rounds_of, smoothed
from backend.detail.subdivision import levels_for, subdivide
from backend.errors import HeadError
from backend.formats.head import BUILT_IN_HEAD, read_head


@pytest.fixture(scope="module")
def head():
    return read_head(BUILT_IN_HEAD)


def sheet(size):
    """A regular triangulation of the plane, as the scheme's proofs have it: (V, 2) whole numbers, (F, 3)."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    at = np.arange(size * size).reshape(size, size)
    a, b, c, d = (part.ravel() for part in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    return np.column_stack([x.ravel(), y.ravel()]).astype(float), np.r_[np.c_[a, b, c], np.c_[a, c, d]]


def test_cubics_are_reproduced_inside_a_regular_sheet():
    plane, faces = sheet(9)
    cubic = lambda p: p[:, 0] ** 3 - 2 * p[:, 0] * p[:, 1] ** 2 + 3 * p[:, 1] + 5  # noqa: E731
    step = subdivide(faces, len(plane), 1)
    dense = step.dense(np.column_stack([plane, cubic(plane)]))
    inside = ((dense[:, :2] > 2) & (dense[:, :2] < 6)).all(axis=1)
    assert inside.sum() > 40
    np.testing.assert_allclose(dense[inside, 2], cubic(dense[inside]), atol=1e-11)


def test_it_is_one_matrix_for_positions_keys_and_uvs(head):
    step = subdivide(head.faces, len(head.vertices), 2)
    assert step is subdivide(head.faces.astype(np.int64), len(head.vertices), 2)
    assert step.faces.shape == (16 * len(head.faces), 3) and 90_000 < step.matrix.shape[0] < 100_000
    dense = step.dense(head.vertices)
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(dense[: len(head.vertices)], head.vertices)
    key = np.random.default_rng(1).normal(size=(len(head.vertices), 3, 2)) * 1e-3
    np.testing.assert_allclose(step.dense(head.vertices + key[..., 0]), dense + step.dense(key)[..., 0], atol=1e-7)
    # The same edges are open, and the surface keeps its side.
    _, border = neighbours(head.faces, len(head.vertices))
    assert neighbours(step.faces, len(dense))[1].sum() == 4 * border.sum()
    normal = lambda v, f: np.cross(v[f[:, 1]] - v[f[:, 0]], v[f[:, 2]] - v[f[:, 0]])  # noqa: E731
    agree = np.einsum("fc,fc->f", normal(dense, step.faces), normal(head.vertices, head.faces)[step.parents])
    assert (agree > 0).mean() > 0.995
    # UVs go linearly: where the corners are, and how much each triangle has.
    uv = step.corner_values(head.uv)
    np.testing.assert_allclose(uv[0::16, 0], head.uv[:, 0], atol=1e-6)
    spread = lambda t: np.abs(np.linalg.det(t[:, 1:] - t[:, :1])).sum()  # noqa: E731
    assert spread(uv.astype(float)) == pytest.approx(spread(head.uv.astype(float)), rel=1e-5)


def test_regions_cover_the_same_part_of_the_dense_head(head):
    step = subdivide(head.faces, len(head.vertices), 2)
    dense, regions = step.dense(head.vertices), step.regions(head.regions)
    for name in ("scalp", "face", "neck", "lips", "left_ear"):
        coarse = head.regions[name]
        np.testing.assert_array_equal(regions[name][regions[name] < len(head.vertices)], coarse)
        # No dense vertex of a region is further from the region's coarse ones than an edge is long.
        assert cKDTree(head.vertices[coarse]).query(dense[regions[name]])[0].max() < 0.02
        assert len(regions[name]) > 10 * len(coarse)
    assert not set(regions["scalp"]) & set(regions["face"])


@pytest.mark.parametrize("open_border", [True, False])
def test_a_round_is_meshlabs_at_threshold_zero(head, open_border):
    pymeshlab = pytest.importorskip("pymeshlab", reason="MeshLab's Python package is not installed")
    if open_border:
        plane, faces = sheet(7)
        vertices = np.column_stack([plane, np.sin(plane[:, 0]) * np.cos(plane[:, 1])])
    else:
        vertices, faces = head.vertices.astype(float), head.faces
    meshes = pymeshlab.MeshSet()
    meshes.add_mesh(pymeshlab.Mesh(vertices, faces))
    meshes.meshing_surface_subdivision_butterfly(iterations=1, threshold=pymeshlab.PercentageValue(0))
    theirs = meshes.current_mesh().vertex_matrix()
    ours = subdivide(faces, len(vertices), 1).dense(vertices)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(theirs[: len(vertices)], vertices, atol=1e-6)
    distance, match = cKDTree(ours).query(theirs)
    assert len(set(match)) == len(ours) and distance.max() < 1e-6


def test_levels_reach_the_wanted_number():
    assert levels_for(5023) == 2 and levels_for(6050) == 2 and levels_for(17_821) == 1 and levels_for(80_000) == 1


def test_a_mesh_that_is_no_surface_is_refused_in_a_sentence():
    with pytest.raises(HeadError, match="more than two triangles"):
        subdivide(np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]]), 5, 1)
    with pytest.raises(HeadError, match="opposite ways"):
        subdivide(np.array([[0, 1, 2], [0, 1, 3]]), 4, 1)


def test_smoothing_follows_the_regions(head):
    rounds = rounds_of(head.regions, len(head.vertices))
    noise = np.random.default_rng(2).normal(0, 3e-4, head.vertices.shape)
    rough = head.vertices + noise
    step = smoothed(subdivide(head.faces, len(head.vertices), 0), rounds)
    clean, after = step.dense(head.vertices.astype(float)), step.dense(rough)
    for name in ("ears", "eyes", "mouth_pocket", "boundary"):
        members = head.regions[name]
        np.testing.assert_array_equal(after[members], rough[members])
    left = after - clean
    for name, most in (("scalp", 0.2), ("neck", 0.35), ("face", 0.4)):
        moved = head.regions[name][rounds[head.regions[name]] > 0]
        assert np.std(left[moved]) < most * np.std(noise[moved]), name
    # A vertex of the scalp whose neighbours' neighbours are all smoothed alike: two rounds by hand.
    near, border = neighbours(head.faces, len(head.vertices))
    twice = smoothed(subdivide(head.faces, len(head.vertices), 0), np.where(rounds > 5, 2, 0)).dense(rough)
    still = (rounds <= 5) | border
    inside = near @ still + near @ (near @ still) == 0
    uses = np.asarray(near.sum(axis=1)).reshape(-1, 1)
    assert inside.sum() > 200
    np.testing.assert_allclose(twice[inside], (near @ (near @ rough / uses) / uses)[inside], atol=1e-12)
