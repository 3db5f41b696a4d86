"""A head's surface: from photographs, or from a saved distance field; and photographs painted onto a mesh."""

import bpy

from ..addon import head_results, jobs, sdf_baking
from ..addon.job_drawing import draw_progress, draw_sentence
from ..operators.hair import without_capture

PRIORS = {"proxy": "fitted face", "semantics": "labels", "orientation": "hair direction"}


class _SurfacePanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    def columns(self) -> bpy.types.UILayout:
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        return self.layout.column()

    def progress(self, *kinds: str) -> None:
        for record in jobs.all_jobs():
            if record.kind in kinds and record.state.active:
                draw_progress(self.layout.box(), record)


class MAQUETTE_PT_head_surface(_SurfacePanel, bpy.types.Panel):
    bl_label = "Head Surface"

    def draw(self, context):
        ours, column = context.scene.maquette, self.columns()
        column.prop(ours, "capture")
        if trouble := without_capture(context):
            draw_sentence(column, context, trouble, "INFO")
        for name in ("preset", "guide", "texture"):
            column.prop(ours.head_surface, name)
        row = column.row()
        row.scale_y = 1.4
        row.operator("maquette.reconstruct_head", icon="PLAY")
        self.progress("reconstruct-head")
        draw_report(self.layout, context, head_results.report_of(context.active_object))


class MAQUETTE_PT_head_surface_more(_SurfacePanel, bpy.types.Panel):
    bl_label = "More"
    bl_parent_id = "MAQUETTE_PT_head_surface"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings, column = context.scene.maquette.head_surface, self.columns()
        guides = column.column(heading="Guided By", align=True)
        for name in ("face_prior", "semantics", "hair_label", "orientation"):
            row = guides.row()
            row.active = name != "hair_label" or settings.semantics
            row.prop(settings, name)
        if settings.fits_head() and settings.guide is None:
            fit = context.scene.maquette.fit
            column.prop(fit, "model", text="Head to Fit")
            if fit.model == "FILE":
                column.prop(fit, "model_file")
        paper = settings.preset == "paper"
        for name in ("prior_order", "weights", "fixed_cameras" if paper else "refine_cameras", "views", "resolution"):
            column.prop(settings, name)
        column.prop(settings, "faces")
        row = column.row()
        row.active = not settings.texture  # which needs them
        row.prop(settings, "uv")
        for name in (*(("networks", "rounds") if paper else ()), "device", "seed", "detached"):
            column.prop(settings, name)


class MAQUETTE_PT_bake_photographs(_SurfacePanel, bpy.types.Panel):
    bl_label = "Photographs on a Mesh"
    bl_parent_id = "MAQUETTE_PT_head_surface"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        column = self.columns()
        for name in ("size", "baked_views", "level"):
            column.prop(context.scene.maquette.head_surface, name)
        column.operator("maquette.bake_photographs", icon="TEXTURE")
        self.progress("bake-texture")


class MAQUETTE_PT_bake_sdf(_SurfacePanel, bpy.types.Panel):
    bl_label = "Saved Field"
    bl_parent_id = "MAQUETTE_PT_head_surface"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        column = self.columns()
        for name in ("field", "resolution", "faces", "uv", "close", "positive_inside"):
            column.prop(context.scene.maquette.sdf, name)
        row = column.row()
        row.scale_y = 1.4
        row.operator("maquette.bake_sdf", icon="PLAY")
        self.progress("bake-sdf")


class MAQUETTE_PT_baked_mesh(_SurfacePanel, bpy.types.Panel):
    bl_label = "Baked Mesh"
    bl_parent_id = "MAQUETTE_PT_head_surface"

    @classmethod
    def poll(cls, context):
        return sdf_baking.report_of(context.active_object) is not None

    def draw(self, context):
        thing, column = context.active_object, self.layout.column(align=True)
        report = sdf_baking.report_of(thing)
        column.label(text=thing.name, icon="MESH_DATA")
        column.label(
            text=f"{report.get('triangles', 0):,} triangles of a field at {report.get('spacing_mm', 0):.2g} mm"
        )
        draw_closed(column, report)
        if report.get("closed_sides"):
            column.label(text=f"Closed at the {', '.join(report['closed_sides'])}", icon="INFO")
        if report.get("pieces_left_out"):
            column.label(text=f"{report['pieces_left_out']} loose pieces left out", icon="INFO")


def draw_report(layout: bpy.types.UILayout, context: bpy.types.Context, report: dict | None) -> None:
    """What is known of a reconstructed head, if it is one."""
    if report is None:
        return
    column = layout.box().column(align=True)
    column.label(text=f"{report.get('triangles', 0):,} triangles in {report.get('seconds', 0):.0f} s", icon="MESH_DATA")
    if isinstance(views := report.get("views"), int):
        column.label(text=f"{str(report.get('preset', '')).capitalize()}, from {views} photographs")
    draw_closed(column, report)
    priors = report.get("priors") if isinstance(report.get("priors"), dict) else {}
    took_part = [name for key, name in PRIORS.items() if priors.get(key)]
    draw_sentence(column, context, f"Guided by {', '.join(took_part) or 'photographs and masks alone'}")
    if isinstance(share := report.get("seen_share"), int | float):
        column.label(text=f"Photographs show {share:.0%} of it")


def draw_closed(column: bpy.types.UILayout, report: dict) -> None:
    """Whether a mesh is watertight."""
    if report.get("watertight"):
        column.label(text="Watertight", icon="CHECKMARK")
    else:
        holes = report.get("holes", 0)
        column.label(text=f"{len(holes) if isinstance(holes, list) else holes} holes", icon="INFO")


classes = (
    MAQUETTE_PT_head_surface,
    MAQUETTE_PT_head_surface_more,
    MAQUETTE_PT_bake_photographs,
    MAQUETTE_PT_bake_sdf,
    MAQUETTE_PT_baked_mesh,
)
