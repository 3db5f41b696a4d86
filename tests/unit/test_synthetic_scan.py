"""Synthetic scans: their truth holds, and each style is what it says."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from backend.contract import MakeScan
from backend.detail.dense import dense_head
from backend.fit.model import model_to_fit
from backend.fit.scan import read_scan
from backend.formats.coefficients import read_coefficients
from backend.formats.landmarks import read_landmarks
from backend.geometry.surface import Surface
from backend.jobs import make_scan
from backend.protocol import SilentReporter


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    def make(style: str, unit: str = "m"):
        folder = tmp_path_factory.mktemp(style)
        make_scan.run(MakeScan(style=style, seed=3, spacing=0.004, unit=unit), SilentReporter(folder))
        truth = read_coefficients(folder / "coefficients.npz")
        place = truth.similarity
        scan, landmarks = read_scan(folder / "scan.ply"), read_landmarks(folder / "landmarks.json")
        own = [
            (points - place.translation) @ place.rotation / place.scale for points in (scan.points, landmarks.points)
        ]
        return *own, scan.faces, truth

    return {
        style: make(style, unit) for style, unit in (("bare", "mm"), ("bob", "m"), ("afro", "m"), ("ponytail", "m"))
    }


@pytest.fixture(scope="module")
def dense():
    return dense_head(model_to_fit("built-in"))


def test_without_hair_the_scan_is_the_person(made, dense):
    points, marks, faces, truth = made["bare"]
    assert truth.similarity.scale == pytest.approx(1000)  # millimetres
    head = Surface(dense.rest(truth.identity), dense.faces)
    away = np.linalg.norm(head.nearest(points)[0] - points, axis=1)
    assert away.mean() < 0.0006 and np.quantile(away, 0.99) < 0.003
    assert len(marks) == 51 and np.linalg.norm(head.nearest(marks)[0] - marks, axis=1).max() < 0.0005
    corners = points[faces]
    volume = np.einsum("fc,fc->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume > 0.003, "the scan's faces look inwards, or something is missing"


def test_hair_stands_out_where_its_style_has_it(made, dense):
    for style, least, most in (("bob", 0.012, 0.06), ("afro", 0.04, 0.10), ("ponytail", 0.03, 0.13)):
        points, marks, _, truth = made[style]
        head = dense.rest(truth.identity)
        away = Surface(head, dense.faces).signed_distance(points, candidates=3)
        assert least < away.max() < most, style
        # The face stays free: the scan passes through the landmarks of nose, eyes and mouth.
        assert cKDTree(points).query(marks[10:])[0].max() < 0.006, style
        scalp = dense.regions["scalp"]
        covered = cKDTree(points).query(head[scalp])[0] > 0.004
        assert covered.mean() > 0.5, f"{style} leaves the scalp bare"
    bob, afro, tail = (made[style][0] for style in ("bob", "afro", "ponytail"))
    assert np.ptp(afro[:, 0]) > np.ptp(tail[:, 0]) + 0.05 and tail[:, 1].max() > bob[:, 1].max() + 0.02


def test_a_seed_is_a_person(made, tmp_path):
    again = make_scan.run(MakeScan(style="bob", seed=3, spacing=0.004), SilentReporter(tmp_path))
    points, truth = read_scan(tmp_path / again["scan"]).points, read_coefficients(tmp_path / again["coefficients"])
    np.testing.assert_array_equal(truth.identity, made["bob"][3].identity)
    assert len(points) == len(made["bob"][0])
    # Each style has its own person, so that no test stands on one face.
    assert not np.allclose(truth.identity, made["afro"][3].identity)
