"""Displacement maps in the scene: as images, from one head to another, and the layouts that they are in."""

# Fixtures are imported, and then named by the tests that use them.
# ruff: noqa: F401, F811

import json
from pathlib import Path

import bpy
import numpy as np

from backend.formats.displacement import write_displacement
from backend.formats.layout import Layout, topology_hash, write_layout
from tests.blender.detail_scene import a_map, asked, error_of, of_role, parts, registered, scan, submitted, values_of


def test_a_maps_values_are_no_colours(registered, parts, tmp_path):
    job, _, image = registered
    wanted = a_map()
    assert image.colorspace_settings.name == "Non-Color" and image.is_float and image.packed_file
    assert image["maquette_job"] == job.id and parts.detail_maps.facts_of(image)["clipped_vertices"] == 3
    assert any("3 vertices" in sentence for sentence in parts.detail_maps.in_words(image))
    assert bpy.ops.maquette.save_displacement(filepath=str(tmp_path / "saved.png")) == {"FINISHED"}
    np.testing.assert_allclose(values_of(tmp_path / "saved.png"), wanted.values, atol=3e-6)
    saved = json.loads((tmp_path / "saved.png.json").read_text())
    assert (saved["model_hash"], saved["layout"], saved["clipped_vertices"]) == (wanted.model_hash, "abc", 3)
    pixels = np.array(image.pixels[:], np.float32).reshape(32, 32, image.channels)
    pixels[31, 5, :3] = 0.5  # the first row of the file, painted to no displacement
    image.pixels.foreach_set(pixels.ravel())
    bpy.ops.maquette.save_displacement(filepath=str(tmp_path / "painted.png"))
    painted = values_of(tmp_path / "painted.png")
    np.testing.assert_allclose(painted[0, 5], 0, atol=3e-6)
    np.testing.assert_allclose(painted[1:], wanted.values[1:], atol=3e-6)
    bpy.ops.maquette.open_displacement(filepath=str(tmp_path / "painted.png"))
    assert bpy.context.scene.maquette.detail.map.name == "painted"
    (tmp_path / "painted.png.json").unlink()
    assert "painted.png.json" in error_of(bpy.ops.maquette.open_displacement, filepath=str(tmp_path / "painted.png"))


def test_another_models_map_is_told(registered, parts, submitted, tmp_path):
    write_displacement(tmp_path / "other.png", a_map(model="another", model_hash="0"))
    bpy.ops.maquette.open_displacement(filepath=str(tmp_path / "other.png"))
    for name in ("apply_detail", "animate_detail", "repair_seam"):
        operator = getattr(bpy.ops.maquette, name)
        assert "made for the model another" in error_of(operator)
    detail = bpy.context.scene.maquette.detail
    detail.hair_map = detail.face_map = detail.map
    assert "of the same map" in error_of(bpy.ops.maquette.transfer_detail)
    detail.hair_map = registered[2]
    assert "made for the model another" in error_of(bpy.ops.maquette.transfer_detail)
    assert not submitted


def test_a_painted_maps_seam_is_repaired_in_its_own_size(registered, parts, submitted, tmp_path):
    _, _, image = registered
    assert bpy.ops.maquette.repair_seam() == {"FINISHED"}
    ((request, keywords),) = submitted
    assert (request.repair, request.size, request.frame, request.format) == (True, 32, "object", "png")
    np.testing.assert_allclose(values_of(request.source), a_map().values, atol=3e-6)
    assert request.source.name == "Anna Detail Map.png"
    write_displacement(tmp_path / "displacement.png", a_map())
    request = {"layout": request.layout}
    job = asked(id=keywords["job_id"], folder=tmp_path, request=request, context=keywords["context_ids"])
    parts.detail_results.bring_in_map(job, {"map": "displacement.png"})
    chosen = bpy.context.scene.maquette.detail.map
    assert chosen != image and chosen.name == "Anna Repaired Map"


def test_transfer_sends_both_maps_and_the_head(registered, parts, submitted, tmp_path):
    write_displacement(tmp_path / "Ben Map.png", a_map(64))
    bpy.ops.maquette.open_displacement(filepath=str(tmp_path / "Ben Map.png"))
    detail = bpy.context.scene.maquette.detail
    detail.hair_map, detail.face_map = detail.map, registered[2]
    bpy.ops.maquette.transfer_detail()
    ((request, keywords),) = submitted
    assert len(values_of(request.hair)) == 64
    assert len(values_of(request.face)) == 32
    assert keywords["title"] == "Anna with Ben's Hair"
    registration = registered[0]
    result = {"mesh": "mesh.npz", "map": "displacement.png"}
    request = {"model": request.model, "coefficients": str(request.coefficients)}
    job = asked(id=keywords["job_id"], folder=registration.folder, request=request, context=keywords["context_ids"])
    parts.detail_results.bring_in_transferred(job, result)
    assert bpy.context.object.name == "A Title" and detail.map.name == "A Title Map"


def test_a_marked_seam_is_sent_and_its_layout_kept(registered, parts, submitted, tmp_path):
    registration, _, _ = registered
    (head,) = of_role("head")
    assert "No edge" in error_of(bpy.ops.maquette.make_layout)
    marked = head.data.edges[5]
    marked.use_seam = True
    bpy.ops.maquette.make_layout()
    request, keywords = submitted[0]
    np.testing.assert_array_equal(np.load(request.seam), [list(marked.vertices)])
    faces = registration.model.faces
    uv = np.random.default_rng(1).uniform(size=(len(faces), 3, 2)).astype(np.float32)
    layout = Layout(uv, np.zeros(len(faces), np.int32), ("scalp",), faces[:2, :2], topology_hash(faces))
    write_layout(tmp_path / "layout.npz", layout)
    request = {"seam": str(request.seam)}
    job = asked(id=keywords["job_id"], folder=tmp_path, request=request, context=keywords["context_ids"])
    head.name = "Renamed"
    parts.detail_results.bring_in_layout(job, {"layout": "layout.npz"})
    seam = {tuple(sorted(edge.vertices)) for edge in head.data.edges if edge.use_seam}
    assert seam == {tuple(sorted(pair)) for pair in faces[:2, :2].tolist()}
    kept = np.empty_like(uv)
    head.data.uv_layers["Detail Layout"].uv.foreach_get("vector", kept.ravel())
    np.testing.assert_array_equal(kept, uv)
    bpy.ops.maquette.bake_detail()
    request, keywords = submitted[1]
    assert (tmp_path / "layout.npz").read_bytes() == Path(request.layout).read_bytes()
    write_displacement(tmp_path / "displacement.png", a_map())
    job = asked(id="b", folder=tmp_path, request={"layout": request.layout}, context=keywords["context_ids"])
    parts.detail_results.bring_in_map(job, {"map": "displacement.png"})
    bpy.ops.maquette.apply_detail()
    assert submitted[2][0].layout.read_bytes() == (tmp_path / "layout.npz").read_bytes()
    bpy.ops.maquette.save_displacement(filepath=str(tmp_path / "kept.png"))
    bpy.ops.maquette.open_displacement(filepath=str(tmp_path / "kept.png"))
    assert parts.detail_layouts.has_layout(bpy.context.scene.maquette.detail.map)


def test_the_built_in_heads_seam_is_shown(maquette):
    bpy.ops.maquette.add_built_in_flame_head()
    assert bpy.ops.maquette.show_seam() == {"FINISHED"}
    mesh = bpy.context.object.data
    assert 50 < sum(edge.use_seam for edge in mesh.edges) < 2000 and "Detail Layout" in mesh.uv_layers


def test_the_seam_of_another_model_is_asked_for(registered, parts, submitted, tmp_path):
    registration, (head,) = registered[0], of_role("head")
    assert bpy.ops.maquette.show_seam() == {"FINISHED"}
    ((request, keywords),) = submitted
    assert request.seam is None and request.model == registration.request["model"]
    faces = registration.model.faces
    uv = np.zeros((len(faces), 3, 2), np.float32)
    layout = Layout(uv, np.zeros(len(faces), np.int32), ("scalp",), faces[:1, :2], topology_hash(faces))
    write_layout(tmp_path / "layout.npz", layout)
    job = asked(id=keywords["job_id"], folder=tmp_path, request={"seam": None}, context=keywords["context_ids"])
    parts.detail_results.bring_in_layout(job, {"layout": "layout.npz"})
    assert sum(edge.use_seam for edge in head.data.edges) == 1 and not parts.detail_layouts.has_layout(head)
    assert bpy.context.scene.maquette.detail.layout == "custom"
