"""The Pythons of this machine, and which one each environment is made with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .trouble import Trouble

# The bpy wheels hold for one Python version each; the newest of a Python is what it tests with.
PYTHON_OF_BLENDER = {"4.2.23": "3.11", "4.5.15": "3.11", "5.0.1": "3.11", "5.2.3": "3.13"}
BACKEND_PYTHONS = ("3.11", "3.13")


def running() -> str:
    """Version of the Python that runs build.py, as "3.11"."""
    return "{}.{}".format(*sys.version_info)


def default_blender() -> str:
    """The newest bpy of this Python, else of the first Python found that has one."""
    for python in (running(), *BACKEND_PYTHONS):
        versions = [version for version, needs in PYTHON_OF_BLENDER.items() if needs == python]
        if versions and find(python):
            return versions[-1]
    raise Trouble("Blender's Python module needs Python 3.11 or 3.13, and neither was found: install one of them.")


def for_blender(version: str) -> Path:
    """Interpreter for an environment with bpy `version`."""
    needs = PYTHON_OF_BLENDER[version]
    return find(needs) or _missing(f"bpy {version} needs Python {needs}, which was not found: install it.")


def for_backend() -> tuple[str, Path]:
    """(version, interpreter) for the backend's environment: 3.11 where there is one."""
    for version in BACKEND_PYTHONS:
        if found := find(version):
            return version, found
    return _missing("The backend needs Python 3.11 or 3.13, and neither was found: install one of them.")


def find(version: str) -> Path | None:
    """A working interpreter of `version` ("3.11"): the running one, on PATH, pyenv's, or the Windows launcher's."""
    if version == running():
        return Path(getattr(sys, "_base_executable", sys.executable))
    # A name on PATH may be a shim that only prints advice, so each candidate is asked.
    candidates = [shutil.which(f"python{version}"), f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)
    candidates += [f"/opt/homebrew/bin/python{version}"]
    commands = [[str(candidate)] for candidate in candidates if candidate and Path(candidate).exists()]
    if launcher := shutil.which("py"):
        commands.append([launcher, f"-{version}"])
    for command in commands:
        if found := _ask(command, version):
            return found
    return None


def _ask(command, version) -> Path | None:
    question = "import sys; print('{}.{}'.format(*sys.version_info), sys.executable)"
    try:
        answer = subprocess.run([*command, "-c", question], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said, _, executable = answer.stdout.strip().partition(" ")
    return Path(executable) if answer.returncode == 0 and said == version else None


def _missing(sentence):
    raise Trouble(sentence)
