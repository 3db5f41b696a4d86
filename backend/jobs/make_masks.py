"""Masks of hair and bust for a capture's photographs."""

import time

import cv2
import numpy as np

from ..capture.masks.made import make_masks
from ..capture.masks.overview import overview
from ..capture.masks.store import MaskStore
from ..capture.masks.strokes import FOLDER
from ..contract import MakeMasks
from ..formats.capture import has_poses, read_capture
from ..formats.job_folder import write_json
from ..protocol import Reporter


def run(request: MakeMasks, reporter: Reporter) -> dict:
    """Write masks/hair, masks/bust and masks/person to the capture's folder, and report.json and overview.jpg to the
    job's. A mask that the artist painted is kept."""
    began = time.monotonic()
    posed = has_poses(request.capture)
    capture = read_capture(request.capture, poses=posed)
    store = MaskStore(capture.folder, request.replace)
    strokes = request.strokes or capture.folder / FOLDER
    cuts = make_masks(capture, posed, strokes, request.side, reporter)
    reporter.stage("Writing the masks", len(cuts))
    shares = {}
    for cut in cuts:
        for kind, mask in cut.stored().items():
            store.write(kind, cut.picture.name, mask)
        shares[cut.picture.name] = {
            "hair": round(float(cut.hair.mean()), 4),
            "person": round(float(cut.person.mean()), 4),
        }
        reporter.step()
    store.close()
    store.tell(reporter.warning)
    sheet = overview([(c.picture.name, c.picture.image, c.hair, c.person) for c in cuts])
    cv2.imwrite(str(reporter.folder / "overview.jpg"), np.ascontiguousarray(sheet[..., ::-1]))
    report = {"seconds": round(time.monotonic() - began, 2), "written": store.written, "kept": store.kept,
              "views": shares}  # fmt: skip
    write_json(reporter.folder / "report.json", report)
    return {"report": "report.json", "overview": "overview.jpg", "written": store.written, "kept": len(store.kept)}
