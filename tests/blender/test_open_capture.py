"""A capture in the scene: its cameras, its photographs, undistorted where the lens bent them."""

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector


def save_picture(path, pixels):
    """(H, W, 3) float pictures, first row at the top."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new("picture", width, height)
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(np.dstack([pixels[::-1], np.ones((height, width))]).astype(np.float32).ravel())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


@pytest.fixture
def capture(maquette_part, tmp_path):
    """Two views of different shapes, the second of them distorted; its picture holds each pixel's own place."""
    form = maquette_part("backend.formats.capture")
    folder = tmp_path / "capture à moi"
    poses = [np.eye(4), np.eye(4)]
    for number, pose in enumerate(poses):
        pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
        pose[:3, 3] = (0.1 * number, -1.0, 0.0)
    cameras = [
        form.Camera(64, 48, 90.0, 90.0, 30.0, 25.0, poses[0]),
        form.Camera(60, 80, 100.0, 104.0, 29.0, 42.0, poses[1], (-0.3, 0.1, 0.002, -0.001, 0.0)),
    ]
    views = []
    for name, camera in zip(("first", "zweite ü"), cameras, strict=True):
        rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
        place = np.stack([columns / camera.width, rows / camera.height, 0 * rows], axis=2)
        save_picture(folder / "images" / f"{name}.png", place)
        views.append(form.View(name, folder / "images" / f"{name}.png", camera))
    made = form.Capture(folder, tuple(views), 1.0, "measured")
    form.write_capture(made)
    return made


def test_cameras_and_photographs_arrive(capture):
    assert bpy.ops.maquette.open_capture(directory=str(capture.folder)) == {"FINISHED"}
    scene = bpy.context.scene
    things = sorted((o for o in scene.objects if o.type == "CAMERA"), key=lambda o: o.name)
    assert [thing.name for thing in things] == ["first", "zweite ü"]
    assert scene.maquette.capture == str(capture.folder)
    for thing, view in zip(things, capture.views, strict=True):
        assert np.allclose(thing.matrix_world, view.camera.camera_to_world, atol=1e-6)
        assert thing["maquette_role"] == "camera"
        (background,) = thing.data.background_images
        assert tuple(background.image.size) == (view.camera.width, view.camera.height)
    # Opened again, it is replaced, not doubled.
    bpy.ops.maquette.open_capture(directory=str(capture.folder))
    assert len([o for o in bpy.context.scene.objects if o.type == "CAMERA"]) == 2


def test_a_point_lies_on_its_pixel_of_the_undistorted_photograph(capture):
    bpy.ops.maquette.open_capture(directory=str(capture.folder))
    scene = bpy.context.scene
    assert bpy.ops.maquette.look_through(step=1) == {"FINISHED"}
    assert scene.camera.name == "zweite ü"
    assert (scene.render.resolution_x, scene.render.resolution_y) == (60, 80)
    image = scene.camera.data.background_images[0].image
    pixels = np.empty(60 * 80 * 4, np.float32)
    image.pixels.foreach_get(pixels)
    picture = pixels.reshape(80, 60, 4)[::-1]
    bpy.context.view_layer.update()
    for point in np.random.default_rng(0).uniform((0.0, -0.05, -0.2), (0.2, 0.05, 0.2), (30, 3)):
        seen = world_to_camera_view(scene, scene.camera, Vector(point))
        column, row = seen.x * 60, (1 - seen.y) * 80
        if not (1 < column < 59 and 1 < row < 79):
            continue
        (expected,), _ = capture.views[1].camera.project(point[None])
        # What the picture holds there is where in the distorted photograph the point was; a byte is 0.3 of a pixel.
        held = picture[int(row), int(column)]
        offset = np.array([column - int(column) - 0.5, row - int(row) - 0.5])
        assert np.abs(held[:2] * (60, 80) + offset - expected).max() < 0.5


def test_looking_through_goes_round(capture):
    bpy.ops.maquette.open_capture(directory=str(capture.folder))
    names = []
    for _ in range(3):
        bpy.ops.maquette.look_through(step=1)
        names.append(bpy.context.scene.camera.name)
    assert names == ["zweite ü", "first", "zweite ü"]


def test_a_broken_capture_leaves_the_scene_alone(capture):
    path = capture.folder / "transforms.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.1,", "NaN,", 1), encoding="utf-8")
    objects = len(bpy.data.objects)
    with pytest.raises(RuntimeError, match="must be a number"):
        bpy.ops.maquette.open_capture(directory=str(capture.folder))
    assert len(bpy.data.objects) == objects
