"""A head laid into a capture: by landmarks where they are clicked and the head is ours, else by silhouettes."""

import numpy as np

from ..capture.images import load_views
from ..contract import AlignHead
from ..formats.capture import read_capture
from ..formats.head import BUILT_IN_HEAD, read_head, write_head
from ..hair.views import HairView
from ..head.align import FINE_VIEWS, fit_pose, judged_pose
from ..head.landmarked import landmarked_head
from ..head.scale import SCALE_FILE, fit_scale
from ..protocol import Reporter


def run(request: AlignHead, reporter: Reporter) -> dict:
    """Write head.npz, the head in the capture's frame, to the job's folder.

    The result's ``matrix`` is the (4, 4) similarity, row by row, that takes the head as it was given to its place;
    the built-in head that landmarks gave the person's proportions stands there already, and has the identity.
    Where the capture does not say its unit, the head keeps its size and gives the capture its own: the similarity is
    then a rigid motion, and the result's ``scale`` a file that says how many metres a unit is.
    """
    head = read_head(request.head or BUILT_IN_HEAD, unit=request.unit, up=request.up)
    capture = read_capture(request.capture)
    reporter.stage("Reading the photographs", min(FINE_VIEWS, len(capture.views)))
    loaded = load_views(
        capture, FINE_VIEWS, largest_side=512, warn=reporter.warning, tick=lambda done, total: reporter.step()
    )
    reporter.stage("Laying the head into them", 4)
    views, scale = [HairView.from_loaded(view) for view in loaded], {}
    landmarked = landmarked_head(capture, reporter) if request.head is None else None
    if landmarked is not None:
        head, metres_per_unit = landmarked
        scale = {"scale": SCALE_FILE} if metres_per_unit else {}
        alignment = judged_pose(head, [view.scaled(metres_per_unit or 1.0) for view in views])
    elif capture.metres_per_unit is None:
        alignment, _ = fit_scale(head, views, reporter, average=request.head is None)
        scale = {"scale": SCALE_FILE}
    else:
        alignment = fit_pose(head, views, reporter)
        if alignment.reason:
            reporter.warning(alignment.reason)
    write_head(reporter.folder / "head.npz", head.transformed(alignment.matrix))
    return {
        "head": "head.npz",
        "matrix": np.asarray(alignment.matrix).tolist(),
        "overlap": round(alignment.overlap, 4),
        "outline_error": round(alignment.outline_error, 3),
        "ambiguous": alignment.ambiguous,
    } | scale
