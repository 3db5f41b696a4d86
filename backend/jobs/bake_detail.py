"""Detail of a dense head as a displacement map."""

from pathlib import Path

import numpy as np

from ..contract import BakeDetail
from ..detail.dense import DenseHead
from ..detail.displacement_map import sample_at_vertices, seam_jump
from ..detail.given import (
    STANDARD,
    bake_map,
    dense_head_in,
    given_coefficients,
    map_displacement,
    read_source,
    uv_of,
)
from ..detail.packing import covered
from ..detail.transfer import repaired, texels_of
from ..errors import HeadError
from ..fit.model import model_to_fit
from ..formats.coefficients import Coefficients
from ..formats.displacement import OBJECT, RANGE, TANGENT, DisplacementMap, read_displacement, write_displacement
from ..formats.job_folder import write_json
from ..protocol import Reporter

PICTURES = (".png", ".exr")


def run(request: BakeDetail, reporter: Reporter) -> dict:
    """Write displacement.png (or .exr) with its JSON, and report.json: how well the map gives the detail back."""
    reporter.stage("Reading the detail", 2)
    model = model_to_fit(request.model, reporter.warning)
    source = Path(request.source).expanduser()
    if not source.is_file():
        raise HeadError(f"There is no {source.name} at {source.parent}; choose a registration, a dense mesh or a map.")
    dense = dense_head_in(model, request.layout, source)
    reporter.step()
    coefficients = given_coefficients(model, request.coefficients, source)
    if coefficients is None and (request.frame == TANGENT or source.suffix.lower() == ".ply"):
        reporter.warning(f"Nobody said whose head it is, so it is taken as {model.name}'s mean; name its coefficients.")
    identity = None if coefficients is None else coefficients.identity
    reporter.step()
    reporter.stage("Baking", 2)
    path = reporter.folder / f"displacement.{request.format}"
    limit = RANGE if request.format == "png" else np.inf
    baked, displacement = _baked(request, source, dense, coefficients, limit)
    write_displacement(path, baked)
    reporter.step()
    # What an artist's program will see is the file, not the numbers that went in.
    stored = read_displacement(path)
    back = map_displacement(stored, dense, identity, path.name)
    off = 1000 * np.linalg.norm(back - displacement.clip(-limit, limit), axis=1)
    report = {
        "model": model.name,
        "model_hash": model.hash,
        "layout": baked.layout,
        "size": request.size,
        "frame": request.frame,
        "clipped_vertices": baked.clipped,
        "round_trip_mm": _figures(off),
    }
    if request.frame == OBJECT:
        report["seam_jump_mm"] = _figures(1000 * seam_jump(stored.values, dense.faces, uv_of(stored, dense, path.name)))
    write_json(reporter.folder / "report.json", report)
    if baked.clipped:
        reporter.warning(
            f"{baked.clipped} vertices lie further from the head than a PNG can hold (167 mm); there the map is cut. "
            "An EXR holds any distance."
        )
    kept = {key: report[key] for key in ("layout", "size", "frame", "clipped_vertices")}
    return {"map": path.name, "report": "report.json"} | kept | {"round_trip_mm": report["round_trip_mm"]["mean"]}


def _baked(
    request: BakeDetail, source: Path, dense: DenseHead, coefficients: Coefficients | None, limit: float
) -> tuple[DisplacementMap, np.ndarray]:
    """The map, and (W, 3) metres what it is to give back at the rest head's vertices."""
    identity = None if coefficients is None else coefficients.identity
    as_map = source.suffix.lower() in PICTURES
    if request.repair and not as_map:
        raise HeadError("Only a map's seam is repaired; choose a displacement map, or bake without the repair.")
    in_place = request.frame == OBJECT and request.layout != STANDARD
    if as_map and (in_place or request.repair):
        # A map in the dense head's layout is taken as it is, with whatever was painted on it.
        given = texels_of(source, dense, request.size, identity)
        if request.repair:
            given = repaired(given, covered(dense.uv, request.size), dense).values
        displacement = sample_at_vertices(given, dense.faces, dense.uv, dense.vertex_count)
        if in_place:
            return DisplacementMap(given, OBJECT, 0, **dense.said), displacement
    else:
        displacement = read_source(source, dense, coefficients)
    baked = bake_map(
        displacement, dense, request.size, frame=request.frame, standard=request.layout == STANDARD, identity=identity,
        limit=limit,
    )  # fmt: skip
    return baked, displacement


def _figures(values: np.ndarray) -> dict:
    """Mean, percentiles and maximum of millimetres."""
    if not len(values):
        return {}
    named = {"mean": values.mean(), "max": values.max()}
    named |= {f"p{share:g}": np.percentile(values, share) for share in (95, 99, 99.9)}
    return {name: round(float(value), 5) for name, value in named.items()}
