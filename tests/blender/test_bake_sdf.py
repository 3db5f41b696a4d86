"""Bake SDF: with the real backend, from a saved field to a mesh in the scene."""

import os

import bmesh
import bpy
import numpy as np
import pytest

from backend.formats.sdf_grid import SdfGrid, write_sdf_grid

needs_backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
)


@pytest.fixture
def places(maquette_part, tmp_path):
    maquette_part("addon.job_places").preferences().job_place = str(tmp_path / "jobs")
    maquette_part("addon.jobs").queue()
    yield
    maquette_part("addon.job_places").preferences().job_place = ""


@pytest.fixture
def field(tmp_path, places):
    """A ball of 10 cm around (1, 0, 1.6), whose upper half is hair, saved as 'Anna ä.npz'."""
    line = np.linspace(-0.13, 0.13, 50)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    labels = np.broadcast_to((line > 0).astype(np.uint8), (50, 50, 50))
    origin = np.array([1, 0, 1.6]) + line[0]
    grid = SdfGrid(np.linalg.norm(points, axis=-1) - 0.1, origin, line[1] - line[0], labels, ("face", "hair"))
    write_sdf_grid(tmp_path / "Anna ä.npz", grid)
    return tmp_path / "Anna ä.npz"


@needs_backend
def test_the_mesh_lies_where_the_field_does(field, maquette_part):
    settings = bpy.context.scene.maquette.sdf
    settings.field, settings.faces, settings.uv = str(field), 2000, True
    assert bpy.ops.maquette.bake_sdf() == {"FINISHED"}
    thing = bpy.context.active_object
    assert thing.name == "Anna ä" and 1500 < len(thing.data.polygons) <= 2000
    vertices = np.empty((len(thing.data.vertices), 3), np.float32)
    thing.data.vertices.foreach_get("co", vertices.ravel())
    assert np.abs(np.linalg.norm(vertices - [1, 0, 1.6], axis=1) - 0.1).max() < 0.0015
    assert {group.name for group in thing.vertex_groups} == {"face", "hair"}
    labels = np.empty(len(vertices), np.int32)
    thing.data.attributes["label"].data.foreach_get("value", labels)
    assert set(labels[vertices[:, 2] > 1.61]) == {1} and set(labels[vertices[:, 2] < 1.59]) == {0}
    assert len(thing.data.uv_layers) == 1
    report = maquette_part("addon.sdf_baking").report_of(thing)
    assert report["watertight"] and report["triangles"] == len(thing.data.polygons)

    mesh = bmesh.new()
    mesh.from_mesh(thing.data)
    assert all(edge.is_manifold for edge in mesh.edges) and all(vertex.is_manifold for vertex in mesh.verts)
    assert mesh.calc_volume(signed=True) == pytest.approx(4 / 3 * np.pi * 0.1**3, rel=0.02)
    mesh.free()


def test_what_is_missing_is_said(maquette, tmp_path):
    settings = bpy.context.scene.maquette.sdf
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.maquette.bake_sdf()
    settings.field = str(tmp_path / "gone.npz")
    with pytest.raises(RuntimeError, match="There is no field at"):
        bpy.ops.maquette.bake_sdf()


@needs_backend
def test_a_file_that_is_no_field_is_told(places, tmp_path):
    (tmp_path / "notes.npz").write_text("hello")
    bpy.context.scene.maquette.sdf.field = str(tmp_path / "notes.npz")
    with pytest.raises(RuntimeError, match=r"notes\.npz cannot be read as a saved field"):
        bpy.ops.maquette.bake_sdf()
