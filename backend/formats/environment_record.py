"""environment.json: how the backend's own environment was made. Standard library only."""

import hashlib
import sys
from pathlib import Path

RECORD = "environment.json"


def interpreter(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def lock_hash(lock: Path) -> str:
    """What tells one lock file from another; line endings do not. "" if it cannot be read."""
    try:
        return hashlib.sha256(lock.read_text("utf-8").encode()).hexdigest()
    except OSError:
        return ""
