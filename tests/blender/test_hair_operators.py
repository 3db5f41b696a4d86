"""The operators of hair: what they say when something is missing, what they ask of the backend, what they bring in."""

import errno
import json
import os

import bpy
import numpy as np
import pytest


@pytest.fixture
def results(maquette_part):
    return maquette_part("addon.hair_results")


@pytest.fixture
def submitted(maquette_part, monkeypatch, tmp_path):
    """Requests that reach the job queue, which is left out: (request, keywords) in order."""
    jobs = maquette_part("addon.jobs")
    calls = []

    def prepare(kind):
        folder = tmp_path / f"job{len(calls)}"
        folder.mkdir()
        return folder.name, folder

    def submit(request, **keywords):
        calls.append((request, keywords))
        return keywords.get("job_id", "")

    monkeypatch.setattr(jobs, "prepare", prepare)
    monkeypatch.setattr(jobs, "submit", submit)
    return calls


class Job:
    """As the job queue hands one to a handler."""

    def __init__(self, folder, kind="reconstruct-hair", context=None):
        self.id, self.kind, self.folder, self.title, self.context = folder.name, kind, folder, "Hair", context or {}


@pytest.fixture
def head(maquette):
    bpy.ops.maquette.add_head()
    return bpy.context.view_layer.objects.active


def strands_on(maquette_part, head, count=400):
    """A tuft from the scalp, in the world."""
    model = maquette_part("addon.heads").head_from_object(head)
    scalp = model.vertices[model.scalp[:: max(1, len(model.scalp) // count)]]
    away = (scalp - scalp.mean(0)) * 0.3 + [0, 0, 0.02]
    return maquette_part("backend.formats.strands").Strands.from_array(
        (scalp[:, None] + away[:, None] * np.linspace(0, 1, 12)[None, :, None]).astype(np.float32)
    )


def write_strands(maquette_part, path, strands, **extra):
    maquette_part("backend.formats.strands").write_npz(path, strands, **extra)


def role(name):
    return [thing for thing in bpy.context.scene.objects if thing.get("maquette_role") == name]


def capture_at(folder, unit=1.0):
    image = bpy.data.images.new("view", 8, 8)
    (folder / "images").mkdir(parents=True)
    frames = []
    for k in range(3):
        image.filepath_raw, image.file_format = str(folder / "images" / f"{k}.png"), "PNG"
        image.save()
        pose = np.eye(4)
        pose[:3, 3] = [0.1 * k, -1.0, 0.0]
        frames.append({"file_path": f"images/{k}.png", "transform_matrix": pose.tolist()})
    camera = {"fl_x": 10.0, "fl_y": 10.0, "cx": 4.0, "cy": 4.0, "w": 8, "h": 8}
    scale = {} if unit is None else {"metres_per_unit": unit}
    (folder / "transforms.json").write_text(json.dumps(camera | scale | {"frames": frames}))
    return folder


def test_reconstruct_needs_a_capture(maquette, submitted, tmp_path):
    assert not bpy.ops.maquette.reconstruct_hair.poll()
    bpy.context.scene.maquette.capture = str(tmp_path)
    assert not bpy.ops.maquette.reconstruct_hair.poll()
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"transforms\.json"):
        bpy.ops.maquette.reconstruct_hair()
    assert not submitted
    assert not list(tmp_path.glob("job*"))


def test_reconstruct_sends_head_scalp_and_settings(maquette, maquette_part, head, submitted, tmp_path):
    scene = bpy.context.scene.maquette
    scene.capture = str(capture_at(tmp_path / "Anna é"))
    scene.head, scene.hair.preset, scene.hair.strands = head, "draft", 1234
    head.location, head.scale = (0.5, 0.0, 0.1), (1.1, 1.0, 1.0)
    bpy.context.view_layer.update()
    bpy.ops.maquette.reconstruct_hair()
    request, keywords = submitted[0]
    assert (request.kind, request.preset, request.strands) == ("reconstruct-hair", "draft", 1234)
    assert request.capture == tmp_path / "Anna é"
    model = maquette_part("backend.formats.head").read_head(request.head)
    world = np.array(head.matrix_world)
    expected = np.array([v.co for v in head.data.vertices]) @ world[:3, :3].T + world[:3, 3]
    assert np.abs(model.vertices - expected).max() < 1e-5
    assert len(model.scalp) > 100
    assert keywords["context_ids"]["head"] == head.name
    assert "Anna é" in keywords["title"]


def test_a_scalp_that_is_not_there_is_said(maquette, head, submitted, tmp_path):
    scene = bpy.context.scene.maquette
    scene.capture, scene.head, scene.scalp = str(capture_at(tmp_path / "c")), head, "no such group"
    with pytest.raises(RuntimeError, match="no such group"):
        bpy.ops.maquette.reconstruct_hair()
    assert not submitted
    assert not list(tmp_path.glob("job*"))


def test_result_becomes_groom_and_guides_on_the_head_even_renamed_and_moved(
    maquette, maquette_part, head, results, tmp_path
):
    job = Job(tmp_path, context={"head": head.name, "head_matrix": results.matrix_as_list(head)})
    results.remember_head(head, job.id)
    strands = strands_on(maquette_part, head)
    colour = np.tile(np.array([[0.3, 0.2, 0.1]], np.float32), (len(strands), 1))
    write_strands(maquette_part, tmp_path / "strands.npz", strands, colour=colour)
    head.name, head.location.x = "Anna", 1.0
    bpy.context.view_layer.update()
    results.bring_in_reconstruction(job, {"strands": "strands.npz"})
    (hair,), (light,) = role("groom"), role("guides")
    assert hair.parent == light.parent == head
    assert hair["maquette_job"] == light["maquette_job"] == job.id
    seen = maquette_part("addon.strands_scene").strands_from_object(hair)
    assert np.abs(seen.points - strands.points - [1, 0, 0]).max() < 1e-5
    assert "maquette_colour" in hair.data.attributes
    assert not hair.hide_render
    assert light.hide_render


def test_result_without_a_head_in_the_scene_brings_its_own(maquette, maquette_part, head, results, tmp_path):
    formats = maquette_part("backend.formats.head")
    formats.write_head(tmp_path / "head.npz", formats.read_head(formats.BUILT_IN_HEAD))
    write_strands(maquette_part, tmp_path / "strands.npz", strands_on(maquette_part, head))
    bpy.data.objects.remove(head)
    results.bring_in_reconstruction(Job(tmp_path), {"strands": "strands.npz", "head": "head.npz"})
    assert bpy.context.scene.maquette.head == role("groom")[0].parent
    assert role("groom")[0].parent["maquette_job"] == tmp_path.name


def test_preview_is_replaced_and_its_deletion_respected(maquette, maquette_part, head, results, tmp_path):
    job, strands = Job(tmp_path), strands_on(maquette_part, head)
    write_strands(maquette_part, tmp_path / "p.npz", strands)
    preview = {"name": "strands", "path": tmp_path / "p.npz"}
    results.show_preview(job, preview)
    (shown,) = role("preview")
    shown.name = "Mine"
    write_strands(maquette_part, tmp_path / "p.npz", strands.subset(np.arange(50)))
    results.show_preview(job, preview)
    assert [thing.name for thing in role("preview")] == ["Mine"]
    assert len(role("preview")[0].data.curves) == 50
    assert len(bpy.data.hair_curves) == 1
    bpy.data.objects.remove(role("preview")[0])
    results.show_preview(job, preview)
    assert not role("preview")
    # The result comes all the same.
    write_strands(maquette_part, tmp_path / "strands.npz", strands)
    results.remember_head(head, job.id)
    results.bring_in_reconstruction(job, {"strands": "strands.npz"})
    assert role("groom")


def test_the_preview_of_a_stopped_job_goes_unless_the_artist_took_it(maquette, maquette_part, head, results, tmp_path):
    job = Job(tmp_path)
    write_strands(maquette_part, tmp_path / "p.npz", strands_on(maquette_part, head))
    preview = {"name": "strands", "path": tmp_path / "p.npz"}
    stopped = maquette_part("addon.job_handlers").failures["reconstruct-hair"]
    results.show_preview(job, preview)
    stopped(job)
    assert not role("preview") and not bpy.data.hair_curves
    # Resumed, it is seen again.
    results.show_preview(job, preview)
    (shown,) = role("preview")
    shown.name = "Half grown"
    stopped(job)
    mine = bpy.context.scene.objects["Half grown"]
    assert not role("preview") and not mine.hide_render and "maquette_job" not in mine
    stopped(job)
    assert "Half grown" in bpy.context.scene.objects


def test_a_full_disk_is_a_sentence_and_leaves_no_folder(
    maquette, maquette_part, head, submitted, monkeypatch, tmp_path
):
    def full(path, head):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(maquette_part("operators.hair"), "write_head", full)
    scene = bpy.context.scene.maquette
    scene.capture, scene.head = str(capture_at(tmp_path / "c")), head
    with pytest.raises(RuntimeError, match=r"No space left on device.*make room") as caught:
        bpy.ops.maquette.reconstruct_hair()
    assert "Traceback" not in str(caught.value)
    assert not submitted
    assert not list(tmp_path.glob("job*"))


def test_hair_of_a_head_that_was_hidden_and_moved_goes_with_it(maquette, maquette_part, head, results, tmp_path):
    job = Job(tmp_path, context={"head": head.name, "head_matrix": results.matrix_as_list(head)})
    strands = strands_on(maquette_part, head)
    write_strands(maquette_part, tmp_path / "strands.npz", strands)
    head.hide_viewport = True
    bpy.context.view_layer.update()
    head.location = (0.3, 0.0, 0.5)
    results.bring_in_reconstruction(job, {"strands": "strands.npz"})
    head.hide_viewport = False
    hair = role("groom")[0]
    bpy.context.view_layer.update()
    found = maquette_part("addon.strands_scene").strands_from_object(hair, evaluated=False)
    assert np.abs(found.points - strands.points - [0.3, 0.0, 0.5]).max() < 1e-5


def test_a_fitted_head_is_added_or_moved(maquette, maquette_part, head, results, tmp_path):
    job = Job(tmp_path, "align-head", {"head": head.name, "head_matrix": results.matrix_as_list(head)})
    results.remember_head(head, job.id)
    moved = np.eye(4)
    moved[:3, 3] = [0.1, 0.2, 0.3]
    results.bring_in_head(job, {"head": "head.npz", "matrix": moved.tolist()})
    assert np.allclose(head.matrix_world.translation, [0.1, 0.2, 0.3])
    assert bpy.context.scene.maquette.head == head
    bpy.data.objects.remove(head)
    formats = maquette_part("backend.formats.head")
    formats.write_head(tmp_path / "head.npz", formats.read_head(formats.BUILT_IN_HEAD))
    results.bring_in_head(job, {"head": "head.npz", "matrix": moved.tolist()})
    assert role("head")[0] == bpy.context.scene.maquette.head


def test_a_capture_without_unit_is_scaled_with_the_head_that_tells_it(
    maquette, maquette_part, head, results, submitted, tmp_path
):
    folder = capture_at(tmp_path / "colmap", unit=None)
    bpy.ops.maquette.open_capture(directory=str(folder))
    cameras = role("camera")
    before = [np.array(thing.matrix_world) for thing in cameras]
    job = Job(tmp_path, "align-head", {"head": head.name, "head_matrix": results.matrix_as_list(head)})
    job.request = {"capture": str(folder)}
    results.remember_head(head, job.id)
    (tmp_path / "scale.json").write_text(json.dumps({"metres_per_unit": 0.04, "scale_source": "head fit"}))
    for _ in range(2):  # the preview may have come before, and a result can be brought in again
        results.bring_in_head(job, {"head": "head.npz", "matrix": np.eye(4).tolist(), "scale": "scale.json"})
        for thing, pose in zip(cameras, before, strict=True):
            assert np.allclose(thing.matrix_world.translation, 0.04 * pose[:3, 3], atol=1e-7)
            assert np.allclose(np.array(thing.matrix_world)[:3, :3], pose[:3, :3], atol=1e-6)
    assert np.allclose(head.matrix_world, np.eye(4)), "the head keeps its size and place"
    # What grows on that head is asked for in the same metres, and the capture opens in them again.
    bpy.ops.maquette.reconstruct_hair()
    request, _ = submitted[0]
    assert (request.metres_per_unit, request.scale_source) == (pytest.approx(0.04), "head fit")
    bpy.ops.maquette.open_capture(directory=str(folder))
    assert np.allclose(role("camera")[1].matrix_world.translation, 0.04 * before[1][:3, 3], atol=1e-7)
    # Without a head it is asked for anew.
    bpy.context.scene.maquette.head = None
    bpy.ops.maquette.reconstruct_hair()
    assert submitted[1][0].metres_per_unit == 0


def test_a_capture_with_a_unit_is_never_scaled_by_a_head(maquette, results, tmp_path):
    folder = capture_at(tmp_path / "known")
    bpy.ops.maquette.open_capture(directory=str(folder))
    before = [tuple(thing.matrix_world.translation) for thing in role("camera")]
    maquette_captures = results.captures
    maquette_captures.set_fitted_scale(bpy.context.scene, folder, 0.04)
    assert [tuple(thing.matrix_world.translation) for thing in role("camera")] == before
    # Nor is another one that has none.
    other = capture_at(tmp_path / "other", unit=None)
    opened = maquette_captures.open_capture(bpy.context, other)
    assert opened.scale_source == "unknown"
    assert opened.cameras[0].matrix_world.translation.y == pytest.approx(-1.0)


def test_show_changes_over_between_groom_and_guides(maquette, maquette_part, head):
    assert not bpy.ops.maquette.show_hair.poll()
    maquette_part("addon.groom").add_groom(bpy.context, strands_on(maquette_part, head), head)
    bpy.ops.maquette.show_hair(which="guides")
    assert (role("groom")[0].hide_render, role("guides")[0].hide_render) == (True, False)
    bpy.ops.maquette.show_hair(which="groom")
    assert (role("groom")[0].hide_viewport, role("guides")[0].hide_viewport) == (False, True)
    bpy.data.objects.remove(role("guides")[0])
    with pytest.raises(RuntimeError, match="deleted"):
        bpy.ops.maquette.show_hair(which="guides")


@pytest.mark.skipif(not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend")
def test_hairstyle_by_the_backend_is_one_undo_step(maquette):
    """Through a real job: the button, the process, the result, and undo."""
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.maquette.add_hairstyle(style="short", strands=300)
    assert len(role("groom")[0].data.curves) == 300
    assert role("groom")[0].parent == role("head")[0]
    bpy.ops.ed.undo()
    assert not role("groom")
    assert not role("guides")
