"""Masks of hair and bust for a capture's photographs."""

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..capture.images import read_picture
from ..capture.masks.classes import read_classes
from ..capture.masks.given import given_masks
from ..capture.masks.made import make_masks
from ..capture.masks.network import Network
from ..capture.masks.overview import TILE, overview
from ..capture.masks.store import MaskStore
from ..contract import MakeMasks
from ..errors import CaptureError
from ..formats.capture import Capture, View, has_poses, read_capture
from ..formats.job_folder import write_json
from ..formats.mask_strokes import FOLDER
from ..protocol import Reporter

EMPTY = 1e-3
"""Share of its picture under which a mask has nothing in it."""

Masks = Iterator[tuple[View, dict[str, np.ndarray]]]


def run(request: MakeMasks, reporter: Reporter) -> dict:
    """Write masks/hair, masks/bust and masks/person to the capture's folder, and report.json and overview.jpg to the
    job's. A mask that the artist painted is kept."""
    began = time.monotonic()
    posed = has_poses(request.capture)
    capture = read_capture(request.capture, poses=posed)
    store = MaskStore(capture.folder, request.replace)
    sources = {"made": _made, "files": _files, "model": _network}
    shares, rows = {}, []
    for view, masks in sources[request.source](request, capture, posed, reporter):
        for kind, mask in masks.items():
            store.write(kind, view.name, mask)
        shares[view.name] = {kind: round(float(mask.mean()), 4) for kind, mask in masks.items()}
        rows.append(_small(view, masks))
    store.close()
    store.tell(reporter.warning)
    without = [name for name, share in shares.items() if share.get("hair", 0.0) < EMPTY]
    if len(without) == len(shares) and any("hair" in share for share in shares.values()):
        reporter.warning(
            "No hair is found in any photograph; if the person has hair, check the table of classes, or paint strokes."
        )
    sheet = overview(rows)
    data = cv2.imencode(".jpg", np.ascontiguousarray(sheet[..., ::-1]))[1].tobytes()
    for folder in (reporter.folder, store.folder):
        (folder / "overview.jpg").write_bytes(data)
    report = {"seconds": round(time.monotonic() - began, 2), "source": request.source, "written": store.written,
              "kept": store.kept, "views": shares}  # fmt: skip
    write_json(reporter.folder / "report.json", report)
    return {"report": "report.json", "overview": "overview.jpg", "written": store.written, "kept": len(store.kept)}


def _made(request: MakeMasks, capture: Capture, posed: bool, reporter: Reporter) -> Masks:
    cuts = make_masks(capture, posed, request.strokes or capture.folder / FOLDER, request.side, reporter)
    reporter.stage("Writing the masks", len(cuts))
    for cut in cuts:
        yield cut.picture.view, cut.stored()
        reporter.step()


def _files(request: MakeMasks, capture: Capture, posed: bool, reporter: Reporter) -> Masks:
    classes = read_classes(request.table) if request.table else None
    reporter.stage("Reading the masks", len(capture.views))
    yield from given_masks(capture, request.files, classes, reporter.warning, reporter.step)


def _network(request: MakeMasks, capture: Capture, posed: bool, reporter: Reporter) -> Masks:
    if request.model is None:
        raise CaptureError("Choose a segmentation network (.onnx), or have the masks made here.")
    network = Network(request.model, read_classes(request.table or "celebamask-hq"))
    reporter.stage("Segmenting the photographs", len(capture.views))
    for view in capture.views:
        yield view, network.masks(read_picture(view.image))
        reporter.step()


def _small(view: View, masks: dict[str, np.ndarray]) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """A row of the overview."""
    image = read_picture(Path(view.image))
    scale = min(1.0, TILE / max(image.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    none = np.zeros(image.shape[:2], np.float32)
    hair = masks.get("hair", none)
    person = masks.get("person", np.maximum(hair, masks.get("bust", none)))
    image, hair, person = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (image, hair, person))
    return view.name, image, hair, person
