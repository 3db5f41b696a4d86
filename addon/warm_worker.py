"""One worker kept warm for interactive requests: a slider moved is answered without loading PyTorch again (no bpy)."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..backend import contract
from ..backend.errors import EnvironmentTrouble
from ..backend.formats.job_folder import JobFolder
from ..backend.protocol import Event, Order
from .job_queue import LOST_SECONDS, QUIET_SECONDS
from .job_record import JobRecord, State, new_id
from .supervisor import Worker, why_it_ended


@dataclass
class Answer:
    """What became of one request: ``result``, or the record's state FAILED and its message."""

    record: JobRecord
    result: dict | None = None


@dataclass
class WarmWorker:
    """Answers one request at a time. A newer request of a kind takes the place of an older one, which gets no answer.

    Attributes:
        folder: where it works and keeps the log and its answers' files.
        cache: folder for compiled Python files.
        python: as for JobQueue.
        answers: taken out by whoever polls.
    """

    folder: Path
    cache: Path
    python: Callable[[str], str]
    answers: list[Answer] = field(default_factory=list)
    _waiting: list[JobRecord] = field(default_factory=list)
    _asked: JobRecord | None = None
    _superseded: bool = False
    _begun: bool = False
    _tries: int = 0
    _worker: Worker | None = None

    def ask(self, request: contract.Request, *, title: str, context: dict | None = None) -> JobRecord:
        """Queue a request and return at once. Raises MaquetteError if there is no backend to ask."""
        python = self.python(request.kind)
        identity = new_id(request.kind)
        record = JobRecord(
            id=identity,
            kind=request.kind,
            folder=self.folder / request.kind,
            request=contract.encode(request),
            title=title,
            context=dict(context or {}),
            python=python,
        )
        self._waiting = [older for older in self._waiting if older.kind != request.kind] + [record]
        if self._asked is not None and self._asked.kind == request.kind and self._worker is not None:
            self._superseded = True
            self._worker.tell(Order.CANCEL, id=self._asked.id)
        self.poll()
        return record

    @property
    def busy(self) -> bool:
        return self._asked is not None or bool(self._waiting)

    def poll(self) -> None:
        """Look once; milliseconds."""
        if self._worker is not None:
            for message in self._worker.collect():
                self._hear(message)
            if self._worker.ended:
                self._bury(why_it_ended(self._worker.exit_code))
            elif self._asked is not None and self._worker.silence.seconds > self._patience:
                self._worker.kill()
                self._bury("It stopped responding and was ended.")
        if self._asked is None and self._waiting:
            self._send_next()

    def cancel(self) -> None:
        """Ask it to stop what it does, and forget what waits."""
        self._waiting.clear()
        if self._worker is not None:
            self._worker.tell(Order.CANCEL)

    def close(self) -> None:
        """Let it end."""
        if self._worker is not None:
            self._worker.tell(Order.QUIT)
            self._worker.hang_up()
        self._worker, self._asked, self._waiting = None, None, []

    def force(self) -> None:
        """End it now; the next request starts another."""
        if self._worker is not None:
            self._worker.kill()

    @property
    def _patience(self) -> float:
        return QUIET_SECONDS if self._superseded else LOST_SECONDS

    def _send_next(self) -> None:
        record = self._waiting[0]
        if self._worker is None and not self._start(record):
            return
        record.folder.mkdir(parents=True, exist_ok=True)
        heard = self._worker.tell(Order.RUN, id=record.id, request=record.request, folder=str(record.folder))
        if not heard:
            # It ended, idle, a moment ago; the next look buries it and a new one is started.
            return
        self._waiting.pop(0)
        record.state, self._asked = State.RUNNING, record
        self._superseded, self._begun = False, False

    def _start(self, record: JobRecord) -> bool:
        log = JobFolder(self.folder).log
        command = [record.python, "-m", "backend", "worker", "--log", str(log)]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            log.unlink(missing_ok=True)
            self._worker = Worker(command, folder=self.folder, log=log, cache=self.cache)
        except OSError as error:
            self._waiting.remove(record)
            sentence = (
                f"The backend's Python at {record.python} does not start ({error.strerror}); "
                "repair the backend in Maquette's preferences."
            )
            self._fail(record, EnvironmentTrouble.code, sentence)
            return False
        return True

    def _hear(self, message: dict) -> None:
        if self._asked is None or message.get("id") != self._asked.id:
            return
        record, kind = self._asked, message["type"]
        if kind is Event.STARTED:
            self._begun, self._tries = True, 0
        elif kind is Event.PROGRESS:
            record.stage, record.seconds_left = str(message.get("stage", "")), message.get("seconds_left")
            with contextlib.suppress(KeyError, TypeError, ValueError):
                record.step, record.total = int(message["step"]), int(message["total"])
        elif kind is Event.WARNING:
            record.warnings.append(str(message.get("text")))
        elif kind is Event.RESULT:
            self._asked = None
            if not self._superseded and isinstance(message.get("result"), dict):
                record.state = State.READY
                self.answers.append(Answer(record, message["result"]))
        elif kind is Event.ERROR:
            self._asked = None
            if not self._superseded:
                self._fail(record, str(message.get("code")), str(message.get("sentence")))

    def _bury(self, why: str) -> None:
        record, superseded, self._asked, self._worker = self._asked, self._superseded, None, None
        if record is None or superseded:
            return
        if not self._begun and self._tries == 0:
            # It ended, idle, while the request was on its way.
            self._tries = 1
            self._waiting.insert(0, record)
        else:
            self._fail(record, "died", why)

    def _fail(self, record: JobRecord, code: str, sentence: str) -> None:
        record.state = State.CANCELLED if code == "cancelled" else State.FAILED
        record.message = sentence
        record.tail = JobFolder(self.folder).last_lines()
        self.answers.append(Answer(record))
