"""The surface of a whole head from a capture: prior-guided-head, and a way that takes minutes on a processor.

    capture → views → priors (fitted face, labels, directions of hair) → field → mesh → labels, UVs, texture

``draft`` and ``standard`` are head/grid_surface, ``paper`` is head/neural_surface. The capture's ground_truth/ is never
opened.
"""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
from skimage import measure

from .. import device as devices
from ..capture.images import load_photograph
from ..checkpoint import Checkpoints, fingerprint
from ..contract import FitPhotos, ReconstructHead
from ..errors import Cancelled, MaquetteError
from ..fit.model import model_to_fit
from ..formats.capture import Capture, read_capture
from ..formats.capture_landmarks import FILE as LANDMARKS
from ..formats.head import Head, read_mesh, write_head
from ..formats.job_folder import read_json, write_json
from ..formats.mesh_ply import write_ply
from ..formats.sdf_grid import write_sdf_grid
from ..hair.report import StageClock
from ..head.grid_surface.hull import Volume
from ..head.grid_surface.presets import PRESETS, HullConfig, Preset, Weights
from ..head.grid_surface.reconstruct import assumed_scale, hull_of, reconstruct
from ..head.loss_factors import loss_factors
from ..head.neural_surface import reconstruct as neural_surface
from ..head.neural_surface.field import write_neural_field
from ..head.priors.gather import gather
from ..head.priors.proxy import Proxy, read_proxy
from ..head.priors.views import HeadView, load_head_views
from ..head.scale import leave_scale
from ..head.sdf_mesh import BakedMesh, bake, bake_grid
from ..head.texture.bake import bake_texture
from ..protocol import Reporter
from . import fit_photos
from .check_capture import check_before

PAPER_SIDE = 1024
"""Pixels that photographs are reduced to for the preset "paper"."""
PAPER_NODES = 512
PREVIEW = "preview.npz"
PREVIEW_NODES, PREVIEW_FACES = 96, 40_000
CAMERAS = "cameras.json"
"""Where the cameras stood at the end, camera to world, OpenGL's axes, metres, by view."""
FIT = "head_fit"
"""Folder of the head that the job fits itself."""


def run(request: ReconstructHead, reporter: Reporter) -> dict:
    """Write head.npz (UVs, regions), head.ply (with colours), texture.png, field.npz, cameras.json and report.json.

    All of it lies in the capture's world, in metres; scale.json says how long those are in the capture's unit where
    that had to be found out.
    """
    paper = request.preset == "paper"
    preset = None if paper else _preset(request)
    device = devices.choose(request.device if paper else "cpu")  # the grid is made for processors
    clock = StageClock(reporter)
    rng = np.random.default_rng(request.seed)

    clock.stage("load", "Reading the photographs")
    capture = read_capture(request.capture)
    if capture.metres_per_unit is None and request.metres_per_unit:
        capture = capture.in_metres(request.metres_per_unit, request.scale_source)
    views = load_head_views(
        capture, request.views, largest_side=PAPER_SIDE if paper else preset.image_side,
        warn=reporter.warning, tick=lambda done, total: reporter.step(),
    )  # fmt: skip
    kept = Checkpoints(reporter, _fingerprint(request, capture, preset, device), rng, clock)

    clock.stage("hull", "Carving the head's volume")
    hull = kept("hull", lambda: hull_of(views, preset.hull if preset else HullConfig(), reporter))
    _preview(hull, reporter)
    first_preview = clock.so_far_in_all()
    check_before(capture, reporter)

    clock.stage("priors", "Finding what guides the surface")
    proxy = _proxy(request, capture, reporter) if request.face_prior else None
    scale, source, files = capture.metres_per_unit, capture.scale_source, {}
    if scale is None:
        scale, source = _scale(request, hull, reporter)
        views, hull = [view.scaled(scale) for view in views], hull.scaled(scale)
        proxy = proxy.scaled(scale) if proxy else None
        files["scale"] = leave_scale(scale, source, reporter)
        _preview(hull, reporter)  # among the cameras, which stand in metres from now on
    views, priors = gather(
        views, proxy, reporter, semantics=request.semantics, hair_label=request.hair_label,
        orientation=request.orientation, published=paper,
    )  # fmt: skip

    if paper:
        clock.stage("networks", "Training the networks")
        found = neural_surface.reconstruct(views, priors, request, reporter, kept, _neural_preview(reporter))
        write_neural_field(reporter.folder / "field.npz", found)
        clock.stage("mesh", "Making the mesh")
        nodes = request.resolution or PAPER_NODES
        mesh = found.with_regions(bake(found, nodes, reporter, faces=request.faces, uv=_wants_uv(request)))
    else:
        found = reconstruct(
            hull, views, priors, preset, clock, reporter, kept, rng, order=request.prior_order,
            refine_cameras=request.cameras_move, preview=lambda volume: _preview(volume, reporter),
        )  # fmt: skip
        write_sdf_grid(reporter.folder / "field.npz", found.grid)
        clock.stage("mesh", "Making the mesh")
        mesh = bake_grid(found.grid, reporter, faces=request.faces, uv=_wants_uv(request))
    _shown(mesh.vertices, mesh.faces, reporter)

    clock.stage("texture", "Taking the colours from the photographs")
    if request.cameras_move:
        views = _placed(views, found.cameras)
    made, textures = _written(mesh, views, capture, request, reporter)
    files |= made
    if proxy is not None and request.texture:
        made, painted = _fitted_head_texture(proxy, mesh, views, capture, request, reporter)
        files, textures = files | made, textures | painted
    if proxy is not None and request.proxy is None:
        # Its own files stay in the capture's unit, as the fit read it.
        own = _metres_of_fit(reporter.folder / FIT) != 1.0
        files |= {"fit": FIT, "fit_metres_per_unit": scale if own else 1.0}
    if request.cameras_move:
        write_json(reporter.folder / CAMERAS, {view.name: view.camera.camera_to_world.tolist() for view in views})
        files["cameras"] = CAMERAS
    clock.close()
    report = {
        "views": [view.name for view in views],
        "preset": request.preset,
        "device": devices.name(device),
        "metres_per_unit": scale,
        "scale_source": source,
        "priors": priors.told(),
        "prior_order": request.prior_order,
        "refined_cameras": request.cameras_move,
        "mesh": mesh.report,
        **textures,
        "first_preview_s": round(first_preview, 2),
        **clock.report(),
    }
    if paper:
        report |= found.report
    else:
        report["settings"] = preset.settings()
    names = sorted({name for step in found.history for name in step})
    losses = {name: [round(step[name], 6) for step in found.history if name in step] for name in names}
    write_json(reporter.folder / "losses.json", losses)
    write_json(reporter.folder / "report.json", report)
    kept.remove()
    told = ("preset", "seconds", "first_preview_s", "peak_memory_mb", "metres_per_unit", "scale_source", "priors")
    return files | {"report": "report.json"} | {key: report[key] for key in told} | {
        "views": len(views), "vertices": len(mesh.vertices), "triangles": len(mesh.faces),
        "watertight": mesh.report["watertight"], "holes": len(mesh.report["holes"]),
        "seen_share": textures["texture"]["seen_share"],
    }  # fmt: skip


def _preset(request: ReconstructHead) -> Preset:
    """The preset with the request's resolution and factors on weights. Raises RequestError."""
    preset = PRESETS[request.preset]
    factors = loss_factors(request.weights, [field.name for field in dataclasses.fields(Weights)])
    changes = {"weights": preset.weights.times(factors)}
    if request.resolution:
        changes["nodes"] = max(request.resolution, 32)
    return dataclasses.replace(preset, **changes)


def _proxy(request: ReconstructHead, capture: Capture, reporter: Reporter) -> Proxy | None:
    """The fitted head that was given, or one fitted now where the capture has landmarks, in the unit of ``capture``."""
    path = request.proxy if request.proxy is not None else _fit(request, capture, reporter)
    if path is None:
        return None
    proxy = read_proxy(path, request.model)
    # A fit reads the capture's file, whose unit may have become known since.
    own = _metres_of_fit(path) not in (None, 1.0)
    return proxy.scaled(capture.metres_per_unit) if own and capture.metres_per_unit else proxy


def _fit(request: ReconstructHead, capture: Capture, reporter: Reporter) -> Path | None:
    """The folder of a head fitted by this job; None without one."""
    if request.preset == "draft":
        reporter.log("A draft takes a fitted head only where one is given; the face has no prior.")
        return None
    if not (capture.folder / LANDMARKS).is_file():
        reporter.log("The capture has no landmarks, so no head is fitted; the face has no prior.")
        return None
    folder = reporter.folder / FIT
    if not (folder / "report.json").is_file():
        inner = _Within(reporter, folder)
        fit = FitPhotos(
            capture.folder, model=request.model, views=request.views, seed=request.seed, device=request.device
        )
        try:
            fit_photos.run(fit, inner)
        except Cancelled:
            raise
        except MaquetteError as error:
            reporter.warning(f"No head could be fitted, so the face has no prior: {error}")
            return None
    return folder


def _metres_of_fit(path: Path) -> float | None:
    """Metres in the unit that a fitted head's files stand in: 1, or the capture's own where the fit had to find it out;
    None for a mesh, which tells nothing."""
    metres = (read_json(path / "report.json") or {}).get("metres_per_unit")
    return metres if isinstance(metres, float) and metres > 0 else None


def _scale(request: ReconstructHead, hull: Volume, reporter: Reporter) -> tuple[float, str]:
    """Metres in the capture's unit, and where they come from: of the head that was fitted, or else assumed."""
    metres = _metres_of_fit(request.proxy or reporter.folder / FIT) if request.face_prior else None
    source, why = "head fit", "is taken from the fitted head"
    if metres is None:
        metres, source = assumed_scale(hull), "assumed"
        why = "is assumed, with which the person is as deep as heads are"
    reporter.warning(
        f"transforms.json does not say how large its unit is; {metres:.4g} m {why}. Write metres_per_unit into it "
        "where you have measured it."
    )
    return metres, source


class _Within(Reporter):
    """A job within a job: it tells the outer one's reporter, and has a folder of its own."""

    def __init__(self, outer: Reporter, folder: Path):
        super().__init__(folder, outer._send, outer.cancelled)


def _fingerprint(request: ReconstructHead, capture: Capture, preset: Preset | None, device) -> str:
    """All that a checkpoint of this job depends on."""
    pictures = [path for view in capture.views for path in (view.image, *view.masks.values())]
    labels = [capture.folder / "labels" / f"{view.name}.png" for view in capture.views]
    fit = [request.proxy, request.proxy / "coefficients.npz"] if request.proxy is not None else []
    files = [capture.folder / "transforms.json", capture.folder / LANDMARKS, *pictures, *labels, *fit]
    return fingerprint(
        dataclasses.asdict(request), preset.settings() if preset else {}, devices.name(device), files=files
    )


def _wants_uv(request: ReconstructHead) -> bool:
    return request.uv or bool(request.texture)


def _placed(views: list[HeadView], cameras: dict[str, np.ndarray]) -> list[HeadView]:
    """The views where their cameras stood at the end."""
    opengl = np.diag([1.0, -1.0, -1.0, 1.0])
    placed = []
    for view in views:
        if view.name in cameras:
            pose = np.linalg.inv(opengl @ cameras[view.name])
            view = dataclasses.replace(view, camera=dataclasses.replace(view.camera, camera_to_world=pose))
        placed.append(view)
    return placed


def _written(
    mesh: BakedMesh, views: list[HeadView], capture: Capture, request: ReconstructHead, reporter: Reporter
) -> tuple[dict, dict]:
    """head.npz, head.ply and texture.png: their names, and what a report tells of the texture."""
    folder = reporter.folder
    texture = bake_texture(
        mesh.vertices, mesh.faces, mesh.uv, views, request.texture, reporter, sharp=_in_full_size(capture)
    )
    regions = {name: vertices for name, vertices in mesh.regions.items() if name != "background"}
    write_head(folder / "head.npz", Head(mesh.vertices, mesh.faces, mesh.uv, regions, name="head"))
    properties = dict(zip(("nx", "ny", "nz"), mesh.normals.T, strict=True))
    properties |= dict(zip(("red", "green", "blue"), texture.vertices.T / 255.0, strict=True))
    for name, vertices in regions.items():
        properties[name] = np.isin(np.arange(len(mesh.vertices)), vertices).astype(np.float32)
    write_ply(folder / "head.ply", mesh.vertices, mesh.faces, properties)
    files = {"head": "head.npz", "ply": "head.ply"}
    if texture.picture is not None:
        _picture(folder / "texture.png", texture.picture)
        files["texture"] = "texture.png"
    return files, {"texture": texture.report}


def _fitted_head_texture(
    proxy: Proxy, mesh: BakedMesh, views: list[HeadView], capture: Capture, request: ReconstructHead, reporter: Reporter
) -> tuple[dict, dict]:
    """proxy_texture.png: the photographs in the fitted head's own UVs, where it has any and no hair hides it; its name,
    and what a report tells of it."""
    path = request.proxy if request.proxy is not None else reporter.folder / FIT
    uv = model_to_fit(request.model).uv if path.is_dir() else read_mesh(path).uv
    if uv is None or len(uv) != len(proxy.faces):
        return {}, {}
    hidden_by = mesh.vertices.astype(np.float64), mesh.faces
    texture = bake_texture(
        proxy.vertices, proxy.faces, uv, views, request.texture, reporter,
        before=hidden_by, sharp=_in_full_size(capture),
    )  # fmt: skip
    _picture(reporter.folder / "proxy_texture.png", texture.picture)
    return {"proxy_texture": "proxy_texture.png"}, {"proxy_texture": texture.report}


def _in_full_size(capture: Capture):
    """What reads a view's photograph as it is: the surface is found from smaller ones."""
    known = {view.name: view for view in capture.views}
    return lambda view: load_photograph(known[view.name])[0]


def _picture(path: Path, picture: np.ndarray) -> None:
    # imencode and Python's own writing: cv2.imwrite fails on paths beyond ASCII on Windows.
    _, png = cv2.imencode(".png", picture[..., ::-1])
    path.write_bytes(png.tobytes())


def _neural_preview(reporter: Reporter):
    """Shows a network's surface on a coarse grid."""

    def show(field, share: float) -> None:
        mesh = bake(field, PREVIEW_NODES, _Within(reporter, reporter.folder / "preview"), faces=PREVIEW_FACES)
        _shown(mesh.vertices, mesh.faces, reporter)

    return show


def _preview(volume: Volume, reporter: Reporter) -> None:
    """The surface so far, to look at."""
    values = volume.values.numpy()
    if values.min() < 0 < values.max():
        vertices, faces, _, _ = measure.marching_cubes(values, 0.0, allow_degenerate=False)
        _shown(vertices * volume.grid.spacing + volume.grid.origin, faces, reporter)


def _shown(vertices: np.ndarray, faces: np.ndarray, reporter: Reporter) -> None:
    """Blender swaps it into the viewport: vertices (V, 3) metres, Z up, and faces (F, 3)."""
    path = reporter.folder / PREVIEW
    temporary = path.with_name("preview.part.npz")
    np.savez(temporary, vertices=np.asarray(vertices, np.float32), faces=np.asarray(faces, np.int32))
    temporary.replace(path)
    reporter.preview("mesh", path)
