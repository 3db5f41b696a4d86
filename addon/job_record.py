"""What Blender knows of a job, and how that is kept in the job's folder (no bpy)."""

import dataclasses
import os
import re
import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..backend.formats.job_folder import JobFolder, process_began, read_json, write_json


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    READY = "ready"
    """Finished; its result is not in the scene yet."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Blender closed, or died, while it ran or waited."""

    @property
    def active(self) -> bool:
        return self in (State.QUEUED, State.RUNNING, State.STOPPING)

    @property
    def resumable(self) -> bool:
        return self in (State.FAILED, State.CANCELLED, State.INTERRUPTED)


@dataclass
class JobRecord:
    """One job.

    Attributes:
        id: also the folder's name, and ``obj["maquette_job"]`` of the objects it made.
        request: contract.encode of the request.
        context: names of what the result belongs to (objects, collections); never references to them.
        file: the .blend file that was open, "" for an unsaved one.
        file_token: of that file, kept in its scene too, for all unsaved ones are called "".
        attempted: bringing its result in was begun; where that is all, it does not begin again by itself.
        delivered: its result has been brought in.
        message: what to tell the artist now; a sentence.
        tail: last lines of the log, of a job that died or failed by a fault of ours.
    """

    id: str
    kind: str
    folder: Path
    request: dict
    title: str
    detached: bool = False
    exclusive: bool = False
    context: dict = field(default_factory=dict)
    file: str = ""
    file_token: str = ""
    created: float = field(default_factory=time.time)
    attempted: bool = False
    delivered: bool = False
    python: str = ""

    state: State = State.QUEUED
    stage: str = ""
    step: int = 0
    total: int = 0
    seconds_left: float | None = None
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    held: bool = False
    """Its result waits for the artist's word rather than entering the scene by itself."""

    KEPT = (
        "title",
        "detached",
        "exclusive",
        "context",
        "file",
        "file_token",
        "created",
        "attempted",
        "delivered",
        "python",
    )

    @property
    def files(self) -> JobFolder:
        return JobFolder(self.folder)

    @property
    def progress(self) -> float:
        """Of the stage, 0 to 1."""
        return min(self.step / self.total, 1.0) if self.total > 0 else 0.0

    def save(self) -> None:
        """Write what outlives this Blender to job.json, with this Blender as the job's owner."""
        kept = {name: getattr(self, name) for name in self.KEPT}
        write_json(self.files.job, kept | {"owner": _me()})


def new_id(kind: str) -> str:
    """Sorts by time, and says what it is."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{kind}-{secrets.token_hex(3)}"


def read_record(folder: Path) -> JobRecord | None:
    """The job of a folder as its files tell it, with no process looked at; None where there is no job."""
    files = JobFolder(folder)
    request, kept = read_json(files.request), read_json(files.job)
    if request is None or kept is None or not isinstance(request.get("kind"), str):
        return None
    types = {f.name: f for f in dataclasses.fields(JobRecord)}
    known = {name: kept[name] for name in JobRecord.KEPT if name in kept and name in types}
    known.setdefault("title", request["kind"])
    record = JobRecord(id=folder.name, kind=request["kind"], folder=folder, request=request, **known)
    settle(record)
    return record


def settle(record: JobRecord) -> bool:
    """Take a job's end from its files. False, and the state INTERRUPTED, if it left none."""
    if read_json(record.files.result) is not None:
        record.state = State.DONE if record.delivered else State.READY
        record.message = ""
        if record.attempted and not record.delivered:
            record.held, record.message = True, "The result was not brought in; Bring In tries again."
        return True
    error = read_json(record.files.error)
    if error is None:
        record.state = State.INTERRUPTED
        record.message = "Blender closed before this job was done; resume it to go on."
        return False
    fail(record, str(error.get("code")), str(error.get("sentence")))
    return True


def fail(record: JobRecord, code: str, sentence: str) -> None:
    """The job ended with that."""
    states = {"cancelled": State.CANCELLED, "interrupted": State.INTERRUPTED}
    record.state = states.get(code, State.FAILED)
    record.message = sentence
    record.seconds_left = None
    record.tail = record.files.last_lines() if code in ("died", "hung", "unexpected") else []


def owned_by_another(folder: Path) -> bool:
    """Another Blender that is still open began this job and looks after it."""
    kept = read_json(JobFolder(folder).job) or {}
    owner = kept.get("owner")
    # What has been delivered needs no looking after; asking for every old job's owner would take long on some systems.
    if not isinstance(owner, dict) or owner == _me() or kept.get("delivered"):
        return False
    try:
        return process_began(int(owner["pid"])) == owner["began"]
    except (KeyError, TypeError, ValueError):
        return False


def job_folders(place: Path) -> list[Path]:
    """Folders of jobs under the place they are kept in, oldest first; none where it cannot be read."""
    try:
        return sorted(path for path in place.iterdir() if re.match(r"\d{8}-\d{6}-", path.name) and path.is_dir())
    except OSError:
        return []


def _me() -> dict:
    global _identity
    if _identity is None or _identity["pid"] != os.getpid():
        _identity = {"pid": os.getpid(), "began": process_began(os.getpid())}
    return _identity


_identity: dict | None = None
