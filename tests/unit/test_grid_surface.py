"""The parts of the surface on a grid, against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.formats.capture import Camera
from backend.head.grid_surface import losses
from backend.head.grid_surface.fusion import HAIR_DEPTH, fuse
from backend.head.grid_surface.hull import Volume, visual_hull
from backend.head.grid_surface.pictures import Picture, mask_distance
from backend.head.grid_surface.presets import HullConfig, SweepConfig
from backend.head.grid_surface.reconstruct import before_the_face
from backend.head.grid_surface.refine import redistanced
from backend.head.grid_surface.sweep import DepthMap, _speckled
from backend.head.grid_surface.trace import differentiable, first_surface, march, slopes_of, trace
from backend.head.priors.proxy import Proxy
from backend.head.priors.semantics import HAIR
from backend.head.priors.views import HeadView
from backend.protocol import SilentReporter
from tests.unit.grid_scene import photographs, picture, sphere
from tests.unit.hair_scene import SEMI_AXES, ellipsoid


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


def test_spots_that_stand_apart_are_chance_matches():
    config = SweepConfig(window=7)
    found, known = torch.zeros(60, 60), torch.ones(60, 60, dtype=torch.bool)
    known[:, :10] = False
    found[20:24, 20:24] = 0.01  # 16 pixels, smaller than a window
    found[30:50, 30:50] = 0.01  # a part of the head that stands out
    found[:, 12] += 0.001  # a slope is no spot
    spots = _speckled(found, known, 0.001, config)
    assert spots[20:24, 20:24].all() and spots.sum() == 16
