"""A registration that is done, for tests of what it brings into the scene."""

# Fixtures are imported, and then named by the fixtures that use them.
# ruff: noqa: F401, F811

import json
import struct
import zlib

import bpy
import numpy as np
import pytest
from mathutils import Euler

from backend.formats.coefficients import Coefficients, Similarity, write_coefficients
from backend.formats.dense_mesh import DenseMesh, write_dense_mesh
from backend.formats.displacement import RANGE, DisplacementMap, write_displacement
from backend.formats.flame_model import write_flame_model
from tests.blender.flame_scene import expected, small_model
from tests.blender.test_fit import scan, submitted


def a_map(size=32, **said) -> DisplacementMap:
    values = np.random.default_rng(size).uniform(-0.1, 0.1, (size, size, 3)).astype(np.float32)
    model = small_model()
    return DisplacementMap(values, **({"layout": "abc", "model": model.name, "model_hash": model.hash} | said))


def values_of(path) -> np.ndarray:
    """(N, N, 3) metres of a map that was written as PNG; its lines all have the filter Up, as we write them."""
    data, parts, at = path.read_bytes(), b"", 8
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        parts += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    size = json.loads(path.with_name(path.name + ".json").read_text())["size"]
    lines = np.frombuffer(zlib.decompress(parts), np.uint8).reshape(size, -1)
    assert (lines[:, 0] == 2).all()
    whole = np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8).view(">u2").reshape(size, size, 3)
    return whole / 65535 * 2 * RANGE - RANGE


class Registration:
    """A job that is done: a registration of a small model, whose dense head is the model itself and a bump."""

    kind = "register-scan"

    def __init__(self, folder):
        folder.mkdir()
        self.id, self.folder, self.title, self.context = folder.name, folder, "Detail", {}
        self.model = small_model()
        write_flame_model(folder / "model.npz", self.model)
        self.request = {"kind": self.kind, "model": str(folder / "model.npz")}
        rng = np.random.default_rng(0)
        self.pose = rng.normal(0, 0.2, (5, 3))
        self.identity, self.expression = rng.normal(0, 1, 25), rng.normal(0, 1, 12)
        self.place = Similarity(1000.0, np.array(Euler((0.3, -0.2, 1.0)).to_matrix()), np.array([40.0, -5.0, 12.0]))
        parts = {"identity": self.identity, "expression": self.expression, "pose": self.pose}
        self.coefficients = Coefficients.of(self.model, **parts, similarity=self.place)
        write_coefficients(folder / "coefficients.npz", self.coefficients)
        bump = rng.normal(0, 0.002, (len(self.model.template), 3))
        self.vertices = expected(self.model, self.identity, self.expression, self.pose) + bump
        self.residual = rng.normal(0, 0.001, len(bump)).astype(np.float32)
        self.residual[:7] = np.nan
        faces = self.model.faces
        self.dense = DenseMesh(
            self.vertices, faces, rng.uniform(size=(len(faces), 3, 2)), "abc", self.residual,
            {"face": np.arange(30), "eyes": np.unique(faces[0])},
        )  # fmt: skip
        write_dense_mesh(folder / "mesh.npz", self.dense)
        write_displacement(folder / "displacement.png", a_map(clipped=3))
        table = {"mean": 0.31, "median": 0.2, "p95": 1.1}
        report = {"unit": "mm", "metres_per_unit": 0.001, "unit_source": "as told"}
        report |= {"scan_to_mesh_mm": table | {"regions": {"scalp": table}}, "self_intersecting_share": 0.0004}
        (folder / "report.json").write_text(json.dumps(report))
        self.result = {"mesh": "mesh.npz", "coefficients": "coefficients.npz", "map": "displacement.png"}
        self.result |= {"report": "report.json"}


@pytest.fixture
def parts(maquette_part):
    """Modules of the extension by the last part of their names."""
    names = ("detail_results", "detail_meshes", "detail_maps", "detail_layouts", "detail_heads", "detail_inputs")
    return type("Parts", (), {name: maquette_part(f"addon.{name}") for name in names})


@pytest.fixture
def registered(maquette, maquette_part, parts, scan, tmp_path):
    """A registration brought in: (job, dense head's object, map)."""
    job = Registration(tmp_path / "registration")
    job.context = maquette_part("addon.fitting").remember_scan(scan, job.id)
    parts.detail_results.bring_in_registration(job, job.result)
    detail = bpy.context.scene.maquette.detail
    return job, detail.mesh, detail.map


def of_role(role):
    return [thing for thing in bpy.context.scene.objects if thing.get("maquette_role") == role]


def asked(**parts):
    """A job of which only a few things are looked at."""
    return type("Job", (), {"context": {}, "title": "A Title"} | parts)()


def error_of(operator, **properties) -> str:
    with pytest.raises(RuntimeError) as raised:
        operator(**properties)
    return str(raised.value)
