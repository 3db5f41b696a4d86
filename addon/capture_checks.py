"""Masks, landmarks and the check of a capture: what is asked for, and what its files tell of them."""

import contextlib
import os
import time
from pathlib import Path

import bpy

from ..backend.contract import MakeMasks
from ..backend.errors import CaptureError
from ..backend.formats.job_folder import read_json
from . import jobs
from .settings import property_of

CHECK, SHEET, MASKS = "check.json", "check.jpg", "masks/overview.jpg"
"""Of a capture's folder."""
LIGHTS = {
    "green": ("Ready to reconstruct", "CHECKMARK"),
    "yellow": ("Usable; some things could be better", "ERROR"),
    "red": ("Not usable as it is", "CANCEL"),
}
"""What a light means, with an icon."""
LOOK_AGAIN = 1.0
"""Seconds for which it is remembered when a capture's files were written."""


class MaquetteMasks(bpy.types.PropertyGroup):
    """Settings of Make Masks and Find Landmarks."""

    source: property_of(
        MakeMasks, "source", name="From",
        items=[
            ("made", "Photographs", "Cut out here: by colours, cameras, landmarks and your strokes"),
            ("files", "Files", "Masks that you have, of any naming"),
            ("model", "Network", "A segmentation network that you have (.onnx)"),
        ],
    )  # fmt: skip
    files: bpy.props.StringProperty(
        name="Folder", description="Folder of the masks; empty for the photographs' own transparency",
        subtype="DIR_PATH",
    )  # fmt: skip
    model: bpy.props.StringProperty(name="Network", description="Segmentation network (.onnx)", subtype="FILE_PATH")
    table: bpy.props.EnumProperty(
        name="Classes",
        description="What the classes of the network, or of label pictures, are",
        items=[
            ("none", "Masks", "Every file is a mask; a network has CelebAMask-HQ's classes"),
            ("celebamask-hq", "CelebAMask-HQ", "The 19 classes of CelebAMask-HQ, in their own order"),
            ("face-parsing", "Face Parsing", "The same in the order of the BiSeNet that is widely used: hair is 17"),
            ("file", "File", "A table of yours (.json)"),
        ],
    )
    table_file: bpy.props.StringProperty(
        name="Table", description='JSON such as {"17": "hair", "1": "bust"}', subtype="FILE_PATH"
    )
    side: property_of(MakeMasks, "side", name="Cut Out at", subtype="PIXEL")
    replace: property_of(MakeMasks, "replace", name="Replace Yours")
    task: bpy.props.StringProperty(
        name="MediaPipe", description="MediaPipe's face_landmarker.task; empty to carry what was clicked",
        subtype="FILE_PATH",
    )  # fmt: skip

    def request(self, capture: Path) -> MakeMasks:
        """Raises CaptureError where something is to be chosen first."""
        if self.source == "model" and not self.model:
            raise CaptureError("Choose a segmentation network (.onnx) first.")
        if self.table == "file" and not self.table_file:
            raise CaptureError("Choose the table of classes (.json) first.")
        table = {"none": "", "file": bpy.path.abspath(self.table_file)}.get(self.table, self.table)
        return MakeMasks(
            capture=capture,
            source=self.source,
            files=Path(bpy.path.abspath(self.files)) if self.files else None,
            model=Path(bpy.path.abspath(self.model)) if self.model else None,
            table=table if self.source != "made" else "",
            side=self.side,
            replace=self.replace,
        )


_kept: dict = {}


def check_of(folder: Path) -> dict:
    """What the last check of a capture found, with ``stale`` where pictures, cameras or masks are newer; empty where
    there was none."""
    stamp = (str(folder), _stamp(folder / CHECK), _newest_input(folder))
    if _kept.get("stamp") != stamp:
        report = read_json(folder / CHECK)
        report = report if isinstance(report, dict) and report.get("light") in LIGHTS else {}
        _kept.update(stamp=stamp, report=report and report | {"stale": stamp[2] > stamp[1]})
    return _kept["report"]


def masks_of(folder: Path) -> dict[str, int]:
    """Kind → how many masks of it a capture has."""
    stamp = (str(folder), *(_stamp(folder / "masks" / kind) for kind in ("hair", "bust", "person")))
    if _kept.get("masks_stamp") != stamp:
        counts = {kind: len(list((folder / "masks" / kind).glob("*.png"))) for kind in ("hair", "bust", "person")}
        _kept.update(masks_stamp=stamp, masks=counts)
    return _kept["masks"]


def _newest_input(folder: Path) -> int:
    """When anything that a check looks at was written last. Panels ask at every redraw, and a capture of 200 pictures
    has 800 files, so they are looked at again after a while only, or when a job has written some."""
    known, when, newest = _kept.get("newest", (None, 0.0, 0))
    if known == folder and time.monotonic() - when < LOOK_AGAIN:
        return newest
    kinds = [folder / "masks" / kind for kind in ("hair", "bust", "person")]
    newest = max(map(_newest, [folder / "transforms.json", folder / "images", *kinds, folder / "landmarks.json"]))
    _kept["newest"] = folder, time.monotonic(), newest
    return newest


def _newest(path: Path) -> int:
    """When a file, or any file of a folder, was written last: one that is written over leaves its folder as it was."""
    newest = _stamp(path)
    with contextlib.suppress(OSError):  # a file has nothing in it to look through
        newest = max([newest, *(entry.stat().st_mtime_ns for entry in os.scandir(path))])
    return newest


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@jobs.on_result("make-masks", scene=False)
@jobs.on_result("check-capture", scene=False)
def _show_anew(job, result: dict) -> None:
    """Sheets that are open show what is new, and so does the panel."""
    _kept.pop("newest", None)
    sheets = {str(Path(job.request["capture"]) / name) for name in (SHEET, MASKS)}
    for image in bpy.data.images:
        if bpy.path.abspath(image.filepath) in sheets:
            image.reload()


classes = (MaquetteMasks,)
