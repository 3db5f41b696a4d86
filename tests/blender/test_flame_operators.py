"""Add FLAME Head, coefficients to and from files, sliders reset and thrown, as an artist clicks them."""

from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from backend.formats.arkit import table_from_rows, turning_rows, write_table
from backend.formats.coefficients import Coefficients, read_coefficients, write_coefficients
from backend.formats.flame_model import write_flame_model
from tests.blender.flame_scene import evaluated, expected, small_model


@pytest.fixture
def model(tmp_path, maquette):
    """A model that is in the scene."""
    model = small_model()
    write_flame_model(tmp_path / "model.npz", model)
    assert bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"), identity_keys=10) == {"FINISHED"}
    return model


def keys():
    return bpy.context.object.data.shape_keys.key_blocks


def test_add_flame_head_makes_it_the_scenes_head(model):
    head = bpy.context.object
    assert head == bpy.context.scene.maquette.head and head.type == "MESH"
    assert [k.name for k in keys()][10:12] == ["identity 10", "expression 1"]
    np.testing.assert_allclose(evaluated(head), model.head().vertices, atol=1e-6)


def test_a_file_that_is_no_model_is_refused_and_leaves_nothing(maquette, tmp_path):
    (tmp_path / "notes.pkl").write_bytes(b"no pickle")
    with pytest.raises(RuntimeError, match=r"notes\.pkl"):
        bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "notes.pkl"))
    assert not bpy.data.objects and not bpy.data.armatures


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_coefficients_are_applied_and_saved(model, tmp_path, suffix):
    rng = np.random.default_rng(0)
    given = Coefficients.of(
        model, identity=rng.normal(0, 2, 10), expression=rng.normal(0, 2, 12), pose=rng.normal(0, 0.3, (5, 3))
    )
    write_coefficients(tmp_path / f"given{suffix}", given)
    assert bpy.ops.maquette.apply_coefficients(filepath=str(tmp_path / f"given{suffix}")) == {"FINISHED"}
    shown = evaluated(bpy.context.object)
    np.testing.assert_allclose(shown, expected(model, given.identity, given.expression, given.pose), atol=2e-5)
    assert bpy.ops.maquette.save_coefficients(filepath=str(tmp_path / "saved"), format=suffix) == {"FINISHED"}
    bpy.ops.maquette.reset_head(group="identity")
    bpy.ops.maquette.reset_head(group="expression")
    bpy.ops.maquette.reset_head(group="pose")
    np.testing.assert_allclose(evaluated(bpy.context.object), model.head().vertices, atol=1e-6)
    bpy.ops.maquette.apply_coefficients(filepath=str(tmp_path / f"saved{suffix}"))
    np.testing.assert_allclose(evaluated(bpy.context.object), shown, atol=1e-6)


def test_coefficients_of_another_model_are_refused_and_change_nothing(model, tmp_path):
    other = Coefficients.of(small_model(seed=9, name="somebody else"), identity=np.ones(5))
    write_coefficients(tmp_path / "other.npz", other)
    with pytest.raises(RuntimeError, match=r"belong to the model somebody else .* but the head is example"):
        bpy.ops.maquette.apply_coefficients(filepath=str(tmp_path / "other.npz"))
    assert not any(key.value for key in keys()[1:23])


def test_identity_beyond_the_sliders_is_shown_too_and_saved(model, tmp_path):
    rng = np.random.default_rng(2)
    given = Coefficients.of(model, identity=rng.normal(0, 2, 25), pose=rng.normal(0, 0.3, (5, 3)))
    write_coefficients(tmp_path / "c.npz", given)
    for _ in range(2):  # the second time there is a key for it
        bpy.ops.maquette.apply_coefficients(filepath=str(tmp_path / "c.npz"))
        wanted = expected(model, given.identity, given.expression, given.pose)
        np.testing.assert_allclose(evaluated(bpy.context.object), wanted, atol=2e-5)
    bpy.ops.maquette.save_coefficients(filepath=str(tmp_path / "saved.npz"), format=".npz")
    np.testing.assert_allclose(read_coefficients(tmp_path / "saved.npz").identity, given.identity, atol=1e-6)
    bpy.ops.maquette.reset_head(group="identity")
    bpy.ops.maquette.reset_head(group="pose")
    np.testing.assert_allclose(evaluated(bpy.context.object), model.head().vertices, atol=1e-6)


def test_identity_beyond_the_sliders_needs_the_model_file(model, tmp_path):
    write_coefficients(tmp_path / "c.npz", Coefficients.of(model, identity=np.ones(25)))
    (tmp_path / "model.npz").unlink()
    bpy.ops.maquette.apply_coefficients(filepath=str(tmp_path / "c.npz"))
    none = np.zeros(0)
    wanted = expected(model, np.ones(10), none, np.zeros((5, 3)))
    np.testing.assert_allclose(evaluated(bpy.context.object), wanted, atol=2e-5)


def test_large_coefficients_widen_the_sliders(model, tmp_path):
    write_coefficients(tmp_path / "c.npz", Coefficients.of(model, identity=[7.5, -6.5]))
    bpy.ops.maquette.apply_coefficients(filepath=str(tmp_path / "c.npz"))
    assert keys()["identity 1"].value == pytest.approx(7.5) and keys()["identity 2"].value == pytest.approx(-6.5)


def test_random_heads_are_of_their_seed(model):
    values = lambda: np.array([key.value for key in keys()[1:11]])  # noqa: E731
    bpy.ops.maquette.randomise_head(group="identity", seed=3)
    first = values()
    assert 0.3 < first.std() < 3
    bpy.ops.maquette.randomise_head(group="identity", seed=4)
    assert np.abs(values() - first).max() > 0.1
    bpy.ops.maquette.randomise_head(group="identity", seed=3)
    np.testing.assert_array_equal(values(), first)
    assert not any(keys()[f"expression {i + 1}"].value for i in range(12))


def test_arkit_sliders_move_what_the_model_has(model, tmp_path):
    head = bpy.context.object
    sliders = head.maquette_arkit
    assert len(sliders) == 11 and "jawOpen" in sliders  # turns of jaw and eyes; the model's modes have other names
    sliders["jawOpen"].value, sliders["jawLeft"].value = 0.8, 0.5
    pose = np.zeros((5, 3))
    pose[2] = np.radians((20, 4, 0))
    none = np.zeros(0)
    np.testing.assert_allclose(evaluated(head), expected(model, none, none, pose), atol=2e-5)
    sliders["jawOpen"].value = sliders["jawLeft"].value = 0
    np.testing.assert_allclose(evaluated(head), model.head().vertices, atol=2e-6)
    sliders["jawOpen"].value = 1
    bpy.ops.maquette.reset_head(group="pose")
    assert sliders["jawOpen"].value == 0
    np.testing.assert_allclose(evaluated(head), model.head().vertices, atol=2e-6)
    table = table_from_rows(model, {"mouthSmileLeft": {"expression 3": 2.0}}, {})
    write_table(tmp_path / "table.npz", table)
    assert bpy.ops.maquette.load_arkit_table(filepath=str(tmp_path / "table.npz")) == {"FINISHED"}
    head.maquette_arkit["mouthSmileLeft"].value = 0.5
    assert keys()["expression 3"].value == pytest.approx(1.0)
    other = small_model(seed=9)
    write_table(tmp_path / "other.npz", table_from_rows(other, {}, turning_rows(other)))
    with pytest.raises(RuntimeError, match="belongs to the model"):
        bpy.ops.maquette.load_arkit_table(filepath=str(tmp_path / "other.npz"))


def test_a_fitted_arkit_table_is_for_all_heads_of_its_model(model, maquette_part, tmp_path):
    assert bpy.ops.maquette.fit_arkit_table.poll()
    first = bpy.context.object
    table = table_from_rows(model, {"mouthSmileLeft": {"expression 3": 2.0}}, turning_rows(model))
    write_table(tmp_path / "arkit.npz", table)
    maquette_part("addon.flame_arkit").bring_in_table(SimpleNamespace(folder=tmp_path), {"table": "arkit.npz"})
    assert len(first.maquette_arkit) == 12 and "mouthSmileLeft" in first.maquette_arkit
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"), identity_keys=10)
    assert bpy.context.object != first and "mouthSmileLeft" in bpy.context.object.maquette_arkit
    bpy.ops.maquette.add_built_in_flame_head()
    assert not bpy.ops.maquette.fit_arkit_table.poll(), "the built-in head has its own"


def test_operators_are_grey_without_a_flame_head(maquette):
    for name in ("apply_coefficients", "save_coefficients", "reset_head", "randomise_head", "keyframe_face"):
        assert not getattr(bpy.ops.maquette, name).poll()
