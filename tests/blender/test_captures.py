"""A capture in the scene: cameras that project as the capture says, with their photographs behind them."""

import dataclasses
import os
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector


@pytest.fixture
def formats(maquette_part):
    return maquette_part("backend.formats.capture")


def write(formats, folder, *, distortion=(), views=3):
    """Three cameras at unlike places, with small pictures; the capture."""
    (folder / "images").mkdir(parents=True)
    made = []
    for k in range(views):
        image = bpy.data.images.new("picture", 64, 48)
        image.pixels.foreach_set(np.tile([0.2 + 0.2 * k, 0.5, 0.1, 1.0], 64 * 48).astype(np.float32))
        image.filepath_raw, image.file_format = str(folder / "images" / f"view{k}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
        angle = 0.7 * k
        pose = np.array(
            [
                [np.cos(angle), 0, np.sin(angle), 1],
                [np.sin(angle), 0, -np.cos(angle), -2],
                [0, 1, 0, 0.1 * k],
                [0, 0, 0, 1],
            ]
        )
        camera = formats.Camera(64, 48, 70.0, 72.0, 30.0, 25.0, pose, distortion)
        made.append(formats.View(f"view{k}", folder / "images" / f"view{k}.png", camera))
    formats.write_capture(formats.Capture(folder, tuple(made), 1.0, "rendered"))
    return formats.read_capture(folder)


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
def mixed(formats, tmp_path):
    """Two views of different shapes, the second of them distorted; its picture holds each pixel's own place."""
    folder = tmp_path / "capture à moi"
    poses = [np.eye(4), np.eye(4)]
    for number, pose in enumerate(poses):
        pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
        pose[:3, 3] = (0.1 * number, -1.0, 0.0)
    cameras = [
        formats.Camera(64, 48, 90.0, 90.0, 30.0, 25.0, poses[0]),
        formats.Camera(60, 80, 100.0, 104.0, 29.0, 42.0, poses[1], (-0.3, 0.1, 0.002, -0.001, 0.0)),
    ]
    views = []
    for name, camera in zip(("first", "zweite ü"), cameras, strict=True):
        rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
        place = np.stack([columns / camera.width, rows / camera.height, 0 * rows], axis=2)
        save_picture(folder / "images" / f"{name}.png", place)
        views.append(formats.View(name, folder / "images" / f"{name}.png", camera))
    made = formats.Capture(folder, tuple(views), 1.0, "measured")
    formats.write_capture(made)
    return made


def cameras():
    return sorted((o for o in bpy.context.scene.objects if o.get("maquette_role") == "camera"), key=lambda o: o.name)


def test_cameras_project_as_the_capture_says(maquette, maquette_part, formats, tmp_path):
    capture = write(formats, tmp_path / "Größe 1")
    assert bpy.ops.maquette.open_capture(directory=str(tmp_path / "Größe 1")) == {"FINISHED"}
    assert bpy.context.scene.maquette.capture == str(tmp_path / "Größe 1")
    assert [thing.name for thing in cameras()] == [view.name for view in capture.views]
    points = np.array([[0.0, 0, 0], [0.1, 0.05, 0.2], [-0.1, 0.2, -0.1]])
    for view, thing in zip(capture.views, cameras(), strict=True):
        ours = maquette_part("addon.cameras").camera_from_object(thing, bpy.context.scene)
        assert np.abs(ours.project(points)[0] - view.camera.project(points)[0]).max() < 1e-2
        assert np.allclose(thing.matrix_world, view.camera.camera_to_world, atol=1e-6)
        (background,) = thing.data.background_images
        assert bpy.path.abspath(background.image.filepath) == str(view.image)


def test_opening_again_replaces(maquette, formats, tmp_path):
    write(formats, tmp_path / "c")
    for _ in range(2):
        bpy.ops.maquette.open_capture(directory=str(tmp_path / "c"))
    assert len(cameras()) == len(bpy.data.cameras) == 3


def test_a_distorted_photograph_gets_a_straight_copy(maquette, formats, tmp_path):
    write(formats, tmp_path / "c", distortion=(-0.1, 0.01, 0.0, 0.0, 0.0))
    bpy.ops.maquette.open_capture(directory=str(tmp_path / "c"))
    image = cameras()[1].data.background_images[0].image
    assert len(copies(tmp_path / "c")) == 3
    pixels = np.empty(64 * 48 * 4, np.float32)
    image.pixels.foreach_get(pixels)
    assert np.abs(pixels.reshape(-1, 4)[:, :3] - [0.4, 0.5, 0.1]).max() < 0.01
    # The photographs themselves are not kept in memory.
    assert not [picture for picture in bpy.data.images if "undistorted" not in picture.filepath]


def test_photographs_are_undistorted_while_the_artist_goes_on(maquette, maquette_part, formats, tmp_path):
    """What the operator, the second Blender and the result's handler do, one after another."""
    folder, lens = tmp_path / "c", (-0.1, 0.01, 0.0, 0.0, 0.0)
    write(formats, folder, distortion=lens)
    captures, protocol = maquette_part("addon.captures"), maquette_part("backend.protocol")
    contract, job = maquette_part("backend.contract"), maquette_part("addon.blender_job")
    opened = captures.open_capture(bpy.context, folder, later=True)
    assert opened.pending == ["view0", "view1", "view2"] and not opened.warnings
    assert not any(thing.data.background_images for thing in cameras()) and not (folder / "undistorted").exists()
    # Stopped after the first, whose copy is of use all the same.
    stopped = protocol.SilentReporter(tmp_path / "job")
    step = stopped.step

    def cancel(n=None):
        stopped.cancelled.set()
        step(n)

    stopped.step = cancel
    request = contract.decode({"kind": "undistort-photographs", "capture": str(folder)})
    with pytest.raises(maquette_part("backend.errors").Cancelled):
        job.serve(request, stopped)
    assert len(copies(folder)) == 1
    assert captures.open_capture(bpy.context, folder, later=True).pending == ["view1", "view2"]
    result = job.serve(request, protocol.SilentReporter(tmp_path / "job"))
    assert result == {"capture": str(folder), "copies": 2}
    maquette_part("operators.capture").undistorted(None, result)
    shown = [Path(thing.data.background_images[0].image.filepath).name for thing in cameras()]
    assert sorted(shown) == sorted(copies(folder)) and [name[:5] for name in shown] == ["view0", "view1", "view2"]
    # Again, or where the artist has removed the cameras, nothing is added.
    maquette_part("operators.capture").undistorted(None, result)
    assert [len(thing.data.background_images) for thing in cameras()] == [1, 1, 1]


def copies(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "undistorted").iterdir()}


def test_a_straight_copy_is_of_the_lens_and_the_photograph_of_now(maquette, formats, tmp_path):
    lens = (-0.1, 0.01, 0.0, 0.0, 0.0)
    write(formats, tmp_path / "c", distortion=lens)
    bpy.ops.maquette.open_capture(directory=str(tmp_path / "c"))
    first = copies(tmp_path / "c")
    bpy.ops.maquette.open_capture(directory=str(tmp_path / "c"))
    assert copies(tmp_path / "c") == first, "made once"
    # Solved anew, with the photographs as they were.
    capture = formats.read_capture(tmp_path / "c")
    cameras_now = [dataclasses.replace(v.camera, distortion=(-0.2, *lens[1:])) for v in capture.views]
    views = tuple(dataclasses.replace(v, camera=camera) for v, camera in zip(capture.views, cameras_now))
    formats.write_capture(dataclasses.replace(capture, views=views))
    bpy.ops.maquette.open_capture(directory=str(tmp_path / "c"))
    second = copies(tmp_path / "c")
    assert len(second) == 3 and not set(second) & set(first)
    # A photograph put in its place that is older than the copy.
    os.utime(tmp_path / "c" / "images" / "view1.png", ns=(1, 1))
    bpy.ops.maquette.open_capture(directory=str(tmp_path / "c"))
    third = copies(tmp_path / "c")
    assert len(third) == 3 and len(set(third) & set(second)) == 2
    shown = {thing.data.background_images[0].image.filepath for thing in cameras()}
    assert {Path(path).name for path in shown} == set(third)


def test_an_unreadable_photograph_is_left_out(maquette, maquette_part, formats, tmp_path):
    write(formats, tmp_path / "c", distortion=(-0.1, 0.01, 0.0, 0.0, 0.0))
    path = tmp_path / "c" / "images" / "view1.png"
    path.write_bytes(path.read_bytes()[:40])  # its header still tells its size
    opened = maquette_part("addon.captures").open_capture(bpy.context, tmp_path / "c")
    assert "view1.png" in opened.warnings[0]
    assert [len(thing.data.background_images) for thing in cameras()] == [1, 0, 1]


def test_a_mesh_around_the_cameras_is_named(maquette, maquette_part, formats, tmp_path):
    write(formats, tmp_path / "c")
    captures = maquette_part("addon.captures")
    opened = captures.open_capture(bpy.context, tmp_path / "c")
    bpy.context.view_layer.update()
    bpy.ops.mesh.primitive_cube_add(size=0.5)
    assert captures.in_the_way(bpy.context.scene, opened.cameras) == ""
    bpy.context.object.scale = (20, 20, 20)
    bpy.context.view_layer.update()
    assert captures.in_the_way(bpy.context.scene, opened.cameras) == bpy.context.object.name
    bpy.context.object.hide_set(True)
    assert captures.in_the_way(bpy.context.scene, opened.cameras) == ""


def test_what_is_no_capture_changes_nothing(maquette, tmp_path):
    with pytest.raises(RuntimeError, match=r"transforms\.json"):
        bpy.ops.maquette.open_capture(directory=str(tmp_path))
    assert not cameras()
    assert not bpy.context.scene.maquette.capture


def test_a_point_lies_on_its_pixel_of_the_undistorted_photograph(mixed):
    bpy.ops.maquette.open_capture(directory=str(mixed.folder))
    scene = bpy.context.scene
    sizes = {thing.name: tuple(thing.data.background_images[0].image.size) for thing in cameras()}
    assert sizes == {view.name: (view.camera.width, view.camera.height) for view in mixed.views}
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
        (expected,), _ = mixed.views[1].camera.project(point[None])
        # What the picture holds there is where in the distorted photograph the point was; a byte is 0.3 of a pixel.
        held = picture[int(row), int(column)]
        offset = np.array([column - int(column) - 0.5, row - int(row) - 0.5])
        assert np.abs(held[:2] * (60, 80) + offset - expected).max() < 0.5


def test_looking_through_goes_round(mixed):
    bpy.ops.maquette.open_capture(directory=str(mixed.folder))
    names = []
    for _ in range(3):
        bpy.ops.maquette.look_through(step=1)
        names.append(bpy.context.scene.camera.name)
    assert names == ["zweite ü", "first", "zweite ü"]


def test_a_broken_capture_leaves_the_scene_alone(mixed):
    path = mixed.folder / "transforms.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.1,", "NaN,", 1), encoding="utf-8")
    objects = len(bpy.data.objects)
    with pytest.raises(RuntimeError, match="must be a number"):
        bpy.ops.maquette.open_capture(directory=str(mixed.folder))
    assert len(bpy.data.objects) == objects
