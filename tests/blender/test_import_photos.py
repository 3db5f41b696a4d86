"""Import Photographs: pictures end as cameras and points in the scene, and two clicks give them metres."""

import os
import shutil
import types
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.unit.photo_room import FOCAL, SIZE, cameras
from tests.unit.photo_room import photograph as room

needs_backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
)


@pytest.fixture
def submitted(maquette_part, monkeypatch):
    calls = []
    monkeypatch.setattr(maquette_part("addon.jobs"), "submit", lambda request, **keywords: calls.append(request))
    return calls


@needs_backend
def test_pictures_become_a_capture_in_the_scene_and_get_metres(maquette_part, tmp_path):
    write_png, poses = maquette_part("backend.formats.png").write_png, cameras(4, 40.0)
    for number, pose in enumerate(poses):
        write_png(tmp_path / "photos" / f"p{number}.png", room(pose))
    chosen = str(tmp_path / "photos" / "p1.png")
    film = 43.2666 * FOCAL / float(np.hypot(*SIZE))
    assert bpy.ops.maquette.import_photos(filepath=chosen, focal=film) == {"FINISHED"}
    scene, folder = bpy.context.scene, tmp_path / "photos capture"
    assert Path(scene.maquette.capture) == folder
    things = [o for o in scene.objects if o.get("maquette_role") == "camera"]
    cloud = next(o for o in scene.objects if o.get("maquette_role") == "capture points")
    assert len(things) == 4 and len(cloud.data.vertices) > 30
    assert maquette_part("addon.capture_state").state_of(folder).scale == "unknown"

    capture = maquette_part("backend.formats.capture").read_capture(folder)
    landmarks = maquette_part("backend.formats.capture_landmarks")
    ends, seen = np.array([[0.2, 0.3, 0.2], [0.2, 0.3, 0.6]]), {}
    for pose, view in zip(poses, capture.views, strict=True):
        # What an artist would click: where the true points are in the picture.
        true = type(view.camera)(*SIZE, FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2, pose).project(ends)[0]
        shown = (true - np.array(SIZE) / 2) * view.camera.fx / FOCAL + (view.camera.cx, view.camera.cy)
        seen[view.name] = {f"distance {k + 1}": landmarks.Seen(*shown[k].tolist()) for k in range(2)}
    landmarks.write_capture_landmarks(folder, seen)
    scene.maquette.photos.distance = 0.4
    assert bpy.ops.maquette.place_capture(by="distance") == {"FINISHED"}
    state = maquette_part("addon.capture_state").state_of(folder)
    assert state.scale == "measured" and state.report["registered"] == 4
    things = sorted((o for o in scene.objects if o.get("maquette_role") == "camera"), key=lambda o: o.name)
    found = np.array([np.array(thing.matrix_world.translation) for thing in things])
    true = np.array([pose[:3, 3] for pose in poses])
    apart = np.linalg.norm(found[0] - found[3]), np.linalg.norm(true[0] - true[3])
    assert apart[0] == pytest.approx(apart[1], rel=0.03)
    assert bpy.ops.maquette.show_capture_points() == {"FINISHED"}
    assert not any(o.get("maquette_role") == "capture points" for o in scene.objects)


def test_a_video_is_taken_as_it_is_and_a_picture_for_its_folder(maquette, submitted, tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"")
    (tmp_path / "a.jpg").write_bytes(b"")
    bpy.ops.maquette.import_photos(filepath=str(tmp_path / "walk.mp4"), frames=40)
    bpy.ops.maquette.import_photos(filepath=str(tmp_path / "a.jpg"), lenses="each")
    video, folder = submitted
    assert (video.pictures, video.frames, video.capture.name) == (tmp_path / "walk.mp4", 40, "walk capture")
    assert (folder.pictures, folder.lenses, folder.masks) == (tmp_path, "each", None)


def test_scale_needs_a_capture_that_was_not_rendered(maquette):
    assert not bpy.ops.maquette.place_capture.poll()
    bpy.ops.maquette.sample_capture()
    assert not bpy.ops.maquette.place_capture.poll()
    with pytest.raises(RuntimeError, match="points"):
        bpy.ops.maquette.show_capture_points()


def test_a_photograph_is_left_out_and_the_rest_solved_again_by_the_person(maquette, submitted, tmp_path):
    folder = tmp_path / "anna"
    shutil.copytree(Path(maquette.__file__).parent / "assets" / "sample_capture", folder)
    shutil.rmtree(folder / "masks")
    bpy.ops.maquette.open_capture(directory=str(folder))

    def things():
        return [o for o in bpy.context.scene.objects if o.get("maquette_role") == "camera"]

    count, files = len(things()), sorted((folder / "images").iterdir())
    name = bpy.context.scene.camera["maquette_view"]
    assert bpy.ops.maquette.leave_out() == {"FINISHED"}
    assert len(things()) == count - 1 and name not in [thing["maquette_view"] for thing in things()]
    assert sorted((folder / "images").iterdir()) == files
    assert not bpy.ops.maquette.solve_again.poll()
    (folder / "masks" / "person").mkdir(parents=True)
    (folder / "masks" / "person" / "a.png").write_bytes(b"")
    assert bpy.ops.maquette.solve_again() == {"FINISHED"}
    (request,) = submitted
    assert (request.pictures, request.masks) == (folder / "images", folder / "masks" / "person")
    assert request.capture == tmp_path / "anna capture"


def test_broken_points_are_said(maquette_part, tmp_path):
    points = maquette_part("addon.capture_points")
    captures = maquette_part("addon.captures")
    collection = bpy.data.collections.new("Capture")
    collection[captures.FOLDER] = str(tmp_path)
    bpy.context.scene.collection.children.link(collection)
    assert points.show_points(bpy.context.scene, tmp_path) is None
    (tmp_path / "sparse.npz").write_bytes(b"broken")
    with pytest.raises(Exception, match="points cannot be read"):
        points.show_points(bpy.context.scene, tmp_path)


def test_the_head_that_placed_a_capture_comes_where_none_is_chosen(maquette_part, tmp_path):
    bpy.ops.maquette.sample_capture()
    scene, heads = bpy.context.scene, maquette_part("backend.formats.head")
    heads.write_head(tmp_path / "head.npz", heads.read_head(heads.BUILT_IN_HEAD))
    job = types.SimpleNamespace(folder=tmp_path, id="placing")
    placed, result = maquette_part("operators.import_photos").placed, {"capture": scene.maquette.capture}
    placed(job, result)
    assert scene.maquette.head is None
    placed(job, result | {"head": "head.npz"})
    first = scene.maquette.head
    assert first is not None and "scalp" in first.vertex_groups
    placed(job, result | {"head": "head.npz"})
    assert scene.maquette.head == first and sum(o.type == "MESH" for o in scene.objects) == 1
