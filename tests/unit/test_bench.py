"""The bench's own parts: what it does to captures, and that its table says what was measured."""

import json

import cv2
import numpy as np
import pytest

from backend.evaluate.strands import OrientedPoints
from backend.formats.capture import Camera, Capture, View, read_capture, write_capture
from backend.formats.strand_files import SUPPORTED
from backend.formats.strands import Strands, read_npz, write_npz

pytest.importorskip("bench", reason="the bench is no part of the extension's zip")
from bench import capture as capture_bench
from bench import capture_score, strands_measures, strands_report
from bench.hair import ROWS
from bench.hair_report import write_report
from bench.robustness import with_dilated_masks, with_shaken_cameras


@pytest.fixture
def capture(tmp_path):
    folder = tmp_path / "capture"
    for part in ("images", "masks/hair", "ground_truth"):
        (folder / part).mkdir(parents=True)
    pose = np.eye(4)
    pose[2, 3] = 1.0
    views = []
    for k in range(5):
        name = f"view_{k}"
        mask = np.zeros((64, 64), np.uint8)
        mask[20:40, 24:44] = 255
        for place in (folder / "images", folder / "masks" / "hair"):
            (place / f"{name}.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
        views.append(View(name, folder / "images" / f"{name}.png", Camera(64, 64, 120, 120, 32, 32, pose)))
    (folder / "ground_truth" / "strands.npz").write_bytes(b"")
    write_capture(Capture(folder, tuple(views), 1.0, "rendered"))
    return folder


def test_dilated_masks_reach_two_pixels_farther_and_the_truth_stays_behind(capture, tmp_path):
    copy = with_dilated_masks(capture, tmp_path / "copy", 2)
    mask = cv2.imread(str(copy / "masks" / "hair" / "view_3.png"), cv2.IMREAD_UNCHANGED)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (18, 41, 22, 45)
    assert not (copy / "ground_truth").exists()
    assert np.count_nonzero(cv2.imread(str(capture / "masks" / "hair" / "view_3.png"), 0)) == 400


def test_shaken_cameras_see_half_a_pixel_beside(capture, tmp_path):
    before = read_capture(capture).views
    after = read_capture(with_shaken_cameras(capture, tmp_path / "copy", 0.5, seed=0)).views
    point = np.array([[0.0, 0.0, 0.0]])
    moves = np.array([b.camera.project(point)[0][0] - a.camera.project(point)[0][0] for a, b in zip(before, after)])
    assert np.allclose(np.linalg.norm(moves, axis=1), 0.5, atol=0.01)
    assert np.linalg.norm(moves - moves[0], axis=1).max() > 0.1


def test_report_has_a_line_for_every_row_and_the_published_figures(tmp_path):
    def score(sign, d, a, f):
        return {"sign": sign, "millimetres": d, "degrees": a, "precision": f, "recall": f, "f_score": f}

    rows = [score(s, d, a, 50.0 + d) for s in ("undirected", "signed") for d, a in ((2, 20), (3, 30), (4, 40))]
    report = {"seconds": 61.4, "peak_memory_mb": 1234.0, "stages": {"hull": 9.0, "growth": 4.0}}
    results = [{"scene": "curly", "row": r.name, "scores": {"rows": rows}, "report": report} for r in ROWS]
    write_report(tmp_path, results, {"preset": "standard", "strands": 20_000, "scenes": "24 views"})
    text = (tmp_path / "results.md").read_text()
    assert all(f"| {row.name} | 52.0 | 53.0 | 54.0 |" in text for row in ROWS)
    assert "Neural Haircut" in text and "| 11.2 | 21.7 | 33.6 |" in text and "| 61 | 1234 |" in text
    assert len(json.loads((tmp_path / "results.json").read_text())["results"]) == len(ROWS)


def grooms(tmp_path, count=60, points=20):
    """Two files of hair that runs nearly, but not quite, alike."""
    random = np.random.default_rng(0)
    roots = random.uniform(0, 0.01, (count, 1, 3))
    along = np.linspace(0, 0.05, points)[None, :, None] * [0.2, 0.1, 1.0]
    files = []
    for number in range(2):
        waves = 0.002 * np.sin(random.uniform(0, 6, (count, 1, 3)) + 150 * along)
        files.append(tmp_path / f"{number}.npz")
        write_npz(files[-1], Strands.from_array((roots + along + waves).astype(np.float32)))
    return files


def test_the_plain_evaluation_is_the_definition(tmp_path):
    prediction, truth = grooms(tmp_path)
    (result,) = strands_measures.measure_evaluate(str(prediction), str(truth), "2", "10000", "waves")
    assert result["agrees"] and len(result["seconds"]) == 2
    assert "1,140 points against 1,140" in result["name"]
    sides = [OrientedPoints.of(read_npz(path).resampled(20)) for path in (prediction, truth)]
    hits = strands_measures.plain_hits(sides[0].rows(np.arange(200)), sides[1])
    assert 0.1 < hits[0].mean() < hits[2].mean() <= 1, "the comparison would prove nothing"


def test_every_format_is_timed_and_compared(tmp_path):
    results = strands_measures.measure_files(str(grooms(tmp_path)[0]), str(tmp_path), "1")
    names = " ".join(result["name"] for result in results)
    for ending, kind in SUPPORTED.items():
        assert f"read {ending} " in names
        assert (f"write {ending} " in names) == bool(kind.write)
    assert all(result["agrees"] for result in results if result["name"].startswith("read"))


def test_strands_report_names_what_missed_its_target(tmp_path):
    import_ = {"part": "import", "name": "100 strands", "seconds": [6.0, 4.0, 9.0], "peak_mb": 812.4, "target": 5.0}
    import_ |= {"baseline": "bare curves", "baseline_seconds": [3.0, 3.0], "agrees": False}
    strands_report.write_report(tmp_path, [import_], {"repeats": 3, "load": 1.5})
    table = (tmp_path / "results.md").read_text()
    assert "| 100 strands | 6 (4 to 9) | 812 | 3 | 0.5 | target 5 s missed; DIFFERS" in table
    assert json.loads((tmp_path / "results.json").read_text())["results"][0]["seconds"] == [6.0, 4.0, 9.0]


def test_cameras_are_scored_after_they_are_laid_on_the_true_ones():
    rng, views = np.random.default_rng(0), []
    for k in range(6):
        pose = np.eye(4)
        pose[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        pose[:3, :3] *= np.sign(np.linalg.det(pose[:3, :3]))
        pose[:3, 3] = rng.normal(size=3)
        views.append(View(f"v{k}", None, Camera(64, 48, 50, 50, 32, 24, pose)))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moved = []
    for k, view in enumerate(views[:5]):
        pose = view.camera.camera_to_world.copy()
        pose[:3, :3], pose[:3, 3] = turn @ pose[:3, :3], 3 * turn @ pose[:3, 3] + 1
        pose[0, 3] += 0.003 * (k == 2)
        moved.append(View(f"f{k}", None, Camera(32, 24, 25.25, 25.25, 16, 12, pose)))
    true, found = Capture(None, tuple(views)), Capture(None, tuple(moved))
    score = capture_score.camera_errors(found, true, {f"f{k}": f"v{k}" for k in range(5)})
    assert (score["views"], score["different_views"]) == (6, 5)
    assert 0.3 < score["centre_mm_worst"] < 1.0 and score["focal_percent"] == pytest.approx(1.0)
    assert score["degrees_mean"] < 0.2


def test_masks_are_scored_by_their_overlap(tmp_path):
    camera = Camera(8, 4, 5, 5, 4, 2, np.eye(4))
    captures = []
    for name, columns in (("found", 3), ("true", 6)):
        mask = np.zeros((4, 8), np.uint8)
        mask[:, :columns] = 255
        path = tmp_path / f"{name}.png"
        path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
        captures.append(Capture(tmp_path, (View("v", None, camera, {"hair": path}),)))
    score = capture_score.mask_agreement(*captures, kinds=("hair", "person"))
    assert score == {"hair": 0.5, "hair_worst": 0.5, "person": 0.0, "person_worst": 0.0}


def test_the_captures_table_says_what_was_measured():
    cameras = {
        "pictures": 36, "registered": 35, "points": 900, "error_pixels": 0.2, "peak_memory_mb": 300,
        "centre_mm_mean": 0.25, "centre_mm_worst": 0.56, "focal_percent": 0.04, "processor_s": 77.0,
    }  # fmt: skip
    words = capture_bench.table({"photographs": cameras, "hair": {"found": {"2/20": 61.5}}})
    assert "35 of 36" in words and "0.25 | 0.56" in words and "found cameras and masks: 2/20 61.5" in words
