"""The environments: one for each bpy, one for the backend.

Each is named by its Python and by a hash of its lock files, and is made under a temporary name and renamed when
complete. So a lock file that changes, or an install that broke off, ends in a new environment. Checkouts whose locks
differ share the cache, so an old environment goes only when no checkout has used it for a month.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from . import pythons
from .trouble import Trouble

CHECKOUT = Path(__file__).resolve().parents[1]
LOCKS = CHECKOUT / "locks"
DAY = 24 * 3600
UNUSED_DAYS = 30
"""After which an environment of the same name and other locks is removed, when a new one is made."""
USED = "maquette-used"
"""File in an environment, touched whenever build.py hands it out."""
IMPORTED = "maquette-imported"
"""File in an environment with bpy, made when bpy has been imported there once."""
SYSTEM_LIBRARIES = (
    "libx11-6", "libxrender1", "libxfixes3", "libxi6", "libxxf86vm1", "libxkbcommon0", "libsm6", "libice6", "libgomp1",
    "libegl1", "libgl1",
)  # fmt: skip
"""Debian's and Ubuntu's packages of what bpy is linked to, and a machine without a desktop lacks."""


def blender_versions() -> list[str]:
    """The versions of bpy that can be asked for."""
    return list(pythons.PYTHON_OF_BLENDER)


def cache() -> Path:
    """Where environments live: $MAQUETTE_CACHE, or `maquette` in the user's cache folder."""
    if own := os.environ.get("MAQUETTE_CACHE"):
        return Path(own).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "maquette"


def blender(version: str | None = None) -> Path:
    """Interpreter of the environment with bpy `version` (this Python's newest), made if need be."""
    version = version or pythons.default_blender()
    _refuse_platforms_without_bpy()
    base = pythons.for_blender(version)
    python = pythons.PYTHON_OF_BLENDER[version]
    made = _ensure(f"bpy-{version}-python{python}", base, [LOCKS / f"bpy-{version}.txt", LOCKS / "test.txt"])
    _check_bpy(made)
    return made


def backend() -> Path:
    """Interpreter of the backend's environment, made if need be."""
    version, base = pythons.for_backend()
    return _ensure(f"backend-python{version}", base, [LOCKS / "backend.txt", LOCKS / "test.txt"])


def backend_if_made() -> Path | None:
    """Interpreter of the backend's environment where it is there already."""
    version, _ = pythons.for_backend()
    place = _place(f"backend-python{version}", [LOCKS / "backend.txt", LOCKS / "test.txt"])
    return _interpreter(place) if _works(_interpreter(place)) else None


def surroundings(**extra: str) -> dict[str, str]:
    """Environment variables for a child: this process's own, less what would leak another Python's packages in."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return kept | {"PYTHONNOUSERSITE": "1"} | {name: str(value) for name, value in extra.items()}


def run(arguments) -> int:
    """`build.py setup`."""
    if arguments.remove:
        # Only what was made here: MAQUETTE_CACHE may name a folder that holds more.
        shutil.rmtree(cache() / "environments", ignore_errors=True)
        print(f"Removed {cache() / 'environments'}.")
        return 0
    print(f"backend: {backend()}")
    print(f"bpy:     {blender(arguments.blender)}")
    return 0


def _ensure(name: str, base: Path, locks: list[Path]) -> Path:
    place = _place(name, locks)
    if _works(_interpreter(place)):
        _touch(place / USED)
        return _interpreter(place)
    making = place.with_name(f"making-{place.name}-{os.getpid()}")
    _clear_leftovers(place.parent)
    began = time.monotonic()
    print(f"Making the environment {place.name} in {place.parent} (once, and again when its lock file changes).")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _make(making, base, locks)
        shutil.rmtree(place, ignore_errors=True)  # one that no longer works
        with suppress(OSError):  # another build.py was quicker
            making.rename(place)
    except OSError as error:
        raise Trouble(f"The environment cannot be written to {place.parent} ({error.strerror}).") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    if not _works(_interpreter(place)):
        raise Trouble(f"The environment in {place} does not start: run `python build.py setup --remove`, then again.")
    _touch(place / USED)
    for old in place.parent.glob(f"{name}-*"):
        if old != place and time.time() - _last_used(old) > UNUSED_DAYS * DAY:
            print(f"Removing {old.name}, which nobody has used for {UNUSED_DAYS} days.")
            shutil.rmtree(old, ignore_errors=True)
    print(f"Made {place.name} in {time.monotonic() - began:.0f} s.", flush=True)
    return _interpreter(place)


def _make(place: Path, base: Path, locks: list[Path]):
    _show([base, "-m", "venv", place])
    if subprocess.run([base, "-m", "venv", place], env=surroundings()).returncode:
        raise Trouble(f"{base} cannot make environments (on Debian, its package with `-venv` at the end is missing).")
    install = [_interpreter(place), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    install += [part for lock in locks for part in ("-r", lock)]
    _show(install)
    if subprocess.run(install, env=surroundings()).returncode:
        named = " and ".join(lock.name for lock in locks)
        raise Trouble(f"pip could not install {named} (see above): mend the network or free space, and run this again.")


def _check_bpy(interpreter: Path):
    """Import bpy once in a new environment: it is linked to libraries of the system, which pip cannot bring."""
    imported = interpreter.parents[1] / IMPORTED
    if imported.exists():
        return
    try:
        tried = subprocess.run(
            [interpreter, "-c", "import bpy"], capture_output=True, text=True, timeout=300, env=surroundings()
        )
    except subprocess.TimeoutExpired:
        raise Trouble(f"Blender's Python module does not load within 5 minutes: try {interpreter} by hand.") from None
    if tried.returncode == 0:
        return _touch(imported)
    if missing := re.search(r"(lib[^\s:]+\.so[\d.]*): cannot open shared object file", tried.stderr):
        raise Trouble(
            f"Blender's Python module needs {missing[1]}, which this machine lacks: install what it is linked to (on"
            f" Debian and Ubuntu `sudo apt-get install {' '.join(SYSTEM_LIBRARIES)}`), and run this again."
        )
    said = [line for line in tried.stderr.splitlines() if line.strip()] or [f"it ended with {tried.returncode}"]
    raise Trouble(
        f"Blender's Python module does not load here ({said[-1].strip()}): try `{interpreter} -c 'import bpy'`."
    )


def _touch(path: Path):
    with suppress(OSError):  # a cache that is shared, and read-only here
        path.touch()


def _last_used(place: Path) -> float:
    """Seconds since the epoch; when it was made, for an environment that was never handed out since."""
    marker = place / USED
    with suppress(OSError):
        return (marker if marker.exists() else place).stat().st_mtime
    return time.time()


def _show(command):
    print("$", *command, flush=True)


def _place(name: str, locks: list[Path]) -> Path:
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:10]
    return cache() / "environments" / f"{name}-{digest}"


def _interpreter(place: Path) -> Path:
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _works(interpreter: Path) -> bool:
    """Whether it starts: the Python that an environment was made with may be gone."""
    try:
        return subprocess.run([interpreter, "-c", ""], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _clear_leftovers(folder: Path):
    """Remove installs that broke off; a young one may be another build.py's, at work."""
    for leftover in folder.glob("making-*"):
        if time.time() - leftover.stat().st_mtime > DAY:
            shutil.rmtree(leftover, ignore_errors=True)


def _refuse_platforms_without_bpy():
    known = {"linux": ("x86_64",), "darwin": ("arm64",), "win32": ("AMD64",)}
    machine = platform.machine()
    if machine not in known.get(sys.platform, ()):
        raise Trouble(
            f"There is no Blender module for Python on {platform.system()} {machine}: "
            "use Linux on x86_64, macOS on Apple silicon, or Windows on x86_64."
        )
