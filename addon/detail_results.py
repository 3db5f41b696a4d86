"""What comes back into the scene from the jobs of detail."""

import shutil
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import HeadError
from ..backend.formats.coefficients import read_coefficients
from ..backend.formats.dense_mesh import DenseMesh, read_dense_mesh
from ..backend.formats.layout import read_layout
from . import detail_layouts, detail_maps, detail_rig, fitting, jobs, residual
from .detail_heads import ANIMATED, asked_on, dense_heads_of
from .detail_meshes import add_detail
from .flame_armature import MASTER
from .flame_rig import Rig, rig_of
from .landmarks import landmarks_on, scan_asked
from .visibility import evaluable

KINDS = ("register-scan", "bake-detail", "apply-detail", "transfer-detail", "animate-detail", "make-layout")


@jobs.on_result("register-scan")
def bring_in_registration(job, result: dict) -> None:
    """The registered head on its scan, wherever that is now, the plain head below it, and the map."""
    scan, moved = fitting.scan_now(job)
    dense = read_dense_mesh(job.folder / result["mesh"])
    coefficients = read_coefficients(job.folder / result["coefficients"])
    rig = fitting.add_fitted_head(job, {"coefficients": result["coefficients"]}, f"{scan} Head", moved)
    thing = add_detail(
        bpy.context, dense, coefficients, name=f"{scan} Detail", model=job.request["model"],
        matrix=rig.armature.matrix_world, plain=rig.mesh, job_id=job.id,
    )  # fmt: skip
    report = fitting.read_json(job.folder / result["report"])
    shown = _summary(report) | {"scan": job.context.get("scan", "")}
    if dense.residual is not None:
        shown["limit"] = residual.set_residual(thing, dense.residual, _judged(dense))
    residual.set_report(thing, shown)
    ours = bpy.context.scene.maquette
    if ours.head is None or ours.head.name not in bpy.context.scene.objects:
        ours.head = rig.mesh
    ours.detail.mesh = thing
    found = scan_asked(job.id, shown["scan"])
    for below in (rig.mesh, rig.armature, found, *(landmarks_on(found).values() if found is not None else ())):
        _hide(below)
    image = detail_maps.load_map(job.folder / result["map"], name=f"{scan} Detail Map", job_id=job.id)
    ours.detail.map = image


@jobs.on_result("bake-detail")
def bring_in_map(job, result: dict) -> None:
    """The map as an image, chosen for what comes next."""
    thing = asked_on(job)
    name = f"{thing.name if thing is not None else job.context.get('object', 'Detail')} Map"
    detail = bpy.context.scene.maquette.detail
    image = detail_maps.load_map(job.folder / result["map"], name=job.context.get("map", name), job_id=job.id)
    layout = str(job.request.get("layout", ""))
    if layout.endswith(".npz"):
        detail_layouts.keep_with_map(image, Path(layout))
    if layout != "standard":  # that is for other programs; what comes next here wants ours
        detail.map = image


@jobs.on_result("apply-detail")
def bring_in_applied(job, result: dict) -> None:
    """The dense head where the plain one stands now, which is hidden below it."""
    _add_on_head(job, read_dense_mesh(job.folder / result["mesh"]), job.title)


@jobs.on_result("transfer-detail")
def bring_in_transferred(job, result: dict) -> None:
    """The map with one's hair and the other's face, and the head with both."""
    image = detail_maps.load_map(job.folder / result["map"], name=f"{job.title} Map", job_id=job.id)
    bpy.context.scene.maquette.detail.map = image
    _add_on_head(job, read_dense_mesh(job.folder / result["mesh"]), job.title)


@jobs.on_result("animate-detail")
def bring_in_animated(job, result: dict) -> None:
    """The detailed head that moves with the plain one, which is hidden below it."""
    head = asked_on(job)
    rig = rig_of(head)
    if rig is None:
        raise HeadError("The head that was to be animated is gone; undo its removal and bring the result in again.")
    name = job.title
    if "keys" in result:
        thing = detail_rig.add_live_head(bpy.context, rig, job.folder / result["keys"], name)
    else:
        cache = _kept(job.folder / result["cache"], head.name)
        first = int(job.context.get("first", 1))
        thing = detail_rig.add_cached_head(bpy.context, rig, job.folder / result["mesh"], cache, first, name)
    thing["maquette_job"], thing["maquette_role"] = job.id, ANIMATED
    _hide_others(rig, thing)
    if rig.armature.name in bpy.context.view_layer.objects:
        rig.armature.hide_set(False)  # its bones move what has just come


@jobs.on_result("make-layout")
def bring_in_layout(job, result: dict) -> None:
    """The layout by the artist's seam, kept with the head, and chosen for the next map; the program's own is shown."""
    rig = rig_of(asked_on(job))
    if rig is None:
        raise HeadError("The head that the seam was marked on is gone; undo its removal and bring the result in again.")
    if job.request.get("seam") is None:
        detail_layouts.show(rig, read_layout(job.folder / result["layout"]))
        return
    detail_layouts.keep(rig, job.folder / result["layout"])
    bpy.context.scene.maquette.detail.layout = "marked"


def _add_on_head(job, dense: DenseMesh, name: str) -> None:
    coefficients = read_coefficients(Path(job.request["coefficients"]))
    rig, within, matrix = rig_of(asked_on(job)), Matrix.Identity(4), Matrix.Identity(4)
    if rig is not None:
        with evaluable(rig.armature) as depsgraph:
            bone = rig.armature.evaluated_get(depsgraph).pose.bones[MASTER]
            within = bone.matrix @ bone.bone.matrix_local.inverted()
            matrix = rig.armature.evaluated_get(depsgraph).matrix_world @ within
    thing = add_detail(
        bpy.context, dense, coefficients, name=name, model=job.request["model"], matrix=matrix,
        plain=rig.mesh if rig is not None else None, job_id=job.id,
    )  # fmt: skip
    if rig is not None:
        thing.parent, thing.matrix_parent_inverse = rig.armature, Matrix.Identity(4)
        thing.matrix_basis = within
        _hide_others(rig, thing)
    bpy.context.scene.maquette.detail.mesh = thing


def _hide_others(rig: Rig, shown: bpy.types.Object) -> None:
    """Of the heads in one place, show the one that has just come."""
    for thing in (rig.mesh, *dense_heads_of(bpy.context, rig)):
        if thing != shown:
            _hide(thing)


def _hide(thing: bpy.types.Object | None) -> None:
    if thing is not None and thing.name in bpy.context.view_layer.objects:
        thing.hide_set(True)


def _kept(cache: Path, name: str) -> Path:
    """A mesh cache where it stays: beside the .blend, for the job's folder may go; in that where there is none yet."""
    if not bpy.data.filepath:
        return cache
    folder = Path(bpy.path.abspath("//")) / "maquette_cache"
    kept = folder / f"{bpy.path.clean_name(name)} {cache.parent.name}{cache.suffix}"
    try:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(cache, kept)
    except OSError:
        return cache
    return kept


def _judged(dense: DenseMesh) -> np.ndarray:
    """Vertices that the residual's colours are for."""
    free = [dense.regions[name] for name in ("face", "scalp") if name in dense.regions]
    return np.concatenate(free) if free else np.arange(len(dense.vertices))


def _summary(report: dict) -> dict:
    """What the panel shows of a registration's report."""
    kept = {}
    if isinstance(table := report.get("scan_to_mesh_mm"), dict):
        regions = {"all": table} | table.get("regions", {})
        rows = {
            name.replace("_", " ").capitalize(): [row.get(key) for key in ("mean", "median", "p95")]
            for name, row in regions.items()
            if isinstance(row, dict)
        }
        kept |= {"title": "Millimetres, scan to detail", "columns": ["mean", "median", "95 %"], "rows": rows}
    sentences = []
    if isinstance(share := report.get("self_intersecting_share"), (int, float)):
        sentences.append(f"{100 * share:.3f} % of its triangles cross each other.")
    if clipped := report.get("clipped_vertices"):
        sentences.append(f"{clipped:,} vertices lie beyond the map's reach.")
    if isinstance(metres := report.get("metres_per_unit"), (int, float)):
        unit = f"1 {report['unit']}" if report.get("unit") else f"{metres:.4g} m"
        sentences.append(f"A unit of the scan is {unit}, {report.get('unit_source', 'as told')}.")
    return kept | {"sentences": sentences}


classes = ()
