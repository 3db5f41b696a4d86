"""Detail in the scene: what Register, Bake, Apply and Animate ask for, and what comes back."""

# Fixtures are imported, and then named by the tests that use them.
# ruff: noqa: F401, F811

import os

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from backend.formats.coefficients import read_coefficients
from backend.formats.dense_mesh import DenseMesh, read_dense_mesh, write_dense_mesh
from backend.formats.displacement import DisplacementMap, write_displacement
from backend.formats.head import BUILT_IN_HEAD
from backend.formats.point_cache import PointCacheWriter
from tests.blender.detail_scene import (
    Registration,
    a_map,
    asked,
    error_of,
    of_role,
    parts,
    registered,
    scan,
    submitted,
    values_of,
)
from tests.blender.flame_scene import evaluated, expected


def test_what_lacks_is_said_before_anything_is_asked(maquette, maquette_part, submitted):
    first = {
        "register_scan": "Import a scan",
        "bake_detail": "Register a scan",
        "apply_detail": "Bake a map",
        "transfer_detail": "Choose a map for the hair",
        "animate_detail": "Bake a map",
        "make_layout": "Add a FLAME head",
    }
    for name, words in first.items():
        assert words in error_of(getattr(bpy.ops.maquette, name))
    assert not submitted


def test_register_sends_the_scan_and_its_landmarks(maquette, maquette_part, scan, submitted):
    ours = bpy.context.scene.maquette
    ours.fit.unit, ours.detail.preset, ours.detail.partial, ours.detail.size = "mm", "draft", True, "512"
    assert bpy.ops.maquette.register_scan() == {"FINISHED"}
    ((request, keywords),) = submitted
    assert (request.kind, request.preset, request.partial, request.size) == ("register-scan", "draft", True, 512)
    assert (request.model, request.unit) == ("built-in", "mm")
    sent = maquette_part("backend.formats.mesh_ply").read_ply_vertices(request.scan)
    np.testing.assert_allclose(np.stack([sent[axis] for axis in "xyz"], axis=1), evaluated(scan), atol=1e-3)
    assert keywords["context_ids"]["scan"] == "Anna" and request.landmarks.is_file()
    for child in list(scan.children)[:2]:
        bpy.data.objects.remove(child)
    assert "more landmarks" in error_of(bpy.ops.maquette.register_scan)
    ours.fit.model = "FILE"
    assert "model file" in error_of(bpy.ops.maquette.register_scan)


def test_the_detail_lies_on_its_scan_even_renamed_and_moved(maquette, maquette_part, parts, scan, tmp_path):
    job = Registration(tmp_path / "job")
    job.context = maquette_part("addon.fitting").remember_scan(scan, job.id)
    move = Matrix.Translation((0, 100, 0)) @ Matrix.Rotation(0.5, 4, "Z")
    scan.name, scan.matrix_world = "Renamed", move @ scan.matrix_world
    bpy.context.view_layer.update()
    parts.detail_results.bring_in_registration(job, job.result)
    (detail,), (head,) = of_role("detail"), of_role("head")
    assert detail.name == "Renamed Detail" and detail["maquette_job"] == head["maquette_job"] == job.id
    turn, shift = np.array(move.to_3x3()), np.array(move.translation)
    np.testing.assert_allclose(evaluated(detail), job.place.apply(job.vertices) @ turn.T + shift, atol=0.02)
    head.hide_set(False)
    plain = expected(job.model, job.identity, job.expression, job.pose)
    np.testing.assert_allclose(evaluated(head), job.place.apply(plain) @ turn.T + shift, atol=0.02)
    uv = np.empty((len(job.dense.faces), 3, 2), np.float32)
    detail.data.uv_layers["Detail"].uv.foreach_get("vector", uv.ravel())
    np.testing.assert_array_equal(uv, job.dense.uv)
    assert {group.name for group in detail.vertex_groups} == {"face", "eyes"}
    assert [slot.material for slot in detail.material_slots] == [slot.material for slot in head.material_slots]
    assert bpy.context.object == detail and scan.hide_get()
    report = maquette_part("addon.residual").report_of(detail)
    assert report["rows"]["All"] == [0.31, 0.2, 1.1] and "0.040 %" in report["sentences"][0]


def test_a_sculpted_head_is_baked_whatever_became_of_its_transforms(registered, submitted):
    job, detail, _ = registered
    settings = bpy.context.scene.maquette.detail
    settings.size, settings.frame, settings.format = "256", "tangent", "exr"
    wanted = job.dense.vertices.copy()
    wanted[:9] += 0.004
    detail.data.vertices.foreach_set("co", wanted.ravel())
    detail.data.update()
    detail.name = "Sculpted"
    assert bpy.ops.maquette.bake_detail() == {"FINISHED"}
    detail.data.transform(detail.matrix_world)
    detail.matrix_world = Matrix.Identity(4)
    bpy.context.view_layer.update()
    bpy.ops.maquette.bake_detail()
    for (request, keywords), exact in zip(submitted, (1e-7, 3e-5), strict=True):
        assert (request.kind, request.size, request.frame, request.format) == ("bake-detail", 256, "tangent", "exr")
        sent = read_dense_mesh(request.source)
        np.testing.assert_allclose(sent.vertices, wanted, atol=exact)
        np.testing.assert_array_equal(sent.faces, job.dense.faces)
        np.testing.assert_array_equal(sent.uv, job.dense.uv)
        beneath = read_coefficients(request.coefficients)
        np.testing.assert_array_equal(beneath.expression, job.coefficients.expression)
        assert beneath.model_hash == job.model.hash and keywords["context_ids"]["object"] == "Sculpted"


def test_meshes_that_are_no_longer_the_heads_are_told(registered, submitted):
    _, detail, _ = registered
    bpy.context.scene.maquette.detail.layout = "standard"
    assert "has no UVs of its own" in error_of(bpy.ops.maquette.bake_detail)
    bpy.context.scene.maquette.detail.layout = "marked"
    assert "mark one" in error_of(bpy.ops.maquette.bake_detail)
    bpy.context.scene.maquette.detail.layout = "custom"
    modifier = detail.modifiers.new("Subdivision", "SUBSURF")
    assert "modifiers that add vertices" in error_of(bpy.ops.maquette.bake_detail)
    detail.modifiers.remove(modifier)
    detail.data.vertices.add(1)
    assert "without Dyntopo" in error_of(bpy.ops.maquette.bake_detail)
    assert not submitted


def test_a_baked_map_is_the_next_ones(registered, parts, tmp_path):
    _, detail, before = registered
    job = asked(
        id="bake", folder=tmp_path, request={"layout": "custom"}, context=parts.detail_heads.remember(detail, "bake")
    )
    detail.name = "Renamed"
    write_displacement(tmp_path / "displacement.exr", a_map(16, frame="tangent"))
    parts.detail_results.bring_in_map(job, {"map": "displacement.exr"})
    image = bpy.context.scene.maquette.detail.map
    assert image != before and image.name == "Renamed Map" and image.size[0] == 16
    np.testing.assert_allclose(np.array(image.pixels[:]).reshape(16, 16, -1)[::-1, :, :3], a_map(16).values, atol=1e-6)
    job.request = {"layout": "standard"}
    parts.detail_results.bring_in_map(job, {"map": "displacement.exr"})
    assert bpy.context.scene.maquette.detail.map == image


def test_a_map_goes_on_a_head_where_it_stands(registered, parts, submitted, tmp_path):
    registration, detail, _ = registered
    (head,) = of_role("head")
    head.parent.pose.bones["jaw"].rotation_mode = "XYZ"
    head.parent.pose.bones["jaw"].rotation_euler = (0.3, 0, 0)
    head.parent.pose.bones["master"].location = (0.02, 0.0, 0.01)
    head.parent.location.x += 70
    assert bpy.ops.maquette.apply_detail() == {"FINISHED"}
    ((request, keywords),) = submitted
    np.testing.assert_allclose(values_of(request.map), a_map().values, atol=3e-6)
    shown = read_coefficients(request.coefficients)
    np.testing.assert_allclose(shown.pose[registration.model.joint["jaw"]], (0.3, 0, 0), atol=1e-5)
    assert not shown.translation.any() and request.layout is None
    head.name = "Renamed"
    vertices = expected(registration.model, shown.identity, shown.expression, shown.pose)
    write_dense_mesh(tmp_path / "mesh.npz", DenseMesh(vertices, registration.model.faces, registration.dense.uv))
    request = {"model": request.model, "coefficients": str(request.coefficients)}
    context = keywords["context_ids"]
    parts.detail_results.bring_in_applied(
        asked(id=keywords["job_id"], folder=tmp_path, request=request, context=context, title=keywords["title"]),
        {"mesh": "mesh.npz"},
    )
    applied = bpy.context.object
    assert (
        head.hide_get()
        and detail.hide_get()
        and applied.parent == head.parent
        and applied.name == "Anna Head with Detail of Anna"
    )
    head.hide_set(False)
    np.testing.assert_allclose(evaluated(applied), evaluated(head), atol=0.02)  # millimetres, where it stands now
    assert set(parts.detail_heads.parts(bpy.context)) == {"detail", "head", "scan"}


def test_exact_animation_sends_the_scenes_frames(registered, submitted, maquette_part):
    scene, (head,) = bpy.context.scene, of_role("head")
    scene.frame_start, scene.frame_end, scene.maquette.detail.way = 3, 6, "exact"
    bone = head.parent.pose.bones["jaw"]
    bone.rotation_mode = "XYZ"
    for frame, angle in ((3, 0.0), (6, 0.3)):
        bone.rotation_euler = (angle, 0, 0)
        bone.keyframe_insert("rotation_euler", frame=frame)
    bpy.ops.maquette.animate_detail()
    ((request, keywords),) = submitted
    motion = maquette_part("backend.formats.face_motion_frames").read_motion(request.motion, 24.0)
    assert len(motion.times) == 4 and request.mode == "exact" and keywords["context_ids"]["first"] == 3
    assert abs(motion.turns["jaw"][-1][0]) == pytest.approx(np.cos(0.15), abs=1e-4)


def test_exact_frames_are_played_beside_the_saved_file(registered, parts, submitted, tmp_path):
    registration, detail, _ = registered
    (head,), scene = of_role("head"), bpy.context.scene
    scene.maquette.detail.way = "exact"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "anna.blend"))
    bpy.ops.maquette.animate_detail()
    head.name = "Renamed"
    folder = tmp_path / "exact"
    folder.mkdir()
    frames = registration.vertices[None] + np.array([0.0, 0.003])[:, None, None]
    write_dense_mesh(folder / "mesh.npz", registration.dense)
    with PointCacheWriter(folder / "cache.pc2", len(registration.vertices)) as cache:
        for frame in frames:
            cache.add(frame)
    keywords = submitted[0][1]
    job = asked(id=keywords["job_id"], folder=folder, request={}, context=keywords["context_ids"] | {"first": 5})
    parts.detail_results.bring_in_animated(job, {"mesh": "mesh.npz", "cache": "cache.pc2"})
    moving = bpy.context.object
    assert moving["maquette_role"] == "animated detail" and head.hide_get() and detail.hide_get()
    assert not head.parent.hide_get()  # its bones are to move it
    assert set(parts.detail_heads.parts(bpy.context)) == {"detail", "moving", "head", "scan"}
    (folder / "cache.pc2").unlink()
    assert "No hair" in error_of(bpy.ops.maquette.hair_to_detail)
    hair = bpy.data.objects.new("Hair", bpy.data.hair_curves.new("Hair"))
    hair.data.surface, hair.data.surface_uv_map = head, "Detail"
    scene.collection.objects.link(hair)
    assert bpy.ops.maquette.hair_to_detail() == {"FINISHED"} and hair.data.surface == moving
    scene.frame_set(6)
    np.testing.assert_allclose(evaluated(moving), registration.place.apply(frames[1]), atol=0.02)
    assert list((tmp_path / "maquette_cache").glob("*.pc2"))


def test_what_lies_in_one_place_is_shown_by_turns(registered, parts, maquette_part):
    _, detail, _ = registered
    (head,) = of_role("head")
    found = parts.detail_heads.parts(bpy.context)
    assert (found["detail"], found["head"], found["scan"].name) == (detail, head, "Anna")
    bpy.ops.maquette.show_detail_part(part="head")
    assert head.visible_get() and head.parent.visible_get()
    bpy.ops.maquette.show_detail_part(part="detail")
    assert not detail.visible_get()
    bpy.ops.maquette.show_detail_residual()
    assert maquette_part("addon.residual").shown_layer(detail) == "residual"


BACKEND = os.environ.get("MAQUETTE_BACKEND_PYTHON")


@pytest.mark.skipif(not BACKEND, reason="MAQUETTE_BACKEND_PYTHON names no backend environment")
def test_a_map_is_put_on_a_posed_head_sculpted_and_baked_again(maquette, maquette_part, tmp_path):
    """From clicks to a map, through both jobs: what was there, and what was sculpted, is in it."""
    model = maquette_part("backend.formats.flame_files").read_flame_model(BUILT_IN_HEAD)
    bpy.ops.maquette.add_built_in_flame_head()
    head, detail = bpy.context.object, bpy.context.scene.maquette.detail
    jaw = head.parent.pose.bones["jaw"]
    jaw.rotation_mode, jaw.rotation_euler, head.parent.location = "XYZ", (0.2, 0, 0), (1, 2, 3)
    u, v = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    waves = 0.004 * np.stack([np.sin(3 * u), np.cos(4 * v), np.sin(2 * u + 3 * v)], axis=-1).astype(np.float32)
    layout = maquette_part("backend.formats.layout")
    whose = {"layout": layout.read_layout(layout.BUILT_IN_LAYOUT).hash, "model": model.name, "model_hash": model.hash}
    write_displacement(tmp_path / "Waves Map.png", DisplacementMap(waves, **whose))
    bpy.ops.maquette.open_displacement(filepath=str(tmp_path / "Waves Map.png"))
    bpy.ops.ed.undo_push(message="Before")
    assert bpy.ops.maquette.apply_detail() == {"FINISHED"}
    dense = bpy.context.object
    assert dense.name == "Head with Detail of Waves" and len(dense.data.vertices) > 70_000
    coarse = evaluated(dense)[: len(model.template)]  # a subdivision keeps the vertices that were there, first
    with maquette_part("addon.visibility").evaluable(head):
        away = np.linalg.norm(coarse - evaluated(head), axis=1)
    assert 0.002 < away.mean() < 0.007 and away.max() < 0.012
    points = np.empty((len(dense.data.vertices), 3), np.float32)
    dense.data.vertices.foreach_get("co", points.ravel())
    top = points[:, 2] > points[:, 2].max() - 0.06
    points[top, 2] += 0.02
    dense.data.vertices.foreach_set("co", points.ravel())
    dense.data.update()
    detail.size = "256"
    assert bpy.ops.maquette.bake_detail() == {"FINISHED"}
    baked = np.array(detail.map.pixels[:], np.float32).reshape(256, 256, -1)[..., :3] / 3 - 1 / 6
    corners, uv = np.empty(len(dense.data.loops), np.int32), np.empty((len(dense.data.loops), 2), np.float32)
    dense.data.loops.foreach_get("vertex_index", corners)
    dense.data.uv_layers["Detail"].uv.foreach_get("vector", uv.ravel())
    texel = (uv * 256).astype(int).clip(0, 255)
    found = baked[texel[:, 1], texel[:, 0]]
    before = (uv * 64).astype(int).clip(0, 63)
    expected_there = waves[::-1][before[:, 1], before[:, 0]] + np.where(top[corners], 0.02, 0)[:, None] * (0, 0, 1)
    off = np.linalg.norm(found - expected_there, axis=1)
    # Nobody repaired the seam of these waves, so where the layout is cut the vertices have the mean of two values.
    assert 0.05 < top[corners].mean() < 0.5 and np.median(off[top[corners]]) < 0.0003
    assert np.median(off) < 0.0003 and np.mean(off < 0.001) > 0.9
    assert detail.map.name == "Head with Detail of Waves Map"
    bpy.ops.ed.undo()
    assert "Head with Detail of Waves Map" not in bpy.data.images
    assert "Head with Detail of Waves" in bpy.context.scene.objects
