"""`build.py test`: lint, unit tests, tests under bpy, the zip installed as Blender does, a real window."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import environments, extension, launch, pythons
from .environments import CHECKOUT
from .trouble import Trouble

PARTS = ("lint", "unit", "bpy", "smoke", "window")
SIDE_BY_SIDE = ("unit", "blender")
"""Folders of tests that several processes share, a file of tests at a time; there is only one window."""
MOST_WORKERS = 4
"""A process that loads torch, or Blender, and works takes 2 GB."""


def run(arguments) -> int:
    """Run the parts asked for (all; with --blender those that depend on it), and sum them up at the end."""
    chosen = [part for part in PARTS if getattr(arguments, part)]
    if not chosen:
        chosen = ["bpy", "smoke"] if arguments.blender else list(PARTS)
        if arguments.k:
            chosen = [part for part in chosen if part not in ("lint", "smoke")]
    if "window" in chosen and not arguments.window and not _window_is_possible():
        chosen.remove("window")
        print("No Blender with a window was found (BLENDER=/path/to/blender), so its tests are left out.")
    version = arguments.blender or pythons.default_blender()
    matching = ["-k", arguments.k] if arguments.k else []
    steps = {
        "lint": _lint,
        "unit": lambda: _pytest(environments.backend(), "unit", matching),
        "bpy": lambda: _in_bpy(version, matching),
        "smoke": lambda: _smoke(version),
        "window": lambda: _in_window(matching),
    }
    _make_environments(chosen, version)
    summary = []
    for part in chosen:
        title = f"{part} {version}" if part in ("bpy", "smoke") else part
        print(f"\n=== {title}", flush=True)
        began = time.monotonic()
        try:
            passed = steps[part]()
        except Trouble as trouble:
            print(trouble)
            passed = False
        summary.append((title, passed, time.monotonic() - began))
    print("\n=== summary")
    for title, passed, seconds in summary:
        print(f"{'passed' if passed else 'FAILED'}  {seconds:6.0f} s  {title}")
    return 0 if all(passed for _, passed, _ in summary) else 1


def _make_environments(chosen, version):
    """Before the first step, so that no step's seconds count an install."""
    environments.backend()
    if {"bpy", "smoke"} & set(chosen):
        environments.blender(version)


def _lint() -> bool:
    ruff = [environments.backend(), "-m", "ruff"]
    checked = subprocess.run([*ruff, "check", "."], cwd=CHECKOUT).returncode
    formatted = subprocess.run([*ruff, "format", "--check", "."], cwd=CHECKOUT).returncode
    return checked == formatted == 0


def _in_bpy(version, matching) -> bool:
    return _pytest(environments.blender(version), "blender", matching, MAQUETTE_BACKEND_PYTHON=environments.backend())


def _smoke(version) -> bool:
    python = environments.blender(version)
    with tempfile.TemporaryDirectory(prefix="maquette-zip-") as folder:
        zipped = extension.build(python, Path(folder))
        print(f"Built and validated {zipped.name} ({zipped.stat().st_size / 1e6:.2f} MB).", flush=True)
        return _pytest(python, "smoke", [], MAQUETTE_ZIP=zipped, MAQUETTE_BACKEND_PYTHON=environments.backend())


def _in_window(matching) -> bool:
    program = launch.find_blender()
    if program is None:
        raise Trouble("No Blender was found: install it, or name it with BLENDER=/path/to/blender.")
    python = environments.backend()
    return _pytest(python, "window", matching, BLENDER=program, MAQUETTE_BACKEND_PYTHON=python)


def _window_is_possible() -> bool:
    """The window is driven by X11's tools, on a display of its own."""
    tools = ("Xvfb", "xdotool", "import")
    return sys.platform == "linux" and all(map(shutil.which, tools)) and launch.find_blender() is not None


def _pytest(python, folder, matching, **variables) -> bool:
    command = [python, "-m", "pytest", f"tests/{folder}", "--durations=5", "-q", *matching]
    if folder in SIDE_BY_SIDE and not matching:
        command += ["-n", str(min(os.cpu_count() or 1, MOST_WORKERS)), "--dist", "loadfile"]
        # A process a core: threads of their own would only wait for each other.
        variables["OMP_NUM_THREADS"] = "1"
    # The checkout stays as it was: no bytecode beside the code, which is also what the zip is built from.
    variables |= {"PYTHONPYCACHEPREFIX": Path(tempfile.gettempdir()) / f"maquette-pycache-{os.getpid()}"}
    code = subprocess.run(command, cwd=CHECKOUT, env=environments.surroundings(**variables)).returncode
    return code == 0 or (code == 5 and bool(matching))  # 5: no test matches the expression
