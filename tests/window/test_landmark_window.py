"""Landmarks clicked by the mouse: on a scan, and in a photograph through its camera."""

import json
import shutil

import pytest

from tests.window.conftest import CHECKOUT, HEIGHT

SCAN = """
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Euler, Vector
face = part("addon.landmarks").mean_face()
heads = part("backend.formats.head")
head = heads.read_head(heads.BUILT_IN_HEAD)
mesh = bpy.data.meshes.new("Anna")
mesh.from_pydata((head.vertices * 100).tolist(), [], head.faces.tolist())
anna = bpy.data.objects.new("Anna", mesh)
bpy.context.scene.collection.objects.link(anna)
bpy.context.view_layer.objects.active = anna
anna.select_set(True)
view_3d()[1].region_3d.view_rotation = Euler((1.45, 0, 0.2)).to_quaternion()
frame_selected()
"""
PLACES = f"""
HEIGHT = {HEIGHT}
def on_screen(place):
    area, _ = view_3d()
    region = next(r for r in area.regions if r.type == "WINDOW")
    x, y = place(region, region.data)
    return [int(region.x + x), int(HEIGHT - 1 - region.y - y)]
def mark_at(name):
    point = Vector(face.points[face.names.index(name)] * 100)
    return on_screen(lambda region, view: location_3d_to_region_2d(region, view, point))
def pixel_at(x, y):
    views, seen = part("addon.view_landmarks"), part("backend.formats.capture_landmarks").Seen(x, y)
    return on_screen(lambda region, view: views.place_of(bpy.context.scene.camera, region, view, seen))
"""
THERE = "{n: list(p) for n, p in part('addon.landmarks').places_on(bpy.data.objects['Anna']).items()}"
ASKING = "[o.bl_idname for o in bpy.context.window_manager.windows[0].modal_operators]"


@pytest.fixture
def places(window):
    window.do(PLACES)
    return window


def test_a_scans_landmarks_are_clicked_taken_back_and_skipped(places):
    window = places
    window.do(SCAN)
    window.click("maquette.place_landmarks")
    for name in ("right eye 1", "right eye 4"):
        window._click_at(*window.ask(f"mark_at({name!r})"))
        window.wait_until(f"{name!r} in {THERE}")
    face = window.ask("dict(zip(face.names, (face.points * 100).tolist()))")
    for name, place in window.ask(THERE).items():
        assert max(abs(a - b) for a, b in zip(place, face[name], strict=True)) < 0.3  # of a head 25 units high
    window.press("BackSpace")
    window.wait_until(f"list({THERE}) == ['right eye 1']")
    window.press("s")  # the right eye's inner corner is not placed
    window._click_at(*window.ask("mark_at('left eye 1')"))
    window.wait_until(f"sorted({THERE}) == ['left eye 1', 'right eye 1']")
    window.picture("landmarks")
    window.press("Escape")
    window.wait_until(f"not {ASKING}")
    assert len(window.ask(THERE)) == 2
    window.press("ctrl+z")  # each has an undo step of its own
    window.wait_until(f"list({THERE}) == ['right eye 1']")


def test_a_photographs_landmarks_are_clicked_through_its_camera(places, tmp_path):
    window, folder = places, tmp_path / "capture"
    shutil.copytree(CHECKOUT / "assets" / "sample_capture", folder)
    window.do(f"bpy.ops.maquette.open_capture(directory={str(folder)!r})")
    window.do("begin(bpy.ops.maquette.click_landmarks)")
    asked = {"right eye 1": (106.5, 110.5), "right eye 4": (129.0, 112.0)}
    for pixel in asked.values():
        window._click_at(*window.ask(f"pixel_at{pixel}"))
    window.wait_until("len(part('addon.view_landmarks').seen_in(bpy.context.scene.camera)) == 2")
    window.picture("photograph")
    (seen,) = json.loads((folder / "landmarks.json").read_text())["views"].values()
    for name, pixel in asked.items():
        assert max(abs(a - b) for a, b in zip(seen[name], pixel, strict=False)) < 1  # a pixel of the screen and less
    window.press("ctrl+z")
    window.wait_until("len(part('addon.view_landmarks').seen_in(bpy.context.scene.camera)) == 1")
    window.press("Return")
    window.wait_until(f"not {ASKING}")
    assert window.ask("view_3d()[1].overlay.show_floor")
