"""A job's folder: everything needed to run it, to go on with it, or to find it again.

    request.json   the request (contract.encode)
    job.json       what Blender knows of it: title, when, for which file; written by Blender only
    log.txt        whatever the worker and its libraries print
    lock.json      identity of the process that works here
    result.json    what the job returned; written by the worker when it succeeded
    error.json     code and sentence; written by the worker when it ended otherwise
    events.jsonl   a detached job's events, which nobody may be listening to
    cancel         a detached job is asked to stop by this file's being there

Checkpoints and results lie beside them under names that the job chooses. Standard library only.
"""

import contextlib
import ctypes
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from ..errors import RequestError
from ..protocol import plain

LONGEST_LOG = 8 << 20
"""Bytes. A longer log loses its middle."""
KEPT_OF_LOG = 1 << 20
"""Bytes kept at either end of a log that grew too long."""


class JobFolder:
    """Names and small files of one job's folder."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.request = self.path / "request.json"
        self.job = self.path / "job.json"
        self.log = self.path / "log.txt"
        self.lock_file = self.path / "lock.json"
        self.result = self.path / "result.json"
        self.error = self.path / "error.json"
        self.events = self.path / "events.jsonl"
        self.cancel = self.path / "cancel"

    def forget_outcome(self) -> None:
        """Before another run: what the last one left as its end must not be taken for the new one's."""
        for path in (self.result, self.error, self.cancel):
            path.unlink(missing_ok=True)

    def holder(self) -> int | None:
        """The id of the process that works here, or None if none does (any more)."""
        lock = read_json(self.lock_file)
        try:
            pid, began, host = int(lock["pid"]), lock["began"], lock["host"]
        except (TypeError, KeyError, ValueError):
            return None
        if host != platform.node():
            # A shared disk: the other machine's processes cannot be asked, but its worker touches the lock.
            with contextlib.suppress(OSError):
                return pid if time.time() - self.lock_file.stat().st_mtime < 60 else None
            return None
        return pid if process_began(pid) == began else None

    def lock(self) -> None:
        """Claim the folder for this process. Raises RequestError if another one works here."""
        holder = self.holder()
        if holder is not None and holder != os.getpid():
            raise RequestError(f"This job is already running (process {holder}).")
        identity = {"pid": os.getpid(), "began": process_began(os.getpid()), "host": platform.node()}
        write_json(self.lock_file, identity)

    def unlock(self) -> None:
        self.lock_file.unlink(missing_ok=True)

    def shorten_log(self) -> None:
        """Cut the middle out of a log that has grown too long. What is written meanwhile may be lost with it."""
        with contextlib.suppress(OSError):
            size = self.log.stat().st_size
            if size <= LONGEST_LOG:
                return
            with self.log.open("r+b") as file:
                file.seek(size - KEPT_OF_LOG)
                tail = file.read(KEPT_OF_LOG)
                file.seek(KEPT_OF_LOG)
                file.write(f"\n... {size - 2 * KEPT_OF_LOG:,} bytes were left out here ...\n".encode() + tail)
                file.truncate()

    def last_lines(self, lines: int = 12) -> list[str]:
        """The end of the log, for people."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(self.log.stat().st_size - 16384, 0))
            text = file.read(16384).decode("utf-8", "replace")
            kept = [line[:300] for line in text.splitlines() if line.strip()]
            return kept[-lines:]
        return []


def write_json(path: Path, value) -> None:
    """Write to a temporary name and rename, so that a reader never meets half a file."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps(value, indent=1, default=plain), "utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict | None:
    """The object in a file; None where there is no such file or it holds something else."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def process_began(pid: int) -> str | None:
    """When a process began, as text that only that process can have; None if it is not there, or is dead and unburied.

    A process id alone is reused by the system, and a lock outlives a crash, so the two together are the identity.
    """
    if sys.platform == "win32":
        return _began_on_windows(pid)
    if sys.platform == "darwin":
        ps = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        state, _, began = ps.stdout.strip().partition(" ")
        return None if not began or state.startswith("Z") else began.strip()
    try:
        # The second field is the program's name in brackets, and may hold spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _began_on_windows(pid: int) -> str | None:
    query_limited_information, still_active = 0x1000, 259
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return None
    handle = ctypes.c_void_p(handle)
    try:
        code = ctypes.c_ulong()
        times = [ctypes.c_ulonglong() for _ in range(4)]
        if not kernel.GetExitCodeProcess(handle, ctypes.byref(code)) or code.value != still_active:
            return None
        if not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return None
        return str(times[0].value)
    finally:
        kernel.CloseHandle(handle)
