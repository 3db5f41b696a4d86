"""Solved cameras of every program: one rig, written as each writes it, is the same capture from all of them."""

import json

import cv2
import numpy as np
import pytest

from backend.capture.camera_files import read_camera_file
from backend.capture.camera_files.lens import brown_conrady, reduced
from backend.capture.camera_files.projections import decomposed
from backend.capture.camera_files.solved import Lens
from backend.errors import CameraFileError
from backend.formats.capture import read_capture
from tests.unit import camera_rigs as rigs
from tests.unit.camera_rigs import BROWN, NAMES, OBLONG, PINHOLE, POINTS, WRITERS, Rig

AGREE = 1e-4
"""Pixels."""


@pytest.fixture
def project(tmp_path):
    return rigs.make_project(tmp_path)


@pytest.fixture
def run(project, capfd):
    """run(file, ...): (exit code, what was said), with the capture in ``project / "out"``."""
    return lambda file, *options: rigs.import_cameras(project, capfd, file, *options)


def worst(capture, rig) -> float:
    """Pixels between a capture's projections and the rig's."""
    assert [view.image.name for view in capture.views] == list(NAMES)
    return max(np.abs(v.camera.project(POINTS)[0] - rig.pixels(k)).max() for k, v in enumerate(capture.views))


@pytest.mark.parametrize("kind", WRITERS)
def test_one_rig_in_every_format(project, run, kind):
    rig, write = WRITERS[kind]
    code, said = run(write(project, rig))
    assert code == 0, said
    capture = read_capture(project / "out")
    assert worst(capture, rig) < AGREE
    assert capture.metres_per_unit is None and capture.scale_source == "assumed"
    for k, view in enumerate(capture.views):
        assert np.allclose(view.camera.centre, rig.centres[k], atol=1e-9)
        assert (view.camera.width, view.camera.height) == (rigs.WIDTH, rigs.HEIGHT)
        assert view.image.read_bytes() == (project / "images" / NAMES[k]).read_bytes()
    result = json.loads((project / "out" / "result.json").read_text("utf-8"))
    assert result["views"] == 6 and result["up"].startswith("+Z of the file, as the cameras were held")


@pytest.mark.parametrize("model", rigs.COLMAP_MODELS)
@pytest.mark.parametrize("write", [rigs.write_colmap_text, rigs.write_colmap_binary])
def test_colmaps_camera_models(project, run, model, write):
    kept = rigs.COLMAP_MODELS[model][1]
    rig = (OBLONG if "fy" in kept else BROWN).without(*{"k1", "k2", "p1", "p2", "k3"} - set(kept))
    assert run(write(project / "sparse", rig, model))[0] == 0
    assert worst(read_capture(project / "out"), rig) < AGREE


def test_a_metashape_chunk_in_its_world(project, run):
    """Turned, moved and scaled to metres: the unit is then known."""
    world = cv2.Rodrigues(np.array([0.3, -1.0, 0.4]))[0], np.array([0.5, -2.0, 0.7]), 0.037
    assert run(rigs.write_metashape(project / "cameras.xml", OBLONG, world=world))[0] == 0
    capture = read_capture(project / "out")
    assert worst(capture, OBLONG) < AGREE
    assert (capture.metres_per_unit, capture.scale_source) == (1.0, "measured")


def test_metashape_as_its_manual_says(project):
    """Its own equations: u = w/2 + cx + x' f + x' B1 + y' B2, with P1 at r^2 + 2 x^2."""
    solved = read_camera_file(rigs.write_metashape(project / "cameras.xml", OBLONG)).cameras[0]
    camera = solved.camera(rigs.WIDTH, rigs.HEIGHT, "")
    local = POINTS @ OBLONG.rotations[0].T + OBLONG.translation(0)
    x, y = local[:, 0] / local[:, 2], local[:, 1] / local[:, 2]
    r2, p1, p2 = x * x + y * y, OBLONG.p2, OBLONG.p1
    radial = 1 + OBLONG.k1 * r2 + OBLONG.k2 * r2**2 + OBLONG.k3 * r2**3
    x, y = (
        x * radial + p1 * (r2 + 2 * x * x) + 2 * p2 * x * y,
        y * radial + p2 * (r2 + 2 * y * y) + 2 * p1 * x * y,
    )
    u = rigs.WIDTH / 2 + (OBLONG.cx - rigs.WIDTH / 2) + x * OBLONG.fy + x * (OBLONG.fx - OBLONG.fy)
    v = rigs.HEIGHT / 2 + (OBLONG.cy - rigs.HEIGHT / 2) + y * OBLONG.fy
    assert np.abs(camera.project(POINTS)[0] - np.stack([u, v], axis=1)).max() < 1e-9


def test_cameras_on_the_globe_are_brought_home(project, run):
    """Metashape's world is the Earth's middle where pictures have GPS: x is east then, y north, z up."""
    up = np.array([0.5, 0.2, 0.8])
    up /= np.linalg.norm(up)
    east = np.cross([0, 0, 1.0], up)
    east /= np.linalg.norm(east)
    turn = np.stack([east, np.cross(up, east), up], axis=1)
    globe = Rig(
        rotations=[r @ turn.T for r in BROWN.rotations],
        centres=[turn @ c + 6.37e6 * up for c in BROWN.centres],
    )
    world = turn, 6.37e6 * up, 2.0
    code, said = run(rigs.write_metashape(project / "cameras.xml", globe, world=world))
    assert code == 0 and "globe" in said
    capture = read_capture(project / "out")
    middle = np.mean(BROWN.centres, axis=0)
    for k, view in enumerate(capture.views):
        # The Earth's flattening turns its vertical by up to 0.2 degrees from the line to its middle.
        assert np.abs(view.camera.centre - (BROWN.centres[k] - middle)).max() < 0.01


@pytest.mark.parametrize("kind", ["metashape", "realitycapture", "nerfstudio", "colmap"])
def test_a_fourth_radial_term_is_followed(project, run, kind):
    """As far as ours can, which is most of it; COLMAP's fourth stands below a fraction."""
    if kind == "metashape":
        file = rigs.write_metashape(project / "cameras.xml", BROWN, k4=10.0)
    elif kind == "realitycapture":
        file = rigs.write_realitycapture(project / "rc.csv", BROWN, k4=10.0)
    elif kind == "colmap":
        file = rigs.write_colmap_text(project / "sparse", BROWN, more=(-0.5, 0, 0))
    else:
        file = rigs.write_nerfstudio(project / "transforms.json", BROWN)
        values = json.loads(file.read_text())
        for frame in values["frames"]:
            frame["k4"] = 10.0
        file.write_text(json.dumps(values))
    code, said = run(file)
    assert code == 0 and ("read to 0.05 pixels" in said) == (kind != "colmap")
    x, y = np.meshgrid(np.linspace(-0.36, 0.36, 15), np.linspace(-0.24, 0.24, 11))
    x, y = x.ravel(), y.ravel()
    r2 = x * x + y * y
    scale = 1 + BROWN.k1 * r2 + BROWN.k2 * r2**2 + BROWN.k3 * r2**3 + (10 * r2**4 if kind != "colmap" else 0)
    if kind == "colmap":
        scale /= 1 - 0.5 * r2
    u = BROWN.fx * (x * scale + 2 * BROWN.p1 * x * y + BROWN.p2 * (r2 + 2 * x * x)) + BROWN.cx
    v = BROWN.fy * (y * scale + BROWN.p1 * (r2 + 2 * y * y) + 2 * BROWN.p2 * x * y) + BROWN.cy
    camera = read_capture(project / "out").views[0].camera
    ours = np.stack(camera.distorted(x, y), axis=1) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    assert np.abs(ours - np.stack([u, v], axis=1)).max() < 0.06


def test_lenses_that_are_none_of_ours_are_refused(project, run):
    large = Lens(5000.0, 5000.0, 2000.0, 1500.0)
    with pytest.raises(CameraFileError, match=r"sensor: its lens has more terms .* miss it by \d+\.\d pixels"):
        reduced(large, brown_conrady((-0.1, 0.0, 0.0, 10.0), (0.0, 0.0)), 4000, 3000, "sensor")
    code, said = run(rigs.write_metashape(project / "cameras.xml", BROWN, b2=0.4))
    assert code == 0 and "read to 0.11 pixels" in said
    code, said = run(rigs.write_metashape(project / "cameras.xml", BROWN, b2=40.0))
    assert code == 2 and "skewed" in said
    code, said = run(rigs.write_metashape(project / "cameras.xml", BROWN, kind="fisheye"))
    assert code == 2 and "fisheye" in said
    file = rigs.write_colmap_text(project / "sparse", BROWN, "OPENCV")
    lens = file / "cameras.txt"
    lens.write_text(lens.read_text().replace("OPENCV", "OPENCV_FISHEYE"))
    code, said = run(file)
    assert code == 2 and "OPENCV_FISHEYE is not read" in said
    file = rigs.write_colmap_binary(project / "other", BROWN, "OPENCV")
    lens = file / "cameras.bin"
    lens.write_bytes(lens.read_bytes()[:12] + (13).to_bytes(4, "little") + lens.read_bytes()[16:])
    code, said = run(file)
    assert code == 2 and "DIVISION is not read" in said
    file = rigs.write_nerfstudio(project / "transforms.json", BROWN)
    file.write_text(file.read_text().replace('"OPENCV"', '"EQUIRECTANGULAR"'))
    code, said = run(file)
    assert code == 2 and "EQUIRECTANGULAR is not read" in said
    file = rigs.write_meshroom(project / "cameras.sfm", BROWN)
    file.write_text(file.read_text().replace('"brown"', '"radialk3pt"'))
    code, said = run(file)
    assert code == 2 and "radialk3pt is not read" in said


def test_meshrooms_rigs(project, run):
    """A camera of a rig stands where the rig's pose and its own in the rig put it."""
    path = rigs.write_meshroom(project / "cameras.sfm", BROWN)
    values = json.loads(path.read_text("utf-8"))
    turn, shift = cv2.Rodrigues(np.array([0.1, 0.2, -0.1]))[0], np.array([0.05, 0.0, 0.01])

    def pose(rotation, centre):
        return {"transform": {"rotation": list(map(str, rotation.T.ravel())), "center": list(map(str, centre))}}

    # The rig's pose is so that the one in the rig takes it to the camera's.
    rotation = turn.T @ BROWN.rotations[2]
    values["poses"][2]["pose"] = pose(rotation, BROWN.centres[2] - rotation.T @ shift)
    values["views"][2] |= {"rigId": "8", "subPoseId": "1", "isPoseIndependant": "false"}
    values["rigs"] = [{"rigId": "8", "subPoses": [{"pose": pose(np.eye(3), np.zeros(3))}, {"pose": pose(turn, shift)}]}]
    path.write_text(json.dumps(values), "utf-8")
    assert run(path)[0] == 0
    assert worst(read_capture(project / "out"), BROWN) < AGREE


def test_a_projection_comes_apart_as_in_opencv():
    for seed in range(20):
        matrix = np.random.default_rng(seed).normal(size=(3, 4))
        intrinsics, rotation, centre = decomposed(matrix, "P")
        wanted, turn, place, *_ = cv2.decomposeProjectionMatrix(matrix)
        wanted, turn = wanted * np.sign(wanted[2, 2]) / abs(wanted[2, 2]), turn
        assert np.allclose(np.abs(intrinsics), np.abs(wanted)) and np.allclose(np.abs(rotation), np.abs(turn))
        assert np.allclose(centre, (place[:3] / place[3])[:, 0])
        assert np.linalg.det(rotation) == pytest.approx(1) and (np.diag(intrinsics) > 0).all()
        again = intrinsics @ rotation @ np.hstack([np.eye(3), -centre[:, None]])
        assert np.allclose(
            again / np.linalg.norm(again), matrix / np.linalg.norm(matrix) * np.sign(np.vdot(again, matrix))
        )


def test_the_sphere_around_the_subject_is_told(project, run):
    assert run(rigs.write_idr(project / "cameras.npz", PINHOLE))[0] == 0
    subject = json.loads((project / "out" / "result.json").read_text("utf-8"))["subject"]
    assert subject["radius"] == pytest.approx(0.3) and np.allclose(subject["centre"], [0.01, 0.02, 0.03])


@pytest.mark.parametrize("unit, metres", [("mm", 0.001), ("0.5", 0.5)])
def test_an_artists_unit(project, run, unit, metres):
    assert run(rigs.write_nerfstudio(project / "transforms.json", BROWN), "--unit", unit)[0] == 0
    capture = read_capture(project / "out")
    assert capture.scale_source == "measured" and capture.metres_per_unit == 1.0
    assert np.allclose(capture.views[3].camera.centre, BROWN.centres[3] * metres)


def test_a_captures_own_scale_is_kept(project, run):
    path = rigs.write_nerfstudio(project / "transforms.json", BROWN)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metres_per_unit": 0.1, "scale_source": "head fit"}))
    assert run(path)[0] == 0
    capture = read_capture(project / "out")
    assert capture.scale_source == "head fit" and np.allclose(capture.views[0].camera.centre, BROWN.centres[0] * 0.1)


def test_a_world_on_its_side(project, run):
    """COLMAP's worlds lie anyhow: that is told, and mended on request."""
    turn = cv2.Rodrigues(np.array([np.pi / 2, 0, 0]))[0]
    aside = Rig(rotations=[r @ turn.T for r in BROWN.rotations], centres=[turn @ c for c in BROWN.centres])
    file = rigs.write_colmap_text(project / "sparse", aside)
    code, said = run(file)
    assert code == 0 and "-Y" in said and "--up cameras" in said
    assert np.allclose(read_capture(project / "out").views[0].camera.centre, aside.centres[0])
    assert run(file, "--up", "cameras")[0] == 0
    capture = read_capture(project / "out")
    up = np.array([view.camera.camera_to_world[:3, 1] for view in capture.views]).mean(axis=0)
    assert up[2] / np.linalg.norm(up) > 0.99
    between = [np.linalg.norm(a.camera.centre - capture.views[0].camera.centre) for a in capture.views]
    assert np.allclose(between, [np.linalg.norm(c - BROWN.centres[0]) for c in BROWN.centres])


def test_cameras_far_from_the_origin_are_moved_to_it(project, run):
    far = np.array([512_345.0, 5_400_123.0, 12.0])
    utm = Rig(centres=[c + far for c in BROWN.centres])
    code, said = run(rigs.write_realitycapture(project / "rc.csv", utm))
    assert code == 0 and "moved" in said
    moved = json.loads((project / "out" / "result.json").read_text("utf-8"))["moved_by"]
    centres = [view.camera.centre + moved for view in read_capture(project / "out").views]
    assert np.allclose(centres, utm.centres, atol=1e-6)
