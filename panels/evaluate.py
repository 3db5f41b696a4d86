"""How good strands are, in numbers."""

import bpy

from ..addon.evaluation import LEVELS, SIDES
from ..addon.job_drawing import draw_sentence


class MAQUETTE_PT_evaluate(bpy.types.Panel):
    bl_label = "Evaluate"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, evaluation = self.layout, context.scene.maquette.evaluation
        for side in SIDES:
            column = layout.column(align=True)
            row = column.row(align=True)
            row.label(text=side.title())
            row.prop(evaluation, f"{side}_source", expand=True)
            source = side if getattr(evaluation, f"{side}_source") == "OBJECT" else f"{side}_file"
            column.prop(evaluation, source, text="")
        column = layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(evaluation, "points", text="Points")
        column.prop(evaluation, "seed")
        layout.operator("maquette.evaluate_strands", icon="VIEWZOOM")


class MAQUETTE_PT_scores(bpy.types.Panel):
    bl_label = "Scores"
    bl_parent_id = "MAQUETTE_PT_evaluate"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    @classmethod
    def poll(cls, context):
        return len(context.scene.maquette.evaluation.scores) > 0

    def draw(self, context):
        layout, evaluation = self.layout, context.scene.maquette.evaluation
        layout.label(text=evaluation.title)
        for sign in ("undirected", "signed"):
            box = layout.box().column(align=True)
            _row(box, sign.title(), "Prec.", "Recall", "F", active=False)
            for score in evaluation.scores:
                if score.sign == sign:
                    place = f"{score.millimetres:g} mm {score.degrees:g}°"
                    _row(box, place, *(f"{value:.1f}" for value in (score.precision, score.recall, score.f_score)))
        draw_sentence(layout, context, evaluation.sampling, "NONE")
        layout.operator("maquette.export_scores", icon="EXPORT")
        layout.label(text="Colour by error:")
        row = layout.row(align=True)
        for side in (*SIDES, "none"):
            row.operator("maquette.colour_errors", text=side.title()).side = side
        legend = layout.column(align=True)
        for (meaning, _), colour in zip(LEVELS, ("Green", "Yellow", "Orange", "Red"), strict=True):
            legend.label(text=f"{colour}: {meaning}")


def _row(layout, first: str, *cells: str, active: bool = True) -> None:
    row = layout.row()
    row.active = active
    rest = row.split(factor=0.4)
    rest.label(text=first)
    for number, cell in enumerate(cells):
        # Columns stand under each other because every row is split alike, whatever is written in it.
        rest = rest.split(factor=1 / (len(cells) - number)) if number < len(cells) - 1 else rest
        part = rest.row()
        part.alignment = "RIGHT"
        part.label(text=cell)


classes = (MAQUETTE_PT_evaluate, MAQUETTE_PT_scores)
