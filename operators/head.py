"""Add Head: the built-in head; Open Head: one from a file."""

from pathlib import Path

import bpy

from ..addon.head_files import add_head_file
from ..addon.heads import add_head
from ..addon.settings import property_of
from ..backend.contract import AlignHead
from ..backend.errors import MaquetteError
from ..backend.formats.head import BUILT_IN_HEAD, read_head


class InObjectMode:
    """Of operators that work in Object Mode only; ``elsewhere`` says so in any other."""

    elsewhere = "Go to Object Mode first"

    @classmethod
    def poll(cls, context):
        if context.mode != "OBJECT":
            cls.poll_message_set(cls.elsewhere)
            return False
        return True


class _AddsHead(InObjectMode):
    """What both have: the file, and how it is to be read."""

    filepath: bpy.props.StringProperty(
        name="Head File",
        description="Head model or mesh to add; empty for the built-in head",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    unit: property_of(AlignHead, "unit")
    up: property_of(AlignHead, "up")

    def execute(self, context):
        try:
            if self.filepath:
                added = add_head_file(context, Path(bpy.path.abspath(self.filepath)), self.unit, self.up)
            else:
                added = add_head(context, read_head(BUILT_IN_HEAD), name="Head")
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        ours = context.scene.maquette
        if ours.head is None or ours.head.name not in context.scene.objects:
            ours.head = added  # what an artist adds first is what hair is to grow on
        return {"FINISHED"}


class MAQUETTE_OT_add_head(_AddsHead, bpy.types.Operator):
    bl_idname = "maquette.add_head"
    bl_label = "Add Head"
    bl_description = "Add the built-in head, with its UVs, its regions as vertex groups, and its landmarks"
    bl_options = {"REGISTER", "UNDO"}


class MAQUETTE_OT_open_head(_AddsHead, bpy.types.Operator):
    bl_idname = "maquette.open_head"
    bl_label = "Open Head"
    bl_description = "Add a head of your own from a file: a head model (.npz), or a mesh (.obj, .ply, .stl, .glb)"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default="*.npz;*.obj;*.ply;*.stl;*.glb;*.gltf", options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


classes = (MAQUETTE_OT_add_head, MAQUETTE_OT_open_head)
