"""The list of jobs in the sidebar."""

import bpy

from ..addon import job_places, jobs
from ..addon.job_drawing import ICONS, draw_progress
from ..addon.job_record import State
from ..addon.preferences import wrapped

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
            _draw_sentence(layout, problem, context)
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
        row.operator("maquette.remove_job", text="", icon="TRASH").job = record.id
        if record.message:
            _draw_sentence(layout, record.message, context)
        for line in record.tail[-LINES_OF_LOG:]:
            row = layout.row()
            row.active = False
            row.label(text=line)
        if record.state is State.READY and record.held:
            layout.operator("maquette.bring_in_job", text="Bring In", icon="IMPORT").job = record.id
        elif record.state.resumable:
            layout.operator("maquette.resume_job", text="Resume", icon="PLAY").job = record.id
    for warning in record.warnings[-3:]:
        _draw_sentence(layout, warning, context, icon="INFO")


def _draw_sentence(layout, sentence: str, context, icon: str = "NONE") -> None:
    # About seven pixels a letter at a scale of one, whatever the sidebar's width is.
    width = context.region.width if context.region else 240
    letters = max(int(width / (7 * (context.preferences.system.ui_scale or 1.0))) - 4, 20)
    column = layout.column(align=True)
    for number, line in enumerate(wrapped(sentence, letters)):
        if icon == "NONE":
            column.label(text=line)
        else:
            column.label(text=line, icon=icon if number == 0 else "BLANK1")


classes = (MAQUETTE_PT_jobs,)
