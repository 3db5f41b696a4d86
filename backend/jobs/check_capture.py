"""What is good and what is amiss in a capture."""

import contextlib
import shutil
from pathlib import Path

import cv2
import numpy as np

from ..capture.check import check_capture
from ..capture.check_findings import GREEN, Checked
from ..capture.check_sheet import check_sheet
from ..contract import CheckCapture
from ..errors import CaptureError
from ..formats.capture import Capture, has_poses, read_capture
from ..formats.job_folder import write_json
from ..protocol import Reporter


def run(request: CheckCapture, reporter: Reporter) -> dict:
    """Write check.json and check.jpg to the job's folder, and to the capture's, where the panel finds them."""
    posed = has_poses(request.capture)
    checked = checked_capture(read_capture(request.capture, poses=posed), posed, reporter)
    report = checked.report()
    _leave(reporter.folder, request.capture)
    rows = [{"light": f.light, "of": f.subject, "finding": f.sentence} for f in checked.findings]
    return {"light": report["light"], "findings": rows, "check": "check.json", "sheet": "check.jpg"}


def _leave(folder: Path, capture: Path) -> None:
    capture = capture.parent if capture.suffix == ".json" else capture
    for name in ("check.json", "check.jpg"):
        # A capture that cannot be written to can be checked all the same.
        with contextlib.suppress(OSError):
            shutil.copyfile(folder / name, capture / name)


def checked_capture(capture: Capture, posed: bool, reporter: Reporter) -> Checked:
    """Check a capture and leave check.json and check.jpg in the job's folder."""
    reporter.stage("Checking the capture", 2 * len(capture.views))
    checked = check_capture(capture, posed, reporter.warning, reporter.step)
    write_json(reporter.folder / "check.json", checked.report())
    sheet = np.ascontiguousarray(check_sheet(checked)[..., ::-1])
    cv2.imwrite(str(reporter.folder / "check.jpg"), sheet)
    return checked


def check_before(capture: Capture, reporter: Reporter) -> None:
    """Check a capture before something is reconstructed from it: what is amiss is a warning, and nothing is stopped."""
    try:
        checked = checked_capture(capture, True, reporter)
        _leave(reporter.folder, capture.folder)
    except CaptureError as error:
        reporter.log(f"The capture cannot be checked: {error}")
        return
    for finding in checked.findings:
        if finding.light != GREEN:
            reporter.warning(finding.sentence)
