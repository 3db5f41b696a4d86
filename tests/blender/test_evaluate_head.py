"""Evaluate Head: with the real backend, on meshes as they are shown."""

import os

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from backend.formats.head import BUILT_IN_HEAD, read_head

needs_backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
)


@pytest.fixture
def places(maquette_part, tmp_path):
    maquette_part("addon.job_places").preferences().job_place = str(tmp_path / "jobs")
    maquette_part("addon.jobs").queue()
    yield
    maquette_part("addon.job_places").preferences().job_place = ""


def ball(name, radius, subdivisions=5):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=subdivisions, radius=radius)
    thing = bpy.context.object
    thing.name = name
    return thing


@pytest.fixture
def balls(places):
    """A prediction of 102 mm, whose modifier makes it 104 mm, and a truth of 100 mm, in millimetres."""
    prediction, truth = ball("Prediction", 102.0), ball("Truth", 100.0)
    larger = prediction.modifiers.new("Larger", "DISPLACE")
    larger.strength, larger.mid_level = 2.0, 0.0
    settings = bpy.context.scene.maquette.head_evaluation
    settings.prediction, settings.truth, settings.unit = prediction, truth, "mm"
    settings.align, settings.points, settings.outside = "none", 2000, False
    return prediction, truth, settings


@needs_backend
def test_the_table_the_colours_and_the_csv(balls, maquette_part, tmp_path):
    prediction, truth, settings = balls
    assert bpy.ops.maquette.evaluate_head() == {"FINISHED"}
    assert [score.direction for score in settings.scores] == ["prediction to truth", "truth to prediction"]
    for score in settings.scores:
        assert score.mean == pytest.approx(4.0, abs=0.05) and score.points == 2000
    assert settings.title == "Prediction against Truth" and settings.said == "As they lie; all of it"

    residual = maquette_part("addon.residual")
    shown = maquette_part("addon.head_evaluation").shown_errors(bpy.context.scene)
    assert shown.name == "Errors of Prediction" and prediction.hide_viewport and truth.hide_viewport
    assert max(shown.dimensions) == pytest.approx(208, abs=0.5), "in the scene's unit"
    errors = np.empty(len(shown.data.vertices), np.float32)
    shown.data.attributes["residual"].data.foreach_get("value", errors)
    np.testing.assert_allclose(errors, 0.004, atol=1e-4)
    assert residual.shown_layer(shown) == "residual" and residual.report_of(shown)["limit"] == 5.0

    assert bpy.ops.maquette.colour_head_errors(side="truth") == {"FINISHED"}
    (shown,) = (thing for thing in bpy.data.objects if thing.get("maquette_role") == "head errors")
    assert shown.name == "Errors of Truth"
    assert bpy.ops.maquette.colour_head_errors(side="none") == {"FINISHED"}
    assert not prediction.hide_viewport and not truth.hide_viewport
    assert not [thing for thing in bpy.data.objects if thing.get("maquette_role") == "head errors"]
    bpy.ops.maquette.export_head_scores(filepath=str(tmp_path / "scores.csv"))
    rows = (tmp_path / "scores.csv").read_text().splitlines()
    assert rows[0].startswith("direction,mean_mm,median_mm,p95_mm") and rows[1].startswith("prediction to truth,3.99")


@needs_backend
def test_heads_are_laid_on_each_other_and_cropped(places, maquette_part):
    """A head of ours, turned and twice as large, by its landmarks; its neck is elsewhere, and is cropped away."""
    add = maquette_part("addon.heads").add_head
    head = read_head(BUILT_IN_HEAD)
    truth = add(bpy.context, head, name="Truth")
    prediction = add(bpy.context, head, name="Prediction")
    for vertex in prediction.data.vertices:
        if vertex.co.z < -0.12:
            vertex.co.y += 0.02
    prediction.matrix_world = (
        Matrix.Translation((1, 0, 0.3)) @ Euler((0.3, 0.2, 2.5)).to_matrix().to_4x4() @ Matrix.Scale(2, 4)
    )
    bpy.context.view_layer.update()
    settings = bpy.context.scene.maquette.head_evaluation
    settings.prediction, settings.truth, settings.points, settings.outside = prediction, truth, 2000, False
    plane = bpy.data.objects.new("Chin", None)
    plane.location = (0, 0, -0.1)
    bpy.context.scene.collection.objects.link(plane)
    settings.plane = plane
    bpy.ops.maquette.evaluate_head()
    assert all(score.mean < 0.05 for score in settings.scores)
    assert "scaled by 0.5, turned and moved" in settings.said.lower() and "above the plane" in settings.said
    settings.plane, settings.region = None, "face"
    bpy.ops.maquette.evaluate_head()
    assert all(0 < score.points <= 2000 and score.mean < 0.05 for score in settings.scores)


def test_how_the_alignment_begins_goes_along(maquette_part, tmp_path):
    settings = bpy.context.scene.maquette.head_evaluation
    settings.prediction, settings.truth = ball("Prediction", 1.0, 2), ball("Truth", 1.0, 2)
    settings.start = "as they lie"
    request = maquette_part("addon.head_evaluation").write_inputs(bpy.context, tmp_path)
    assert (request.align, request.start) == ("similarity", "as they lie")
    with pytest.raises(RuntimeError, match="Evaluate first"):
        bpy.ops.maquette.export_head_scores(filepath=str(tmp_path / "scores.csv"))


@needs_backend
def test_what_is_missing_is_said(balls):
    prediction, _, settings = balls
    settings.region = "beard"
    with pytest.raises(RuntimeError, match="'Truth' has no vertex group 'beard'"):
        bpy.ops.maquette.evaluate_head()
    settings.region, settings.truth = "", prediction
    with pytest.raises(RuntimeError, match="are the same object"):
        bpy.ops.maquette.evaluate_head()
    settings.truth = bpy.data.objects.new("Empty", bpy.data.meshes.new("Empty"))
    bpy.context.scene.collection.objects.link(settings.truth)
    with pytest.raises(RuntimeError, match="'Empty' has no faces"):
        bpy.ops.maquette.evaluate_head()
    bpy.data.objects.remove(settings.truth)
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.maquette.evaluate_head()
