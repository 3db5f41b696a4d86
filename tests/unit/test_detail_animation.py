"""Displacements on a head in motion, and the files in which Blender gets them."""

import numpy as np
import pytest

from backend.detail import frames
from backend.detail.carried import Carried
from backend.detail.dense import dense_head
from backend.errors import HeadError
from backend.flame.rotation import axis_angle_to_matrix
from backend.formats.flame_files import read_flame_model
from backend.formats.head import BUILT_IN_HEAD
from backend.formats.point_cache import PointCacheWriter, open_point_cache


@pytest.fixture(scope="module")
def dense():
    return dense_head(read_flame_model(BUILT_IN_HEAD, extras=()))


def bumps(dense, height=0.004):
    """(W, 3) smooth displacements along the normals, and a little across them: synthetic."""
    rest = dense.rest()
    along = np.sin(rest @ [220.0, 130.0, 170.0])[:, None] * frames.vertex_normals(rest, dense.faces)
    return height * (along + 0.3 * np.cos(rest[:, [1, 2, 0]] * 150))


def test_carried_displacements_are_those_of_the_tangent_frames(dense):
    displacement = bumps(dense)
    carried = Carried(dense.rest(), dense.faces, dense.uv, displacement)
    np.testing.assert_allclose(carried.on(dense.rest()), dense.rest() + displacement, atol=1e-12)
    posed = dense.vertices(expression=np.full(44, 0.4), pose=np.array([[0, 0, 0], [0.2, 0.4, 0], [0.3, 0.05, 0]]))
    expected = frames.displaced(dense.rest(), posed, dense.faces, dense.uv, displacement)
    np.testing.assert_allclose(carried.on(posed), expected, atol=1e-9)


def test_a_turned_head_has_turned_displacements(dense):
    import torch

    displacement = bumps(dense)
    carried = Carried(dense.rest(), dense.faces, dense.uv, displacement)
    turn = axis_angle_to_matrix(torch.tensor([0.4, -1.1, 2.0], dtype=torch.float64)).numpy()
    turned = carried.on(dense.rest() @ turn.T + [0.1, 2.0, -3.0])
    np.testing.assert_allclose(turned, (dense.rest() + displacement) @ turn.T + [0.1, 2.0, -3.0], atol=1e-9)


def test_a_point_cache_has_the_frames_that_were_written(tmp_path):
    path = tmp_path / "cache.pc2"
    heads = np.random.default_rng(0).normal(0, 1, (5, 11, 3))
    with PointCacheWriter(path, 11) as cache:
        for head in heads:
            cache.add(head)
        assert not path.exists(), "a cache that is not whole has its name already"
    np.testing.assert_array_equal(open_point_cache(path), heads.astype(np.float32))
    assert [file.name for file in tmp_path.iterdir()] == ["cache.pc2"]


def test_a_point_cache_that_is_stopped_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), PointCacheWriter(tmp_path / "cache.pc2", 3) as cache:
        cache.add(np.zeros((3, 3)))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_broken_point_caches_are_told(tmp_path):
    path = tmp_path / "cache.pc2"
    with PointCacheWriter(path, 4) as cache:
        cache.add(np.zeros((4, 3)))
    whole = path.read_bytes()
    for content, said in ((whole[:-1], "cut short"), (b"PLY" + whole, "no point cache"), (b"", "no point cache")):
        path.write_bytes(content)
        with pytest.raises(HeadError, match=said):
            open_point_cache(path)
