"""The zip that artists install, and the links by which a checkout stands in for it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from . import environments
from .environments import CHECKOUT
from .trouble import Trouble

# Blender's own command for extensions lies inside bpy; importing bpy to find it would take a second and print.
_FIND_COMMAND = """
import importlib.util, pathlib
bpy = pathlib.Path(importlib.util.find_spec("bpy").origin).parent
print(next(bpy.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")))
"""


def run(arguments) -> int:
    """`build.py zip`."""
    made = build(environments.blender(), Path(arguments.out or CHECKOUT / "dist"))
    print(f"{made} ({made.stat().st_size / 1e6:.2f} MB)")
    return 0


def build(python: Path, folder: Path) -> Path:
    """Build the zip with the Blender of `python` into `folder`, validate it, and give its path."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    found = subprocess.run([python, "-c", _FIND_COMMAND], capture_output=True, text=True)
    if found.returncode:
        raise Trouble("Blender's command for extensions was not found in bpy: run `python build.py setup --remove`.")
    command = found.stdout.strip()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as making:
        _blender_ext(python, command, "build", "--source-dir", CHECKOUT, "--output-dir", making)
        (zipped,) = Path(making).glob("*.zip")
        _blender_ext(python, command, "validate", zipped)
        return zipped.replace(folder / zipped.name)


def _blender_ext(python, command, *arguments):
    done = subprocess.run(
        [python, command, *arguments], env=environments.surroundings(), capture_output=True, text=True
    )
    if done.returncode:
        raise Trouble(f"Blender's `{arguments[0]}` of the extension failed: {(done.stdout + done.stderr).strip()}")


def link(resources: Path) -> Path:
    """Make this checkout the extension `maquette` of the Blender user folder `resources`; gives the link's path."""
    place = resources / "extensions" / "user_default" / "maquette"
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.exists():
        if place.resolve() == CHECKOUT:
            return place
        if not place.is_symlink():
            raise Trouble(f"{place} holds an installed Maquette: remove it there, or name another --resources.")
        place.unlink()
    if sys.platform == "win32":  # a symbolic link asks for rights that a junction does not
        import _winapi

        _winapi.CreateJunction(str(CHECKOUT), str(place))
    else:
        place.symlink_to(CHECKOUT, target_is_directory=True)
    return place


def unlink(place: Path):
    """Remove what link() made, never what it points to."""
    place.rmdir() if sys.platform == "win32" else place.unlink(missing_ok=True)
