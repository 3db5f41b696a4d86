"""A head model fitted to scans: its own heads come back, other heads come near, and bad scans get sentences."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from backend.contract import BUILT_IN, FitHead
from backend.errors import HeadError, LandmarkError, ScanError
from backend.fit.model import landmarks_of, model_to_fit, named_points, skin
from backend.fit.place import umeyama
from backend.fit.scan import metres_per_unit, read_scan
from backend.fit.shape import Parameters, Shape
from backend.formats.coefficients import read_coefficients
from backend.formats.flame_model import scheme_68, y_up
from backend.formats.landmarks import Landmarks3D
from backend.formats.mesh_ply import read_ply_vertices
from backend.geometry.surface import Surface
from backend.jobs import fit_head
from backend.protocol import SilentReporter

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FLAME = DATA / "flame2023open" / "flame_basis.npz"
PERRY = DATA / "lee_perry_smith" / "LeePerrySmith_2011.obj"
CLICKED = Path(__file__).with_name("lee_perry_smith.json")
needs_flame = pytest.mark.skipif(not FLAME.is_file(), reason="the real FLAME template is not at hand")


@pytest.fixture(scope="module")
def model():
    return model_to_fit(BUILT_IN)


def person(model, seed, gestures=()):
    """(V, 3) metres, Z up: a random head of a model with some of its expressions, the jaw a little open."""
    rng, shape = np.random.default_rng(seed), Shape(model)
    expression = np.zeros(shape.expression_count)
    for name, value in dict(gestures).items():
        expression[model.expression_names.index(name)] = value
    pose = np.zeros((len(model.parents), 3))
    if len(pose) > 1:
        pose[model.joint["jaw"], 0] = 0.08
    return shape.vertices(Parameters(rng.normal(size=shape.identity_count), expression, pose))


def clicks(model, vertices, count=51):
    """Name → point of the scheme's last ``count`` landmarks on a head."""
    points = named_points(model)
    at = ((name, points[name]) for name in scheme_68()[-count:] if name in points)
    return {name: (weights @ vertices[model.faces[face]]).tolist() for name, (face, weights) in at}


def scanned(folder, vertices, faces, landmarks, **settings):
    """A request for a fit to a scan that lies in files."""
    if faces is None:
        trimesh.PointCloud(vertices).export(folder / "scan.ply")
    else:
        trimesh.Trimesh(vertices, faces, process=False).export(folder / "scan.ply")
    (folder / "clicks.json").write_text(json.dumps(landmarks))
    return FitHead(scan=folder / "scan.ply", landmarks=folder / "clicks.json", **settings)


def fitted(request, folder):
    """The result, the report and (V, 3) metres of head.ply in the scan's unit of a fit."""
    result = fit_head.run(request, SilentReporter(folder))
    columns = read_ply_vertices(folder / "head.ply")
    return result, json.loads((folder / "report.json").read_text()), np.stack([columns[a] for a in "xyz"], axis=1)


def test_a_random_person_of_the_built_in_head_comes_back(model, tmp_path):
    head = person(model, 3, {"smile left": 0.6, "smile right": 0.6, "blink left": 0.5})
    # As scanners leave it: centimetres, Y up, somewhere.
    scan = y_up(head) * 100 + [3, 150, 7]
    result, report, fit = fitted(scanned(tmp_path, scan, model.faces, clicks(model, scan)), tmp_path / "out")
    assert result["unit"] == "cm" and report["unit_source"] == "guessed from the size of the face"
    away = np.linalg.norm(Surface(fit, model.faces).nearest(scan[skin(model)])[0] - scan[skin(model)], axis=1) * 10
    assert away.mean() < 0.15, "millimetres; the acceptance is 0.3"
    assert report["scan_to_head_mm"]["mean"] == pytest.approx(away.mean(), abs=0.1), "what is told is what is measured"
    found = read_coefficients(tmp_path / "out" / result["coefficients"]).applied_to(model)
    shape = Shape(model)
    again = shape.vertices(Parameters(found.identity, found.expression, found.pose))
    np.testing.assert_allclose(found.similarity.apply(again), fit, atol=0.01)
    residual = read_ply_vertices(tmp_path / "out" / "head.ply")["residual"]
    assert np.isnan(residual[model.regions["mouth_pocket"]]).all()
    assert np.nanmean(np.abs(residual)) < 0.0003, "metres"


def test_a_cloud_of_points_without_normals_is_a_scan(model, tmp_path):
    head = person(model, 4)
    points = trimesh.sample.sample_surface(
        trimesh.Trimesh(head, model.faces[skin(model)[model.faces].all(1)]), 20000, seed=1
    )[0]
    named = {k: v for k, v in clicks(model, head).items() if k.split()[-1] in "1347"}
    _, report, fit = fitted(scanned(tmp_path, points, None, named), tmp_path / "out")
    away = np.linalg.norm(Surface(fit, model.faces).nearest(points)[0] - points, axis=1)
    assert 1000 * away.mean() < 0.5
    assert report["unit"] == "m"


@needs_flame
def test_flame_without_an_embedding_has_landmarks_where_mediapipes_are():
    flame = model_to_fit(str(FLAME))
    bare, known = replace(flame, landmarks={}), flame.template[flame.faces]
    points, media = named_points(bare), flame.landmarks["mediapipe"]
    assert set(points) == set(scheme_68()[17:])
    mediapipe = dict(zip(media.names, np.einsum("lk,lkc->lc", media.weights, known[media.faces])))
    own = {name: weights @ known[face] for name, (face, weights) in points.items()}
    for name, number in {"right eye 1": 33, "left eye 4": 263, "left eye 1": 362, "outer lip 7": 291}.items():
        assert np.linalg.norm(own[name] - mediapipe[f"mediapipe {number}"]) < 0.003
    assert named_points(replace(bare, faces=flame.faces[::-1])) == {}, "other triangles, other vertices"


@needs_flame
def test_real_flame_is_fitted_by_itself_and_by_the_built_in_head(tmp_path):
    flame = model_to_fit(str(FLAME))
    head = person(flame, 5)
    request = scanned(tmp_path, head, flame.faces, clicks(flame, head), model=str(FLAME), unit="m")
    _, report, _ = fitted(request, tmp_path / "own")
    assert report["scan_to_head_mm"]["mean"] < 0.1
    _, report, _ = fitted(scanned(tmp_path, head, flame.faces, clicks(flame, head), unit="m"), tmp_path / "ours")
    assert report["scan_to_head_mm"]["regions"]["face"]["mean"] < 2.5
    assert report["scan_to_head_mm"]["regions"]["scalp"]["mean"] < 2.5


@pytest.mark.skipif(not PERRY.is_file(), reason="the scan of Lee Perry-Smith is not at hand")
@pytest.mark.parametrize(
    ("name", "most"), [(BUILT_IN, 2.5), pytest.param(str(FLAME), 2.0, marks=needs_flame)], ids=["built-in", "FLAME"]
)
def test_a_real_scan(name, most, tmp_path):
    request = FitHead(scan=PERRY, landmarks=CLICKED, model=name, unit="0.048")
    _, report, _ = fitted(request, tmp_path)
    regions = report["scan_to_head_mm"]["regions"]
    assert regions["face"]["mean"] < most and regions["scalp"]["mean"] < most
    found = read_coefficients(tmp_path / "coefficients.npz")
    assert np.abs(found.identity).max() < 5, "a slider's end"


def test_the_unit_is_guessed_or_as_told(model):
    own = landmarks_of(model)
    for scale, unit in ((1, "m"), (100, "cm"), (1100, "mm"), (39.4, "inch")):
        metres, name, source = metres_per_unit("", Landmarks3D(own.names, own.points * scale), own)
        assert name == unit and source == "guessed from the size of the face"
    metres, name, _ = metres_per_unit("", Landmarks3D(own.names, own.points * 20), own)
    assert name == "" and metres == pytest.approx(0.05, rel=1e-6)
    assert metres_per_unit("0.048", own, own)[0] == 0.048
    with pytest.raises(ScanError, match="is no unit"):
        metres_per_unit("furlong", own, own)


def test_umeyama_finds_a_similarity():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    placed = umeyama(points, 2.5 * points @ turn.T + [1, -2, 3])
    assert placed.scale == pytest.approx(2.5)
    np.testing.assert_allclose(placed.rotation, turn, atol=1e-12)
    np.testing.assert_allclose(placed.apply(points), 2.5 * points @ turn.T + [1, -2, 3], atol=1e-12)


def test_what_cannot_be_fitted_gets_a_sentence(model, tmp_path):
    head, faces = model.head().vertices.astype(float), model.faces
    marks = clicks(model, head)

    def refused(error, words, vertices=head, landmarks=marks, **settings):
        with pytest.raises(error, match=words):
            fit_head.run(scanned(tmp_path, vertices, faces, landmarks, **settings), SilentReporter(tmp_path / "out"))

    refused(LandmarkError, "do not lie on", landmarks={k: (1000 * np.array(v)).tolist() for k, v in marks.items()})
    flipped = {k: [-v[0], *v[1:]] for k, v in marks.items()}
    refused(LandmarkError, "mirrored", vertices=head * [-1, 1, 1], landmarks=flipped)
    refused(LandmarkError, "one line", landmarks={k: v for k, v in marks.items() if k.startswith("nose bridge")})
    refused(ScanError, "0.01 times as large as a head's", unit="cm")
    refused(LandmarkError, "lies .* off scan.ply", landmarks=marks | {"nose bridge 4": [0.0, -0.5, 0.0]})
    bad = head.copy()
    bad[7, 1] = np.nan
    refused(ScanError, "not finite", vertices=bad)
    with pytest.raises(HeadError, match="one shape only"):
        static = tmp_path / "static.npz"
        np.savez(static, v_template=model.template, f=faces)
        model_to_fit(str(static))


def test_scans_that_cannot_be_read_get_a_sentence(tmp_path):
    cases = {
        "empty.ply": (b"", "cannot be read as a scan|too few"),
        "scan.docx": (b"x", "no kind of scan"),
        "broken.glb": (b"glTFxxxx", "cannot be read as a scan"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ScanError, match=words):
            read_scan(tmp_path / name)
    with pytest.raises(ScanError, match="There is no scan"):
        read_scan(tmp_path / "nothing.obj")
    np.savez(tmp_path / "few.npz", vertices=np.zeros((3, 3)))
    with pytest.raises(ScanError, match="too few"):
        read_scan(tmp_path / "few.npz")
