"""One head's hair on another's face."""

from pathlib import Path

from ..contract import TransferDetail
from ..detail.displacement_map import seam_jump
from ..detail.given import dense_head_in, given_coefficients, map_displacement, posed, write_head_files
from ..detail.transfer import texels_of, transferred
from ..errors import HeadError
from ..fit.model import model_to_fit
from ..formats.displacement import write_displacement
from ..formats.job_folder import write_json
from ..protocol import Reporter


def run(request: TransferDetail, reporter: Reporter) -> dict:
    """Write displacement.png with its JSON, mesh.npz, head.ply and head.obj of the head that wears both, report.json.

    The scalp's chart is that of one map, everything else the other's; then the seam is repaired (A.2).
    """
    reporter.stage("Reading the maps", 3)
    model = model_to_fit(request.model, reporter.warning)
    paths = [Path(asked).expanduser() for asked in (request.hair, request.face)]
    for path in paths:
        if not path.is_file():
            raise HeadError(f"There is no {path.name} at {path.parent}; choose a displacement map or a registration.")
    dense = dense_head_in(model, request.layout, *paths)
    reporter.step()
    both = []
    for path in paths:
        own = given_coefficients(model, None, path)
        both.append(texels_of(path, dense, request.size, None if own is None else own.identity))
        reporter.step()
    reporter.stage("Blending the seam", 2)
    joined = transferred(*both, dense)
    write_displacement(reporter.folder / "displacement.png", joined)
    reporter.step()
    coefficients = given_coefficients(model, request.coefficients, paths[1])
    vertices = posed(dense, coefficients, map_displacement(joined, dense, None, "displacement.png"))
    files = write_head_files(reporter.folder, vertices, dense)
    jump = 1000 * seam_jump(joined.values, dense.faces, dense.uv)
    report = {"model": model.name, "layout": joined.layout, "size": request.size, "seam_jump_mm": float(jump.mean())}
    write_json(reporter.folder / "report.json", report)
    return {"map": "displacement.png", "report": "report.json", "seam_jump_mm": round(float(jump.mean()), 5)} | files
