"""Reconstruct Head and Bake Photographs: what they ask for, the preview that sharpens, the textured mesh that comes."""

import json
import os

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

from backend.formats.capture import read_capture
from backend.formats.head import Head, read_head, write_head
from tests.blender.flame_scene import evaluated
from tests.blender.test_fit import Fit, overlay_at

needs_backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
)
SIZE = 48


class Job:
    """As the job queue hands one to a handler."""

    def __init__(self, folder, context=None):
        self.id, self.folder, self.title, self.context = folder.name, folder, "Surface of Anna", context or {}
        self.request, self.warnings = {"capture": str(folder)}, []


@pytest.fixture
def results(maquette_part):
    return maquette_part("addon.head_results")


@pytest.fixture
def submitted(maquette_part, monkeypatch, tmp_path):
    """Requests that reach the job queue, which is left out: (request, keywords) in order."""
    jobs, calls = maquette_part("addon.jobs"), []

    def prepare(kind):
        folder = tmp_path / f"job{len(calls)}"
        folder.mkdir(exist_ok=True)
        return folder.name, folder

    monkeypatch.setattr(jobs, "prepare", prepare)
    monkeypatch.setattr(jobs, "submit", lambda request, **keywords: calls.append((request, keywords)))
    return calls


def picture(path, colour, size=SIZE):
    image = bpy.data.images.new(path.stem, size, size)
    image.pixels.foreach_set(np.tile(np.array([*colour, 1.0], np.float32), size * size))
    image.filepath_raw, image.file_format = str(path), "PNG"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save()
    bpy.data.images.remove(image)


def capture_at(folder, unit=1.0, colour=(0.2, 0.5, 0.8)):
    """Four cameras around the origin, at the height of its axes, in pictures of one colour (sRGB)."""
    frames = []
    for k, azimuth in enumerate(np.radians([0, 90, 180, 270])):
        picture(folder / "images" / f"{k}.png", colour)
        back = np.array([np.sin(azimuth), -np.cos(azimuth), 0])
        right = np.array([np.cos(azimuth), np.sin(azimuth), 0])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = np.stack([right, np.cross(back, right), back], axis=1), 0.6 * back
        frames.append({"file_path": f"images/{k}.png", "transform_matrix": pose.tolist()})
    camera = {"fl_x": 100.0, "fl_y": 100.0, "cx": SIZE / 2, "cy": SIZE / 2, "w": SIZE, "h": SIZE}
    scale = {} if unit is None else {"metres_per_unit": unit}
    (folder / "transforms.json").write_text(json.dumps(camera | scale | {"frames": frames}))
    return folder


def ball(name="Ball"):
    """A ball of 10 cm with UVs, active."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=16, radius=0.1)
    thing = bpy.context.active_object
    thing.name = name
    return thing


def labelled_head(folder, uv=True):
    corners = np.array([[0, 0, 0], [0.2, 0, 0], [0, 0, 0.2], [0, 0.2, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    flat = np.random.default_rng(0).random((4, 3, 2))
    regions = {"hair": np.array([2]), "face": np.array([0, 1]), "eyes": np.array([3])}
    write_head(folder / "head.npz", Head(corners, faces, flat if uv else None, regions, name="anna"))


def role(name):
    return [thing for thing in bpy.context.scene.objects if thing.get("maquette_role") == name]


def test_it_needs_a_capture(maquette, submitted, tmp_path):
    assert not bpy.ops.maquette.reconstruct_head.poll()
    bpy.context.scene.maquette.capture = str(tmp_path)
    assert not bpy.ops.maquette.reconstruct_head.poll()
    assert not submitted


def test_settings_and_the_fitted_head_go_along(maquette, submitted, tmp_path):
    ours = bpy.context.scene.maquette
    ours.capture = str(capture_at(tmp_path / "Anna é"))
    settings = ours.head_surface
    settings.preset, settings.views, settings.semantics, settings.faces = "draft", 3, False, 5000
    assert bpy.ops.maquette.reconstruct_head() == {"FINISHED"}
    request, keywords = submitted[0]
    assert (request.kind, request.preset, request.views, request.semantics) == ("reconstruct-head", "draft", 3, False)
    assert (request.faces, request.proxy, request.metres_per_unit) == (5000, None, 0.0)
    assert request.capture == tmp_path / "Anna é" and "Anna é" in keywords["title"]
    settings.prior_order, settings.weights, settings.uv, settings.texture = "S-O-P", "mask=2", False, 0
    bpy.ops.maquette.reconstruct_head()
    request, _ = submitted.pop()
    assert (request.prior_order, request.weights, request.uv, request.texture) == ("S-O-P", "mask=2", False, 0)

    settings.guide = guide = ball()
    guide.location.x = 0.3
    guide.vertex_groups.new(name="face").add([0, 1, 2], 1.0, "REPLACE")
    bpy.context.view_layer.update()
    assert bpy.ops.maquette.reconstruct_head() == {"FINISHED"}
    head = read_head(submitted[1][0].proxy)
    assert head.vertices.mean(axis=0) == pytest.approx([0.3, 0, 0], abs=1e-4)
    assert head.regions["face"].tolist() == [0, 1, 2] and head.uv is not None
    settings.face_prior = False
    bpy.ops.maquette.reconstruct_head()
    assert submitted[2][0].proxy is None


def test_a_capture_that_a_head_gave_its_scale_keeps_it(maquette, maquette_part, submitted, tmp_path):
    folder = capture_at(tmp_path / "c", unit=None)
    bpy.context.scene.maquette.capture = str(folder)
    maquette_part("addon.captures").set_fitted_scale(bpy.context.scene, folder, 0.25)
    bpy.ops.maquette.reconstruct_head()
    assert (submitted[0][0].metres_per_unit, submitted[0][0].scale_source) == (0.25, "head fit")


def test_a_scale_that_was_assumed_gives_way_to_a_fitted_head(maquette, maquette_part, submitted, tmp_path):
    folder = capture_at(tmp_path / "c", unit=None)
    ours = bpy.context.scene.maquette
    ours.capture = str(folder)
    maquette_part("addon.captures").set_fitted_scale(bpy.context.scene, folder, 0.25, "assumed")
    bpy.ops.maquette.reconstruct_head()
    assert submitted[0][0].metres_per_unit == 0  # the job may find something better
    ours.head_surface.guide = ball()  # but a mesh of the scene stands among its cameras
    bpy.ops.maquette.reconstruct_head()
    bpy.ops.maquette.bake_photographs()
    for request, _ in submitted[1:]:
        assert (request.metres_per_unit, request.scale_source) == (0.25, "assumed")


def test_a_mesh_among_cameras_of_unknown_unit_is_baked_as_they_stand(maquette, submitted, tmp_path):
    bpy.context.scene.maquette.capture = str(capture_at(tmp_path / "c", unit=None))
    ball()
    bpy.ops.maquette.bake_photographs()
    assert (submitted[0][0].metres_per_unit, submitted[0][0].scale_source) == (1.0, "assumed")


def test_the_head_model_of_the_fit_is_the_panels(maquette, submitted, tmp_path):
    folder, ours = capture_at(tmp_path / "c"), bpy.context.scene.maquette
    ours.capture, ours.fit.model = str(folder), "FILE"
    assert bpy.ops.maquette.reconstruct_head() == {"FINISHED"}  # nothing is fitted without landmarks
    (folder / "landmarks.json").write_text("{}")
    with pytest.raises(RuntimeError, match="Choose the FLAME model file"):
        bpy.ops.maquette.reconstruct_head()
    ours.fit.model_file = str(folder / "transforms.json")
    assert bpy.ops.maquette.reconstruct_head() == {"FINISHED"}
    ours.head_surface.preset = "draft"
    assert bpy.ops.maquette.reconstruct_head() == {"FINISHED"}
    assert [request.model for request, _ in submitted] == ["built-in", str(folder / "transforms.json"), "built-in"]


def test_cameras_see_the_head_of_a_capture_of_unknown_unit(maquette, maquette_part, results, tmp_path):
    folder, unit = capture_at(tmp_path / "c", unit=None), 0.25
    bpy.ops.maquette.open_capture(directory=str(folder))
    job = Job(tmp_path / "job")
    job.folder.mkdir()
    job.request = {"capture": str(folder)}
    labelled_head(job.folder)
    (job.folder / "scale.json").write_text(json.dumps({"metres_per_unit": unit, "scale_source": "assumed"}))
    scene = bpy.context.scene

    def agree(thing):
        bpy.context.view_layer.update()
        for view in read_capture(folder).in_metres(unit, "assumed").views:
            corners = [thing.matrix_world @ vertex.co for vertex in thing.data.vertices]
            expected, _ = view.camera.project(np.array(corners))
            camera = scene.objects[view.name]
            seen = [world_to_camera_view(scene, camera, Vector(corner))[:2] for corner in corners]
            np.testing.assert_allclose(np.array(seen) * [SIZE, -SIZE] + [0, SIZE], expected, atol=0.01)

    np.savez(tmp_path / "preview.npz", vertices=np.eye(3, dtype=np.float32) / 20, faces=np.array([[0, 1, 2]], np.int32))
    results.show_preview(job, {"name": "scale", "path": job.folder / "scale.json"})
    results.show_preview(job, {"name": "mesh", "path": tmp_path / "preview.npz"})
    agree(role(results.PREVIEW)[0])
    results.bring_in(job, {"head": "head.npz", "scale": "scale.json"})
    agree(bpy.context.active_object)
    assert maquette_part("addon.captures").fitted_scale(scene, folder) == pytest.approx(unit)


def test_cameras_that_moved_move_the_scenes(maquette, results, tmp_path):
    folder = capture_at(tmp_path / "c")
    bpy.ops.maquette.open_capture(directory=str(folder))
    job = Job(tmp_path)
    job.request = {"capture": str(folder)}
    labelled_head(tmp_path)
    before = bpy.context.scene.objects["2"].matrix_world.copy()
    pose = Matrix.Translation((0.01, -0.6, 0.02)) @ Matrix.Rotation(1.5, 4, "X")
    (tmp_path / "cameras.json").write_text(json.dumps({"0": np.array(pose).tolist()}))
    results.bring_in(job, {"head": "head.npz", "cameras": "cameras.json"})
    bpy.context.view_layer.update()
    np.testing.assert_allclose(np.array(bpy.context.scene.objects["0"].matrix_world), np.array(pose), atol=1e-6)
    assert bpy.context.scene.objects["2"].matrix_world == before


def test_a_head_that_the_job_fitted_comes_along_hidden_in_its_photographs(maquette, results, tmp_path):
    job = Job(tmp_path / "job", {"name": "Anna Surface"})
    job.folder.mkdir()
    fit = Fit(job.folder / "head_fit", "fit-photos")
    (fit.folder / "report.json").write_text(json.dumps({"views": {}}))
    overlay_at(fit.folder)
    np.savez(fit.folder / "albedo.npz", vertices=np.full((len(fit.residual), 3), 0.5, np.float32))
    job.request = fit.request | {"kind": "reconstruct-head", "capture": str(tmp_path)}
    labelled_head(job.folder)
    picture(job.folder / "proxy_texture.png", (0.9, 0.5, 0.8))
    answer = {"head": "head.npz", "fit": "head_fit", "fit_metres_per_unit": 0.001, "proxy_texture": "proxy_texture.png"}
    results.bring_in(job, answer)
    surface = bpy.context.active_object
    assert surface.name == "Anna Surface" and surface.visible_get() and surface.select_get()
    (fitted,) = (thing for thing in role("head") if thing != surface)
    rig = fitted.find_armature()
    assert not fitted.visible_get() and not rig.visible_get() and fitted.hide_render and not fitted.select_get()
    (material,) = fitted.data.materials
    (image,) = (node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
    assert image.packed_file is not None and image.size[0] == SIZE
    fitted.hide_set(False)
    rig.hide_set(False)
    np.testing.assert_allclose(evaluated(fitted), fit.lies() * 0.001, atol=2e-5)
    # Its model's file is gone: the head comes all the same, and the picture is not lost.
    (fit.folder / "model.npz").unlink()
    bpy.data.images.remove(image)
    results.bring_in(job, answer)
    assert len(role("head")) == 3 and "model.npz" in job.warnings[0]
    assert any(image.use_fake_user and image.packed_file for image in bpy.data.images)


def test_the_panel_knows_holes_and_what_photographs_show(maquette, results, tmp_path):
    labelled_head(tmp_path)
    told = {"holes": 2, "watertight": False, "seen_share": 0.7, "preset": "draft", "views": 6}
    results.bring_in(Job(tmp_path), {"head": "head.npz"} | told)
    assert results.report_of(bpy.context.active_object) == told


def test_the_result_is_a_labelled_textured_head(maquette, results, tmp_path):
    job = Job(tmp_path, {"name": "Anna Surface"})
    labelled_head(tmp_path)
    picture(tmp_path / "texture.png", (0.2, 0.5, 0.8))
    picture(tmp_path / "proxy_texture.png", (0.9, 0.5, 0.8))
    guide = ball("Guide")
    guide[results.GUIDE_OF] = job.id
    guide.name = "Renamed"
    answer = {"head": "head.npz", "texture": "texture.png", "proxy_texture": "proxy_texture.png", "watertight": True}
    results.bring_in(job, answer | {"seconds": 61.0, "triangles": 4, "priors": {"proxy": "FLAME"}})
    thing = bpy.context.active_object
    assert thing.name == "Anna Surface" and len(thing.data.polygons) == 4
    assert {group.name for group in thing.vertex_groups} == {"hair", "face", "eyes"}
    labels = np.empty(4, np.int32)
    thing.data.attributes["label"].data.foreach_get("value", labels)
    assert [list(thing.vertex_groups)[label].name for label in labels] == ["face", "face", "hair", "eyes"]
    (material,) = thing.data.materials
    images = [node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
    assert images[0].packed_file is not None and images[0].size[0] == SIZE
    assert {polygon.material_index for polygon in thing.data.polygons} == {0}
    assert results.report_of(thing)["seconds"] == 61.0
    (dressed,) = bpy.data.objects["Renamed"].data.materials
    assert dressed != material and any(node.type == "TEX_IMAGE" for node in dressed.node_tree.nodes)


def test_a_result_without_a_texture_is_skin(maquette, results, tmp_path):
    labelled_head(tmp_path, uv=False)
    results.bring_in(Job(tmp_path), {"head": "head.npz"})
    (material,) = bpy.context.active_object.data.materials
    assert not any(node.type == "TEX_IMAGE" for node in material.node_tree.nodes)


def test_the_preview_sharpens_and_its_deletion_is_respected(maquette, results, tmp_path):
    job = Job(tmp_path)

    def show(count):
        vertices = np.random.default_rng(0).random((count, 3)).astype(np.float32)
        faces = np.stack([np.arange(count - 2), np.arange(1, count - 1), np.arange(2, count)], axis=1)
        np.savez(tmp_path / "preview.npz", vertices=vertices, faces=faces.astype(np.int32))
        results.show_preview(job, {"name": "mesh", "path": tmp_path / "preview.npz"})

    show(20)
    (shown,) = role(results.PREVIEW)
    assert shown.hide_render and len(shown.data.vertices) == 20
    show(50)
    assert role(results.PREVIEW) == [shown] and len(shown.data.vertices) == 50 and len(bpy.data.meshes) == 1
    results.end_preview(job)
    assert not role(results.PREVIEW) and not bpy.data.meshes
    # Resumed, it is seen again; deleted by the artist, it stays away; renamed, it is theirs.
    show(20)
    role(results.PREVIEW)[0].name = "Half done"
    results.end_preview(job)
    assert "Half done" in bpy.context.scene.objects and not role(results.PREVIEW)
    show(20)
    bpy.data.objects.remove(role(results.PREVIEW)[0])
    show(20)
    assert not role(results.PREVIEW)
    labelled_head(tmp_path)
    results.bring_in(job, {"head": "head.npz"})
    assert role("head")


def test_baking_photographs_takes_a_mesh_with_uvs(maquette, submitted, tmp_path):
    bpy.context.scene.maquette.capture = str(capture_at(tmp_path / "c"))
    thing = ball()
    bpy.context.scene.maquette.head_surface.size = 256
    bpy.context.scene.maquette.head_surface.baked_views = 2
    assert bpy.ops.maquette.bake_photographs() == {"FINISHED"}
    request, _ = submitted[0]
    assert (request.kind, request.size, request.level, request.views) == ("bake-texture", 256, True, 2)
    assert read_head(request.mesh).uv is not None
    while thing.data.uv_layers:
        thing.data.uv_layers.remove(thing.data.uv_layers[0])
    assert not bpy.ops.maquette.bake_photographs.poll()


@needs_backend
def test_photographs_come_onto_the_mesh(maquette_part, tmp_path):
    maquette_part("addon.job_places").preferences().job_place = str(tmp_path / "jobs")
    maquette_part("addon.jobs").queue()
    try:
        bpy.context.scene.maquette.capture = str(capture_at(tmp_path / "c"))
        thing = ball()
        bpy.context.scene.maquette.head_surface.size = 128
        assert bpy.ops.maquette.bake_photographs() == {"FINISHED"}
    finally:
        maquette_part("addon.job_places").preferences().job_place = ""
    (material,) = thing.data.materials
    (image,) = (node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
    pixels = np.empty(128 * 128 * 4, np.float32)
    image.pixels.foreach_get(pixels)
    assert np.abs(pixels.reshape(-1, 4)[:, :3] - [0.2, 0.5, 0.8]).max() < 0.02
