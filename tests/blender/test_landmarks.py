"""Landmarks on a scan and in photographs, without the mouse: placed, loaded, saved, guessed from, through a lens."""

import json
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from backend.formats.capture import Camera
from backend.formats.head import BUILT_IN_HEAD, read_head


@pytest.fixture
def landmarks(maquette_part):
    return maquette_part("addon.landmarks")


def scan_object(vertices, faces, matrix=None):
    """A mesh as an artist's importer leaves it."""
    mesh = bpy.data.meshes.new("Anna")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    thing = bpy.data.objects.new("Anna", mesh)
    thing.matrix_world = matrix or Matrix.Identity(4)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    bpy.context.view_layer.update()
    return thing


@pytest.fixture
def scan(maquette):
    """The built-in head in centimetres, turned, as a scan."""
    head = read_head(BUILT_IN_HEAD)
    turned = Matrix.Translation((3, 0, 1)) @ Euler((0.1, 0.2, 0.7)).to_matrix().to_4x4()
    return scan_object(head.vertices * 100, head.faces, turned)


@pytest.fixture
def points():
    """The 68 points on that scan, in its own coordinates."""
    head = read_head(BUILT_IN_HEAD)
    return dict(zip(head.landmarks, head.landmark_points().astype(float) * 100))


def test_what_is_asked_for_is_every_point_of_the_face_once(maquette_part, points):
    guide = maquette_part("addon.landmark_guide")
    inner = {name for name in points if not name.startswith("jaw")} | {"jaw 9"}
    assert len(guide.ORDER) == len(inner) and set(guide.ORDER) == inner
    labels = [guide.label(name) for name in points]
    assert len(set(labels)) == 68
    for name in guide.ORDER:
        side = points[name][0]
        told = f"{guide.label(name)}, {guide.hint(name)}".lower()
        assert ("right" in told) == (side < -0.3) and ("left" in told) == (side > 0.3), name
    assert guide.next_missing({}) == "right eye 1"
    assert guide.next_missing({"right eye 1", "right eye 4"}, "right eye 1") == "left eye 1"
    assert (
        guide.next_missing(set(guide.ORDER) - {"jaw 9"}, "jaw 9") == "jaw 9" and guide.next_missing(guide.ORDER) == ""
    )
    assert guide.known_name("Nose_Tip.001") == "nose bridge 4" and guide.known_name("Lamp") == ""


def test_a_landmark_is_an_empty_on_the_scan_that_goes_with_it(landmarks, scan, points):
    thing = landmarks.place_landmark(scan, "jaw 9", Vector(points["jaw 9"]))
    assert (thing.parent, thing["maquette_role"], thing.name) == (scan, "landmark", "Chin")
    assert 0.001 < thing.empty_display_size / max(scan.dimensions) < 0.02
    scan.location.x += 1
    bpy.context.view_layer.update()
    wanted = scan.matrix_world @ Vector(points["jaw 9"])
    assert (thing.matrix_world.translation - wanted).length < 1e-4
    assert (landmarks.positions_on(scan)["jaw 9"] - wanted).length < 1e-4
    landmarks.place_landmark(scan, "jaw 9", Vector((0, 0, 0)))
    assert len(landmarks.landmarks_on(scan)) == 1
    landmarks.remove_landmark(scan, "jaw 9")
    assert not landmarks.landmarks_on(scan) and "Chin" not in bpy.data.objects


def test_an_artists_own_empties_count_by_their_names(landmarks, scan):
    thing = bpy.data.objects.new("Nose Tip.001", None)
    bpy.context.scene.collection.objects.link(thing)
    thing.parent, thing.matrix_parent_inverse = scan, scan.matrix_world.inverted()
    thing.location = (1, 2, 3)
    bpy.context.view_layer.update()
    assert (landmarks.positions_on(scan)["nose bridge 4"] - Vector((1, 2, 3))).length < 1e-5


def test_a_ray_meets_the_scan_as_it_is_shown(landmarks, scan, points):
    tip = scan.matrix_world @ Vector(points["nose bridge 4"])
    ahead = scan.matrix_world.to_3x3() @ Vector((0, -1, 0))
    met = landmarks.point_on_scan(scan, tip + 30 * ahead, -ahead)
    assert (scan.matrix_world @ met - tip).length < 0.3
    assert landmarks.point_on_scan(scan, tip + 30 * ahead, ahead) is None


@pytest.mark.parametrize("way", ["own", "world", "y up"])
def test_a_file_lands_on_the_scan_whatever_its_coordinates(landmarks, scan, points, tmp_path, way):
    given = {name: Vector(point) for name, point in points.items()}
    if way == "world":
        given = {name: scan.matrix_world @ point for name, point in given.items()}
    if way == "y up":
        given = {name: Vector((p.x, p.z, -p.y)) for name, p in given.items()}
    (tmp_path / "l.json").write_text(json.dumps({name: list(point) for name, point in given.items()}))
    assert bpy.ops.maquette.load_landmarks(filepath=str(tmp_path / "l.json")) == {"FINISHED"}
    there = landmarks.places_on(scan)
    assert set(there) == set(points)
    assert max((there[name] - Vector(points[name])).length for name in points) < 1e-3


def test_landmarks_are_saved_as_they_are_loaded_and_removed(landmarks, scan, points, tmp_path):
    assert not bpy.ops.maquette.save_landmarks.poll()
    np.save(tmp_path / "51.npy", np.array(list(points.values())[17:]))
    bpy.ops.maquette.load_landmarks(filepath=str(tmp_path / "51.npy"))
    bpy.ops.maquette.save_landmarks(filepath=str(tmp_path / "saved"))
    saved = json.loads((tmp_path / "saved.json").read_text())
    assert len(saved) == 51
    np.testing.assert_allclose(saved["outer lip 7"], points["outer lip 7"], atol=1e-4)
    bpy.ops.maquette.remove_landmarks(only="outer lip 7")
    assert len(landmarks.landmarks_on(scan)) == 50
    bpy.ops.maquette.remove_landmarks()
    assert not landmarks.landmarks_on(scan)


def test_another_scans_landmarks_are_refused_in_a_sentence(scan, landmarks, points, tmp_path):
    far = {name: (np.array(point) + 500).tolist() for name, point in points.items()}
    (tmp_path / "far.json").write_text(json.dumps(far))
    with pytest.raises(RuntimeError, match=r"far\.json lie nowhere near 'Anna'"):
        bpy.ops.maquette.load_landmarks(filepath=str(tmp_path / "far.json"))
    assert not landmarks.landmarks_on(scan)


def test_the_unit_is_guessed_from_the_face(landmarks, scan, points):
    assert landmarks.guessed_unit(scan) is None
    for name in ("right eye 1", "left eye 4", "nose bridge 4", "jaw 9", "outer lip 1"):
        landmarks.place_landmark(scan, name, Vector(points[name]))
    assert landmarks.guessed_unit(scan) == (0.01, "cm")
    scan.scale = [0.01 / 0.048] * 3
    bpy.context.view_layer.update()
    metres, name = landmarks.guessed_unit(scan)
    assert name == "" and metres == pytest.approx(0.048, rel=0.05)


def test_operators_say_why_they_are_grey(maquette, scan):
    assert bpy.ops.maquette.place_landmarks.poll() and not bpy.ops.maquette.fit_head_to_scan.poll()
    bpy.context.view_layer.objects.active = None
    assert not bpy.ops.maquette.place_landmarks.poll() and not bpy.ops.maquette.click_landmarks.poll()


LEVEL = Matrix.Rotation(1.4, 4, "X")


def capture_at(folder, *, poses=True, distortion=(), unit=1.0):
    image = bpy.data.images.new("view", 32, 24)
    (folder / "images").mkdir(parents=True)
    frames = []
    for k in range(2):
        image.filepath_raw, image.file_format = str(folder / "images" / f"{k}.png"), "PNG"
        image.save()
        frames.append({"file_path": f"images/{k}.png"})
        if poses:
            frames[-1]["transform_matrix"] = np.array(Matrix.Translation((0.1 * k, -1, 0)) @ LEVEL).tolist()
    camera = {"fl_x": 30.0, "fl_y": 31.0, "cx": 15.0, "cy": 13.0, "w": 32, "h": 24}
    camera |= {} if unit is None else {"metres_per_unit": unit}
    camera |= dict(zip(("k1", "k2", "p1", "p2", "k3"), distortion))
    (folder / "transforms.json").write_text(json.dumps(camera | {"frames": frames}))
    return folder


def through(camera: Camera):
    """A region and view that look through a camera, one pixel of the region a pixel of the picture."""
    near, far = 0.01, 100.0
    x, y = 2 * camera.fx / camera.width, 2 * camera.fy / camera.height
    skew_x, skew_y = 1 - 2 * camera.cx / camera.width, 2 * camera.cy / camera.height - 1
    window = Matrix(
        ((x, 0, skew_x, 0), (0, y, skew_y, 0), (0, 0, (near + far) / (near - far), 2 * near * far / (near - far)),
         (0, 0, -1, 0))
    )  # fmt: skip
    seen = Matrix(camera.camera_to_world.tolist()).inverted()
    view = SimpleNamespace(
        perspective_matrix=window @ seen, view_matrix=seen, is_perspective=True, view_perspective="CAMERA"
    )
    return SimpleNamespace(width=camera.width, height=camera.height), view


@pytest.mark.parametrize("distortion", [(), (-0.2, 0.05, 0.003, -0.002)])
def test_a_click_through_a_camera_is_a_pixel_of_its_photograph(maquette_part, tmp_path, distortion):
    bpy.ops.maquette.open_capture(directory=str(capture_at(tmp_path / "c", distortion=distortion)))
    views = maquette_part("addon.view_landmarks")
    thing = bpy.context.scene.camera
    bpy.context.view_layer.update()
    pinhole = maquette_part("addon.cameras").camera_of_capture(thing)
    lens = maquette_part("backend.formats.capture").read_capture(tmp_path / "c").views[0].camera
    region, view = through(pinhole)
    point = np.array([[0.05, 0.3, 0.04]])
    pixel, photo = pinhole.project(point)[0][0], lens.project(point)[0][0]
    seen = views.pixel_at(thing, region, view, (pixel[0], region.height - pixel[1]))
    np.testing.assert_allclose((seen.x, seen.y), photo, atol=1e-3)
    place = views.place_of(thing, region, view, seen)
    np.testing.assert_allclose(place, (pixel[0], region.height - pixel[1]), atol=1e-3)
    assert views.pixel_at(thing, region, view, (-3, 5)) is None


def test_landmarks_of_views_are_written_into_the_capture(maquette_part, tmp_path):
    folder = capture_at(tmp_path / "c")
    bpy.ops.maquette.open_capture(directory=str(folder))
    views = maquette_part("addon.view_landmarks")
    seen = maquette_part("backend.formats.capture_landmarks").Seen
    first, second = maquette_part("addon.captures").capture_cameras(bpy.context.scene)
    second.name = "renamed"
    assert not bpy.ops.maquette.fit_head_to_photos.poll()
    for thing, name in ((first, "jaw 9"), (second, "jaw 9"), (second, "right eye 1")):
        views.set_landmark(thing, name, seen(3.25, 4.5))
    views.set_landmark(second, "right eye 1", None)
    views.keep_landmarks(folder)
    kept = json.loads((folder / "landmarks.json").read_text())
    assert kept["views"] == {"0": {"jaw 9": [3.25, 4.5, True]}, "1": {"jaw 9": [3.25, 4.5, True]}}
    kept["views"]["0"] = {name: [1, 1, True] for name in ("jaw 9", "right eye 1", "left eye 4", "nose bridge 4")}
    (folder / "landmarks.json").write_text(json.dumps(kept))  # somebody else's hand
    assert len(views.seen_in(first)) == 4 and bpy.ops.maquette.fit_head_to_photos.poll()
    assert bpy.ops.maquette.remove_view_landmarks() == {"FINISHED"}
    assert not views.seen_in(first) and len(views.seen_in(second)) == 1


def test_a_capture_without_poses_is_opened_to_be_clicked(maquette_part, tmp_path):
    folder = capture_at(tmp_path / "c", poses=False)
    assert bpy.ops.maquette.open_capture(directory=str(folder)) == {"FINISHED"}
    captures = maquette_part("addon.captures")
    assert bpy.context.scene.maquette.fit.cameras == "unknown"
    things = captures.capture_cameras(bpy.context.scene)
    assert (things[0].location - things[1].location).length > 0.1
    pose = Matrix.Translation((0, -2, 0.5)) @ Matrix.Rotation(1.5, 4, "X")
    captures.place_cameras(bpy.context.scene, folder, {"1": np.array(pose).tolist()})
    bpy.context.view_layer.update()
    np.testing.assert_allclose(np.array(things[1].matrix_world), np.array(pose), atol=1e-6)
