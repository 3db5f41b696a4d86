"""Strokes in the image editor, and what Make Masks, Find Landmarks and Check Capture ask for."""

import json
import os

import bpy
import numpy as np
import pytest

from backend.contract import CheckCapture, FindLandmarks, MakeMasks, encode
from backend.formats.mask_strokes import BUST, HAIR
from tests.blender.test_landmarks import capture_at


@pytest.fixture
def submitted(maquette_part, monkeypatch):
    """Requests that reach the job queue, which is left out, in order."""
    calls = []
    monkeypatch.setattr(
        maquette_part("addon.jobs"), "submit", lambda request, **keywords: calls.append(encode(request))
    )
    return calls


@pytest.fixture
def opened(maquette, tmp_path):
    """A capture that is open, and the names of its views."""
    folder = capture_at(tmp_path / "capture")
    folder = folder.parent if folder.suffix == ".json" else folder
    assert bpy.ops.maquette.open_capture(directory=str(folder)) == {"FINISHED"}
    frames = json.loads((folder / "transforms.json").read_text())["frames"]
    return folder, [frame["file_path"].rpartition("/")[2].rpartition(".")[0] for frame in frames]


def pixels_of(image):
    pixels = np.empty((image.size[1], image.size[0], 4), np.float32)
    image.pixels.foreach_get(pixels.ravel())
    return pixels


def test_strokes_are_what_was_painted_in_three_colours(opened, maquette_part, submitted):
    folder, names = opened
    strokes = maquette_part("addon.strokes")
    assert bpy.ops.maquette.paint_strokes(view=names[0]) == {"FINISHED"}
    image = strokes.canvas_of(folder, names[0])
    pixels = pixels_of(image)
    height = len(pixels)
    # Blender's rows go upwards: these are the photograph's second and third.
    pixels[height - 2, :4, :3] = (1, 0, 0)
    pixels[height - 3, :4, :3] = (0, 1, 0)
    pixels[height - 4, :4, :3] = (0.5, 0.5, 0.5)
    image.pixels.foreach_set(pixels.ravel())
    assert bpy.ops.maquette.make_masks() == {"FINISHED"}
    assert submitted == [encode(MakeMasks(capture=folder))]
    assert strokes.views_with_strokes(folder) == [names[0]]
    # They are there again in a new file.
    bpy.data.images.remove(image)
    again = strokes.canvas_of(folder, names[0])
    kept = strokes.strokes_on(again, strokes._photograph(strokes.view_named(folder, names[0])))
    assert (kept[1, :4] == HAIR).all()
    assert (kept[2, :4] == BUST).all()
    assert np.count_nonzero(kept) == 8
    # What is painted and not asked for yet is kept with the file.
    for path in (folder / "strokes").iterdir():
        path.unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder.parent / "painted.blend"))
    assert strokes.views_with_strokes(folder) == [names[0]]
    assert bpy.ops.maquette.remove_strokes(view=names[0]) == {"FINISHED"}
    assert strokes.views_with_strokes(folder) == []


def test_landmarks_and_checks_are_asked_for(opened, submitted, tmp_path):
    folder, _ = opened
    bpy.ops.maquette.find_landmarks()
    bpy.context.scene.maquette.masks.task = str(tmp_path / "face.task")
    bpy.ops.maquette.find_landmarks()
    bpy.ops.maquette.check_capture()
    assert submitted == [
        encode(FindLandmarks(capture=folder)),
        encode(FindLandmarks(capture=folder, task=tmp_path / "face.task")),
        encode(CheckCapture(capture=folder)),
    ]


def test_what_is_to_be_chosen_first_is_said(opened, submitted):
    settings = bpy.context.scene.maquette.masks
    settings.source = "model"
    with pytest.raises(RuntimeError, match="Choose a segmentation network"):
        bpy.ops.maquette.make_masks()
    with pytest.raises(RuntimeError, match="There is no sheet yet"):
        bpy.ops.maquette.show_sheet(sheet="check")
    assert submitted == []


def test_the_panel_knows_when_a_check_is_out_of_date(opened, maquette_part, monkeypatch):
    folder, _ = opened
    checks = maquette_part("addon.capture_checks")
    assert not checks.check_of(folder)
    (folder / "check.json").write_text(json.dumps({"light": "yellow", "findings": []}))
    assert checks.check_of(folder)["stale"] is False
    later = (folder / "check.json").stat().st_mtime + 5
    os.utime(folder / "transforms.json", (later, later))
    # Asked at every redraw, the files are looked at once a second.
    assert checks.check_of(folder)["stale"] is False
    monkeypatch.setattr(checks, "LOOK_AGAIN", 0.0)
    assert checks.check_of(folder)["stale"] is True
