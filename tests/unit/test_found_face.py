"""The face that is found without a click, and what a capture's world and masks make of it."""

import cv2
import numpy as np
import pytest
import skimage.data

from backend.capture.found_face import BREADTH, Framed, agreed_face, before_face, framed_faces
from backend.capture.frame import apply, assumed_world, moved
from backend.contract import MakeMasks
from backend.formats.capture import Camera
from backend.jobs.make_masks import run as make_masks
from backend.protocol import SilentReporter

from . import astronaut

UP = np.array([0.0, 0.0, 1.0])
PLACE = np.array([0.3, -0.2, 1.5])
TURNED = np.radians(25.0)
FORWARD = np.array([np.sin(TURNED), -np.cos(TURNED), 0.0])
UNIT = 3.0
"""Of the scene's world in a metre."""
SEEN_FROM = 40.0
"""Degrees from the front within which a face is found."""


def ring(count: int = 18, distance: float = 0.8, lift: float = 0.25) -> list[Camera]:
    """Cameras around the face, held level but looking a little down."""
    cameras = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False):
        eye = PLACE + UNIT * distance * np.array([np.sin(angle), -np.cos(angle), lift])
        forward = (PLACE - eye) / np.linalg.norm(PLACE - eye)
        right = np.cross(forward, UP) / np.linalg.norm(np.cross(forward, UP))
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(right, forward), -forward], axis=1)
        pose[:3, 3] = eye
        cameras.append(Camera(600, 800, 1100.0, 1100.0, 300.0, 400.0, pose))
    return cameras


def frames_of(cameras: list[Camera], random: np.random.Generator, wrong: int) -> list[list[Framed]]:
    """What a detector would frame: the face, somewhat off, from the front; and things in ``wrong`` pictures."""
    frames = []
    for camera in cameras:
        (at,), (depth,) = camera.project(PLACE[None])
        towards = (camera.centre - PLACE) / np.linalg.norm(camera.centre - PLACE)
        seen = towards @ FORWARD > np.cos(np.radians(SEEN_FROM))
        breadth = UNIT * BREADTH * camera.fx / depth
        x, y = at + random.normal(0, 0.05 * breadth, 2)
        frames.append([Framed(x, y, breadth * random.uniform(0.9, 1.1))] if seen else [])
    for k in random.choice(len(cameras), wrong, replace=False):
        frames[k].append(Framed(*random.uniform((0, 0), (600, 800)), random.uniform(60, 250)))
    return frames


@pytest.mark.parametrize("wrong", [0, 9])
def test_what_several_cameras_frame_in_one_place_is_the_face(wrong):
    cameras = ring()
    face = agreed_face(cameras, frames_of(cameras, np.random.default_rng(wrong), wrong), UP)
    assert np.linalg.norm(face.place - PLACE) < 0.015 * UNIT
    assert face.breadth == pytest.approx(UNIT * BREADTH, rel=0.08)
    assert np.degrees(np.arccos(face.forward @ FORWARD)) < 12
    assert face.views == 4


def test_one_camera_or_frames_that_do_not_meet_make_no_face():
    cameras, random = ring(), np.random.default_rng(2)
    nothing = [[] for _ in cameras]
    assert agreed_face(cameras, nothing, UP) is None
    assert agreed_face(cameras, [[Framed(300, 400, 200)], *nothing[1:]], UP) is None
    apart = [[Framed(*random.uniform((0, 0), (600, 120)), 60.0 + 40 * (k % 2))] if k < 2 else [] for k in range(18)]
    assert agreed_face(cameras, apart, UP) is None


def test_a_world_faces_the_front_in_about_metres_where_a_face_is_seen():
    cameras = ring()
    frames = frames_of(cameras, np.random.default_rng(5), 3)
    world, upright, face = assumed_world(cameras, frames)
    assert upright and face is not None
    assert np.cbrt(np.linalg.det(world[:3, :3])) * UNIT == pytest.approx(1, rel=0.1)
    np.testing.assert_allclose(apply(world, PLACE[None])[0], [0, -0.09, 0], atol=0.02)
    forward = world[:3, :3] @ FORWARD
    assert np.degrees(np.arctan2(forward[0], -forward[1])) == pytest.approx(0, abs=12)
    assert moved(cameras[0], world).centre[2] > 0
    world, _, face = assumed_world(cameras, [[] for _ in cameras])
    assert face is None and np.isfinite(world).all()


def test_a_real_face_is_framed_and_a_camera_stood_before_it():
    image = skimage.data.astronaut()
    frame = framed_faces(image)[0]
    eyes = np.array([astronaut.CLICKS[name] for name in ("right eye 4", "left eye 1")]).mean(axis=0)
    assert abs(frame.x - eyes[0]) < 8 and 0 < frame.y - eyes[1] < 20
    assert 90 < frame.breadth < 130
    assert framed_faces(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0].breadth == pytest.approx(frame.breadth, rel=0.2)
    camera = before_face(Camera(512, 512, 900.0, 900.0, 256.0, 256.0, np.eye(4)), frame, PLACE)
    (at,), (depth,) = camera.project(PLACE[None])
    np.testing.assert_allclose(at, [frame.x, frame.y], atol=1e-6)
    assert camera.fx * BREADTH / depth == pytest.approx(frame.breadth)
    assert camera.direction @ [0, 1, 0] == pytest.approx(1)


def test_a_real_photograph_is_cut_out_without_a_click(tmp_path):
    folder = astronaut.astronaut_capture(tmp_path / "astronaut")
    job = tmp_path / "job"
    job.mkdir()
    make_masks(MakeMasks(capture=folder), SilentReporter(job))
    hair, person = (
        cv2.imread(str(folder / "masks" / kind / f"{astronaut.NAME}.png"), 0) > 127 for kind in ("hair", "person")
    )
    for x, y in astronaut.INSIDE["hair"]:
        assert hair[y, x], (x, y)
    for x, y in astronaut.INSIDE["background"]:
        assert not person[y, x], (x, y)
    # A black collar looks like the shadows in this hair; it takes a stroke.
    for x, y in (at for at in astronaut.INSIDE["bust"] if at != (225, 215)):
        assert person[y, x] and not hair[y, x], (x, y)
