"""ARKit's shapes carried from the built-in head to another model, and fitted to its expressions."""

import json
from dataclasses import replace

import numpy as np
import pytest

from backend.contract import FitArkit
from backend.errors import HeadError
from backend.fit.model import skin
from backend.formats.arkit import NAMES, PLACES, read_table, table_beside
from backend.formats.flame_files import read_flame_model
from backend.formats.flame_model import write_flame_model
from backend.formats.head import BUILT_IN_HEAD
from backend.jobs import fit_arkit
from backend.protocol import SilentReporter


def test_another_person_with_mixed_expressions_gets_the_built_in_heads_shapes(tmp_path):
    own = read_flame_model(BUILT_IN_HEAD)
    rng = np.random.default_rng(3)
    # Nobody could read these modes: each is all of the built-in head's at once.
    mix = np.linalg.qr(rng.standard_normal((44, 44)))[0]
    person = own.template + own.identity @ rng.normal(0, 0.8, 100)
    model = replace(own, name="somebody", template=person, expression=own.expression @ mix, expression_names=())
    model = replace(model, expression_names=tuple(f"expression {i + 1}" for i in range(44)))
    write_flame_model(tmp_path / "somebody.npz", model)
    result = fit_arkit.run(FitArkit(model=str(tmp_path / "somebody.npz")), SilentReporter(tmp_path))
    assert result["shapes"] == 51 and result["left_out"] == ["tongueOut"]
    assert result["heads_apart_mm"] < 0.1 and result["median_part_left"] < 0.1
    assert len(json.loads((tmp_path / "report.json").read_text())["each"]) == 40
    table = read_table(tmp_path / "arkit.npz").applied_to(read_flame_model(tmp_path / "somebody.npz"))
    truth = read_table(table_beside(BUILT_IN_HEAD))
    seen = skin(own)
    for name in ("mouthSmileLeft", "mouthPucker", "mouthFrownRight", "eyeBlinkLeft", "browInnerUp", "cheekPuff"):
        shown = model.expression.astype(np.float64) @ table.expression[PLACES[name]]
        wanted = own.expression.astype(np.float64) @ truth.expression[PLACES[name]]
        off = np.linalg.norm(shown - wanted, axis=1)[seen]
        assert off.max() < 0.15 * np.linalg.norm(wanted, axis=1).max(), name
    np.testing.assert_array_equal(table.pose[PLACES["jawOpen"]], truth.pose[PLACES["jawOpen"]])
    assert table.supported.sum() == len(NAMES) - 1


def test_a_model_without_expressions_is_refused(tmp_path):
    own = read_flame_model(BUILT_IN_HEAD)
    write_flame_model(tmp_path / "still.npz", replace(own, expression=own.expression[..., :0], expression_names=()))
    with pytest.raises(HeadError, match="has no expressions"):
        fit_arkit.run(FitArkit(model=str(tmp_path / "still.npz")), SilentReporter(tmp_path))
