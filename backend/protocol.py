"""The language between Blender and the backend: one JSON object a line, requests down, events up.

Both sides import this one list of message types. Standard library only, so that Blender can. Arrays never travel in
messages: they are files in the job's folder, and messages name them.
"""

import json
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from .errors import Cancelled

LONGEST_LINE = 1 << 20
"""Bytes. A longer line is not ours: arrays travel in files."""


class Order(StrEnum):
    """What Blender says to a worker."""

    RUN = "run"
    """``id``, ``request`` (contract.encode), ``folder``: do this; the warm worker only."""
    CANCEL = "cancel"
    """Stop at the next step and keep a checkpoint. With ``id``, only if that request is the running one."""
    QUIT = "quit"
    """Cancel what runs and end."""


class Event(StrEnum):
    """What a worker says to Blender. The warm worker's events carry the ``id`` of the request they belong to."""

    STARTED = "started"
    """``pid``: the worker is up (a job), or has begun a request (the warm worker)."""
    HEARTBEAT = "heartbeat"
    """The interpreter is alive; about once a second, whatever the job does."""
    PROGRESS = "progress"
    """``stage``, ``step``, ``total``, ``seconds_left`` (of the stage; null while unknown)."""
    PREVIEW = "preview"
    """``name``, ``path`` (relative to the job's folder where it lies inside)."""
    LOG = "log"
    """``text``."""
    WARNING = "warning"
    """``text``: a sentence the artist should read; the job goes on."""
    RESULT = "result"
    """``result``: what the job returned. The last event."""
    ERROR = "error"
    """``code``, ``sentence`` (backend.errors). The last event."""


def encode(kind: Order | Event, **data) -> bytes:
    """One message as a line of ASCII JSON with its newline."""
    return json.dumps({"type": str(kind)} | data, default=plain).encode("ascii") + b"\n"


def decode(line: bytes, kinds: type[Order] | type[Event]) -> dict | None:
    """The message on a line, its ``type`` an Order or an Event; None for anything else (a library's print, half a
    line, an unknown type): such lines are noise, never a reason to fall over."""
    if len(line) > LONGEST_LINE:
        return None
    try:
        message = json.loads(line)
        return message | {"type": kinds(message["type"])}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def plain(value):
    """What ``json`` cannot write by itself: paths, and NumPy's and torch's scalars and arrays."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot travel in a message")


class Reporter:
    """What a job sees of the world: its folder, and somebody to tell.

    Attributes:
        folder: the job's folder; results and checkpoints go there.
    """

    SECONDS_BETWEEN_PROGRESS = 0.1

    def __init__(self, folder: Path, send: Callable[..., None], cancelled: threading.Event | None = None):
        """
        Args:
            folder: made if it is not there.
            send: called as ``send(event_type, **data)``; may be called from the job's thread only.
            cancelled: set by somebody else to make the next ``step`` raise.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cancelled = cancelled or threading.Event()
        self._send = send
        self._stage, self._step, self._total = "", 0, 1
        self._began = self._told = time.monotonic()
        self._first_step = 0

    def stage(self, name: str, total: int = 1) -> None:
        """Begin a stage of ``total`` steps. ``name`` is read by artists: "Growing strands". Raises Cancelled."""
        self._stage, self._step, self._total = name, 0, max(int(total), 1)
        self._began, self._first_step = time.monotonic(), 0
        self._tell(always=True)
        self.check()

    def step(self, n: int | None = None) -> None:
        """One more step of the stage is done, or ``n`` of them in all. Raises Cancelled when asked to stop.

        A stage that goes on from a checkpoint says so with its first call, ``step(steps_already_done)``, before any
        work: such steps then count for nothing in the time left.
        """
        if n is not None and self._step == 0 and n > 0 and time.monotonic() - self._began < 0.05:
            self._began, self._first_step = time.monotonic(), int(n)
        self._step = self._step + 1 if n is None else int(n)
        self._tell(always=self._step >= self._total)
        self.check()

    def check(self) -> None:
        """Raise Cancelled when asked to stop; for long loops inside a step."""
        if self.cancelled.is_set():
            raise Cancelled

    def preview(self, name: str, path: Path) -> None:
        """A file to look at while the job goes on. Write it whole first (to a temporary name, then rename)."""
        path = Path(path)
        inside = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        self._send(Event.PREVIEW, name=name, path=inside.as_posix())

    def log(self, text: str) -> None:
        """A line for the log."""
        self._send(Event.LOG, text=str(text))

    def warning(self, text: str) -> None:
        """A sentence the artist should read; the job goes on."""
        self._send(Event.WARNING, text=str(text))

    @property
    def seconds_left(self) -> float | None:
        """Of the stage, from the pace of its steps so far; None while there is nothing to judge by."""
        done, elapsed = self._step - self._first_step, time.monotonic() - self._began
        if done < 1 or elapsed < 0.5:
            return None
        return elapsed / done * max(self._total - self._step, 0)

    def _tell(self, always: bool) -> None:
        now = time.monotonic()
        if always or now - self._told >= self.SECONDS_BETWEEN_PROGRESS:
            self._told, left = now, self.seconds_left
            self._send(
                Event.PROGRESS,
                stage=self._stage,
                step=self._step,
                total=self._total,
                seconds_left=None if left is None else round(left, 1),
            )


class SilentReporter(Reporter):
    """A reporter that only remembers: ``messages`` is a list of dicts in order. For tests, and for calls in between."""

    def __init__(self, folder: Path):
        self.messages: list[dict] = []
        super().__init__(folder, lambda kind, **data: self.messages.append({"type": kind} | data))


def in_words(seconds: float) -> str:
    """A duration as people say it: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
