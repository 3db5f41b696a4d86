"""Evaluate Strands: a prediction against the truth, as a table, as CSV and as colours."""

import bpy

from ..addon import evaluation, job_inputs, jobs
from ..backend.contract import EvaluateStrands
from .evaluation_base import AsksForScores, ColoursErrors, ExportsScores


class _OfStrands:
    module, settings = evaluation, "evaluation"


class MAQUETTE_OT_evaluate_strands(_OfStrands, AsksForScores, bpy.types.Operator):
    """Precision, recall and F-score of the prediction's strands against the truth's, as they are after modifiers"""

    bl_idname = "maquette.evaluate_strands"
    bl_label = "Evaluate Strands"

    def act(self, context):
        settings = self.settings_in(context)
        names = evaluation.chosen_names(settings)
        with job_inputs.prepared(EvaluateStrands.kind) as (job_id, folder):
            paths = {side: evaluation.strands_file(context, side, folder) for side in evaluation.SIDES}
        jobs.submit(
            EvaluateStrands(**paths, points=settings.points, seed=settings.seed),
            title=f"{names['prediction']} against {names['truth']}",
            job_id=job_id,
            context_ids=names | {"scene": context.scene.name},
        )


class MAQUETTE_OT_colour_errors(_OfStrands, ColoursErrors, bpy.types.Operator):
    """Show the strands of one side coloured by their errors: green agrees, red is wrong or missing"""

    bl_idname = "maquette.colour_errors"
    bl_label = "Colour Errors"

    side: bpy.props.EnumProperty(
        name="Side",
        description="Strands to colour",
        items=[
            ("prediction", "Prediction", "Red is hair that is not in the truth"),
            ("truth", "Truth", "Red is hair that the prediction misses"),
            ("none", "None", "Remove the colours and show the hair again"),
        ],
    )


class MAQUETTE_OT_export_scores(_OfStrands, ExportsScores, bpy.types.Operator):
    """Write the table as comma-separated values"""

    bl_idname = "maquette.export_scores"
    bl_label = "Export Scores"


classes = (MAQUETTE_OT_evaluate_strands, MAQUETTE_OT_colour_errors, MAQUETTE_OT_export_scores)
