"""The FLAME bench measures what its table says."""

import argparse
import json

import pytest

from backend.formats.flame_model import write_flame_model
from tests.unit.flame_example import example_model

pytest.importorskip("bench", reason="the bench is no part of the extension's zip")
from bench import flame


def test_every_row_is_measured_and_the_layer_held_to_the_reference(tmp_path):
    write_flame_model(tmp_path / "small.npz", example_model(identity=5, expression=3))
    parser = argparse.ArgumentParser()
    flame.add_options(parser)
    parser.add_argument("--out")
    options = parser.parse_args(["--heads", "3", "--repeats", "2", "--device", "cpu", "--fits", "0", "--frames", "0"])
    options.model, options.out = tmp_path / "small.npz", tmp_path / "out"
    flame.run(options)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["model"], results["vertices"], results["modes"]) == ("small.npz", 48, 8)
    assert len(results["results"]) == 9 and all(row["ms"] > 0 for row in results["results"])
    away = {row["row"]: row["largest_difference_m"] for row in results["results"] if "largest_difference_m" in row}
    assert len(away) == 4 and max(away.values()) < 1e-6
    assert away["layer, float64, forward"] < 1e-14 < away["layer, float32, forward"]
    table = (tmp_path / "out" / "results.md").read_text()
    assert all(row["row"] in table for row in results["results"])
