"""How a job looks in a panel."""

import textwrap

from ..backend.protocol import in_words
from .job_record import JobRecord, State

ICONS = {
    State.QUEUED: "SORTTIME",
    State.RUNNING: "PLAY",
    State.STOPPING: "PAUSE",
    State.READY: "IMPORT",
    State.DONE: "CHECKMARK",
    State.FAILED: "ERROR",
    State.CANCELLED: "CANCEL",
    State.INTERRUPTED: "UNLINKED",
}


def draw_progress(layout, job: JobRecord) -> None:
    """Stage, bar, time left, and the buttons that stop it."""
    column = layout.column(align=True)
    if job.state is State.QUEUED:
        column.label(text=job.message or "Waits for the job before it.", icon=ICONS[job.state])
    else:
        text = job.stage or "Starting"
        if job.total > 1:
            text += f" {job.step}/{job.total}"
        column.progress(factor=job.progress, type="BAR", text=text)
        if job.seconds_left is not None:
            column.label(text=f"About {in_words(job.seconds_left)} left in this step")
        if job.message:
            column.label(text=job.message, icon=ICONS[job.state])
    row = column.row(align=True)
    row.operator("maquette.cancel_job", text="Cancel", icon="X").job = job.id
    if job.state is State.STOPPING or job.message.startswith("No sign of life"):
        row.operator("maquette.force_stop_job", text="Force Stop", icon="CANCEL").job = job.id


def draw_sentence(layout, context, sentence: str, icon: str = "NONE") -> None:
    """A sentence in lines that fit the region."""
    # About seven pixels a letter at a scale of one, and margins; background mode has neither region nor scale.
    width = context.region.width if context.region else 240
    letters = max(int(0.85 * width / (7 * (context.preferences.system.ui_scale or 1.0))) - 3, 20)
    column = layout.column(align=True)
    for number, line in enumerate(textwrap.wrap(sentence, letters) or [""]):
        if icon == "NONE":
            column.label(text=line)
        else:
            column.label(text=line, icon=icon if number == 0 else "BLANK1")
