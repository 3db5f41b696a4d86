"""A head model fitted to a scan."""

import time

import numpy as np

from .. import device as devices
from ..contract import FitHead
from ..fit.model import landmarks_of, model_to_fit, named_points
from ..fit.report import measure
from ..fit.scan import AVERAGE, Scan, ScanSurface, check_landmarks_on, metres_per_unit, read_scan
from ..fit.scan_fit import fit_scan, start
from ..fit.shape import Shape
from ..fit.surfaces import MovingSurface
from ..formats.coefficients import Coefficients, Similarity, write_coefficients
from ..formats.flame_model import FlameModel
from ..formats.job_folder import write_json
from ..formats.landmarks import Landmarks3D, read_landmarks
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
    reporter.stage("Reading the scan", 3)
    model = model_to_fit(request.model, reporter.warning)
    landmarks = read_landmarks(request.landmarks)
    reporter.step()
    scan = read_scan(request.scan)
    check_landmarks_on(scan, landmarks)
    metres, unit, source = metres_per_unit(request.unit, landmarks, landmarks_of(model))
    in_metres = Landmarks3D(landmarks.names, landmarks.points * metres)
    names, place = start(model, in_metres)
    in_metres = Landmarks3D(tuple(names), in_metres.of(names))
    reporter.step()
    shape = Shape(model, request.identity, request.expression, devices.choose(request.device))
    surface = _surface(scan, metres, in_metres, shape, place)
    reporter.step()
    fit = fit_scan(shape, surface, in_metres, place, source == AVERAGE, reporter)
    reporter.stage("Measuring")
    place = fit.place
    if source == AVERAGE:
        # Nobody knows the scan's unit, so it is as large as the fitted head says, and its millimetres are the head's.
        metres, place = metres / place.scale, Similarity(1.0, place.rotation, place.translation / place.scale)
        in_metres = Landmarks3D(in_metres.names, landmarks.of(names) * metres)
        surface = _surface(scan, metres, in_metres, shape, place)
    on_scan = place.apply(fit.vertices)
    figures, residual = measure(model, on_scan, surface)
    clicks = _landmark_errors(model, on_scan, in_metres)
    on_file = Similarity(place.scale / metres, place.rotation, place.translation / metres)
    at = fit.parameters
    fitted = Coefficients.of(model, identity=at.identity, expression=at.expression, pose=at.pose, similarity=on_file)
    write_coefficients(reporter.folder / "coefficients.npz", fitted)
    write_ply(reporter.folder / "head.ply", on_scan / metres, model.faces, {"residual": residual})
    similarity = {key: np.asarray(value).tolist() for key, value in on_file._asdict().items()}
    report = {
        "model": model.name,
        "model_hash": model.hash,
        "seconds": round(time.monotonic() - began, 2),
        "unit": unit,
        "metres_per_unit": metres,
        "unit_source": source,
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


def _surface(scan: Scan, metres: float, landmarks: Landmarks3D, shape: Shape, place: Similarity) -> ScanSurface:
    head = MovingSurface(shape.model.faces)
    head.move(place.apply(shape.vertices(shape.zero())))

    def outward(points: np.ndarray) -> np.ndarray:
        return head.normals_at(*head.nearest(points)[1:])

    return ScanSurface(scan, metres, landmarks.points.mean(axis=0), outward)


def _landmark_errors(model: FlameModel, vertices: np.ndarray, landmarks: Landmarks3D) -> dict:
    """Millimetres between the head's landmarks and the scan's: mean, max, and each by name."""
    points = named_points(model)
    here = np.stack([points[name][1] @ vertices[model.faces[points[name][0]]] for name in landmarks.names])
    off = (1000 * np.linalg.norm(here - landmarks.points, axis=1)).round(3)
    each = dict(zip(landmarks.names, off.tolist(), strict=True))
    return {"mean": round(float(off.mean()), 3), "max": float(off.max()), "each": each}


def _warn(report: dict, reporter: Reporter) -> None:
    if report["unit_source"] != "as told":
        unit = report["unit"] or f"{report['metres_per_unit']:.4g} m"
        reporter.warning(f"One unit of the scan is taken as {unit} ({report['unit_source']}); say so if it is another.")
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
