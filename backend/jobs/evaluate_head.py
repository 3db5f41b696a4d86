"""One head mesh against another that is true: laid on it, measured both ways, and its errors for colouring."""

import numpy as np

from ..contract import EvaluateHead
from ..evaluate.head_alignment import align
from ..evaluate.head_distances import measure_heads
from ..evaluate.head_meshes import crop_of, read_head_mesh
from ..formats.job_folder import write_json
from ..formats.mesh_ply import write_ply
from ..protocol import Reporter

DOUBTFUL = 0.04
"""Share of the truth's size that the mean distance may be, before the artist is told that the heads may not have found
each other."""


def run(request: EvaluateHead, reporter: Reporter) -> dict:
    """Write prediction.ply, truth.ply, scores.csv, errors.npz and report.json to the job's folder.

    Both meshes lie where the truth lies, in metres, Z up; their vertices' ``error`` is metres to the other surface,
    above 0 outside it and NaN where it does not count. ``errors.npz`` has the same for Blender: ``prediction`` (V,)
    and ``truth`` (V',), each with its ``_vertices`` and ``_faces``. The result's ``matrix`` (4, 4) takes the prediction
    (metres, Z up) onto the truth.
    """
    reporter.stage("Reading the heads", 2)
    free = request.align == "similarity"
    prediction = read_head_mesh(request.prediction, request.unit, request.up, request.landmarks, any_size=free)
    reporter.step()
    truth = read_head_mesh(request.truth, request.truth_unit, request.truth_up, request.truth_landmarks)
    crop = crop_of(truth, request.region, request.plane, request.within)
    reporter.step()
    alignment = align(prediction, truth, crop, request.align, request.start, reporter)
    placed = alignment.similarity
    distances = measure_heads(
        prediction, truth, placed, crop,
        points=request.points, outside=request.outside, seed=request.seed, reporter=reporter,
    )  # fmt: skip
    reporter.stage("Writing")
    moved = placed.apply(prediction.vertices)
    write_ply(reporter.folder / "prediction.ply", moved, prediction.faces, {"error": distances.prediction_errors})
    write_ply(reporter.folder / "truth.ply", truth.vertices, truth.faces, {"error": distances.truth_errors})
    np.savez(
        reporter.folder / "errors.npz",
        prediction=distances.prediction_errors.astype(np.float32),
        prediction_vertices=moved.astype(np.float32),
        prediction_faces=prediction.faces.astype(np.int32),
        truth=distances.truth_errors.astype(np.float32),
        truth_vertices=truth.vertices.astype(np.float32),
        truth_faces=truth.faces.astype(np.int32),
    )
    (reporter.folder / "scores.csv").write_text(distances.csv(), "utf-8")
    report = {
        "rows": distances.rows(),
        "alignment": {
            "kind": request.align,
            "start": alignment.start,
            "rounds": alignment.rounds,
            "converged": alignment.converged,
            "scale": placed.scale,
            "matrix": placed.matrix.tolist(),
        },
        "crop": crop.said,
        "outside_only": request.outside,
        "seed": request.seed,
    }
    write_json(reporter.folder / "report.json", report)
    _warn(distances.figures, alignment, crop, truth, reporter)
    files = {"prediction": "prediction.ply", "truth": "truth.ply", "csv": "scores.csv", "errors": "errors.npz"}
    return report | files | {"report": "report.json"}


def _warn(figures: dict, alignment, crop, truth, reporter: Reporter) -> None:
    there = figures["prediction_to_truth"]
    if there["mean"] is None:
        reporter.warning(
            f"No point of the prediction lies nearest to the part of the truth that counts ({crop.said}); look at how "
            "they lie, and at the crop."
        )
        return
    kept = truth.surface.vertices[np.unique(truth.surface.faces[crop.faces])]
    size = float(np.linalg.norm(np.ptp(kept, axis=0)))
    if max(figures[key]["mean"] or 0.0 for key in figures) > 1000 * DOUBTFUL * size:
        reporter.warning(
            "The heads are so far apart that they may not have found each other; give landmarks of both to begin with."
        )
    if alignment.rounds and not alignment.converged:
        reporter.warning("The heads had not come to rest on each other when the rounds were over; look at the errors.")
