"""Add FLAME Head, its coefficients from and to files, and its sliders."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..addon import flame_arkit, flame_pose
from ..addon.flame_rig import BUILT_IN, IDENTITY_KEYS, add_flame_head, current_rig
from ..backend.errors import MaquetteError
from ..backend.formats.coefficients import SUFFIXES, read_coefficients, write_coefficients
from ..backend.formats.flame_files import read_flame_model
from ..backend.formats.head import BUILT_IN_HEAD
from .head import InObjectMode

COEFFICIENT_FILES = ";".join(f"*{suffix}" for suffix in SUFFIXES)


class NeedsRig:
    """Of operators that act on the FLAME head that is active, or the scene's head."""

    @classmethod
    def poll(cls, context):
        if context.mode not in ("OBJECT", "POSE"):
            cls.poll_message_set("Go to Object Mode or Pose Mode first.")
            return False
        if current_rig(context) is None:
            cls.poll_message_set("Add a FLAME head, or select one.")
            return False
        return True


class _AddsFlameHead(InObjectMode):
    """What both have: how many sliders."""

    bl_options = {"REGISTER", "UNDO"}

    identity_keys: bpy.props.IntProperty(
        name="Identity Sliders",
        description="How many modes of identity become shape keys, the strongest first",
        default=IDENTITY_KEYS, min=0, soft_max=100, max=300,
    )  # fmt: skip
    expression_keys: bpy.props.IntProperty(
        name="Expression Sliders",
        description="How many modes of expression become shape keys; a file may have fewer",
        default=100, min=0, max=300,
    )  # fmt: skip

    def add(self, context, path: Path, file: str, name: str | None = None):
        """Read a model and add its head; ``file`` is what the head remembers of where it came from."""
        try:
            model = read_flame_model(path, warn=lambda said: self.report({"WARNING"}, said))
            rig = add_flame_head(
                context,
                model,
                identity_keys=self.identity_keys,
                expression_keys=self.expression_keys,
                name=name,
                file=file,
            )
            flame_arkit.set_table(rig, flame_arkit.table_for(model, path))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        ours = context.scene.maquette
        if ours.head is None or ours.head.name not in context.scene.objects:
            ours.head = rig.mesh
        if not rig.expression:
            self.report({"WARNING"}, f"{model.name} has no expressions; only identity and pose can be set.")
        return {"FINISHED"}


class MAQUETTE_OT_add_built_in_flame_head(_AddsFlameHead, bpy.types.Operator):
    """Add the built-in head with sliders for identity, expression and ARKit's shapes, and bones to pose"""

    bl_idname = "maquette.add_built_in_flame_head"
    bl_label = "Add Built-in Head"

    def execute(self, context):
        return self.add(context, BUILT_IN_HEAD, BUILT_IN, name="Head")


class MAQUETTE_OT_add_flame_head(_AddsFlameHead, bpy.types.Operator, ImportHelper):
    """Add an animatable head from a FLAME model file, with sliders for identity and expression and bones to pose"""

    bl_idname = "maquette.add_flame_head"
    bl_label = "Add FLAME Head"

    filter_glob: bpy.props.StringProperty(default="*.pkl;*.pickle;*.npz", options={"HIDDEN"})

    def execute(self, context):
        return self.add(context, Path(bpy.path.abspath(self.filepath)), self.filepath)


class MAQUETTE_OT_apply_coefficients(NeedsRig, bpy.types.Operator, ImportHelper):
    """Set the head's sliders and bones from a coefficient file that was made for its model"""

    bl_idname = "maquette.apply_coefficients"
    bl_label = "Apply Coefficients"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default=COEFFICIENT_FILES, options={"HIDDEN"})

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        try:
            left_out = flame_pose.apply_coefficients(current_rig(context), read_coefficients(path))
            flame_arkit.release_sliders(current_rig(context))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if left_out:
            self.report({"WARNING"}, f"Left out: {'; '.join(left_out)}. Add the head with more sliders to have them.")
        return {"FINISHED"}


class MAQUETTE_OT_save_coefficients(NeedsRig, bpy.types.Operator, ExportHelper):
    """Write what the head shows now as coefficients of its model"""

    bl_idname = "maquette.save_coefficients"
    bl_label = "Save Coefficients"
    bl_options = {"REGISTER"}

    format: bpy.props.EnumProperty(
        name="Format", description="Kind of file", items=[(suffix, suffix, "") for suffix in SUFFIXES]
    )
    filter_glob: bpy.props.StringProperty(default=COEFFICIENT_FILES, options={"HIDDEN"})

    @property
    def filename_ext(self):
        return self.format

    def draw(self, context):
        self.layout.prop(self, "format")

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in SUFFIXES:
            path = path.with_name(path.name + self.format)
        try:
            write_coefficients(path, flame_pose.read_coefficients_of(context, current_rig(context)))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{path} cannot be written: {error.strerror or error}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {path.name}.")
        return {"FINISHED"}


GROUPS = [
    ("identity", "Identity", "Who it is"),
    ("expression", "Expression", "What the face does"),
    ("pose", "Pose", "How neck, jaw and eyes are turned"),
]


class MAQUETTE_OT_reset_head(NeedsRig, bpy.types.Operator):
    """Set the sliders of a group back to zero"""

    bl_idname = "maquette.reset_head"
    bl_label = "Reset"
    bl_options = {"REGISTER", "UNDO"}

    group: bpy.props.EnumProperty(items=GROUPS, options={"SKIP_SAVE"})

    def execute(self, context):
        try:
            flame_pose.reset(current_rig(context), self.group)
            if self.group != "identity":
                flame_arkit.release_sliders(current_rig(context))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_randomise_head(NeedsRig, bpy.types.Operator):
    """Give the sliders of a group random values; the same seed gives the same head"""

    bl_idname = "maquette.randomise_head"
    bl_label = "Randomise"
    bl_options = {"REGISTER", "UNDO"}

    group: bpy.props.EnumProperty(items=GROUPS[:2], options={"SKIP_SAVE"})
    seed: bpy.props.IntProperty(name="Seed", description="Another seed, another head", default=0, min=0)
    amount: bpy.props.FloatProperty(
        name="Amount", description="Standard deviation of the sliders", default=1.0, min=0.0, soft_max=2.0, max=5.0
    )

    def invoke(self, context, event):
        self.seed = context.scene.maquette.flame.seed
        context.scene.maquette.flame.seed += 1  # the next click gives another head
        return self.execute(context)

    def execute(self, context):
        try:
            flame_pose.randomise(current_rig(context), self.group, self.seed, self.amount)
            if self.group != "identity":
                flame_arkit.release_sliders(current_rig(context))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


classes = (
    MAQUETTE_OT_add_built_in_flame_head,
    MAQUETTE_OT_add_flame_head,
    MAQUETTE_OT_apply_coefficients,
    MAQUETTE_OT_save_coefficients,
    MAQUETTE_OT_reset_head,
    MAQUETTE_OT_randomise_head,
)
