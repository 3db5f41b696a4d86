"""Captures on disk: what is written is read back, and bad ones end in a sentence."""

import json

import cv2
import numpy as np
import pytest

from backend.errors import CaptureError
from backend.formats.capture import Camera, Capture, View, leave_out, read_capture, write_capture


def pose_looking_at(origin, target=(0, 0, 0)):
    back = np.subtract(origin, target, dtype=float)
    back /= np.linalg.norm(back)
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :4] = np.stack([right, np.cross(back, right), back, np.array(origin, float)], axis=1)
    return pose


@pytest.fixture
def capture(tmp_path):
    folder = tmp_path / "a capture für dich"
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "hair").mkdir(parents=True)
    views = []
    for number, name in enumerate(["first view", "zweite Ähre", "third"]):
        image = folder / "images" / f"{name}.png"
        cv2.imencode(".png", np.zeros((30, 40, 3), np.uint8))[1].tofile(image)
        cv2.imencode(".png", np.zeros((30, 40), np.uint8))[1].tofile(folder / "masks" / "hair" / f"{name}.png")
        camera = Camera(40, 30, 50.0, 51.0, 20.5, 14.0, pose_looking_at((1 + number, -2, 0.3)), (0.1, 0, 0.01, 0, 0))
        views.append(View(name, image, camera))
    capture = Capture(folder, tuple(views), scale_source="rendered")
    write_capture(capture)
    return capture


def edit(capture, change):
    path = capture.folder / "transforms.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_round_trip(capture):
    again = read_capture(capture.folder)
    assert again.scale_source == "rendered"
    assert [v.name for v in again.views] == [v.name for v in capture.views]
    for before, after in zip(capture.views, again.views, strict=True):
        assert after.image == before.image
        assert set(after.masks) == {"hair"}
        assert np.allclose(after.camera.camera_to_world, before.camera.camera_to_world, atol=1e-12)
        for key in ("width", "height", "fx", "fy", "cx", "cy", "distortion"):
            assert getattr(after.camera, key) == getattr(before.camera, key)


def test_a_view_is_left_out_and_all_else_stays(capture):
    with pytest.raises(CaptureError, match="fewer than 3"):
        leave_out(capture.folder, "third")
    fourth = capture.folder / "images" / "fourth.png"
    fourth.write_bytes((capture.folder / "images" / "third.png").read_bytes())

    def one_more(values):
        values.update(note="mine", frames=values["frames"] + [values["frames"][0] | {"file_path": "images/fourth"}])

    edit(capture, one_more)
    leave_out(capture.folder, "third")
    assert [view.name for view in read_capture(capture.folder).views] == ["first view", "zweite Ähre", "fourth"]
    assert json.loads((capture.folder / "transforms.json").read_text(encoding="utf-8"))["note"] == "mine"
    with pytest.raises(CaptureError, match="named third"):
        leave_out(capture.folder, "third")


def test_projection_agrees_with_opencv(capture):
    points = np.random.default_rng(0).normal(size=(50, 3)) * 0.2
    for view in capture.views:
        camera = view.camera
        pixels, depth = camera.project(points)
        w2c = camera.world_to_camera
        rotation, _ = cv2.Rodrigues(w2c[:3, :3])
        expected, _ = cv2.projectPoints(points, rotation, w2c[:3, 3], camera.intrinsics, np.array(camera.distortion))
        assert np.abs(pixels - expected[:, 0]).max() < 1e-9
        assert (depth > 0).all()
        assert np.allclose(w2c @ np.append(camera.centre + camera.direction, 1.0), [0, 0, 1, 1])


def test_shared_intrinsics_angle_and_scale(capture):
    def change(values):
        for frame in values["frames"]:
            for key in ("fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k2", "p1", "p2", "k3"):
                frame.pop(key)
        values |= {"camera_angle_x": 2 * np.arctan(0.5), "metres_per_unit": 0.01}
        values.pop("scale_source")
        values["frames"][0]["fl_x"] = 80

    edit(capture, change)
    again = read_capture(capture.folder)
    first, second = again.views[0].camera, again.views[1].camera
    assert (first.fx, first.fy, first.width, first.height) == (80, 80, 40, 30)
    assert second.fx == pytest.approx(40) and (second.cx, second.cy) == (20, 15) and not second.distortion
    assert np.allclose(first.centre, capture.views[0].camera.centre * 0.01)
    assert again.scale_source == "measured"


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda v: v.update(frames=[]), "lists no frames"),
        (lambda v: v["frames"][1]["transform_matrix"][0].__setitem__(2, float("nan")), "zweite Ähre.png: .*NaN"),
        (lambda v: v["frames"][1].update(transform_matrix=[[1, 2], [3]]), "not a matrix of 4 by 4"),
        (lambda v: v["frames"][0].update(transform_matrix=np.diag([1, 1, -1, 1.0]).tolist()), "no rotation"),
        (lambda v: v["frames"][0].update(file_path="images/gone.png"), "gone.png .*is not there"),
        (lambda v: v["frames"][0].update(file_path="../secret.png"), "outside the capture"),
        (lambda v: v["frames"][0].update(file_path="ground_truth/head.png"), "outside the capture"),
        (lambda v: v["frames"][0].update(file_path=v["frames"][1]["file_path"]), "are both named"),
        (lambda v: v["frames"][0].update(fl_x="wide"), "fl_x .*must be a number"),
        (lambda v: v["frames"][0].update(fl_x=-3), "above zero"),
        (lambda v: v["frames"][0].update(w=0), "cannot be"),
        (lambda v: v.update(camera_model="OPENCV_FISHEYE"), "OPENCV_FISHEYE is not read"),
        (lambda v: v.update(metres_per_unit=0), "metres_per_unit must be above zero"),
        (lambda v: v.update(scale_source="guess"), "scale_source must be one of"),
    ],
)
def test_bad_captures_end_in_a_sentence(capture, change, words):
    edit(capture, change)
    with pytest.raises(CaptureError, match=words):
        read_capture(capture.folder)


def test_no_capture_and_broken_json(tmp_path):
    with pytest.raises(CaptureError, match=r"no transforms\.json"):
        read_capture(tmp_path)
    (tmp_path / "transforms.json").write_text('{"frames": [')
    with pytest.raises(CaptureError, match="cannot be read as JSON"):
        read_capture(tmp_path)
