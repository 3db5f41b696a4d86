"""A head model fitted to photographs."""

import time

import cv2
import numpy as np
import torch

from .. import device as devices
from ..contract import FitPhotos
from ..fit.albedo import AlbedoBasis
from ..fit.model import landmarks_of, model_to_fit, named_points, regions_of, skin
from ..fit.photo_landmarks import Marks, fit_landmarks
from ..fit.photo_result import figures, overlay
from ..fit.photo_start import Placement, place_cameras, place_head
from ..fit.photo_unknowns import Stage, Unknowns
from ..fit.photo_views import load_photo_views
from ..fit.photos import PHASES, Colours, PhotoFit
from ..fit.surfaces import boundary_edges
from ..flame.layer import FlameLayer
from ..formats.capture import read_capture
from ..formats.coefficients import Coefficients, Similarity, write_coefficients
from ..formats.flame_model import FlameModel
from ..formats.job_folder import write_json
from ..formats.mesh_ply import write_ply
from ..protocol import Reporter

SIDE = 512
"""Pixels that a picture's longer side is reduced to; a triangle of the head then covers a few of them."""
MOST_POINTS = 16_000
POOR = 0.03
"""Share of the picture's longer side that landmarks may be off on average before the artist is told."""


def run(request: FitPhotos, reporter: Reporter, phases=PHASES) -> dict:
    """Write coefficients.npz, head.ply, report.json, overlay.png, albedo.npz and lighting.json to the job's folder.

    The head lies in the capture's world, in metres, or in the capture's own unit where nobody knows how long that is.
    Its vertices' ``colour_residual`` is how far their colour is from the photographs', linear light from 0 to 1, NaN
    where none shows them.
    With unknown cameras the world is the head's own frame, and cameras.json says where each camera stands in it.
    """
    began = time.monotonic()
    known = request.cameras == "known"
    model = model_to_fit(request.model, reporter.warning)
    mean = landmarks_of(model)
    points = {name: at for name, at in named_points(model).items() if name in mean.names}
    capture = read_capture(request.capture, poses=known)
    reporter.stage("Reading the photographs", len(capture.views))
    views = load_photo_views(
        capture, request.landmarks, mean.names, poses=known, most=request.views, largest_side=SIDE,
        warn=reporter.warning, tick=lambda done, total: reporter.step(),
    )  # fmt: skip

    scaled = known and capture.metres_per_unit is None
    names = dict(zip(mean.names, mean.points.astype(np.float64), strict=True))
    # The middle of what faces a camera: what the head is turned about.
    middle = mean.points.mean(axis=0).astype(np.float64)
    if known:
        placement, views = place_head(names, middle, views, scaled, reporter.warning)
    else:
        placement, views = place_cameras(names, middle, views, reporter.warning)
    if len(views) == 1:
        reporter.warning("There is one photograph only, so depth is what is likely for such a face; add a profile.")

    reporter.stage("Fitting landmarks", 16)
    stage = Stage(FlameLayer(model, dtype=torch.float64), placement, torch.float64)
    marks = Marks.of(points, model.faces, views)
    x = stage.unknowns(request.identity)
    free = ("identity",) + (("expression", "joints") if request.expression else ())
    free += (("turn", "shift") + (("size",) if scaled else ())) if known else ("camera_turn", "camera_shift")
    x, noise = fit_landmarks(stage, marks, x, free, tick=reporter.step)

    device = devices.choose(request.device)
    basis = AlbedoBasis(model)
    faces, weights, allowed = _surface_points(model, request.seed)
    fit = PhotoFit(
        Stage(FlameLayer(model), placement, torch.float32, device),
        model, views, marks.to(dtype=torch.float32, device=device), noise,
        faces, weights, allowed, basis.at(faces, weights), _border(model),
    )  # fmt: skip
    x, colours = fit.run(x, free, phases, reporter.stage, reporter.step)

    reporter.stage("Measuring")
    return _written(request, reporter, model, capture, stage, fit, x, colours, basis, began)


def _surface_points(model: FlameModel, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middles of the skin's triangles, (S,), (S, 3), and which of them are face (S,), where no mask says more."""
    faces = np.flatnonzero(skin(model)[model.faces].all(axis=1))
    if len(faces) > MOST_POINTS:
        faces = np.sort(np.random.default_rng(seed).choice(faces, MOST_POINTS, replace=False))
    face = np.zeros(len(model.template), bool)
    face[regions_of(model)["face"]] = True
    return faces, np.full((len(faces), 3), 1 / 3, np.float32), face[model.faces[faces]].all(axis=1)


def _border(model: FlameModel) -> np.ndarray:
    """(K,) vertices of open edges: where the model ends, the person goes on."""
    row, corner = np.nonzero(boundary_edges(model.faces))
    ends = np.stack([model.faces[row, (corner + 1) % 3], model.faces[row, (corner + 2) % 3]])
    return np.unique(ends)


def _written(
    request: FitPhotos, reporter: Reporter, model: FlameModel, capture, stage: Stage, fit: PhotoFit, x: Unknowns,
    colours: Colours, basis: AlbedoBasis, began: float,
) -> dict:  # fmt: skip
    views, residual = figures(fit, x, colours)
    folder = reporter.folder
    x = x.to(dtype=torch.float64, device="cpu")
    placed: Placement = stage.placed(x)
    matrix = placed.similarity()
    similarity = Similarity(placed.scale, placed.rotation, matrix[:3, 3])
    with torch.no_grad():
        vertices = stage.head(x).numpy()
    fitted = Coefficients.of(
        model, identity=x.identity.numpy(), expression=x.expression.numpy(), pose=stage.pose(x)[0].numpy(),
        similarity=similarity,
    )  # fmt: skip
    write_coefficients(folder / "coefficients.npz", fitted)
    write_ply(folder / "head.ply", similarity.apply(vertices), model.faces, {"colour_residual": residual})
    cv2.imwrite(str(folder / "overlay.png"), overlay(fit, x.to(**fit.kind), colours, basis)[..., ::-1])
    coefficients = colours.albedo.cpu().numpy()
    albedo = {"vertices": basis.of_vertices().of(coefficients).clip(0, 1), "coefficients": coefficients}
    np.savez_compressed(folder / "albedo.npz", **albedo)
    light = colours.light.cpu().numpy().round(5).tolist()
    write_json(folder / "lighting.json", dict(zip((view.name for view in fit.views), light, strict=True)))
    off = [v["landmark_px"] for v in views.values() if v["landmark_px"] is not None]
    report = {
        "model": model.name,
        "model_hash": model.hash,
        "seconds": round(time.monotonic() - began, 2),
        "cameras": request.cameras,
        "metres_per_unit": _metres(request, capture, placed),
        "scale_source": _scale_source(request, capture),
        "similarity": {key: np.asarray(value).tolist() for key, value in similarity._asdict().items()},
        "landmark_error_px": round(float(np.mean(off)), 3),
        "views": views,
    }
    files = {"coefficients": "coefficients.npz", "head": "head.ply", "report": "report.json", "overlay": "overlay.png",
             "albedo": "albedo.npz", "lighting": "lighting.json"}  # fmt: skip
    if request.cameras == "unknown":
        opengl = np.diag([1.0, -1.0, -1.0, 1.0])
        poses = [np.linalg.inv(opengl @ camera).tolist() for camera in placed.cameras]
        write_json(folder / "cameras.json", dict(zip((view.name for view in fit.views), poses, strict=True)))
        files["cameras"] = "cameras.json"
    write_json(folder / "report.json", report)
    if report["landmark_error_px"] > POOR * max(fit.height, fit.width):
        reporter.warning(
            f"The landmarks are {report['landmark_error_px']:.0f} pixels off on average; look at overlay.png, and "
            "check their names and places."
        )
    kept = ("seconds", "similarity", "metres_per_unit", "scale_source", "landmark_error_px")
    return files | {key: report[key] for key in kept}


def _metres(request: FitPhotos, capture, placed: Placement) -> float:
    if request.cameras == "known" and capture.metres_per_unit is None:
        return 1 / placed.scale
    return 1.0


def _scale_source(request: FitPhotos, capture) -> str:
    if request.cameras == "unknown" or capture.metres_per_unit is None:
        return "head fit"
    return capture.scale_source
