"""Reconstruct Head, the whole job, on a synthetic head."""

import json

import numpy as np
import pytest

from backend import contract
from backend.errors import CaptureError, RequestError
from backend.formats.head import read_head
from backend.formats.sdf_grid import read_sdf_grid
from backend.head.grid_surface.presets import Weights
from backend.jobs import reconstruct_head
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
