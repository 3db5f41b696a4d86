"""The reconstruction on a small analytic scene with known strands, stage by stage and whole."""

import dataclasses
import json
import os
import shutil

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from backend import checkpoint
from backend.contract import ReconstructHair
from backend.errors import Cancelled, CaptureError, HeadError
from backend.formats.capture import Camera, Capture, View, read_capture, write_capture
from backend.formats.head import Head, write_head
from backend.formats.strands import read_npz
from backend.geometry.grid import Grid
from backend.geometry.surface import Surface
from backend.hair import presets
from backend.hair.field import DirectionField, node_laplacian
from backend.hair.hull import Volumes, visual_hull
from backend.hair.refine import cosine_basis, keep_out_of_head
from backend.hair.roots import spread_roots
from backend.hair.shell import Lines, half_sphere, neighbourhood, plain_directions, robust_directions
from backend.hair.sign import sign_field
from backend.jobs import reconstruct_hair
from backend.protocol import SilentReporter
from tests.unit.hair_scene import cameras, make_scene

VIEWS, SIZE = 9, 128


@pytest.fixture(scope="module")
def scene():
    return make_scene(strands=1500, views=VIEWS, size=SIZE, points=60)


@pytest.fixture(scope="module")
def skull(scene) -> Surface:
    return Surface(scene.vertices, scene.faces)


@pytest.fixture(scope="module")
def capture_folder(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture")
    frames = []
    for view, (intrinsics, world_to_camera) in zip(scene.views, cameras(VIEWS, SIZE)):
        masks = {}
        for kind in ("hair", "bust"):
            path = folder / "masks" / kind / f"{view.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.rint(getattr(view, kind) * 255).astype(np.uint8))
            masks[kind] = path
        image = folder / "images" / f"{view.name}.png"
        image.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(image), view.image[..., ::-1])
        pose = np.linalg.inv(world_to_camera) @ np.diag([1.0, -1, -1, 1])
        focal = intrinsics[0, 0]
        frames.append(View(view.name, image, Camera(SIZE, SIZE, focal, focal, SIZE / 2, SIZE / 2, pose), masks))
    write_capture(Capture(folder, tuple(frames), scale_source="rendered"))
    write_head(folder / "head.npz", Head(scene.vertices, scene.faces, regions={"scalp": scene.scalp}))
    return folder


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """A preset small enough for tests."""
    patch = pytest.MonkeyPatch()
    small = presets.Preset(
        image_side=SIZE,
        most_views=VIEWS,
        volume=presets.VolumeConfig(spacing=0.005, visible=0.008),
        shell=presets.ShellConfig(directions=120),
        growth=presets.GrowthConfig(step=0.003, uncovered=0.005),
        refine=presets.RefineConfig(steps=6, strands_per_step=300, surface_points=500),
    )
    patch.setitem(presets.PRESETS, "draft", small)
    yield small
    patch.undo()


@pytest.fixture(scope="module")
def result(capture_folder, tmp_path_factory):
    """The whole job, with no ground truth in reach."""
    copy = tmp_path_factory.mktemp("job") / "capture"
    shutil.copytree(capture_folder, copy)
    assert not (copy / "ground_truth").exists()
    reporter = SilentReporter(copy.parent / "out")
    values = reconstruct_hair.run(request(copy, copy / "head.npz"), reporter)
    return reporter, values


def request(capture, head, **settings):
    settings = {"preset": "draft", "strands": 800, "points": 40, "device": "cpu"} | settings
    return ReconstructHair(capture=capture, head=head, **settings)


def f_score(prediction: np.ndarray, truth: np.ndarray, distance: float, degrees: float) -> float:
    """Undirected F-score of strands (N, L, 3), as shared by the field: any point within distance and angle."""

    def segments(strands):
        step = np.diff(strands, axis=1).reshape(-1, 3)
        length = np.linalg.norm(step, axis=1)
        kept = length > 1e-9
        return strands[:, :-1].reshape(-1, 3)[kept], step[kept] / length[kept, None]

    def share(a, b):
        pairs = cKDTree(b[0]).query_ball_point(a[0], distance)
        bound = np.cos(np.deg2rad(degrees))
        return np.mean([len(p) > 0 and np.abs(b[1][p] @ d).max() >= bound for p, d in zip(pairs, a[1])])

    prediction, truth = segments(prediction[::4]), segments(truth[::8])
    precision, recall = share(prediction, truth), share(truth, prediction)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def test_the_hull_holds_the_hair_and_not_the_face(scene, skull, quick, tmp_path):
    volumes = visual_hull(scene.views, skull, quick.volume, SilentReporter(tmp_path))
    truth = torch.from_numpy(scene.strands.reshape(-1, 3)[::7])
    inside = volumes.grid.sample(volumes.hair[None], truth)[:, 0]
    assert float((inside < 0.003).float().mean()) > 0.99
    face = torch.tensor([[0.0, -0.12, -0.02], [0.02, -0.13, -0.03], [0.0, -0.2, 0.0]])
    assert (volumes.grid.sample(volumes.hair[None], face)[:, 0] > 0.005).all()
    # The head's own distances stand apart from the hair's.
    assert float(volumes.grid.sample(volumes.head[None], torch.zeros(1, 3))) < -0.05


def test_masks_that_do_not_meet_are_refused_in_a_sentence(scene, skull, quick, tmp_path):
    import dataclasses

    views = []
    for k, view in enumerate(scene.views):
        hair = np.zeros_like(view.hair)
        corner = slice(4, 12) if k % 2 else slice(-12, -4)
        hair[corner, corner] = 1
        views.append(dataclasses.replace(view, hair=hair, bust=None))
    with pytest.raises(CaptureError, match="cameras"):
        visual_hull(views, skull, quick.volume, SilentReporter(tmp_path))


def planes_about(directions: np.ndarray, views: int, noise: float, rng) -> Lines:
    """Planes of random views through known directions (P, 3), turned about the view's ray by noise (radians)."""
    rays = rng.standard_normal((views, 1, 3)) + 0 * directions
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    planes = np.cross(rays, directions)
    planes /= np.linalg.norm(planes, axis=-1, keepdims=True)
    turn = noise * rng.standard_normal(planes.shape[:2])[..., None]
    planes = planes * np.cos(turn) + np.cross(rays, planes) * np.sin(turn)
    return Lines(torch.from_numpy(planes).float(), torch.ones(planes.shape[:2]))


def angles(found: torch.Tensor, truth: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(np.abs((found.numpy() * truth).sum(1)), 0, 1)))


def test_closed_form_direction_is_exact_without_noise():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((200, 3))
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    found, sure = plain_directions(planes_about(truth, 6, 0.0, rng))
    assert angles(found, truth).max() < 0.5
    assert float(sure.mean()) > 0.5


def test_votes_withstand_views_that_see_other_hair(quick, tmp_path):
    rng = np.random.default_rng(1)
    points = rng.random((400, 3)) * [0.05, 0.05, 0]
    truth = np.stack([np.cos(points[:, 0] * 10), np.sin(points[:, 0] * 10), 0.3 + 0 * points[:, 0]], 1)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    lines = planes_about(truth, 8, 0.05, rng)
    lines.planes[:3] = torch.nn.functional.normalize(torch.randn(3, 400, 3), dim=-1)
    around = neighbourhood(points, np.tile([0.0, 0, 1], (400, 1)), 0.006)
    plain, _ = plain_directions(lines)
    robust, sure = robust_directions(lines, around, quick.shell, SilentReporter(tmp_path))
    assert np.median(angles(robust, truth)) < 0.6 * np.median(angles(plain, truth))
    assert np.median(angles(robust, truth)) < 6
    assert 0 < float(sure.mean()) < 1


def test_half_sphere_leaves_no_gap():
    rng = np.random.default_rng(2)
    directions = rng.standard_normal((500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    nearest = np.abs(directions @ half_sphere(400).numpy().T).max(1)
    assert np.degrees(np.arccos(nearest)).max() < 8


def test_signs_run_from_the_scalp_to_the_tips(tmp_path):
    # An arch: hair rises from the root, turns over and falls. Signs were scattered at random.
    grid = Grid.around(np.array([-0.06, -0.01, -0.06]), np.array([0.06, 0.01, 0.06]), 0.004)
    centres = grid.centres()
    radius = np.hypot(centres[:, 0], centres[:, 2])
    nodes = np.flatnonzero((radius > 0.03) & (radius < 0.05) & ((centres[:, 2] > 0) | (centres[:, 0] > 0)))
    place = centres[nodes]
    truth = np.stack([place[:, 2], 0 * place[:, 1], -place[:, 0]], 1)
    truth = (truth / np.linalg.norm(truth, axis=1, keepdims=True)).astype(np.float32)
    scattered = truth * np.random.default_rng(0).choice([-1, 1], len(nodes))[:, None].astype(np.float32)
    laplacian = node_laplacian(nodes, grid.shape)
    field = DirectionField(grid, nodes, scattered, np.ones(len(nodes), np.float32), laplacian)
    roots = place[(place[:, 0] < 0) & (place[:, 2] < 0.008)]
    hair = torch.full((grid.size,), 0.05)
    hair[nodes] = -0.01
    volumes = Volumes(grid, hair.reshape(grid.shape), torch.full(grid.shape, 0.1))
    sign_field(field, volumes, roots, presets.FieldConfig(), SilentReporter(tmp_path))
    assert ((field.directions * truth).sum(1) > 0).mean() > 0.98


def test_roots_are_spread_evenly_on_the_scalp(scene, skull):
    scalp = np.zeros(len(scene.vertices), bool)
    scalp[scene.scalp] = True
    faces = np.flatnonzero(scalp[scene.faces].all(1))
    roots = spread_roots(skull, faces, 1000, seed=3)
    corners = scene.vertices[scene.faces[roots.faces]]
    assert np.allclose(np.einsum("nk,nkc->nc", roots.barycentric, corners), roots.points, atol=1e-6)
    assert np.isin(roots.faces, faces).all()
    gaps = cKDTree(roots.points).query(roots.points, k=2)[0][:, 1]
    # Random roots would have a spread of about half their mean gap.
    assert gaps.std() / gaps.mean() < 0.3


def test_cosine_basis_leaves_the_root_and_gives_its_own_slope():
    values, slopes = cosine_basis(200, 12)
    assert np.abs(values[0]).max() < 1e-6
    assert np.abs(slopes[-1]).max() < 1e-4
    numeric = np.gradient(values, 1 / 199, axis=0)
    assert np.abs(numeric - slopes)[2:-2].max() < 0.1


def test_keep_out_of_head_is_a_guarantee(skull):
    rng = np.random.default_rng(4)
    strands = rng.uniform(-0.13, 0.13, (300, 20, 3)).astype(np.float32)
    kept = keep_out_of_head(strands, skull, 4e-4)
    assert skull.signed_distance(kept.reshape(-1, 3)).min() > 0
    outside = skull.signed_distance(strands.reshape(-1, 3)).reshape(300, 20) > 1e-3
    assert np.array_equal(kept[outside], strands[outside])


def test_the_whole_job_leaves_what_it_promises(result, scene):
    reporter, values = result
    folder = reporter.folder
    strands = read_npz(folder / values["strands"])
    assert len(strands) == values["count"]
    assert 600 <= len(strands) <= 800
    assert (strands.counts == 40).all()
    with np.load(folder / "strands.npz") as file:
        n = len(strands)
        shapes = {"root_face": (n,), "root_barycentric": (n, 3), "colour": (n, 3)}
        assert {name: file[name].shape for name in shapes} == shapes
        assert (file["colour"] > 0).all()
        assert np.isfinite(file["points"]).all()
        corners = scene.vertices[scene.faces[file["root_face"]]]
        roots = np.einsum("nk,nkc->nc", file["root_barycentric"], corners)
    # Every strand begins at the root it names.
    assert np.linalg.norm(strands.roots - roots, axis=1).max() < 2e-3
    report = json.loads((folder / "report.json").read_text())
    assert {"orientation", "hull", "shell", "field", "growth", "connection", "refinement"} <= set(report["stages"])
    assert report["peak_memory_mb"] > 10
    losses = json.loads((folder / "losses.json").read_text())
    assert all(len(losses[name]) == 6 for name in ("volume", "chamfer", "orientation", "image orientation"))
    assert (folder / "losses.png").stat().st_size > 1000
    assert len(list((folder / "orientation").glob("*.png"))) == VIEWS
    with np.load(folder / "orientation" / "view_000.npz") as file:
        assert file["angle"].shape == (SIZE, SIZE)
        assert file["confidence"].dtype == np.float16
    assert (folder / "preview_growth.npz").is_file()


def test_the_strands_are_those_of_the_scene(result, scene):
    strands = read_npz(result[0].folder / "strands.npz").resampled(40)
    assert f_score(strands, scene.strands, 0.008, 30) > 0.6


def test_hair_hangs_in_a_capture_that_lies_on_its_side(capture_folder, scene, tmp_path):
    """What comes back stands where the capture's cameras and head stand."""
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    shutil.copytree(capture_folder, tmp_path / "capture")
    capture = read_capture(tmp_path / "capture")
    views = []
    for view in capture.views:
        pose = view.camera.camera_to_world.copy()
        pose[:3] = turn @ pose[:3]
        views.append(dataclasses.replace(view, camera=dataclasses.replace(view.camera, camera_to_world=pose)))
    write_capture(dataclasses.replace(capture, views=tuple(views)))
    head = Head(scene.vertices @ turn.T, scene.faces, regions={"scalp": scene.scalp})
    write_head(tmp_path / "head.npz", head)
    reporter = SilentReporter(tmp_path / "out")
    reconstruct_hair.run(request(tmp_path / "capture", tmp_path / "head.npz", stages="growth"), reporter)
    strands = read_npz(reporter.folder / "strands.npz").resampled(40)
    assert f_score(strands @ turn, scene.strands, 0.008, 30) > 0.5
    assert Surface(head.vertices, head.faces).signed_distance(strands.reshape(-1, 3)).min() > -1e-6


def test_no_point_is_inside_the_head(result, skull):
    points = read_npz(result[0].folder / "strands.npz").points
    assert skull.signed_distance(points).min() > -1e-6


def test_ground_truth_is_never_opened(capture_folder, result, tmp_path):
    copy = tmp_path / "capture"
    shutil.copytree(capture_folder, copy)
    (copy / "ground_truth").mkdir()
    (copy / "ground_truth" / "strands.npz").write_bytes(b"no strands at all")
    reporter = SilentReporter(tmp_path / "out")
    reconstruct_hair.run(request(copy, copy / "head.npz", stages="hull"), reporter)
    assert (reporter.folder / "strands.npz").is_file()


def test_cancel_stops_it_soon(capture_folder, tmp_path):
    reporter = SilentReporter(tmp_path)
    stages = []
    begin = reporter.stage

    def stage(name, total=1):
        stages.append(name)
        if len(stages) == 4:
            reporter.cancelled.set()
        begin(name, total)

    reporter.stage = stage
    with pytest.raises(Cancelled):
        reconstruct_hair.run(request(capture_folder, capture_folder / "head.npz"), reporter)
    assert len(stages) == 4
    assert not (tmp_path / "strands.npz").exists()


def test_a_stopped_job_goes_on_where_it_was_and_ends_as_if_it_had_not_stopped(
    capture_folder, result, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_PARTS", -1.0)
    asked = request(capture_folder, capture_folder / "head.npz")
    stopped = SilentReporter(tmp_path)
    step = stopped.step

    def stopping(n=None):
        if stopped._total == 6 and n == 4:
            stopped.cancelled.set()
        step(n)

    stopped.step = stopping
    with pytest.raises(Cancelled):
        reconstruct_hair.run(asked, stopped)
    kept = {path.stem for path in (tmp_path / "checkpoint").glob("*.npz")}
    assert kept == {
        "head", "orientation", "hull", "hollows", "shell", "axes", "curls", "field", "growth", "connection",
        "refinement.part",
    }  # fmt: skip

    def done_again(*_, **__):
        raise AssertionError("a stage that was kept is done again")

    costly = [(reconstruct_hair.orientation, "orientation_map"), (reconstruct_hair.hull, "visual_hull")]
    costly += [(reconstruct_hair.shell, "robust_directions"), (reconstruct_hair.curls, "axis_field")]
    costly += [(reconstruct_hair.field, "diffuse"), (reconstruct_hair.growth, "grow")]
    costly += [(reconstruct_hair.connection, "cover")]
    with monkeypatch.context() as patch:
        for module, name in costly:
            patch.setattr(module, name, done_again)
        resumed = SilentReporter(tmp_path)
        reconstruct_hair.run(asked, resumed)
    ended, whole = (read_npz(folder / "strands.npz") for folder in (tmp_path, result[0].folder))
    assert np.array_equal(ended.counts, whole.counts)
    assert np.abs(ended.points - whole.points).max() < 1e-4
    losses, uncut = (json.loads((f / "losses.json").read_text()) for f in (tmp_path, result[0].folder))
    assert losses["total"] == pytest.approx(uncut["total"], rel=1e-3)
    stages = json.loads((tmp_path / "report.json").read_text())["stages"]
    assert stages["hull"] > 0.01 and stages["connection"] > 0.01
    assert not (tmp_path / "checkpoint").exists()


def test_checkpoints_follow_the_photographs_and_the_request(capture_folder, tmp_path):
    copy = tmp_path / "capture"
    shutil.copytree(capture_folder, copy)
    preset, device = presets.PRESETS["draft"], torch.device("cpu")

    def now(**settings):
        asked = request(copy, copy / "head.npz", **settings)
        return reconstruct_hair._fingerprint(asked, read_capture(copy), preset, device)

    seen = [now(), now(seed=3)]
    for name in ("images/view_003.png", "masks/hair/view_004.png", "head.npz", "transforms.json"):
        os.utime(copy / name, ns=(1, 1))
        seen.append(now())
    assert len(set(seen)) == 6


def test_a_head_elsewhere_is_refused_in_a_sentence(capture_folder, scene, tmp_path):
    far = Head(scene.vertices + [0.6, 0, 0], scene.faces, regions={"scalp": scene.scalp})
    write_head(tmp_path / "far.npz", far)
    with pytest.raises(HeadError, match="head"):
        reconstruct_hair.run(request(capture_folder, tmp_path / "far.npz"), SilentReporter(tmp_path / "out"))
