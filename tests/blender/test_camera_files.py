"""Import Cameras: a COLMAP model with its pictures ends as cameras in the scene, each with its photograph."""

import os
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

needs_backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
)
FOCAL, WIDTH, HEIGHT, K1 = 70.0, 64, 48, -0.1


@pytest.fixture
def model(maquette, tmp_path):
    """A COLMAP model of two distorted views, (folder, its world-to-camera matrices in OpenCV's axes)."""
    project = tmp_path / "tête 1"
    (project / "images").mkdir(parents=True)
    (project / "sparse" / "0").mkdir(parents=True)
    lines, matrices = [], []
    for k in range(2):
        image = bpy.data.images.new("picture", WIDTH, HEIGHT)
        image.filepath_raw, image.file_format = str(project / "images" / f"view{k}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
        # Level, looking along +Y and turned about Z.
        pose = Matrix.Rotation(0.4 * k, 4, "Z") @ Matrix.Translation((0.0, -1.0, 0.1 * k))
        matrix = (pose @ Matrix.Rotation(-np.pi / 2, 4, "X")).inverted()
        matrices.append(np.array(matrix))
        values = (*matrix.to_quaternion(), *matrix.to_translation())
        lines.append(f"{k + 1} {' '.join(map(repr, values))} 1 view{k}.png\n\n")
    place = project / "sparse" / "0"
    place.joinpath("images.txt").write_text("".join(lines))
    place.joinpath("cameras.txt").write_text(f"1 SIMPLE_RADIAL {WIDTH} {HEIGHT} {FOCAL} 30.0 25.0 {K1}\n")
    return place, matrices


@pytest.fixture
def submitted(maquette_part, monkeypatch):
    calls = []
    monkeypatch.setattr(maquette_part("addon.jobs"), "submit", lambda request, **keywords: calls.append(request))
    return calls


@needs_backend
def test_cameras_of_colmap_come_into_the_scene(maquette_part, model):
    place, matrices = model
    assert bpy.ops.maquette.import_cameras(filepath=str(place / "images.txt")) == {"FINISHED"}
    folder = place.parents[1] / "tête 1_capture"
    assert Path(bpy.context.scene.maquette.capture) == folder and (folder / "images" / "view1.png").is_file()
    things = sorted((o for o in bpy.context.scene.objects if o.get("maquette_role") == "camera"), key=lambda o: o.name)
    assert [thing.name for thing in things] == ["view0", "view1"]
    points = np.array([[0.0, 0.1, 0.0], [0.1, 0.0, 0.1], [-0.05, 0.05, 0.15]])
    capture = maquette_part("backend.formats.capture").read_capture(folder)
    assert capture.metres_per_unit is None
    for thing, view, matrix in zip(things, capture.views, matrices):
        local = points @ matrix[:3, :3].T + matrix[:3, 3]
        x, y = local[:, 0] / local[:, 2], local[:, 1] / local[:, 2]
        radial = 1 + K1 * (x * x + y * y)
        wanted = np.stack([FOCAL * x * radial + 30, FOCAL * y * radial + 25], axis=1)
        assert np.abs(view.camera.project(points)[0] - wanted).max() < 1e-4
        assert np.allclose(thing.matrix_world, view.camera.camera_to_world, atol=1e-6)
        # Its photograph is the undistorted one.
        assert "undistorted" in thing.data.background_images[0].image.filepath


@needs_backend
def test_a_file_that_is_cut_off_is_one_sentence_and_changes_nothing(model):
    place, _ = model
    path = place / "cameras.txt"
    path.write_text(path.read_text()[:20])
    with pytest.raises(RuntimeError, match=r"cameras\.txt: camera 1") as caught:
        bpy.ops.maquette.import_cameras(filepath=str(place))
    assert "Traceback" not in str(caught.value)
    assert not bpy.context.scene.maquette.capture and not list(place.parents[1].glob("*_capture"))


def test_what_the_file_browser_asks_is_sent(submitted, tmp_path):
    bpy.ops.maquette.import_cameras(
        filepath=str(tmp_path / "cameras.xml"),
        images=str(tmp_path / "photos"),
        unit="mm",
        up="cameras",
        pictures="link",
    )
    (request,) = submitted
    assert request.file == tmp_path / "cameras.xml" and request.capture == tmp_path / f"{tmp_path.name}_capture"
    assert request.images == tmp_path / "photos"
    assert (request.unit, request.up, request.pictures) == ("mm", "cameras", "link")
    bpy.ops.maquette.import_cameras(filepath=str(tmp_path / "c.csv"), unit="OTHER", metres_per_unit=0.125)
    bpy.ops.maquette.import_cameras(filepath=str(tmp_path / "c.csv"), capture=str(tmp_path / "here"))
    assert [request.unit for request in submitted[1:]] == ["0.125", ""]
    assert submitted[2].capture == tmp_path / "here"
    with pytest.raises(RuntimeError, match="Choose a file of cameras"):
        bpy.ops.maquette.import_cameras()


def camera_with_picture(folder, name, size, place):
    """A camera of an artist's own, with a background image."""
    image = bpy.data.images.new(name, *size)
    image.filepath_raw, image.file_format = str(folder / f"{name}.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    thing = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(thing)
    thing.location, thing.rotation_euler = place, (1.5, 0.1, 0.3)
    thing.data.lens, thing.data.shift_x = 42.0, 0.03
    thing.data.background_images.new().image = bpy.data.images.load(str(folder / f"{name}.png"))
    return thing


def test_a_capture_of_the_scenes_own_cameras(maquette, maquette_part, tmp_path):
    """Cameras that an artist has matched project in the capture as in the scene, at their pictures' size."""
    scene = bpy.context.scene
    assert not bpy.ops.maquette.capture_scene_cameras.poll()
    scene.render.resolution_x, scene.render.resolution_y = 200, 100
    things = [camera_with_picture(tmp_path, name, (64, 32), (k, -3, 0.5)) for k, name in enumerate(("left", "right"))]
    camera_with_picture(tmp_path, "wrong", (64, 64), (0, 0, 0))
    bpy.context.view_layer.update()
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    wanted = [[world_to_camera_view(scene, thing, Vector(point)) for point in points] for thing in things]
    folder = tmp_path / "mine"
    assert bpy.ops.maquette.capture_scene_cameras(directory=str(folder)) == {"FINISHED"}
    capture = maquette_part("backend.formats.capture").read_capture(folder)
    assert [view.name for view in capture.views] == ["left", "right"] and capture.scale_source == "assumed"
    for view, seen in zip(capture.views, wanted):
        assert (view.camera.width, view.camera.height) == (64, 32)
        expected = np.array([[64 * p.x, 32 * (1 - p.y)] for p in seen])
        assert np.abs(view.camera.project(points)[0] - expected).max() < 1e-3
    assert Path(scene.maquette.capture) == folder
    # Those of a capture are not the scene's own; a second time, the same are taken.
    assert bpy.ops.maquette.capture_scene_cameras(directory=str(tmp_path / "again")) == {"FINISHED"}
    assert len(maquette_part("backend.formats.capture").read_capture(tmp_path / "again").views) == 2
