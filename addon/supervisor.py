"""A worker process seen from Blender: started, listened to, told, and ended. Knows nothing of Blender's data (no bpy).

Nothing here waits. A thread of each process reads its messages into a mailbox, so that a Blender that is busy (a
render, a modal operator) neither blocks the worker nor mistakes its own absence for the worker's silence.
"""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from ..backend.formats.job_folder import JobFolder
from ..backend.protocol import LONGEST_LINE, Event, Order, decode, encode

CODE = Path(__file__).resolve().parents[1]
"""The folder that holds ``backend``."""
MOST_MESSAGES = 5000
"""Kept unread by a mailbox; a worker that says more is not heard out."""
MOST_PER_READ = 1 << 16


class Mailbox:
    """Messages of one process, put in by a reader thread and taken out by whoever supervises.

    Only the newest progress is kept, heartbeats are only counted, and the rest is bounded, so that no worker can fill
    Blender's memory.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._messages = collections.deque(maxlen=MOST_MESSAGES)
        self._progress: dict | None = None
        self._rest = b""
        self._skipping = False
        self.heard = 0
        """Messages so far, heartbeats too: a number that stands still is a silence."""
        self.noise = 0
        """Lines that were no message."""

    def feed(self, data: bytes) -> None:
        """Bytes as they come from the process, cut anywhere."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif line.strip():
                self._take(decode(line, Event))
        if len(self._rest) > LONGEST_LINE:
            self.noise += not self._skipping
            self._rest, self._skipping = b"", True

    def _take(self, message: dict | None) -> None:
        with self._lock:
            if message is None:
                self.noise += 1
                return
            self.heard += 1
            if message["type"] is Event.PROGRESS:
                self._progress = message
            elif message["type"] is not Event.HEARTBEAT:
                self._messages.append(message)

    def collect(self, most: int = 200) -> list[dict]:
        """Up to ``most`` messages in order; the newest progress, if there is a new one, comes first."""
        with self._lock:
            taken = [self._progress] if self._progress else []
            self._progress = None
            while self._messages and len(taken) < most:
                taken.append(self._messages.popleft())
        return taken

    @property
    def empty(self) -> bool:
        with self._lock:
            return not self._messages and self._progress is None


class Silence:
    """Seconds since a process was last heard, as lived by its supervisor: time in which the supervisor itself was not
    looking (Blender rendering, the computer asleep) counts for a second at most."""

    def __init__(self):
        self.seconds = 0.0
        self._heard = 0
        self._looked = time.monotonic()

    def look(self, heard: int) -> float:
        now = time.monotonic()
        if heard != self._heard:
            self._heard, self.seconds = heard, 0.0
        else:
            self.seconds += min(now - self._looked, 1.0)
        self._looked = now
        return self.seconds


class Worker:
    """A process that we started. ``collect()``, ``ended``, ``silence`` are looked at from a timer; ``tell`` and
    ``kill`` return at once."""

    def __init__(self, command: list[str], folder: Path, log: Path, cache: Path, detached: bool = False):
        """Start it.

        Args:
            command: interpreter and arguments.
            folder: where it works; not in the code's own folder, which Windows could then not replace.
            log: file that takes its standard error.
            cache: folder for compiled Python files, so that none is written beside the code.
            detached: its events go to events.jsonl in ``folder`` and it hears nothing, so that it can outlive us.

        Raises OSError if the interpreter does not start.
        """
        self.mailbox = Mailbox()
        self.silence = Silence()
        self._tail = Tail(JobFolder(folder).events, self.mailbox) if detached else None
        with log.open("ab") as errors, contextlib.ExitStack() as stack:
            output = stack.enter_context(JobFolder(folder).events.open("wb")) if detached else subprocess.PIPE
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=output,
                stderr=errors,
                cwd=folder,
                env=environment(cache),
                bufsize=0,
                **_own_group(),
            )
        self._exited: float | None = None
        self._reader = None
        if not detached:
            self._reader = threading.Thread(target=self._read, name="maquette-reader", daemon=True)
            self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def collect(self) -> list[dict]:
        if self._tail:
            self._tail.read()
        self.silence.look(self.mailbox.heard)
        return self.mailbox.collect()

    @property
    def ended(self) -> bool:
        """The process is gone and all it said has been collected."""
        if self._process.poll() is None:
            return False
        self._exited = self._exited or time.monotonic()
        # A child of the worker's may hold the pipe open for ever; a second is enough for what was already in it.
        reading = self._reader is not None and self._reader.is_alive() and time.monotonic() - self._exited < 1.0
        return not reading and self.mailbox.empty and (self._tail is None or not self._tail.read())

    @property
    def exit_code(self) -> int | None:
        """As subprocess has it: negative for the signal that ended it."""
        return self._process.returncode

    def tell(self, order: Order, **data) -> bool:
        """False if it cannot hear."""
        if self._process.stdin is None or self._process.stdin.closed:
            return False
        try:
            self._process.stdin.write(encode(order, **data))
            return True
        except OSError:
            return False

    def hang_up(self) -> None:
        """Close its standard input: an attached worker then keeps its checkpoint and ends by itself."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """End it and its children now."""
        if self._process.poll() is None:
            kill_group(self._process.pid)

    def _read(self) -> None:
        stream = self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), MOST_PER_READ):
                self.mailbox.feed(data)


class FoundWorker:
    """A detached worker that an earlier Blender started: the same to look at, but known by its folder alone."""

    exit_code = None

    def __init__(self, folder: JobFolder, pid: int):
        self.pid = pid
        self.mailbox = Mailbox()
        self.silence = Silence()
        self._folder, self._tail = folder, Tail(folder.events, self.mailbox)
        self._alive, self._asked = True, time.monotonic()

    def collect(self) -> list[dict]:
        self._tail.read()
        self.silence.look(self.mailbox.heard)
        return self.mailbox.collect()

    @property
    def ended(self) -> bool:
        # Asking the system costs milliseconds on some of them.
        if self._alive and time.monotonic() - self._asked > 1.0:
            self._asked, self._alive = time.monotonic(), self._folder.holder() == self.pid
        return not self._alive and not self._tail.read() and self.mailbox.empty

    def tell(self, order: Order, **data) -> bool:
        return False

    def hang_up(self) -> None:
        pass

    def kill(self) -> None:
        # Asked anew, because by now the number may belong to another process.
        if self._folder.holder() == self.pid:
            kill_group(self.pid)


class Tail:
    """A file of events that another process appends to, read a piece at a time."""

    def __init__(self, path: Path, mailbox: Mailbox):
        self._path, self._mailbox, self._position = path, mailbox, 0

    def read(self, most: int = 1 << 18) -> bool:
        """Read what is new, up to ``most`` bytes. True if there was something."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read(most)
        except OSError:
            return False
        self._position += len(data)
        self._mailbox.feed(data)
        return bool(data)


def environment(cache: Path) -> dict[str, str]:
    """Environment variables of a worker: ours, less whatever would lead its Python astray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {
        "PYTHONPATH": str(CODE),
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPYCACHEPREFIX": str(cache),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }


def kill_group(pid: int) -> None:
    """End the process, which leads its own group, and its children."""
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            subprocess.Popen(
                ["taskkill", "/T", "/F", "/PID", str(pid)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                creationflags=subprocess.CREATE_NO_WINDOW,
            )
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def why_it_ended(exit_code: int | None) -> str:
    """A sentence about a process that ended without saying why."""
    if exit_code is None:
        return "The worker ended without a word."
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-exit_code).name
            if name == "SIGKILL":
                return "The worker was killed from outside, most often because the computer ran out of memory."
            return f"The worker crashed ({name})."
    return f"The worker ended unexpectedly (exit code {exit_code})."


def _own_group() -> dict:
    # Its own group, so that a Ctrl-C meant for Blender does not reach it and its children end with it.
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
