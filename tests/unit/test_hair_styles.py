"""Hairstyles grown on a sphere with a scalp: a head whose distances and normals are known in closed form."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from backend.errors import HeadError
from backend.formats.head import Head
from backend.hair.styles import SCENES, STYLES, make_hairstyle
from backend.hair.styles.growth import keep_outside
from backend.hair.styles.obstacle import head_distance
from backend.hair.styles.scalp import sample_roots
from backend.hair.styles.shaping import curl, cut

RADIUS = 0.09


@pytest.fixture(scope="module")
def ball() -> Head:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    vertices = sphere.vertices.astype(np.float32)
    # Like a scalp: above, and lower at the back than at the front.
    scalp = np.flatnonzero(vertices[:, 2] > -0.4 * vertices[:, 1] + 0.005)
    uv = np.stack([np.arctan2(vertices[:, 0], vertices[:, 1]) / 7 + 0.5, vertices[:, 2] / 0.2 + 0.5], axis=1)
    return Head(
        vertices=vertices,
        faces=sphere.faces.astype(np.int32),
        uv=uv[sphere.faces].astype(np.float32),
        regions={"scalp": scalp},
        landmarks={},
        name="ball",
    )


@pytest.fixture(scope="module")
def grid(ball):
    return head_distance(ball)


def test_distance_grid_is_the_distance(grid):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4000, 3))
    radius = RADIUS + rng.uniform(-0.01, 0.01, 4000)
    points *= (radius / np.linalg.norm(points, axis=1))[:, None]
    distance, gradient = grid(points.astype(np.float32))
    assert np.abs(distance - (radius - RADIUS)).max() < 0.0008
    cosine = np.einsum("nd,nd->n", gradient, points) / radius
    assert np.percentile(cosine, 1) > 0.99


def test_distance_of_an_open_bust_closes_its_bottom(ball):
    low = ball.vertices[ball.faces][:, :, 2].min(axis=1) < -0.05
    open_ball = replace(ball, faces=ball.faces[~low], uv=None)
    distance, _ = head_distance(open_ball)(
        np.array([[0, 0, 0], [0, 0, -0.04], [0, 0, -0.08], [0, 0, 0.08]], np.float32)
    )
    assert distance[0] < -0.04 and distance[1] < -0.005 and distance[2] > 0.02 and distance[3] < -0.008


def test_roots_lie_evenly_on_the_scalp_with_their_uv(ball):
    roots = sample_roots(ball, 3000, np.random.default_rng(1))
    assert np.allclose(np.linalg.norm(roots.positions, axis=1), RADIUS, atol=0.0006)
    rebuilt = np.einsum("nk,nkd->nd", roots.barycentric, ball.vertices[ball.faces[roots.faces]])
    assert np.abs(rebuilt - roots.positions).max() < 1e-6
    assert np.abs(np.einsum("nk,nkd->nd", roots.barycentric, ball.uv[roots.faces]) - roots.uv).max() < 1e-6
    assert set(ball.faces[roots.faces].ravel()) <= set(ball.regions["scalp"])
    # Away from the hairline the nearest neighbour is far more even than chance (mean/deviation 1.9) would have it.
    gap = cKDTree(roots.positions).query(roots.positions[roots.edge > 0.02], k=2)[0][:, 1]
    assert gap.mean() / gap.std() > 2.8
    sparse, dense = (roots.edge < 0.004).sum(), ((roots.edge > 0.02) & (roots.edge < 0.024)).sum()
    assert sparse < 0.5 * dense


@pytest.mark.parametrize("name", STYLES)
def test_styles_stay_out_of_the_head_and_have_their_lengths(ball, grid, name):
    style = STYLES[name]
    hair = make_hairstyle(ball, style, 600, seed=3, grid=grid)
    strands = hair.strands
    assert len(strands) == 600 and set(strands.counts) == {style.points}
    assert np.isfinite(strands.points).all()
    assert np.abs(strands.roots - hair.roots.positions).max() == 0
    assert np.linalg.norm(strands.points, axis=1).min() > RADIUS - 0.0008
    lengths = strands.lengths()
    spread = 1 + 3 * style.length_spread
    shortest, longest = min(vars(style.lengths).values()), max(vars(style.lengths).values())
    assert lengths.min() > 0.9 * max(style.shortest, shortest / spread)
    if not style.curl_radius:
        assert np.median(lengths) < 1.1 * longest


def test_same_seed_same_hair_and_another_seed_another(ball, grid):
    first, again, other = (
        make_hairstyle(ball, STYLES["wavy"], 200, seed=seed, grid=grid).strands.points for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_outer_hair_comes_from_farther_up(ball, grid):
    hair = make_hairstyle(ball, STYLES["straight"], 3000, seed=2, grid=grid)
    points = hair.strands.points.reshape(3000, -1, 3)
    # Where strands pass the head's side, those that began higher lie farther out.
    at_side = np.abs(points[..., 2]) < 0.004
    strand, _ = np.nonzero(at_side)
    height = np.linalg.norm(points[at_side], axis=1) - RADIUS
    rise = hair.roots.positions[strand, 2]
    assert height.std() > 0.002
    assert np.corrcoef(rise, height)[0, 1] > 0.3


def test_a_curl_has_its_radius_and_pitch():
    style = replace(STYLES["curly"], curl_radius=0.008, curl_pitch=0.030, curl_spread=0.0)
    axis = np.zeros((40, 110, 3), np.float32)
    axis[:, :, 2] = -np.arange(110) * style.step
    axis[:, :, 0] = np.arange(40)[:, None] * 0.05
    wound = curl(axis, np.arange(40), style, np.random.default_rng(0))
    beyond = int(style.curl_start / style.step) + 1
    offset = (wound - axis)[:, beyond:]
    radius = np.linalg.norm(offset, axis=2)
    assert abs(radius.mean() - 0.008) < 0.0004 and np.abs(offset[..., 2]).max() < 1e-5
    angle = np.unwrap(np.arctan2(offset[..., 1], offset[..., 0]), axis=1)
    turns = np.abs(angle[:, -1] - angle[:, 0]) / (2 * np.pi)
    assert np.allclose((offset.shape[1] - 1) * style.step / turns, 0.030, atol=1e-4)
    assert np.linalg.norm((wound - axis)[:, 0], axis=1).max() < 1e-6
    # Every guide has its own phase.
    phase = np.sort(angle[:, 0] % (2 * np.pi))
    assert np.diff(phase).max() < 1.2


def test_curls_have_at_least_ten_points_a_turn():
    style = SCENES["curly"].style
    assert style.points / (max(vars(style.lengths).values()) * 1.1 / style.curl_pitch) >= 10


def test_cut_keeps_roots_and_lengths():
    points = np.zeros((3, 101, 3), np.float32)
    points[..., 0] = np.arange(101) * 0.001
    short = cut(points, np.array([0.05, 0.1, 0.0335]), 0.001, 20)
    assert np.allclose(short[:, 0], 0) and np.allclose(short[:, -1, 0], [0.05, 0.1, 0.0335], atol=1e-6)


def test_points_inside_are_pushed_out(grid):
    line = np.zeros((1, 40, 3), np.float32)
    line[0, :, 0] = 0.01
    line[0, :, 2] = np.linspace(RADIUS, RADIUS - 0.03, 40)
    outside = keep_outside(line, grid, 0.001)
    assert np.linalg.norm(outside[0, 5:], axis=1).min() > RADIUS + 0.0004
    assert np.array_equal(outside[0, 0], line[0, 0])


def test_a_head_without_scalp_says_so(ball):
    with pytest.raises(HeadError, match="no scalp"):
        make_hairstyle(replace(ball, regions={}), STYLES["short"], 100)


@pytest.mark.parametrize("name, shortest, longest", [("straight", 0.25, 1.0), ("layered", 0.039, 0.104)])
def test_bench_scenes_keep_their_lengths(ball, grid, name, shortest, longest):
    scene = SCENES[name]
    lengths = make_hairstyle(ball, scene.style, 800, scene.seed, grid=grid).strands.lengths()
    assert lengths.min() >= shortest and np.percentile(lengths, 99.5) <= longest
