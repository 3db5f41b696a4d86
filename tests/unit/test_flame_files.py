"""Head model files: FLAME's pickles and ours are the same model, and a hostile file is refused and never run."""

import io
import os
import pickle
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from backend.errors import HeadError
from backend.formats import inert_pickle
from backend.formats.flame_files import read_flame_model, with_extra
from backend.formats.flame_model import FlameModel, scheme_68, write_flame_model, y_up, z_up
from backend.formats.head import BUILT_IN_HEAD, read_head
from tests.unit.flame_example import FakeChumpy, example_model, flame_keys, python2_pickle

PARTS = ("template", "faces", "identity", "expression", "pose_correctives", "joint_regressor", "weights", "parents")


@pytest.fixture(scope="module")
def model() -> FlameModel:
    return replace(example_model(), regions={}, landmarks={}, contour=None)


def assert_same(found: FlameModel, model: FlameModel):
    for part in PARTS:
        assert np.array_equal(getattr(found, part), getattr(model, part)), part
    assert found.hash == model.hash
    assert (found.joint_names, found.expression_names) == (model.joint_names, model.expression_names)


def chumpy_keys(model):
    keys = flame_keys(model)
    with FakeChumpy() as chumpy:
        for name in ("v_template", "posedirs", "weights"):
            keys[name] = chumpy.array(keys[name])
        keys["shapedirs"] = chumpy.selection(keys["shapedirs"])
        return keys, chumpy


@pytest.mark.parametrize("form", ["python 2", 0, 1, 2, 3, 4, 5])
def test_flames_pickles_of_every_age_are_the_model(form, model, tmp_path):
    keys, chumpy = chumpy_keys(model)
    with chumpy:
        data = python2_pickle(keys) if form == "python 2" else pickle.dumps(keys, protocol=form)
    assert b"Select" in data and (form != "python 2" or b"numpy.core.multiarray" in data)
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(data)
    found = read_flame_model(path)
    assert found.name == "generic_model"
    assert found.identity.shape == (48, 3, 300) and found.expression.shape == (48, 3, 100)
    assert_same(found, model)
    assert read_flame_model(path, name="FLAME 2020").name == "FLAME 2020"


def test_our_own_file_keeps_everything(tmp_path):
    model = replace(example_model(identity=6, expression=3), expression_names=("smile", "blink left", "jaw open"))
    corners = np.random.default_rng(0).random((len(model.faces), 3, 2)).astype(np.float32)
    model = replace(model, uv=corners)
    path = tmp_path / "model.npz"
    write_flame_model(path, model)
    found = read_flame_model(path)
    assert_same(found, model)
    assert found.name == "example" and np.array_equal(found.uv, corners)
    assert {k: v.tolist() for k, v in found.regions.items()} == {k: v.tolist() for k, v in model.regions.items()}
    assert found.embeddings.keys() == {"static", "full", "mediapipe", "contour"}
    for scheme, points in model.embeddings.items():
        other = found.embeddings[scheme]
        assert np.array_equal(points.faces, other.faces) and np.array_equal(points.weights, other.weights)
        assert points.names == other.names
    # The same file is a head for everything that knows no models.
    head = read_head(path)
    assert np.array_equal(head.vertices, model.head().vertices) and list(head.landmarks) == list(scheme_68())


def test_the_hash_tells_models_apart_and_nothing_else(model):
    assert replace(model, name="other", regions={"face": np.arange(3)}).hash == model.hash
    changed = model.identity.copy()
    changed[3, 1, 7] += 1e-6
    assert replace(model, identity=changed).hash != model.hash
    swapped = replace(model, expression=model.identity[:, :, :100], identity=model.identity[:, :, 100:])
    assert swapped.hash != model.hash


def test_the_built_in_head_is_a_model_in_its_own_frame():
    model = read_flame_model(BUILT_IN_HEAD)
    head = read_head(BUILT_IN_HEAD)
    assert np.array_equal(model.head().vertices, head.vertices)
    assert np.array_equal(z_up(model.template), head.vertices)
    assert np.array_equal(y_up(z_up(model.template)), model.template)
    assert model.landmarks["full"].names == scheme_68()
    assert model.head().regions.keys() == head.regions.keys()


def flame_extras(folder, model, seed=3):
    """What FLAME is given out with, in its own forms. Returns the numbers."""
    rng = np.random.default_rng(seed)

    def points(*shape):
        return rng.integers(0, len(model.faces), shape), rng.dirichlet(np.ones(3), shape)

    masks = {"face": np.arange(9), "left_eyeball": np.arange(9, 12)}
    (folder / "FLAME_masks.pkl").write_bytes(python2_pickle(masks))
    static, contour, full, mediapipe = points(51), points(79, 17), points(1, 68), points(105)
    keys = {"lmk_face_idx": static[0].astype(np.uint32), "lmk_b_coords": static[1]}
    (folder / "flame_static_embedding.pkl").write_bytes(python2_pickle(keys))
    np.savez(
        folder / "mediapipe_landmark_embedding.npz",
        lmk_face_idx=mediapipe[0],
        lmk_b_coords=mediapipe[1],
        landmark_indices=np.arange(105) * 2,
    )
    embedding = {
        "static_lmk_faces_idx": static[0],
        "static_lmk_bary_coords": static[1],
        # In FLAME's own file these two are tensors.
        "dynamic_lmk_faces_idx": torch.from_numpy(contour[0]),
        "dynamic_lmk_bary_coords": torch.from_numpy(contour[1].astype(np.float32)),
        "full_lmk_faces_idx": full[0],
        "full_lmk_bary_coords": full[1],
    }
    np.save(folder / "landmark_embedding.npy", np.array(embedding), allow_pickle=True)
    return {"static": static, "contour": contour, "full": (full[0][0], full[1][0]), "mediapipe": mediapipe}


def test_masks_and_landmark_embeddings_beside_a_model_are_taken(model, tmp_path):
    write_flame_model(tmp_path / "model.npz", model)
    numbers = flame_extras(tmp_path, model)
    found = read_flame_model(tmp_path / "model.npz")
    assert_same(found, model)
    assert found.regions["left_eyeball"].tolist() == [9, 10, 11] and found.regions.keys() == {"face", "left_eyeball"}
    assert found.embeddings.keys() == numbers.keys()
    for scheme, (faces, weights) in numbers.items():
        assert np.array_equal(found.embeddings[scheme].faces, faces), scheme
        assert np.array_equal(found.embeddings[scheme].weights, weights.astype(np.float32)), scheme
    assert found.landmarks["static"].names[:1] == ("right eyebrow 1",)
    assert found.landmarks["mediapipe"].names[3] == "mediapipe 6"
    assert read_flame_model(tmp_path / "model.npz", extras=()).embeddings == {}


def test_the_older_dynamic_embedding_is_the_contour(model, tmp_path):
    rng = np.random.default_rng(0)
    faces, weights = rng.integers(0, 90, (79, 17)), rng.dirichlet(np.ones(3), (79, 17))
    np.save(tmp_path / "flame_dynamic_embedding.npy", {"lmk_face_idx": faces, "lmk_b_coords": weights})
    found = with_extra(model, tmp_path / "flame_dynamic_embedding.npy")
    assert np.array_equal(found.contour.faces, faces) and found.contour.names == scheme_68()[:17]


def test_an_extra_of_another_model_is_a_sentence_and_beside_a_model_a_warning(model, tmp_path):
    write_flame_model(tmp_path / "model.npz", model)
    (tmp_path / "FLAME_masks.pkl").write_bytes(pickle.dumps({"face": np.array([3, 4800])}))
    with pytest.raises(HeadError, match="region face names vertex 4800"):
        read_flame_model(tmp_path / "model.npz", extras=[tmp_path / "FLAME_masks.pkl"])
    warnings = []
    assert read_flame_model(tmp_path / "model.npz", warn=warnings.append).regions == {}
    assert len(warnings) == 1 and "4800" in warnings[0]
    (tmp_path / "other.pkl").write_bytes(pickle.dumps({"speed": 3.0}))
    with pytest.raises(HeadError, match="no regions, landmarks or UVs"):
        with_extra(model, tmp_path / "other.pkl")


class Runs:
    """Pickles as a call."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


def hostile(marker):
    write = f"open({str(marker)!r}, 'w').write('ran')"
    yield "os.system", "system", pickle.dumps({"v_template": Runs(os.system, f"touch {marker}")})
    yield "eval", "builtins.eval", pickle.dumps({"v_template": Runs(eval, write)})
    yield "eval of Python 2", "__builtin__.eval", python2_pickle({"v_template": Runs(eval, write)})
    yield "getattr", "builtins.getattr", pickle.dumps(Runs(getattr, 1, "real"))
    yield "numpy", "numpy", pickle.dumps(Runs(np.load, str(marker)))
    in_array = np.empty((), object)
    in_array[()] = {"weights": Runs(os.system, f"touch {marker}")}
    yield "inside an array of objects", "system", pickle.dumps(in_array)
    # A name with dots reaches through what is allowed: numpy.ndarray.tofile.
    yield "by dots", "numpy.ndarray.tofile", b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    # As PyTorch's checkpoints refer to their storages, by an identifier that somebody else resolves.
    yield "persistent id", "outside itself", b"\x80\x02}X\x01\x00\x00\x00w(X\x07\x00\x00\x00storageq\x01tQs."
    legacy = b"".join(pickle.dumps(part) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
    bomb = Runs(torch.storage._load_from_bytes, legacy + pickle.dumps(Runs(os.system, f"touch {marker}")))
    yield "inside a tensor's bytes", "system", pickle.dumps(bomb)
    yield "instance of a token", "broken", pickle.dumps(Runs(np.ndarray, state={"plain": 1}))


def test_hostile_pickles_are_refused_with_a_reason_and_never_run(tmp_path):
    marker = tmp_path / "ran"
    for what, reason, data in hostile(marker):
        path = tmp_path / "flame.pkl"
        path.write_bytes(data)
        with pytest.raises(HeadError, match=reason) as caught:
            read_flame_model(path)
        assert not marker.exists(), what
        assert "flame.pkl" in str(caught.value)
    assert "could run a program" in refusal(pickle.dumps(Runs(os.system, "true")))


def test_the_same_in_a_npy_is_refused(tmp_path):
    marker = tmp_path / "ran"
    content = np.empty((), object)
    content[()] = Runs(os.system, f"touch {marker}")
    np.save(tmp_path / "landmark_embedding.npy", content, allow_pickle=True)
    with pytest.raises(HeadError, match="system"):
        with_extra(example_model(), tmp_path / "landmark_embedding.npy")
    np.savez(tmp_path / "model.npz", v_template=content)
    with pytest.raises(HeadError, match=r"model\.npz"):
        read_flame_model(tmp_path / "model.npz")
    assert not marker.exists()


def refusal(data):
    with pytest.raises(HeadError) as caught:
        inert_pickle.loads(data, "x.pkl")
    return str(caught.value)


def test_a_pickle_cannot_change_the_reader():
    """BUILD sets attributes on whatever is there; on what stands for a class or a function it must not."""
    before = {name: dict(vars(thing)) for name, thing in vars(inert_pickle).items() if isinstance(thing, type)}
    for module, name in inert_pickle.ALLOWED:
        head = b"\x80\x02c" + f"{module}\n{name}\n".encode()
        for state in (b"}X\x05\x00\x00\x00plainK\x01s", b"N}X\x08\x00\x00\x00functionK\x01s\x86"):
            assert "broken" in refusal(head + state + b"b.")
    after = {name: dict(vars(thing)) for name, thing in vars(inert_pickle).items() if isinstance(thing, type)}
    assert before == after


def test_claims_larger_than_the_file_are_refused():
    good = pickle.dumps(np.arange(12.0).reshape(4, 3), protocol=2)
    assert np.array_equal(inert_pickle.loads(good, "x"), np.arange(12.0).reshape(4, 3))
    assert "does not fit" in refusal(good.replace(b"K\x04K\x03\x86", b"K\x7fK\x7f\x86"))
    assert "broken" in refusal(good[:-20])
    assert "broken" in refusal(b"")
    assert "under the number" in refusal(b"\x80\x02K\x01r\xff\xff\xff\x7f.")  # a place in the memo that nobody can have
    assert "broken" in refusal(b"\x80\x05\x96\x00\x00\x00\x80\x00\x00\x00\x00abc.")  # 2 GB of bytes, three there
    huge = sparse.csr_matrix(np.eye(3))
    huge._shape = (3, 10**10)
    assert "rows and" in refusal(pickle.dumps(huge))
    wrong = sparse.csc_matrix(np.eye(3))
    wrong.indices[1] = 77
    assert "outside its shape" in refusal(pickle.dumps(wrong))


def test_tensors_that_reach_beyond_their_numbers_are_refused():
    view = torch.arange(12).reshape(3, 4)[1:, ::2].T
    assert np.array_equal(inert_pickle.loads(pickle.dumps(view), "x"), view.numpy())
    storage = Runs(torch.storage._load_from_bytes, legacy_bytes(torch.arange(4)))
    for offset, size, stride in ((0, (5,), (1,)), (3, (2,), (1,)), (-1, (2,), (1,)), (0, (2, 2), (1, -1))):
        arguments = (storage, offset, size, stride, False, {})
        assert "tensor" in refusal(pickle.dumps(Runs(torch._utils._rebuild_tensor_v2, *arguments)))


def legacy_bytes(tensor):
    file = io.BytesIO()
    torch.save(tensor._typed_storage(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def test_what_contains_itself_ends():
    circle = []
    circle.append(circle)
    assert "nested too deeply" in refusal(pickle.dumps(circle))
    wide = {"v": 1.0}
    for _ in range(14):
        wide = [wide] * 50
    assert inert_pickle.loads(pickle.dumps(wide), "x")[0][49][0]  # shared, so small


def test_chumpys_expressions_are_named_when_they_are_needed(model, tmp_path):
    keys, chumpy = chumpy_keys(model)
    for needed in (False, True):
        with chumpy:
            keys["weights" if needed else "weights_prior"] = chumpy.modules["chumpy.ch"].Sum()
            (tmp_path / "flame.pkl").write_bytes(pickle.dumps(keys))
        if needed:
            with pytest.raises(HeadError, match=r"weights in flame\.pkl is a chumpy\.ch\.Sum"):
                read_flame_model(tmp_path / "flame.pkl")
        else:
            assert_same(read_flame_model(tmp_path / "flame.pkl"), model)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"v_template": None}, "lacks v_template"),
        ({"shapedirs": np.zeros((47, 3, 10))}, r"shapedirs\) has the shape \(47, 3, 10\)"),
        ({"posedirs": np.zeros((48, 3, 27))}, "posedirs"),
        ({"weights": np.full((48, 5), 0.3)}, "do not add up to 1"),
        ({"v_template": np.full((48, 3), np.nan)}, "not finite"),
        ({"v_template": np.random.default_rng(0).random((48, 3)) * 300}, "no head's size"),
        ({"f": np.array([[0, 1, 48]])}, "names vertex 48"),
        ({"f": np.array([[0, 1, 2**32 + 1]])}, "names vertex"),
        ({"kintree_table": np.array([[3, 0, 1, 1, 1], range(5)])}, "in no order"),
        ({"bs_style": "dqbs"}, "dqbs"),
        ({"expression_names": np.array(["smile"]), "identity_names": np.array(["wide"])}, "names 1 identity"),
        ({"format": "something", "version": 1}, "not a head model"),
        ({"format": "maquette-flame", "version": 99}, "newer Maquette"),
    ],
)
def test_models_that_do_not_fit_together_are_a_sentence(change, sentence, model, tmp_path):
    keys = flame_keys(model) | change
    keys = {key: value for key, value in keys.items() if value is not None}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(keys))
    with pytest.raises(HeadError, match=sentence):
        read_flame_model(tmp_path / "m.pkl")


def test_files_that_are_none_are_a_sentence(tmp_path):
    with pytest.raises(HeadError, match="no file"):
        read_flame_model(tmp_path / "nothing.pkl")
    (tmp_path / "model.fbx").write_bytes(b"")
    with pytest.raises(HeadError, match="not a kind"):
        read_flame_model(tmp_path / "model.fbx")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(HeadError, match="no named parts"):
        read_flame_model(tmp_path / "list.pkl")
    (tmp_path / "text.npz").write_bytes(b"PK\x03\x04 but no archive")
    with pytest.raises(HeadError, match="cannot be read"):
        read_flame_model(tmp_path / "text.npz")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", 900) + b"{")
    with pytest.raises(HeadError, match=r"cut\.npy"):
        read_flame_model(tmp_path / "cut.npy")
