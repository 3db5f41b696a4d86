"""How a job looks in a panel."""

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
