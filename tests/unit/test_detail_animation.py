"""Displacements on a head in motion, and the files in which Blender gets them."""

import numpy as np
import pytest

from backend.detail import frames
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


def open_mouthed(dense):
    """(W, 3) a posed head with a wide open mouth, and a frown."""
    expression = np.zeros(44)
    expression[[dense.model.expression_names.index(name) for name in ("smile left", "brow down right")]] = 0.8
    return dense.vertices(expression=expression, pose=np.array([[0.2, 0.1, 0], [0.1, 0.3, 0], [0.3, 0.05, 0]]))


def test_displacements_follow_the_skin(dense):
    posed, normal = open_mouthed(dense), frames.vertex_normals(dense.rest(), dense.faces)
    moved = dense.carried(normal).on(posed) - posed
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    angle = np.degrees(np.arccos(np.einsum("wc,wc->w", moved, frames.vertex_normals(posed, dense.faces)).clip(-1, 1)))
    folds = [dense.regions[name] for name in ("lips", "mouth_pocket", "eye_region", "ears")]
    skin = np.setdiff1d(np.arange(dense.vertex_count), np.concatenate(folds))
    assert angle[skin].mean() < 1 and np.percentile(angle[skin], 99) < 12


def test_displacements_in_folds_are_not_torn(dense):
    # All of the same direction, so whatever neighbours differ by comes from the turns.
    posed, along = open_mouthed(dense), 0.002 * np.array([0.0, -1.0, 0.0])
    ends = dense.faces.ravel(), np.roll(dense.faces, -1, axis=1).ravel()
    apart = lambda moved: np.linalg.norm(moved[ends[0]] - moved[ends[1]], axis=1).max()  # noqa: E731
    carried = dense.carried(np.broadcast_to(along, posed.shape)).on(posed) - posed
    dense_frames = [frames.tangent_frames(v, dense.faces, dense.uv) for v in (dense.rest(), posed)]
    turned = frames.to_object(frames.to_tangent(np.broadcast_to(along, posed.shape), dense_frames[0]), dense_frames[1])
    assert apart(carried) < 0.5e-3
    assert apart(turned) > 3e-3, "what the frames of single dense vertices do"


def test_from_rest_to_pose_and_back_nothing_changes(dense):
    displacement, rest, posed = bumps(dense), dense.rest(), open_mouthed(dense)
    carried = dense.carried(displacement)
    np.testing.assert_allclose(carried.on(rest), rest + displacement, atol=1e-12)
    np.testing.assert_allclose(dense.to_rest(carried.on(posed) - posed, posed, rest), displacement, atol=1e-8)


def test_a_turned_head_has_turned_displacements(dense):
    import torch

    displacement, rest = bumps(dense), dense.rest()
    turn = axis_angle_to_matrix(torch.tensor([0.4, -1.1, 2.0], dtype=torch.float64)).numpy()
    turned = dense.carried(displacement).on(rest @ turn.T + [0.1, 2.0, -3.0])
    np.testing.assert_allclose(turned, (rest + displacement) @ turn.T + [0.1, 2.0, -3.0], atol=1e-9)


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
