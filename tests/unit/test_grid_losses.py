"""The losses of the surface on a grid and what is learnt beside it, against closed forms on a sphere."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.head.grid_surface import losses
from backend.head.grid_surface.fusion import TRUNCATION, Fused
from backend.head.grid_surface.presets import LevelConfig, Weights
from backend.head.grid_surface.reconstruct import voted_labels
from backend.head.grid_surface.refine import Guides, refine
from backend.head.grid_surface.trace import first_surface, slopes_of
from backend.head.priors.semantics import BACKGROUND, CLASSES, HAIR, NOT_SAID
from backend.protocol import SilentReporter
from tests.unit.grid_scene import picture, sphere, sphere_pictures

FACE = CLASSES.index("face")
NOTHING = Weights(rgb=0, mask=0, eikonal=0, proxy=0, semantics=0, direction=0, smooth=0)


def unit_vectors(count, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=1)


def test_a_fitted_face_draws_by_how_far_it_is_and_not_from_afar():
    """Equation 14 under Huber's norm: half a square up to one spacing, then a line; nothing from three spacings on."""
    volume = sphere(nodes=96)
    spacing = volume.grid.spacing
    field = volume.values / spacing
    for off, cost in ((0.4, 0.08), (-0.4, 0.08), (1.5, 1.0), (2.5, 2.0), (3.5, 0.0)):
        points = (0.08 + off * spacing) * unit_vectors(2000)
        assert float(losses.proxy_term(field, volume.grid, points, None)) == pytest.approx(cost, abs=0.02)
    # Where stereo has measured, by a view that is sure, it is 21 times weaker.
    trust = torch.zeros(volume.grid.shape)
    trust[:48] = 1
    points = (0.08 + 1.5 * spacing) * unit_vectors(2000)
    measured = points[:, 0] < -2 * spacing
    for where, cost in ((measured, 1.0 / 21), (points[:, 0] > 2 * spacing, 1.0)):
        term = losses.proxy_term(field, volume.grid, points[where], (None, trust.reshape(-1)))
        assert float(term) == pytest.approx(cost, rel=0.03)
    # Points outside pull the surface out.
    losses.proxy_term(field.requires_grad_(), volume.grid, points, None).backward()
    assert float(field.grad.sum()) > 0


def test_labels_cost_what_the_odds_against_them_say():
    """Equation 15."""
    view, volume = picture(), sphere()
    labels = losses.LabelField.around(volume.grid, 24)
    assert np.allclose(labels.grid.origin, volume.grid.origin)
    assert max(labels.grid.shape) == 24
    said = torch.full(view.size, FACE, dtype=torch.uint8)
    said[:, :48] = NOT_SAID
    view = replace(view, labels=said)
    points = 0.08 * unit_vectors(300)
    pixels = view.project(points)[0]
    known = pixels[:, 0] >= 48
    # Even odds, whatever the pixels that nobody labelled would say.
    with torch.no_grad():
        term = losses.semantic_term(labels, points, view, pixels)
        assert float(term) == pytest.approx(np.log(len(CLASSES)), rel=1e-5)
        assert float(losses.semantic_term(labels, points[~known], view, pixels[~known])) == 0
        labels.logits[FACE] = 2.0
        term = losses.semantic_term(labels, points, view, pixels)
        assert float(term) == pytest.approx(np.log(np.exp(2) + len(CLASSES) - 1) - 2, rel=1e-5)
    # Only the places that were seen learn.
    losses.semantic_term(labels, points, view, pixels).backward()
    assert float(labels.logits.grad[FACE].sum()) < 0 < float(labels.logits.grad[HAIR].sum())
    x = labels.grid.centres().reshape(*labels.grid.shape, 3)[..., 0]
    assert float(labels.logits.grad[:, torch.from_numpy(x < -0.02)].abs().max()) == 0


def level(steps, **settings):
    return LevelConfig(nodes=48, steps=steps, rays=200, **settings)


def refined(volume, folder, fused=None, guides=None, weights=NOTHING, steps=1, **settings):
    rng = np.random.default_rng(0)
    guides = guides or Guides()
    return refine(volume, sphere(radius=0.11), [picture()], fused, guides, level(steps, **settings), weights, rng,
                  SilentReporter(folder))  # fmt: skip


def test_the_field_goes_where_stereo_measured(tmp_path):
    start, true = sphere(), sphere(radius=0.083)
    spacing, reach = start.grid.spacing, TRUNCATION * start.grid.spacing
    nodes = torch.nonzero(start.values.reshape(-1).abs() < reach + 0.004)[:, 0]
    distance = true.values.reshape(-1)[nodes].clamp(-reach, reach)
    fused = Fused(nodes, distance, torch.full((len(nodes),), 0.5))
    weights = replace(NOTHING, rgb=1.0, eikonal=0.1)
    # Three millimetres are less than the two spacings up to which the cost is half the square, at half the trust.
    near = Fused(*(part[distance.abs() < 0.9 * reach] for part in (nodes, distance, fused.weight)))
    _, history = refined(start, tmp_path, near, weights=weights, band=TRUNCATION + 2)
    free = (start.values.abs() < (TRUNCATION + 2) * spacing).sum()
    cost = 0.5 * 0.5 * (0.003 / spacing) ** 2 * len(near.nodes) / float(free)
    assert history[0]["stereo"] == pytest.approx(cost, rel=0.08)
    found, history = refined(start, tmp_path, fused, weights=weights, steps=60)
    assert history[-1]["stereo"] < 0.1 * history[0]["stereo"]
    off = found.at(0.083 * unit_vectors(500))
    assert float(off.abs().mean()) < 0.0004


def test_where_views_only_see_that_nothing_is_there_being_outside_is_enough(tmp_path):
    """Nodes that stereo calls empty, at the most it tells: those farther out cost nothing, those inside do."""
    start = sphere()
    spacing = start.grid.spacing
    nodes = torch.nonzero(start.values.reshape(-1).abs() < 3.9 * spacing)[:, 0]
    empty = torch.full((len(nodes),), TRUNCATION * spacing)
    away = start.values.reshape(-1)[nodes] > TRUNCATION * spacing
    weights = replace(NOTHING, rgb=1.0)
    for chosen, free in ((away, True), (~away, False)):
        fused = Fused(nodes[chosen], empty[chosen], torch.ones(int(chosen.sum())))
        _, history = refined(start, tmp_path, fused, weights=weights)
        assert (history[0]["stereo"] == 0) == free


def test_a_field_under_a_fitted_face_and_labels_comes_to_both(tmp_path):
    """The whole descent: points 3 mm outside the surface draw it out, and the labels' grid learns what a view shows."""
    start = sphere()
    view = replace(picture(), labels=torch.full((96, 96), HAIR, dtype=torch.uint8))
    labels = losses.LabelField.around(start.grid, 24)
    guides = Guides(0.083 * unit_vectors(4000), labels)
    weights = Weights(rgb=0, mask=0, proxy=3.0, semantics=0.02, direction=0)
    found, history = refine(start, sphere(radius=0.11), [view], None, guides, level(50), weights,
                            np.random.default_rng(0), SilentReporter(tmp_path))  # fmt: skip
    assert float(found.at(guides.proxy).abs().mean()) < 0.0006
    assert history[0]["semantics"] == pytest.approx(np.log(len(CLASSES)), rel=1e-4)
    front = unit_vectors(2000)
    front = 0.082 * front[front[:, 1] < -0.7]  # the camera stands there
    odds = torch.softmax(labels.grid.sample(labels.logits.detach(), front), dim=1)
    assert float(odds[:, HAIR].mean()) > 0.35 > 2 / len(CLASSES)
    assert history[-1]["semantics"] < 0.5 * history[0]["semantics"]
    behind = labels.grid.sample(labels.logits.detach(), -front)
    assert float(behind.abs().max()) == 0


@pytest.fixture(scope="module")
def seen():
    """Pictures of a speckled sphere, and the depths that each saw."""
    pictures, volume = sphere_pictures(6), sphere(nodes=64)
    slopes = slopes_of(volume)
    return pictures, [first_surface(volume, slopes, view).depth for view in pictures]


def partners(count, k):
    return [m for m in range(count) if m != k]


def test_patches_agree_on_the_surface_and_not_beside_it(seen):
    pictures, depths = seen
    patches = losses.Patches(pictures, depths, 0.01, [partners(6, k) for k in range(6)])
    away = unit_vectors(3000, seed=2)
    away = away[away @ -pictures[0].axis > 0.5]
    cost = {}
    for off in (-0.003, -0.001, 0.0, 0.001, 0.003):
        cost[off] = float(patches.term((0.08 + off) * away, away, 0))
    assert cost[0.0] < 0.1 < min(cost[-0.001], cost[0.001]) < min(cost[-0.003], cost[0.003])
    # And say which way it is.
    for off in (-0.001, 0.001):
        grown = torch.tensor(0.08 + off, requires_grad=True)
        patches.term(grown * away, away, 0).backward()
        assert np.sign(float(grown.grad)) == np.sign(off)


def test_views_that_see_no_part_in_common_say_nothing(seen):
    pictures, depths = seen
    opposite = max(range(6), key=lambda m: -float(pictures[0].axis @ pictures[m].axis))
    patches = losses.Patches(pictures, depths, 0.01, [[opposite]] + [[]] * 5)
    facing = unit_vectors(2000)
    facing = facing[facing @ -pictures[0].axis > 0.9]
    assert patches.term(0.08 * facing, facing, 0) is None


def test_a_camera_that_was_shaken_comes_back(seen):
    pictures, depths = seen
    shaken = torch.tensor([0.002, -0.003, 0.006, 0.0006, -0.0008, 0.001])  # radians, metres
    moved = [pictures[0].moved(losses.moved_pose(pictures[0].pose, shaken)), *pictures[1:]]
    twists = torch.zeros(6, 6, requires_grad=True)
    patches = losses.Patches(moved, depths, 0.01, [partners(6, k) for k in range(6)], twists)
    away = unit_vectors(4000, seed=3)
    away = away[away @ -pictures[0].axis > 0.4]

    def off():
        """Pixels that the surface's points are away from where the true camera has them."""
        with torch.no_grad():
            there = pictures[0].moved(patches.pose(0)).project(0.08 * away)[0]
            return float((there - pictures[0].project(0.08 * away)[0]).norm(dim=1).mean())

    before = off()
    assert before > 1.5
    optimiser, random = torch.optim.Adam([twists], lr=4e-4, betas=(0.9, 0.9)), torch.Generator().manual_seed(0)
    for step in range(60):
        optimiser.param_groups[0]["lr"] = 4e-4 * (1 - 0.9 * step / 60)
        some = away[torch.randint(len(away), (150,), generator=random)]
        optimiser.zero_grad()
        patches.term(0.08 * some, some, 0).backward()
        twists.grad[1:] = 0  # the others are known
        optimiser.step()
    assert off() < 0.1 * before
    # A turn about the line of sight is told from all others; one across it is nearly a shift.
    assert float(twists[0, 2].detach()) == pytest.approx(-0.006, abs=0.0008)


def test_a_small_motion_is_a_turn_and_a_shift_of_the_cameras_own_axes():
    pose = sphere_pictures(1, size=16)[0].pose
    angle, shift = 0.3, torch.tensor([0.01, -0.02, 0.03])
    moved = losses.moved_pose(pose, torch.tensor([0.0, 0.0, angle, *shift.tolist()]))
    turn = torch.tensor([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]).float()
    assert torch.allclose(moved[:3, :3], turn @ pose[:3, :3], atol=1e-6)
    assert torch.allclose(moved[:3, 3], turn @ pose[:3, 3] + shift, atol=1e-6)
    assert torch.equal(moved[3], pose[3])
    still = torch.zeros(6, requires_grad=True)
    losses.moved_pose(pose, still).sum().backward()
    assert torch.isfinite(still.grad).all() and float(still.grad[:3].abs().sum()) > 0


def test_labels_are_what_most_views_that_see_a_place_say(tmp_path):
    pictures, volume = sphere_pictures(15, size=64), sphere(nodes=48)
    # One view takes all of it for a nose, another has no labels, a third knows some only.
    wrong = torch.where(pictures[0].labels == BACKGROUND, BACKGROUND, CLASSES.index("nose")).to(torch.uint8)
    some = pictures[2].labels.clone()
    some[:, :32] = NOT_SAID
    told = [replace(pictures[0], labels=wrong), replace(pictures[1], labels=None), replace(pictures[2], labels=some)]
    told += pictures[3:]
    labels = voted_labels(volume, told, SilentReporter(tmp_path))
    points = volume.grid.centres().reshape(*volume.grid.shape, 3)
    near = np.abs(volume.values.numpy()) < 1.5 * volume.grid.spacing
    assert (labels[np.abs(volume.values.numpy()) > 2 * volume.grid.spacing] == 0).all()
    sure = near & (np.abs(points[..., 2]) > volume.grid.spacing)
    right = labels == np.where(points[..., 2] > 0, HAIR, FACE)
    assert right[sure].mean() > 0.9
    assert voted_labels(volume, [replace(view, labels=None) for view in pictures], SilentReporter(tmp_path)) is None
    # What no view sees has the name of what is seen beside it.
    front = voted_labels(volume, [pictures[0]], SilentReporter(tmp_path))
    behind = near & (points @ pictures[0].axis.numpy() > 0.03)
    assert set(np.unique(front[behind])) <= {HAIR, FACE}
