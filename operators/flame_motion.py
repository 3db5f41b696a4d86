"""Keyframe Face: a tracker's or ARKit's recording onto a FLAME head; and the ARKit table that the latter needs."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..addon import flame_arkit, jobs
from ..addon.flame_animation import keyframe, sampled
from ..addon.flame_export import SUFFIXES as EXPORT_SUFFIXES
from ..addon.flame_export import export_animation
from ..addon.flame_rig import BUILT_IN, current_rig
from ..backend.contract import FitArkit
from ..backend.errors import MaquetteError
from ..backend.formats.arkit import NAMES, read_table
from ..backend.formats.arkit_csv import read_arkit_csv
from ..backend.formats.arkit_motion import carried_over
from ..backend.formats.face_motion import write_face_motion
from ..backend.formats.face_motion_frames import SUFFIXES, read_motion
from .flame import NeedsRig


class MAQUETTE_OT_keyframe_face(NeedsRig, bpy.types.Operator, ImportHelper):
    """Keyframe a recorded face: a FLAME tracker's file, or any of its files where it wrote one a frame; or a .csv of
    Live Link Face or other ARKit weights"""

    bl_idname = "maquette.keyframe_face"
    bl_label = "Keyframe Face"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{suffix}" for suffix in (*SUFFIXES, ".csv")), options={"HIDDEN"}
    )
    tracked_with: bpy.props.EnumProperty(
        name="Tracked With",
        description="Trackers' files name no model, and the same numbers are another face on another model",
        items=[
            ("SAME", "This Head's Model", "Take everything"),
            ("OTHER", "Another FLAME", "Take the turns of head, neck, jaw and eyes, and expressions by way of ARKit's"),
        ],
    )
    other_table: bpy.props.StringProperty(
        name="Its ARKit Table",
        description="ARKit table (.npz) of the model that it was tracked with, to carry expressions over; without one "
        "they are left out",
        subtype="FILE_PATH",
    )
    start: bpy.props.IntProperty(name="Start Frame", description="Frame of the recording's beginning", default=1)
    fps: bpy.props.FloatProperty(
        name="Frame Rate",
        description="Frames a second of the recording, where the file tells none; the keys are at the scene's rate",
        default=25.0, min=1.0, soft_max=120.0, max=1000.0,
    )  # fmt: skip

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.prop(self, "tracked_with")
        if self.tracked_with == "OTHER":
            self.layout.prop(self, "other_table")
        self.layout.prop(self, "start")
        self.layout.prop(self, "fps")

    def execute(self, context):
        rig, path = current_rig(context), Path(bpy.path.abspath(self.filepath))
        same, left_out = self.tracked_with == "SAME", []
        try:
            if path.suffix.lower() == ".csv":
                recording, table = read_arkit_csv(path, self.fps), flame_arkit.table_of(rig)
                missing = recording.recorded & recording.weights.any(axis=0) & ~table.supported
                left_out += [f"{missing.sum()} ARKit weights that the model cannot show"] if missing.any() else []
                motion, same = recording.motion(table, rig.joints), True
            else:
                motion = read_motion(path, self.fps)
                same = motion.model_hash == rig.model_hash if motion.model_hash else same
                if not same and self.other_table:
                    theirs = read_table(Path(bpy.path.abspath(self.other_table)))
                    motion, same = carried_over(motion, theirs, flame_arkit.table_of(rig)), True
                    left_out.append("identity, which means another person on another model")
            keyed = keyframe(context, rig, motion, start=self.start, same_model=same)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        left_out += keyed.left_out
        said = f"{path.name}: {keyed.frames:,} frames on {keyed.channels} channels"
        self.report(
            {"WARNING" if left_out else "INFO"}, f"{said}; left out: {'; '.join(left_out)}." if left_out else f"{said}."
        )
        return {"FINISHED"}


class MAQUETTE_OT_save_face_motion(NeedsRig, bpy.types.Operator, ExportHelper):
    """Write what the head shows in the scene's frames as a sequence of its model's coefficients"""

    bl_idname = "maquette.save_face_motion"
    bl_label = "Save Face Motion"
    bl_options = {"REGISTER"}

    filename_ext = ".npz"
    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})

    def execute(self, context):
        scene, path = context.scene, Path(bpy.path.abspath(self.filepath)).with_suffix(".npz")
        try:
            motion = sampled(context, current_rig(context), scene.frame_start, scene.frame_end)
            write_face_motion(path, motion)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{path} cannot be written: {error.strerror or error}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {len(motion.times):,} frames as {path.name}.")
        return {"FINISHED"}


class MAQUETTE_OT_export_face_animation(NeedsRig, bpy.types.Operator, ExportHelper):
    """Export the posed head frame by frame, with the hair on it, for other programs"""

    bl_idname = "maquette.export_face_animation"
    bl_label = "Export Animation"
    bl_options = {"REGISTER"}

    filename_ext = ".abc"
    format: bpy.props.EnumProperty(
        name="Format",
        description="Kind of file",
        items=[(".abc", "Alembic", "Points of every frame (.abc)"), (".usdc", "USD", "Points of every frame (.usdc)")],
    )
    first: bpy.props.IntProperty(name="Start Frame", description="First frame of the file", default=1)
    last: bpy.props.IntProperty(name="End Frame", description="Last frame of the file", default=250)
    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{suffix}" for suffix in EXPORT_SUFFIXES), options={"HIDDEN"}
    )

    def invoke(self, context, event):
        self.first, self.last = context.scene.frame_start, context.scene.frame_end
        return super().invoke(context, event)

    def check(self, context):
        path = Path(self.filepath)
        if path.suffix.lower() in EXPORT_SUFFIXES and path.suffix != self.format:
            self.filepath = str(path.with_suffix(self.format))
            return True
        return False

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.prop(self, "format")
        self.layout.prop(self, "first")
        self.layout.prop(self, "last")

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in EXPORT_SUFFIXES:
            path = path.with_name(path.name + self.format)
        try:
            hidden = export_animation(context, current_rig(context), path, self.first, self.last)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        said = f"Saved {self.last - self.first + 1:,} frames as {path.name}"
        self.report(
            {"WARNING" if hidden else "INFO"}, f"{said}; hidden: {', '.join(hidden)}." if hidden else f"{said}."
        )
        return {"FINISHED"}


class MAQUETTE_OT_fit_arkit_table(NeedsRig, bpy.types.Operator):
    """Find what ARKit's 52 shapes are on the head's model, by laying the built-in head on it"""

    bl_idname = "maquette.fit_arkit_table"
    bl_label = "Fit ARKit Table"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        rig = current_rig(context)
        trouble = ""
        if rig.file == BUILT_IN:
            trouble = "The built-in head has its own table"
        elif not rig.expression_modes:
            trouble = f"{rig.model} has no expressions to fit"
        elif not rig.file:
            trouble = "The head does not know its model's file; add it from the file again"
        if trouble:
            cls.poll_message_set(trouble)
        return not trouble

    def execute(self, context):
        rig = current_rig(context)
        path = bpy.path.abspath(rig.file)
        try:
            jobs.submit(FitArkit(model=path), title=f"ARKit on {rig.model}", context_ids={"mesh": rig.mesh.name})
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_load_arkit_table(NeedsRig, bpy.types.Operator, ImportHelper):
    """Load what ARKit's 52 shapes are on the head's model, as fitted for it"""

    bl_idname = "maquette.load_arkit_table"
    bl_label = "Load ARKit Table"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})

    def execute(self, context):
        try:
            table = read_table(Path(bpy.path.abspath(self.filepath)))
            flame_arkit.set_table(current_rig(context), table)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"The head shows {table.supported.sum()} of ARKit's {len(NAMES)} shapes.")
        return {"FINISHED"}


classes = (
    MAQUETTE_OT_keyframe_face,
    MAQUETTE_OT_save_face_motion,
    MAQUETTE_OT_export_face_animation,
    MAQUETTE_OT_fit_arkit_table,
    MAQUETTE_OT_load_arkit_table,
)
