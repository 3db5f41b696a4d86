"""Evaluate Strands: a prediction against the truth, as a table, as CSV and as colours."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from ..addon import evaluation, job_inputs, jobs
from ..backend.contract import EvaluateStrands
from ..backend.errors import MaquetteError


class MAQUETTE_OT_evaluate_strands(bpy.types.Operator):
    """Precision, recall and F-score of the prediction's strands against the truth's, as they are after modifiers"""

    bl_idname = "maquette.evaluate_strands"
    bl_label = "Evaluate Strands"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        chosen = [evaluation.chosen_name(context.scene.maquette.evaluation, side) for side in evaluation.SIDES]
        if not all(chosen):
            cls.poll_message_set("Choose a prediction and a truth first.")
        return all(chosen)

    def execute(self, context):
        settings = context.scene.maquette.evaluation
        names = {side: evaluation.chosen_name(settings, side) for side in evaluation.SIDES}
        try:
            with job_inputs.prepared(EvaluateStrands.kind) as (job_id, folder):
                paths = {side: evaluation.strands_file(context, side, folder) for side in evaluation.SIDES}
            jobs.submit(
                EvaluateStrands(**paths, points=settings.points, seed=settings.seed),
                title=f"{names['prediction']} against {names['truth']}",
                job_id=job_id,
                context_ids=names | {"scene": context.scene.name},
            )
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_colour_errors(bpy.types.Operator):
    """Show the strands of one side coloured by their errors: green agrees, red is wrong or missing"""

    bl_idname = "maquette.colour_errors"
    bl_label = "Colour Errors"
    bl_options = {"REGISTER", "UNDO"}

    side: bpy.props.EnumProperty(
        name="Side",
        description="Strands to colour",
        items=[
            ("prediction", "Prediction", "Red is hair that is not in the truth"),
            ("truth", "Truth", "Red is hair that the prediction misses"),
            ("none", "None", "Remove the colours and show the hair again"),
        ],
    )

    def execute(self, context):
        try:
            if self.side == "none":
                evaluation.clear_errors(context.scene)
            else:
                job = jobs.get(context.scene.maquette.evaluation.job)
                evaluation.colour_errors(context.scene, job, self.side)
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_export_scores(bpy.types.Operator, ExportHelper):
    """Write the table as comma-separated values"""

    bl_idname = "maquette.export_scores"
    bl_label = "Export Scores"
    bl_options = {"REGISTER"}

    filename_ext = ".csv"
    filter_glob: bpy.props.StringProperty(default="*.csv", options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        return len(context.scene.maquette.evaluation.scores) > 0

    def execute(self, context):
        columns = ("sign", "millimetres", "degrees", "precision", "recall", "f_score")
        lines = [",".join(columns)]
        for score in context.scene.maquette.evaluation.scores:
            values = [score.sign, f"{score.millimetres:g}", f"{score.degrees:g}"]
            values += [f"{getattr(score, column):.4f}" for column in columns[3:]]
            lines.append(",".join(values))
        path = Path(bpy.path.abspath(self.filepath))
        try:
            path.write_text("\n".join([*lines, ""]), "utf-8")
        except OSError as error:
            self.report({"ERROR"}, f"{path.name} cannot be written: {error.strerror or error}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {path.name}.")
        return {"FINISHED"}


classes = (MAQUETTE_OT_evaluate_strands, MAQUETTE_OT_colour_errors, MAQUETTE_OT_export_scores)
