"""Ground truth rendered small: what is written is what is in the scene."""

import json
import sys

import bpy
import numpy as np
import pytest


@pytest.fixture
def subject(maquette, maquette_part):
    """The built-in head with a tuft of hair, and settings for a render of seconds."""
    bpy.ops.maquette.add_head()
    head = bpy.context.active_object
    strands = maquette_part("backend.formats.strands").Strands
    crown = max((head.matrix_world @ v.co for v in head.data.vertices), key=lambda co: co.z)
    roots = np.random.default_rng(0).normal(size=(400, 3)) * (0.03, 0.03, 0.002) + np.array(crown)
    along = np.linspace(0, 1, 8)[None, :, None] * np.array([0.0, 0.02, 0.08])
    hair = maquette_part("addon.ground_truth.from_files").hair_object(
        strands.from_array((roots[:, None] + along).astype(np.float32)), (0.1, 0.05, 0.02), 0
    )
    ours = bpy.context.scene.maquette.ground_truth
    ours.hair, ours.head = hair, head
    ours.views, ours.size, ours.samples, ours.denoise, ours.surface = 3, 48, 2, False, False
    return hair, head


def render(folder):
    bpy.context.scene.maquette.ground_truth.out = str(folder)
    assert bpy.ops.maquette.render_ground_truth() == {"FINISHED"}


def pixels(path):
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(image.size[1], image.size[0], 4)[::-1, :, 0]
    bpy.data.images.remove(image)
    return values


def test_a_capture_with_its_truth(subject, maquette_part, tmp_path):
    folder = tmp_path / "capture à moi"
    scenes, objects = len(bpy.data.scenes), len(bpy.data.objects)
    render(folder)
    assert (len(bpy.data.scenes), len(bpy.data.objects)) == (scenes, objects)
    assert bpy.context.scene.maquette.capture == str(folder)

    capture = maquette_part("backend.formats.capture").read_capture(folder)
    assert capture.scale_source == "rendered" and len(capture.views) == 3
    truth = maquette_part("backend.formats.strands").read_npz(folder / "ground_truth" / "strands.npz")
    assert len(truth) == 400
    labels = json.loads((folder / "labels" / "classes.json").read_text())
    landmarks = json.loads((folder / "landmarks.json").read_text())
    assert len(landmarks["points"]) == 68
    head = maquette_part("backend.formats.head").read_head(folder / "ground_truth" / "head.npz")
    for view in capture.views:
        hair, bust, person = (pixels(view.masks[kind]) for kind in ("hair", "bust", "person"))
        assert np.abs(hair + bust - person).max() < 0.01
        assert 0.02 < hair.mean() < 0.9 and bust.mean() > 0.02
        # Most of the strands' points fall onto pixels that the mask calls hair, or lie behind the head.
        spots, distance = view.camera.project(truth.points)
        assert (spots > 0).all() and (spots < 48).all(), "the ring shows all of the hair"
        column, row = spots.astype(int).T
        assert (hair + bust)[row, column].mean() > 0.6
        depth = np.load(folder / "depth" / f"{view.name}.npy")
        assert depth.shape == (48, 48) and (depth[person == 0] == 0).all()
        assert abs(np.median(depth[hair > 0.9]) - np.median(distance)) < 0.05
        # Where the head fills a pixel, depth is that of one of its points.
        spots, distance = view.camera.project(head.vertices)
        nearest = distance.min()
        assert depth[bust > 0.99].min() > nearest - 0.005
        classes = np.round(pixels(folder / "labels" / f"{view.name}.png") * 255).astype(int)
        assert set(np.unique(classes)) <= {int(n) for n in labels}
        assert (classes[hair > 0.6] == 1).all() and (classes[person == 0] == 0).all()


def test_landmarks_are_seen_from_the_front_only(subject, maquette_part, tmp_path):
    render(tmp_path / "c")
    capture = maquette_part("backend.formats.capture").read_capture(tmp_path / "c")
    seen = json.loads((tmp_path / "c" / "landmarks.json").read_text())["views"]
    for view in capture.views:
        visible = sum(landmark[2] for landmark in seen[view.name].values())
        facing = view.camera.direction[1]  # the face looks along -Y
        assert visible > 40 if facing > 0.9 else visible < 40 if facing < -0.3 else True
    front = max(capture.views, key=lambda view: view.camera.direction[1])
    assert sum(landmark[2] for landmark in seen[front.name].values()) > 40


def test_the_scenes_own_cameras(subject, maquette_part, tmp_path):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 64, 40, 100
    camera = bpy.data.objects.new("mine", bpy.data.cameras.new("mine"))
    camera.location, camera.rotation_euler = (0.0, -1.0, 0.1), (1.5, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.maquette.ground_truth.cameras = "scene"
    render(tmp_path / "c")
    (view,) = maquette_part("backend.formats.capture").read_capture(tmp_path / "c").views
    assert (view.camera.width, view.camera.height) == (64, 40)
    assert np.allclose(view.camera.centre, (0, -1, 0.1), atol=1e-6)
    assert pixels(view.image).shape == (40, 64)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (64, 40)


def test_hair_alone_and_head_alone(subject, maquette_part, tmp_path):
    _, head = subject
    ours = bpy.context.scene.maquette.ground_truth
    ours.views, ours.head = 1, None
    render(tmp_path / "hair")
    (view,) = maquette_part("backend.formats.capture").read_capture(tmp_path / "hair").views
    assert set(view.masks) == {"hair", "person"} and not (tmp_path / "hair" / "landmarks.json").exists()
    ours.hair, ours.head = None, head
    render(tmp_path / "head")
    (view,) = maquette_part("backend.formats.capture").read_capture(tmp_path / "head").views
    assert set(view.masks) == {"bust", "person"} and not (tmp_path / "head" / "ground_truth" / "strands.npz").exists()


def test_a_new_render_leaves_nothing_of_the_one_before(subject, tmp_path):
    ours = bpy.context.scene.maquette.ground_truth
    ours.views = 1
    render(tmp_path / "c")
    assert (tmp_path / "c" / "landmarks.json").exists()
    stale = tmp_path / "c" / "undistorted" / "view_000.png"
    stale.parent.mkdir()
    stale.write_bytes(b"of the render before")
    ours.head = None
    render(tmp_path / "c")
    assert not (tmp_path / "c" / "landmarks.json").exists() and not stale.parent.exists()


def test_a_scene_that_cannot_be_copied_is_said_and_leaves_no_folder(subject, maquette_part, tmp_path, monkeypatch):
    monkeypatch.setenv("MAQUETTE_BACKEND_PYTHON", sys.executable)
    operators, places = maquette_part("operators.ground_truth"), maquette_part("addon.job_places")
    places.preferences().job_place = str(tmp_path / "jobs")
    bpy.context.scene.maquette.ground_truth.out = str(tmp_path / "c")
    request = operators._request(bpy.context.scene)
    # bpy as a module has no program that a render job could be run by, and does without one until it begins.
    monkeypatch.setattr(places, "python", lambda kind: sys.executable)
    monkeypatch.setattr(maquette_part("addon.jobs"), "_queue", None)
    # A folder that does not exist stands for a disk that is full.
    monkeypatch.setattr(places, "SCENE_FILE", "nowhere/scene.blend")
    try:
        with pytest.raises(maquette_part("backend.errors").RequestError, match=r"cannot be saved in .*make room there"):
            operators._submit(request)
        assert not any((tmp_path / "jobs").iterdir())
    finally:
        places.preferences().job_place = ""


def test_somebody_elses_pictures_are_not_touched(subject, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "holiday.jpg").write_bytes(b"precious")
    bpy.context.scene.maquette.ground_truth.out = str(tmp_path)
    with pytest.raises(RuntimeError, match="not rendered here"):
        bpy.ops.maquette.render_ground_truth()
    assert (tmp_path / "images" / "holiday.jpg").read_bytes() == b"precious"


def test_cancelling_keeps_the_scene_and_marks_the_folder(subject, maquette_part, tmp_path):
    job = maquette_part("addon.blender_job")
    protocol, errors = maquette_part("backend.protocol"), maquette_part("backend.errors")
    bpy.context.scene.maquette.ground_truth.out = str(tmp_path / "c")
    request = maquette_part("operators.ground_truth")._request(bpy.context.scene)
    reporter = protocol.SilentReporter(tmp_path / "job")
    reporter.cancelled.set()
    scenes = len(bpy.data.scenes)
    with pytest.raises(errors.Cancelled):
        job.serve(
            maquette_part("backend.contract").check(type(request), {**vars(request), "out": tmp_path / "c"}), reporter
        )
    assert len(bpy.data.scenes) == scenes and not (tmp_path / "c" / "transforms.json").exists()
    render(tmp_path / "c")  # what was broken off is replaced
    assert (tmp_path / "c" / "transforms.json").exists()


def test_files_of_a_shell_are_read_by_the_rule_of_all_heads_and_strands(maquette, maquette_part, tmp_path):
    """glTF is in metres with Y up whatever is said of the files, a mesh is as said, and what is left out is told."""
    bpy.ops.mesh.primitive_ico_sphere_add(radius=0.1, subdivisions=4)
    thing = bpy.context.object
    thing.scale = (1.0, 0.8, 1.3)
    bpy.ops.export_scene.gltf(filepath=str(tmp_path / "head.glb"))
    thing.scale *= 1000
    bpy.ops.wm.obj_export(filepath=str(tmp_path / "head.obj"), up_axis="Z", forward_axis="Y")
    bpy.data.objects.remove(thing)
    formats, subjects = maquette_part("backend.formats.strands"), maquette_part("addon.ground_truth.from_files")
    points = np.zeros((3, 5, 3), np.float32)
    points[:2, :, 2] = np.linspace(100, 180, 5)
    formats.write_npz(tmp_path / "hair.npz", formats.Strands.from_array(points))
    files, told = maquette_part("addon.ground_truth.files").Files, []
    for name in ("head.glb", "head.obj"):
        _, head = subjects.load_subject(files(None, tmp_path / name, "mm", "Z"), 0, told.append)
        assert np.allclose(head.dimensions, (0.2, 0.16, 0.26), atol=1e-3), name
    assert not told
    (hair,), _ = subjects.load_subject(files(tmp_path / "hair.npz", None, "mm", "Z"), 0, told.append)
    assert len(hair.data.curves) == 2
    assert abs(max(point.position.z for point in hair.data.points) - 0.18) < 1e-6
    assert len(told) == 1 and "1 of the 3 strands in hair.npz were dropped" in told[0]
