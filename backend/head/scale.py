"""The size of a capture from the head in it: pictures alone tell no scale, a head of known size does.

Motion from pictures (COLMAP) gives cameras in a unit of its own. The similarity that lays a head into such a capture
says how many of those units a metre is; the capture then takes the head's scale, and the head keeps its size. With
the built-in head, of average size, that is an assumption: adult heads differ by about 4 % (standard deviation of
breadth and length, see ``anthropometry``).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..formats.head import Head
from ..formats.job_folder import write_json
from .align import Alignment, fit_pose

SCALE_SOURCE = "head fit"
SCALE_FILE = "scale.json"
"""In the job's folder: metres_per_unit and scale_source of the capture."""


def fit_scale(head: Head, views: list, reporter, *, average: bool) -> tuple[Alignment, float]:
    """Lay a head into views whose unit is unknown, and take the scale from it.

    Args:
        head: metres.
        views: ``hair.views.HairView``, in the capture's own unit.
        reporter: of the job; is told the scale (tell_scale).
        average: the head is the built-in one, so the size is assumed.

    Returns:
        The alignment in metres, whose matrix is a rigid motion, and the metres in one unit of the capture.

    Raises:
        CaptureError: the masks cannot tell where the head is.
    """
    found = fit_pose(head, views, reporter)
    metres_per_unit = 1.0 / float(np.cbrt(np.linalg.det(found.matrix[:3, :3])))
    alignment = replace(found, matrix=np.diag([metres_per_unit] * 3 + [1.0]) @ found.matrix)
    fits = "a head of average size fits the photographs" if average else "the head, at its own size, fits them"
    tell_scale(metres_per_unit, fits, reporter)
    if alignment.reason:
        reporter.warning(alignment.reason)
    return alignment, metres_per_unit


def tell_scale(metres_per_unit: float, fits: str, reporter) -> None:
    """Tell a scale that a head gave a capture: by a warning, and by SCALE_FILE."""
    reporter.warning(
        f"transforms.json does not say how large its unit is; {metres_per_unit:.4g} m is assumed, with which {fits}."
        " Write metres_per_unit into it where you have measured it."
    )
    leave_scale(metres_per_unit, SCALE_SOURCE, reporter)


def leave_scale(metres_per_unit: float, source: str, reporter) -> str:
    """Leave SCALE_FILE for whoever shows the capture's cameras, as the preview "scale"; gives the file's name."""
    path = Path(reporter.folder) / SCALE_FILE
    write_json(path, {"metres_per_unit": metres_per_unit, "scale_source": source})
    reporter.preview("scale", path)
    return SCALE_FILE
