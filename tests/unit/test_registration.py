"""Dense heads registered to scans: known displacements come back, what is frozen stays, and the files say so."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from backend.contract import BUILT_IN, RegisterScan
from backend.detail.dense import DenseHead, built_in_layout
from backend.detail.frames import vertex_normals
from backend.detail.intersections import self_intersecting_share
from backend.detail.registration import Scanned, register
from backend.detail.registration_measure import measure
from backend.detail.registration_paper import UNIT, pruned_chamfer
from backend.detail.subdivision import subdivide
from backend.errors import HeadError, ScanError
from backend.fit import scan
from backend.fit.model import model_to_fit, named_points
from backend.formats.coefficients import read_coefficients
from backend.formats.dense_mesh import read_dense_mesh
from backend.formats.detail import Detail, read_detail, write_detail
from backend.formats.displacement import read_displacement
from backend.formats.mesh_ply import read_ply_vertices
from backend.jobs import register_scan
from backend.protocol import SilentReporter


def once(model, smooth=False):
    """The dense head subdivided once, which is quick."""
    assert not smooth
    return DenseHead(model, subdivide(model.faces, len(model.template), 1), built_in_layout(model))


@pytest.fixture(scope="module")
def dense():
    return once(model_to_fit(BUILT_IN))


@pytest.fixture(scope="module")
def haired(dense):
    """(W, 3) metres: a head whose scalp stands off as hair does, by up to 20 mm, with cheeks 1 mm fuller."""
    vertices = dense.rest()
    normals = vertex_normals(vertices, dense.faces)
    height = np.zeros(len(vertices))
    scalp = vertices[dense.regions["scalp"]]
    top = scalp[scalp[:, 2].argmax()]
    height += 0.02 * np.exp(-np.sum((vertices - top) ** 2, axis=1) / 0.05**2)
    nose = vertices[dense.regions["nose"]].mean(axis=0)
    for side in (-1, 1):
        cheek = nose + [0.035 * side, 0.03, 0]
        height += 0.001 * np.exp(-np.sum((vertices - cheek) ** 2, axis=1) / 0.012**2)
    for name in ("neck", "ears", "eyes", "mouth_pocket"):
        height[dense.regions[name]] = 0
    return vertices + height[:, None] * normals


def scanned(dense, vertices, keep=None, count=40_000):
    """What a scanner sees of a head: points on its outer skin, with normals."""
    names = np.array(dense.layout.names)[dense.chart]
    outer = np.isin(names, ["scalp", "face", "left_ear", "right_ear"])
    mesh = trimesh.Trimesh(vertices, dense.faces[outer], process=False)
    points, face = trimesh.sample.sample_surface(mesh, count, seed=1)
    normals = mesh.face_normals[face]
    if keep is not None:
        points, normals = points[keep(points)], normals[keep(points)]
    return Scanned(points, normals, points)


def test_displacements_come_back_and_what_is_frozen_stays(dense, haired, tmp_path):
    scan, rest = scanned(dense, haired), dense.rest()
    found = register(dense, rest, scan, "draft", SilentReporter(tmp_path))
    before, _ = measure(dense, rest, found.movable, scan)
    after, residual = measure(dense, rest + found.displacement, found.movable, scan)
    assert before["scan_to_mesh_mm"]["regions"]["scalp"]["mean"] > 2
    assert after["scan_to_mesh_mm"]["mean"] < 0.1 and after["scan_to_mesh_mm"]["p95"] < 0.3
    assert after["scan_to_mesh_mm"]["regions"]["face"]["mean"] < 0.1
    for name in ("neck", "ears", "eyes", "mouth_pocket"):
        # What stays moves only where ears and lips of the model pass through themselves: on a mesh this coarse, far.
        size = np.linalg.norm(found.displacement[dense.regions[name]], axis=1)
        assert size.max() < (0.006 if name == "ears" else 0.003), name
        assert not found.observed[dense.regions[name]].any()
    for name in ("boundary", "left_eyeball", "right_eyeball"):
        assert not found.displacement[dense.regions[name]].any()
    assert found.observed[found.movable.all].mean() > 0.9
    assert np.nanmean(np.abs(residual)) < 0.0003, "metres"
    head = dense.faces[found.movable.head]
    folded = [self_intersecting_share(v, head) for v in (rest, rest + found.displacement)]
    assert folded[0] > 0.005, "the built-in head's ears and lips pass through themselves at rest"
    assert folded[1] < 0.001


def test_two_stages_are_better_than_either(dense, haired, tmp_path):
    scan, rest, means = scanned(dense, haired, count=20_000), dense.rest(), {}
    for stages in (("vector",), ("normal",), ("vector", "normal")):
        found = register(dense, rest, scan, "draft", SilentReporter(tmp_path), stages=stages)
        means[stages] = measure(dense, rest + found.displacement, found.movable, scan)[0]["scan_to_mesh_mm"]["mean"]
    assert means["vector", "normal"] < min(means["vector",], means["normal",])


def test_the_published_optimisation_goes_down(dense, haired, tmp_path):
    scan, rest = scanned(dense, haired, count=20_000), dense.rest()
    found = register(dense, rest, scan, "paper", SilentReporter(tmp_path), steps=12)
    size = np.linalg.norm(found.displacement, axis=1)
    # Adam moves a number by its rate a step at most, nearly: 0.03 units in stage 1, 0.0003 in stage 2.
    assert 0.0002 < size.max() < np.sqrt(3) * 12 * 0.0303 * UNIT * 1.5
    assert not size[~found.movable.all].any()
    before, after = (measure(dense, v, found.movable, scan)[0] for v in (rest, rest + found.displacement))
    assert after["scan_to_mesh_mm"]["mean"] < before["scan_to_mesh_mm"]["mean"]


def test_far_partners_are_pruned():
    moved = torch.tensor([[0.0, 0, 0], [5.0, 0, 0]], requires_grad=True)
    target = torch.tensor([[0.0, 0.5, 0], [0.0, 0, 9.0]])
    loss = pruned_chamfer(moved, target, 1.0, None)
    # Each way one pair is nearer than 1, and the means are over those: 0.5 + 0.5.
    assert loss.item() == pytest.approx(1.0)
    loss.backward()
    np.testing.assert_allclose(moved.grad, [[0, -2, 0], [0, 0, 0]], atol=1e-6)
    assert pruned_chamfer(moved, target + 100, 1.0, None).item() == 0


def test_a_part_of_a_head_moves_only_there(dense, haired, tmp_path):
    rest = dense.rest()
    front = scanned(dense, haired, keep=lambda p: p[:, 1] < -0.03)
    found = register(dense, rest, front, "draft", SilentReporter(tmp_path), partial=True)
    back = rest[:, 1] > 0.06
    assert not found.displacement[back].any() and not found.observed[back].any()
    cheeks = found.movable.all & (rest[:, 1] < -0.05)
    assert found.observed[cheeks].mean() > 0.6
    size = np.linalg.norm(rest + found.displacement - haired, axis=1)
    assert size[found.observed].mean() < 0.0005, "metres"
    few = Scanned(*(np.tile(part[:1], (200, 1)) for part in (front.points, front.normals, front.flat)))
    with pytest.raises(ScanError, match="flat"):
        register(dense, rest, few, "draft", SilentReporter(tmp_path), partial=True)


def clicked_scan(dense, haired, folder):
    """Vertices of a scan in centimetres, off the origin, and the file of the landmarks that were clicked on it."""
    points = named_points(dense.model)
    points = {name: at for name, at in points.items() if not name.startswith(("mediapipe", "jaw"))}
    place = haired * 100 + [1, 2, 3]
    clicks = {name: (weights @ place[dense.model.faces[face]]).tolist() for name, (face, weights) in points.items()}
    (folder / "clicks.json").write_text(json.dumps(clicks))
    return place, folder / "clicks.json"


def test_a_cloud_without_normals_is_thinned_with_a_word_and_registered(dense, haired, tmp_path, monkeypatch):
    monkeypatch.setattr(register_scan, "dense_head", once)
    monkeypatch.setattr(scan, "MOST_POINTS", 25_000)
    place, clicks = clicked_scan(dense, haired, tmp_path)
    cloud = scanned(dense, place, count=60_000).points
    trimesh.PointCloud(cloud).export(tmp_path / "cloud.ply")
    request = RegisterScan(tmp_path / "cloud.ply", landmarks=clicks, preset="draft", size=128, unit="cm")
    reporter = SilentReporter(tmp_path / "out")
    result = register_scan.run(request, reporter)
    assert result["scan_to_mesh_mm"] < 0.5
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert 20_000 < report["scan_points"] < 27_000
    assert any("of the 60,000 points of cloud.ply are used" in str(message) for message in reporter.messages)


def test_a_job_leaves_its_files(dense, haired, tmp_path, monkeypatch):
    monkeypatch.setattr(register_scan, "dense_head", once)
    place, clicks = clicked_scan(dense, haired, tmp_path)
    outer = dense.faces[~np.isin(dense.faces, dense.regions["eyes"]).any(axis=1)]
    trimesh.Trimesh(place, outer, process=False).export(tmp_path / "scan.ply")
    request = RegisterScan(scan=tmp_path / "scan.ply", landmarks=clicks, preset="draft", size=128, unit="cm")
    out = tmp_path / "out"
    result = register_scan.run(request, SilentReporter(out))
    report = json.loads((out / "report.json").read_text())
    assert report["scan_to_mesh_mm"]["mean"] < 0.3 and result["scan_to_mesh_mm"] == report["scan_to_mesh_mm"]["mean"]
    assert report["self_intersecting_share"] < 0.001
    columns = read_ply_vertices(out / result["registered"])
    registered = np.stack([columns[axis] for axis in "xyz"], axis=1)
    mesh = read_dense_mesh(out / result["mesh"])
    coefficients = read_coefficients(out / result["coefficients"]).applied_to(dense.model)
    np.testing.assert_allclose(coefficients.similarity.apply(mesh.vertices), registered, atol=1e-3)
    # The stored displacement, put on the fitted head again, is the registered head.
    detail = read_detail(out / result["detail"])
    assert (detail.model_hash, detail.layout) == (dense.model.hash, dense.layout_hash)
    again = dense.displaced(
        detail.displacement.astype(float), coefficients.identity, coefficients.expression, coefficients.pose
    )
    np.testing.assert_allclose(again, mesh.vertices, atol=2e-6)
    assert read_displacement(out / result["map"]).values.shape == (128, 128, 3)


def test_detail_files(tmp_path):
    written = Detail(np.arange(12).reshape(4, 3) / 7, [True, False, True, True], "ours", "abc", "layout")
    write_detail(tmp_path / "registered.npz", written)
    read = read_detail(tmp_path / "registered.npz")
    assert np.array_equal(read.displacement, written.displacement) and np.array_equal(read.observed, written.observed)
    assert (read.model, read.model_hash, read.layout) == ("ours", "abc", "layout")
    with pytest.raises(HeadError, match="not finite"):
        Detail(np.full((2, 3), np.nan), np.ones(2), "", "")
    with pytest.raises(HeadError, match="shape"):
        Detail(np.zeros((2, 3)), np.ones(3), "", "")
    for name, content, words in (("a.npz", b"PK", "cannot be read"), ("b.npz", None, "cannot be opened")):
        if content is not None:
            Path(tmp_path / name).write_bytes(content)
        with pytest.raises(HeadError, match=words):
            read_detail(tmp_path / name)
    np.savez(tmp_path / "c.npz", displacement=np.zeros((2, 3)))
    with pytest.raises(HeadError, match="no registered detail"):
        read_detail(tmp_path / "c.npz")
