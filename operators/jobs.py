"""What an artist does with a job: stop it, resume it, bring its result in, read its log, remove it."""

import bpy

from ..addon import jobs
from ..addon.job_record import State
from ..addon.preferences import active_jobs
from ..backend.contract import SetUpBackend
from ..backend.errors import EnvironmentTrouble, MaquetteError


class JobOperator:
    """An operator on the job whose id is ``job``; the subclass's ``act`` may raise MaquetteError."""

    bl_options = {"REGISTER", "INTERNAL"}
    job: bpy.props.StringProperty(name="Job", description="Id of the job", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        try:
            self.act(context, jobs.get(self.job))
        except MaquetteError as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_cancel_job(JobOperator, bpy.types.Operator):
    """Stop the job at its next step; what it has done is kept, and it can be resumed"""

    bl_idname = "maquette.cancel_job"
    bl_label = "Cancel Job"

    def act(self, context, record):
        jobs.queue().cancel(record)


class MAQUETTE_OT_force_stop_job(JobOperator, bpy.types.Operator):
    """End the job's process now; work since its last checkpoint is lost"""

    bl_idname = "maquette.force_stop_job"
    bl_label = "Force Stop Job"

    def act(self, context, record):
        jobs.queue().force(record)


class MAQUETTE_OT_resume_job(JobOperator, bpy.types.Operator):
    """Go on with the job from its last checkpoint"""

    bl_idname = "maquette.resume_job"
    bl_label = "Resume Job"

    def act(self, context, record):
        if record.kind == SetUpBackend.kind:
            _check_set_up_may_run()
        jobs.resume(record)


def _check_set_up_may_run() -> None:
    """What the set-up's own operator asks before it begins. Raises EnvironmentTrouble."""
    if not bpy.app.online_access:
        raise EnvironmentTrouble(
            "Blender may not go online; turn on Preferences > System > Network > Allow Online Access, "
            "and resume the set-up"
        )
    if active_jobs():
        raise EnvironmentTrouble("Jobs are still running; wait for them, or stop them, and resume the set-up")
    jobs.release_backend()


class MAQUETTE_OT_bring_in_job(JobOperator, bpy.types.Operator):
    """Put the job's result into this scene"""

    bl_idname = "maquette.bring_in_job"
    bl_label = "Bring In Result"

    def act(self, context, record):
        jobs.bring_in(record)


class MAQUETTE_OT_show_job_log(JobOperator, bpy.types.Operator):
    """Open the job's log as a text"""

    bl_idname = "maquette.show_job_log"
    bl_label = "Show Job Log"

    def act(self, context, record):
        text = bpy.data.texts.get(f"{record.title} log") or bpy.data.texts.new(f"{record.title} log")
        text.clear()
        text.write(jobs.log_text(record))
        for area in context.screen.areas if context.screen else ():
            if area.type == "TEXT_EDITOR":
                area.spaces.active.text = text
                return
        if not bpy.app.background:
            bpy.ops.wm.window_new()
            area = context.window_manager.windows[-1].screen.areas[0]
            area.type = "TEXT_EDITOR"
            area.spaces.active.text = text
        self.report({"INFO"}, f"The log is the text “{text.name}”")


class MAQUETTE_OT_remove_job(JobOperator, bpy.types.Operator):
    """Remove the job from the list and delete its folder; what it brought into the scene stays"""

    bl_idname = "maquette.remove_job"
    bl_label = "Remove Job"

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def act(self, context, record):
        jobs.queue().remove(record)


class MAQUETTE_OT_clear_jobs(bpy.types.Operator):
    """Remove all jobs whose results are in the scene, with their folders"""

    bl_idname = "maquette.clear_jobs"
    bl_label = "Clear Finished Jobs"
    bl_options = {"REGISTER", "INTERNAL"}

    def execute(self, context):
        finished = [record for record in jobs.all_jobs() if record.state is State.DONE]
        for record in finished:
            jobs.queue().remove(record)
        self.report({"INFO"}, f"{len(finished)} finished jobs were removed")
        return {"FINISHED"}


classes = (
    MAQUETTE_OT_cancel_job,
    MAQUETTE_OT_force_stop_job,
    MAQUETTE_OT_resume_job,
    MAQUETTE_OT_bring_in_job,
    MAQUETTE_OT_show_job_log,
    MAQUETTE_OT_remove_job,
    MAQUETTE_OT_clear_jobs,
)
