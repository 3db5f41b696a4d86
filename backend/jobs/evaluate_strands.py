"""Precision, recall and F-score of strands against the truth, as a table, as files, and for colouring the strands."""

import numpy as np

from ..contract import EvaluateStrands
from ..evaluate.strands import evaluate
from ..formats.strand_files import read_strands
from ..protocol import Reporter

STEPS = 100


def run(request: EvaluateStrands, reporter: Reporter) -> dict:
    """Write ``scores.csv`` and ``errors.npz``; the result holds the scores.

    ``errors.npz`` has for each side ("prediction", "truth") ``<side>_strands`` (M,) int64, the strands that were asked,
    and ``<side>_levels`` (M, L - 1) uint8: 0 where a segment agrees at the narrowest threshold, ..., 3 where at none.
    Raises StrandFileError.
    """
    reporter.stage("Reading strands", 2)
    prediction = read_strands(request.prediction, warn=reporter.warning)
    reporter.step()
    truth = read_strands(request.truth, warn=reporter.warning)
    reporter.step()
    reporter.stage("Comparing strands", STEPS)
    scores = evaluate(
        prediction,
        truth,
        points=request.points,
        seed=request.seed,
        maximum_points=request.maximum_points,
        tick=lambda share: reporter.step(int(share * STEPS)),
    )
    (reporter.folder / "scores.csv").write_text(scores.csv(), "utf-8")
    np.savez_compressed(
        reporter.folder / "errors.npz",
        prediction_strands=scores.prediction.strands,
        prediction_levels=scores.prediction.error_levels(),
        truth_strands=scores.truth.strands,
        truth_levels=scores.truth.error_levels(),
    )
    return scores.as_dict() | {"csv": "scores.csv", "errors": "errors.npz"}
