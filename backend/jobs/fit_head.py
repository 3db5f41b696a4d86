"""A head model fitted to a scan."""

import time

import numpy as np

from .. import device as devices
from ..contract import FitHead
from ..fit.head_on_scan import lay_head_on_scan
from ..fit.report import measure
from ..formats.coefficients import write_coefficients
from ..formats.job_folder import write_json
from ..formats.mesh_ply import write_ply
from ..protocol import Reporter

POOR = 6.0
"""Millimetres between face and scan, on average, from which the artist is told to look again."""
BAD_CLICK = 12.0
"""Millimetres that a landmark may be off the fitted head before it is named."""


def run(request: FitHead, reporter: Reporter) -> dict:
    """Write coefficients.npz, head.ply and report.json to the job's folder.

    The head in head.ply lies on the scan, in the scan's own unit and axes; its vertices' ``residual`` is metres to the
    scan along the head's normal, above 0 where the scan lies outside it and NaN where it has nothing. The result's
    ``similarity`` takes the head of the coefficients (metres, Z up) there.
    """
    began = time.monotonic()
    fit = lay_head_on_scan(
        request.scan, request.landmarks, request.model, request.unit, request.identity, request.expression,
        devices.choose(request.device), reporter,
    )  # fmt: skip
    model = fit.model
    reporter.stage("Measuring")
    on_scan = fit.place.apply(fit.vertices)
    figures, residual = measure(model, on_scan, fit.surface)
    clicks = fit.landmark_errors()
    write_coefficients(reporter.folder / "coefficients.npz", fit.coefficients)
    write_ply(reporter.folder / "head.ply", on_scan / fit.metres, model.faces, {"residual": residual})
    similarity = {key: np.asarray(value).tolist() for key, value in fit.on_file._asdict().items()}
    report = {
        "model": model.name,
        "model_hash": model.hash,
        "seconds": round(time.monotonic() - began, 2),
        "unit": fit.unit,
        "metres_per_unit": fit.metres,
        "unit_source": fit.unit_source,
        "similarity": similarity,
        "landmark_error_mm": clicks,
    } | figures
    write_json(reporter.folder / "report.json", report)
    _warn(report, reporter)
    files = {"coefficients": "coefficients.npz", "head": "head.ply", "report": "report.json"}
    return (
        files
        | {key: report[key] for key in ("unit", "metres_per_unit", "unit_source", "similarity", "seconds")}
        | {
            "landmark_error_mm": clicks["mean"],
            "face_mm": figures["scan_to_head_mm"]["regions"].get("face", {}).get("mean"),
            "scalp_mm": figures["scan_to_head_mm"]["regions"].get("scalp", {}).get("mean"),
        }
    )


def warn_of_unit(report: dict, reporter: Reporter) -> None:
    """Tell the artist which unit was guessed."""
    if report["unit_source"] != "as told":
        unit = report["unit"] or f"{report['metres_per_unit']:.4g} m"
        reporter.warning(f"One unit of the scan is taken as {unit} ({report['unit_source']}); say so if it is another.")


def _warn(report: dict, reporter: Reporter) -> None:
    warn_of_unit(report, reporter)
    face = report["scan_to_head_mm"]["regions"].get("face", {}).get("mean")
    if face is None:
        reporter.warning("The scan has no face where the head lies; look at the fit, and check the landmarks.")
    elif face > POOR:
        reporter.warning(
            f"The face is {face:.1f} mm off the scan on average; look at the fit, and check the landmarks."
        )
    each = {name: off for name, off in report["landmark_error_mm"]["each"].items() if not name.startswith("jaw ")}
    worst = max(each, key=each.get, default=None)
    if worst and each[worst] > BAD_CLICK:
        reporter.warning(
            f"The landmark '{worst}' is {each[worst]:.0f} mm off the fitted head; was it clicked in its place?"
        )
