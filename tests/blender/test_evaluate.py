"""Evaluate Strands: with the real backend, on evaluated curves and on files."""

import os

import bpy
import numpy as np
import pytest

needs_backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
)


@pytest.fixture
def places(maquette_part, tmp_path):
    maquette_part("addon.job_places").preferences().job_place = str(tmp_path / "jobs")
    maquette_part("addon.jobs").queue()
    yield
    maquette_part("addon.job_places").preferences().job_place = ""


@pytest.fixture
def hair(maquette_part, places):
    """hair(name, offset): 60 upright strands of 10 cm, a centimetre apart, as a Curves object and as Strands."""
    lines = maquette_part("addon.strands_scene").curves_from_strands
    grid = np.stack(np.meshgrid(np.arange(10), np.arange(6), [0]), axis=-1).reshape(-1, 1, 3) * 0.01
    points = grid + np.linspace(0, 0.1, 30)[:, None] * [0, 0, 1.0]

    def make(name, offset=(0, 0, 0)):
        strands = maquette_part("backend.formats.strands").Strands.from_array((points + offset).astype(np.float32))
        thing = bpy.data.objects.new(name, lines(strands, name))
        bpy.context.scene.collection.objects.link(thing)
        return thing, strands

    return make


def f_scores(evaluation):
    return [round(score.f_score, 1) for score in evaluation.scores]


@needs_backend
def test_objects_are_compared_as_they_are_evaluated(hair, tmp_path):
    """The prediction's data is 2.5 mm away, its object another 10 mm, and a modifier takes that back."""
    truth, _ = hair("Truth")
    prediction, _ = hair("Prediction", (0.0025, 0, 0))
    prediction.location = (0, 0, 0.01)
    group = bpy.data.node_groups.new("Down", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    start, move, end = (
        group.nodes.new(kind) for kind in ("NodeGroupInput", "GeometryNodeSetPosition", "NodeGroupOutput")
    )
    move.inputs["Offset"].default_value = (0, 0, -0.01)
    group.links.new(start.outputs[0], move.inputs["Geometry"])
    group.links.new(move.outputs[0], end.inputs[0])
    prediction.modifiers.new("Down", "NODES").node_group = group
    evaluation = bpy.context.scene.maquette.evaluation
    evaluation.prediction, evaluation.truth, evaluation.points = prediction, truth, 30
    assert bpy.ops.maquette.evaluate_strands() == {"FINISHED"}
    assert f_scores(evaluation) == [0.0, 100.0, 100.0] * 2
    assert [s.sign for s in evaluation.scores] == ["undirected"] * 3 + ["signed"] * 3
    assert evaluation.title == "Prediction against Truth" and "60 and 60 strands of 30 points" in evaluation.sampling

    bpy.ops.maquette.export_scores(filepath=str(tmp_path / "scores.csv"))
    assert (tmp_path / "scores.csv").read_text().splitlines()[1:3] == [
        "undirected,2,20,0.0000,0.0000,0.0000",
        "undirected,3,30,100.0000,100.0000,100.0000",
    ]


@needs_backend
def test_errors_are_coloured_and_cleared(hair, maquette_part):
    truth, strands = hair("Truth")
    prediction, _ = hair("Prediction")
    moved = np.empty((len(strands.points), 3), np.float32)
    prediction.data.position_data.foreach_get("vector", moved.ravel())
    moved[: 30 * 20] += (0.0025, 0, 0)  # of the 60 strands, 20 are off by 2.5 mm and the last one by half a metre
    moved[-30:] += (0.5, 0, 0)
    prediction.data.position_data.foreach_set("vector", moved.ravel())
    evaluation = bpy.context.scene.maquette.evaluation
    evaluation.prediction, evaluation.truth, evaluation.points = prediction, truth, 30
    bpy.ops.maquette.evaluate_strands()

    def coloured():
        return [thing for thing in bpy.data.objects if thing.get("maquette_role") == "errors"]

    errors, levels = coloured()[0], maquette_part("addon.evaluation").LEVELS
    assert len(errors.data.curves) == 60 and prediction.hide_viewport
    colours = np.empty((60, 30, 4), np.float32)
    errors.data.attributes["maquette_error"].data.foreach_get("color", colours.ravel())
    for strand, level in ((0, 1), (19, 1), (30, 0), (59, 3)):
        np.testing.assert_allclose(colours[strand, :, :3], [levels[level][1]] * 30, atol=1e-6)
    bpy.ops.maquette.colour_errors(side="truth")
    assert len(coloured()) == 1 and truth.hide_viewport and not prediction.hide_viewport
    bpy.ops.maquette.colour_errors(side="none")
    assert not coloured() and not truth.hide_viewport


@needs_backend
def test_a_file_against_an_object(hair, maquette_part, tmp_path):
    truth, strands = hair("Truth")
    path = tmp_path / "Vorhersage ä.hair"
    maquette_part("backend.formats.strand_files").write_strands(path, strands)
    evaluation = bpy.context.scene.maquette.evaluation
    evaluation.prediction_source, evaluation.prediction_file, evaluation.truth = "FILE", str(path), truth
    bpy.ops.maquette.evaluate_strands()
    assert f_scores(evaluation) == [100.0] * 6
    path.write_bytes(b"HAIR")
    with pytest.raises(RuntimeError, match="truncated"):
        bpy.ops.maquette.evaluate_strands()


def test_what_is_missing_is_said(hair, maquette_part):
    evaluation = bpy.context.scene.maquette.evaluation
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.maquette.evaluate_strands()
    empty = bpy.data.objects.new("Bald", bpy.data.hair_curves.new("Bald"))
    bpy.context.scene.collection.objects.link(empty)
    evaluation.prediction = evaluation.truth = empty
    with pytest.raises(RuntimeError, match="Bald has no strands"):
        bpy.ops.maquette.evaluate_strands()
