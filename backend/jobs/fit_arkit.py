"""An ARKit table fitted for a head model."""

from pathlib import Path

import numpy as np

from ..contract import FitArkit
from ..fit.arkit_transfer import carried_shapes
from ..flame.arkit import fit_table
from ..formats.arkit import NAMES, PLACES, ArkitTable, table_from_rows, turning_rows, write_table
from ..formats.flame_files import read_flame_model
from ..formats.job_folder import write_json
from ..protocol import Reporter

FOLLOWED = 0.85
"""A row that leaves more than this part of its shape is none."""


def run(request: FitArkit, reporter: Reporter) -> dict:
    """Write arkit.npz and report.json to the job's folder: turns of jaw and eyes as they are, every other shape of the
    built-in head carried over to the model and fitted to its expressions by least squares."""
    reporter.stage("Reading the model")
    model = read_flame_model(Path(request.model).expanduser(), warn=reporter.warning)
    shapes, counts, apart = carried_shapes(model, reporter)
    reporter.stage("Fitting the shapes", len(shapes))
    fitted = fit_table(model, shapes, counts, tick=reporter.step)
    weak = [name for name in shapes if fitted.error[name] > FOLLOWED * fitted.size[name]]
    turns = table_from_rows(model, {}, turning_rows(model))
    kept = fitted.table.supported.copy()
    kept[[PLACES[name] for name in weak]] = False
    table = ArkitTable(
        model.name,
        model.hash,
        fitted.table.expression * kept[:, None] + turns.expression,
        fitted.table.pose * kept[:, None, None] + turns.pose,
        kept | turns.supported,
    )
    write_table(reporter.folder / "arkit.npz", table)
    left = {name: {"left_mm": 1000 * fitted.error[name], "size_mm": 1000 * fitted.size[name]} for name in fitted.error}
    part = float(np.median([fitted.error[name] / fitted.size[name] for name in shapes]))
    report = {
        "model": model.name,
        "model_hash": model.hash,
        "shapes": int(table.supported.sum()),
        "left_out": [name for name, there in zip(NAMES, table.supported) if not there],
        "median_part_left": round(part, 3),
        "heads_apart_mm": round(1000 * apart, 3),
        "each": left,
    }
    write_json(reporter.folder / "report.json", report)
    if weak:
        reporter.warning(f"The model cannot follow {', '.join(weak)}; these are left out.")
    return {"table": "arkit.npz", "report": "report.json"} | {k: v for k, v in report.items() if k != "each"}
