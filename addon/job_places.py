"""Where jobs, the backend and compiled files lie, and which Python does what: the preferences put into effect."""

import os
import sys
from pathlib import Path

import bpy

from ..backend.contract import BLENDER_REQUESTS
from ..backend.errors import EnvironmentTrouble
from .backend_environment import BackendEnvironment, check_python, check_version
from .job_queue import backend_command
from .job_record import JobRecord

EXTENSION = __package__.rpartition(".")[0]
"""Name of the extension's package, under which Blender keeps its preferences."""


SCENE_FILE = "scene.blend"
"""In a job's folder: the copy of the file that a Blender without a window works on."""


def preferences():
    """The extension's preferences; None while it is being enabled or disabled."""
    addon = bpy.context.preferences.addons.get(EXTENSION)
    return addon.preferences if addon else None


def jobs() -> Path:
    """Folder that job folders are made in."""
    return _chosen("job_place") or _own("jobs")


def arkit_tables() -> Path:
    """Folder that ARKit tables fitted for models are kept in."""
    return _own("arkit")


def backend() -> BackendEnvironment:
    """The environment that Maquette makes for itself, whether or not it is there yet."""
    return BackendEnvironment(_chosen("backend_place") or _own("backend"))


def cache() -> Path:
    """Folder for compiled Python files, beside the backend."""
    return backend().place / "pycache"


def problem() -> str:
    """Why there is no backend, as a sentence; "" if there is one. Quick enough for a panel."""
    try:
        python("check-backend", ask=False)
    except EnvironmentTrouble as trouble:
        return str(trouble)
    return ""


def python(kind: str, ask: bool = True) -> str:
    """Interpreter for a request of that kind. With ``ask``, one that the artist named is asked for its version, which
    takes a moment the first time. Raises EnvironmentTrouble if there is none."""
    if kind == "set-up-backend":
        return str(base_python())
    if kind in BLENDER_REQUESTS:
        return bpy.app.binary_path
    if named := os.environ.get("MAQUETTE_BACKEND_PYTHON"):
        return named
    chosen = preferences()
    if chosen is not None and chosen.backend_source == "EXISTING":
        existing = check_python(Path(bpy.path.abspath(chosen.existing_python)), "existing environment")
        if ask:
            check_version(existing)
        return str(existing)
    environment = backend()
    if problem := environment.problem():
        raise EnvironmentTrouble(problem)
    return str(environment.python)


def command(record: JobRecord) -> list[str]:
    """What to run for a job: the backend, or this Blender without a window, on the copy of the file in its folder where
    there is one."""
    if record.kind not in BLENDER_REQUESTS:
        return backend_command(record)
    module = f"{EXTENSION}.addon.blender_job"
    start = f"import importlib; importlib.import_module({module!r}).main({str(record.folder)!r}, {record.detached})"
    scene = record.folder / SCENE_FILE
    return [record.python, "--background", *[str(scene)] * scene.exists(), "--python-expr", start]


def base_python() -> Path:
    """The Python that the backend's environment is made from. Raises EnvironmentTrouble."""
    chosen = preferences()
    if chosen is not None and chosen.base_source == "OTHER":
        return check_python(Path(bpy.path.abspath(chosen.base_python)), "Python to make it with")
    return check_python(blenders_python(), "Blender's Python")


def blenders_python() -> Path:
    """Blender's own interpreter; sys.executable is that, or in some builds Blender itself."""
    named = Path(sys.executable or "")
    if named.name.lower().startswith("python"):
        return named
    folder = Path(sys.prefix) / ("" if sys.platform == "win32" else "bin")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = ("python.exe",) if sys.platform == "win32" else (f"python{version}", "python3", "python")
    return next((folder / name for name in names if (folder / name).exists()), named)


def _chosen(name: str) -> Path | None:
    value = getattr(preferences(), name, "")
    return Path(bpy.path.abspath(value)) if value else None


def _own(name: str) -> Path:
    return Path(bpy.utils.extension_path_user(EXTENSION, path=name, create=False))
