"""Jobs, as the rest of the extension uses them: asked for here, polled from a timer, their results brought into the
scene. What needs no Blender is in job_queue.py and warm_worker.py.

    @jobs.on_result("reconstruct-hair")
    def bring_in(job, result): ...
    jobs.submit(ReconstructHair(capture=folder), title="Hair of Anna", context_ids={"head": head.name})
"""

import contextlib
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from ..backend import contract
from ..backend.errors import Cancelled, MaquetteError
from . import job_handlers, job_places, receiving
from .job_handlers import on_failure, on_preview, on_result
from .job_queue import JobQueue
from .job_record import JobRecord, State
from .warm_worker import WarmWorker

SECONDS_BETWEEN_POLLS = {"busy": 0.1, "asked": 0.03, "idle": 1.0}
SECONDS_BETWEEN_DRAWS = 0.2
FILE_TOKEN = "maquette_file"
"""Custom property of a scene in which a job was asked for."""
__all__ = ["all_jobs", "ask", "bring_in", "get", "on_failure", "on_preview", "on_result", "poll", "prepare", "submit"]

_queue: JobQueue | None = None
_warm: WarmWorker | None = None
_here: set[str] = set()
"""Jobs that belong to the file that is open."""
_placed: set[str] = set()
"""Jobs of which it is known whether they do."""
_failures_told: set[str] = set()
_drawn = 0.0


def prepare(kind: str) -> tuple[str, Path]:
    """(job_id, folder): the folder, made and empty, of a job to come, so that its request can name files in it.
    Raises MaquetteError if such a job could not begin."""
    return queue().prepare(kind)


def submit(
    request: contract.Request,
    *,
    title: str,
    job_id: str | None = None,
    detached: bool = False,
    context_ids: dict | None = None,
    wait: bool | None = None,
) -> str:
    """Begin a job, or queue it, and return its id.

    Args:
        request: what to do.
        title: what the job list calls it.
        job_id: of ``prepare``, if that was called.
        detached: it goes on when Blender closes, and the next Blender receives its result.
        context_ids: names of what the result belongs to, for its handler.
        wait: block until its result is in the scene, printing progress; by default in background mode only, where
            nothing else would wait for it.

    Raises MaquetteError if it cannot begin, and with ``wait`` if it fails.
    """
    record = queue().submit(
        request, title=title, job_id=job_id, detached=detached, context=context_ids, file=bpy.data.filepath
    )
    record.file_token = _file_token()
    _save(record)
    _here.add(record.id)
    _placed.add(record.id)
    _wake()
    if wait or (wait is None and bpy.app.background):
        _wait_for(record, queue().poll)
    return record.id


def ask(
    request: contract.Request, *, title: str = "", context_ids: dict | None = None, wait: bool | None = None
) -> str:
    """Ask the warm worker, for requests that are answered in seconds (sliders). The answer goes to the handler of
    ``on_result``, or ``on_failure``, with no undo step of its own; a newer request of the kind replaces an older one.
    Arguments and errors as for ``submit``."""
    record = warm().ask(request, title=title or request.kind, context=context_ids)
    _wake()
    if wait or (wait is None and bpy.app.background):
        _wait_for(record, warm().poll)
    return record.id


def all_jobs() -> list[JobRecord]:
    """Newest first; those of earlier sessions too."""
    return list(reversed(queue().records.values()))


def get(job_id: str) -> JobRecord:
    """The job of that id. Raises MaquetteError."""
    record = queue().records.get(job_id)
    if record is None:
        raise MaquetteError("This job is no longer there.")
    return record


def bring_in(record: JobRecord) -> None:
    """Put a finished job's result into the open file, whatever file it was asked for in, as often as is wished."""
    if record.state in (State.READY, State.DONE):
        _deliver(record, queue().result(record))
        if record.held:
            raise MaquetteError(record.message)


def resume(record: JobRecord, wait: bool | None = None) -> None:
    """Go on with a job from its last checkpoint; ``wait`` and errors as for ``submit``."""
    state, message, record.attempted = record.state, record.message, False
    try:
        queue().resume(record)
    except OSError:
        record.state, record.message = state, message
        raise MaquetteError(f"The folder of “{record.title}” is gone or read-only; remove the job.") from None
    _wake()
    if wait or (wait is None and bpy.app.background):
        _wait_for(record, queue().poll)


def log_text(record: JobRecord, most: int = 200_000) -> str:
    """The end of a job's log. Raises MaquetteError if there is none."""
    try:
        with record.files.log.open("rb") as file:
            file.seek(max(record.files.log.stat().st_size - most, 0))
            return file.read().decode("utf-8", "replace")
    except OSError:
        raise MaquetteError(f"“{record.title}” has no log yet.") from None


def queue() -> JobQueue:
    """The jobs of this Blender. Those of earlier ones are looked for when it is made."""
    global _queue
    place, cache = job_places.jobs(), job_places.cache()
    if _queue is not None and _queue.place != place and not _queue.busy:
        _queue.close()
        _queue = None
    if _queue is None:
        _queue = JobQueue(place, cache, job_places.python, job_places.command)
        _queue.find()
    return _queue


def warm() -> WarmWorker:
    """The warm worker; a new one, once it has nothing to do, where the preferences have moved its places."""
    global _warm
    places = job_places.jobs() / "interactive", job_places.cache()
    moved = _warm is not None and (_warm.folder, _warm.cache) != places
    if moved and not (_warm.busy or _warm.answers):
        _warm.close()
        _warm = None
    _warm = _warm or WarmWorker(*places, job_places.python)
    return _warm


def release_backend() -> None:
    """Let go of the backend's files before they are replaced: the warm worker ends, and its memory is free."""
    global _warm
    if _warm is not None:
        _warm.force()
        _warm.close()
        _warm = None


def poll() -> None:
    """Look at every worker and bring in what is ready; what the timer calls."""
    records = queue()
    records.poll()
    warm().poll()
    _receive()
    _draw()


def _tick() -> float:
    try:
        poll()
        return SECONDS_BETWEEN_POLLS["asked" if warm().busy else "busy" if queue().busy else "idle"]
    except Exception:
        # A timer that raises is not called again, and every later job would seem to stand still.
        traceback.print_exc()
        return SECONDS_BETWEEN_POLLS["idle"]


def _wake() -> None:
    """Poll soon, though the timer may have been about to sleep."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.timers.register(_tick, first_interval=0.05, persistent=True)


def _receive() -> None:
    """Hand out previews, results, answers and failures."""
    jobs = queue()
    _place(jobs)
    previews, jobs.previews = {(r.id, name): (r, name, path) for r, name, path in jobs.previews}, []
    for record, name, path in previews.values():
        if record.kind in job_handlers.previews and record.id in _here and path.exists():
            with _no_exception_gets_out(f"preview of “{record.title}”"):
                job_handlers.previews[record.kind](record, {"name": name, "path": path})
    for record in list(jobs.records.values()):
        if record.state is State.READY and not record.held:
            _receive_result(record)
        elif record.state in (State.FAILED, State.CANCELLED) and record.id in _here - _failures_told:
            _failures_told.add(record.id)
            _tell_failure(record)
        elif record.state.active:
            _failures_told.discard(record.id)
    answers, warm().answers = warm().answers, []
    for answer in answers:
        if answer.result is None:
            _tell_failure(answer.record)
        else:
            _deliver_answer(answer.record, answer.result)


def _receive_result(record: JobRecord) -> None:
    anywhere = record.kind in job_handlers.sceneless or record.kind not in job_handlers.results
    if not anywhere and record.id not in _here:
        whose = Path(record.file).name if record.file else "an unsaved file"
        record.held, record.message = True, f"Ready, but it was asked for in {whose}. Bring In puts it here."
        return
    if not anywhere and not bpy.app.background and (hindrance := receiving.hindrance()):
        record.message = f"Ready. {hindrance}"
        return
    try:
        result = queue().result(record)
    except MaquetteError as error:
        record.held, record.message = True, str(error)
        return
    _deliver(record, result)


def _deliver(record: JobRecord, result: dict) -> None:
    # Said first: a result that takes Blender down with it is not tried again by itself at the next start.
    handler = job_handlers.results.get(record.kind)
    record.attempted, record.delivered, record.held = True, record.delivered or handler is None, False
    _save(record)
    record.state, record.message = State.DONE, ""
    if handler is None:
        return
    try:
        handler(record, result)
        record.delivered = True
        _save(record)
    except MaquetteError as error:
        record.state, record.held, record.message = State.READY, True, str(error)
    except Exception as error:
        traceback.print_exc()
        record.state, record.held = State.READY, True
        record.message = f"The result could not be brought in ({type(error).__name__}: {error}). Bring In tries again."
    finally:
        queue().changed = True
        if record.kind not in job_handlers.sceneless:
            receiving.push_undo(record.title)


def _save(record: JobRecord) -> None:
    """Keep what is known of a job, where its folder can still be written."""
    with contextlib.suppress(OSError):
        record.save()


def _deliver_answer(record: JobRecord, result: dict) -> None:
    record.state = State.DONE
    if record.kind in job_handlers.results:
        with _no_exception_gets_out(f"answer to {record.kind}", record):
            job_handlers.results[record.kind](record, result)
    queue().changed = True


def _tell_failure(record: JobRecord) -> None:
    if record.kind in job_handlers.failures:
        with _no_exception_gets_out(f"failure of “{record.title}”"):
            job_handlers.failures[record.kind](record)
    queue().changed = True


@contextlib.contextmanager
def _no_exception_gets_out(what: str, record: JobRecord | None = None):
    try:
        yield
    except Exception as error:
        print(f"Maquette: the {what} could not be shown.", file=sys.stderr)
        traceback.print_exc()
        if record is not None:
            record.state, record.message = State.FAILED, str(error)


def _wait_for(record: JobRecord, look: Callable[[], None]) -> None:
    """Block until a job is done and received; progress goes to standard output."""
    told = None
    try:
        while record.state.active:
            look()
            if record.state.active:
                told = _print_progress(record, told)
                time.sleep(0.05)
    except KeyboardInterrupt:
        queue().cancel(record) if record.id in queue().records else warm().cancel()
        raise
    _receive()
    if record.state is not State.DONE:
        raise (Cancelled if record.state is State.CANCELLED else MaquetteError)(record.message)


def _print_progress(record: JobRecord, told):
    now = (record.stage, int(record.progress * 20))
    if record.stage and now != told:
        print(f"Maquette: {record.title}: {record.stage} {round(100 * record.progress)}%", flush=True)
    return now


def _draw() -> None:
    global _drawn
    if queue().changed and time.monotonic() - _drawn > SECONDS_BETWEEN_DRAWS:
        queue().changed, _drawn = False, time.monotonic()
        receiving.redraw()


def _place(jobs: JobQueue) -> None:
    """Jobs found again belong to the open file if they were asked for in it."""
    for record in jobs.records.values():
        if record.id not in _placed:
            _placed.add(record.id)
            if record.file == bpy.data.filepath and (record.file or record.file_token in _file_tokens()):
                _here.add(record.id)
            if not record.state.active:
                _failures_told.add(record.id)


def _file_tokens() -> set[str]:
    """What tells the open file from other unsaved ones; empty until a job was asked for in it."""
    return {scene[FILE_TOKEN] for scene in bpy.data.scenes if isinstance(scene.get(FILE_TOKEN), str)}


def _file_token() -> str:
    """The open file's token, made if there is none."""
    scene = bpy.context.scene
    if not isinstance(scene.get(FILE_TOKEN), str):
        scene[FILE_TOKEN] = secrets.token_hex(8)
    return scene[FILE_TOKEN]


@persistent
def _file_loaded(*_) -> None:
    _here.clear()
    _placed.clear()
    if _queue is not None:
        _place(_queue)
        for record in _queue.records.values():
            if record.state is State.READY and record.id in _here and not record.attempted:
                record.held = False
    _wake()


@persistent
def _file_saved(*_) -> None:
    """Saved under a name, or another one: the jobs of this file follow it."""
    for record in list(_queue.records.values()) if _queue is not None else ():
        if record.id in _here and record.file != bpy.data.filepath:
            record.file = bpy.data.filepath
            _save(record)


classes = ()


def register():
    bpy.app.handlers.load_post.append(_file_loaded)
    bpy.app.handlers.save_post.append(_file_saved)
    bpy.app.timers.register(_tick, first_interval=0.5, persistent=True)


def unregister():
    global _queue, _warm
    for handlers, handler in ((bpy.app.handlers.load_post, _file_loaded), (bpy.app.handlers.save_post, _file_saved)):
        if handler in handlers:
            handlers.remove(handler)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _queue is not None:
        _queue.close()
        _queue = None
    if _warm is not None:
        _warm.close()
        _warm = None
    _here.clear()
    _placed.clear()
