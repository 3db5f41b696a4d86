"""A capture in the scene: cameras that project as the capture says, with their photographs behind them."""

import dataclasses
import os
from pathlib import Path

import bpy
import numpy as np
import pytest


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


def cameras():
    return sorted((o for o in bpy.context.scene.objects if o.get("maquette_role") == "camera"), key=lambda o: o.name)


def test_cameras_project_as_the_capture_says(maquette, maquette_part, formats, tmp_path):
    capture = write(formats, tmp_path / "Größe 1")
    bpy.ops.maquette.open_capture(directory=str(tmp_path / "Größe 1"))
    assert bpy.context.scene.maquette.capture == str(tmp_path / "Größe 1")
    points = np.array([[0.0, 0, 0], [0.1, 0.05, 0.2], [-0.1, 0.2, -0.1]])
    for view, thing in zip(capture.views, cameras(), strict=True):
        ours = maquette_part("addon.cameras").camera_from_object(thing, bpy.context.scene)
        assert np.abs(ours.project(points)[0] - view.camera.project(points)[0]).max() < 1e-2
        assert bpy.path.abspath(thing.data.background_images[0].image.filepath) == str(view.image)


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


def test_what_is_no_capture_changes_nothing(maquette, tmp_path):
    with pytest.raises(RuntimeError, match=r"transforms\.json"):
        bpy.ops.maquette.open_capture(directory=str(tmp_path))
    assert not cameras()
    assert not bpy.context.scene.maquette.capture
