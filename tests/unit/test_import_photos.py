"""Pictures in: found and read as they are, solved into cameras, and brought to metres."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from backend.capture import frame, picture_folder, structure_matching, video
from backend.capture.picture_folder import photograph, photographs_in, read_upright
from backend.capture.structure_matching import matched
from backend.contract import ImportPhotos, PlaceCapture
from backend.errors import Cancelled, CaptureError
from backend.fit.model import model_to_fit
from backend.fit.place import umeyama
from backend.formats.capture import Camera, Capture, View, has_poses, read_capture, write_capture
from backend.formats.capture_landmarks import Seen, write_capture_landmarks
from backend.formats.head import read_head
from backend.formats.mesh_ply import write_ply
from backend.jobs import import_photos, place_capture
from backend.protocol import SilentReporter

from .photo_room import FOCAL, SIZE, cameras
from .photo_room import photograph as room

K1 = -0.08
FILM = round(43.2666 * FOCAL / np.hypot(*SIZE) * 1.05)


def save(path, pixels, orientation=1, film=0, **options):
    path.parent.mkdir(exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if film:
        exif.get_ifd(0x8769)[0xA405] = film
    Image.fromarray(pixels).save(path, exif=exif, **options)


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """Six JPEGs of a lens with distortion whose EXIF is 5 % off, as a capture: (folder, result, true poses)."""
    place = tmp_path_factory.mktemp("photos")
    poses, pictures = cameras(6), place / "Bilder é"
    pictures.mkdir()
    for number, pose in enumerate(poses):
        save(pictures / f"IMG_{number + 7}.JPG", room(pose, K1), film=FILM, quality=90)
    request = ImportPhotos(pictures=pictures, capture=place / "capture", lenses="one")
    return place / "capture", import_photos.run(request, SilentReporter(place / "job")), poses


def test_cameras_come_out_as_they_stood(solved):
    folder, result, poses = solved
    assert result["registered"] == result["pictures"] == 6 and not result["missing"]
    capture = read_capture(folder)
    # Numbered as people count: 7, 8, 9, 10.
    assert [view.name for view in capture.views] == [f"IMG_{k}" for k in range(7, 13)]
    here = np.array([view.camera.centre for view in capture.views])
    there = np.array([pose[:3, 3] for pose in poses])
    place = umeyama(here, there)
    off = np.linalg.norm(place.apply(here) - there, axis=1)
    assert off.max() < 0.006, off  # metres, of cameras 1.5 m away, on pictures of 320 pixels
    assert result["error_pixels"] < 0.6
    focal = [view.camera.fx / view.camera.width * SIZE[0] for view in capture.views]
    assert abs(np.mean(focal) / FOCAL - 1) < 0.03


def test_the_world_is_upright_faces_the_cameras_and_has_no_metres(solved):
    folder, _, _ = solved
    capture = read_capture(folder)
    assert capture.metres_per_unit is None
    centres = np.array([view.camera.centre for view in capture.views])
    ups = np.array([view.camera.camera_to_world[:3, 1] for view in capture.views])
    assert ups[:, 2].min() > 0.8
    assert abs(centres[:, 0].mean()) < 0.2 and centres[:, 1].max() < 0  # all on one side: that is the front
    assert np.linalg.norm(centres, axis=1).mean() == pytest.approx(frame.AWAY, rel=0.05)


def test_pictures_come_without_distortion(solved):
    folder, _, poses = solved
    capture = read_capture(folder)
    view = capture.views[2]
    assert not view.camera.distortion
    found = cv2.imread(str(view.image)).astype(float)[..., ::-1]
    pinhole = room(poses[2], 0.0, SIZE, FOCAL).astype(float)
    # The true pinhole picture, seen with the lens that was found.
    camera = view.camera
    x = (np.arange(SIZE[0]) + 0.5 - camera.cx) / camera.fx * FOCAL + SIZE[0] / 2 - 0.5
    y = (np.arange(SIZE[1]) + 0.5 - camera.cy) / camera.fy * FOCAL + SIZE[1] / 2 - 0.5
    grid = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    wanted = cv2.remap(pinhole, *grid, cv2.INTER_LINEAR)
    inner = np.s_[30:-30, 30:-30]
    straight = np.corrcoef(found[inner].ravel(), wanted[inner].ravel())[0, 1]
    assert straight > 0.9


def test_points_lie_on_the_walls(solved):
    folder, _, poses = solved
    here = np.array([view.camera.centre for view in read_capture(folder).views])
    place = umeyama(here, np.array([pose[:3, 3] for pose in poses]))
    with np.load(folder / "sparse.npz") as file:
        points, colours, tracks = file["points"], file["colours"], file["tracks"]
    assert len(points) > 100 and colours.std() > 10 and tracks.min() >= 2
    assert np.median(np.abs(place.apply(points)).min(axis=1)) < 0.004


class Stopping(SilentReporter):
    """Is asked to stop in the middle of matching."""

    def step(self, n=None):
        if self._stage == "Matching pictures" and n is None and self._step >= 4:
            raise Cancelled
        super().step(n)


def test_a_broken_off_job_goes_on_where_it_was(tmp_path, monkeypatch):
    for number, pose in enumerate(cameras(4, 40.0)):
        save(tmp_path / "photos" / f"{number}.png", room(pose))
    request = ImportPhotos(pictures=tmp_path / "photos", capture=tmp_path / "capture")
    with pytest.raises(Cancelled):
        import_photos.run(request, Stopping(tmp_path / "job"))
    # Features and the pairs that are matched are there; finding them again would fail.
    monkeypatch.setattr(structure_matching, "_extract", None)
    matched_now = []
    whole = structure_matching.matched
    monkeypatch.setattr(structure_matching, "matched", lambda a, b: matched_now.append(1) or whole(a, b))
    result = import_photos.run(request, SilentReporter(tmp_path / "job"))
    assert result["registered"] == 4 and len(matched_now) <= 3
    assert not (tmp_path / "job" / "solving").exists()


def test_two_pictures_say_why_not(tmp_path):
    for number, pose in enumerate(cameras(2)):
        save(tmp_path / f"{number}.png", room(pose))
    with pytest.raises(CaptureError, match=r"two pictures.*third"):
        import_photos.run(ImportPhotos(pictures=tmp_path), SilentReporter(tmp_path / "job"))


def test_pictures_of_different_things_say_what_to_do(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        noise = cv2.resize(rng.integers(0, 255, (60, 80, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
        save(tmp_path / f"{number}.png", noise)
    with pytest.raises(CaptureError, match=r"closer together|hang together"):
        import_photos.run(ImportPhotos(pictures=tmp_path), SilentReporter(tmp_path / "job"))


def test_who_turns_before_a_still_camera_is_solved_by_masks(tmp_path):
    """On a turntable the camera goes around the subject; what stands still behind it says that it does not."""
    poses, (width, height) = cameras(6, 50.0), SIZE
    x, y = np.arange(width) - width / 2, np.arange(height)[:, None] - height / 2
    subject = (x / (0.33 * width)) ** 2 + (y / (0.42 * height)) ** 2 < 1
    behind = room(cameras(1)[0])[::-1, ::-1]
    for number, pose in enumerate(poses):
        save(tmp_path / "photos" / f"{number}.png", np.where(subject[..., None], room(pose), behind))
        save(tmp_path / "masks" / f"{number}.png", subject.astype(np.uint8) * 255)
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    film = 43.2666 * FOCAL / np.hypot(*SIZE)
    there = np.array([pose[:3, 3] for pose in poses])
    request = ImportPhotos(pictures=photos, capture=tmp_path / "with", lenses="one", focal=film, masks=masks)
    result = import_photos.run(request, SilentReporter(tmp_path / "job"))
    assert result["registered"] == 6
    here = np.array([view.camera.centre for view in read_capture(tmp_path / "with").views])
    assert np.linalg.norm(umeyama(here, there).apply(here) - there, axis=1).max() < 0.03
    request = ImportPhotos(pictures=photos, capture=tmp_path / "without", lenses="one", focal=film)
    with pytest.raises(CaptureError, match="masks"):
        import_photos.run(request, SilentReporter(tmp_path / "other"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_set_upright(tmp_path, orientation):
    pixels = room(cameras(1)[0])[:90, :120]
    save(tmp_path / "a.png", pixels, orientation)
    found = read_upright(photograph(tmp_path / "a.png"))
    with Image.open(tmp_path / "a.png") as picture:
        wanted = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(found[..., ::-1], wanted)
    photo = photograph(tmp_path / "a.png")
    assert (photo.height, photo.width) == wanted.shape[:2]


def test_focal_lengths_are_read(tmp_path):
    save(tmp_path / "a.jpg", np.zeros((300, 400, 3), np.uint8), film=26)
    assert photograph(tmp_path / "a.jpg").focal == pytest.approx(26 / 43.2666 * 500, rel=1e-4)
    save(tmp_path / "b.jpg", np.zeros((300, 400, 3), np.uint8))
    assert photograph(tmp_path / "b.jpg").focal is None


def test_heic_is_read(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    pixels = cv2.GaussianBlur(room(cameras(1)[0]), (0, 0), 2)
    heif.from_pillow(Image.fromarray(pixels)).save(tmp_path / "IMG_1.HEIC", quality=90)
    found = read_upright(photograph(tmp_path / "IMG_1.HEIC"))[..., ::-1]
    assert found.shape == pixels.shape and np.abs(found.astype(int) - pixels).mean() < 6


def test_sixteen_bits_and_transparency_are_read(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 5, 3), 32896, np.uint16))
    assert (read_upright(photograph(tmp_path / "a.png")) == 128).all()
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 5, 4), 7, np.uint8))
    assert read_upright(photograph(tmp_path / "b.png")).shape == (4, 5, 4)


def test_a_broken_picture_is_named_and_left_out(tmp_path):
    for number in range(3):
        save(tmp_path / f"p{number}.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "p3.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (tmp_path / "notes.txt").write_text("no picture")
    photos, trouble = photographs_in(tmp_path)
    assert [p.path.name for p in photos] == ["p0.png", "p1.png", "p2.png"]
    assert len(trouble) == 1 and "p3.png" in trouble[0]


def test_an_empty_folder_names_the_one_inside(tmp_path):
    (tmp_path / "DCIM").mkdir()
    save(tmp_path / "DCIM" / "a.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(CaptureError, match="DCIM"):
        photographs_in(tmp_path)


def test_large_pictures_are_reduced(tmp_path):
    save(tmp_path / "a.png", np.zeros((60, 80, 3), np.uint8))
    assert read_upright(photograph(tmp_path / "a.png"), 40).shape == (30, 40, 3)
    assert picture_folder.reduced(8000, 6000, 2048) == (2048, 1536)


def test_matches_are_mutual_and_clear():
    rng = np.random.default_rng(1)
    one = rng.normal(size=(3000, 16)).astype(np.float32)
    other = np.concatenate([one[::-1][:1500] + 0.05 * rng.normal(size=(1500, 16)), rng.normal(size=(700, 16))])
    one, other = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (one, other.astype(np.float32)))
    found = matched(one, other)
    near = one @ other.T
    wanted = [
        (i, j) for i, j in enumerate(near.argmax(axis=1))
        if near[:, j].argmax() == i and (1 - near[i, j]) < 0.64 * (1 - np.partition(near[i], -2)[-2])
    ]  # fmt: skip
    assert found.tolist() == [list(pair) for pair in wanted] and len(found) > 500


def test_features_lie_on_the_person_only():
    mask = np.zeros((60, 80), bool)
    mask[:, :40] = True
    places = np.array([[10.0, 10.0], [78.0, 10.0], [81.0, 100.0], [90.0, 100.0], [150.0, 119.9]])
    # A mask of half the picture's size, widened by some pixels.
    kept = structure_matching._inside(places, mask, (120, 160))
    assert kept.tolist() == [True, True, True, False, False]


def test_masks_are_found_by_name(tmp_path):
    for name in ("a", "b", "c"):
        save(tmp_path / "photos" / f"{name}.jpg", np.zeros((6, 8, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "A.png"), np.full((6, 8), 255, np.uint8))
    photos, _ = photographs_in(tmp_path / "photos")
    request = ImportPhotos(pictures=tmp_path / "photos", masks=tmp_path)
    found = import_photos._mask_files(request, photos)
    assert {path.name: mask.name for path, mask in found.items()} == {"a.jpg": "A.png"}
    (tmp_path / "A.png").rename(tmp_path / "z.png")
    with pytest.raises(CaptureError, match=r"a\.png"):
        import_photos._mask_files(request, photos)


def test_pictures_can_come_without_cameras(tmp_path):
    """For masks of a person who turned, by which the cameras are found then."""
    for name in ("a", "b", "c"):
        save(tmp_path / "photos" / f"{name}.jpg", np.full((60, 80, 3), 90, np.uint8))
    folder = tmp_path / "capture"
    request = ImportPhotos(pictures=tmp_path / "photos", capture=folder, cameras="none", side=40)
    result = import_photos.run(request, SilentReporter(tmp_path / "job"))
    assert (result["pictures"], result["registered"]) == (3, 0)
    assert not has_poses(folder) and not (folder / "images.part").exists()
    views = read_capture(folder, poses=False).views
    assert [(view.name, view.camera.width, view.camera.height) for view in views] == [(n, 40, 30) for n in "abc"]
    assert all(view.image.is_file() for view in views)


def test_what_was_made_for_other_pictures_is_not_written_over(tmp_path):
    save(tmp_path / "photos" / "a.jpg", np.zeros((6, 8, 3), np.uint8))
    kept = tmp_path / "capture" / "strokes" / "a.png"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    request = ImportPhotos(pictures=tmp_path / "photos", capture=tmp_path / "capture")
    with pytest.raises(CaptureError, match="with strokes that belong to its pictures"):
        import_photos.run(request, SilentReporter(tmp_path / "job"))
    assert kept.read_bytes() == b"mine"


def test_blurred_frames_are_left_out_where_sharp_ones_run_out():
    sharpness = np.where(np.arange(30) % 10 == 4, 100.0, 20.0)
    assert video.chosen(video.Frames(np.linspace(0, 1, 30), sharpness), 6) == [4, 14, 24]


def test_sharp_frames_spread_over_the_way_are_chosen():
    sharpness = np.where(np.arange(90) % 3 == 1, 100.0, 20.0)
    moved = np.concatenate([np.zeros(30), np.linspace(0, 2, 60)])  # the camera rested first
    found = video.chosen(video.Frames(moved, sharpness), 10)
    assert len(found) == 10 and all(k % 3 == 1 for k in found)
    assert sum(k >= 30 for k in found) >= 8


def test_frames_of_a_video_become_pictures(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, SIZE)
    for number, pose in enumerate(cameras(8)):
        picture = room(pose)[..., ::-1]
        writer.write(cv2.GaussianBlur(picture, (0, 0), 4) if number % 2 else np.ascontiguousarray(picture))
    writer.release()
    paths = video.choose_frames(tmp_path / "v.avi", 4, tmp_path / "frames", 160)
    assert len(paths) == 4 and all(int(path.stem[6:]) % 2 == 0 for path in paths)
    assert cv2.imread(str(paths[0])).shape == (120, 160, 3)


def test_a_broken_video_gives_one_sentence(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"no video at all")
    with pytest.raises(CaptureError, match=r"v\.mp4"):
        video.choose_frames(tmp_path / "v.mp4", 5, tmp_path / "frames")


@pytest.fixture
def unplaced(tmp_path):
    """A capture without metres, its true size 0.4 of its unit, with two points clicked in three views."""
    views, seen = [], {}
    ends = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.8]])
    for number, pose in enumerate(cameras(3)):
        path = tmp_path / "images" / f"v{number}.png"
        path.parent.mkdir(exist_ok=True)
        save(path, np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
        camera = Camera(*SIZE, FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2, pose, (K1,))
        views.append(View(f"v{number}", path, camera))
        pixels = camera.project(ends)[0]
        seen[f"v{number}"] = {f"distance {k + 1}": Seen(*pixels[k]) for k in range(2)}
    write_capture(Capture(tmp_path, tuple(views), None, "assumed"))
    write_capture_landmarks(tmp_path, seen)
    frame.write_points(tmp_path, points=ends.astype(np.float32), colours=np.zeros((2, 3), np.uint8))
    return tmp_path


def test_a_distance_gives_metres(unplaced, tmp_path):
    before = read_capture(unplaced)
    request = PlaceCapture(capture=unplaced, by="distance", metres=0.2)
    result = place_capture.run(request, SilentReporter(tmp_path / "job"))
    after = read_capture(unplaced)
    assert result["metres_per_unit"] == pytest.approx(0.4, rel=1e-3)
    assert (after.metres_per_unit, after.scale_source) == (1.0, "measured")
    for one, other in zip(before.views, after.views, strict=True):
        assert np.allclose(other.camera.centre, 0.4 * one.camera.centre, rtol=1e-3)
        assert np.allclose(other.camera.camera_to_world[:3, :3], one.camera.camera_to_world[:3, :3])
    with np.load(unplaced / "sparse.npz") as file:
        assert np.linalg.norm(np.diff(file["points"], axis=0)) == pytest.approx(0.2, rel=1e-3)


def test_a_point_clicked_once_is_no_point(unplaced, tmp_path):
    write_capture_landmarks(unplaced, {"v0": {"distance 1": Seen(100, 100)}})
    with pytest.raises(CaptureError, match=r"distance 1.*two"):
        place_capture.run(PlaceCapture(capture=unplaced, by="distance", metres=0.2), SilentReporter(tmp_path / "job"))


def test_a_fitted_head_sets_the_world(unplaced, tmp_path):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    similarity = {"scale": 2.5, "rotation": turn.tolist(), "translation": [0.1, -0.2, 0.3]}
    fit = tmp_path / "fit"
    fit.mkdir()
    model = model_to_fit("built-in")
    report = {"similarity": similarity, "cameras": "known", "landmark_error_px": 1.0, "model_hash": model.hash}
    (fit / "report.json").write_text(json.dumps(report))
    own = model.head().vertices
    write_ply(fit / "head.ply", 2.5 * own @ turn.T + similarity["translation"], model.faces)
    before = read_capture(unplaced)
    result = place_capture.run(PlaceCapture(capture=unplaced, fit=fit), SilentReporter(tmp_path / "job"))
    left = read_head(tmp_path / "job" / result["head"])
    assert np.allclose(left.vertices, own, atol=1e-5) and left.scalp is not None
    after = read_capture(unplaced)
    assert (after.metres_per_unit, after.scale_source) == (1.0, "head fit")
    head = np.array([[0.0, -0.1, 0.05], [0.03, 0.02, -0.1]])  # in the head's own frame, which the world is now
    in_capture = 2.5 * head @ turn.T + similarity["translation"]
    for one, other in zip(before.views, after.views, strict=True):
        assert np.allclose(one.camera.project(in_capture)[0], other.camera.project(head)[0], atol=1e-6)


def test_assumed_metres_are_shown_as_such(unplaced, tmp_path):
    reporter = SilentReporter(tmp_path / "job")
    place_capture.run(PlaceCapture(capture=unplaced, by="assumed"), reporter)
    assert read_capture(unplaced).scale_source == "assumed" and read_capture(unplaced).metres_per_unit == 1.0
    assert any("assumed" in message.get("text", "") for message in reporter.messages)
