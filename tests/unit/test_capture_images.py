"""Pictures and masks of a capture: each bad input either works or ends in a sentence that says what is wrong."""

import json

import cv2
import numpy as np
import pytest

from backend.capture.images import load_views, read_mask, read_picture
from backend.capture.selection import spread
from backend.errors import CaptureError
from backend.formats.capture import Camera, Capture, View, read_capture, write_capture
from backend.formats.undistortion import sample, sampling_positions, undistorted_camera

WIDTH, HEIGHT = 48, 36
BALL = 0.1
"""Metres: the hair of these captures is a ball around the origin, its lower half a bust."""


def orbiting(azimuth, distance=0.6):
    back = np.array([np.sin(azimuth), -np.cos(azimuth), 0.3])
    back /= np.linalg.norm(back)
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, back * distance], axis=1)
    return pose


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imencode(path.suffix, pixels)[1].tofile(path)


def write_ball_capture(folder, views=4, distortion=(), names=None):
    made = []
    for number in range(views):
        camera = Camera(WIDTH, HEIGHT, 70.0, 72.0, 25.0, 17.0, orbiting(number * 1.3), distortion)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        centre, _ = camera.project(np.zeros((1, 3)))
        ball = np.hypot(columns + 0.5 - centre[0, 0], rows + 0.5 - centre[0, 1]) < 70 * BALL / 0.6
        upper = ball & (rows < centre[0, 1])
        name = names[number] if names else f"view {number} ü"
        image = np.full((HEIGHT, WIDTH, 3), 40 + 20 * number, np.uint8)
        save(folder / "images" / f"{name}.png", image)
        save(folder / "masks" / "hair" / f"{name}.png", upper.astype(np.uint8) * 255)
        save(folder / "masks" / "bust" / f"{name}.png", (ball & ~upper).astype(np.uint8) * 255)
        made.append(View(name, folder / "images" / f"{name}.png", camera))
    write_capture(Capture(folder, tuple(made), 1.0, "rendered"))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_ball_capture(tmp_path / "une capture à moi")


def load(folder, **options):
    warnings = []
    return load_views(read_capture(folder), warn=warnings.append, **options), warnings


def masks(folder, kind):
    return sorted((folder / "masks" / kind).iterdir())


def images(folder):
    return sorted((folder / "images").iterdir())


def test_a_good_capture_loads_without_a_word(folder):
    views, warnings = load(folder)
    assert not warnings
    assert [v.image[0, 0, 0] for v in views] == [40, 60, 80, 100]
    for view in views:
        assert view.image.shape == (HEIGHT, WIDTH, 3) and view.image.dtype == np.uint8
        assert view.hair.shape == view.bust.shape == (HEIGHT, WIDTH) and view.hair.dtype == np.float32
        assert set(np.unique(view.hair)) == {0.0, 1.0} and (view.hair * view.bust).max() == 0


def test_ground_truth_is_not_needed_nor_opened(folder):
    truth = folder / "ground_truth"
    truth.mkdir()
    (truth / "strands.npz").write_bytes(b"nonsense")
    assert len(load(folder)[0]) == 4


@pytest.mark.parametrize("views", [1, 2])
def test_too_few_photographs(tmp_path, views):
    with pytest.raises(CaptureError, match=r"The capture has \d photographs? with hair masks; at least 3 are needed\."):
        load(write_ball_capture(tmp_path, views))


def test_no_hair_masks_at_all(folder):
    for path in masks(folder, "hair"):
        path.unlink()
    with pytest.raises(CaptureError, match="no hair masks"):
        load(folder)


def test_a_hair_mask_missing_is_left_out(folder):
    masks(folder, "hair")[1].unlink()
    views, warnings = load(folder)
    assert [v.name for v in views] == ["view 0 ü", "view 2 ü", "view 3 ü"]
    assert "1 of 4 photographs have no hair mask" in warnings[0]


def test_missing_bust_masks_warn(folder):
    for path in masks(folder, "bust"):
        path.unlink()
    views, warnings = load(folder)
    assert all(v.bust is None for v in views) and "no bust masks" in warnings[0]


def test_bust_and_hair_from_person(folder):
    for hair, bust in zip(masks(folder, "hair"), masks(folder, "bust"), strict=True):
        both = read_mask(hair) + read_mask(bust)
        save(folder / "masks" / "person" / hair.name, (both * 255).astype(np.uint8))
    before, _ = load(folder)
    for path in masks(folder, "hair")[:2] + masks(folder, "bust")[2:]:
        path.unlink()
    after, warnings = load(folder)
    assert not warnings
    for a, b in zip(before, after, strict=True):
        assert np.array_equal(a.hair, b.hair) and np.array_equal(a.bust, b.bust)


def test_an_empty_hair_mask_is_left_out_and_all_empty_is_an_error(folder):
    empty = np.zeros((HEIGHT, WIDTH), np.uint8)
    save(masks(folder, "hair")[0], empty)
    views, warnings = load(folder)
    assert len(views) == 3 and "view 0 ü.png is empty" in warnings[0]
    save(masks(folder, "hair")[1], empty)
    with pytest.raises(CaptureError, match="has 2 photographs with hair masks"):
        load(folder)
    for path in masks(folder, "hair"):
        save(path, empty)
    with pytest.raises(CaptureError, match="Every hair mask is empty"):
        load(folder)


def test_a_mask_of_another_size(folder):
    path = masks(folder, "hair")[2]
    save(path, cv2.resize(cv2.imdecode(np.fromfile(path, np.uint8), 0), (WIDTH * 2, HEIGHT * 2)))
    views, warnings = load(folder)
    assert views[2].hair.shape == (HEIGHT, WIDTH) and "96 by 72" in warnings[0]
    save(path, np.full((HEIGHT, HEIGHT), 255, np.uint8))
    with pytest.raises(CaptureError, match=r"masks/hair/view 2 ü.png has 36 by 36 pixels, but its picture .* 48 by 36"):
        load(folder)


def test_pictures_of_another_size(folder):
    for path in images(folder):
        save(path, np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8))
    for kind in ("hair", "bust"):
        for path in masks(folder, kind):
            save(path, cv2.resize(cv2.imdecode(np.fromfile(path, np.uint8), 0), (WIDTH // 2, HEIGHT // 2)))
    views, _ = load(folder)
    assert (views[0].camera.width, views[0].camera.fx, views[0].camera.cx) == (24, 35.0, 12.5)
    save(images(folder)[0], np.zeros((HEIGHT, HEIGHT, 3), np.uint8))
    with pytest.raises(CaptureError, match=r"view 0 ü.png has 36 by 36 pixels"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"this is no picture", b"\x89PNG\r\n\x1a\n\0\0"])
def test_unreadable_pictures(folder, content):
    images(folder)[1].write_bytes(content)
    with pytest.raises(CaptureError, match=r"view 1 ü.png is no picture that can be read"):
        load(folder)


def test_depths_and_channels(tmp_path):
    colour = np.array([10, 100, 200], np.uint8)  # BGR
    flat = np.broadcast_to(colour, (5, 7, 3))
    save(tmp_path / "8.png", flat)
    save(tmp_path / "16.png", flat.astype(np.uint16) * 257)
    save(tmp_path / "grey.png", np.full((5, 7), 77, np.uint8))
    save(tmp_path / "grey16.png", np.full((5, 7), 77 * 257, np.uint16))
    alpha = np.concatenate([flat, np.full((5, 7, 1), 255, np.uint8)], axis=2)
    alpha[0, 0, 3] = 0
    save(tmp_path / "alpha.png", alpha)
    for name in ("8", "16"):
        assert np.array_equal(read_picture(tmp_path / f"{name}.png"), flat[..., ::-1])
    for name in ("grey", "grey16"):
        assert (read_picture(tmp_path / f"{name}.png") == 77).all()
    shown = read_picture(tmp_path / "alpha.png")
    assert tuple(shown[0, 0]) == (128, 128, 128) and tuple(shown[4, 6]) == (200, 100, 10)


def test_masks_of_every_kind(tmp_path):
    inside = np.zeros((4, 6), np.uint8)
    inside[:2] = 255
    save(tmp_path / "grey.png", inside)
    save(tmp_path / "colour.png", np.repeat(inside[..., None], 3, axis=2))
    save(tmp_path / "deep.png", inside.astype(np.uint16) * 257)
    save(tmp_path / "ones.png", inside // 255)
    white = np.full((4, 6, 4), 255, np.uint8)
    white[..., 3] = inside
    save(tmp_path / "alpha.png", white)
    warnings = []
    for name in ("grey", "colour", "deep", "ones", "alpha"):
        assert np.array_equal(read_mask(tmp_path / f"{name}.png", warnings.append), inside / np.float32(255)), name
    assert len(warnings) == 1 and "ones.png" in warnings[0]


def test_cameras_that_all_look_away(folder):
    path = folder / "transforms.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    one_away = json.loads(path.read_text(encoding="utf-8"))
    for number, frame in enumerate(values["frames"]):
        frame["transform_matrix"] = (np.array(frame["transform_matrix"]) @ np.diag([-1.0, 1, -1, 1])).tolist()
        if number == 1:
            one_away["frames"][1] = frame
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CaptureError, match="The cameras look away from the hair"):
        load(folder)
    path.write_text(json.dumps(one_away), encoding="utf-8")
    views, warnings = load(folder)
    assert len(views) == 3 and "view 1 ü looks away" in warnings[0]


def test_cameras_in_one_place(folder):
    path = folder / "transforms.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    for frame in values["frames"]:
        frame["transform_matrix"] = values["frames"][0]["transform_matrix"]
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CaptureError, match="stand in one place"):
        load(folder)


def test_lens_distortion_is_taken_out(tmp_path):
    camera = Camera(160, 120, 150.0, 155.0, 83.0, 58.0, orbiting(0.4), (-0.25, 0.08, 0.004, -0.003, -0.02))
    target = undistorted_camera(camera)
    assert not target.distortion and (target.width, target.height) == (160, 120)
    x, y = sampling_positions(camera, target)
    assert min(x.min(), y.min()) > -0.01 and x.max() < 160.01 and y.max() < 120.01
    # A picture that holds at each pixel where that pixel is, so that it can be followed through.
    rows, columns = np.mgrid[:120, :160].astype(float) + 0.5
    straight = sample(np.stack([columns, rows], axis=2), x, y)
    points = np.random.default_rng(1).uniform(-0.07, 0.07, (200, 3))
    seen, _ = target.project(points)
    expected, _ = camera.project(points)
    got = sample(straight, *seen.T)
    assert np.abs(got - expected).max() < 0.02
    # OpenCV agrees on where the undistorted pixels come from.
    shift = np.array([[0, 0, -0.5], [0, 0, -0.5], [0, 0, 0]])
    theirs = cv2.initUndistortRectifyMap(
        camera.intrinsics + shift,
        np.array(camera.distortion),
        None,
        target.intrinsics + shift,
        (160, 120),
        cv2.CV_32FC1,
    )
    assert np.abs(theirs[0] + 0.5 - x).max() < 1e-3 and np.abs(theirs[1] + 0.5 - y).max() < 1e-3


def test_a_distorted_capture_loads_undistorted(tmp_path):
    views, _ = load(write_ball_capture(tmp_path, distortion=(-0.2, 0.05, 0.0, 0.0, 0.0)))
    for view in views:
        assert not view.camera.distortion
        rows, columns = np.nonzero(view.hair + view.bust > 0.5)
        centre, _ = view.camera.project(np.zeros((1, 3)))
        assert np.allclose([columns.mean() + 0.5, rows.mean() + 0.5], centre[0], atol=0.3)


def test_distortion_that_is_nonsense(tmp_path):
    with pytest.raises(CaptureError, match="folds the picture"):
        load(write_ball_capture(tmp_path, distortion=(-9.0, 0, 0, 0, 0)))


def test_larger_pictures_are_reduced(folder):
    views, _ = load(folder, largest_side=24)
    assert views[0].image.shape == (18, 24, 3) and views[0].hair.shape == (18, 24)
    assert views[0].camera.fx == 35.0


def test_views_are_spread_over_directions():
    cameras = [Camera(8, 8, 8, 8, 4, 4, orbiting(a)) for a in np.radians([0, 2, 4, 90, 180, 182, 270])]
    assert spread(cameras, 4) == [0, 3, 4, 6] or spread(cameras, 4) == [0, 3, 5, 6]
    assert spread(cameras, 0) == spread(cameras, 99) == list(range(7))
