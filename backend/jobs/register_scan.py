"""A scan registered: a dense head lying on it, and its displacements as a map."""

import time

import numpy as np

from .. import device as devices
from ..contract import RegisterScan
from ..detail.dense import dense_head
from ..detail.displacement_map import bake
from ..detail.given import mesh_of
from ..detail.intersections import self_intersecting_share
from ..detail.registration import REACH, Scanned, register
from ..detail.registration_measure import measure
from ..fit.head_on_scan import lay_head_on_scan
from ..formats.coefficients import write_coefficients
from ..formats.dense_mesh import write_dense_mesh
from ..formats.detail import Detail, write_detail
from ..formats.displacement import write_displacement
from ..formats.job_folder import write_json
from ..formats.mesh_ply import write_ply
from ..protocol import Reporter
from .fit_head import warn_of_unit

CALM = 0.3
"""Times a fit's trust in the scan's surface: what the model cannot show is the displacement's to tell, and needs no
straining of identity and expression."""
POOR = 1.5
"""Millimetres between scan and registered head, on average, from which the artist is told to look again."""


def run(request: RegisterScan, reporter: Reporter) -> dict:
    """Write registered.ply, mesh.npz, registered.npz, displacement.png, coefficients.npz and report.json.

    The mesh of registered.ply lies on the scan, in the scan's own unit and axes, and its vertices' ``residual`` is
    metres to the scan along their normal; mesh.npz is the same in the head's frame. registered.npz and displacement.png
    hold the displacement from the person's rest head.
    """
    began = time.monotonic()
    fit = lay_head_on_scan(
        request.scan, request.landmarks, request.model, request.unit, 0, request.expression,
        devices.choose(request.device), reporter, CALM,
    )  # fmt: skip
    seconds = {"fit": _since(began)}
    reporter.stage("Preparing the dense head", 3)
    dense, at = dense_head(fit.model, smooth=request.smooth), fit.parameters
    reporter.step()
    rest, fitted = dense.rest(at.identity), dense.vertices(at.identity, at.expression, at.pose)
    reporter.step()
    scanned = Scanned.of(fit.surface_within(REACH), fit.place)
    seconds["preparation"] = _since(began) - sum(seconds.values())
    found = register(
        dense, fitted, scanned, request.preset, reporter, partial=request.partial, steps=request.steps,
        device=devices.choose(request.device),
    )  # fmt: skip
    seconds |= found.seconds

    reporter.stage("Measuring and baking", 3)
    vertices = fitted + found.displacement
    figures, residual = measure(dense, vertices, found.movable, scanned)
    # Eyeballs aside, which stand in their sockets.
    head = dense.faces[found.movable.head]
    shares = [round(self_intersecting_share(place, head), 6) for place in (vertices, fitted)]
    reporter.step()
    # Stored for the rest head, turned back as the surface turns from the fitted one (B.1).
    displacement = dense.to_rest(found.displacement, fitted, rest)
    baked = bake(displacement, dense.faces, dense.uv, request.size, **dense.said)
    reporter.step()
    folder = reporter.folder
    write_ply(folder / "registered.ply", fit.on_file.apply(vertices), dense.faces, {"residual": residual})
    write_dense_mesh(folder / "mesh.npz", mesh_of(dense, vertices, residual))
    write_detail(folder / "registered.npz", Detail(displacement, found.observed, **dense.said))
    write_displacement(folder / "displacement.png", baked)
    write_coefficients(folder / "coefficients.npz", fit.coefficients)
    report = {
        "model": fit.model.name,
        "model_hash": fit.model.hash,
        "preset": request.preset,
        "partial": request.partial,
        "smooth": request.smooth,
        "seconds": round(_since(began), 2),
        "stage_seconds": {name: round(value, 2) for name, value in seconds.items()},
        "unit": fit.unit,
        "metres_per_unit": fit.metres,
        "unit_source": fit.unit_source,
        "similarity": {key: np.asarray(value).tolist() for key, value in fit.on_file._asdict().items()},
        "landmark_error_mm": fit.landmark_errors(),
        "vertices": dense.vertex_count,
        "free_vertices": int(found.movable.all.sum()),
        "observed_vertices": int(found.observed.sum()),
        "scan_points": len(scanned.points),
        "self_intersecting_share": shares[0],
        "self_intersecting_share_of_fit": shares[1],
        "clipped_vertices": baked.clipped,
    } | figures
    write_json(folder / "report.json", report)
    _warn(report, reporter)
    files = {
        "mesh": "mesh.npz", "registered": "registered.ply", "detail": "registered.npz", "map": "displacement.png",
        "coefficients": "coefficients.npz", "report": "report.json",
    }  # fmt: skip
    kept = ("unit", "metres_per_unit", "unit_source", "similarity", "seconds", "clipped_vertices")
    return files | {key: report[key] for key in kept} | {"scan_to_mesh_mm": report["scan_to_mesh_mm"]["mean"]}


def _since(began: float) -> float:
    return time.monotonic() - began


def _warn(report: dict, reporter: Reporter) -> None:
    warn_of_unit(report, reporter)
    mean = report["scan_to_mesh_mm"]["mean"]
    if mean is None:
        reporter.warning("The scan has nothing where the head's face and scalp are; check its landmarks.")
    elif mean > POOR:
        reporter.warning(f"The head is {mean:.1f} mm off the scan on average; look at it, and check the landmarks.")
    if report["clipped_vertices"]:
        reporter.warning(
            f"{report['clipped_vertices']} vertices lie further from the head than the map can hold (167 mm); there "
            "the map is cut."
        )
