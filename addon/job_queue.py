"""Jobs from their asking to their end: queued, started, watched, stopped, resumed, found again (no bpy)."""

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ..backend import contract
from ..backend.errors import EnvironmentTrouble, MaquetteError
from ..backend.formats.job_folder import JobFolder, read_json, write_json
from ..backend.protocol import Event, Order
from .job_record import JobRecord, State, fail, job_folders, new_id, owned_by_another, read_record, settle
from .supervisor import FoundWorker, Worker, why_it_ended

QUIET_SECONDS = 5.0
"""Without a heartbeat for so long, a job that was asked to stop is killed, and any other is said to be silent."""
LOST_SECONDS = 180.0
"""Without a heartbeat for so long, a job is killed though nobody asked; the worker's own watch comes first."""
LINGER_SECONDS = 5.0
"""A worker that has said its last word and does not end is killed."""
SECONDS_BETWEEN_SEARCHES = 10.0
MOST_WARNINGS = 20


def backend_command(record: JobRecord) -> list[str]:
    """How the backend is told to do a job."""
    return [record.python, "-m", "backend", "job", str(record.folder), *["--detached"] * record.detached]


class JobQueue:
    """All jobs of one Blender.

    Attributes:
        records: by id, oldest first.
        changed: something worth drawing happened since it was last set to False.
        previews: (record, name, path) that arrived since the list was last emptied.
    """

    def __init__(
        self,
        place: Path,
        cache: Path,
        python: Callable[[str], str],
        command: Callable[[JobRecord], list[str]] = backend_command,
    ):
        """
        Args:
            place: folder that job folders are made in.
            cache: folder for compiled Python files.
            python: interpreter for a request of that kind; raises MaquetteError when there is none.
            command: what to run for a job.
        """
        self.command = command
        self.place, self.cache, self.python = Path(place), Path(cache), python
        self.records: dict[str, JobRecord] = {}
        self.previews: list[tuple[JobRecord, str, Path]] = []
        self.changed = False
        self._workers: dict[str, Worker | FoundWorker] = {}
        self._ended_word: dict[str, float] = {}
        self._foreign: set[Path] = set()
        self._searched = 0.0

    def prepare(self, kind: str) -> tuple[str, Path]:
        """The id and the empty folder of a job to come, for files that its request names. Raises MaquetteError if such
        a job could never start."""
        self.python(kind)
        identity = new_id(kind)
        folder = self.place / identity
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return identity, folder

    def submit(
        self,
        request: contract.Request,
        *,
        title: str,
        job_id: str | None = None,
        detached: bool = False,
        context: dict | None = None,
        file: str = "",
    ) -> JobRecord:
        """Lay down a job's files, in its prepared folder if any, and queue it. Raises MaquetteError."""
        python = self.python(request.kind)
        identity = job_id or self.prepare(request.kind)[0]
        record = JobRecord(
            id=identity,
            kind=request.kind,
            folder=self.place / identity,
            request=contract.encode(request),
            title=title,
            detached=detached,
            exclusive=request.exclusive,
            context=dict(context or {}),
            file=file,
            python=python,
        )
        try:
            write_json(record.files.request, record.request)
            record.save()
        except OSError as error:
            raise self._unwritable(error) from error
        self.records[identity] = record
        self.changed = True
        self._start_what_may()
        return record

    def poll(self) -> None:
        """Look at every worker once. Takes milliseconds, whatever they do."""
        for identity, worker in list(self._workers.items()):
            self._watch(self.records[identity], worker)
        self._start_what_may()
        if self._foreign and time.monotonic() - self._searched > SECONDS_BETWEEN_SEARCHES:
            self.find()

    def cancel(self, record: JobRecord) -> None:
        """Ask it to stop at its next step."""
        if record.state is State.QUEUED:
            self._fail(record, "cancelled", "Cancelled before it began.")
        elif record.state is State.RUNNING:
            record.state, record.message = State.STOPPING, "Stopping at the next step."
            if not self._workers[record.id].tell(Order.CANCEL):
                with contextlib.suppress(OSError):
                    record.files.cancel.touch()
            self.changed = True

    def force(self, record: JobRecord) -> None:
        """End it now."""
        if record.state is State.QUEUED:
            self.cancel(record)
        elif record.id in self._workers:
            self._kill(record, "cancelled", "Stopped by force; resume it to go on from its last checkpoint.")

    def resume(self, record: JobRecord) -> None:
        """Go on from the last checkpoint. Raises MaquetteError if it cannot."""
        if not record.state.resumable:
            return
        record.python = self.python(record.kind)
        for old in (record.files.result, record.files.error, record.files.cancel):
            old.unlink(missing_ok=True)
        record.state, record.message, record.warnings, record.tail = State.QUEUED, "", [], []
        record.delivered = False
        record.save()
        self.changed = True
        self._start_what_may()

    def remove(self, record: JobRecord) -> None:
        """Forget a job that is not running, and delete its folder."""
        if record.state.active:
            raise MaquetteError("This job is still running; stop it first.")
        del self.records[record.id]
        # Only what we made ourselves is ever deleted.
        if record.folder.parent == self.place:
            shutil.rmtree(record.folder, ignore_errors=True)
        self.changed = True

    def result(self, record: JobRecord) -> dict:
        """What the job returned. Raises MaquetteError if its file is gone."""
        result = read_json(record.files.result)
        if result is None:
            raise MaquetteError(
                f"The result of “{record.title}” is no longer in its folder; resume the job to remake it."
            )
        return result

    def find(self) -> list[JobRecord]:
        """Jobs in the place that are not known yet and that no other open Blender looks after: those that ended are
        listed, and those that still run are watched again. Returns the new ones."""
        self._searched = time.monotonic()
        self._foreign.clear()
        found = []
        for folder in job_folders(self.place):
            if folder.name in self.records:
                continue
            if owned_by_another(folder):
                self._foreign.add(folder)
                continue
            record = read_record(folder)
            if record is None:
                continue
            holder = JobFolder(folder).holder()
            if holder is not None and not record.detached:
                # The Blender that began it is gone, so its worker is about to end.
                self._foreign.add(folder)
                continue
            if holder is not None:
                record.state, record.message = State.RUNNING, ""
                self._workers[record.id] = FoundWorker(record.files, holder)
            self.records[record.id] = record
            if not record.delivered:
                with contextlib.suppress(OSError):
                    record.save()
            found.append(record)
        if found:
            self.records = dict(sorted(self.records.items(), key=lambda item: item[1].created))
            self.changed = True
        return found

    def close(self) -> None:
        """Blender closes: attached workers keep their checkpoints and end, detached ones go on."""
        for identity, worker in self._workers.items():
            if self.records[identity].detached:
                continue
            if worker.silence.seconds > QUIET_SECONDS:
                worker.kill()
            worker.tell(Order.QUIT)
            worker.hang_up()
        self._workers.clear()

    @property
    def busy(self) -> bool:
        return any(record.state.active for record in self.records.values())

    def _unwritable(self, error: OSError) -> MaquetteError:
        return MaquetteError(
            f"The job folder {self.place} cannot be written ({error.strerror}); choose another in the preferences."
        )

    def _start_what_may(self) -> None:
        running = {identity for identity in self._workers if self.records[identity].exclusive}
        for record in self.records.values():
            if record.state is State.QUEUED and not (record.exclusive and running):
                self._start(record)
                if record.exclusive and record.id in self._workers:
                    running.add(record.id)
            elif record.state is State.QUEUED:
                record.message = "Waits for the job before it."

    def _start(self, record: JobRecord) -> None:
        command = self.command(record)
        try:
            self._workers[record.id] = Worker(
                command,
                folder=record.folder,
                log=record.files.log,
                cache=self.cache,
                detached=record.detached,
            )
        except OSError as error:
            trouble = EnvironmentTrouble(
                f"The backend's Python at {record.python} does not start ({error.strerror}); "
                "repair the backend in Maquette's preferences."
            )
            self._fail(record, trouble.code, str(trouble))
            return
        record.state, record.message, record.stage = State.RUNNING, "", "Starting"
        record.step, record.total, record.seconds_left = 0, 0, None
        self.changed = True

    def _watch(self, record: JobRecord, worker: Worker | FoundWorker) -> None:
        for message in worker.collect():
            self._hear(record, message)
        if worker.ended:
            self._take_leave(record, worker)
        elif record.id in self._ended_word:
            if time.monotonic() - self._ended_word[record.id] > LINGER_SECONDS:
                worker.kill()
        elif worker.silence.seconds > QUIET_SECONDS and record.state is State.STOPPING:
            self._kill(record, "cancelled", "It did not answer and was stopped by force; resume it to go on.")
        elif worker.silence.seconds > LOST_SECONDS:
            self._kill(record, "hung", "It stopped responding and was ended. Resume it to go on.")
        elif worker.silence.seconds > QUIET_SECONDS:
            record.message = f"No sign of life for {worker.silence.seconds:.0f} s."
            self.changed = True
        elif record.message.startswith("No sign of life"):
            record.message = ""

    def _hear(self, record: JobRecord, message: dict) -> None:
        kind = message["type"]
        if kind is Event.PROGRESS:
            record.stage, record.seconds_left = str(message.get("stage", "")), message.get("seconds_left")
            with contextlib.suppress(TypeError, ValueError):
                record.step, record.total = int(message["step"]), int(message["total"])
        elif kind is Event.PREVIEW:
            self.previews.append((record, str(message.get("name")), record.folder / str(message.get("path"))))
        elif kind is Event.WARNING:
            record.warnings = [*record.warnings, str(message.get("text"))][-MOST_WARNINGS:]
        elif kind in (Event.RESULT, Event.ERROR):
            self._ended_word.setdefault(record.id, time.monotonic())
        if kind is not Event.HEARTBEAT:
            self.changed = True

    def _take_leave(self, record: JobRecord, worker: Worker | FoundWorker) -> None:
        """The process is gone. Its files, written before its last words, say how it went."""
        del self._workers[record.id]
        self._ended_word.pop(record.id, None)
        record.seconds_left = None
        if not settle(record):
            hung = worker.silence.seconds > LOST_SECONDS / 2
            why = "It stopped responding and was ended." if hung else why_it_ended(worker.exit_code)
            self._fail(record, "died", f"{why} Resume it to go on.")
        self.changed = True

    def _kill(self, record: JobRecord, code: str, sentence: str) -> None:
        worker = self._workers.pop(record.id)
        worker.kill()
        worker.hang_up()
        self._ended_word.pop(record.id, None)
        if read_json(record.files.result) is not None:
            settle(record)
            self.changed = True
        else:
            self._fail(record, code, sentence)

    def _fail(self, record: JobRecord, code: str, sentence: str) -> None:
        fail(record, code, sentence)
        with contextlib.suppress(OSError):
            write_json(record.files.error, {"code": code, "sentence": sentence})
        self.changed = True
