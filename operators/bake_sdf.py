"""Bake SDF: a saved distance field becomes a mesh in the scene."""

from pathlib import Path

import bpy

from ..addon import jobs
from ..backend.errors import MaquetteError


class MAQUETTE_OT_bake_sdf(bpy.types.Operator):
    """Make a closed mesh of a saved distance field, in the field's own place"""

    bl_idname = "maquette.bake_sdf"
    bl_label = "Bake SDF"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not context.scene.maquette.sdf.field:
            cls.poll_message_set("Choose the saved field to bake")
            return False
        return True

    def execute(self, context):
        try:
            request = context.scene.maquette.sdf.request()
            name = Path(request.field).stem
            jobs.submit(request, title=f"Mesh of {name}", context_ids={"name": name})
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        return {"FINISHED"}


classes = (MAQUETTE_OT_bake_sdf,)
