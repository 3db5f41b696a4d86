"""Detail: a scan registered, its displacement map, and heads that wear it, step by step."""

import bpy

from ..addon import detail_heads, detail_layouts, detail_maps, jobs, residual
from ..addon.detail_results import KINDS
from ..addon.job_drawing import draw_progress, draw_sentence
from .fit import draw_legend, draw_scan, draw_table

BYTES_A_VERTEX = 12
DENSE_VERTICES = 96_293
"""Of the built-in head; FLAME's dense head has 79,936."""


class _DetailPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    def columns(self) -> bpy.types.UILayout:
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        return self.layout.column()


def _draw_button(column, name: str, icon: str = "PLAY") -> None:
    row = column.row()
    row.scale_y = 1.4
    row.operator(name, icon=icon)


def _draw_head(column, context) -> None:
    """Which head a map goes on."""
    detail = context.scene.maquette.detail
    column.prop(detail, "head")
    rig = detail_heads.head_of(context)
    if rig is not None and rig.mesh != detail.head:
        column.label(text=f"{rig.mesh.name}, as none is chosen", icon="OBJECT_DATA")


class _Step(_DetailPanel):
    bl_parent_id = "MAQUETTE_PT_detail"


class MAQUETTE_PT_detail(_DetailPanel, bpy.types.Panel):
    bl_label = "Detail"

    def draw(self, context):
        running = [record for record in jobs.all_jobs() if record.kind in KINDS and record.state.active]
        for record in running:
            draw_progress(self.layout.box(), record)
        parts = detail_heads.parts(context)
        if not parts:
            if running:
                return
            draw_sentence(self.layout, context, "Register a scan, or open a map further below.", icon="INFO")
            return
        shown = next((thing for thing in parts.values() if thing.visible_get()), None) or next(iter(parts.values()))
        self.layout.label(text=shown.name, icon="MESH_DATA")
        row = self.layout.row(align=True)
        for part in ("detail", "moving", "head", "scan"):
            thing = parts.get(part)
            cell = row.row(align=True)
            cell.enabled = thing is not None
            shown = thing is not None and thing.visible_get()
            button = cell.operator(
                "maquette.show_detail_part", text=part.capitalize(), icon="HIDE_OFF" if shown else "HIDE_ON",
                depress=shown,
            )  # fmt: skip
            button.part = part


class MAQUETTE_PT_detail_register(_Step, bpy.types.Panel):
    bl_label = "1. Register a Scan"

    def draw(self, context):
        ours, column = context.scene.maquette, self.columns()
        column.row().prop(ours.fit, "model", expand=True)
        if ours.fit.model == "FILE":
            column.prop(ours.fit, "model_file")
        draw_scan(column, context)
        column.prop(ours.detail, "preset")
        column.prop(ours.detail, "partial")
        column.prop(ours.detail, "smooth")
        _draw_button(column, "maquette.register_scan")


class MAQUETTE_PT_detail_result(_Step, bpy.types.Panel):
    bl_label = "How Well It Lies"

    @classmethod
    def poll(cls, context):
        thing = detail_heads.detail_object(context)
        return thing is not None and residual.report_of(thing) is not None

    def draw(self, context):
        thing, layout = detail_heads.detail_object(context), self.layout
        report = residual.report_of(thing)
        if "residual" in residual.layers_of(thing):
            shown = residual.shown_layer(thing) == "residual"
            layout.operator("maquette.show_detail_residual", icon="COLOR", depress=shown)
            draw_legend(layout, float(report.get("limit", 1.0)))
        draw_table(layout, report)
        for sentence in report.get("sentences", ()):
            draw_sentence(layout, context, sentence)


class MAQUETTE_PT_detail_bake(_Step, bpy.types.Panel):
    bl_label = "2. Bake a Map"

    def draw(self, context):
        detail, column = context.scene.maquette.detail, self.columns()
        column.prop(detail, "mesh")
        thing = detail_heads.detail_object(context)
        if thing is not None and thing != detail.mesh:
            column.label(text=f"{thing.name}, which is selected", icon="OBJECT_DATA")
        for name in ("size", "frame", "format", "layout"):
            column.prop(detail, name)
        _draw_button(column, "maquette.bake_detail", "RENDER_STILL")


class MAQUETTE_PT_detail_seam(_Step, bpy.types.Panel):
    bl_label = "My Seam"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        column = self.columns()
        sentence = "Mark edges around the face of the plain head as seams in Edit Mode, and maps are laid out by them."
        draw_sentence(column, context, sentence)
        _draw_head(column, context)
        row = column.row(align=True)
        row.operator("maquette.show_seam", icon="UV_DATA")
        row.operator("maquette.make_layout", icon="MOD_UVPROJECT")
        rig = detail_heads.head_of(context)
        if rig is not None and detail_layouts.has_layout(rig.mesh):
            column.label(text=f"{rig.mesh.name} has a layout of your own", icon="CHECKMARK")


class MAQUETTE_PT_detail_map(_Step, bpy.types.Panel):
    bl_label = "3. Put It on a Head"

    def draw(self, context):
        detail, column = context.scene.maquette.detail, self.columns()
        row = column.row(align=True)
        row.prop(detail, "map")
        row.operator("maquette.open_displacement", text="", icon="FILE_FOLDER")
        row.operator("maquette.save_displacement", text="", icon="EXPORT")
        image = detail_heads.map_of(context)
        if image is not None:
            for sentence in detail_maps.in_words(image):
                draw_sentence(column, context, sentence)
            column.operator("maquette.repair_seam", icon="BRUSH_DATA")
        _draw_head(column, context)
        _draw_button(column, "maquette.apply_detail", "MOD_DISPLACE")


class MAQUETTE_PT_detail_animate(_Step, bpy.types.Panel):
    bl_label = "4. Animate It"

    def draw(self, context):
        detail, scene, column = context.scene.maquette.detail, context.scene, self.columns()
        column.row().prop(detail, "way", expand=True)
        if detail.way == "exact":
            rows = column.column(align=True)
            rows.prop(scene, "frame_start", text="Frame Start")
            rows.prop(scene, "frame_end", text="End")
            frames = max(scene.frame_end - scene.frame_start + 1, 0)
            megabytes = frames * DENSE_VERTICES * BYTES_A_VERTEX / 1e6
            size = f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"
            column.label(text=f"{frames:,} frames, about {size}")
            if not bpy.data.filepath:
                draw_sentence(column, context, "Save the file first, and the frames are kept beside it.", icon="INFO")
        else:
            draw_sentence(column, context, "The head's sliders, bones and keyframes move it.")
        _draw_button(column, "maquette.animate_detail", "ANIM")
        if "moving" in detail_heads.parts(context):
            column.operator("maquette.hair_to_detail", icon="OUTLINER_OB_CURVES")


class MAQUETTE_PT_detail_transfer(_Step, bpy.types.Panel):
    bl_label = "Another's Hair"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        detail, column = context.scene.maquette.detail, self.columns()
        column.prop(detail, "hair_map")
        column.prop(detail, "face_map")
        _draw_head(column, context)
        _draw_button(column, "maquette.transfer_detail", "FORWARD")


classes = (
    MAQUETTE_PT_detail,
    MAQUETTE_PT_detail_register,
    MAQUETTE_PT_detail_result,
    MAQUETTE_PT_detail_bake,
    MAQUETTE_PT_detail_seam,
    MAQUETTE_PT_detail_map,
    MAQUETTE_PT_detail_animate,
    MAQUETTE_PT_detail_transfer,
)
