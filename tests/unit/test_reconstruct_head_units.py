"""Reconstruct Head, the whole job, on a synthetic person: captures of unknown unit, a fitted face, labels, textures."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from backend.contract import ReconstructHead
from backend.errors import Cancelled
from backend.formats.capture import read_capture
from backend.formats.coefficients import Coefficients, Similarity, write_coefficients
from backend.formats.flame_files import read_flame_model
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.mesh_ply import write_ply
from backend.geometry.raster import rasterise
from backend.geometry.surface import Surface
from backend.head.grid_surface.presets import PRESETS, LevelConfig, SweepConfig
from backend.head.priors.proxy import Proxy
from backend.head.priors.semantics import CLASSES
from backend.head.priors.views import load_head_views
from backend.jobs import reconstruct_head
from backend.protocol import SilentReporter
from tests.unit.photo_scene import random_head, render_scene, ring

SIZE, UNIT = 112, 0.25
"""Pixels of the photographs, and metres in the captures' unit."""
QUICK = dataclasses.replace(
    PRESETS["draft"], image_side=SIZE, nodes=56,
    levels=(
        LevelConfig(nodes=40, steps=12),
        LevelConfig(nodes=48, steps=12, sweep=SweepConfig(side=SIZE, reach=0.024, steps=13)),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return read_flame_model(BUILT_IN_HEAD)


@pytest.fixture(scope="module")
def scene(model, tmp_path_factory):
    """Six small photographs of a person, landmarks, and label images, in a unit of 0.25 m that no file tells."""
    truth = random_head(model, 4) + np.array([0.02, -0.01, 0.03])
    scene = render_scene(tmp_path_factory.mktemp("person"), model, truth, ring(6, SIZE), supersampling=1)
    folder = scene.capture.folder
    head = read_head(BUILT_IN_HEAD)
    true = Proxy(truth, head.faces, dict(head.regions))
    (folder / "labels").mkdir()
    for view in load_head_views(read_capture(folder)):
        cv2.imwrite(str(folder / "labels" / f"{view.name}.png"), true.labels(view))
    (folder / "labels" / "classes.json").write_text(json.dumps(dict(enumerate(CLASSES))))
    values = json.loads((folder / "transforms.json").read_text())
    for key in ("metres_per_unit", "scale_source"):
        values.pop(key, None)
    for frame in values["frames"]:
        pose = np.array(frame["transform_matrix"])
        pose[:3, 3] /= UNIT
        frame["transform_matrix"] = pose.tolist()
    (folder / "transforms.json").write_text(json.dumps(values))
    return scene


@pytest.fixture
def quick(monkeypatch):
    """Both presets of the grid with few steps, and without Check Capture, which has its own tests."""
    monkeypatch.setitem(PRESETS, "draft", QUICK)
    monkeypatch.setitem(PRESETS, "standard", QUICK)
    monkeypatch.setattr(reconstruct_head, "check_before", lambda capture, reporter: None)


def fit_at(folder, model, scene, unit=UNIT):
    """What fit-photos leaves of a perfect fit, in a unit of so many metres."""
    folder.mkdir(parents=True)
    zero = {part: np.zeros(getattr(model, part).shape[2]) for part in ("identity", "expression")}
    place = Similarity(1 / unit, np.eye(3), np.zeros(3))
    fitted = Coefficients.of(model, **zero, pose=np.zeros((len(model.joint_names), 3)), similarity=place)
    write_coefficients(folder / "coefficients.npz", fitted)
    write_ply(folder / "head.ply", scene.vertices / unit, model.faces, {})
    (folder / "report.json").write_text(json.dumps({"metres_per_unit": unit, "cameras": "known"}))
    return folder


def ran(scene, folder, **settings):
    """The job's result, its reporter, and its report."""
    reporter = SilentReporter(folder)
    settings = {"preset": "draft", "texture": 0, "uv": False, "faces": 0, "orientation": False} | settings
    result = reconstruct_head.run(ReconstructHead(scene.capture.folder, **settings), reporter)
    return result, reporter, json.loads((folder / "report.json").read_text())


def overlap(scene, head, metres):
    """How well a head's outline fits the masks, through the capture's own cameras in so many metres a unit: the least
    intersection over union of all views."""
    shares = []
    for view in read_capture(scene.capture.folder).in_metres(metres, "assumed").views:
        camera = view.camera
        drawn = rasterise(*camera.project(head.vertices), head.faces, (camera.width, camera.height)).covered
        mask = cv2.imread(str(scene.capture.folder / "masks" / "person" / f"{view.name}.png"), 0) > 127
        shares.append((drawn & mask).sum() / (drawn | mask).sum())
    return min(shares)


def off_mm(scene, model, head, part="face"):
    """Millimetres from a part of the true head to the surface, on average."""
    points = scene.vertices[np.setdiff1d(model.regions[part], model.regions["mouth_pocket"])].astype(np.float32)
    return 1000 * np.abs(Surface(head.vertices, head.faces).signed_distance(points)).mean()


def test_the_size_comes_of_the_head_that_the_job_fitted(quick, scene, model, tmp_path):
    fit_at(tmp_path / "job" / reconstruct_head.FIT, model, scene)
    result, reporter, report = ran(scene, tmp_path / "job", preset="standard", texture=64, uv=True, faces=4000)
    told = json.loads((tmp_path / "job" / result["scale"]).read_text())
    assert told == {"metres_per_unit": UNIT, "scale_source": "head fit"}
    assert (report["metres_per_unit"], report["scale_source"]) == (UNIT, "head fit")
    # Whoever shows the cameras is told before any mesh that is in metres.
    previews = [m["name"] for m in reporter.messages if m["type"] == "preview"]
    assert previews[:3] == ["mesh", "scale", "mesh"] and previews.count("scale") == 1
    head = read_head(tmp_path / "job" / result["head"])
    assert overlap(scene, head, UNIT) > 0.9
    assert off_mm(scene, model, head) < 3
    # The fit itself stays in the capture's unit, and the result says how to bring it here.
    assert (result["fit"], result["fit_metres_per_unit"]) == (reconstruct_head.FIT, UNIT)
    assert result["holes"] == 0 and result["watertight"] and result["views"] == 6
    assert result["seen_share"] == report["texture"]["seen_share"] > 0.5
    assert report["proxy_texture"]["seen_share"] > 0.4
    for name in ("texture", "proxy_texture"):
        assert cv2.imread(str(tmp_path / "job" / result[name])).shape == (64, 64, 3)
    assert 0 < result["first_preview_s"] <= report["stages"]["load"] + report["stages"]["hull"] + 0.02
    # Labels are the pictures' own, and lie where they are on the person.
    assert report["priors"]["semantics"] == "label images"
    nose = head.vertices[head.regions["nose"]].mean(axis=0)
    assert np.linalg.norm(nose - scene.vertices[model.regions["nose"]].mean(axis=0)) < 0.012


@pytest.mark.parametrize("given", [UNIT, 1.0, "a mesh in metres"])
def test_a_size_that_is_told_holds_for_the_fitted_face_too(quick, scene, model, tmp_path, monkeypatch, given):
    if given == "a mesh in metres":
        proxy = tmp_path / "asked_head.ply"
        write_ply(proxy, scene.vertices, model.faces, {})
    else:
        proxy = fit_at(tmp_path / "fit", model, scene, given)

    def gathered(views, proxy, reporter, **_):
        # The face lies in the photographs; that is all that is asked here.
        np.testing.assert_allclose(proxy.vertices, scene.vertices, atol=1e-5)
        assert views[0].camera.centre == pytest.approx(scene.capture.views[0].camera.centre)
        raise Cancelled

    monkeypatch.setattr(reconstruct_head, "gather", gathered)
    with pytest.raises(Cancelled):
        ran(scene, tmp_path / "job", proxy=proxy, metres_per_unit=UNIT, scale_source="head fit")
    assert not (tmp_path / "job" / "scale.json").exists()


def test_without_a_fit_the_size_is_assumed_and_cameras_and_head_agree(quick, scene, tmp_path):
    result, reporter, report = ran(scene, tmp_path / "job")
    told = json.loads((tmp_path / "job" / result["scale"]).read_text())
    assert told["scale_source"] == report["scale_source"] == "assumed"
    assert told["metres_per_unit"] == report["metres_per_unit"] == pytest.approx(UNIT, rel=0.35)
    assert "fit" not in result and report["priors"]["proxy"] is False
    assert overlap(scene, read_head(tmp_path / "job" / result["head"]), told["metres_per_unit"]) > 0.9
    said = [m["text"] for m in reporter.messages if m["type"] == "warning"]
    assert any("is assumed" in sentence and "metres_per_unit" in sentence for sentence in said)
