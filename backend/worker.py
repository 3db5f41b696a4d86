"""The process that does the work: one job, or the warm worker that answers interactive requests one after another.

The worker owns the way its messages go. It keeps a private copy of standard output for them and points descriptor 1
at standard error, so that whatever a library prints lands in the log; it keeps a private copy of standard input and
points descriptor 0 at nothing, so that no library and no child can eat an order. It ends with the Blender that started
it, unless it was started detached.
"""

import contextlib
import faulthandler
import importlib
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from . import contract
from .errors import Cancelled, MaquetteError, RequestError, explain
from .formats.job_folder import JobFolder, read_json, write_json
from .protocol import Event, Order, Reporter, decode, encode

HEARTBEAT_SECONDS = 1.0
IDLE_SECONDS = 60.0
ORPHAN_SECONDS = 5.0
"""Time a job has to keep its checkpoint when Blender is gone."""
SILENT_SECONDS = 150.0
"""Without a heartbeat for so long, the log is told where every thread stands, and the worker ends. Loading CUDA's
libraries from a slow disk keeps Python from its turn for a minute or more, so not sooner."""


class Channel:
    """The worker's own end of the line to Blender, out of reach of what libraries print."""

    def __init__(self):
        self.descriptor = os.dup(1)
        self.orders = os.dup(0)
        os.dup2(2, 1)
        # On Windows a read that waits on descriptor 0 also blocks whoever merely asks what kind of file it is, which
        # the C runtime of many libraries does at import.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._lock = threading.Lock()
        self.broken = threading.Event()

    def send(self, kind: Event, **data) -> None:
        """Write one message. A reader that is gone, or a full disk, is remembered and never raised: the job's own
        files are what counts."""
        line = memoryview(encode(kind, **data))
        with self._lock:
            try:
                while line:
                    line = line[os.write(self.descriptor, line) :]
            except OSError:
                self.broken.set()

    def lines(self):
        """Lines from standard input until it ends."""
        with open(self.orders, "rb", closefd=False) as stream:
            while line := stream.readline(1 << 20):
                yield line


channel: Channel | None = None
"""Made by ``run_job`` and ``run_warm``, once a process."""


def serve(request: contract.Request, reporter: Reporter) -> dict:
    """Do one request. The module of its name in ``jobs`` is loaded only now, so that a worker starts at once."""
    job = importlib.import_module(f".jobs.{request.kind.replace('-', '_')}", __package__)
    return job.run(request, reporter)


def run_job(folder: Path, detached: bool, serve: Callable[[contract.Request, Reporter], dict] = serve) -> int:
    """Do the request in a job's folder, and leave result.json or error.json there. Returns the exit code.

    ``serve`` does it; a Blender without a window brings its own.
    """
    global channel
    files = JobFolder(folder)
    if not files.path.is_dir():
        raise RequestError(f"There is no job folder at {files.path}.")
    _write_log_to(files.log)
    channel = Channel()
    cancelled = threading.Event()
    life = Life(cancelled, detached, files)
    try:
        files.lock()
    except RequestError as error:
        channel.send(Event.ERROR, code=error.code, sentence=str(error))
        return 2
    try:
        files.forget_outcome()
        life.begin()
        channel.send(Event.STARTED, pid=os.getpid())
        values = read_json(files.request)
        if values is None:
            raise RequestError(f"{files.request.name} in the job's folder is missing or broken; start the job again.")
        result = serve(contract.decode(values), Reporter(files.path, _told_and_logged, cancelled))
        write_json(files.result, result)
    except BaseException as error:
        code, sentence = _told(error)
        if life.orphaned:
            code, sentence = "interrupted", "Blender closed while this job ran; resume it to go on."
        with contextlib.suppress(OSError):
            write_json(files.error, {"code": code, "sentence": sentence})
        channel.send(Event.ERROR, code=code, sentence=sentence)
        return 0 if code == "cancelled" else 1
    else:
        channel.send(Event.RESULT, result=result)
        return 0
    finally:
        files.unlock()


def _told_and_logged(kind: Event, **data) -> None:
    """Send an event; what a person may want to read later goes to the log as well."""
    if kind in (Event.LOG, Event.WARNING):
        print(("Warning: " if kind is Event.WARNING else "") + data["text"], file=sys.stderr, flush=True)
    elif kind is Event.PROGRESS and data["step"] == 0:
        print(f"[{time.strftime('%H:%M:%S')}] {data['stage']}", file=sys.stderr, flush=True)
    channel.send(kind, **data)


def run_warm(log: Path | None = None, idle_seconds: float = IDLE_SECONDS) -> int:
    """Answer requests from standard input one after another; end after ``idle_seconds`` without one."""
    global channel
    if log is not None:
        _write_log_to(log)
    channel = Channel()
    cancelled = threading.Event()
    life = Life(cancelled, detached=False, files=None, requests=queue.Queue())
    life.begin()
    channel.send(Event.STARTED, pid=os.getpid())
    while not life.orphaned and not life.quitting:
        try:
            message = life.requests.get(timeout=idle_seconds)
        except queue.Empty:
            break
        if message is not None:
            _answer(message, cancelled, life)
    return 0


def _answer(message: dict, cancelled: threading.Event, life: "Life") -> None:
    identity = message.get("id")
    cancelled.clear()
    life.running = identity
    if identity in life.unwanted:
        cancelled.set()
    if life.orphaned or life.quitting:
        return

    def send(kind: Event, **data) -> None:
        channel.send(kind, id=identity, **data)

    try:
        send(Event.STARTED, pid=os.getpid())
        if not isinstance(message.get("request"), dict) or not isinstance(message.get("folder"), str):
            raise RequestError("The request came without its settings or its folder.")
        request = contract.decode(message["request"])
        send(Event.RESULT, result=serve(request, Reporter(Path(message["folder"]), send, cancelled)))
    except Exception as error:
        code, sentence = _told(error)
        send(Event.ERROR, code=code, sentence=sentence)
    finally:
        life.running = None


class Life:
    """The threads beside the work: one that shows life, and one that listens."""

    def __init__(
        self,
        cancelled: threading.Event,
        detached: bool,
        files: JobFolder | None,
        requests: queue.Queue | None = None,
    ):
        self.cancelled, self.detached, self.files, self.requests = cancelled, detached, files, requests
        self.orphaned = self.quitting = False
        self.running = None
        self.unwanted: set[str | None] = set()
        """Requests cancelled, begun or not."""
        self._parent = os.getppid()

    def begin(self) -> None:
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        if not self.detached:
            threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def _beat(self) -> None:
        due = 0.0
        while True:
            if time.monotonic() >= due:
                due = time.monotonic() + HEARTBEAT_SECONDS
                channel.send(Event.HEARTBEAT)
                if sys.stderr is not None:
                    # Its timer is a thread of C, so it works even when a library never gives Python its turn, and
                    # when no Blender is left to end a worker that hangs. On Windows time asleep would count.
                    ends = sys.platform != "win32"
                    faulthandler.dump_traceback_later(SILENT_SECONDS, exit=ends, file=sys.stderr)
                if self.files is not None:
                    with contextlib.suppress(OSError):
                        os.utime(self.files.lock_file)
            if self.files is not None:
                self.files.shorten_log()
                if self.detached and self.files.cancel.exists():
                    self.cancelled.set()
            # A pipe's end may be held open by another child of Blender's, so its end alone is not waited for.
            if not self.detached and (channel.broken.is_set() or os.getppid() != self._parent):
                self._blender_is_gone()
            time.sleep(0.1)

    def _listen(self) -> None:
        for line in channel.lines():
            order = decode(line, Order)
            if order is None:
                continue
            if order["type"] is Order.RUN and self.requests is not None:
                self.requests.put(order)
            elif order["type"] is Order.CANCEL:
                # Noted before it is asked what runs: the request may be about to begin in the other thread.
                self.unwanted.add(order.get("id"))
                if order.get("id") in (None, self.running):
                    self.cancelled.set()
            elif order["type"] is Order.QUIT:
                self.quitting = True
                self.cancelled.set()
                if self.requests is not None:
                    self.requests.put(None)
        self._blender_is_gone()

    def _blender_is_gone(self) -> None:
        self.orphaned = True
        self.cancelled.set()
        if self.requests is not None:
            self.requests.put(None)
        time.sleep(ORPHAN_SECONDS)
        os._exit(4)


def _told(error: BaseException) -> tuple[str, str]:
    """Code and sentence of an exception, whose traceback goes to the log unless its sentence says all."""
    if isinstance(error, KeyboardInterrupt):
        error = Cancelled()
    if not isinstance(error, MaquetteError):
        traceback.print_exception(error)
    trouble = explain(error)
    return trouble.code, str(trouble)


def _write_log_to(log: Path) -> None:
    """Point descriptor 2 at a log opened for appending, so that it can be shortened under the writer."""
    with contextlib.suppress(OSError):
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    with contextlib.suppress(OSError, RuntimeError, AttributeError):
        faulthandler.enable()
