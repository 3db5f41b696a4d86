"""A head is found again in masks that were drawn from it."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.errors import CaptureError
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.head.align import align_head, fit_pose
from backend.head.silhouette import outline
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


@pytest.mark.parametrize("yaw", [0, 130])
def test_head_is_found_from_any_direction(yaw, tmp_path):
    head, pose, views = scene(yaw)
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
