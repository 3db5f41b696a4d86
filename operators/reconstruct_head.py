"""Reconstruct Head, and photographs baked onto any mesh among them."""

import bpy

from ..addon import captures, head_results, heads, job_inputs, jobs
from ..backend.contract import BUILT_IN, BakeTexture, ReconstructHead
from ..backend.errors import HeadError, MaquetteError
from ..backend.formats.capture import Capture, read_capture
from ..backend.formats.capture_landmarks import FILE as LANDMARKS
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
            scale = _scale(context.scene, capture, mesh)
            with job_inputs.prepared(kind) as (job_id, folder):
                path = None
                if mesh is not None:
                    path = folder / "asked_head.npz"
                    write_head(path, heads.head_from_object(mesh, context.evaluated_depsgraph_get()))
                    mesh[head_results.GUIDE_OF] = job_id
                request = make_request(capture.folder, path, scale)
            jobs.submit(request, title=title, job_id=job_id, **options)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def _scale(scene: bpy.types.Scene, capture: Capture, mesh: bpy.types.Object | None) -> dict:
    """What a request says of the capture's unit: a mesh of the scene stands in metres, and so do the capture's cameras
    there, since a head was fitted, or as if their unit were one."""
    metres = captures.fitted_scale(scene, capture.folder)
    assumed = scene.maquette.scale_assumed or not metres
    if capture.metres_per_unit is not None or (mesh is None and assumed):
        return {}  # known, or the job may find something better
    return {"metres_per_unit": metres or 1.0, "scale_source": "assumed" if assumed else "head fit"}


class MAQUETTE_OT_reconstruct_head(_AsksForPhotographs, bpy.types.Operator):
    bl_idname = "maquette.reconstruct_head"
    bl_label = "Reconstruct Head"
    bl_description = "Find the surface of the whole head, hair and all, from the capture's photographs and masks"
    bl_options = {"REGISTER"}

    def execute(self, context):
        settings, name = context.scene.maquette.head_surface, capture_folder(context).name
        guide = settings.guide if settings.guide and settings.guide.name in context.scene.objects else None
        guide = guide if settings.face_prior else None

        def request(capture, head, scale):
            # Only the job's own fit asks which head model that is.
            fits = settings.fits_head() and head is None and (capture / LANDMARKS).is_file()
            model = context.scene.maquette.fit.model_name() if fits else BUILT_IN
            return ReconstructHead(capture=capture, model=model, proxy=head, **settings.values(), **scale)

        return self.submit(
            context,
            ReconstructHead.kind,
            guide,
            request,
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
                mesh=path,
                capture=capture,
                views=settings.baked_views,
                size=settings.size,
                level=settings.level,
                **scale,
            ),
            f"Photographs on {mesh.name}",
        )


classes = (MAQUETTE_OT_reconstruct_head, MAQUETTE_OT_bake_photographs)
