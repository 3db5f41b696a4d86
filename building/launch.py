"""Commands that hand over to another program: the backend, bpy without a window, a Blender with one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import environments, extension
from .environments import CHECKOUT
from .trouble import Trouble

ENABLE = "import addon_utils; addon_utils.enable('bl_ext.user_default.maquette', default_set=True)"


def backend(arguments) -> int:
    """`build.py backend ARGS`: relative paths are the caller's, so the folder stays as it is."""
    python = environments.backend()
    command = [python, "-P", "-m", "backend", *arguments.arguments]
    return _hand_over(command, PYTHONPATH=CHECKOUT, MAQUETTE_CALLED="python build.py backend")


def bench(arguments) -> int:
    """`build.py bench NAME`: package bench/ in the backend's environment; it starts bpy for what it renders."""
    python, blender = environments.backend(), environments.blender()
    command = [python, "-P", "-m", "bench", *arguments.arguments]
    return _hand_over(command, PYTHONPATH=CHECKOUT, MAQUETTE_BPY_PYTHON=blender, MAQUETTE_BACKEND_PYTHON=python)


def in_blender(argv: list[str], version: str | None) -> int:
    """Run addon/headless.py's main(argv) under bpy, with this checkout as the enabled extension."""
    python, backend_python = environments.blender(version), environments.backend()
    return _hand_over([python, CHECKOUT / "building" / "headless.py", *argv], MAQUETTE_BACKEND_PYTHON=backend_python)


def blender(arguments) -> int:
    """`build.py blender`."""
    program = find_blender()
    if program is None:
        raise Trouble("No Blender was found: install it, or name it with BLENDER=/path/to/blender.")
    resources = Path(arguments.resources or environments.cache() / "blender").expanduser().absolute()
    extension.link(resources)
    variables = {"BLENDER_USER_RESOURCES": resources}
    if python := environments.backend_if_made():
        variables["MAQUETTE_BACKEND_PYTHON"] = python
    print(f"{program}, with its user folder in {resources}")
    return _hand_over([program, "--python-expr", ENABLE, *arguments.arguments], **variables)


def find_blender() -> str | None:
    """$BLENDER, or an installed Blender, the newest where several stand side by side."""
    if named := os.environ.get("BLENDER"):
        if found := shutil.which(Path(named).expanduser()):
            return str(Path(found).absolute())
        raise Trouble(f"BLENDER names {named}, which is not a program.")
    if found := shutil.which("blender"):
        return found
    places = {
        "win32": (Path(os.environ.get("PROGRAMFILES", "C:/Program Files")), "Blender Foundation/Blender */blender.exe"),
        "darwin": (Path("/Applications"), "Blender*.app/Contents/MacOS/Blender"),
    }
    folder, pattern = places.get(sys.platform, (Path("/opt"), "blender*/blender"))
    return next((str(found) for found in sorted(folder.glob(pattern), reverse=True)), None)


def _hand_over(command, **variables) -> int:
    return subprocess.run(command, env=environments.surroundings(**variables)).returncode
