"""Setting the backend up, checking it, removing it."""

import bpy

from ..addon import backend_check, job_places
from ..addon.preferences import active_jobs
from ..backend.errors import MaquetteError


class MAQUETTE_OT_set_up_backend(bpy.types.Operator):
    """Make, or make anew, the Python environment that Maquette computes in. Downloads PyTorch and other packages"""

    bl_idname = "maquette.set_up_backend"
    bl_label = "Set Up the Backend"
    bl_options = {"REGISTER", "INTERNAL"}

    def execute(self, context):
        if not bpy.app.online_access:
            self.report(
                {"ERROR"},
                "Blender may not go online; turn on Preferences > System > Network > Allow Online Access, "
                "and set up the backend again",
            )
            return {"CANCELLED"}
        if active_jobs():
            self.report({"ERROR"}, "Jobs are still running; wait for them, or stop them, and set up the backend again")
            return {"CANCELLED"}
        return _try(self, backend_check.set_up)


class MAQUETTE_OT_check_backend(bpy.types.Operator):
    """See which PyTorch the backend has, and what it computes on"""

    bl_idname = "maquette.check_backend"
    bl_label = "Check the Backend"
    bl_options = {"REGISTER", "INTERNAL"}

    def execute(self, context):
        return _try(self, backend_check.check)


class MAQUETTE_OT_remove_backend(bpy.types.Operator):
    """Delete the Python environment that Maquette computes in; it can be set up again"""

    bl_idname = "maquette.remove_backend"
    bl_label = "Remove the Backend"
    bl_options = {"REGISTER", "INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not job_places.backend().exists:
            cls.poll_message_set("There is no backend to remove")
            return False
        return True

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        if active_jobs():
            self.report({"ERROR"}, "Jobs are still running; wait for them, or stop them, and remove the backend then")
            return {"CANCELLED"}
        return _try(self, backend_check.remove)


def _try(operator, act) -> set[str]:
    try:
        act()
    except MaquetteError as trouble:
        operator.report({"ERROR"}, str(trouble))
        return {"CANCELLED"}
    return {"FINISHED"}


classes = (MAQUETTE_OT_set_up_backend, MAQUETTE_OT_check_backend, MAQUETTE_OT_remove_backend)
