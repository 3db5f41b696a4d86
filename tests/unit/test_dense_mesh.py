"""Dense heads between the backend and Blender."""

import numpy as np
import pytest

from backend.errors import HeadError
from backend.formats.dense_mesh import DenseMesh, read_dense_mesh, write_dense_mesh


def a_mesh(**parts) -> DenseMesh:
    rng = np.random.default_rng(0)
    given = {"vertices": rng.normal(size=(5, 3)), "faces": [[0, 1, 2], [2, 3, 4]], "uv": rng.uniform(size=(2, 3, 2))}
    return DenseMesh(
        **(given | {"layout": "abc", "residual": [0.1, np.nan, 0, 0, 0], "regions": {"left ear": [1, 4]}} | parts)
    )


def test_what_was_written_is_read(tmp_path):
    mesh = a_mesh()
    write_dense_mesh(tmp_path / "mesh.npz", mesh)
    found = read_dense_mesh(tmp_path / "mesh.npz")
    for part in ("vertices", "faces", "uv", "residual"):
        np.testing.assert_array_equal(getattr(found, part), getattr(mesh, part))
    assert found.layout == "abc" and {n: v.tolist() for n, v in found.regions.items()} == {"left ear": [1, 4]}
    write_dense_mesh(tmp_path / "mesh.npz", a_mesh(residual=None))
    assert read_dense_mesh(tmp_path / "mesh.npz").residual is None


def test_what_is_no_dense_mesh_is_told(tmp_path):
    with pytest.raises(HeadError, match="cannot be opened"):
        read_dense_mesh(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", vertices=np.zeros(3))
    with pytest.raises(HeadError, match="no dense mesh"):
        read_dense_mesh(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(HeadError, match="cannot be read"):
        read_dense_mesh(tmp_path / "text.npz")


BROKEN = [
    {"vertices": np.full((5, 3), np.nan)},
    {"faces": [[0, 1, 9], [0, 1, 2]]},
    {"uv": np.zeros((2, 3))},
    {"residual": np.zeros(4)},
    {"regions": {"ear": [5]}},
]


@pytest.mark.parametrize("parts", BROKEN)
def test_parts_that_do_not_fit_are_told(parts):
    with pytest.raises(HeadError, match="dense mesh"):
        a_mesh(**parts)
