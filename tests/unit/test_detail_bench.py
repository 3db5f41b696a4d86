"""The detail bench's own parts: its tables say what was measured, and its own measures are right."""

import json

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is no part of the extension's zip")
from bench.detail_losses import time_losses
from bench.detail_report import write_report
from bench.detail_scans import real_scans
from bench.detail_stages import folded_share


def figures(mean):
    part = {"mean": mean, "median": mean / 2, "p95": 3 * mean, "max": 9.0, "points": 10}
    return part | {"regions": {"face": part, "scalp": dict.fromkeys(part)}}


def test_the_tables_say_what_was_measured(tmp_path):
    row = {
        "scan": "somebody", "synthetic": False, "preset": "draft", "wall_seconds": 31.0, "seconds": 30.0,
        "stage_seconds": {"fit": 4.4, "vector": 9.6}, "scan_to_mesh_mm": figures(0.25), "mesh_to_scan_mm": figures(0.5),
        "whole_scan_mm": {"mean": 0.75, "p95": 2.0}, "self_intersecting_share": 0.00125, "clipped_vertices": 3,
        "vertices": 80_000, "scan_points": 200_000,
        "round_trip": {"off": [0.01, 0.02, 0.03, 0.04], "seam": [0.001, 0.002, 0.003, 0.0042], "clipped": 3},
    }  # fmt: skip
    way = {key: row[key] for key in ("scan_to_mesh_mm", "mesh_to_scan_mm", "whole_scan_mm", "self_intersecting_share")}
    results = {
        "preset": "draft",
        "scans": [row],
        "stages": {"synthetic bob": {"both stages": way | {"folded_share": 0.5, "seconds": {}}}},
        "losses": [{"operator": "edges", "ms": 12.34, "pytorch3d_ms": None, "relative_difference": None}],
    }
    write_report(tmp_path, results)
    text = (tmp_path / "results.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| somebody | draft"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2:11] == ["0.250", "0.125", "0.750", "0.250", "", "0.500", "0.750", "2.000", "0.125"]
    assert cells[11:] == ["3", "200,000", "30", "4", "10", ""]
    assert "| synthetic bob | both stages | 0.250 |" in text and "| edges | 12.3 | not here |  |" in text
    for table in text.split("###")[1:]:
        widths = {len(line.split("|")) for line in table.splitlines() if line.startswith("|")}
        assert len(widths) == 1, table
    assert json.loads((tmp_path / "results.json").read_text())["scans"] == [row]


def test_folds_are_counted():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.2], [0.1, 0.1, 0.5]])
    flat, folded = np.array([[0, 1, 2], [1, 3, 2]]), np.array([[0, 1, 2], [1, 4, 2]])
    assert folded_share(vertices, flat) == 0 and folded_share(vertices, folded) == 1


def test_without_the_real_scan_there_are_no_rows_of_it(tmp_path):
    assert real_scans(tmp_path / "none.obj", tmp_path / "none.npz") == []


def test_losses_are_timed():
    class Small:
        faces = np.array([[0, 1, 2], [1, 3, 2]])

        def rest(self):
            return np.random.default_rng(0).normal(size=(4, 3))

    rows = time_losses(Small(), repeats=1)
    assert len(rows) == 7 and all(row["ms"] > 0 for row in rows)
