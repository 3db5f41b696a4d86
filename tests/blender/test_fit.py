"""Fit Head to Scan and to Photos: what they ask for, and what comes back into the scene."""

import json
import os

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from backend.formats.coefficients import Coefficients, Similarity, write_coefficients
from backend.formats.flame_model import write_flame_model
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.landmarks import read_landmarks
from tests.blender.flame_scene import evaluated, expected, small_model
from tests.blender.test_landmarks import capture_at


@pytest.fixture
def submitted(maquette_part, monkeypatch, tmp_path):
    """Requests that reach the job queue, which is left out: (request, keywords) in order."""
    jobs = maquette_part("addon.jobs")
    calls = []

    def prepare(kind):
        folder = tmp_path / f"job{len(calls)}"
        folder.mkdir()
        return folder.name, folder

    monkeypatch.setattr(jobs, "prepare", prepare)
    monkeypatch.setattr(jobs, "submit", lambda request, **keywords: calls.append((request, keywords)))
    return calls


@pytest.fixture
def scan(maquette, maquette_part):
    """A part of the built-in head in millimetres, turned, with a modifier and five landmarks."""
    head = read_head(BUILT_IN_HEAD)
    mesh = bpy.data.meshes.new("Anna")
    mesh.from_pydata((head.vertices * 1000).tolist(), [], head.faces.tolist())
    thing = bpy.data.objects.new("Anna", mesh)
    thing.matrix_world = Matrix.Translation((30, 0, 10)) @ Euler((0.1, 0.2, 0.7)).to_matrix().to_4x4()
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    bpy.context.view_layer.update()
    place = maquette_part("addon.landmarks").place_landmark
    for name, point in zip(head.landmarks, head.landmark_points() * 1000, strict=True):
        if name in ("right eye 1", "left eye 4", "nose bridge 4", "jaw 9", "outer lip 1"):
            place(thing, name, Vector(point.tolist()))
    return thing


def write_residual(path, residual):
    """A head.ply, of which only the residual is looked at."""
    rows = np.zeros(len(residual), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("residual", "<f4")])
    rows["residual"] = residual
    properties = "".join(f"property float {name}\n" for name in rows.dtype.names)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{properties}end_header\n"
    path.write_bytes(header.encode() + rows.tobytes())


class Fit:
    """A job that is done: a fit of a small model, as the backend leaves it."""

    def __init__(self, folder, kind="fit-head", **request):
        folder.mkdir()
        self.id, self.kind, self.folder, self.title, self.context = folder.name, kind, folder, "Head", {}
        self.model = small_model()
        write_flame_model(folder / "model.npz", self.model)
        rng = np.random.default_rng(0)
        self.pose = rng.normal(0, 0.2, (5, 3))
        self.pose[0] = 0
        self.identity, self.expression = rng.normal(0, 1, 25), rng.normal(0, 1, 12)
        turn = np.array(Euler((0.3, -0.2, 1.0)).to_matrix())
        self.place = Similarity(1000.0, turn, np.array([40.0, -5.0, 12.0]))
        parts = {"identity": self.identity, "expression": self.expression, "pose": self.pose}
        fitted = Coefficients.of(self.model, **parts, similarity=self.place)
        write_coefficients(folder / "coefficients.npz", fitted)
        self.residual = rng.normal(0, 0.001, len(self.model.template)).astype(np.float32)
        self.residual[:7] = np.nan
        write_residual(folder / "head.ply", self.residual)
        whole = {
            "mean": 0.51,
            "median": 0.42,
            "p90": 1.23,
            "max": 4.0,
            "regions": {"face": {"mean": 0.3, "median": 0.25}},
        }
        self.report = {
            "unit": "mm",
            "metres_per_unit": 0.001,
            "unit_source": "guessed from the size of the face",
            "scan_to_head_mm": whole,
        }
        (folder / "report.json").write_text(json.dumps(self.report))
        self.request = {"kind": kind, "model": str(folder / "model.npz")} | request
        self.result = {"coefficients": "coefficients.npz", "head": "head.ply", "report": "report.json"}

    def lies(self) -> np.ndarray:
        """(V, 3) where the fitted head is to lie."""
        return self.place.apply(expected(self.model, self.identity, self.expression, self.pose))


def heads():
    return [thing for thing in bpy.context.scene.objects if thing.get("maquette_role") == "head"]


def test_fit_sends_the_scan_as_it_is_shown_with_its_landmarks(maquette, maquette_part, scan, submitted):
    modifier = scan.modifiers.new("Displace", "DISPLACE")
    modifier.strength, modifier.mid_level, modifier.direction = 5.0, 0.0, "Z"
    fit = bpy.context.scene.maquette.fit
    fit.unit, fit.expression = "OTHER", False
    fit.metres_per_unit = 0.0025
    assert bpy.ops.maquette.fit_head_to_scan() == {"FINISHED"}
    ((request, keywords),) = submitted
    assert (request.kind, request.model, request.expression) == ("fit-head", "built-in", False)
    assert float(request.unit) == pytest.approx(0.0025)
    vertices = maquette_part("backend.formats.mesh_ply").read_ply_vertices(request.scan)
    sent = np.stack([vertices[axis] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(sent, evaluated(scan), atol=1e-3)
    points = read_landmarks(request.landmarks)
    there = maquette_part("addon.landmarks").positions_on(scan)
    assert set(points.names) == set(there)
    for name, point in zip(points.names, points.points, strict=True):
        np.testing.assert_allclose(point, there[name], atol=1e-3)
    assert keywords["context_ids"]["scan"] == "Anna" and "Anna" in keywords["title"]
    fit.unit = "AUTO"
    bpy.ops.maquette.fit_head_to_scan()
    assert submitted[1][0].unit == ""


def test_a_model_file_is_asked_for_and_sent(maquette, scan, submitted, tmp_path):
    fit = bpy.context.scene.maquette.fit
    fit.model = "FILE"
    assert not bpy.ops.maquette.fit_head_to_scan.poll()
    fit.model_file = str(tmp_path / "model.npz")
    assert not bpy.ops.maquette.fit_head_to_scan.poll()
    write_flame_model(tmp_path / "model.npz", small_model())
    bpy.ops.maquette.fit_head_to_scan()
    assert submitted[0][0].model == str(tmp_path / "model.npz")


def test_the_fitted_head_lies_on_the_scan_even_renamed_and_moved(maquette, maquette_part, scan, tmp_path):
    fitting, job = maquette_part("addon.fitting"), Fit(tmp_path / "job")
    job.context = fitting.remember_scan(scan, job.id)
    move = Matrix.Translation((0, 100, 0)) @ Matrix.Rotation(0.5, 4, "Z")
    scan.name, scan.matrix_world = "Renamed", move @ scan.matrix_world
    bpy.context.view_layer.update()
    fitting.bring_in_scan_fit(job, job.result)
    (head,) = heads()
    assert head.name == "Renamed Head" and head["maquette_job"] == head.parent["maquette_job"] == job.id
    wanted = job.lies() @ np.array(move.to_3x3()).T + np.array(move.translation)
    np.testing.assert_allclose(evaluated(head), wanted, atol=0.02)  # millimetres
    assert bpy.context.scene.maquette.head == head
    kept = np.empty(len(job.residual), np.float32)
    head.data.attributes["residual"].data.foreach_get("value", kept)
    np.testing.assert_array_equal(kept[7:], job.residual[7:])
    assert not kept[:7].any()


def test_a_head_arrives_while_another_is_posed(maquette, maquette_part, tmp_path):
    bpy.ops.maquette.add_built_in_flame_head()
    posed = bpy.context.object
    bpy.context.view_layer.objects.active = posed.parent
    bpy.ops.object.mode_set(mode="POSE")
    job = Fit(tmp_path / "job")
    maquette_part("addon.fitting").bring_in_scan_fit(job, job.result)
    (head,) = [thing for thing in heads() if thing != posed]
    np.testing.assert_allclose(evaluated(head), job.lies(), atol=0.02)


def test_a_deleted_scan_leaves_the_head_where_it_was(maquette, maquette_part, scan, tmp_path):
    fitting, job = maquette_part("addon.fitting"), Fit(tmp_path / "job")
    job.context = fitting.remember_scan(scan, job.id)
    bpy.data.objects.remove(scan)
    fitting.bring_in_scan_fit(job, job.result)
    np.testing.assert_allclose(evaluated(heads()[0]), job.lies(), atol=0.02)


def test_residual_colours_take_the_place_of_materials_and_go_again(maquette, maquette_part, scan, tmp_path):
    fitting, job = maquette_part("addon.fitting"), Fit(tmp_path / "job")
    job.context = fitting.remember_scan(scan, job.id)
    fitting.bring_in_scan_fit(job, job.result)
    (head,) = heads()
    before = [slot.material for slot in head.material_slots]
    report = maquette_part("addon.residual").report_of(head)
    assert report["limit"] in (2.0, 3.0) and report["rows"]["Whole head"] == [0.51, 0.42, 1.23]
    assert report["rows"]["Face"] == [0.3, 0.25, None]
    bpy.ops.maquette.show_fit(layer="residual")
    assert scan.hide_get() and all(slot.material.name == "Fit Residual" for slot in head.material_slots)
    assert head.data.color_attributes.active_color.name == "residual colour"
    colours = np.empty((len(job.residual), 4), np.float32)
    head.data.attributes["residual colour"].data.foreach_get("color", colours.ravel())
    assert np.ptp(colours[:7], axis=0).max() == 0
    warmth = colours[7:, 0] - colours[7:, 2]
    assert np.corrcoef(warmth, job.residual[7:])[0, 1] > 0.8
    bpy.ops.maquette.show_fit(layer="residual")
    assert not scan.hide_get() and [slot.material for slot in head.material_slots] == before


def test_photographs_give_the_head_and_the_cameras_their_places(maquette, maquette_part, tmp_path):
    folder = capture_at(tmp_path / "Anna", poses=False)
    bpy.ops.maquette.open_capture(directory=str(folder))
    fitting, job = maquette_part("addon.fitting"), Fit(tmp_path / "job", "fit-photos", capture=str(folder))
    pose = Matrix.Translation((0, -2, 0.5)) @ Matrix.Rotation(1.5, 4, "X")
    (job.folder / "cameras.json").write_text(json.dumps({"1": np.array(pose).tolist()}))
    views = {"0": {"landmark_px": 1.0, "outline_px": None}, "1": {"landmark_px": 3.0, "outline_px": 2.0}}
    (job.folder / "report.json").write_text(json.dumps({"landmark_error_px": 2.0, "views": views}))
    skin = np.random.default_rng(0).uniform(0, 1, (len(job.residual), 3)).astype(np.float32)
    np.savez(job.folder / "albedo.npz", vertices=skin)
    files = {"cameras": "cameras.json", "albedo": "albedo.npz", "overlay": overlay_at(job.folder)}
    fitting.bring_in_photo_fit(job, job.result | files)
    (head,) = heads()
    report = maquette_part("addon.residual").report_of(head)
    assert report["rows"]["Mean"] == [2.0, 2.0] and bpy.data.images[report["overlay"]].packed_file
    bpy.ops.maquette.show_fit(layer="albedo")
    colours = np.empty((len(skin), 4), np.float32)
    head.data.color_attributes.active_color.data.foreach_get("color", colours.ravel())
    np.testing.assert_allclose(colours[:, :3], skin, atol=1e-6)
    bpy.ops.maquette.show_fit(layer="albedo")
    assert head.name == "Anna Head" and bpy.context.scene.maquette.head == head
    np.testing.assert_allclose(evaluated(head), job.lies(), atol=0.02)
    bpy.context.view_layer.update()
    np.testing.assert_allclose(np.array(bpy.context.scene.objects["1"].matrix_world), np.array(pose), atol=1e-6)


def test_a_head_gives_a_capture_of_unknown_unit_its_size(maquette, maquette_part, tmp_path):
    folder = capture_at(tmp_path / "Anna", unit=None)
    bpy.ops.maquette.open_capture(directory=str(folder))
    before = {thing.name: np.array(thing.matrix_world.translation) for thing in bpy.context.scene.objects}
    fitting, job = maquette_part("addon.fitting"), Fit(tmp_path / "job", "fit-photos", capture=str(folder))
    fitting.bring_in_photo_fit(job, job.result | {"scale_source": "head fit", "metres_per_unit": 0.001})
    np.testing.assert_allclose(evaluated(heads()[0]), job.lies() * 0.001, atol=2e-5)
    bpy.context.view_layer.update()
    for name, place in before.items():
        np.testing.assert_allclose(bpy.context.scene.objects[name].matrix_world.translation, place * 0.001, atol=1e-6)


def overlay_at(folder) -> str:
    image = bpy.data.images.new("overlay", 8, 8)
    image.filepath_raw, image.file_format = str(folder / "overlay.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return "overlay.png"


def test_a_result_of_another_model_is_told_and_leaves_nothing(maquette, maquette_part, scan, tmp_path):
    fitting, job = maquette_part("addon.fitting"), Fit(tmp_path / "job")
    write_flame_model(job.folder / "model.npz", small_model(seed=9))
    before = set(bpy.data.objects)
    with pytest.raises(maquette_part("backend.errors").CoefficientError, match="belong to the model"):
        fitting.bring_in_scan_fit(job, job.result)
    assert set(bpy.data.objects) == before


BACKEND = os.environ.get("MAQUETTE_BACKEND_PYTHON")


@pytest.mark.skipif(not BACKEND, reason="MAQUETTE_BACKEND_PYTHON names no backend environment")
def test_the_built_in_head_is_fitted_to_a_person_in_the_scene(maquette, maquette_part):
    """From clicks to a head on the scan: somebody of the built-in model, in centimetres, turned, without a name."""
    model = maquette_part("backend.formats.flame_files").read_flame_model(BUILT_IN_HEAD)
    shape = np.random.default_rng(5).normal(0, 1, 30)
    person = model.head(model.template + model.identity[:, :, :30] @ shape)
    mesh = bpy.data.meshes.new("Anna")
    mesh.from_pydata((person.vertices * 100).tolist(), [], person.faces.tolist())
    scan = bpy.data.objects.new("Anna", mesh)
    scan.matrix_world = Matrix.Translation((3, 0, 15)) @ Euler((1.2, 0.2, 2.0)).to_matrix().to_4x4()
    bpy.context.scene.collection.objects.link(scan)
    bpy.context.view_layer.objects.active = scan
    bpy.context.view_layer.update()
    place, asked = maquette_part("addon.landmarks").place_landmark, maquette_part("addon.landmark_guide").FIRST
    for name, point in zip(person.landmarks, person.landmark_points() * 100, strict=True):
        if name in asked:
            place(scan, name, Vector(point.tolist()))
    bpy.context.scene.maquette.fit.identity = 30
    assert bpy.ops.maquette.fit_head_to_scan() == {"FINISHED"}
    (head,) = heads()
    inverse, off = scan.matrix_world.inverted(), []
    for vertex in evaluated(head)[model.regions["face"]][::5]:
        place = inverse @ Vector(vertex.tolist())
        off.append((scan.closest_point_on_mesh(place)[1] - place).length * 10)
    assert np.mean(off) < 0.3  # millimetres
    report = maquette_part("addon.residual").report_of(head)
    assert report["unit"] == "cm" and report["rows"]["Face"][0] < 0.3
    bpy.ops.maquette.show_fit(layer="residual")
    assert scan.hide_get()
