"""Scripts run by an interpreter that has bpy: what the bench renders, encodes or measures in Blender."""

import os
import subprocess
from pathlib import Path

from building import environments


def in_blender(script: Path, *words, **options) -> subprocess.CompletedProcess:
    """Run a script with its words; ``options`` are subprocess.run's."""
    python = os.environ.get("MAQUETTE_BPY_PYTHON") or environments.blender()
    environment = os.environ | {"PYTHONPATH": str(environments.CHECKOUT)}
    return subprocess.run([*map(str, (python, script, *words))], env=environment, **options)
