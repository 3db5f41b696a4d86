"""The outer surface of head and hair against shapes whose surface is known."""

import numpy as np
import pytest
import trimesh

from backend.contract import OuterSurface
from backend.errors import RequestError
from backend.formats.mesh_ply import write_ply
from backend.formats.strands import Strands, write_npz
from backend.jobs.outer_surface import run
from backend.protocol import SilentReporter


@pytest.fixture
def ball(tmp_path):
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.04)
    write_ply(tmp_path / "ball.ply", mesh.vertices, mesh.faces)
    return tmp_path / "ball.ply"


def surface(request, folder):
    run(request, SilentReporter(folder))
    return trimesh.load(folder / "surface.ply")


def test_a_head_alone_is_itself(ball, tmp_path):
    found = surface(OuterSurface(head=ball), tmp_path)
    assert found.is_watertight and found.volume > 0
    assert np.abs(np.linalg.norm(found.vertices, axis=1) - 0.04).max() < 0.0015


def test_strands_that_are_dropped_are_told(tmp_path):
    points = np.zeros((3, 5, 3), np.float32)
    points[..., 2] = np.linspace(0, 0.04, 5)
    points[1, 2] = np.nan
    np.savez(tmp_path / "strands.npz", points=points.reshape(-1, 3), counts=np.full(3, 5, np.int32))
    reporter = SilentReporter(tmp_path / "out")
    run(OuterSurface(strands=tmp_path / "strands.npz"), reporter)
    told = [message["text"] for message in reporter.messages if message["type"] == "warning"]
    assert len(told) == 1 and "1" in told[0] and "strands.npz" in told[0]


def test_strands_are_closed_across_3_mm_and_no_more(tmp_path):
    def curtain(spacing):
        x = np.arange(0, 0.03, spacing)
        z = np.linspace(0, 0.04, 40)
        return np.stack(np.broadcast_arrays(x[:, None], 0.0, z[None, :]), axis=-1).astype(np.float32)

    for spacing, pieces in ((0.002, 1), (0.006, 5)):
        write_npz(tmp_path / "strands.npz", Strands.from_array(curtain(spacing)))
        found = surface(OuterSurface(strands=tmp_path / "strands.npz"), tmp_path)
        assert found.body_count == pieces


def test_hair_and_head_are_one_surface(ball, tmp_path):
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    out = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    strands = out[:, None] * np.linspace(0.039, 0.055, 20)[None, :, None]
    write_npz(tmp_path / "strands.npz", Strands.from_array(strands.astype(np.float32)))
    found = surface(OuterSurface(head=ball, strands=tmp_path / "strands.npz"), tmp_path)
    assert found.body_count == 1
    assert 0.053 < np.linalg.norm(found.vertices, axis=1).max() < 0.057


def test_an_open_bust_is_filled(tmp_path):
    pipe = trimesh.creation.cylinder(radius=0.03, height=0.06, sections=64)
    sides = np.abs(pipe.face_normals[:, 2]) < 0.5
    write_ply(tmp_path / "pipe.ply", pipe.vertices, pipe.faces[sides])
    found = surface(OuterSurface(head=tmp_path / "pipe.ply"), tmp_path)
    assert found.volume == pytest.approx(np.pi * 0.03**2 * 0.06, rel=0.08)


def test_nothing_has_no_surface(tmp_path):
    with pytest.raises(RequestError, match="needs a head, strands, or both"):
        run(OuterSurface(), SilentReporter(tmp_path))
