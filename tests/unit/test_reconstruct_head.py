"""The surface of a head on a grid: its parts against closed forms, and the whole job on a synthetic head."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from backend import contract
from backend.errors import CaptureError, RequestError
from backend.formats.capture import Camera, Capture, View, write_capture
from backend.formats.head import read_head
from backend.formats.sdf_grid import read_sdf_grid
from backend.geometry.grid import Grid
from backend.head.grid_surface import losses
from backend.head.grid_surface.fusion import HAIR_DEPTH, fuse
from backend.head.grid_surface.hull import Volume, visual_hull
from backend.head.grid_surface.pictures import Picture, mask_distance
from backend.head.grid_surface.presets import HullConfig, Weights
from backend.head.grid_surface.reconstruct import before_the_face
from backend.head.grid_surface.refine import redistanced
from backend.head.grid_surface.sweep import DepthMap
from backend.head.grid_surface.trace import differentiable, first_surface, march, slopes_of, trace
from backend.head.priors.proxy import Proxy
from backend.head.priors.semantics import HAIR
from backend.head.priors.views import HeadView
from backend.jobs import reconstruct_head
from backend.protocol import SilentReporter
from tests.unit.hair_scene import SEMI_AXES, cameras, ellipsoid

SIZE = 128


def sphere(nodes=48, radius=0.08, middle=(0.0, 0.0, 0.0)):
    grid = Grid.around(np.full(3, -0.12), np.full(3, 0.12), 0.24 / (nodes - 1))
    points = torch.from_numpy(grid.centres()) - torch.tensor(middle)
    return Volume(grid, (points.norm(dim=1) - radius).reshape(grid.shape))


def speckled(points):
    """(N,) grey of an ellipsoid's points: blobs of a few millimetres, the same seen from everywhere."""
    rng = np.random.default_rng(3)
    waves = rng.normal(size=(60, 3)) * 450
    phase = rng.uniform(0, 2 * np.pi, 60)
    return 0.5 + 0.22 * np.sin(points @ waves.T + phase).sum(1) / np.sqrt(30)


def photographs(count):
    """(image (S, S, 3) uint8, mask (S, S) uint8, intrinsics, world to camera) of a speckled ellipsoid."""
    over = 2
    for intrinsics, pose in cameras(count, SIZE):
        at = (np.stack(np.meshgrid(np.arange(SIZE * over), np.arange(SIZE * over)), -1) + 0.5) / over
        rays = np.concatenate([(at - intrinsics[:2, 2]) / intrinsics[0, 0], np.ones((*at.shape[:2], 1))], -1)
        rays = rays.reshape(-1, 3) @ pose[:3, :3]
        centre = -pose[:3, :3].T @ pose[:3, 3]
        o, d = centre / SEMI_AXES, rays / SEMI_AXES
        a, b, c = (d * d).sum(1), 2 * d @ o, o @ o - 1
        root = b * b - 4 * a * c
        hit = root > 0
        depth = (-b - np.sqrt(np.where(hit, root, 0))) / (2 * a)
        grey = np.where(hit, speckled(centre + depth[:, None] * rays), 0.1)
        fold = [v.reshape(SIZE, over, SIZE, over).mean((1, 3)) for v in (grey, hit.astype(float))]
        image, mask = (np.round(255 * np.clip(v, 0, 1)).astype(np.uint8) for v in fold)
        yield np.repeat(image[..., None], 3, 2), mask, intrinsics, pose


def capture_at(folder, count, without=()):
    """A capture of images, cameras and masks of the person, nothing else."""
    views = []
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "person").mkdir(parents=True)
    for k, (image, mask, intrinsics, pose) in enumerate(photographs(count)):
        name = f"view_{k:03d}"
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
        if k not in without:
            cv2.imwrite(str(folder / "masks" / "person" / f"{name}.png"), mask)
        pose = np.linalg.inv(np.diag([1.0, -1.0, -1.0, 1.0]) @ pose)
        camera = Camera(SIZE, SIZE, intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2], pose)
        views.append(View(name, folder / "images" / f"{name}.png", camera))
    write_capture(Capture(folder, tuple(views)))
    return folder


def off_the_ellipsoid(points):
    """(N,) metres to the ellipsoid's surface, to first order."""
    value = np.sqrt(((points / SEMI_AXES) ** 2).sum(1))
    slope = np.linalg.norm(points / SEMI_AXES**2, axis=1) / value
    return np.abs(value - 1) / slope


def picture(volume_radius=0.08, size=96):
    """A camera 0.6 m before a sphere, with that sphere's mask."""
    intrinsics = np.array([[2.2 * size, 0, size / 2], [0, 2.2 * size, size / 2], [0, 0, 1.0]])
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    pose[2, 3] = 0.6
    kept = [torch.from_numpy(m.astype(np.float32)) for m in (intrinsics, pose)]
    blank = Picture("v", torch.zeros(size, size), None, None, None, *kept)
    # A cone that touches the sphere.
    at = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5 - size / 2
    edge = 2.2 * size * volume_radius / np.sqrt(0.6**2 - volume_radius**2)
    outside = torch.from_numpy((np.linalg.norm(at, axis=-1) - edge).astype(np.float32))
    return Picture("v", blank.grey, outside, None, None, *kept)


def test_rays_meet_a_sphere_where_it_is():
    volume, view = sphere(), picture()
    seen = first_surface(volume, slopes_of(volume), view)
    rays = view.rays(torch.tensor([[48.0, 48.0], [60.0, 40.0], [2.0, 2.0]]))
    found = trace(volume, view.centre, rays)
    points = view.centre + found.depth[:, None] * rays
    again = march(volume, view.centre, rays)
    assert found.hit.tolist() == again.hit.tolist() == [True, True, False]
    assert np.allclose(found.depth[:2], again.depth[:2], atol=2e-4)
    assert np.allclose(points[:2].norm(dim=1), 0.08, atol=2e-4)
    assert abs(float(seen.depth[48, 48]) - 0.52) < 3e-4 and float(seen.facing[48, 48]) > 0.99
    assert (seen.covered == (view.outside < 0)).float().mean() > 0.98


def test_the_differentiable_point_moves_along_its_ray_as_the_surface_does():
    volume, view = sphere(), picture()
    rays = view.rays(torch.tensor([[48.0, 48.0], [58.0, 52.0]]))
    depth = trace(volume, view.centre, rays).depth
    grown = torch.zeros((), requires_grad=True)
    points, _ = differentiable(volume.values - grown, volume, view.centre, rays, depth)
    distance = (points - view.centre).norm(dim=1)
    for k in range(2):
        (speed,) = torch.autograd.grad(distance[k], grown, retain_graph=True)
        ray = torch.nn.functional.normalize(rays[k], dim=0)
        normal = torch.nn.functional.normalize(points[k].detach(), dim=0)
        # A surface that comes out by d is met d / cosine earlier.
        assert float(speed) == pytest.approx(1 / float(normal @ ray), rel=0.03)


def test_depths_are_fused_to_distances_and_hair_lies_a_little_farther_out(tmp_path):
    volume, view = sphere(), picture()
    seen = first_surface(volume, slopes_of(volume), view)
    labels = torch.full(view.size, HAIR, dtype=torch.uint8)
    found = DepthMap(replace(view, labels=labels), seen, seen.depth, seen.covered.float())
    facing = volume.grid.centres()[:, 1] < -0.06  # the camera stands there
    plain = {}
    for hair in (False, True):
        fused = fuse(volume, [found], 0.01, SilentReporter(tmp_path), hair)
        near = (volume.values.reshape(-1)[fused.nodes].abs() < 0.004) & torch.from_numpy(facing)[fused.nodes]
        assert near.sum() > 50
        plain[hair] = (fused.distance - volume.values.reshape(-1)[fused.nodes])[near]
    assert float(plain[False].abs().mean()) < 0.0006
    assert float((plain[True] - plain[False]).mean()) == pytest.approx(-HAIR_DEPTH, rel=0.05)


def test_room_before_bare_skin_is_cleared_and_room_that_the_picture_shows_as_hair_stays():
    hull, size = sphere(radius=0.1), 96
    vertices, faces = ellipsoid()
    proxy = Proxy(0.07 * vertices / SEMI_AXES, faces, {})
    pose = np.eye(4)
    pose[:3, :3], pose[1, 3] = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]), -0.6  # from the front
    camera = Camera(size, size, 2.2 * size, 2.2 * size, size / 2, size / 2, pose)
    hair = np.zeros((size, size), np.float32)
    hair[:, : size // 2] = 1
    everybody = np.ones_like(hair)
    view = HeadView("v", camera, np.zeros((size, size, 3), np.float32), everybody, hair)
    cleared = before_the_face(hull, [view], proxy, np.ones(len(faces), bool))

    def at(*towards, radius):
        place = radius * torch.nn.functional.normalize(torch.tensor(towards), dim=0)
        return float(cleared.at(place))

    bare, under_hair, behind = (0.3, -1.0, 0.1), (-0.3, -1.0, 0.1), (0.3, 1.0, 0.1)
    # A centimetre of room before the skin, which lies at 7.
    assert at(*bare, radius=0.076) < 0 < at(*bare, radius=0.084)
    assert at(*bare, radius=0.09) == pytest.approx(0.01, abs=0.003)
    for kept in (under_hair, behind):
        assert at(*kept, radius=0.09) == pytest.approx(-0.01, abs=1e-3)
    # What the hull had, and no more.
    assert float(cleared.at(torch.tensor([0.0, 0.0, 0.0]))) < -0.05
    nobody = before_the_face(hull, [view], proxy, np.zeros(len(faces), bool))
    assert (nobody.values < 0).float().mean() == pytest.approx(float((hull.values < 0).float().mean()), rel=0.05)


def test_a_spoilt_field_becomes_a_distance_again():
    volume = sphere()
    spoilt = Volume(volume.grid, (2 * volume.values).clamp(max=0.03))
    mended = redistanced(spoilt).values
    band = volume.values.abs() < 0.03
    assert float((mended - volume.values)[band].abs().max()) < volume.grid.spacing
    assert float((mended - volume.values)[volume.values.abs() < 0.005].abs().mean()) < 0.0004
    assert ((mended < 0) == (volume.values < 0)).float().mean() > 0.999


def test_masks_push_a_sphere_that_is_too_small_out_and_one_too_large_in():
    view = picture()
    pixels = torch.rand(4000, 2, generator=torch.Generator().manual_seed(1)) * 96
    inside, rays = losses.read(view.outside, pixels) < 0, view.rays(pixels)
    centres = view.centre.expand_as(rays)
    room = sphere(radius=0.1)
    for radius, sign in ((0.07, 1), (0.09, -1)):
        volume = sphere(radius=radius)
        grown = torch.zeros((), requires_grad=True)
        term = losses.mask_term((volume.values - grown) / volume.grid.spacing, volume, room, centres, rays, inside)
        term.backward()
        assert float(term.detach()) > 0.005 and -sign * float(grown.grad) > 0
    right = sphere()
    assert float(losses.mask_term(right.values / right.grid.spacing, right, room, centres, rays, inside)) < 0.002


@pytest.mark.parametrize("angle", [0.0, 0.6, 1.2])
def test_hair_runs_along_a_cylinder(angle):
    """The direction of least bending of a cylinder is its axis: equation 16 is zero where the picture says so."""
    base, view = sphere(), picture()
    axis = torch.tensor([np.cos(angle), 0.0, np.sin(angle)], dtype=torch.float32)
    points = torch.from_numpy(base.grid.centres())
    across = points - (points @ axis)[:, None] * axis
    volume = Volume(base.grid, (across.norm(dim=1) - 0.05).reshape(base.grid.shape))
    pixels = 48 + 12 * (torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) - 0.5)
    rays = view.rays(pixels)
    surface = view.centre + trace(volume, view.centre, rays).depth[:, None] * rays

    def term(line):
        lines = torch.tensor([np.cos(line), np.sin(line), 1.0], dtype=torch.float32)[:, None, None].expand(3, 96, 96)
        drawn = Picture("v", view.grey, None, None, lines.contiguous(), view.intrinsics, view.pose)
        return float(losses.direction_term(volume.values / volume.grid.spacing, volume, surface, drawn, pixels))

    assert term(-angle) < 0.02  # the picture's y axis points down
    assert term(-angle + np.pi / 2) > 0.8


def test_the_hull_holds_the_head_and_little_more(tmp_path):
    small = []
    for image, mask, intrinsics, pose in photographs(12):
        outside = torch.from_numpy(mask_distance(mask / np.float32(255), 1))
        matrices = (torch.from_numpy(np.asarray(m, np.float32)) for m in (intrinsics, pose))
        small.append(Picture("v", torch.from_numpy(image[..., 0] / np.float32(255)), outside, None, None, *matrices))
    hull = visual_hull(small, HullConfig(nodes=48), SilentReporter(tmp_path))
    points = hull.grid.centres()
    true = np.sqrt(((points / SEMI_AXES) ** 2).sum(1)) < 1
    found = hull.values.reshape(-1).numpy() < 0
    assert (found & true).sum() / true.sum() > 0.97
    assert (found & ~true).sum() / true.sum() < 0.15


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The draft of a capture with nothing but images, cameras and masks, one of which is missing."""
    folder = tmp_path_factory.mktemp("head")
    capture = capture_at(folder / "capture", 9, without=(4,))
    request = contract.ReconstructHead(capture, preset="draft", faces=8000, uv=False, texture=0, resolution=96)
    reporter = SilentReporter(folder / "job")
    return reporter, reconstruct_head.run(request, reporter)


def test_a_head_comes_of_images_cameras_and_masks_alone(made):
    reporter, result = made
    head = read_head(reporter.folder / result["head"])
    error = 1000 * off_the_ellipsoid(head.vertices.astype(np.float64))
    assert result["watertight"] and 6000 < len(head.faces) <= 8000
    assert error.mean() < 0.8 and np.quantile(error, 0.95) < 2.5
    assert any("mask" in m["text"] for m in reporter.messages if m["type"] == "warning")


def test_the_report_says_which_priors_took_part(made):
    reporter, result = made
    report = json.loads((reporter.folder / result["report"]).read_text())
    assert report["priors"]["proxy"] is False and report["priors"]["semantics"] is False
    assert report["peak_memory_mb"] > 0 and {"hull", "mesh"} <= set(report["stages"])
    assert not (reporter.folder / "checkpoint").exists()
    losses_told = json.loads((reporter.folder / "losses.json").read_text())
    assert np.mean(losses_told["stereo"][-5:]) < np.mean(losses_told["stereo"][:5])


def test_a_mesh_to_look_at_comes_before_anything_is_refined(made):
    reporter, _ = made
    kinds = [(m["type"], m.get("stage")) for m in reporter.messages]
    first = next(k for k, m in enumerate(reporter.messages) if m["type"] == "preview")
    assert not any("Refining" in (stage or "") for _, stage in kinds[:first])
    with np.load(reporter.folder / "preview.npz") as file:
        assert file["faces"].max() < len(file["vertices"])
    assert read_sdf_grid(reporter.folder / "field.npz").values.min() < 0


def test_too_few_masks_are_named(tmp_path):
    capture = capture_at(tmp_path / "capture", 3, without=(0, 1))
    with pytest.raises(CaptureError, match="mask of the person"):
        reconstruct_head.run(contract.ReconstructHead(capture, preset="draft"), SilentReporter(tmp_path / "job"))


@pytest.mark.parametrize("words", ["rgb", "colour=2", "mask=-1", "mask=x", "mask=nan", "mask=inf"])
def test_weights_that_are_none_are_named(tmp_path, words):
    request = contract.ReconstructHead(tmp_path, preset="draft", weights=words)
    with pytest.raises(RequestError, match=words.split()[0]):
        reconstruct_head.run(request, SilentReporter(tmp_path / "job"))


def test_weights_are_factors():
    weights = Weights().times({"mask": 2.0})
    assert weights.mask == 2 * Weights().mask and weights.rgb == Weights().rgb
