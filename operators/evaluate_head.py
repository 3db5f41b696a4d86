"""Evaluate Head: a head against one that is true, as a table, as CSV and as colours."""

import bpy

from ..addon import head_evaluation, job_inputs, jobs
from ..backend.contract import EvaluateHead
from .evaluation_base import AsksForScores, ColoursErrors, ExportsScores


class _OfHeads:
    module, settings = head_evaluation, "head_evaluation"


class MAQUETTE_OT_evaluate_head(_OfHeads, AsksForScores, bpy.types.Operator):
    """Lay the prediction on the truth, and measure how far apart their surfaces are, both ways"""

    bl_idname = "maquette.evaluate_head"
    bl_label = "Evaluate Head"

    def act(self, context):
        settings = self.settings_in(context)
        names = head_evaluation.chosen_names(settings)
        with job_inputs.prepared(EvaluateHead.kind) as (job_id, folder):
            request = head_evaluation.write_inputs(context, folder)
        jobs.submit(
            request,
            title=f"{names['prediction']} against {names['truth']}",
            job_id=job_id,
            context_ids=names | {"scene": context.scene.name, "metres": settings.metres()},
        )


class MAQUETTE_OT_colour_head_errors(_OfHeads, ColoursErrors, bpy.types.Operator):
    """Show one of the heads, where it was measured, coloured by how far off it is"""

    bl_idname = "maquette.colour_head_errors"
    bl_label = "Colour Head Errors"

    side: bpy.props.EnumProperty(
        name="Side",
        description="Head to colour",
        items=[
            ("prediction", "Prediction", "How far the prediction is from the truth"),
            ("truth", "Truth", "How far the truth is from the prediction, which shows what is missing"),
            ("none", "None", "Remove the colours and show the heads again"),
        ],
    )


class MAQUETTE_OT_export_head_scores(_OfHeads, ExportsScores, bpy.types.Operator):
    """Write the table as comma-separated values"""

    bl_idname = "maquette.export_head_scores"
    bl_label = "Export Scores"


classes = (MAQUETTE_OT_evaluate_head, MAQUETTE_OT_colour_head_errors, MAQUETTE_OT_export_head_scores)
