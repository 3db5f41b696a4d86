"""The head bench's own parts: what it measures, what it does to captures, and that its tables say it."""

import argparse
import json

import cv2
import numpy as np
import pytest
import trimesh

from backend.errors import MaquetteError
from backend.formats.capture import Camera, Capture, View, read_capture, write_capture
from backend.formats.head import Head, write_head
from backend.formats.mesh_ply import write_ply

pytest.importorskip("bench", reason="the bench is no part of the extension's zip")
from bench import head_bakes, head_picture
from bench.head import ROWS
from bench.head_ablation import EXPERIMENTS, _same, write
from bench.head_faults import FAULTS
from bench.head_measure import measure, on_face, truth_of
from bench.head_report import write_report
from bench.head_scenes import HALF_CIRCLE, some_views, with_parts

SIZE = 96


def camera(azimuth):
    a = np.radians(azimuth)
    back, right = np.array([np.sin(a), -np.cos(a), 0]), np.array([np.cos(a), np.sin(a), 0])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([right, np.cross(back, right), back], axis=1), 0.8 * back
    return Camera(SIZE, SIZE, 2.4 * SIZE, 2.4 * SIZE, SIZE / 2, SIZE / 2, pose)


@pytest.fixture(scope="module")
def ball():
    return trimesh.creation.icosphere(subdivisions=4, radius=0.1)


@pytest.fixture(scope="module")
def capture(ball, tmp_path_factory):
    """A ball of 10 cm before twelve cameras; its front is called face, its lowest landmark is 2 cm below its middle."""
    folder = tmp_path_factory.mktemp("head") / "capture"
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, (SIZE // 2, SIZE // 2), SIZE // 3, 255, -1)
    views = []
    for number, azimuth in enumerate(np.linspace(-90, 90, 12)):
        name = f"view_{number:03d}"
        for part in ("images", "masks/person", "masks/hair", "labels"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / f"{name}.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
        views.append(View(name, folder / "images" / f"{name}.png", camera(azimuth)))
    write_capture(Capture(folder, tuple(views), 1.0, "rendered"))
    (folder / "landmarks.json").write_text(json.dumps({"views": {view.name: {} for view in views}}))
    (folder / "ground_truth").mkdir()
    low = int(np.argmin(np.linalg.norm(ball.triangles_center - [0, -0.098, -0.02], axis=1)))
    regions = {"face": np.flatnonzero(ball.vertices[:, 1] < -0.05)}
    head = Head(ball.vertices, ball.faces, None, regions, {"jaw 9": (low, np.full(3, 1 / 3))})
    write_head(folder / "ground_truth" / "head.npz", head)
    write_ply(folder / "ground_truth" / "head.ply", ball.vertices, ball.faces)
    return folder


def test_only_what_cameras_see_counts(ball, capture, tmp_path):
    """A ball 1 mm too large in front, and 2 cm too large behind, where the one camera does not look."""
    capture = some_views(capture, [5], tmp_path / "front")
    grown = ball.vertices * np.where(ball.vertices[:, 1:2] > 0.05, 1.2, 1.01)
    write_ply(tmp_path / "found.ply", grown, ball.faces)
    truth = truth_of(capture, "head.ply")
    found = measure(tmp_path / "found.ply", truth, capture)
    assert found["visible"]["median"] == pytest.approx(1.0, abs=0.05)
    assert found["visible"]["p95"] < 1.1 and found["visible"]["points"] > 15_000
    face = measure(tmp_path / "found.ply", truth, capture, chosen=on_face(truth, capture))["visible"]
    assert face["p95"] == pytest.approx(1.0, abs=0.05) and face["points"] < 0.8 * found["visible"]["points"]


def test_what_is_missing_is_an_error_one_way(ball, capture, tmp_path):
    half = ball.vertices[:, 0] < 0.0
    faces = ball.faces[half[ball.faces].all(axis=1)]
    write_ply(tmp_path / "half.ply", ball.vertices, faces)
    found = measure(tmp_path / "half.ply", truth_of(capture, "head.ply"), capture)
    assert found["visible"]["mean"] > 15 and found["back"]["mean"] < 0.1


def test_nothing_below_the_chin_counts(capture):
    truth = truth_of(capture, "head.ply", below_chin=0.01)
    assert truth.floor == pytest.approx(-0.03, abs=0.004)


def test_fewer_views_keep_masks_labels_and_truth(capture, tmp_path):
    folder = some_views(capture, HALF_CIRCLE[3], tmp_path / "three")
    views = read_capture(folder).views
    assert [view.name for view in views] == ["view_000", "view_005", "view_011"]
    assert set(views[0].masks) == {"person", "hair"} and (folder / "labels" / "view_005.png").is_file()
    assert (folder / "ground_truth" / "head.ply").is_file()
    assert views[1].camera.centre == pytest.approx(read_capture(capture).views[5].camera.centre)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_copy_has_its_fault_and_no_truth(capture, tmp_path, fault):
    copy = FAULTS[fault][1](capture, tmp_path / fault)
    assert not (copy / "ground_truth").exists()
    before, after = read_capture(capture).views, read_capture(copy).views
    assert len(before) == len(after)

    def same(part, number):
        name = f"{before[number].name}.png"
        there = copy / part / name
        return there.is_file() and there.read_bytes() == (capture / part / name).read_bytes()

    moved = [np.abs(a.camera.camera_to_world - b.camera.camera_to_world).max() for a, b in zip(before, after)]
    assert (np.array(moved) > 1e-9).sum() == {"shaken": 12, "repeated": 1}.get(fault, 0)
    assert same("images", 5) == (fault != "room")
    assert same("masks/person", 3) == (fault not in ("dilated", "unmasked"))
    assert same("labels", 2) == (fault not in ("dilated", "bare"))
    assert (copy / "landmarks.json").is_file() == (fault != "bare")
    if fault == "room":
        bright, plain = (cv2.imread(str(copy / "images" / f"view_{k:03d}.png")) for k in (4, 5))
        assert np.abs(bright.astype(int) - plain).mean() > 20 and plain[0].std() > 10


def test_the_scan_takes_the_parts_of_the_head_that_lies_on_it(ball, capture):
    fitted = Head(ball.vertices * 1.02, ball.faces, None, dict.fromkeys(
        ("face", "scalp", "neck", "left_ear", "right_ear", "nose", "lips", "eyebrows", "eyes"), np.arange(20)),
        {"jaw 9": (0, np.full(3, 1 / 3))})  # fmt: skip
    scan = with_parts(Head(ball.vertices, ball.faces), fitted)
    assert scan.regions["face"].tolist() == list(range(20))
    assert scan.landmark_points()[0] == pytest.approx(fitted.landmark_points()[0] / 1.02, abs=1e-3)


def result(row, mean, options=()):
    figures = {"mean": mean, "median": 0.5 * mean, "p95": 2.0, "points": 10}
    values = {name: getattr(row, name) for name in ("name", "scene", "views", "preset", "fault", "bar")}
    return {"row": values | {"options": list(options)}, "visible": figures, "back": figures, "face": figures,
            "wall_s": 60.0, "processor_s": 100.0, "peak_memory_mb": 900}  # fmt: skip


def test_the_report_says_figures_bars_and_what_was_published(tmp_path):
    write_report(tmp_path, [result(row, 1.0 + number) for number, row in enumerate(ROWS)])
    text = (tmp_path / "results.md").read_text()
    assert all(row.name in text for row in ROWS)
    assert "| 1.000 | 0.500 | 2.00 | 2.5 | 1.000 | 1.000 | 3.869, face 1.228 | 60 | 100 | 900 |" in text
    assert len(json.loads((tmp_path / "results.json").read_text())["results"]) == len(ROWS)


def test_every_published_experiment_is_there_once(tmp_path):
    counts = [len(rows) for rows in EXPERIMENTS.values()]
    assert counts == [6, 7, 12]
    results = {
        table: {name: result(ROWS[4], 2.0 + k, words) for k, (name, (words, _)) in enumerate(rows.items())}
        for table, rows in EXPERIMENTS.items()
    }
    write(tmp_path, results)
    text = (tmp_path / "results.md").read_text()
    assert "| none | 3.000 | +1.000 |" in text and "2.669" in text and "direction x 10" in text
    assert _same(results["Table I: priors"]["all priors"], ("--prior-order", "P-S-O"))
    assert not _same(results["Table I: priors"]["all priors"], ("--prior-order", "O-S-P"))


def test_bakes_are_told_and_want_a_reconstructed_head(capture, tmp_path):
    mesh = {"triangles": 1_363_390, "watertight": True, "holes": []}
    paint = {"seen_share": 0.656, "seam_before": 1.31, "seam_after": 0.84}
    spent = {"wall_s": 21.0, "processor_s": 19.04, "peak_mb": 1073}
    head_bakes.write(tmp_path, [{"name": n, "report": r} | spent for n, r in (("field", mesh), ("texture", paint))])
    text = (tmp_path / "results.md").read_text()
    assert "| field | 21.0 | 19.0 | 1073 | 1,363,390 triangles, watertight |" in text
    assert "66% seen; views differ by 1.3 of 255 where they meet, 0.8 after levelling" in text
    options = argparse.Namespace(out=tmp_path / "out", scan=capture, head=tmp_path, size=96, samples=1)
    with pytest.raises(MaquetteError, match=r"field\.npz"):
        head_bakes.run(options)


def test_a_reconstruction_is_drawn_bare_and_painted(ball, capture, tmp_path):
    uv = np.random.default_rng(0).uniform(0.2, 0.8, (len(ball.faces), 3, 2))
    write_head(tmp_path / "head.npz", Head(ball.vertices, ball.faces, uv))
    blue = np.full((8, 8, 3), (255, 0, 0), np.uint8)
    (tmp_path / "texture.png").write_bytes(cv2.imencode(".png", blue)[1].tobytes())
    picture = head_picture.draw(tmp_path, capture, 11)
    tile = head_picture.TILE
    assert picture.shape == (2 * tile, 4 * tile, 3)
    above, below = (picture[row * tile + tile // 2, tile + tile // 2].astype(int) for row in (0, 1))
    assert np.ptp(above) < 20 and below.tolist() == [255, 0, 0]
