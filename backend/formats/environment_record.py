"""What the backend's own environment is made of, and environment.json inside it, which tells how it was made.
Standard library only."""

import hashlib
import shutil
import sys
from pathlib import Path

from ..errors import EnvironmentTrouble

RECORD = "environment.json"
PYTHONS = ((3, 11), (3, 13))
"""The oldest and the newest Python it can be made from."""
GIGABYTES = {"cpu": 3, "cuda": 12}
"""Room needed while packages are unpacked, pip's cache included; 1.7 were measured for CPU when done."""


def interpreter(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def lock_hash(lock: Path) -> str:
    """What tells one lock file from another; line endings do not. "" if it cannot be read."""
    try:
        return hashlib.sha256(lock.read_text("utf-8").encode()).hexdigest()
    except OSError:
        return ""


def cuda_needs_an_index() -> bool:
    """Whether the package index that pip asks by itself has PyTorch for this system without CUDA only."""
    return sys.platform == "win32"


def choose_build(asked: str) -> str:
    """cpu or cuda: what "auto" comes to on this computer."""
    if asked == "auto":
        return "cuda" if sys.platform != "darwin" and shutil.which("nvidia-smi") else "cpu"
    if asked == "cuda" and sys.platform == "darwin":
        raise EnvironmentTrouble("There is no CUDA on a Mac; choose Automatic, which uses the Apple GPU.")
    return asked
