"""The custom UV layout of a head model, perhaps by a seam that an artist marked."""

from dataclasses import asdict

import numpy as np

from ..contract import MakeLayout
from ..detail.dense import built_in_layout, layout_of
from ..detail.layout import distortion
from ..detail.layout_picture import layout_picture, write_picture
from ..detail.packing import covered
from ..errors import HeadError
from ..fit.model import model_to_fit
from ..formats.flame_model import z_up
from ..formats.job_folder import write_json
from ..formats.layout import write_layout
from ..protocol import Reporter

LEAST_USED = 0.4
"""Part of the square below which the artist is told."""
MOST_STRETCHED = 2.0
"""Stretch, mean over the area, above which the artist is told."""
_OVERLAP = 0.005
"""Part of the charts' area that may be lost between texels before it counts as an overlap."""


def run(request: MakeLayout, reporter: Reporter) -> dict:
    """Write layout.npz, layout.png and report.json: distortion, and how much of the square is used."""
    reporter.stage("Reading the model")
    model = model_to_fit(request.model, reporter.warning)
    seam = None if request.seam is None else _read_seam(request)
    reporter.stage("Laying the charts flat")
    layout = (built_in_layout(model) if seam is None else None) or layout_of(model, seam)
    reporter.stage("Measuring")
    vertices = z_up(model.template).astype(np.float64)
    found = distortion(vertices, model.faces, layout.uv, layout.chart)
    uv = layout.uv.astype(np.float64)
    area = np.abs(np.linalg.det(np.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]], axis=1))).sum() / 2
    used = float(covered(layout.uv, 1024).mean())
    if area - used > _OVERLAP * area:
        raise HeadError(
            f"{100 * (area - used) / area:.0f} % of the layout would lie on itself; mark a seam that lets its pieces "
            "open further, for instance down the back of the neck."
        )
    if used < LEAST_USED:
        reporter.warning(
            f"The layout uses {100 * used:.0f} % of the map only; fewer or shorter seams leave more room for detail."
        )
    if found.stretch > MOST_STRETCHED:
        reporter.warning(
            f"The layout stretches the surface {found.stretch:.1f} times on average; a longer seam lets it lie flatter."
        )
    write_layout(reporter.folder / "layout.npz", layout)
    write_picture(reporter.folder / "layout.png", layout_picture(layout.uv, layout.chart))
    report = {"model": model.name, "layout": layout.hash, "charts": list(layout.names), "used": round(used, 4)}
    report["distortion"] = {key: round(value, 4) for key, value in asdict(found).items()}
    write_json(reporter.folder / "report.json", report)
    files = {"layout": "layout.npz", "picture": "layout.png", "report": "report.json"}
    return files | {"hash": layout.hash, "charts": len(layout.names), "used": report["used"]} | report["distortion"]


def _read_seam(request: MakeLayout) -> np.ndarray:
    try:
        seam = np.load(request.seam.expanduser(), allow_pickle=False)
        if seam.dtype.kind not in "iu" or seam.ndim != 2 or seam.shape[1] != 2:
            raise ValueError("it must be whole numbers, two vertices an edge")
    except (OSError, ValueError, TypeError, EOFError, AttributeError) as error:
        raise HeadError(f"{request.seam.name} cannot be read as a seam: {error}.") from error
    return seam.astype(np.int64)
