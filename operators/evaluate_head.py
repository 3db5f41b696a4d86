"""Evaluate Head: a head against one that is true, as a table, as CSV and as colours."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from ..addon import head_evaluation, job_inputs, jobs
from ..backend.contract import EvaluateHead
from ..backend.errors import MaquetteError


class MAQUETTE_OT_evaluate_head(bpy.types.Operator):
    """Lay the prediction on the truth, and measure how far apart their surfaces are, both ways"""

    bl_idname = "maquette.evaluate_head"
    bl_label = "Evaluate Head"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        settings = context.scene.maquette.head_evaluation
        if settings.prediction is None or settings.truth is None:
            cls.poll_message_set("Choose a prediction and a truth first")
            return False
        return True

    def execute(self, context):
        settings = context.scene.maquette.head_evaluation
        names = {side: getattr(settings, side).name for side in head_evaluation.SIDES}
        try:
            with job_inputs.prepared(EvaluateHead.kind) as (job_id, folder):
                request = head_evaluation.write_inputs(context, folder)
            jobs.submit(
                request,
                title=f"{names['prediction']} against {names['truth']}",
                job_id=job_id,
                context_ids=names | {"scene": context.scene.name, "metres": settings.metres()},
            )
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_colour_head_errors(bpy.types.Operator):
    """Show one of the heads, where it was measured, coloured by how far off it is"""

    bl_idname = "maquette.colour_head_errors"
    bl_label = "Colour Head Errors"
    bl_options = {"REGISTER", "UNDO"}

    side: bpy.props.EnumProperty(
        name="Side",
        description="Head to colour",
        items=[
            ("prediction", "Prediction", "How far the prediction is from the truth"),
            ("truth", "Truth", "How far the truth is from the prediction, which shows what is missing"),
            ("none", "None", "Remove the colours and show the heads again"),
        ],
    )

    def execute(self, context):
        try:
            if self.side == "none":
                head_evaluation.clear_errors(context.scene)
            else:
                job = jobs.get(context.scene.maquette.head_evaluation.job)
                head_evaluation.colour_errors(context.scene, job, self.side)
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_export_head_scores(bpy.types.Operator, ExportHelper):
    """Write the table as comma-separated values"""

    bl_idname = "maquette.export_head_scores"
    bl_label = "Export Scores"
    bl_options = {"REGISTER"}

    filename_ext = ".csv"
    filter_glob: bpy.props.StringProperty(default="*.csv", options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        return len(context.scene.maquette.head_evaluation.scores) > 0

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        try:
            path.write_text(head_evaluation.csv_of(context.scene.maquette.head_evaluation), "utf-8")
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{path.name} cannot be written: {error.strerror or error}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {path.name}.")
        return {"FINISHED"}


classes = (MAQUETTE_OT_evaluate_head, MAQUETTE_OT_colour_head_errors, MAQUETTE_OT_export_head_scores)
