"""A synthetic scan of a head with hair, with landmarks and the truth."""

from ..contract import UNITS, MakeScan
from ..detail.synthetic_scan import synthetic_scan
from ..fit.model import model_to_fit
from ..formats.coefficients import write_coefficients
from ..formats.landmarks import write_landmarks
from ..formats.mesh_ply import write_ply
from ..protocol import Reporter


def run(request: MakeScan, reporter: Reporter) -> dict:
    """Write scan.ply, landmarks.json (51 points) and coefficients.npz (the person, and where the head lies)."""

    def progress(stage: str, total: int):
        reporter.stage(stage, total)
        return reporter.step

    model = model_to_fit(request.model, reporter.warning)
    scan = synthetic_scan(
        model, request.style, request.seed, spacing=request.spacing, metres=UNITS[request.unit], progress=progress
    )
    write_ply(reporter.folder / "scan.ply", scan.vertices, scan.faces, {})
    write_landmarks(reporter.folder / "landmarks.json", scan.landmarks)
    write_coefficients(reporter.folder / "coefficients.npz", scan.coefficients)
    files = {"scan": "scan.ply", "landmarks": "landmarks.json", "coefficients": "coefficients.npz"}
    return files | {"style": scan.style, "points": len(scan.vertices), "unit": request.unit}
