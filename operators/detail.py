"""Register Scan, Bake Detail, Apply Detail, Transfer Hair Region and Animate Detail."""

import bpy

from ..addon import detail_heads, detail_inputs, detail_layouts, detail_maps, fitting, job_inputs, jobs
from ..addon.detail_meshes import detail_of
from ..addon.landmark_guide import NEEDED
from ..addon.landmarks import landmarks_on, scan_of
from ..backend.contract import AnimateDetail, ApplyDetail, BakeDetail, RegisterScan, TransferDetail
from ..backend.errors import HeadError, MaquetteError
from .fit import without_model


class AsksForDetail:
    """Of operators that ask for a job: ``trouble`` says in a sentence why they cannot, ``ask`` asks."""

    bl_options = {"REGISTER"}
    modes = ("OBJECT",)

    @classmethod
    def poll(cls, context):
        trouble = cls.trouble(context) if context.mode in cls.modes else "Go to Object Mode first"
        if trouble:
            cls.poll_message_set(trouble)
        return not trouble

    def execute(self, context):
        try:
            self.ask(context)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def without_map_and_head(context: bpy.types.Context) -> str:
    """Why a map cannot be put on a head, in a sentence; "" where it can."""
    if detail_heads.map_of(context) is None:
        return "Bake a map, or open one"
    if detail_heads.head_of(context) is None:
        return "Add a FLAME head, or select the one that the map goes on"
    return ""


class MAQUETTE_OT_register_scan(AsksForDetail, bpy.types.Operator):
    """Lay a dense head on the scan, hair and all, and keep what it differs by from the plain one as a displacement
    map"""

    bl_idname = "maquette.register_scan"
    bl_label = "Register Scan"

    @classmethod
    def trouble(cls, context):
        scan = scan_of(context)
        if scan is None:
            return "Import a scan, then choose it here or select it"
        missing = NEEDED - len(landmarks_on(scan))
        return without_model(context) or (f"Place {missing} more landmarks on the scan" if missing > 0 else "")

    def ask(self, context):
        scan, fit, detail = scan_of(context), context.scene.maquette.fit, context.scene.maquette.detail
        with job_inputs.prepared(RegisterScan.kind) as (job_id, folder):
            mesh, points = fitting.write_inputs(scan, folder)
            remembered = fitting.remember_scan(scan, job_id)
        jobs.submit(
            RegisterScan(
                scan=mesh,
                landmarks=points,
                model=fit.model_name(),
                unit=fit.unit_name(),
                preset=detail.preset,
                partial=detail.partial,
                smooth=detail.smooth,
                size=int(detail.size),
                expression=fit.expression,
                device=fit.device,
            ),
            title=f"Detail of {scan.name}",
            job_id=job_id,
            context_ids=remembered,
        )
        fit.scan = scan


class MAQUETTE_OT_bake_detail(AsksForDetail, bpy.types.Operator):
    """Make a displacement map of what the detail differs by from its plain head, as it was registered or sculpted
    since"""

    bl_idname = "maquette.bake_detail"
    bl_label = "Bake Detail"

    @classmethod
    def trouble(cls, context):
        return "" if detail_heads.detail_object(context) is not None else "Register a scan, or select its detail"

    def ask(self, context):
        thing, settings = detail_heads.detail_object(context), context.scene.maquette.detail
        detail = detail_of(thing)
        if detail is None:
            raise HeadError(f"'{thing.name}' has lost what it knew of its head; register or apply it again.")
        if settings.layout == "standard" and not detail_layouts.has_own_uvs(thing):
            raise HeadError(f"{detail.coefficients.model} has no UVs of its own; choose another layout.")
        with job_inputs.prepared(BakeDetail.kind) as (job_id, folder):
            mesh, coefficients = detail_inputs.write_sculpted(detail, folder)
            layout = settings.layout
            if layout == "marked":
                layout = str(detail_inputs.write_marked_layout(context, detail.coefficients.model_hash, folder))
        jobs.submit(
            BakeDetail(
                source=mesh,
                coefficients=coefficients,
                model=detail.model,
                size=int(settings.size),
                frame=settings.frame,
                format=settings.format,
                layout=layout,
            ),
            title=f"Map of {thing.name}",
            job_id=job_id,
            context_ids=detail_heads.remember(thing, job_id),
        )
        settings.mesh = thing


class MAQUETTE_OT_repair_seam(AsksForDetail, bpy.types.Operator):
    """Blend the map across its layout's seam, where painting on it has left a step"""

    bl_idname = "maquette.repair_seam"
    bl_label = "Repair Seam"

    @classmethod
    def trouble(cls, context):
        return without_map_and_head(context)

    def ask(self, context):
        image, rig = detail_heads.map_of(context), detail_heads.head_of(context)
        detail_inputs.check_fits(image, rig.model, rig.model_hash)
        with job_inputs.prepared(BakeDetail.kind) as (job_id, folder):
            wearer = detail_inputs.write_wearer(context, rig, image, folder)
            source = detail_inputs.write_map(image, folder)
            request = BakeDetail(
                source=source,
                size=image.size[0],
                frame=detail_maps.facts_of(image)["frame"],
                format=source.suffix[1:],
                repair=True,
                **(wearer | {"layout": str(wearer["layout"] or "custom")}),
            )
        name = f"{detail_maps.whose(image)} Repaired Map"
        remembered = detail_heads.remember(rig.mesh, job_id) | {"map": name}
        jobs.submit(request, title=name, job_id=job_id, context_ids=remembered)


class MAQUETTE_OT_apply_detail(AsksForDetail, bpy.types.Operator):
    """Put the map on the head, as it is shaped and posed now, as a dense mesh"""

    bl_idname = "maquette.apply_detail"
    bl_label = "Apply Detail"
    modes = ("OBJECT", "POSE")

    @classmethod
    def trouble(cls, context):
        return without_map_and_head(context)

    def ask(self, context):
        image, rig = detail_heads.map_of(context), detail_heads.head_of(context)
        detail_inputs.check_fits(image, rig.model, rig.model_hash)
        with job_inputs.prepared(ApplyDetail.kind) as (job_id, folder):
            wearer = detail_inputs.write_wearer(context, rig, image, folder)
            request = ApplyDetail(map=detail_inputs.write_map(image, folder), **wearer)
        jobs.submit(
            request,
            title=f"{rig.mesh.name} with Detail of {detail_maps.whose(image)}",
            job_id=job_id,
            context_ids=detail_heads.remember(rig.mesh, job_id),
        )


class MAQUETTE_OT_transfer_detail(AsksForDetail, bpy.types.Operator):
    """Put the hair of one map on the face of another, and show the head with both"""

    bl_idname = "maquette.transfer_detail"
    bl_label = "Transfer Hair Region"
    modes = ("OBJECT", "POSE")

    @classmethod
    def trouble(cls, context):
        detail = context.scene.maquette.detail
        if not detail_maps.is_map(detail.hair_map) or not detail_maps.is_map(detail.face_map):
            return "Choose a map for the hair and another for the face"
        if detail.hair_map == detail.face_map:
            return "The hair and the face are of the same map; choose another for one of them"
        if detail_heads.head_of(context) is None:
            return "Add a FLAME head, or select the one that is to wear both"
        return ""

    def ask(self, context):
        detail, rig = context.scene.maquette.detail, detail_heads.head_of(context)
        for image in (detail.hair_map, detail.face_map):
            detail_inputs.check_fits(image, rig.model, rig.model_hash)
        with job_inputs.prepared(TransferDetail.kind) as (job_id, folder):
            wearer = detail_inputs.write_wearer(context, rig, detail.face_map, folder)
            request = TransferDetail(
                hair=detail_inputs.write_map(detail.hair_map, folder),
                face=detail_inputs.write_map(detail.face_map, folder),
                size=int(detail.size),
                **wearer,
            )
        jobs.submit(
            request,
            title=f"{detail_maps.whose(detail.face_map)} with {detail_maps.whose(detail.hair_map)}'s Hair",
            job_id=job_id,
            context_ids=detail_heads.remember(rig.mesh, job_id),
        )


class MAQUETTE_OT_animate_detail(AsksForDetail, bpy.types.Operator):
    """Have the map's detail move with the head: at once with its sliders and bones, or exactly, frame by frame"""

    bl_idname = "maquette.animate_detail"
    bl_label = "Animate Detail"
    modes = ("OBJECT", "POSE")

    @classmethod
    def trouble(cls, context):
        return without_map_and_head(context)

    def ask(self, context):
        image, rig, scene = detail_heads.map_of(context), detail_heads.head_of(context), context.scene
        detail_inputs.check_fits(image, rig.model, rig.model_hash)
        way, first = scene.maquette.detail.way, scene.frame_start
        with job_inputs.prepared(AnimateDetail.kind) as (job_id, folder):
            motion = detail_inputs.write_motion(context, rig, folder) if way == "exact" else None
            wearer = detail_inputs.write_wearer(context, rig, image, folder)
            request = AnimateDetail(detail=detail_inputs.write_map(image, folder), mode=way, motion=motion, **wearer)
        remembered = detail_heads.remember(rig.mesh, job_id) | {"first": first}
        jobs.submit(
            request,
            title=f"{rig.mesh.name} Animated with Detail of {detail_maps.whose(image)}",
            job_id=job_id,
            context_ids=remembered,
        )


classes = (
    MAQUETTE_OT_register_scan,
    MAQUETTE_OT_bake_detail,
    MAQUETTE_OT_repair_seam,
    MAQUETTE_OT_apply_detail,
    MAQUETTE_OT_transfer_detail,
    MAQUETTE_OT_animate_detail,
)
