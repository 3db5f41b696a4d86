"""What comes back from jobs about hair: previews while they run, grooms and heads when they are done."""

import json
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import StrandFileError
from ..backend.formats.head import read_head
from ..backend.formats.strands import Strands, read_npz
from . import captures, groom, jobs
from .hair_material import BROWN, hair_material
from .heads import HEAD_ROLE, add_head
from .strands_scene import curves_from_strands
from .visibility import world_matrix

PREVIEW_NAME = "Hair Preview"
PREVIEW_STRANDS = 4000
PREVIEW_POINTS = 32
HEAD_OF = "maquette_head_of"
"""Property of a head object: the job that was asked for hair on it, so that it is found whatever its name is then."""

_previewed: set[str] = set()
"""Jobs whose preview was shown; where it is gone, the artist has deleted it and does not want another."""


def object_of(job_id: str, role: str) -> bpy.types.Object | None:
    """The object of the scene that a job made in a role."""
    for thing in bpy.context.scene.objects:
        if thing.get("maquette_job") == job_id and thing.get("maquette_role") == role:
            return thing
    return None


def remember_head(head: bpy.types.Object, job_id: str) -> None:
    """Mark the head that a job's hair will grow on."""
    head[HEAD_OF] = job_id


def matrix_as_list(head: bpy.types.Object) -> list[float]:
    """Where a head stands, for a job's context: 16 numbers, row by row."""
    return [value for row in world_matrix(head) for value in row]


def take_scale(job, path: Path) -> None:
    """Bring the job's capture to the scale that its head gave it, so that its cameras see what the job makes."""
    scale = json.loads(path.read_text(encoding="utf-8"))
    folder, metres = Path(job.request["capture"]), float(scale["metres_per_unit"])
    captures.set_fitted_scale(bpy.context.scene, folder, metres, scale.get("scale_source", "head fit"))


@jobs.on_preview("reconstruct-hair")
def show_preview(job, preview: dict) -> None:
    """Show strands as far as they are, in an object of their own that each preview replaces."""
    if preview["name"] == "scale":
        take_scale(job, Path(preview["path"]))
    if preview["name"] != "strands":
        return
    found = object_of(job.id, groom.PREVIEW)
    if found is None and job.id in _previewed:
        return
    strands = read_npz(Path(preview["path"]))
    if not len(strands):
        return
    every = max(1, len(strands) // PREVIEW_STRANDS)
    light = Strands.from_array(strands.subset(np.arange(0, len(strands), every)).resampled(PREVIEW_POINTS))
    data = curves_from_strands(light, PREVIEW_NAME)
    groom.set_radius(data, light.counts, groom.strand_radius(len(light)))
    if found is None:
        data.materials.append(_preview_material())
        found = bpy.data.objects.new(PREVIEW_NAME, data)
        found["maquette_job"], found["maquette_role"] = job.id, groom.PREVIEW
        found.hide_render = True
        groom.hair_collection(bpy.context).objects.link(found)
        _previewed.add(job.id)
        return
    before, found.data = found.data, data
    for material in before.materials:
        data.materials.append(material)
    if not before.users:
        bpy.data.hair_curves.remove(before)


@jobs.on_result("reconstruct-hair")
def bring_in_reconstruction(job, result: dict) -> None:
    """The groom and its guides take the preview's place."""
    end_preview(job)
    if "scale" in result:
        take_scale(job, job.folder / result["scale"])
    _bring_in_hair(job, result, job.title)


@jobs.on_failure("reconstruct-hair")
def end_preview(job) -> None:
    """Take the preview out of the scene: its job is over, and where it was stopped, resuming it shows the next one.

    A preview that the artist has renamed, or works on at this moment, is theirs: it becomes hair like any other.
    """
    preview = object_of(job.id, groom.PREVIEW)
    if preview is None:
        return
    _previewed.discard(job.id)
    if not preview.name.startswith(PREVIEW_NAME) or preview.mode != "OBJECT":
        del preview["maquette_job"], preview["maquette_role"]
        preview.hide_render = False
        return
    data = preview.data
    bpy.data.objects.remove(preview)
    if not data.users:
        bpy.data.hair_curves.remove(data)


@jobs.on_result("make-hairstyle")
def bring_in_hairstyle(job, result: dict) -> None:
    """A generated hairstyle arrives as a groom."""
    _bring_in_hair(job, result, job.title)


@jobs.on_result("align-head")
def bring_in_head(job, result: dict) -> None:
    """The head that was sent moves to its place, or the built-in head is added there."""
    if "scale" in result:
        take_scale(job, job.folder / result["scale"])
    head = _head_of(job)
    if head is not None and "matrix" in result:
        asked = _matrix(job.context.get("head_matrix")) or world_matrix(head)
        head.matrix_world = Matrix(result["matrix"]) @ asked
    else:
        head = add_head(bpy.context, read_head(job.folder / result["head"]), name="Head", job_id=job.id)
    bpy.context.scene.maquette.head = head


def _bring_in_hair(job, result: dict, name: str) -> None:
    path = job.folder / result["strands"]
    strands = read_npz(path)
    if not len(strands):
        raise StrandFileError("No strands came back; look at the job's log for the stage that lost them.")
    head, moved = _head_of(job), None
    if head is None:
        # It was fitted by the job, or the artist has deleted it since: the job's folder has it as it was.
        file = job.folder / result.get("head", "head.npz")
        head = object_of(job.id, HEAD_ROLE) or add_head(bpy.context, read_head(file), name="Head", job_id=job.id)
        bpy.context.scene.maquette.head = head
        bpy.context.view_layer.update()
    elif asked := _matrix(job.context.get("head_matrix")):
        moved = np.array(world_matrix(head) @ asked.inverted(), np.float64)
    if moved is not None and not np.allclose(moved, np.eye(4), atol=1e-7):
        # The head was moved while the job ran; the hair goes with it.
        points = strands.points @ moved[:3, :3].T + moved[:3, 3]
        strands = Strands(points.astype(np.float32), strands.counts)
    groom.add_groom(bpy.context, strands, head, job_id=job.id, name=name, colour=_colour(path, len(strands)))


def _head_of(job) -> bpy.types.Object | None:
    for thing in bpy.context.scene.objects:
        if thing.type == "MESH" and thing.get(HEAD_OF) == job.id:
            return thing
    named = bpy.context.scene.objects.get(job.context.get("head", ""))
    return named if named is not None and named.type == "MESH" else None


def _matrix(values) -> Matrix | None:
    return Matrix([values[k : k + 4] for k in range(0, 16, 4)]) if values else None


def _colour(path: Path, strands: int) -> np.ndarray | None:
    """(N, 3) linear Rec. 709 from a job's strands file, where it has colours."""
    with np.load(path, allow_pickle=False) as file:
        colour = file["colour"] if "colour" in file.files else None
    return colour if colour is not None and colour.shape == (strands, 3) else None


def _preview_material() -> bpy.types.Material:
    for material in bpy.data.materials:
        if material.get("maquette_role") == groom.PREVIEW and not material.library:
            return material
    material = hair_material("Hair Preview", BROWN, from_strands=False)
    material["maquette_role"] = groom.PREVIEW
    return material


classes = ()
