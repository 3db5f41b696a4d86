"""Fit Head to Scan, Fit Head to Photos, and what a fit has to show."""

import bpy

from ..addon import fitting, job_inputs, jobs, residual, view_landmarks
from ..addon.flame_rig import current_rig
from ..addon.landmark_guide import NEEDED
from ..addon.landmarks import landmarks_on, scan_of
from ..backend.contract import FitHead, FitPhotos
from ..backend.errors import HeadError, MaquetteError
from .hair import capture_folder, without_capture
from .landmarks import NeedsScan


def without_model(context: bpy.types.Context) -> str:
    """Why there is no model to fit, in a sentence; "" where there is one."""
    try:
        context.scene.maquette.fit.model_name()
    except HeadError as error:
        return str(error)
    return ""


class MAQUETTE_OT_fit_head_to_scan(NeedsScan, bpy.types.Operator):
    bl_idname = "maquette.fit_head_to_scan"
    bl_label = "Fit Head to Scan"
    bl_description = "Lay an animatable head on the scan: its place, its size, who it is, and what the face does"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        missing = NEEDED - len(landmarks_on(scan_of(context)))
        trouble = without_model(context) or (f"Place {missing} more landmarks on the scan" if missing > 0 else "")
        if trouble:
            cls.poll_message_set(trouble)
        return not trouble

    def execute(self, context):
        scan, fit = scan_of(context), context.scene.maquette.fit
        try:
            with job_inputs.prepared(FitHead.kind) as (job_id, folder):
                mesh, points = fitting.write_inputs(scan, folder)
                remembered = fitting.remember_scan(scan, job_id)
            jobs.submit(
                FitHead(
                    scan=mesh,
                    landmarks=points,
                    model=fit.model_name(),
                    unit=fit.unit_name(),
                    identity=fit.identity,
                    expression=fit.expression,
                    device=fit.device,
                ),
                title=f"Head on {scan.name}",
                job_id=job_id,
                context_ids=remembered,
            )
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        fit.scan = scan
        return {"FINISHED"}


class MAQUETTE_OT_fit_head_to_photos(bpy.types.Operator):
    bl_idname = "maquette.fit_head_to_photos"
    bl_label = "Fit Head to Photos"
    bl_description = "Lay an animatable head into the capture's photographs, by its landmarks and by how the skin looks"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        trouble = without_capture(context) or without_model(context) or cls._without_landmarks(context)
        if trouble:
            cls.poll_message_set(trouble)
        return not trouble

    @staticmethod
    def _without_landmarks(context) -> str:
        try:
            views = view_landmarks.views_of(capture_folder(context))
        except MaquetteError as error:
            return str(error)
        enough = any(len(there) >= view_landmarks.FEWEST_IN_VIEW for there in views.values())
        return "" if enough else "Click the landmarks of the face in some photographs first"

    def execute(self, context):
        folder, fit = capture_folder(context), context.scene.maquette.fit
        try:
            jobs.submit(
                FitPhotos(
                    capture=folder,
                    model=fit.model_name(),
                    cameras=fit.cameras,
                    identity=fit.identity,
                    expression=fit.expression,
                    views=fit.views,
                    seed=fit.seed,
                    device=fit.device,
                ),
                title=f"Head in {folder.name}",
            )
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_show_fit(bpy.types.Operator):
    bl_idname = "maquette.show_fit"
    bl_label = "Show Fit"
    bl_options = {"REGISTER", "UNDO"}

    layer: bpy.props.EnumProperty(
        name="Layer",
        items=[
            ("residual", "Residual", "Colour the head by how far the scan lies off it, and hide the scan meanwhile"),
            ("albedo", "Skin", "Colour the head as its skin is in the photographs, without their light"),
        ],
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context, properties):
        return properties.bl_rna.properties["layer"].enum_items[properties.layer].description

    @classmethod
    def poll(cls, context):
        rig = current_rig(context)
        if rig is None or not residual.layers_of(rig.mesh):
            cls.poll_message_set("Select a head that was fitted")
            return False
        return True

    def execute(self, context):
        mesh = current_rig(context).mesh
        if self.layer not in residual.layers_of(mesh):
            self.report({"ERROR"}, "This head was fitted without that.")
            return {"CANCELLED"}
        residual.show_layer(context, mesh, "" if residual.shown_layer(mesh) == self.layer else self.layer)
        return {"FINISHED"}


class MAQUETTE_OT_show_fit_overlay(bpy.types.Operator):
    """Show the fitted head over the photographs, in a window of its own"""

    bl_idname = "maquette.show_fit_overlay"
    bl_label = "Show over Photographs"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        rig = current_rig(context)
        if rig is None or (residual.report_of(rig.mesh) or {}).get("overlay", "") not in bpy.data.images:
            cls.poll_message_set("Select a head that was fitted to photographs")
            return False
        return context.window is not None

    def execute(self, context):
        bpy.ops.wm.window_new()
        window = context.window_manager.windows[-1]
        area = window.screen.areas[0]
        area.type = "IMAGE_EDITOR"
        area.spaces.active.image = bpy.data.images[residual.report_of(current_rig(context).mesh)["overlay"]]
        region = next(region for region in area.regions if region.type == "WINDOW")
        with context.temp_override(window=window, area=area, region=region):
            bpy.ops.image.view_all(fit_view=True)
        area.tag_redraw()
        return {"FINISHED"}


classes = (
    MAQUETTE_OT_fit_head_to_scan,
    MAQUETTE_OT_fit_head_to_photos,
    MAQUETTE_OT_show_fit,
    MAQUETTE_OT_show_fit_overlay,
)
