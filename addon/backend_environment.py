"""The backend's own Python environment: where it is, what it was made from, and what is wrong with it (no bpy)."""

import contextlib
import functools
import os
import shutil
import subprocess
from pathlib import Path

from ..backend.errors import EnvironmentTrouble
from ..backend.formats.environment_record import PYTHONS, RECORD, interpreter, lock_hash
from ..backend.formats.job_folder import read_json

LOCK = Path(__file__).resolve().parents[1] / "locks" / "backend.txt"


class BackendEnvironment:
    """A virtual environment in ``place/environment``, with environment.json inside telling how it was made.

    Only what has such names is ever replaced or removed: the place itself may be a folder of the artist's.
    """

    def __init__(self, place: Path, lock: Path | None = None):
        self.place, self.lock = Path(place), lock or LOCK
        self.folder = self.place / "environment"
        self.record_file = self.folder / RECORD

    @property
    def python(self) -> Path:
        return interpreter(self.folder)

    @property
    def record(self) -> dict | None:
        """What jobs/set_up_backend.py wrote down; None where no environment was completed."""
        return read_json(self.record_file)

    @property
    def exists(self) -> bool:
        return self.folder.exists()

    def problem(self) -> str:
        """Why it cannot be used, as a sentence; "" if it can."""
        record = self.record
        if record is None:
            if self.exists:
                return "The backend was set up only in part; repair it in Maquette's preferences."
            return "The backend is not set up yet; set it up in Maquette's preferences."
        base = Path(str(record.get("base", "")))
        if not base.exists():
            return f"The Python that the backend was made from is gone ({base}); repair it in Maquette's preferences."
        # A link that leads nowhere does not exist for Python either.
        if not self.python.exists():
            return "The backend's Python is gone; repair it in Maquette's preferences."
        if record.get("lock") != lock_hash(self.lock):
            return "Maquette was updated and needs other packages now; repair the backend in Maquette's preferences."
        return ""

    def remove(self) -> None:
        """Delete it. Raises EnvironmentTrouble if something keeps it."""
        for path in (
            self.folder,
            self.place / "environment.new",
            self.place / "environment.old",
            self.place / "pycache",
        ):
            shutil.rmtree(path, ignore_errors=True)
        if self.folder.exists():
            raise EnvironmentTrouble(f"Some files in {self.folder} are in use; stop all jobs and remove it again.")


def check_python(path: Path, what: str) -> Path:
    """The path, if a program may be there. Raises EnvironmentTrouble."""
    if not str(path).strip() or path == Path():
        raise EnvironmentTrouble(f"Name the {what} in Maquette's preferences first.")
    if path.is_dir():
        raise EnvironmentTrouble(f"The {what} is a folder ({path}); name the python program inside it.")
    if not path.exists():
        raise EnvironmentTrouble(f"There is no {what} at {path}; name another in Maquette's preferences.")
    if not os.access(path, os.X_OK):
        raise EnvironmentTrouble(f"{path} is not a program; name the python program itself.")
    return path


def check_version(path: Path) -> None:
    """The program is a Python that the backend runs on. Asks it, once. Raises EnvironmentTrouble."""
    version = _version(str(path), path.stat().st_mtime_ns)
    low, high = PYTHONS
    if version is None:
        raise EnvironmentTrouble(f"{path} does not answer as a Python; name another in Maquette's preferences.")
    if not low <= version <= high:
        raise EnvironmentTrouble(
            f"The backend needs Python {low[0]}.{low[1]} to {high[0]}.{high[1]}, and {path} is "
            f"{version[0]}.{version[1]}; name another in Maquette's preferences."
        )


@functools.cache
def _version(path: str, modified: int) -> tuple[int, int] | None:
    code = "import sys; print(*sys.version_info[:2])"
    with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
        answer = subprocess.run([path, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=False)
        major, minor = map(int, answer.stdout.split())
        return major, minor
    return None
