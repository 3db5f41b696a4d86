import numpy as np
import pytest
import trimesh

from backend.errors import HeadError
from backend.formats.capture import Camera
from backend.geometry.raster import rasterise
from backend.head.priors.views import HeadView
from backend.head.texture.bake import bake_texture
from backend.head.texture.diffusion import Diffusion
from backend.head.texture.levelling import corrections, exposures
from backend.head.texture.seeing import to_linear, to_srgb
from backend.protocol import SilentReporter

SIZE = 192


def paint(points):
    """(N, 3) sRGB of a pattern that is smooth enough for the pictures' pixels."""
    x, y, z = (points / 0.1).T
    return np.stack([0.5 + 0.25 * np.sin(7 * x + z), 0.45 + 0.2 * np.cos(6 * z), 0.4 + 0.2 * np.sin(5 * y - 2 * x)], 1)


def camera(azimuth, distance=0.6):
    a = np.radians(azimuth)
    back, right = np.array([np.sin(a), -np.cos(a), 0]), np.array([np.cos(a), np.sin(a), 0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    pose[:3, 3] = back * distance
    return Camera(SIZE, SIZE, 2.4 * SIZE, 2.4 * SIZE, SIZE / 2, SIZE / 2, pose)


def striped(points):
    """(N, 3) sRGB of stripes that pictures of a quarter of the size do not show."""
    return np.tile(0.5 + 0.2 * np.sin(2 * np.pi * points[:, 2:] / 0.008), 3)


def photograph(mesh, azimuth, light=1.0, background=1.0, paint=paint):
    seen = camera(azimuth)
    pixels, depth = seen.project(mesh.vertices)
    raster = rasterise(pixels, depth, mesh.faces, (SIZE, SIZE))
    colour = paint(raster.blend(mesh.vertices, mesh.faces).reshape(-1, 3)).reshape(SIZE, SIZE, 3)
    image = np.where(raster.covered[..., None], to_srgb((to_linear(colour) * light).clip(0, 1)), background)
    return HeadView(f"{azimuth}", seen, image.astype(np.float32), raster.covered.astype(np.float32))


@pytest.fixture(scope="module")
def ball():
    return trimesh.creation.icosphere(subdivisions=4, radius=0.1)


@pytest.fixture(scope="module")
def ball_uv(ball):
    """Each triangle in a cell of its own: seams everywhere."""
    count = int(np.ceil(np.sqrt(len(ball.faces))))
    cell = np.stack(np.divmod(np.arange(len(ball.faces)), count), axis=1)[:, None]
    return (cell + np.array([[0.15, 0.15], [0.85, 0.15], [0.15, 0.85]])) / count


def bake(mesh, views, folder, uv=None, size=0, **options):
    return bake_texture(mesh.vertices, mesh.faces, uv, views, size, SilentReporter(folder), **options)


def shown(mesh):
    """Vertices that some camera of the ring sees well."""
    return np.abs(mesh.vertices[:, 2]) < 0.06


def test_colours_are_those_of_the_photographs(ball, ball_uv, tmp_path):
    views = [photograph(ball, azimuth) for azimuth in range(0, 360, 45)]
    texture = bake(ball, views, tmp_path, ball_uv, 1024)
    off = np.abs(texture.vertices / 255 - paint(ball.vertices))
    assert texture.seen[shown(ball)].all()
    assert off[shown(ball)].mean() < 0.006
    middle = np.floor(ball_uv.mean(axis=1) * [1024, -1024] + [0, 1024]).astype(int)
    texel = texture.picture[middle[:, 1], middle[:, 0]] / 255
    inner = shown(ball)[ball.faces].all(axis=1)
    assert np.abs(texel - paint(ball.vertices[ball.faces].mean(axis=1)))[inner].mean() < 0.006


def test_one_view_with_a_wrong_exposure_leaves_no_seam(ball, tmp_path):
    views = [photograph(ball, azimuth, 0.5 if azimuth == 90 else 1.0) for azimuth in range(0, 360, 45)]
    off = {}
    for level in (False, True):
        texture = bake(ball, views, tmp_path, level=level)
        off[level] = np.abs(texture.vertices / 255 - paint(ball.vertices))[shown(ball)].mean()
    assert off[True] < 0.004
    assert off[True] < off[False] / 2
    assert texture.report["views"]["90"]["exposure"] == pytest.approx([2, 2, 2], rel=0.03)
    assert texture.report["seam_after"] < 1.0


def test_what_is_hidden_takes_no_colour_from_what_hides_it(ball, tmp_path):
    """A small ball before the large one: behind it the large one keeps its own colour, from the other cameras."""
    small = trimesh.creation.icosphere(subdivisions=3, radius=0.03)
    small.apply_translation([0, -0.2, 0])
    both = trimesh.util.concatenate([ball, small])
    views = [photograph(both, azimuth) for azimuth in range(0, 360, 45)]
    texture = bake(both, views, tmp_path)
    behind = (both.vertices[:, 1] < -0.08) & (both.vertices[:, 1] > -0.12)
    assert behind.sum() > 50
    assert np.abs(texture.vertices / 255 - paint(both.vertices))[behind].mean() < 0.02


def test_what_hair_hides_is_left_to_what_shows(ball, tmp_path):
    """A cap 2 cm above the ball, of another colour, that no photograph looks below."""
    cap = trimesh.creation.icosphere(subdivisions=4, radius=0.12)
    cap.update_faces(cap.triangles_center[:, 2] > 0.03)
    cap.visual = None
    both = trimesh.util.concatenate([ball, cap])

    def shot(azimuth):
        view = photograph(both, azimuth)
        pixels, depth = view.camera.project(both.vertices)
        raster = rasterise(pixels, depth, both.faces, (SIZE, SIZE))
        dark = raster.face >= len(ball.faces)
        return HeadView(view.name, view.camera, np.where(dark[..., None], 0.02, view.image).astype(np.float32), None)

    views = [shot(azimuth) for azimuth in range(0, 360, 45)]
    texture = bake(ball, views, tmp_path, before=(cap.vertices, cap.faces))
    high = ball.vertices[:, 2] > 0.05
    assert not texture.seen[high].any() and texture.vertices[high].min() > 30
    assert bake(ball, views, tmp_path).vertices[high].min() < 20, "without the cap its darkness is painted on"


def test_a_background_beside_a_mesh_that_is_too_large_stays_out(ball, tmp_path):
    views = [photograph(ball, azimuth, background=0.0) for azimuth in range(0, 360, 45)]
    larger = ball.copy()
    larger.vertices *= 1.02
    texture = bake(larger, views, tmp_path)
    assert texture.vertices[shown(ball)].min() > 25, "the black background came in"


def test_what_no_view_shows_runs_on_smoothly(ball, tmp_path):
    views = [photograph(ball, azimuth) for azimuth in (-20, 0, 20)]
    texture = bake(ball, views, tmp_path)
    hidden = ball.vertices[:, 1] > 0.02
    assert not texture.seen[hidden].any()
    assert texture.report["seen_share"] == pytest.approx(0.4, abs=0.12)
    edges = ball.edges_unique[hidden[ball.edges_unique].all(axis=1)]
    colours = texture.vertices.astype(float)
    assert np.abs(colours[edges[:, 0]] - colours[edges[:, 1]]).max() < 12
    assert colours[hidden].min() > 10


def test_a_view_without_a_mask_takes_part(ball, tmp_path):
    views = [photograph(ball, azimuth) for azimuth in range(0, 360, 45)]
    views = [HeadView(v.name, v.camera, v.image, None) if n % 2 else v for n, v in enumerate(views)]
    texture = bake(ball, views, tmp_path)
    assert np.abs(texture.vertices / 255 - paint(ball.vertices))[shown(ball)].mean() < 0.008


def test_the_picture_takes_photographs_in_full_size(ball, ball_uv, tmp_path):
    """Compared small, painted large: from full size the texture is as sharp, or is averaged where it is coarser."""
    views = [photograph(ball, azimuth, paint=striped) for azimuth in range(0, 360, 45)]
    full = {view.name: np.round(255 * view.image).astype(np.uint8) for view in views}
    random = np.random.default_rng(0)
    noisy = {n: np.round(random.normal(128, 40, p.shape)).clip(0, 255).astype(np.uint8) for n, p in full.items()}
    small = [view.reduced(48) for view in views]
    inner = shown(ball)[ball.faces].all(axis=1)
    truth = striped(ball.vertices[ball.faces].mean(axis=1))

    def found(size, sharp):
        texture = bake(ball, small, tmp_path, ball_uv, size, sharp=sharp)
        middle = np.floor(ball_uv.mean(axis=1) * [size, -size] + [0, size]).astype(int)
        return texture.picture[middle[:, 1], middle[:, 0]][inner] / 255

    assert np.abs(found(1024, lambda view: full[view.name]) - truth[inner]).mean() < 0.07
    assert np.abs(found(1024, None) - truth[inner]).mean() > 0.1
    fine, coarse = (found(size, lambda view: noisy[view.name]).std() for size in (1024, 288))
    assert coarse < 0.7 * fine, "texels as large as several pixels take one of them each"


def test_nothing_to_bake_is_said(ball, tmp_path):
    with pytest.raises(HeadError, match="at least one photograph"):
        bake(ball, [], tmp_path)


def test_exposures_of_views_that_overlap_in_a_chain():
    random = np.random.default_rng(0)
    light = random.uniform(0.1, 0.4, (600, 3))
    factors = np.array([1.0, 0.6, 1.4])
    colours = to_srgb(light[None] * factors[:, None, None])
    weights = np.zeros((3, 600))
    weights[0, :300] = weights[1, 200:500] = weights[2, 400:] = 1.0
    gains = exposures(colours, weights)
    assert gains * factors[:, None] == pytest.approx(np.full((3, 3), gains[0, 0]), rel=1e-4)


def test_a_step_between_two_views_is_spread_over_both():
    line = np.arange(40)
    edges = np.stack([line[:-1], line[1:]], axis=1)
    shares = np.stack([line < 20, line >= 20]).astype(float)
    shares[:, 19:21] = 0.5
    colours = np.stack([np.full((40, 3), 0.4), np.full((40, 3), 0.5)])
    added = corrections(colours, shares, edges)
    assert (colours + added)[0, 19] == pytest.approx((colours + added)[1, 19], abs=0.01)
    assert np.abs(np.diff(added[0, :19, 0])).max() < 0.01


def test_diffusion_keeps_what_is_constant_and_fills_in_between():
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    diffusion = Diffusion(mesh.vertices, mesh.faces)
    assert diffusion.smoothed(np.full((len(mesh.vertices), 2), 0.3), 0.01) == pytest.approx(0.3)
    known = np.abs(mesh.vertices[:, 2]) > 0.08
    filled = diffusion.filled(np.where(mesh.vertices[:, 2:] > 0, 1.0, 0.0), known)[:, 0]
    equator = np.abs(mesh.vertices[:, 2]) < 0.005
    assert filled[equator] == pytest.approx(0.5, abs=0.05)
    assert filled.min() >= -1e-6 and filled.max() <= 1 + 1e-6
