"""How good a head is, in millimetres."""

import bpy

from ..addon import jobs, residual
from ..addon.head_evaluation import SIDES, shown_errors
from ..addon.job_drawing import draw_progress, draw_sentence
from .fit import draw_legend, draw_table

ROWS = {"prediction to truth": "To truth", "truth to prediction": "From truth"}
"""What the table's narrow column calls the directions."""


class _HeadPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


class MAQUETTE_PT_evaluate_head(_HeadPanel, bpy.types.Panel):
    bl_label = "Evaluate Head"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings, layout = context.scene.maquette.head_evaluation, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop(settings, "prediction")
        column.prop(settings, "truth")
        column.prop(settings, "align")
        row = column.row()
        row.active = settings.align != "none"
        row.prop(settings, "start", text="From")
        column.prop(settings, "unit")
        if settings.unit == "OTHER":
            column.prop(settings, "metres_per_unit")
        row = layout.row()
        row.scale_y = 1.4
        row.operator("maquette.evaluate_head", icon="PLAY")
        for record in jobs.all_jobs():
            if record.kind == "evaluate-head" and record.state.active:
                draw_progress(layout.box(), record)


class MAQUETTE_PT_evaluate_head_crop(_HeadPanel, bpy.types.Panel):
    bl_label = "What Counts"
    bl_parent_id = "MAQUETTE_PT_evaluate_head"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings, layout = context.scene.maquette.head_evaluation, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if settings.truth is not None:
            layout.prop_search(settings, "region", settings.truth, "vertex_groups")
        for name in ("plane", "within", "outside", "points", "seed"):
            layout.prop(settings, name)


class MAQUETTE_PT_head_scores(_HeadPanel, bpy.types.Panel):
    bl_label = "How Far Off"
    bl_parent_id = "MAQUETTE_PT_evaluate_head"

    @classmethod
    def poll(cls, context):
        return len(context.scene.maquette.head_evaluation.scores) > 0

    def draw(self, context):
        layout, settings = self.layout, context.scene.maquette.head_evaluation
        layout.label(text=settings.title)
        columns = {"mean": "mean", "median": "median", "95 %": "p95"}
        rows = {}
        for score in settings.scores:
            values = [getattr(score, column) if score.points else None for column in columns.values()]
            rows[ROWS.get(score.direction, score.direction)] = values
        draw_table(layout, {"title": "Millimetres, point to surface", "columns": list(columns), "rows": rows})
        draw_sentence(layout, context, settings.said)
        layout.operator("maquette.export_head_scores", icon="EXPORT")
        layout.label(text="Colour by error:")
        row = layout.row(align=True)
        for side in (*SIDES, "none"):
            row.operator("maquette.colour_head_errors", text=side.title()).side = side
        shown = shown_errors(context.scene)
        if shown is not None:
            limit = float((residual.report_of(shown) or {}).get("limit", 1.0))
            draw_legend(layout, limit, below="inside", above="outside")


classes = (MAQUETTE_PT_evaluate_head, MAQUETTE_PT_evaluate_head_crop, MAQUETTE_PT_head_scores)
