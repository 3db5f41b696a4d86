"""Which detail, which map and which head the Detail panel is about."""

import bpy

from .detail_maps import is_map
from .detail_meshes import ROLE, is_detail
from .flame_rig import Rig, rig_of
from .job_marks import mark, marked
from .landmarks import scan_asked

ASKED = "maquette_asked_by"
"""Custom property of an object: the jobs that were asked for on it."""

ANIMATED = "animated detail"
"""Role of a dense head that moves with a plain one."""


def detail_object(context: bpy.types.Context) -> bpy.types.Object | None:
    """The dense head: the active object, where it is one, else the chosen one."""
    both = (context.active_object, context.scene.maquette.detail.mesh)
    return next((thing for thing in both if is_detail(thing) and _here(context, thing)), None)


def map_of(context: bpy.types.Context) -> bpy.types.Image | None:
    """The chosen map, as long as it is one."""
    image = context.scene.maquette.detail.map
    return image if is_map(image) else None


def head_of(context: bpy.types.Context) -> Rig | None:
    """The FLAME head: the chosen one, else the active object's, else the one that the active detail was registered
    with, else the scene's."""
    ours, active = context.scene.maquette, context.active_object
    if ours.detail.head is not None and _here(context, ours.detail.head):
        return rig_of(ours.detail.head)
    return rig_of(active) or rig_of(plain_head_of(context, active)) or rig_of(ours.head)


def plain_head_of(context: bpy.types.Context, detail: bpy.types.Object | None) -> bpy.types.Object | None:
    """The mesh of the FLAME head that the job of a registered detail brought along."""
    job = detail.get("maquette_job") if is_detail(detail) else None
    for thing in context.scene.objects if job else ():
        if thing.get("maquette_job") == job and thing.get("maquette_role") == "head":
            return thing
    return None


def dense_heads_of(context: bpy.types.Context, rig: Rig) -> list[bpy.types.Object]:
    """The dense heads that lie where a plain one does: registered with it, put on it, or moving with it."""
    job, roles = rig.mesh.get("maquette_job") or None, (ROLE, ANIMATED)
    here = [thing for thing in context.scene.objects if thing.get("maquette_role") in roles]
    return [thing for thing in here if thing.parent == rig.armature or thing.get("maquette_job") == job]


def parts(context: bpy.types.Context) -> dict[str, bpy.types.Object]:
    """What lies in the place of the dense head that the panel is about, as far as it is there: "detail", "moving",
    "head", "scan"."""
    active, detail = context.active_object, detail_object(context)
    moving = active if active is not None and active.get("maquette_role") == ANIMATED else None
    rig = rig_of(moving) or rig_of(plain_head_of(context, detail)) or (rig_of(detail.parent) if detail else None)
    found = {"detail": detail}
    if rig is not None:
        dense = dense_heads_of(context, rig)
        by_role = {thing["maquette_role"]: thing for thing in dense}
        found["detail"] = detail if detail in dense else by_role.get(ROLE)
        found["moving"] = moving or by_role.get(ANIMATED)
        found["head"] = rig.mesh
        found["scan"] = scan_asked(str(rig.mesh.get("maquette_job", "")))
    layer = context.view_layer.objects
    return {part: thing for part, thing in found.items() if thing is not None and thing.name in layer}


def remember(thing: bpy.types.Object, job_id: str) -> dict:
    """Mark the object that a job is asked for on; what the job's context is to hold of it."""
    mark(thing, ASKED, job_id)
    return {"object": thing.name}


def asked_on(job) -> bpy.types.Object | None:
    """The object that a job was asked for on, renamed or not; None where it is gone."""
    return marked(ASKED, job.id) or bpy.context.scene.objects.get(job.context.get("object", ""))


def _here(context: bpy.types.Context, thing: bpy.types.Object) -> bool:
    """Whether an object is in the scene, not only kept by who points to it."""
    return thing.name in context.scene.objects
