"""Reconstruct Head, and photographs baked onto any mesh among them."""

import bpy

from ..addon import captures, head_results, heads, job_inputs, jobs
from ..backend.contract import BakeTexture, ReconstructHead
from ..backend.errors import HeadError, MaquetteError
from ..backend.formats.capture import read_capture
from ..backend.formats.head import write_head
from .hair import capture_folder, without_capture


class _AsksForPhotographs:
    """Submits a request about a capture, with a mesh among its cameras written into the job's folder."""

    @classmethod
    def poll(cls, context):
        trouble = without_capture(context)
        if trouble:
            cls.poll_message_set(trouble)
        return not trouble

    def submit(self, context, kind: str, mesh, make_request, title: str, **options) -> set[str]:
        """``make_request(capture's folder, path of the mesh or None, what is known of the capture's unit)``."""
        try:
            capture = read_capture(capture_folder(context))
            metres = captures.fitted_scale(context.scene, capture.folder)
            # A mesh of the scene stands in metres, and so do the capture's cameras since a head was fitted.
            scale = {"metres_per_unit": metres, "scale_source": "head fit"} if metres else {}
            with job_inputs.prepared(kind) as (job_id, folder):
                path = None
                if mesh is not None:
                    path = folder / "asked_head.npz"
                    write_head(path, heads.head_from_object(mesh, context.evaluated_depsgraph_get()))
                    mesh[head_results.GUIDE_OF] = job_id
            jobs.submit(make_request(capture.folder, path, scale), title=title, job_id=job_id, **options)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_reconstruct_head(_AsksForPhotographs, bpy.types.Operator):
    bl_idname = "maquette.reconstruct_head"
    bl_label = "Reconstruct Head"
    bl_description = "Find the surface of the whole head, hair and all, from the capture's photographs and masks"
    bl_options = {"REGISTER"}

    def execute(self, context):
        settings, name = context.scene.maquette.head_surface, capture_folder(context).name
        guide = settings.guide if settings.guide and settings.guide.name in context.scene.objects else None
        guide = guide if settings.face_prior else None
        return self.submit(
            context,
            ReconstructHead.kind,
            guide,
            lambda capture, head, scale: ReconstructHead(capture=capture, proxy=head, **settings.values(), **scale),
            f"Surface of {name}",
            context_ids={"name": f"{name} Surface"},
            detached=settings.detached,
        )


class MAQUETTE_OT_bake_photographs(_AsksForPhotographs, bpy.types.Operator):
    bl_idname = "maquette.bake_photographs"
    bl_label = "Bake Photographs"
    bl_description = (
        "Paint the active mesh with the capture's photographs, in its own UVs: what a camera does not see is left to "
        "the others, and their seams are levelled"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        thing = context.active_object
        if thing is None or thing.type != "MESH" or not thing.data.uv_layers:
            cls.poll_message_set("Select a mesh with UVs that lies among the capture's cameras")
            return False
        return super().poll(context)

    def execute(self, context):
        settings, mesh = context.scene.maquette.head_surface, context.active_object
        if mesh.mode != "OBJECT":
            self.report({"ERROR"}, str(HeadError(f"Leave the mode that '{mesh.name}' is in, so that its UVs are up.")))
            return {"CANCELLED"}
        return self.submit(
            context,
            BakeTexture.kind,
            mesh,
            lambda capture, path, scale: BakeTexture(
                mesh=path, capture=capture, size=settings.size, level=settings.level, **scale
            ),
            f"Photographs on {mesh.name}",
        )


classes = (MAQUETTE_OT_reconstruct_head, MAQUETTE_OT_bake_photographs)
