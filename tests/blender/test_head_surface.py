"""Reconstruct Head and Bake Photographs: what they ask for, the preview that sharpens, the textured mesh that comes."""

import json
import os

import bpy
import numpy as np
import pytest

from backend.formats.head import Head, read_head, write_head

needs_backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
)
SIZE = 48


class Job:
    """As the job queue hands one to a handler."""

    def __init__(self, folder, context=None):
        self.id, self.folder, self.title, self.context = folder.name, folder, "Surface of Anna", context or {}
        self.request = {"capture": str(folder)}


@pytest.fixture
def results(maquette_part):
    return maquette_part("addon.head_results")


@pytest.fixture
def submitted(maquette_part, monkeypatch, tmp_path):
    """Requests that reach the job queue, which is left out: (request, keywords) in order."""
    jobs, calls = maquette_part("addon.jobs"), []

    def prepare(kind):
        folder = tmp_path / f"job{len(calls)}"
        folder.mkdir()
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
    assert bpy.ops.maquette.bake_photographs() == {"FINISHED"}
    request, _ = submitted[0]
    assert (request.kind, request.size, request.level) == ("bake-texture", 256, True)
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
