"""Heads fitted to scans and photographs: what the jobs are given, and what comes back into the scene."""

import json
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import LandmarkError
from ..backend.formats.coefficients import read_coefficients
from ..backend.formats.flame_files import read_flame_model
from ..backend.formats.landmarks import write_landmarks
from ..backend.formats.mesh_ply import read_ply_vertices, write_ply
from . import captures, flame_arkit, flame_pose, jobs, residual
from .fit_properties import model_path
from .flame_rig import Rig, add_flame_head
from .job_marks import mark
from .landmarks import SCAN_OF, scan_asked, world_landmarks
from .visibility import evaluable, world_matrix

KINDS = ("fit-head", "fit-photos")


def write_inputs(scan: bpy.types.Object, folder: Path) -> tuple[Path, Path]:
    """The scan as it is shown, and its landmarks, both in the scene's coordinates, written into a job's folder.

    Raises:
        LandmarkError: too few landmarks, or a scan without vertices.
    """
    points = world_landmarks(scan)
    vertices, faces = scan_mesh(scan)
    if not len(vertices):
        raise LandmarkError(f"'{scan.name}' has no vertices as it is shown; look at its modifiers.")
    write_ply(folder / "scan.ply", vertices, faces)
    write_landmarks(folder / "landmarks.json", points)
    return folder / "scan.ply", folder / "landmarks.json"


def scan_mesh(scan: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) and (F, 3): a mesh with its modifiers, hidden or not, in the scene's coordinates, triangulated."""
    with evaluable(scan) as depsgraph:
        evaluated = scan.evaluated_get(depsgraph)
        mesh = evaluated.to_mesh()
        try:
            vertices = np.empty((len(mesh.vertices), 3), np.float32)
            mesh.vertices.foreach_get("co", vertices.ravel())
            mesh.calc_loop_triangles()
            faces = np.empty((len(mesh.loop_triangles), 3), np.int32)
            mesh.loop_triangles.foreach_get("vertices", faces.ravel())
            matrix = np.array(evaluated.matrix_world, np.float64)
        finally:
            evaluated.to_mesh_clear()
    if np.linalg.det(matrix[:3, :3]) < 0:
        faces = faces[:, ::-1]  # a mirrored object is inside out in the world
    return vertices @ matrix[:3, :3].T + matrix[:3, 3], faces


def remember_scan(scan: bpy.types.Object, job_id: str) -> dict:
    """Mark the scan that a job's head will lie on; what the job's context is to hold of it."""
    mark(scan, SCAN_OF, job_id)
    return {"scan": scan.name, "scan_matrix": [value for row in world_matrix(scan) for value in row]}


@jobs.on_result("fit-head")
def bring_in_scan_fit(job, result: dict) -> None:
    """The fitted head on its scan, wherever that is now; where it was, if the scan is gone."""
    name, moved = scan_now(job)
    rig = add_fitted_head(job, result, f"{name} Head", moved)
    ours = bpy.context.scene.maquette
    if ours.head is None or ours.head.name not in bpy.context.scene.objects:
        ours.head = rig.mesh


@jobs.on_result("fit-photos")
def bring_in_photo_fit(job, result: dict) -> None:
    """The fitted head among the capture's cameras, which take their places where they had none, and the size that the
    head gives them where the capture's unit was unknown."""
    folder, scene = Path(job.request["capture"]), bpy.context.scene
    scaled = Matrix.Identity(4)
    if "cameras" in result:
        captures.place_cameras(scene, folder, read_json(job.folder / result["cameras"]))
    elif result.get("scale_source") == "head fit":
        metres = float(result["metres_per_unit"])
        captures.set_fitted_scale(scene, folder, metres)
        scaled = Matrix.Scale(metres, 4)
    rig = add_photo_fit(job, result, f"{folder.name} Head", scaled)
    scene.maquette.head = rig.mesh


def add_photo_fit(job, result: dict, name: str, moved: Matrix) -> Rig:
    """``add_fitted_head`` of a fit to photographs, with its skin's colours and its picture over the photographs."""
    rig = add_fitted_head(job, result, name, moved)
    if "albedo" in result:
        with np.load(job.folder / result["albedo"], allow_pickle=False) as file:
            residual.set_albedo(rig.mesh, file["vertices"])
    if "overlay" in result:
        picture = bpy.data.images.load(str(job.folder / result["overlay"]))
        picture.name = f"{rig.mesh.name} Overlay"
        picture.pack()  # the job's folder may go
        residual.set_report(rig.mesh, residual.report_of(rig.mesh) | {"overlay": picture.name})
    return rig


def scan_now(job) -> tuple[str, Matrix]:
    """The name of the scan that a job was asked for, and how it was moved in the world since then; the name that it had
    and no move where it is gone."""
    called, asked = str(job.context.get("scan", "Scan")), job.context.get("scan_matrix")
    scan = scan_asked(job.id, called)
    if scan is None:
        return called, Matrix.Identity(4)
    if not asked:
        return scan.name, Matrix.Identity(4)
    return scan.name, world_matrix(scan) @ Matrix([asked[k : k + 4] for k in range(0, 16, 4)]).inverted_safe()


def add_fitted_head(job, result: dict, name: str, moved: Matrix) -> Rig:
    """The model with the fitted coefficients, at the place that they were fitted to, with what the job reports of how
    the bare head fits, where it does.

    Raises:
        MaquetteError: the model's file or the job's are gone or do not belong together; nothing was added then.
    """
    path = model_path(job.request["model"])
    model = read_flame_model(path)
    coefficients = read_coefficients(job.folder / result["coefficients"]).applied_to(model)
    values = read_ply_vertices(job.folder / result["head"]).get(residual.RESIDUAL) if "head" in result else None
    rig = add_flame_head(bpy.context, model, name=name, file=job.request["model"])
    flame_arkit.set_table(rig, flame_arkit.table_for(model, path))
    flame_pose.apply_coefficients(rig, coefficients)
    if coefficients.similarity is not None:
        rig.armature.matrix_world = moved @ Matrix(coefficients.similarity.matrix.tolist())
    for thing in (rig.mesh, rig.armature):
        thing["maquette_job"] = job.id
    bpy.context.view_layer.update()
    if "head" not in result:
        return rig
    report = _summary(read_json(job.folder / result["report"])) | {"scan": job.context.get("scan", "")}
    if values is not None and len(values) == len(rig.mesh.data.vertices):
        head = [model.regions[name] for name in ("face", "scalp") if name in model.regions]
        judged = np.concatenate(head) if head else np.arange(len(values))
        report["limit"] = residual.set_residual(rig.mesh, values, judged)
    residual.set_report(rig.mesh, report)
    return rig


def _summary(report: dict) -> dict:
    """What the panel shows of a report: the unit, and a table of a scan's millimetres or a photograph's pixels."""
    kept = {key: report[key] for key in ("unit", "metres_per_unit", "unit_source") if key in report}
    if isinstance(table := report.get("scan_to_head_mm"), dict):
        regions = {"whole head": table} | table.get("regions", {})
        rows = {
            name.replace("_", " ").capitalize(): [row.get(key) for key in ("mean", "median", "p90")]
            for name, row in regions.items()
        }
        kept |= {"title": "Millimetres, scan to head", "columns": ["mean", "median", "90 %"], "rows": rows}
    elif isinstance(views := report.get("views"), dict):
        rows = {name: [view.get(key) for key in ("landmark_px", "outline_px")] for name, view in views.items()}
        rows = {"Mean": [_mean(column) for column in zip(*rows.values(), strict=True)]} | rows
        kept |= {"title": "Pixels off", "columns": ["landmarks", "outline"], "rows": rows}
    return kept


def _mean(values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def read_json(path: Path) -> dict:
    """A job's JSON file; {} where it is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


classes = ()
