"""Head files: FLAME's keys, plain meshes, and what is wrong with others, in a sentence."""

import json

import numpy as np
import pytest

from backend.errors import HeadError
from backend.formats.head import BUILT_IN_HEAD, Head, read_head, write_head

VERTICES = np.array([[0, 0, 0], [0.2, 0, 0], [0, 0.2, 0], [0, 0, 0.2]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_model_is_turned_from_y_up_to_z_up(tmp_path):
    path = save(tmp_path / "model.npz", v_template=np.array([[0, 0.1, 0.3], [0.2, 0, 0], [0, 0.2, 0]]), f=[[0, 1, 2]])
    np.testing.assert_allclose(read_head(path).vertices[0], [0, -0.3, 0.1], atol=1e-7)


def test_head_survives_its_file(tmp_path):
    head = read_head(BUILT_IN_HEAD)
    write_head(tmp_path / "copy.npz", head)
    back = read_head(tmp_path / "copy.npz")
    for name in ("vertices", "faces", "uv"):
        np.testing.assert_array_equal(getattr(back, name), getattr(head, name))
    assert back.name == head.name and list(back.landmarks) == list(head.landmarks)
    assert list(back.regions) == list(head.regions)
    np.testing.assert_array_equal(back.scalp, head.scalp)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl"])
def test_mesh_files_are_read_in_their_own_frame(tmp_path, suffix):
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / f"a head ü{suffix}"
    trimesh.Trimesh(VERTICES, FACES, process=False).export(path)
    head = read_head(path)
    corners = np.sort(head.vertices[head.faces].reshape(-1, 3), axis=0)
    np.testing.assert_allclose(corners, np.sort(VERTICES[FACES].reshape(-1, 3), axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "unit", "up"), [(".obj", "cm", "Y"), (".ply", "inch", "Z"), (".npz", "mm", "Y"), (".glb", "mm", "Z")]
)
def test_a_file_is_in_the_frame_that_is_said_unless_it_says_it_itself(tmp_path, suffix, unit, up):
    trimesh = pytest.importorskip("trimesh")
    own = suffix == ".glb"  # metres and Y up by its specification, whatever is said
    vertices = VERTICES / {"m": 1, "cm": 0.01, "mm": 0.001, "inch": 0.0254}["m" if own else unit]
    if own or up == "Y":
        vertices = vertices[:, [0, 2, 1]] * [1, 1, -1]
    path = tmp_path / f"head{suffix}"
    if suffix == ".npz":
        save(path, vertices=vertices, faces=FACES)
    else:
        trimesh.Trimesh(vertices, FACES, process=False).export(path)
    head = read_head(path, unit=unit, up=up)
    corners = np.sort(head.vertices[head.faces].reshape(-1, 3), axis=0)
    np.testing.assert_allclose(corners, np.sort(VERTICES[FACES].reshape(-1, 3), axis=0), atol=1e-6)


def test_a_head_model_has_its_own_frame(tmp_path):
    write_head(tmp_path / "model.npz", read_head(BUILT_IN_HEAD))
    said = read_head(tmp_path / "model.npz", unit="mm", up="Y")
    np.testing.assert_array_equal(said.vertices, read_head(BUILT_IN_HEAD).vertices)


@pytest.mark.parametrize("suffix", [".npy", ".txt", ".json"])
def test_scalp_file_names_the_vertices(tmp_path, suffix):
    path = save(tmp_path / "head.npz", vertices=VERTICES, faces=FACES)
    scalp = tmp_path / f"scalp{suffix}"
    if suffix == ".npy":
        np.save(scalp, np.array([3, 1]))
    else:
        scalp.write_text("3\n1\n" if suffix == ".txt" else json.dumps([3, 1]))
    np.testing.assert_array_equal(read_head(path, scalp).scalp, [1, 3])


def test_scalp_that_does_not_fit_is_refused(tmp_path):
    path = save(tmp_path / "head.npz", vertices=VERTICES, faces=FACES)
    (tmp_path / "scalp.txt").write_text("0 1 9")
    with pytest.raises(HeadError, match="names vertex 9"):
        read_head(path, tmp_path / "scalp.txt")
    (tmp_path / "scalp.txt").write_text("one two")
    with pytest.raises(HeadError, match="vertex indices"):
        read_head(path, tmp_path / "scalp.txt")
    with pytest.raises(HeadError, match="is empty"):
        read_head(path).with_scalp(np.zeros(0, int))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"vertices": np.zeros((0, 3)), "faces": FACES}, "has no vertices"),
        ({"vertices": VERTICES, "faces": np.zeros((0, 3), int)}, "has no faces"),
        ({"vertices": np.where(VERTICES > 0.1, np.nan, VERTICES), "faces": FACES}, "not finite"),
        ({"vertices": VERTICES, "faces": FACES + 1}, "names vertex 4"),
        ({"vertices": VERTICES, "faces": FACES - 1}, "names vertex"),
        ({"vertices": VERTICES * 1000, "faces": FACES}, "no head's size"),
        ({"vertices": VERTICES, "faces": np.zeros((3, 4), int)}, "triangulate"),
        ({"vertices": VERTICES[:, :2], "faces": FACES}, "shape"),
        ({"points": VERTICES}, "neither v_template"),
        ({"vertices": np.array([None]), "faces": FACES}, "cannot be read"),
    ],
)
def test_what_is_no_head_is_refused_in_a_sentence(tmp_path, arrays, sentence):
    with pytest.raises(HeadError, match=sentence) as error:
        read_head(save(tmp_path / "head.npz", **arrays))
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(HeadError, match="no head file"):
        read_head(tmp_path / "missing.obj")
    (tmp_path / "head.abc").write_text("x")
    with pytest.raises(HeadError, match="not a kind of head file"):
        read_head(tmp_path / "head.abc")
    (tmp_path / "head.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(HeadError, match="cannot be read as a head"):
        read_head(tmp_path / "head.npz")


def test_transform_keeps_everything_else():
    head = Head(VERTICES, FACES, regions={"scalp": np.array([1, 3])})
    matrix = np.diag([2.0, 2, 2, 1])
    matrix[:3, 3] = 1, 2, 3
    moved = head.transformed(matrix)
    np.testing.assert_allclose(moved.vertices, VERTICES * 2 + [1, 2, 3], atol=1e-6)
    np.testing.assert_array_equal(moved.scalp, [1, 3])
