"""What an artist does in the first minute, with the zip as it is shipped."""

import importlib

import bpy
import numpy as np

MODULE = "bl_ext.user_default.maquette"


def test_installed_zip_is_enabled(installed):
    assert MODULE in bpy.context.preferences.addons
    for needed in ("backend/worker.py", "locks/backend.txt", "assets", "LICENSE", "README.md"):
        assert (installed / needed).exists(), needed


def test_installed_zip_holds_only_what_an_artist_needs(installed):
    there = {entry.name for entry in installed.iterdir()} - {"__pycache__"}
    assert there == {
        "LICENSE",
        "README.md",
        "__init__.py",
        "addon",
        "assets",
        "backend",
        "blender_manifest.toml",
        "locks",
        "operators",
        "panels",
    }
    assert {entry.name for entry in (installed / "locks").iterdir()} == {"backend.txt"}


def test_head_and_groom_go_out_and_come_back(installed, tmp_path):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert bpy.ops.maquette.add_head() == {"FINISHED"}
    head = bpy.context.view_layer.objects.active
    assert bpy.ops.maquette.add_hairstyle(style="straight", strands=300, seed=3) == {"FINISHED"}
    (groom,) = (thing for thing in bpy.data.objects if thing.get("maquette_role") == "groom")
    assert groom.parent == head
    assert len(groom.data.curves) == 300
    written = strands_of(groom)
    for ending in (".hair", ".npz"):
        path = tmp_path / f"written{ending}"
        select(groom)
        assert bpy.ops.maquette.export_strands(filepath=str(path)) == {"FINISHED"}
        assert bpy.ops.maquette.import_strands(filepath=str(path)) == {"FINISHED"}
        read = strands_of(bpy.context.view_layer.objects.active)
        assert np.array_equal(read.counts, written.counts)
        assert np.abs(read.points - written.points).max() < 1e-5, ending
    assert "Traceback" not in "".join(log.read_text() for log in installed.parents[2].rglob("log.txt"))


def strands_of(thing):
    evaluation = importlib.import_module(f"{MODULE}.addon.evaluation")
    return evaluation.evaluated_strands(bpy.context, [thing])


def select(thing):
    bpy.ops.object.select_all(action="DESELECT")
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
