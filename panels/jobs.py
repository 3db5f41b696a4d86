"""The list of jobs in the sidebar."""

import bpy

from ..addon import job_handlers, job_places, jobs
from ..addon.job_drawing import ICONS, draw_progress, draw_sentence
from ..addon.job_record import State

MOST_SHOWN = 12
LINES_OF_LOG = 3


class MAQUETTE_PT_jobs(bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_jobs"
    bl_label = "Jobs"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"
    bl_order = 100

    def draw(self, context):
        layout = self.layout
        if problem := job_places.problem():
            draw_sentence(layout, context, problem)
            button = layout.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES")
            button.module = job_places.EXTENSION
        records = jobs.all_jobs()
        if not records:
            layout.label(text="No jobs yet")
        for record in records[:MOST_SHOWN]:
            draw_job(layout.box(), record, context)
        if len(records) > MOST_SHOWN:
            layout.label(text=f"and {len(records) - MOST_SHOWN} older ones")
        if any(record.state is State.DONE for record in records):
            layout.operator("maquette.clear_jobs", icon="TRASH")


def draw_job(layout, record, context) -> None:
    """One job: what it is, how far, and what can be done with it."""
    row = layout.row(align=True)
    row.label(text=record.title, icon=ICONS[record.state])
    row.operator("maquette.show_job_log", text="", icon="TEXT").job = record.id
    if record.state.active:
        draw_progress(layout, record)
    else:
        if record.state is State.DONE and record.kind in job_handlers.results.keys() - job_handlers.sceneless:
            row.operator("maquette.bring_in_job", text="", icon="IMPORT").job = record.id
        row.operator("maquette.remove_job", text="", icon="TRASH").job = record.id
        if record.message:
            draw_sentence(layout, context, record.message)
        for line in record.tail[-LINES_OF_LOG:]:
            row = layout.row()
            row.active = False
            row.label(text=line)
        if record.state is State.READY and record.held:
            layout.operator("maquette.bring_in_job", text="Bring In", icon="IMPORT").job = record.id
        elif record.state.resumable:
            layout.operator("maquette.resume_job", text="Resume", icon="PLAY").job = record.id
    for warning in record.warnings[-3:]:
        draw_sentence(layout, context, warning, icon="INFO")


classes = (MAQUETTE_PT_jobs,)
