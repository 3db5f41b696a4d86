"""Dense heads of models: their layout, and displacements that go along with a pose."""

from dataclasses import replace

import numpy as np
import pytest

from backend.detail.dense import built_in_layout, dense_head, layout_of
from backend.errors import HeadError
from backend.fit.model import model_to_fit
from backend.formats.layout import BUILT_IN_LAYOUT, read_layout, topology_hash, write_layout


@pytest.fixture(scope="module")
def model():
    return model_to_fit("built-in")


@pytest.fixture(scope="module")
def dense(model):
    return dense_head(model)


def test_the_built_in_heads_layout_is_what_the_program_makes(model):
    asset, made = built_in_layout(model), layout_of(model)
    assert asset.topology == topology_hash(model.faces) and asset.names == made.names
    np.testing.assert_array_equal(asset.chart, made.chart)
    np.testing.assert_allclose(asset.uv, made.uv, atol=2e-4)
    assert asset.hash == made.hash


def test_a_dense_head_has_what_the_jobs_need(model, dense):
    assert dense_head(model) is dense
    assert 90_000 < dense.vertex_count < 100_000 and dense.faces.max() == dense.vertex_count - 1
    assert dense.uv.shape == dense.standard_uv.shape == (len(dense.faces), 3, 2)
    assert len(dense.chart) == len(dense.faces) and dense.layout_hash != dense.standard_hash
    rng = np.random.default_rng(0)
    identity, pose = rng.normal(size=20), np.zeros((5, 3))
    pose[2, 0] = 0.2
    coarse = len(model.template)
    posed = dense.vertices(identity, rng.normal(0, 0.3, 5), pose)
    np.testing.assert_allclose(dense.rest(identity)[:coarse], dense.coarse(identity), atol=1e-12)
    assert posed.dtype == np.float64 and 0.005 < np.abs(posed - dense.rest(identity)).max() < 0.05
    moved = rng.normal(0, 0.001, posed.shape)
    np.testing.assert_allclose(dense.displaced(moved, identity), dense.rest(identity) + moved, atol=1e-15)
    length = np.linalg.norm(dense.displaced(moved, identity, None, pose) - dense.vertices(identity, None, pose), axis=1)
    np.testing.assert_allclose(length, np.linalg.norm(moved, axis=1), rtol=1e-6)


def test_a_turned_head_turns_its_displacements(dense):
    moved = np.random.default_rng(1).normal(0, 0.01, (dense.vertex_count, 3))
    angle, pose = 0.9, np.zeros((5, 3))
    pose[0, 1] = angle  # about the model's own up axis
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    found = dense.displaced(moved, None, None, pose) - dense.vertices(None, None, pose)
    # Single-precision skin weights turn a head not quite rigidly; the frames themselves are tried to 1e-7 elsewhere.
    np.testing.assert_allclose(found, moved @ turn.T, rtol=0, atol=1e-6)


def test_layouts_of_others_are_refused_in_a_sentence(model, tmp_path):
    layout = read_layout(BUILT_IN_LAYOUT)
    write_layout(tmp_path / "a.npz", replace(layout, topology="0123"))
    with pytest.raises(HeadError, match="another mesh"):
        dense_head(model, read_layout(tmp_path / "a.npz"))
    with pytest.raises(HeadError, match="no UVs of its own"):
        _ = dense_head(replace(model, uv=None)).standard_uv
    (tmp_path / "b.npz").write_bytes(b"no layout")
    with pytest.raises(HeadError, match="cannot be read as a UV layout"):
        read_layout(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", format="else")
    with pytest.raises(HeadError, match="no UV layout"):
        read_layout(tmp_path / "c.npz")
    write_layout(tmp_path / "d.npz", replace(layout, uv=layout.uv[:5]))
    with pytest.raises(HeadError, match="do not fit"):
        read_layout(tmp_path / "d.npz")
