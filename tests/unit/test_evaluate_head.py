"""Mesh against mesh, on spheres and the built-in head, whose distances and places are known."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.contract import EvaluateHead, check
from backend.errors import HeadError, LandmarkError
from backend.evaluate.head_alignment import align
from backend.evaluate.head_meshes import HeadMesh, crop_of, read_head_mesh
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.mesh_ply import write_ply
from backend.jobs.evaluate_head import run
from backend.protocol import SilentReporter

SCALE, TURN, SHIFT = 37.0, Rotation.from_euler("xyz", [70, -25, 130], degrees=True).as_matrix(), np.array([3.0, -9, 2])


@pytest.fixture(scope="module")
def head():
    return read_head(BUILT_IN_HEAD)


@pytest.fixture
def reporter(tmp_path):
    (tmp_path / "job").mkdir()
    return SilentReporter(tmp_path / "job")


def sphere(radius, middle=(0, 0, 0)):
    """A sphere with vertices (V, 3), metres, and faces (F, 3)."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return np.asarray(ball.vertices) + middle, np.asarray(ball.faces)


def evaluated(reporter, prediction, truth, **settings):
    values = {"prediction": prediction, "truth": truth, "points": 2000, "outside": False} | settings
    return run(check(EvaluateHead, values), reporter)


def by_direction(result):
    return {row["direction"]: row for row in result["rows"]}


def test_spheres_are_as_far_apart_as_their_radii(tmp_path, reporter):
    write_ply(tmp_path / "large.ply", *sphere(0.102))
    write_ply(tmp_path / "small.ply", *sphere(0.1))
    result = evaluated(reporter, tmp_path / "large.ply", tmp_path / "small.ply", align="none")
    for row in result["rows"]:
        assert row["mean"] == pytest.approx(2.0, abs=0.03) and row["p95"] == pytest.approx(2.0, abs=0.05)
    errors = np.load(reporter.folder / "errors.npz")
    assert np.nanmedian(errors["prediction"]) == pytest.approx(0.002, abs=2e-5), "it lies outside"
    assert np.nanmedian(errors["truth"]) == pytest.approx(-0.002, abs=2e-5)
    assert len((reporter.folder / "scores.csv").read_text().splitlines()) == 3
    result = evaluated(reporter, tmp_path / "large.ply", tmp_path / "small.ply")
    assert max(row["mean"] for row in result["rows"]) < 0.01, "the scale is free"
    assert result["alignment"]["scale"] == pytest.approx(1 / 1.02, rel=1e-3)


@pytest.mark.parametrize("start", ["landmarks", "centroids"])
def test_a_head_is_found_again(head, tmp_path, reporter, start):
    """Turned by more than any trial start, 37 times as large, and with a fortieth of its vertices elsewhere."""
    away = (SCALE * head.vertices.astype(np.float64)) @ TURN.T + SHIFT
    write_ply(tmp_path / "away.ply", away, head.faces)
    marks = (SCALE * head.landmark_points().astype(np.float64)) @ TURN.T + SHIFT
    (tmp_path / "marks.json").write_text(json.dumps(dict(zip(head.landmarks, marks.tolist(), strict=True))))
    settings = {"start": start}
    if start == "landmarks":
        settings |= {"landmarks": tmp_path / "marks.json"}
    result = evaluated(reporter, tmp_path / "away.ply", BUILT_IN_HEAD, **settings)
    matrix = np.array(result["alignment"]["matrix"])
    back = away @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(back - head.vertices).max() < 2e-5
    assert result["alignment"]["scale"] == pytest.approx(1 / SCALE, rel=1e-4)
    assert result["alignment"]["converged"] and max(row["mean"] for row in result["rows"]) < 0.01
    aligned = read_head_mesh(reporter.folder / "prediction.ply")
    np.testing.assert_allclose(aligned.vertices, head.vertices, atol=3e-5)


def test_a_rigid_alignment_keeps_the_scale(head, tmp_path, reporter):
    larger = 1.03 * head.vertices @ Rotation.from_euler("z", 20, degrees=True).as_matrix().T + [0.1, 0, 0]
    write_ply(tmp_path / "larger.ply", larger, head.faces)
    result = evaluated(reporter, tmp_path / "larger.ply", BUILT_IN_HEAD, align="rigid", start="as they lie")
    assert result["alignment"]["scale"] == 1.0
    assert 1.0 < by_direction(result)["prediction to truth"]["mean"] < 4.0


def test_what_the_prediction_lacks_is_an_error_and_what_the_truth_lacks_is_not(tmp_path, reporter):
    vertices, faces = sphere(0.1)
    upper = faces[(vertices[faces][:, :, 2] > 0).all(axis=1)]
    write_ply(tmp_path / "whole.ply", vertices, faces)
    write_ply(tmp_path / "half.ply", vertices, upper)
    lacking = by_direction(evaluated(reporter, tmp_path / "half.ply", tmp_path / "whole.ply", align="none"))
    assert lacking["prediction to truth"]["mean"] < 0.01 and lacking["truth to prediction"]["max"] > 90
    both = by_direction(evaluated(reporter, tmp_path / "whole.ply", tmp_path / "half.ply", align="none"))
    assert both["prediction to truth"]["max"] < 1.0 and both["truth to prediction"]["max"] < 1.0
    errors = np.load(reporter.folder / "errors.npz")
    assert np.isnan(errors["prediction"][vertices[:, 2] < -0.01]).all()


def test_crops_leave_out_what_is_elsewhere(head, tmp_path, reporter):
    """A bump on the neck: it counts over all, and not in the face, above a plane, or near the nose."""
    bumped = head.vertices.astype(np.float64).copy()
    low = bumped[:, 2] < -0.13
    bumped[low] *= [1.1, 1.1, 1.0]
    write_ply(tmp_path / "bumped.ply", bumped, head.faces)
    whole = by_direction(evaluated(reporter, tmp_path / "bumped.ply", BUILT_IN_HEAD, align="none"))
    assert whole["truth to prediction"]["max"] > 3
    np.savetxt(tmp_path / "face.txt", head.regions["face"], fmt="%d")
    for crop in (
        {"region": "face"}, {"region": str(tmp_path / "face.txt")}, {"plane": "0 0 -0.1"},
        {"plane": "0, 0, -0.1, 0, 0, 5"}, {"within": 0.09},
    ):  # fmt: skip
        cropped = by_direction(evaluated(reporter, tmp_path / "bumped.ply", BUILT_IN_HEAD, align="none", **crop))
        assert 0 <= cropped["truth to prediction"]["max"] < 0.3, crop
        assert cropped["prediction to truth"]["max"] < 0.3, crop
    errors = np.load(reporter.folder / "errors.npz")["truth"]
    assert np.isnan(errors[head.vertices[:, 2] < -0.15]).all()


def test_what_is_inside_counts_only_if_asked_for(tmp_path, reporter, monkeypatch):
    """A ball with a smaller one within it, against the ball alone."""
    (outer, faces), (inner, _) = sphere(0.1), sphere(0.05)
    both = np.concatenate([outer, inner]), np.concatenate([faces, faces + len(outer)])
    write_ply(tmp_path / "both.ply", *both)
    write_ply(tmp_path / "alone.ply", outer, faces)
    monkeypatch.setattr("backend.evaluate.head_meshes.PICTURE", 100)
    asked = {"align": "none", "outside": True}
    seen = by_direction(evaluated(reporter, tmp_path / "both.ply", tmp_path / "alone.ply", **asked))
    assert seen["prediction to truth"]["max"] < 0.5 and seen["prediction to truth"]["points"] > 1000
    asked = {"align": "none", "outside": False}
    every = by_direction(evaluated(reporter, tmp_path / "both.ply", tmp_path / "alone.ply", **asked))
    assert every["prediction to truth"]["max"] == pytest.approx(50, abs=1)


def test_seams_of_uvs_are_no_border(head, tmp_path, reporter):
    """Every face with vertices of its own, as a mesh is that was cut along its UVs, is as whole as before."""
    loose = HeadMesh(
        head.vertices[head.faces].reshape(-1, 3).astype(float), np.arange(head.faces.size).reshape(-1, 3), ""
    )
    whole = HeadMesh(head.vertices.astype(float), head.faces.astype(int), "")
    assert loose.open_edges.sum() == whole.open_edges.sum() < 200


def test_trouble_is_a_sentence(head, tmp_path, reporter):
    write_ply(tmp_path / "ball.ply", *sphere(0.1))
    write_ply(tmp_path / "cloud.ply", sphere(0.1)[0], np.zeros((0, 3), int))
    write_ply(tmp_path / "giant.ply", *sphere(20.0))
    broken, faces = sphere(0.1)
    broken[7] = np.nan
    write_ply(tmp_path / "broken.ply", broken, faces)
    np.savetxt(tmp_path / "far.txt", [10**7], fmt="%d")
    (tmp_path / "empty.ply").write_bytes(b"")
    ball, tip = tmp_path / "ball.ply", "which is no head's size"
    for prediction, truth, settings, sentence in [
        (ball, tmp_path / "none.ply", {}, "There is no head file"),
        (ball, tmp_path / "cloud.ply", {}, "no faces"),
        (tmp_path / "empty.ply", ball, {}, "cannot be read"),
        (tmp_path / "broken.ply", ball, {}, "not finite"),
        (ball, tmp_path / "giant.ply", {}, tip),
        (tmp_path / "giant.ply", ball, {"align": "rigid"}, tip),
        (ball, ball, {"truth_unit": "ell"}, "is no unit"),
        (ball, ball, {"region": "face"}, "has no region named 'face' (it has none)"),
        (ball, BUILT_IN_HEAD, {"region": "beard"}, "it has boundary, ears"),
        (ball, ball, {"region": str(tmp_path / "far.txt")}, "names no vertices"),
        (ball, ball, {"region": str(tmp_path / "lost.npy")}, "cannot be read as vertices"),
        (ball, ball, {"plane": "up"}, "The plane must be"),
        (ball, ball, {"plane": "0 0 0 0 0 0"}, "has no length"),
        (ball, ball, {"plane": "0 0 7"}, "Nothing of ball.ply is left"),
        (ball, ball, {"within": 0.1}, "no landmark 'nose tip'"),
    ]:
        with pytest.raises(HeadError) as caught:
            evaluated(reporter, prediction, truth, **settings)
        assert sentence in str(caught.value)
    with pytest.raises(LandmarkError, match="0 landmarks in common"):
        evaluated(reporter, ball, BUILT_IN_HEAD, start="landmarks")
    (tmp_path / "far.json").write_text(json.dumps({"chin": [9, 9, 9], "nose tip": [9, 9, 8], "jaw 1": [1, 1, 1],
                                                   "jaw 2": [2, 2, 2]}))  # fmt: skip
    with pytest.raises(LandmarkError, match="lies far off"):
        evaluated(reporter, ball, ball, landmarks=tmp_path / "far.json")


def test_heads_that_do_not_meet_are_told(tmp_path, reporter):
    write_ply(tmp_path / "ball.ply", *sphere(0.1))
    write_ply(tmp_path / "away.ply", *sphere(0.1, (0.5, 0, 0)))
    evaluated(reporter, tmp_path / "away.ply", tmp_path / "ball.ply", align="none")
    assert any("may not have found each other" in m.get("text", "") for m in reporter.messages)


def test_a_cropped_alignment_rests_on_the_crop(head, tmp_path, reporter):
    """The neck is bent, the face is not: laid on by the face alone, the face is in its place."""
    bent, face = head.vertices.astype(np.float64), head.regions["face"]
    lowest = bent[face][:, 2].min()
    low = bent[:, 2] < lowest
    bent[low] += (bent[low][:, 2:] - lowest) * [0, 0.5, 0]
    turned = bent @ Rotation.from_euler("xyz", [6, -5, 8], degrees=True).as_matrix().T + [0.01, 0, 0.02]
    prediction = HeadMesh(turned, head.faces.astype(int), "bent")
    truth = read_head_mesh(BUILT_IN_HEAD)
    placed = align(prediction, truth, crop_of(truth, "face"), "similarity", "as they lie", reporter).similarity
    assert np.abs(placed.apply(turned[face]) - head.vertices[face]).max() < 1e-4
