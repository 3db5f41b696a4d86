"""Reconstruct Head, the whole job, on a synthetic head."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from backend import contract
from backend.errors import CaptureError, RequestError
from backend.formats.capture import read_capture
from backend.formats.head import read_head
from backend.formats.sdf_grid import read_sdf_grid
from backend.head.grid_surface.presets import Weights
from backend.head.neural_surface.config import REDUCED
from backend.jobs import bake_sdf, reconstruct_head
from backend.protocol import SilentReporter
from tests.unit.grid_scene import capture_at, off_the_ellipsoid


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The draft of a capture with nothing but images, cameras and masks, one of which is missing."""
    folder = tmp_path_factory.mktemp("head")
    capture = capture_at(folder / "capture", 9, without=(4,))
    request = contract.ReconstructHead(capture, preset="draft", faces=8000, uv=False, texture=0, resolution=96)
    reporter = SilentReporter(folder / "job")
    return reporter, reconstruct_head.run(request, reporter)


def test_a_head_comes_of_images_cameras_and_masks_alone(made):
    reporter, result = made
    head = read_head(reporter.folder / result["head"])
    error = 1000 * off_the_ellipsoid(head.vertices.astype(np.float64))
    assert result["watertight"] and 6000 < len(head.faces) <= 8000
    assert error.mean() < 0.8 and np.quantile(error, 0.95) < 2.5
    assert any("mask" in m["text"] for m in reporter.messages if m["type"] == "warning")


def test_the_report_says_which_priors_took_part(made):
    reporter, result = made
    report = json.loads((reporter.folder / result["report"]).read_text())
    assert report["priors"]["proxy"] is False and report["priors"]["semantics"] is False
    assert report["peak_memory_mb"] > 0 and {"hull", "mesh"} <= set(report["stages"])
    assert not (reporter.folder / "checkpoint").exists()
    losses_told = json.loads((reporter.folder / "losses.json").read_text())
    assert np.mean(losses_told["stereo"][-5:]) < np.mean(losses_told["stereo"][:5])


def test_a_mesh_to_look_at_comes_before_anything_is_refined(made):
    reporter, _ = made
    kinds = [(m["type"], m.get("stage")) for m in reporter.messages]
    first = next(k for k, m in enumerate(reporter.messages) if m["type"] == "preview")
    assert not any("Refining" in (stage or "") for _, stage in kinds[:first])
    with np.load(reporter.folder / "preview.npz") as file:
        assert file["faces"].max() < len(file["vertices"])
    assert read_sdf_grid(reporter.folder / "field.npz").values.min() < 0


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Some rounds of the preset paper, smaller yet than its small size, of a capture with labels: hair above, face
    below."""
    folder = tmp_path_factory.mktemp("paper")
    capture = capture_at(folder / "capture", 6)
    (capture / "labels").mkdir()
    (capture / "labels" / "classes.json").write_text('{"0": "background", "1": "hair", "2": "skin"}')
    for mask in (capture / "masks" / "person").iterdir():
        person = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 127
        labels = np.where(np.arange(len(person))[:, None] < len(person) / 2, 1, 2) * person
        cv2.imwrite(str(capture / "labels" / mask.name), labels.astype(np.uint8))
    request = contract.ReconstructHead(
        capture, preset="paper", networks="reduced", rounds=9, prior_order="S-O-P",
        resolution=48, faces=0, uv=False, texture=0, device="cpu",
    )  # fmt: skip
    reporter = SilentReporter(folder / "job")
    with pytest.MonkeyPatch.context() as patch:
        small = dataclasses.replace(REDUCED, layers=3, width=64, semantic_width=32, rays=128, hair_rays=32, rate=4e-3)
        patch.setattr("backend.head.neural_surface.reconstruct.REDUCED", small)
        patch.setattr("backend.head.neural_surface.reconstruct.SECONDS_BETWEEN_PREVIEWS", 0.0)
        patch.setattr("backend.jobs.reconstruct_head.PREVIEW_NODES", 16)
        return capture, reporter, reconstruct_head.run(request, reporter)


def test_the_preset_paper_leaves_its_networks_a_mesh_and_where_the_cameras_went(published):
    capture, reporter, result = published
    report = json.loads((reporter.folder / "report.json").read_text())
    assert report["preset"] == "paper" and report["epochs"] == 9 and report["refined_cameras"] is True
    assert report["priors"]["semantics"] and not report["priors"]["proxy"]
    head = read_head(reporter.folder / result["head"])
    error = 1000 * off_the_ellipsoid(head.vertices.astype(np.float64))
    # It begins as a sphere, which is 14 mm off in the mean.
    assert result["watertight"] and result["triangles"] == len(head.faces) and error.mean() < 9
    assert {"hair", "face"} <= head.regions.keys()
    up = {name: head.vertices[vertices, 2].mean() for name, vertices in head.regions.items()}
    assert up["hair"] > up["face"] + 0.03
    cameras = json.loads((reporter.folder / result["cameras"]).read_text())
    away = [np.abs(np.array(cameras[v.name]) - v.camera.camera_to_world).max() for v in read_capture(capture).views]
    assert 0 < max(away) < 0.02
    losses = json.loads((reporter.folder / "losses.json").read_text())
    assert len(losses["rgb"]) == 9 and losses["mask"][-1] < losses["mask"][0]
    # Labels from the beginning, directions of hair after a third of the rounds.
    assert len(losses["semantics"]) == 9 and losses["semantics"][-1] < 0.7 * losses["semantics"][0]
    assert len(losses["direction"]) == 6


def test_networks_are_looked_at_while_they_learn_and_meshed_later(published, tmp_path):
    _, reporter, _ = published
    shown = [m for m in reporter.messages if m["type"] == "preview" and m["name"] == "mesh"]
    assert len(shown) >= 4  # the hull, some rounds, the mesh
    assert not (reporter.folder / "checkpoint").exists()
    request = contract.BakeSdf(reporter.folder / "field.npz", resolution=40, faces=0)
    result = bake_sdf.run(request, SilentReporter(tmp_path))
    assert result["watertight"]
    again = read_head(tmp_path / result["head"])
    assert (
        np.abs(np.ptp(again.vertices, axis=0) - np.ptp(read_head(reporter.folder / "head.npz").vertices, axis=0)).max()
        < 0.01
    )


def test_too_few_masks_are_named(tmp_path):
    capture = capture_at(tmp_path / "capture", 3, without=(0, 1))
    with pytest.raises(CaptureError, match="mask of the person"):
        reconstruct_head.run(contract.ReconstructHead(capture, preset="draft"), SilentReporter(tmp_path / "job"))


@pytest.mark.parametrize("words", ["rgb", "colour=2", "mask=-1", "mask=x", "mask=nan", "mask=inf"])
def test_weights_that_are_none_are_named(tmp_path, words):
    request = contract.ReconstructHead(tmp_path, preset="draft", weights=words)
    with pytest.raises(RequestError, match=words.split()[0]):
        reconstruct_head.run(request, SilentReporter(tmp_path / "job"))


def test_weights_are_factors():
    weights = Weights().times({"mask": 2.0})
    assert weights.mask == 2 * Weights().mask and weights.rgb == Weights().rgb
