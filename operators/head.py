"""Add Head: the built-in head, or one from a file."""

from pathlib import Path

import bpy

from ..addon.heads import add_head
from ..backend.errors import MaquetteError
from ..backend.formats.head import BUILT_IN_HEAD, read_head


class MAQUETTE_OT_add_head(bpy.types.Operator):
    bl_idname = "maquette.add_head"
    bl_label = "Add Head"
    bl_description = "Add the built-in head, with its UVs, its regions as vertex groups, and its landmarks"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(
        name="Head File",
        description="Head model or mesh to add, in metres with Z up; empty for the built-in head",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        return context.mode == "OBJECT"

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath)) if self.filepath else BUILT_IN_HEAD
        try:
            head = read_head(path)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        added = add_head(context, head, name="Head" if path == BUILT_IN_HEAD else path.stem)
        ours = context.scene.maquette
        if ours.head is None or ours.head.name not in context.scene.objects:
            ours.head = added  # what an artist adds first is what hair is to grow on
        return {"FINISHED"}


classes = (MAQUETTE_OT_add_head,)
