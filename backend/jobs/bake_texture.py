"""Photographs painted onto a mesh, in its own UVs."""

import time

import cv2
import numpy as np

from ..capture.images import load_photograph
from ..capture.selection import spread
from ..contract import UNITS, BakeTexture
from ..errors import CaptureError, HeadError
from ..formats.capture import Capture, read_capture
from ..formats.head import read_mesh
from ..formats.job_folder import write_json
from ..head.priors.views import HeadView
from ..head.texture.bake import Texture, bake_texture
from ..protocol import Reporter

SIDE = 1024
"""Pixels across, of photographs as they are compared with each other."""
LITTLE = 0.05
"""Share of the surface; if photographs show less, the mesh hardly lies where they look."""


def run(request: BakeTexture, reporter: Reporter) -> dict:
    """Write texture.png, and report.json.

    Raises:
        HeadError: the mesh cannot be read, or has no UVs.
        CaptureError: the capture cannot be read, or its unit is unknown.
    """
    began = time.monotonic()
    reporter.stage("Reading the mesh", 1)
    mesh = read_mesh(request.mesh, UNITS[request.unit], request.up)
    if mesh.uv is None:
        raise HeadError(f"{request.mesh.name} has no UVs; unwrap it first.")
    reporter.step()
    capture, views = _photographs(request, reporter)
    sharp = {view.name: view for view in capture.views}
    texture = bake_texture(
        mesh.vertices, mesh.faces, mesh.uv, views, request.size, reporter, request.level,
        sharp=lambda view: load_photograph(sharp[view.name])[0],
    )  # fmt: skip
    write_texture(reporter.folder / "texture.png", texture)
    write_json(reporter.folder / "report.json", texture.report | {"seconds": round(time.monotonic() - began, 2)})
    if texture.report["seen_share"] < LITTLE:
        reporter.warning(
            f"The photographs show {texture.report['seen_share']:.0%} of the mesh; does it lie among the capture's "
            "cameras, where the head was?"
        )
    shares = {key: texture.report[key] for key in ("seen_share", "seam_before", "seam_after")}
    return {"texture": "texture.png", "report": "report.json"} | shares


def write_texture(path, texture: Texture) -> None:
    """Write the picture as a PNG, to a temporary name first."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(cv2.imencode(".png", texture.picture[..., ::-1])[1].tobytes())
    partial.replace(path)


def _photographs(request: BakeTexture, reporter: Reporter) -> tuple[Capture, list[HeadView]]:
    """The capture in metres, and its photographs, reduced: in full size they are read one at a time."""
    capture = read_capture(request.capture)
    if capture.metres_per_unit is None:
        if not request.metres_per_unit:
            raise CaptureError(
                f"Nobody has said how large a unit of {request.capture.name} is, so the mesh cannot be laid among its "
                "cameras; give metres_per_unit, or fit a head to it first."
            )
        capture = capture.in_metres(request.metres_per_unit, request.scale_source)
    chosen = [capture.views[k] for k in spread([view.camera for view in capture.views], request.views)]
    reporter.stage("Reading the photographs", len(chosen))
    views = []
    for view in chosen:
        image, camera, masks = load_photograph(view, SIDE, reporter.warning)
        person = masks.get("person")
        if person is None and "hair" in masks and "bust" in masks:
            person = np.clip(masks["hair"] + masks["bust"], 0, 1)
        views.append(HeadView(view.name, camera, image.astype(np.float32) / 255, person))
        reporter.step()
    return capture, views
