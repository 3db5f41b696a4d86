"""What Evaluate Strands and Evaluate Head share: asking for the job, colours of errors, and the table as a file."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from ..addon import jobs
from ..backend.errors import MaquetteError


class Evaluates:
    """Of operators of an evaluation; ``settings`` names its settings in ``scene.maquette``, ``module`` is its addon
    module, and ``act`` does what is asked."""

    bl_options = {"REGISTER"}

    @classmethod
    def settings_in(cls, context) -> bpy.types.PropertyGroup:
        return getattr(context.scene.maquette, cls.settings)

    def execute(self, context):
        try:
            self.act(context)
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        return {"FINISHED"}


class AsksForScores(Evaluates):
    """Asks for the job that measures; ``without_sides`` is what to say while a side is not chosen."""

    without_sides = "Choose a prediction and a truth first"

    @classmethod
    def poll(cls, context):
        chosen = cls.module.chosen_names(cls.settings_in(context))
        if not all(chosen.values()):
            cls.poll_message_set(cls.without_sides)
        return all(chosen.values())


class ColoursErrors(Evaluates):
    """Colours one ``side`` by its errors, or removes the colours."""

    bl_options = {"REGISTER", "UNDO"}

    def act(self, context):
        if self.side == "none":
            self.module.clear_errors(context.scene)
        else:
            self.module.colour_errors(context.scene, jobs.get(self.settings_in(context).job), self.side)


class ExportsScores(Evaluates, ExportHelper):
    """Writes the table."""

    filename_ext = ".csv"
    filter_glob: bpy.props.StringProperty(default="*.csv", options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        if not len(cls.settings_in(context).scores):
            cls.poll_message_set("Evaluate first; there is no table to write yet")
            return False
        return True

    def act(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        try:
            path.write_text(self.module.csv_of(self.settings_in(context)), "utf-8")
        except OSError as error:
            raise MaquetteError(f"{path.name} cannot be written: {error.strerror or error}.") from error
        self.report({"INFO"}, f"Wrote {path.name}.")
