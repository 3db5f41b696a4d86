"""Bad scans: each is laid under a head all the same, or one sentence says what is wrong with it."""

import json

import numpy as np
import pytest
import trimesh

from backend.contract import BUILT_IN, RegisterScan
from backend.detail.registration import REACH, Scanned
from backend.errors import LandmarkError, ScanError
from backend.fit.head_on_scan import lay_head_on_scan
from backend.fit.model import model_to_fit, named_points, skin
from backend.fit.shape import Parameters, Shape
from backend.formats.flame_model import scheme_68
from backend.geometry.surface import Surface
from backend.jobs import register_scan
from backend.protocol import SilentReporter


@pytest.fixture(scope="module")
def head():
    """(V, 3) metres, Z up, faces, landmarks (51, 3) and their names, and which vertices are skin, of somebody."""
    model = model_to_fit(BUILT_IN)
    shape = Shape(model)
    nobody = shape.zero()
    identity = np.random.default_rng(8).normal(size=shape.identity_count)
    vertices = shape.vertices(Parameters(identity, nobody.expression, nobody.pose))
    points, names = named_points(model), scheme_68()[17:]
    marks = np.stack([points[name][1] @ vertices[model.faces[points[name][0]]] for name in names])
    return vertices, model.faces.astype(np.int64), marks, names, skin(model)


def files(folder, head, points, faces=None, marks=None):
    """The settings that name a scan and its landmarks, written to files."""
    np.savez(folder / "scan.npz", vertices=points, **({} if faces is None else {"faces": faces}))
    marks = head[2] if marks is None else marks
    (folder / "scan.json").write_text(json.dumps(dict(zip(head[3], marks.tolist()))))
    return folder / "scan.npz", folder / "scan.json"


def laid(folder, head, *scan, unit=""):
    """The fit, and what was warned of."""
    reporter = SilentReporter(folder / "out")
    fit = lay_head_on_scan(*files(folder, head, *scan), BUILT_IN, unit, 0, False, "cpu", reporter)
    return fit, [message["text"] for message in reporter.messages if message["type"] == "warning"]


def off(fit, points):
    """Millimetres from points of the scan's file to the fitted head, on average."""
    place = fit.on_file
    own = (points - place.translation) @ place.rotation / place.scale
    return 1000 * np.linalg.norm(Surface(fit.vertices, fit.model.faces).nearest(own)[0] - own, axis=1).mean()


def test_points_twice_and_no_faces(head, tmp_path):
    vertices, _, _, _, outer = head
    fit, _ = laid(tmp_path, head, np.concatenate([vertices, vertices, vertices[:900]]))
    assert off(fit, vertices[outer]) < 0.6
    assert np.isfinite(Scanned.of(fit.surface_within(REACH), fit.place).normals).all()


def test_faces_twice_upside_down_in_inches_with_holes(head, tmp_path):
    vertices, faces, marks, _, outer = head
    turn, inch = np.diag([1.0, -1, -1]), 1 / 0.0254
    middles = vertices[faces].mean(axis=1)
    whole = np.random.default_rng(0).random(len(faces)) > 0.1
    for hole, size in ((marks[20], 0.025), (vertices[vertices[:, 2].argmax()], 0.05)):
        whole &= np.linalg.norm(middles - hole, axis=1) > size
    points, clicked = ((p @ turn + [0, 0, 3]) * inch for p in (vertices, marks))
    twice = np.concatenate([points, points]), np.concatenate([faces[whole], faces[whole][:, ::-1] + len(points)])
    fit, _ = laid(tmp_path, head, *twice, clicked)
    assert fit.unit == "inch" and off(fit, points[outer]) < 0.6


def test_of_two_heads_the_one_with_the_landmarks_counts(head, tmp_path):
    vertices, faces, _, _, outer = head
    both = np.concatenate([vertices, vertices @ np.diag([-1.0, -1, 1]) + [0.3, 0, 0.01]])
    joined = np.concatenate([faces, faces + len(vertices)])
    for name, scan in (("mesh", (both, joined)), ("cloud", (both,))):
        folder = tmp_path / name
        folder.mkdir()
        fit, told = laid(folder, head, *scan)
        assert off(fit, vertices[outer]) < 0.6
        scanned = Scanned.of(fit.surface_within(REACH), fit.place)
        assert np.abs(scanned.points[:, 0]).max() < 0.14, "the other head is registered too"
        assert any("apart" in text and "50%" in text for text in told)


def test_hair_apart_from_the_head_stays(head, tmp_path):
    vertices, faces, *_ = head
    strand = trimesh.creation.icosphere(subdivisions=3, radius=0.03)
    scan = np.concatenate([vertices, strand.vertices + [0, 0.165, 0.05]])  # a bun, its neck unseen
    fit, told = laid(tmp_path, head, scan, np.concatenate([faces, strand.faces + len(vertices)]))
    assert not any("apart" in text for text in told)
    assert (fit.scan.points[fit.scan.faces][..., 1] * fit.metres > 0.15).any()


def cube():
    box = trimesh.creation.box((0.25, 0.25, 0.25))
    for _ in range(4):
        box = box.subdivide()
    return np.asarray(box.vertices), np.asarray(box.faces)


@pytest.mark.parametrize(
    "kind, trouble, words",
    [
        ("empty", ScanError, "too few for a head"),
        ("not a number", ScanError, "not finite"),
        ("lines", ScanError, "no surface"),
        ("no such vertex", ScanError, "names vertex"),
        ("wrong unit", ScanError, "give another unit"),
        ("cube", LandmarkError, "do not lie on"),
        ("cube with clicks", (ScanError, LandmarkError), "mirrored|off a head|unit"),
        ("mirrored", LandmarkError, "mirrored"),
        ("elsewhere", LandmarkError, "do not lie on"),
    ],
)
def test_one_sentence_says_what_is_wrong(kind, trouble, words, head, tmp_path):
    vertices, faces, marks, *_ = head
    points, triangles, clicked, unit = vertices, faces, marks, ""
    if kind == "empty":
        points, triangles = vertices[:0], faces[:0]
    elif kind == "not a number":
        points = np.where(np.arange(len(vertices))[:, None] % 50 == 0, np.nan, vertices)
    elif kind == "lines":
        triangles = np.stack([faces[:, 0], faces[:, 1], faces[:, 1]], axis=1)
    elif kind == "no such vertex":
        triangles = faces + 10_000
    elif kind == "wrong unit":
        points, clicked, unit = vertices * 1000, marks * 1000, "cm"
    elif kind == "mirrored":
        points, clicked = vertices * [-1, 1, 1], marks * [-1, 1, 1]
    elif kind == "elsewhere":
        clicked = marks + 1
    else:
        points, triangles = cube()
        if kind == "cube with clicks":
            clicked = points[np.random.default_rng(1).choice(len(points), len(marks))]
    scan, landmarks = files(tmp_path, head, points, triangles, clicked)
    with pytest.raises(trouble, match=words) as told:
        register_scan.run(RegisterScan(scan=scan, landmarks=landmarks, unit=unit), SilentReporter(tmp_path / "out"))
    sentence = str(told.value)
    assert sentence[0].isupper() or sentence.startswith("scan.npz")
    assert sentence.endswith(".") and "Error" not in sentence and "\n" not in sentence
