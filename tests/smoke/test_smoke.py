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


def test_ground_truth_is_rendered(installed, tmp_path):
    """By the Cycles of this Blender, whose passes and files have other names and forms from version to version."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.maquette.add_head()
    head = bpy.context.view_layer.objects.active
    crown = max((head.matrix_world @ vertex.co for vertex in head.data.vertices), key=lambda place: place.z)
    points = np.random.default_rng(0).normal(size=(400, 1, 3)) * (0.03, 0.03, 0.002) + np.array(crown)
    points = points + np.linspace(0, 1, 6)[None, :, None] * np.array([0.0, 0.02, 0.08])
    formats = importlib.import_module(f"{MODULE}.backend.formats.strands")
    formats.write_npz(tmp_path / "tuft.npz", formats.Strands.from_array(points.astype(np.float32)))
    bpy.ops.maquette.import_strands(filepath=str(tmp_path / "tuft.npz"))
    ours = bpy.context.scene.maquette.ground_truth
    ours.hair, ours.head, ours.out = bpy.context.view_layer.objects.active, head, str(tmp_path / "capture")
    ours.views, ours.size, ours.samples, ours.denoise, ours.surface = 1, 48, 2, False, False
    assert bpy.ops.maquette.render_ground_truth() == {"FINISHED"}
    (view,) = importlib.import_module(f"{MODULE}.backend.formats.capture").read_capture(tmp_path / "capture").views
    hair, bust, picture = (grey(path) for path in (view.masks["hair"], view.masks["bust"], view.image))
    depth = np.load(tmp_path / "capture" / "depth" / f"{view.name}.npy")
    assert 0.02 < hair.mean() < 0.5 and 0.05 < bust.mean() < 0.8
    assert hair[:24].mean() > 2 * hair[24:].mean(), "the tuft is on top"
    assert ((depth > 0) == (hair + bust > 0)).mean() > 0.95
    assert picture[hair + bust == 0].std() < 0.01 < picture[bust == 1].std()


def grey(path):
    """(H, W) float32 from 0 to 1, first row at the top."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3].mean(axis=2)


def strands_of(thing):
    evaluation = importlib.import_module(f"{MODULE}.addon.evaluation")
    return evaluation.evaluated_strands(bpy.context, [thing])


def select(thing):
    bpy.ops.object.select_all(action="DESELECT")
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
