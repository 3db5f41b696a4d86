"""A FLAME head in the scene is the model, number by number, and needs no script to be."""

from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.formats.head import BUILT_IN_HEAD
from tests.blender.flame_scene import evaluated, expected, small_model, with_synthetic_skin, written

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "flame2023open" / "flame_basis.npz"
CLOSE = 2e-5
"""Metres: what Blender's mesh may differ from the model."""


@pytest.fixture
def rigs(maquette_part):
    return maquette_part("addon.flame_rig")


@pytest.fixture
def poses(maquette_part):
    return maquette_part("addon.flame_pose")


def random_coefficients(maquette_part, model, rig, rng, angle=0.5):
    Coefficients = maquette_part("backend.formats.coefficients").Coefficients
    return Coefficients.of(
        model,
        identity=rng.normal(0, 1.5, len(rig.identity)),
        expression=rng.normal(0, 1.5, len(rig.expression)),
        pose=rng.normal(0, angle, (len(model.parents), 3)),
        translation=rng.normal(0, 0.1, 3),
        scale=rng.uniform(0.8, 1.2),
    )


def worst(model, mesh, coefficients):
    parts = (getattr(coefficients, p) for p in ("identity", "expression", "pose", "translation", "scale"))
    return np.linalg.norm(evaluated(mesh) - expected(model, *parts), axis=1).max()


def test_blender_shows_what_the_model_says(maquette_part, rigs, poses, tmp_path):
    # A region may be called what a joint is called; it must not skin.
    named_like_joints = replace(small_model(), regions={"neck": np.arange(20), "jaw": np.arange(30)})
    model = written(tmp_path / "small.npz", named_like_joints, maquette_part)
    rig = rigs.add_flame_head(bpy.context, model)
    assert (len(rig.identity), len(rig.expression)) == (20, 12)
    rng = np.random.default_rng(0)
    for _ in range(20):
        coefficients = random_coefficients(maquette_part, model, rig, rng)
        assert poses.apply_coefficients(rig, coefficients) == []
        assert worst(model, rig.mesh, coefficients) < CLOSE


def test_real_template_with_a_synthetic_skin(maquette_part, rigs, poses, tmp_path):
    if not REAL.is_file():
        pytest.skip("the folder of shared data is not here")
    model = written(tmp_path / "real.npz", with_synthetic_skin(np.load(REAL)), maquette_part)
    rig = rigs.add_flame_head(bpy.context, model, identity_keys=40)
    rng = np.random.default_rng(1)
    for _ in range(20):
        coefficients = random_coefficients(maquette_part, model, rig, rng, angle=0.3)
        poses.apply_coefficients(rig, coefficients)
        assert worst(model, rig.mesh, coefficients) < CLOSE
    assert len(rig.mesh.material_slots) == 2


def test_the_built_in_head_is_shown_as_its_model_says(maquette_part, rigs, poses):
    assert bpy.ops.maquette.add_built_in_flame_head() == {"FINISHED"}
    rig = rigs.rig_of(bpy.context.object)
    model = maquette_part("backend.formats.flame_files").read_flame_model(BUILT_IN_HEAD)
    assert len(rig.identity) == 20 and rig.expression == model.expression_names
    sliders = rig.mesh.maquette_arkit
    assert len(sliders) == 51 and "tongueOut" not in sliders
    rng = np.random.default_rng(2)
    for _ in range(20):
        coefficients = random_coefficients(maquette_part, model, rig, rng, angle=0.3)
        assert poses.apply_coefficients(rig, coefficients) == []
        assert worst(model, rig.mesh, coefficients) < CLOSE
    # Modes beyond the sliders come from the model's file, wherever the extension is.
    whole = maquette_part("backend.formats.coefficients").Coefficients.of(model, identity=rng.normal(0, 1, 100))
    assert poses.apply_coefficients(rig, whole) == []
    assert worst(model, rig.mesh, whole) < CLOSE
    nodes = rig.mesh.material_slots[0].material.node_tree.nodes
    assert any(node.type == "TEX_IMAGE" for node in nodes), "its skin is not painted"


def test_every_driver_works_where_scripts_are_not_trusted(maquette_part, rigs, tmp_path):
    model = written(tmp_path / "small.npz", small_model(expression=100), maquette_part)
    rig = rigs.add_flame_head(bpy.context, model)
    drivers = [*rig.keys.animation_data.drivers, *rig.armature.animation_data.drivers]
    assert len(rig.keys.animation_data.drivers) == 36
    assert len(drivers) > 36 + 5 * 3 * 3
    for curve in drivers:
        assert curve.is_valid and curve.driver.is_valid
        assert curve.driver.is_simple_expression, curve.driver.expression
        assert len(curve.driver.variables) <= 26


def test_sliders_and_bones_are_what_the_model_calls_them(maquette_part, rigs, tmp_path):
    model = written(tmp_path / "small.npz", small_model(), maquette_part)
    rig = rigs.add_flame_head(bpy.context, model, identity_keys=3, expression_keys=2)
    names = [key.name for key in rig.keys.key_blocks]
    assert names[:6] == ["Basis", "identity 1", "identity 2", "identity 3", "expression 1", "expression 2"]
    assert "jaw R11" in names and len(names) == 6 + 36
    for key in rig.keys.key_blocks[1:6]:
        assert (key.slider_min, key.slider_max, key.value) == (-5, 5, 0)
    assert {"root", "neck", "jaw", "left_eye", "right_eye", "master"} <= set(rig.armature.pose.bones.keys())
    assert {"face", "scalp"} <= set(rig.mesh.vertex_groups.keys())
    assert rig.mesh["maquette_role"] == "head" and rigs.rig_of(rig.armature).mesh == rig.mesh
    heads = maquette_part("addon.heads")
    assert heads.head_from_object(rig.mesh).regions.keys() == {"face", "scalp"}


def test_a_duplicate_and_a_reopened_file_are_heads_of_their_own(maquette_part, rigs, tmp_path):
    model = written(tmp_path / "small.npz", small_model(), maquette_part)
    rig = rigs.add_flame_head(bpy.context, model)
    rig.armature.select_set(True)
    bpy.ops.object.duplicate()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "two.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "two.blend"))
    first, second = (rigs.rig_of(bpy.data.objects[name]) for name in ("example", "example.001"))
    second.key("identity 1").value = 2
    second.bone("jaw").rotation_euler.x = 0.4
    bpy.context.view_layer.update()
    pose = np.zeros((5, 3))
    pose[2, 0] = 0.4
    np.testing.assert_allclose(evaluated(second.mesh), expected(model, [2.0], [], pose), atol=CLOSE)
    np.testing.assert_allclose(evaluated(first.mesh), model.head().vertices, atol=1e-6)


def test_what_trackers_call_a_rotation_is_the_bones_rotation(maquette_part, rigs, poses, tmp_path):
    model = written(tmp_path / "small.npz", small_model(), maquette_part)
    rig = rigs.add_flame_head(bpy.context, model)
    rig.bone("jaw").rotation_euler = (0.3, 0, 0)
    bpy.context.view_layer.update()
    pose = np.zeros((5, 3))
    pose[2] = (0.3, 0, 0)
    none = np.zeros(0)
    np.testing.assert_allclose(evaluated(rig.mesh), expected(model, none, none, pose), atol=CLOSE)
    back = poses.read_coefficients_of(bpy.context, rig)
    np.testing.assert_allclose(back.pose, pose, atol=1e-6)


def test_coefficients_come_back_as_they_were_applied(maquette_part, rigs, poses, tmp_path):
    model = written(tmp_path / "small.npz", small_model(), maquette_part)
    rig = rigs.add_flame_head(bpy.context, model)
    given = random_coefficients(maquette_part, model, rig, np.random.default_rng(4), angle=0.4)
    poses.apply_coefficients(rig, given)
    rig.armature.location = (1, 2, 3)  # where the artist puts the head is no coefficient
    bpy.context.view_layer.update()
    back = poses.read_coefficients_of(bpy.context, rig)
    assert (back.model, back.model_hash) == (model.name, model.hash)
    np.testing.assert_allclose(back.identity, given.identity[: len(back.identity)], atol=2e-6)
    for part in ("expression", "pose", "translation", "scale"):
        np.testing.assert_allclose(getattr(back, part), getattr(given, part), atol=2e-6)


def test_weights_of_long_sums_are_split(maquette_part):
    drivers = maquette_part("addon.flame_drivers")
    rng = np.random.default_rng(5)
    weights = rng.normal(0, 1000, 120)
    weights[7] = 1e-4
    values = rng.normal(0, 1, 120)
    total, seen = 0.0, []
    for expression, places in drivers.weighted_sums(weights):
        assert len(expression) <= 255
        seen += places
        total += eval(expression, dict(zip("abcdefghijklmnopqrstuvwxyz", values[places].tolist())))
    assert seen == [k for k in range(120) if k != 7]
    assert total == pytest.approx(weights @ values, abs=120 * 5 * 5e-4)
