"""Signed distance fields as meshes, on shapes whose surface is known."""

import threading
import time

import numpy as np
import pytest

from backend.contract import BakeSdf, check
from backend.errors import Cancelled, FieldError
from backend.formats.head import read_head
from backend.formats.sdf_grid import SdfGrid, read_sdf_grid, write_sdf_grid
from backend.geometry.apart import run_apart
from backend.geometry.manifold import holes, is_watertight, open_edges, two_manifold
from backend.geometry.remesh import unwrapped
from backend.head.sdf_mesh import bake, bake_grid
from backend.jobs.bake_sdf import run
from backend.protocol import SilentReporter

RADIUS = 0.1


@pytest.fixture
def reporter(tmp_path):
    return SilentReporter(tmp_path)


class Ball:
    """The distance to a sphere, asked anywhere in its box; ``steep`` times as large, as a network's may be."""

    low, high = np.array([-0.12, -0.12, -0.12]), np.array([0.13, 0.12, 0.15])

    def __init__(self, steep):
        self.steep = steep

    def __call__(self, points):
        return self.steep * (np.linalg.norm(points, axis=1) - RADIUS)


def grid_of(distance, count=48, low=-0.15, high=0.15, **parts):
    """A saved grid of a function of points (..., 3) in a cube."""
    line = np.linspace(low, high, count)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    return SdfGrid(distance(points).astype(np.float32), np.full(3, low), line[1] - line[0], **parts)


def ball(points):
    return np.linalg.norm(points, axis=-1) - RADIUS


def ring(points):
    """A torus around Z."""
    return np.hypot(np.hypot(points[..., 0], points[..., 1]) - 0.09, points[..., 2]) - 0.03


def euler(mesh):
    return len(mesh.vertices) - 3 * len(mesh.faces) // 2 + len(mesh.faces)


@pytest.mark.parametrize("steep", [0.3, 3.0])
def test_a_field_is_asked_near_its_surface_only(reporter, steep):
    mesh = bake(Ball(steep), 200, reporter)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - RADIUS).max() < 2e-5
    assert mesh.report["watertight"] and euler(mesh) == 2 and not mesh.report["holes"]
    assert mesh.report["points_asked"] < 0.15 * 200**3
    assert mesh.report["spacing_mm"] == pytest.approx(1000 * 0.27 / 199, abs=1e-4)
    outward = (mesh.normals * mesh.vertices).sum(axis=1) / np.linalg.norm(mesh.vertices, axis=1)
    assert outward.min() > 0.99


def test_the_band_has_what_all_nodes_have(reporter):
    """Two thin rings that a coarse grid nearly misses: the same mesh as from all nodes."""

    class Rings:
        low, high = np.full(3, -0.15), np.full(3, 0.15)

        def __call__(self, points):
            one = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 0.09, points[:, 2]) - 0.004
            two = np.hypot(np.hypot(points[:, 1] - 0.09, points[:, 2]) - 0.09, points[:, 0]) - 0.004
            return np.minimum(one, two)

    rings = Rings()
    in_band = bake(rings, 145, reporter)
    everywhere = bake_grid(
        grid_of(lambda points: rings(points.reshape(-1, 3)).reshape(points.shape[:-1]), 145), reporter
    )
    assert len(in_band.faces) == len(everywhere.faces)
    np.testing.assert_allclose(in_band.vertices.min(axis=0), everywhere.vertices.min(axis=0), atol=1e-6)


@pytest.mark.parametrize("faces", [0, 6000, 600])
def test_a_ring_stays_a_closed_ring(reporter, faces):
    mesh = bake_grid(grid_of(ring, 64), reporter, faces=faces)
    assert mesh.report["watertight"] and euler(mesh) == 0
    assert not faces or 0.8 * faces < len(mesh.faces) <= faces
    assert np.abs(ring(mesh.vertices)).max() < (0.0004 if faces != 600 else 0.003)


def test_thin_walls_stay_closed_when_reduced(reporter):
    """A bowl hardly thicker than a node: decimation pinches it, and what it pinched is mended."""

    def bowl(points):
        shell = np.abs(np.linalg.norm(points, axis=-1) - RADIUS) - 0.003
        return np.maximum(shell, points[..., 2] - 0.05 - 0.01 * np.sin(60 * points[..., 0]))

    for faces in (3000, 800):
        mesh = bake_grid(grid_of(bowl, 80), reporter, faces=faces)
        assert mesh.report["watertight"] and not len(open_edges(mesh.faces))


def test_only_the_largest_piece_is_kept(reporter):
    crumb = [0.12, 0.12, 0.12]
    both = grid_of(lambda points: np.minimum(ball(points), np.linalg.norm(points - crumb, axis=-1) - 0.015))
    mesh = bake_grid(both, reporter)
    assert mesh.report["pieces"] == 2 and mesh.vertices.max() < 0.101


def test_a_neck_is_closed_or_is_a_hole(reporter):
    neck = grid_of(lambda points: np.hypot(points[..., 0], points[..., 1]) + 0.5 * np.maximum(points[..., 2], 0) - 0.06)
    mesh = bake_grid(neck, reporter)
    assert mesh.report["watertight"] and mesh.report["closed_sides"] == ["bottom"]
    assert mesh.vertices[:, 2].min() == pytest.approx(-0.15, abs=2e-4)
    mesh = bake_grid(neck, reporter, close=False)
    assert not mesh.report["watertight"] and mesh.report["open_sides"] == ["bottom"]
    (hole,) = mesh.report["holes"]
    assert hole["length_mm"] == pytest.approx(2000 * np.pi * 0.06, rel=0.02)
    assert hole["middle"] == pytest.approx([0, 0, -0.15], abs=1e-3)
    assert (neck.values[:, :, 0] < 0).any(), "the field itself is as it was"


def test_a_coarse_grid_is_made_finer_without_facets(reporter):
    coarse = grid_of(ball, 24)
    finer = bake_grid(coarse, reporter, 96)
    assert finer.report["watertight"]
    off = np.abs(np.linalg.norm(finer.vertices, axis=1) - RADIUS)
    assert off.max() < 5e-5
    assert off.max() < 0.2 * np.abs(np.linalg.norm(bake_grid(coarse, reporter).vertices, axis=1) - RADIUS).max() + 5e-5
    rougher = bake_grid(grid_of(ball, 96), reporter, 30)
    assert len(rougher.faces) < 6000 and rougher.report["watertight"]


def test_labels_and_the_unknown_become_regions(reporter):
    grid = grid_of(ball)
    line = np.linspace(-0.15, 0.15, 48)
    labels = np.broadcast_to((line > 0).astype(np.uint8), (48, 48, 48))
    values = grid.values.copy()
    values[:8] = np.nan  # none of the surface lies there
    values[8:14, 20:28, 20:28] = np.nan
    mesh = bake_grid(SdfGrid(values, grid.origin, grid.spacing, labels, ("skin", "hair")), reporter)
    assert set(mesh.regions) == {"skin", "hair", "unknown"} and mesh.report["watertight"]
    assert mesh.vertices[mesh.regions["hair"]][:, 2].min() > -0.004
    assert 0 < mesh.report["unknown_share"] < 0.2


def test_the_job_leaves_files_that_can_be_read(tmp_path, reporter):
    write_sdf_grid(tmp_path / "field.npz", grid_of(lambda points: -ring(points), 40))
    asked = {"field": tmp_path / "field.npz", "faces": 1500, "uv": True, "positive_inside": True}
    result = run(check(BakeSdf, asked), reporter)
    assert result["watertight"] and result["holes"] == 0 and result["seconds"] > 0
    head = read_head(tmp_path / result["head"])
    assert len(head.faces) == result["triangles"] <= 1500
    assert head.uv.min() >= 0 and head.uv.max() <= 1
    a, b = head.uv[:, 1] - head.uv[:, 0], head.uv[:, 2] - head.uv[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    assert 0.3 < area.sum() <= 1.0, "charts fill the square, and do not lie on each other"
    assert (tmp_path / result["obj"]).stat().st_size > 10_000
    assert b"property float nz" in (tmp_path / result["ply"]).read_bytes()[:400]


def test_a_saved_grid_is_read_as_it_was_written(tmp_path):
    grid = grid_of(ball, 12, labels=np.ones((12, 12, 12), np.uint8), label_names=("none", "hair"))
    for compressed in (False, True):
        write_sdf_grid(tmp_path / "a.npz", grid, compressed)
        read = read_sdf_grid(tmp_path / "a.npz")
        np.testing.assert_array_equal(read.values, grid.values)
        np.testing.assert_array_equal(read.labels, grid.labels)
        assert read.label_names == ("none", "hair") and read.spacing == pytest.approx(grid.spacing)
    np.savez(tmp_path / "b.npz", sdf=grid.values.astype(np.float16), origin=grid.origin, voxel_size=np.full(3, 0.02))
    assert read_sdf_grid(tmp_path / "b.npz").spacing == pytest.approx(0.02)


def test_trouble_is_a_sentence(tmp_path, reporter):
    good = {"values": np.zeros((4, 4, 4), np.float32), "origin": np.zeros(3), "spacing": np.array(0.01)}
    (tmp_path / "text.npz").write_text("no archive")
    for change, sentence in [
        ({"values": np.zeros((4, 4), np.float32)}, "of the shape"),
        ({"values": np.zeros((4, 4, 4), int)}, "must be numbers"),
        ({"values": np.array([[[object()]]])}, "cannot be read"),
        ({"spacing": np.array([0.01, 0.01, 0.02])}, "differs between its axes"),
        ({"spacing": np.array(0.0)}, "above zero"),
        ({"spacing": np.array(10.0)}, "is its spacing in metres"),
        ({"origin": np.zeros(2)}, "three numbers"),
        ({"origin": np.full(3, np.nan)}, "three numbers"),
        ({"origin": None}, "is no saved field"),
        ({"format": np.array("maquette-sdf-grid"), "version": np.array(99)}, "newer Maquette"),
        ({"labels": np.full((4, 4, 4), 3), "label_names": np.array(["hair"])}, "labels without names"),
    ]:
        np.savez(tmp_path / "x.npz", **{k: v for k, v in (good | change).items() if v is not None})
        with pytest.raises(FieldError) as caught:
            read_sdf_grid(tmp_path / "x.npz")
        assert sentence in str(caught.value)
    for path in ("none.npz", "text.npz"):
        with pytest.raises(FieldError):
            read_sdf_grid(tmp_path / path)
    for value, sentence in ((1.0, "outside everywhere"), (-1.0, "inside everywhere"), (np.nan, "all of them are NaN")):
        with pytest.raises(FieldError, match=sentence):
            bake_grid(grid_of(lambda points, value=value: np.full(points.shape[:-1], value), 8), reporter)


def test_a_file_that_says_it_is_huge_is_not_believed(tmp_path):
    import io
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (100_000, 100_000, 100_000)}
    )
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("values.npy", header.getvalue())
    with pytest.raises(FieldError, match="nodes; sample the field"):
        read_sdf_grid(tmp_path / "huge.npz")


def test_surfaces_that_touch_are_parted():
    """Two cubes that share an edge, and two that share a corner, are two closed surfaces each."""
    import trimesh

    box = trimesh.creation.box((1, 1, 1))
    for shift in ([1, 1, 0], [1, 1, 1]):
        vertices = np.concatenate([box.vertices, box.vertices + shift])
        _, first, welded = np.unique(vertices.round(6), axis=0, return_index=True, return_inverse=True)
        faces = welded.reshape(-1)[np.concatenate([box.faces, box.faces + 8])]
        assert len(first) < 16
        vertices, faces = two_manifold(vertices[first], faces)
        assert len(vertices) == 16 and is_watertight(faces) and not holes(vertices, faces)
        assert trimesh.Trimesh(vertices, faces, process=False).volume == pytest.approx(2)


def test_faces_back_to_back_are_taken_out():
    import trimesh

    box = trimesh.creation.box((1, 1, 1))
    fin = np.array([[0, 1, 2], [0, 2, 1], [3, 3, 4]])
    _, faces = two_manifold(np.asarray(box.vertices), np.concatenate([box.faces, fin]))
    assert len(faces) == 12 and is_watertight(faces)


def test_work_apart_can_be_cancelled(reporter):
    threading.Timer(0.5, reporter.cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run_apart(time.sleep, 60, reporter=reporter)
    assert time.monotonic() - began < 20


def test_triangles_as_small_as_a_head_has_get_room_in_the_uvs():
    """Of less than 1e-7 square metres each."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.002)
    assert ball.area_faces.max() < 1e-7
    uv = unwrapped(ball.vertices.astype(np.float32), ball.faces)
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    assert (np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) > 1e-7).all()
