"""A head fitted to photographs of a random one: small pictures and few steps, against the known truth."""

import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from backend.capture.face_landmarks import scheme_68_of
from backend.contract import FitPhotos
from backend.errors import CaptureError, EnvironmentTrouble
from backend.fit.lighting import harmonics, lights_of
from backend.fit.photos import Phase
from backend.fit.place import umeyama
from backend.flame.layer import FlameLayer
from backend.formats.capture import read_capture, write_capture
from backend.formats.capture_landmarks import Seen, read_capture_landmarks, write_capture_landmarks
from backend.formats.coefficients import read_coefficients
from backend.formats.flame_files import read_flame_model
from backend.formats.head import BUILT_IN_HEAD
from backend.formats.mesh_ply import read_ply_vertices
from backend.jobs.fit_photos import run
from backend.protocol import SilentReporter

from .photo_scene import random_head, render_scene, ring

SHORT = (Phase("Light", 4, 1.0, shape=False), Phase("Photographs", 26, 0.7, free_colours=True))
LANDMARKS_ONLY = (Phase("Light", 1, 1.0, shape=False),)
MODES = 20
"""Of identity, which the person is made of too: fewer are quicker."""


@pytest.fixture(scope="module")
def model():
    full = read_flame_model(BUILT_IN_HEAD)
    return dataclasses.replace(full, identity=full.identity[..., :MODES], identity_names=full.identity_names[:MODES])


@pytest.fixture(scope="module")
def scene(model, tmp_path_factory):
    """Four small photographs of a person, and where the head truly is."""
    folder = tmp_path_factory.mktemp("photographs")
    truth = random_head(model, 4) + np.array([0.02, -0.01, 0.03])
    return render_scene(folder, model, truth, ring(4, 128, spread=150.0), noise=0.4, supersampling=1)


@pytest.fixture
def capture(scene, tmp_path):
    """A copy of the scene's capture, to be spoilt."""
    return shutil.copytree(scene.capture.folder, tmp_path / "capture")


def fit(folder, out, phases=SHORT, **settings):
    """The job's result and its warnings."""
    reporter = SilentReporter(out)
    result = run(FitPhotos(capture=folder, identity=MODES, device="cpu", **settings), reporter, phases)
    return result, [m["text"] for m in reporter.messages if m["type"] == "warning"]


def vertices_of(out):
    columns = read_ply_vertices(out / "head.ply")
    return np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float64)


def error_mm(found, truth, scaled=False):
    """Mean distance of vertices after the head is laid onto the truth."""
    return 1000 * np.linalg.norm(umeyama(found, truth, with_scale=scaled).apply(found) - truth, axis=1).mean()


def test_known_cameras(scene, model, tmp_path):
    result, warnings = fit(scene.capture.folder, tmp_path)
    found = vertices_of(tmp_path)
    mean = FlameLayer(model)().vertices[0].numpy()
    assert error_mm(found, scene.vertices) < 1.7 < error_mm(mean, scene.vertices) / 1.5
    fit(scene.capture.folder, tmp_path / "landmarks", LANDMARKS_ONLY)
    by_landmarks = error_mm(vertices_of(tmp_path / "landmarks"), scene.vertices)
    assert error_mm(found, scene.vertices) < 0.85 * by_landmarks, "photographs tell more than landmarks"
    # It lies in the capture's world as it is, not only after alignment.
    assert 1000 * np.linalg.norm(found - scene.vertices, axis=1).mean() < 1.5
    assert not warnings
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["views"]) == {view.name for view in scene.capture.views}
    assert report["landmark_error_px"] < 1.0 and report["metres_per_unit"] == 1.0
    # The coefficients make the very head that was written.
    fitted = read_coefficients(tmp_path / result["coefficients"])
    full = read_flame_model(BUILT_IN_HEAD)
    fitted = fitted.applied_to(full)
    rows = (torch.from_numpy(part)[None] for part in (fitted.identity, fitted.expression, fitted.pose))
    again = FlameLayer(full, dtype=torch.float64)(*rows).vertices[0].numpy()
    np.testing.assert_allclose(fitted.similarity.apply(again), found, atol=2e-6)
    picture = cv2.imread(str(tmp_path / result["overlay"]))
    assert picture.shape[1] > picture.shape[0] and picture.std() > 20
    albedo = np.load(tmp_path / result["albedo"])["vertices"]
    assert albedo.shape == found.shape and 0.05 < albedo.mean() < 0.9
    residual = read_ply_vertices(tmp_path / "head.ply")["colour_residual"]
    seen = np.isfinite(residual)
    assert seen[full.regions["face"]].mean() > 0.9 and not seen[full.regions["eyes"]].any()
    assert np.median(residual[seen]) < 0.03
    assert np.array(json.loads((tmp_path / result["lighting"]).read_text())["view_00"]).shape == (9, 3)


def test_unknown_cameras(scene, model, capture, tmp_path):
    # The poses are taken out of the capture, so that nothing can peep at them.
    transforms = json.loads((capture / "transforms.json").read_text())
    for frame in transforms["frames"]:
        del frame["transform_matrix"]
    (capture / "transforms.json").write_text(json.dumps(transforms))
    result, _ = fit(capture, tmp_path / "out", cameras="unknown", expression=False)
    found = vertices_of(tmp_path / "out")
    assert error_mm(found, scene.vertices, scaled=True) < 1.8
    # The cameras stand about the head as they did: laid onto the truth with it, they are where they were.
    onto = umeyama(found, scene.vertices)
    poses = json.loads((tmp_path / "out" / result["cameras"]).read_text())
    for view in scene.capture.views:
        pose = np.array(poses[view.name])
        assert np.linalg.norm(onto.apply(pose[:3, 3]) - view.camera.centre) < 0.02
        turn = onto.rotation @ pose[:3, :3] @ view.camera.camera_to_world[:3, :3].T
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) < 1.5


def test_a_capture_without_a_unit_takes_the_heads(scene, capture, tmp_path):
    views = [
        dataclasses.replace(view, camera=dataclasses.replace(view.camera, camera_to_world=_scaled(view, 7.0)),
                            image=capture / "images" / view.image.name)
        for view in scene.capture.views
    ]  # fmt: skip
    write_capture(dataclasses.replace(read_capture(capture), views=tuple(views), metres_per_unit=None,
                                      scale_source="assumed"))  # fmt: skip
    result, _ = fit(capture, tmp_path / "out", LANDMARKS_ONLY, expression=False)
    assert result["scale_source"] == "head fit"
    assert result["metres_per_unit"] == pytest.approx(1 / 7, rel=0.04)
    assert np.linalg.norm(vertices_of(tmp_path / "out") / 7 - scene.vertices, axis=1).mean() < 0.006


def _scaled(view, times):
    pose = view.camera.camera_to_world.copy()
    pose[:3, 3] *= times
    return pose


def test_one_photograph_works_with_a_warning(scene, capture, tmp_path):
    transforms = json.loads((capture / "transforms.json").read_text())
    transforms["frames"] = transforms["frames"][1:2]
    (capture / "transforms.json").write_text(json.dumps(transforms))
    _, warnings = fit(capture, tmp_path / "out", LANDMARKS_ONLY, expression=False)
    assert any("one photograph" in text for text in warnings)
    assert error_mm(vertices_of(tmp_path / "out"), scene.vertices) < 5


def test_a_camera_that_disagrees_is_left_out(scene, capture, tmp_path):
    transforms = json.loads((capture / "transforms.json").read_text())
    transforms["frames"][1]["transform_matrix"][0][3] += 0.15
    (capture / "transforms.json").write_text(json.dumps(transforms))
    result, warnings = fit(capture, tmp_path / "out", LANDMARKS_ONLY, expression=False)
    assert any("view_01" in text and "left out" in text for text in warnings)
    assert "view_01" not in json.loads((tmp_path / "out" / result["report"]).read_text())["views"]
    assert error_mm(vertices_of(tmp_path / "out"), scene.vertices) < 3


def test_cameras_that_disagree_are_refused(capture, tmp_path):
    transforms = json.loads((capture / "transforms.json").read_text())
    random = np.random.default_rng(0)
    for frame in transforms["frames"]:
        for row, shift in zip(frame["transform_matrix"], random.normal(0, 0.15, 3), strict=False):
            row[3] += shift
    (capture / "transforms.json").write_text(json.dumps(transforms))
    with pytest.raises(CaptureError, match=r"do not agree.*unknown"):
        fit(capture, tmp_path / "out")


def test_wrong_landmarks_are_told_in_a_sentence(capture, tmp_path):
    good = read_capture_landmarks(capture)

    def told(views, **settings):
        (capture / "landmarks.json").unlink(missing_ok=True)
        if views is not None:
            write_capture_landmarks(capture, views)
        with pytest.raises(CaptureError) as trouble:
            fit(capture, tmp_path / "out", **settings)
        return str(trouble.value)

    assert "no landmarks" in told(None)
    few = {view: dict(list(seen.items())[:5]) for view, seen in good.items()}
    assert "at least 6" in told(few) and "at least 6" in told(few, cameras="unknown")
    renamed = {view: {f"point {n}": at for n, at in enumerate(seen.values())} for view, seen in good.items()}
    assert "68-point scheme" in told(renamed)
    assert "name them as the pictures" in told({f"other {view}": seen for view, seen in good.items()})
    outside = good | {"view_02": good["view_02"] | {"nose bridge 4": Seen(400.0, 20.0)}}
    sentence = told(outside)
    assert "nose bridge 4 in view_02" in sentence and "outside the photograph" in sentence
    other = {"left": "right", "right": "left"}
    mirrored = {
        view: {" ".join(other.get(word, word) for word in name.split()): at for name, at in seen.items()}
        for view, seen in good.items()
    }
    for cameras in ("known", "unknown"):
        assert "own right" in told({v: _without_middle(seen) for v, seen in mirrored.items()}, cameras=cameras)
    (capture / "landmarks.json").unlink()
    with pytest.raises(CaptureError, match="no file of landmarks"):
        fit(capture, tmp_path / "out", landmarks=capture / "none.json")


def _without_middle(seen):
    return {name: at for name, at in seen.items() if name.split()[0] in ("left", "right")}


def test_mediapipe_is_asked_for_in_a_sentence(capture, tmp_path, monkeypatch):
    (capture / "face_landmarker.task").write_bytes(b"not a model")
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    with pytest.raises(EnvironmentTrouble, match="mediapipe"):
        fit(capture, tmp_path / "out", landmarks=capture / "face_landmarker.task")


def test_a_face_mesh_in_the_68_point_scheme():
    class Point:
        def __init__(self, number):
            self.x, self.y = number / 478, 0.5

    seen = scheme_68_of([Point(n) for n in range(478)], 478, 100)
    assert len(seen) == 68 and seen["jaw 9"].x == pytest.approx(152) and seen["jaw 9"].y == 50


def test_harmonics_are_orthonormal_and_a_light_is_found_again():
    # Gauss-Legendre in height and even steps around the circle integrate such products exactly.
    height, share = np.polynomial.legendre.leggauss(8)
    around = 2 * np.pi * np.arange(16) / 16
    z, a = np.meshgrid(height, around, indexing="ij")
    flat = np.sqrt(1 - z**2)
    directions = torch.from_numpy(np.stack([flat * np.cos(a), flat * np.sin(a), z], axis=-1).reshape(-1, 3))
    weights = torch.from_numpy(np.repeat(share, 16) * 2 * np.pi / 16)
    basis = harmonics(directions)
    products = torch.einsum("s,sa,sb->ab", weights, basis, basis)
    torch.testing.assert_close(products, torch.eye(9, dtype=torch.float64), atol=1e-5, rtol=0)

    random = torch.Generator().manual_seed(0)
    light = torch.randn(2, 9, 3, generator=random, dtype=torch.float64)
    albedo = 0.2 + 0.6 * torch.rand(128, 3, generator=random, dtype=torch.float64)
    colours = albedo * torch.einsum("sb,jbc->jsc", basis, light)
    found = lights_of(albedo, basis, colours, torch.full((2, 128), 1 / 128, dtype=torch.float64))
    assert (found - light).abs().max() < 0.05 * light.abs().max()


def test_a_layer_of_some_vertices_is_the_layer(model):
    layer = FlameLayer(model, dtype=torch.float64)
    random = torch.Generator().manual_seed(1)
    chosen = torch.randperm(layer.vertex_count, generator=random)[:50]
    given = (
        torch.randn(1, 10, generator=random, dtype=torch.float64),
        torch.randn(1, layer.expression_count, generator=random, dtype=torch.float64),
        0.2 * torch.randn(1, layer.joint_count, 3, generator=random, dtype=torch.float64),
    )
    torch.testing.assert_close(layer.restricted(chosen)(*given).vertices, layer(*given).vertices[:, chosen])
