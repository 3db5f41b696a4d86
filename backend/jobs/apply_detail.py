"""Detail put on a head of its model."""

from pathlib import Path

import numpy as np

from ..contract import ApplyDetail
from ..detail.given import dense_head_in, given_coefficients, given_displacement, posed, write_head_files
from ..errors import HeadError
from ..fit.model import model_to_fit
from ..protocol import Reporter


def run(request: ApplyDetail, reporter: Reporter) -> dict:
    """Write mesh.npz, head.ply (metres, Z up) and head.obj (metres, Y up, with UVs) of the dense head."""
    reporter.stage("Reading the map", 2)
    model = model_to_fit(request.model, reporter.warning)
    path = Path(request.map).expanduser()
    if not path.is_file():
        raise HeadError(f"There is no {path.name} at {path.parent}; choose a displacement map or a registration.")
    dense = dense_head_in(model, request.layout, path)
    reporter.step()
    coefficients = given_coefficients(model, request.coefficients)
    displacement = given_displacement(path, dense, None if coefficients is None else coefficients.identity)
    reporter.step()
    reporter.stage("Putting it on the head", 2)
    vertices = posed(dense, coefficients, displacement)
    reporter.step()
    files = write_head_files(reporter.folder, vertices, dense)
    moved = np.linalg.norm(displacement, axis=1)
    return files | {"vertices": dense.vertex_count, "largest_displacement_mm": round(1000 * float(moved.max()), 3)}
