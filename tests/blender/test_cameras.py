"""Blender's cameras project as ours do, to a thousandth of a pixel."""

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector


def cameras(maquette_part):
    Camera = maquette_part("backend.formats.capture").Camera
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    pose = np.eye(4)
    pose[:3, :3] = turn * np.sign(np.linalg.det(turn))
    pose[:3, 3] = (0.3, -1.1, 1.7)
    return {
        "square": Camera(512, 512, 900.0, 900.0, 256.0, 256.0, pose),
        "wide": Camera(640, 360, 700.0, 700.0, 320.0, 180.0, pose),
        "tall": Camera(360, 640, 700.0, 700.0, 180.0, 320.0, pose),
        "shifted": Camera(640, 480, 800.0, 800.0, 290.25, 263.5, pose),
        "tall and shifted": Camera(300, 700, 650.0, 650.0, 170.0, 301.0, pose),
        "pixels higher than wide": Camera(640, 480, 800.0, 760.0, 301.0, 250.0, pose),
        "pixels wider than high": Camera(480, 640, 600.0, 690.0, 251.0, 333.0, pose),
    }


KINDS = ["square", "wide", "tall", "shifted", "tall and shifted", "pixels higher than wide", "pixels wider than high"]


@pytest.mark.parametrize("kind", KINDS)
def test_blender_projects_as_ours(maquette_part, kind):
    ours = cameras(maquette_part)[kind]
    part = maquette_part("addon.cameras")
    scene = bpy.context.scene
    thing = part.add_camera(kind, ours, scene.collection)
    part.set_resolution(scene, ours)
    bpy.context.view_layer.update()
    local = np.random.default_rng(0).uniform((-0.3, -0.3, -3.0), (0.3, 0.3, -1.0), (50, 3))
    points = local @ ours.camera_to_world[:3, :3].T + ours.camera_to_world[:3, 3]
    expected, depth = ours.project(points)
    seen = np.array([world_to_camera_view(scene, thing, Vector(point)) for point in points])
    # Blender's points are 32 bit, and its view counts from the lower left corner.
    pixels = np.stack([seen[:, 0] * ours.width, (1 - seen[:, 1]) * ours.height], axis=1)
    assert np.abs(pixels - expected).max() < 1e-3
    assert np.abs(seen[:, 2] - depth).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(maquette_part, kind):
    ours = cameras(maquette_part)[kind]
    part = maquette_part("addon.cameras")
    scene = bpy.context.scene
    thing = part.add_camera(kind, ours, scene.collection)
    part.set_resolution(scene, ours)
    bpy.context.view_layer.update()
    for back in (part.camera_from_object(thing, scene), part.camera_of_capture(thing)):
        assert (back.width, back.height) == (ours.width, ours.height)
        got = [back.fx, back.fy, back.cx, back.cy]
        assert np.allclose(got, [ours.fx, ours.fy, ours.cx, ours.cy], atol=1e-3)
        assert np.allclose(back.camera_to_world, ours.camera_to_world, atol=1e-6)


def test_an_artists_camera(maquette_part):
    part = maquette_part("addon.cameras")
    scene = bpy.context.scene
    thing = bpy.data.objects.new("mine", bpy.data.cameras.new("mine"))
    scene.collection.objects.link(thing)
    assert part.camera_of_capture(thing) is None
    thing.data.type = "ORTHO"
    with pytest.raises(maquette_part("backend.errors").CaptureError, match="mine is no perspective camera"):
        part.camera_from_object(thing, scene)
