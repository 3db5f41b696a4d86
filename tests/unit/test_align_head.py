"""A head is found again in masks that were drawn from it."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.capture.upright import upright_turn
from backend.contract import AlignHead, ReconstructHair
from backend.errors import CaptureError
from backend.formats.capture import Camera, Capture, View, read_capture, write_capture
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.strands import read_npz
from backend.hair import presets
from backend.head.align import align_head, fit_pose
from backend.head.silhouette import outline
from backend.jobs import align_head as align_head_job
from backend.jobs import reconstruct_hair
from backend.protocol import SilentReporter
from tests.unit.head_scene import hair_shell, ring_of_cameras, views_of

SIZE = 128


def scene(yaw, *, with_skin=True):
    head = read_head(BUILT_IN_HEAD)
    pose = np.eye(4)
    pose[:3, :3] = 1.07 * Rotation.from_euler("zxy", [yaw, 6, -4], degrees=True).as_matrix()
    pose[:3, 3] = 0.03, -0.02, 0.04
    hair, faces = hair_shell(head)
    hair = hair @ pose[:3, :3].T + pose[:3, 3]
    views = views_of(head.transformed(pose), ring_of_cameras(6, SIZE, field=0.5), SIZE, 1, (hair, faces))
    if not with_skin:
        for view in views:
            view.bust = None
    return head, pose, views


@pytest.mark.parametrize(("yaw", "euler"), [(0, (0, 0)), (130, (-97, 25))])
def test_head_is_found_from_any_direction_in_any_world(yaw, euler, tmp_path):
    head, pose, views = scene(yaw)
    turn = Rotation.from_euler("xy", euler, degrees=True).as_matrix()
    for view in views:  # the same pictures, in a world that lies on its side
        view.world_to_camera = view.world_to_camera.copy()
        view.world_to_camera[:3, :3] = view.world_to_camera[:3, :3] @ turn.T
    pose[:3] = turn @ pose[:3]
    reporter = SilentReporter(tmp_path)
    reporter.stage("Laying the head into them", 4)
    found = fit_pose(head, views, reporter)
    truth, placed = head.transformed(pose), head.transformed(found.matrix)
    error = np.linalg.norm(truth.vertices - placed.vertices, axis=1)
    assert error.mean() < 0.005
    turn = found.matrix[:3, :3] @ np.linalg.inv(pose[:3, :3])
    turn /= np.cbrt(np.linalg.det(turn))
    assert np.degrees(Rotation.from_matrix(turn).magnitude()) < 4
    assert found.overlap > 0.9
    assert not found.ambiguous


@pytest.mark.parametrize("euler", [(180, 0), (-90, 0), (60, 40), (0, -100)])
def test_cameras_tell_what_is_up(euler):
    """All around and from the front only, from above as well, each held not quite level."""
    random = np.random.default_rng(0)
    turn = Rotation.from_euler("xy", euler, degrees=True).as_matrix()
    for cameras in (ring_of_cameras(12, height=0.4), ring_of_cameras(24, height=0.6)[-4:] + ring_of_cameras(24)[:4]):
        matrices = []
        for _, matrix in cameras:
            matrix = matrix.copy()
            matrix[:3, :3] = Rotation.from_rotvec(random.normal(0, 0.03, 3)).as_matrix() @ matrix[:3, :3] @ turn.T
            matrices.append(matrix)
        found = upright_turn(matrices)
        assert np.allclose(found @ found.T, np.eye(3)) and np.linalg.det(found) > 0
        up = found @ turn @ [0, 0, 1]
        assert np.degrees(np.arccos(min(1, up[2]))) < 8


def test_an_upright_world_is_left_alone():
    level = [matrix for _, matrix in ring_of_cameras(8)]
    from_above = [matrix for _, matrix in ring_of_cameras(24, height=1.5)[:3:2]]
    on_their_sides = [matrix.copy() for matrix in level]
    for matrix in on_their_sides:  # a camera held upright whose pictures were not turned
        matrix[:2] = np.array([[0, 1], [-1, 0]]) @ matrix[:2]
    for matrices in (level, from_above, on_their_sides):
        assert np.array_equal(upright_turn(matrices), np.eye(3))


@pytest.mark.parametrize("soft", [True, False])
def test_edge_of_skin_is_found_to_a_fraction_of_a_pixel(soft):
    x, y = np.meshgrid(np.arange(80) + 0.5, np.arange(60) + 0.5)
    inside = 20.3 - np.hypot(x - 41, y - 29)
    disc = np.clip(inside + 0.5, 0, 1) if soft else (inside > 0).astype(float)
    view = SimpleNamespace(hair=np.zeros((60, 80)), bust=disc, intrinsics=np.eye(3), world_to_camera=np.eye(4))
    edge = outline(view, 80).edge
    assert len(edge) > 80
    assert abs(np.hypot(*(edge - [41, 29]).T).mean() - 20.3) < 0.15


def test_nothing_to_lay_a_head_into_is_said():
    head, _, views = scene(0)
    with pytest.raises(CaptureError, match="at least 2"):
        align_head(head, views[:1])
    for view in views:
        view.bust, view.hair = np.zeros_like(view.bust), np.zeros_like(view.hair)
    with pytest.raises(CaptureError, match="empty"):
        align_head(head, views)


def capture_without_unit(folder, metres):
    """The scene's pictures, grey, with cameras in a unit of so many metres that the file does not tell."""
    _, pose, views = scene(40)
    made = []
    for view in views:
        image = folder / "images" / f"{view.name}.png"
        masks = {kind: folder / "masks" / kind / f"{view.name}.png" for kind in ("hair", "bust")}
        for path, values in ((image, 0.2 + 0.3 * view.hair), *((masks[kind], getattr(view, kind)) for kind in masks)):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.rint(255 * values).astype(np.uint8))
        camera_to_world = np.linalg.inv(view.world_to_camera) @ np.diag([1.0, -1, -1, 1])
        camera_to_world[:3, 3] /= metres
        (fx, _, cx), (_, fy, cy), _ = view.intrinsics
        made.append(View(view.name, image, Camera(SIZE, SIZE, fx, fy, cx, cy, camera_to_world), masks))
    write_capture(Capture(folder, tuple(made), None, "assumed"))
    assert "metres_per_unit" not in (folder / "transforms.json").read_text()
    return pose


@pytest.mark.parametrize("metres", [0.1, 25.0])
def test_a_head_gives_a_capture_without_unit_its_scale(metres, tmp_path):
    pose = capture_without_unit(tmp_path / "capture", metres)
    assert read_capture(tmp_path / "capture").metres_per_unit is None
    reporter = SilentReporter(tmp_path / "out")
    result = align_head_job.run(AlignHead(capture=tmp_path / "capture"), reporter)
    # The person of the scene is 1.07 times as large as the average head that is fitted.
    found = json.loads((reporter.folder / result["scale"]).read_text())
    assert found["metres_per_unit"] == pytest.approx(metres / 1.07, rel=0.02)
    assert found["scale_source"] == "head fit"
    matrix = np.array(result["matrix"])
    assert np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-6)
    head = read_head(reporter.folder / "head.npz")
    truth = read_head(BUILT_IN_HEAD).transformed(pose).vertices / 1.07
    assert np.linalg.norm(head.vertices - truth, axis=1).mean() < 0.005
    said = [message["text"] for message in reporter.messages if message["type"] == "warning"]
    assert any("does not say how large its unit is" in text for text in said)


def test_hair_of_a_capture_without_unit_is_in_metres(tmp_path, monkeypatch):
    capture_without_unit(tmp_path / "capture", 0.1)
    small = presets.Preset(image_side=SIZE, most_views=6, volume=presets.VolumeConfig(spacing=0.006))
    monkeypatch.setitem(presets.PRESETS, "draft", small)
    reporter = SilentReporter(tmp_path / "out")
    settings = {"preset": "draft", "strands": 200, "points": 16, "device": "cpu", "stages": "hull"}
    reconstruct_hair.run(ReconstructHair(capture=tmp_path / "capture", **settings), reporter)
    report = json.loads((reporter.folder / "report.json").read_text())
    assert report["scale_source"] == "head fit"
    assert report["metres_per_unit"] == pytest.approx(0.1 / 1.07, rel=0.02)
    assert 0.1 < np.ptp(read_npz(reporter.folder / "strands.npz").points, axis=0).max() < 0.4
    # With that head, and the scale as the scene then knows it, nothing is fitted again.
    again = SilentReporter(tmp_path / "again")
    known = {"metres_per_unit": report["metres_per_unit"], "scale_source": "head fit"}
    head = reporter.folder / "head.npz"
    reconstruct_hair.run(ReconstructHair(capture=tmp_path / "capture", head=head, **settings, **known), again)
    assert json.loads((again.folder / "report.json").read_text())["scale_source"] == "head fit"
    assert 0.1 < np.ptp(read_npz(again.folder / "strands.npz").points, axis=0).max() < 0.4
