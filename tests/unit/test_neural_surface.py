"""The neural surface's parts against closed forms: spheres, cylinders, tori, analytic cameras."""

import dataclasses

import numpy as np
import pytest
import torch

from backend.errors import RequestError
from backend.flame.rotation import axis_angle_to_matrix
from backend.formats.capture import Camera
from backend.head.neural_surface import losses
from backend.head.neural_surface.cameras import Cameras
from backend.head.neural_surface.config import PUBLISHED, REDUCED
from backend.head.neural_surface.networks import Networks, SurfaceNetwork
from backend.head.neural_surface.tracing import trace, within_sphere

TINY = dataclasses.replace(REDUCED, layers=3, width=64, features=8, renderer_width=32, semantic_width=32)


def sphere(radius=0.6):
    return lambda x: x.norm(dim=1) - radius


def cylinder(axis, radius=0.3):
    axis = torch.tensor(axis, dtype=torch.float64)
    return lambda x: (x - (x @ axis)[:, None] * axis).norm(dim=1) - radius


def torus(large=0.6, small=0.2):
    """About the z axis."""
    return lambda x: torch.stack([x[:, :2].norm(dim=1) - large, x[:, 2]], dim=1).norm(dim=1) - small


def rays(count=200, seed=0, spread=0.7):
    """From a sphere of radius 3 towards places near the origin."""
    random = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(count, 3, generator=random, dtype=torch.float64), dim=1) * 3
    targets = spread * torch.randn(count, 3, generator=random, dtype=torch.float64)
    return origins, torch.nn.functional.normalize(targets - origins, dim=1)


def test_published_sizes():
    networks = Networks(PUBLISHED)
    # F: 8 hidden layers of 512 and one for f and z; g and s: 4 hidden layers of 512 and one for what they tell.
    assert [layer.out_features for layer in networks.surface.layers] == [512] * 3 + [512 - 39] + [512] * 4
    assert networks.surface.last.out_features == 257
    for network in (networks.renderer, networks.semantics):
        widths = [layer.out_features for layer in network.layers if hasattr(layer, "out_features")]
        assert widths[:-1] == [512] * 4
    assert (PUBLISHED.rays, PUBLISHED.hair_rays, PUBLISHED.epochs) == (2048, 2048, 3000)


@pytest.mark.parametrize(("config", "tolerance"), [(PUBLISHED, 0.1), (REDUCED, 0.25)])
def test_it_begins_as_a_sphere(config, tolerance):
    torch.manual_seed(0)  # the fewer units, the more the sphere depends on chance
    surface = SurfaceNetwork(config)
    x = 2 * torch.rand(500, 3) - 1
    values, normals, _ = surface.with_normals(x)
    off = values.detach() - (x.norm(dim=1) - config.start_radius)
    assert float(off.abs().mean()) < tolerance
    away = torch.nn.functional.cosine_similarity(normals.detach(), x)
    assert float(away.mean()) > 0.9


def test_priors_join_one_after_the_other():
    def joined(config, epoch):
        weights = config.weights_at(epoch)
        return {name for name in ("proxy", "semantics", "direction") if getattr(weights, name)}

    assert joined(PUBLISHED, 0) == {"proxy"}
    assert joined(PUBLISHED, 999) == {"proxy"}
    assert joined(PUBLISHED, 1000) == {"proxy", "semantics"}
    assert joined(PUBLISHED, 2000) == {"proxy", "semantics", "direction"}
    assert (PUBLISHED.weights_at(1999).rgb, PUBLISHED.weights_at(1999).eikonal) == (1.0, 0.1)
    assert (PUBLISHED.weights_at(2000).rgb, PUBLISHED.weights_at(2000).eikonal) == (100.0, 10.0)
    assert joined(dataclasses.replace(PUBLISHED, order="O-S-P"), 1500) == {"direction", "semantics"}
    assert len(joined(dataclasses.replace(PUBLISHED, order="all"), 0)) == 3
    assert [PUBLISHED.alpha_at(e) for e in (0, 250, 1249, 1250)] == [50, 100, 800, 1600]
    assert [PUBLISHED.rate_at(e) for e in (0, 1000, 1500)] == [1, 0.5, 0.25]
    assert PUBLISHED.with_factors("mask=0.2, rgb=20").weights.mask == 20
    assert PUBLISHED.with_factors("rgb=20").weights_at(2500).rgb == 2000
    for words in ("mosk=2", "rgb=-1", "rgb=nan", "smooth=2"):
        with pytest.raises(RequestError, match=rf"rgb, mask.*'{words}'"):
            PUBLISHED.with_factors(words)


def test_rays_meet_a_sphere_where_geometry_says():
    origins, directions = rays()
    traced = trace(sphere(), origins, directions, PUBLISHED)
    near, _, meets = within_sphere(origins, directions, 0.6)
    np.testing.assert_array_equal(traced.hit, meets)
    np.testing.assert_allclose(traced.t[meets], near[meets], atol=1e-4)
    # A ray that misses is nearest to the sphere where it is nearest to its middle.
    closest = -(origins * directions).sum(dim=1)
    within = ~meets & (origins + closest[:, None] * directions).norm(dim=1).lt(1)
    assert within.sum() > 20
    np.testing.assert_allclose(traced.t[within], closest[within], atol=2 / PUBLISHED.trace_samples)


@pytest.mark.parametrize("steepness", [0.4, 1.0, 1.3])
def test_rays_meet_the_first_side_of_a_torus_however_steep_its_field(steepness):
    origins, directions = rays(300, seed=1, spread=0.5)
    exact = torus()
    traced = trace(lambda x: steepness * exact(x), origins, directions, PUBLISHED)
    # By brute force: the first of many samples that lies inside.
    t = torch.linspace(2, 4, 4001, dtype=torch.float64)
    along = exact((origins[:, None] + t[:, None] * directions[:, None]).reshape(-1, 3)).view(len(origins), -1) < 0
    hit, first = along.any(dim=1), t[along.int().argmax(dim=1)]
    assert (traced.hit == hit).double().mean() > 0.98  # rays that graze it fall between samples
    both = traced.hit & hit
    assert (traced.t[both] - first[both]).abs().lt(2e-3).double().mean() > 0.98


def test_a_ray_whose_steps_went_through_the_surface_is_led_back_to_where_it_came_in():
    """A field that is steep near the surface and flat away from it, as a network may be at the beginning."""
    origins, directions = rays(60, spread=0.1)
    traced = trace(lambda x: 0.5 * torch.tanh(10 * sphere()(x)), origins, directions, PUBLISHED)
    assert traced.hit.all()
    np.testing.assert_allclose(traced.t, within_sphere(origins, directions, 0.6)[0], atol=1e-3)


def test_a_ray_outside_the_mask_is_led_to_its_deepest_point():
    origins, directions = rays(50, spread=0.1)
    asked = torch.zeros(50, dtype=torch.bool)
    traced = trace(sphere(), origins, directions, PUBLISHED, asked, torch.Generator().manual_seed(0))
    assert traced.hit.all()
    np.testing.assert_allclose(traced.t, -(origins * directions).sum(dim=1), atol=2 / PUBLISHED.trace_samples)


def test_differentiable_points_move_as_intersections_do():
    """Equation 22 against the intersection of a ray and a sphere, in closed form, as radius and camera change."""
    _, directions = rays(40, spread=0.2)
    radius = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
    centre = torch.tensor([0.1, -2.9, 0.2], dtype=torch.float64, requires_grad=True)
    directions = torch.nn.functional.normalize(0.1 * directions - centre.detach(), dim=1)

    def crossing(r, c):
        along = -(c * directions).sum(dim=1)
        return along - (r**2 - (c + along[:, None] * directions).square().sum(dim=1)).sqrt()

    t = crossing(radius, centre).detach()
    points = losses.differentiable_points(lambda x: x.norm(dim=1) - radius, centre.expand(40, 3), directions, t)
    true = centre + crossing(radius, centre)[:, None] * directions
    np.testing.assert_allclose(points.detach(), true.detach(), atol=1e-12)
    weight = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for name, variable in (("radius", radius), ("camera", centre)):
        ours = torch.autograd.grad((points * weight).sum(), variable, retain_graph=True)[0]
        exact = torch.autograd.grad((true * weight).sum(), variable, retain_graph=True)[0]
        np.testing.assert_allclose(ours, exact, rtol=1e-9, atol=1e-12, err_msg=name)


def test_losses_have_their_closed_forms():
    on = torch.nn.functional.normalize(torch.randn(100, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    # Equation 14: points 0.1 outside.
    assert float(losses.proxy(sphere()(0.7 * on))) == pytest.approx(0.1, abs=1e-6)
    # Equation 15: even odds among 8 classes cost log 8 each; a pixel that nobody labelled costs nothing.
    logits, labels = torch.zeros(6, 8), torch.tensor([1, 2, 3, 255, 7, 255])
    assert float(losses.semantic(logits, labels, 10)) == pytest.approx(4 * np.log(8) / 10)
    # Equation 16: 60 degrees apart, either way round.
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[0.5, np.sqrt(0.75)], [-0.5, np.sqrt(0.75)]]).float()
    assert float(losses.direction(a, b, torch.ones(2), 4)) == pytest.approx(2 * 0.5 / 4)
    # Equation 17: three channels that are 0.2 off.
    assert float(losses.photometric(torch.zeros(5, 3), torch.full((5, 3), 0.2), 10)) == pytest.approx(5 * 0.6 / 10)
    # Equations 18 and 19: a ray that passes at a distance d costs log(1 + exp(-alpha d)) / alpha outside the mask, and
    # log(1 + exp(alpha d)) / alpha in it.
    value = torch.tensor([0.05, 0.05])
    found = losses.contour(value, torch.tensor([False, True]), 50.0, 8)
    assert float(found) == pytest.approx((np.log1p(np.exp(-2.5)) + np.log1p(np.exp(2.5))) / 50 / 8, rel=1e-5)
    # Equation 20: a field twice as steep as a distance.
    x = (0.3 + torch.rand(50, 3)).requires_grad_()
    gradient = torch.autograd.grad((2 * sphere()(x)).sum(), x)[0]
    assert float(losses.eikonal(gradient)) == pytest.approx(1.0, abs=1e-5)
    assert float(losses.eikonal(gradient / 2)) == pytest.approx(0.0, abs=1e-9)


def by_eigenvectors(hessian):
    """Section III-E to the letter: the eigenvector of the second smallest absolute eigenvalue."""
    values, vectors = torch.linalg.eigh(hessian)
    second = values.abs().argsort(dim=1)[:, 1]
    return vectors[torch.arange(len(values)), :, second]


@pytest.mark.parametrize("axis", [[0, 0, 1.0], [1.0, 0, 0], [0.6, 0, 0.8]])
def test_a_cylinder_bends_least_along_its_axis(axis):
    x = torch.randn(60, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for distance in (cylinder(axis), lambda x: -cylinder(axis)(x)):  # a rod, and the hole in a pipe
        gradient, hessian = losses.hessian(distance, x)
        found, apart = losses.curvature_direction(gradient, hessian)
        along = (found @ torch.tensor(axis, dtype=torch.float64)).abs()
        np.testing.assert_allclose(along.detach(), 1, atol=1e-9)
        away = cylinder(axis, 0.0)(x)
        np.testing.assert_allclose(apart.detach(), 1 / away.detach(), rtol=1e-6)


@pytest.mark.parametrize(("small", "around"), [(0.2, True), (0.5, False)])
def test_a_torus_bends_least_around_or_across(small, around):
    """On the outer equator: curvature 1 / (R + r) around the axis, 1 / r across; inside the hole -1 / (R - r) around,
    which is the sharper one for a thick tube."""
    angle = torch.linspace(0.1, 6, 40, dtype=torch.float64)
    out = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], dim=1)
    tangent = torch.stack([-angle.sin(), angle.cos(), torch.zeros_like(angle)], dim=1)
    where = 0.6 + small if around else 0.6 - small
    gradient, hessian = losses.hessian(torus(0.6, small), where * out)
    found, _ = losses.curvature_direction(gradient, hessian)
    expected = tangent if around else torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand_as(tangent)
    np.testing.assert_allclose((found * expected).sum(dim=1).abs().detach(), 1, atol=1e-9)
    np.testing.assert_allclose((found * by_eigenvectors(hessian.detach())).sum(dim=1).abs().detach(), 1, atol=1e-6)


def test_direction_of_least_bending_can_be_learnt():
    """Its derivative against differences, on a field that is no exact distance."""
    x = torch.randn(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    scale = torch.tensor([1.0, 1.7, 0.6], dtype=torch.float64, requires_grad=True)

    def value(scale):
        gradient, hessian = losses.hessian(lambda p: (p * scale).norm(dim=1) - 0.6, x)
        return losses.curvature_direction(gradient, hessian)[0][:, 0].square().sum()

    assert torch.autograd.gradcheck(value, scale, atol=1e-5)
    # On a sphere no direction is meant; nothing breaks.
    sphere_scale = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert torch.isfinite(torch.autograd.grad(value(sphere_scale), sphere_scale)[0]).all()


def a_camera(size=100):
    pose = np.eye(4)
    pose[:3, :3] = axis_angle_to_matrix(torch.tensor([1.3, 0.2, -0.4], dtype=torch.float64)).numpy()
    pose[:3, 3] = pose[:3, :3] @ [0.1, 0.05, 3.0]
    return Camera(size, size + 20, 150.0, 160.0, 48.0, 63.0, pose)


def test_rays_and_directions_agree_with_an_analytic_camera():
    camera = a_camera()
    cameras = Cameras(torch.from_numpy(camera.intrinsics)[None], torch.from_numpy(camera.world_to_camera)[None])
    points = np.random.default_rng(0).normal(0, 0.3, (20, 3))
    pixels, _ = camera.project(points)
    c, v = (part.detach() for part in cameras.rays(0, torch.from_numpy(pixels)))
    np.testing.assert_allclose(c[0], camera.centre, atol=1e-12)
    towards = points - camera.centre
    np.testing.assert_allclose(v, towards / np.linalg.norm(towards, axis=1, keepdims=True), atol=1e-9)
    along = np.random.default_rng(1).normal(0, 1, (20, 3))
    step = (camera.project(points + 1e-6 * along)[0] - pixels) / 1e-6
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    found = losses.projected_direction(
        torch.from_numpy(points), torch.from_numpy(along), cameras.intrinsics[0], cameras.world_to_camera(0)
    ).detach()
    np.testing.assert_allclose(found, step, atol=1e-4)
    # A camera that has not moved yet has a derivative.
    c, v = cameras.rays(0, torch.from_numpy(pixels))
    (c + v).sum().backward()
    assert float(cameras.turns.grad.abs().sum()) > 0
    assert torch.isfinite(cameras.turns.grad).all()
    np.testing.assert_allclose(cameras.shifts.grad[0], -20 * camera.world_to_camera[:3, :3].sum(axis=1), atol=1e-9)
