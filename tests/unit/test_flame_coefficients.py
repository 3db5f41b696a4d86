"""Coefficients belong to one model, whatever file either comes from."""

import json
from dataclasses import replace

import numpy as np
import pytest

from backend.errors import CoefficientError
from backend.formats.coefficients import Coefficients, read_coefficients, write_coefficients
from backend.formats.flame_files import read_flame_model
from backend.formats.flame_model import write_flame_model
from tests.unit.flame_example import example_model, random_parameters


@pytest.fixture(scope="module")
def model():
    return example_model(identity=8, expression=4)


@pytest.fixture
def coefficients(model):
    return Coefficients.of(model, **{name: value[0] for name, value in random_parameters(model, 1).items()})


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_files_keep_every_digit_and_the_model_they_belong_to(suffix, model, coefficients, tmp_path):
    path = tmp_path / f"face{suffix}"
    write_coefficients(path, coefficients)
    write_flame_model(tmp_path / "model.npz", model)
    found = read_coefficients(path).applied_to(read_flame_model(tmp_path / "model.npz"))
    for part in ("identity", "expression", "pose", "translation", "scale", "model", "model_hash"):
        assert np.array_equal(getattr(found, part), getattr(coefficients, part)), part
    assert [p.name for p in tmp_path.glob("face*")] == [path.name]


def test_another_model_is_an_error_that_names_both(model, coefficients):
    other = replace(model, name="FLAME 2023 Open", identity=model.identity * 1.001)
    with pytest.raises(CoefficientError, match=f"model example .{model.hash[:8]}.*FLAME 2023 Open .{other.hash[:8]}"):
        coefficients.applied_to(other)
    # The same numbers under another file name are the same model.
    assert coefficients.applied_to(replace(model, name="copy")).model == "copy"


def test_fewer_modes_are_filled_with_zeros_and_more_are_refused(model):
    few = Coefficients.of(model, identity=[1.0, 2.0])
    assert few.identity.tolist() == [1, 2, 0, 0, 0, 0, 0, 0]
    assert few.expression.shape == (4,) and few.pose.shape == (5, 3) and few.scale == 1
    with pytest.raises(CoefficientError, match="9 identity coefficients, but example has 8"):
        Coefficients.of(model, identity=np.zeros(9))
    with pytest.raises(CoefficientError, match="4 joints, but example has 5"):
        Coefficients.of(model, pose=np.zeros((4, 3)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"identity": [1.0, float("nan")]}, "identity has numbers that are not finite"),
        ({"pose": [0.1, 0.2]}, "pose has the wrong shape"),
        ({"expression": "smile"}, "expression has the wrong shape or kind"),
        ({"scale": 0}, "must be above 0"),
        ({"scale": None}, "lacks scale"),
        ({"format": "other"}, "no file of Maquette's"),
        ({"version": 7}, "newer Maquette"),
    ],
)
def test_broken_files_are_a_sentence(change, sentence, coefficients, tmp_path):
    path = tmp_path / "face.json"
    write_coefficients(path, coefficients)
    values = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    with pytest.raises(CoefficientError, match=sentence):
        read_coefficients(path)


def test_files_that_are_none_are_a_sentence(tmp_path):
    for name, content in (("a.json", b"[1, 2]"), ("b.json", b"{"), ("c.npz", b"PK"), ("d.npz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CoefficientError, match=name):
            read_coefficients(tmp_path / name)
    with pytest.raises(CoefficientError, match="cannot be opened"):
        read_coefficients(tmp_path / "nothing.npz")
    with pytest.raises(CoefficientError, match="no kind of coefficient file"):
        read_coefficients(tmp_path / "face.pkl")
