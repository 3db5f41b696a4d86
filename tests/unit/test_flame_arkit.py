"""ARKit's 52 weights on a model: names, turns, tables fitted to displacements."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.errors import CoefficientError, HeadError
from backend.flame.arkit import fit_table
from backend.flame.layer import FlameLayer
from backend.formats.arkit import (
    NAMES,
    ArkitTable,
    place_of,
    read_table,
    table_from_rows,
    turning_rows,
    write_table,
)
from tests.unit.flame_example import example_model
from tests.unit.flame_reference import posed_head


@pytest.fixture(scope="module")
def model():
    return example_model(vertices=60, identity=4, expression=12)


def test_the_52_names_in_every_spelling():
    assert len(NAMES) == len(set(NAMES)) == 52
    assert (NAMES[0], NAMES[17], NAMES[51]) == ("eyeBlinkLeft", "jawOpen", "tongueOut")
    for i, name in enumerate(NAMES):
        assert place_of(name) == i and place_of(f" {name[0].upper()}{name[1:]}") == i
    assert place_of("mouthSmile_L") == NAMES.index("mouthSmileLeft")
    assert place_of("browDown_R") == NAMES.index("browDownRight")
    assert place_of("HeadYaw") is None and place_of("") is None
    # Whatever is there for one side is there for the other.
    for name in NAMES:
        assert name.replace("Left", "Right") in NAMES and name.replace("Right", "Left") in NAMES


@pytest.mark.parametrize(
    ("name", "joint", "way"),
    [
        ("eyeLookUpLeft", "left_eye", (0, 1)),
        ("eyeLookDownRight", "right_eye", (0, -1)),
        ("eyeLookOutLeft", "left_eye", (1, 0)),
        ("eyeLookInLeft", "left_eye", (-1, 0)),
        ("eyeLookOutRight", "right_eye", (-1, 0)),
        ("eyeLookInRight", "right_eye", (1, 0)),
        ("jawOpen", "jaw", (0, -1)),
        ("jawLeft", "jaw", (1, 0)),
        ("jawRight", "jaw", (-1, 0)),
    ],
)
def test_eyes_and_jaw_turn_where_their_names_say(name, joint, way, model):
    """What lies in front of a joint (+Z) goes to the face's left (+X), right, up (+Y) or down."""
    table = table_from_rows(model, {}, turning_rows(model))
    weights = np.zeros((1, 52))
    weights[0, NAMES.index(name)] = 1
    expression, pose = table.parameters(weights)
    rotations = FlameLayer(model, up="Y", dtype=torch.float64)(pose=torch.tensor(pose)).rotations[0].numpy()
    forward = rotations[model.joint[joint]] @ (0, 0, 1)
    assert not expression.any() and forward[2] > 0.5
    assert np.allclose(forward[:2] / np.linalg.norm(forward[:2]), way)
    others = [j for j in range(5) if j != model.joint[joint]]
    assert np.array_equal(rotations[others], np.broadcast_to(np.eye(3), (4, 3, 3)))
    assert table.supported.sum() == 11


def test_rows_by_name_add_up(model):
    model = replace(model, expression_names=("smile", *model.expression_names[1:]))
    expressions = {"mouthSmileLeft": {"smile": 0.8, "expression 3": -0.2}, "jawOpen": {"expression 2": 1.5}}
    table = table_from_rows(model, expressions, turning_rows(model))
    weights = np.zeros((3, 52))
    weights[1, NAMES.index("mouthSmileLeft")], weights[2, NAMES.index("jawOpen")] = 0.5, 2
    expression, pose = table.parameters(weights)
    assert not expression[0].any() and not pose[:2].any()
    assert expression[1, :3].tolist() == [0.4, 0, -0.1] and expression[2, :3].tolist() == [0, 3, 0]
    assert np.degrees(pose[2, 2]).tolist() == pytest.approx([50, 0, 0])
    with pytest.raises(CoefficientError, match="move wink"):
        table_from_rows(model, {"eyeBlinkLeft": {"wink": 1}}, {})
    with pytest.raises(CoefficientError, match="52 weights a frame"):
        table.parameters(np.zeros((3, 51)))


def test_a_table_is_kept_and_belongs_to_its_model(model, tmp_path):
    table = table_from_rows(model, {"cheekPuff": {"expression 5": 1}}, turning_rows(model))
    write_table(tmp_path / "arkit.npz", table)
    found = read_table(tmp_path / "arkit.npz").applied_to(model)
    for part in ("expression", "pose", "supported"):
        assert np.array_equal(getattr(found, part), getattr(table, part))
    with pytest.raises(CoefficientError, match="belongs to the model example"):
        found.applied_to(example_model(vertices=60, identity=4, expression=12, seed=5))
    np.savez(tmp_path / "other.npz", format="x")
    with pytest.raises(CoefficientError, match="no ARKit table"):
        read_table(tmp_path / "other.npz")
    with pytest.raises(CoefficientError, match="not 52 rows"):
        ArkitTable("m", "h", np.zeros((3, 2)), np.zeros((3, 5, 3)), np.zeros(3, bool))


def test_fitting_finds_the_expressions_and_turns_that_made_the_targets(model):
    rng = np.random.default_rng(0)
    made, targets = {}, {}
    for name, joint in (("mouthPucker", None), ("jawOpen", "jaw"), ("eyeLookUpRight", "right_eye")):
        pose = np.zeros((5, 3))
        if joint:
            pose[model.joint[joint]] = rng.normal(0, 0.3, 3)
        made[name] = rng.normal(0, 1, 12), pose
        targets[name] = posed_head(model, [], made[name][0], pose)[0] - model.template
    fitted = fit_table(model, targets, ridge=1e-9)
    for name, (expression, pose) in made.items():
        row = NAMES.index(name)
        assert np.abs(fitted.table.expression[row] - expression).max() < 1e-4, name
        assert np.abs(fitted.table.pose[row] - pose).max() < 1e-5, name
        assert fitted.error[name] < 1e-7 and fitted.size[name] > 1e-3
        assert fitted.size[name] == pytest.approx(np.sqrt(np.square(targets[name]).sum(axis=1).mean()))
    assert fitted.table.supported.sum() == 3


def test_what_a_model_cannot_show_is_left_over_and_the_ridge_holds_coefficients(model):
    rng = np.random.default_rng(0)
    basis = model.expression.reshape(-1, 12).astype(np.float64)
    beyond = rng.normal(0, 1e-3, len(basis))
    beyond -= basis @ np.linalg.lstsq(basis, beyond)[0]
    inside = basis @ rng.normal(size=12)
    fitted = fit_table(model, {"cheekPuff": (inside + beyond).reshape(-1, 3)}, ridge=1e-9)
    assert fitted.error["cheekPuff"] == pytest.approx(np.sqrt(np.square(beyond).sum() / 60), rel=1e-4)
    held = fit_table(model, {"cheekPuff": inside.reshape(-1, 3)}, ridge=1e-2)
    row = NAMES.index("cheekPuff")
    assert np.abs(held.table.expression[row]).max() < 0.2 * np.abs(fitted.table.expression[row]).max()
    # A vertex that does not count is left where it may.
    weights, spoilt = np.ones(60), inside.reshape(-1, 3).copy()
    weights[7], spoilt[7] = 0, 1.0
    found = fit_table(model, {"cheekPuff": spoilt}, weights, ridge=1e-9).table.expression[row]
    assert np.allclose(found, fitted.table.expression[row], atol=1e-4)
    with pytest.raises(HeadError, match="smirk is none of"):
        fit_table(model, {"smirk": spoilt})
    with pytest.raises(HeadError, match="does not fit the 60 vertices"):
        fit_table(model, {"cheekPuff": spoilt[:5]})
