"""Blender as a Python module, with this checkout as its extension.

The extension is a link inside a temporary BLENDER_USER_RESOURCES, which Blender reads once, when bpy is imported:
so all of this happens here, before any test module. Nothing of the user's own Blender is read or written.
"""

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = "bl_ext.user_default.maquette"
RESOURCES = Path(tempfile.mkdtemp(prefix="maquette-test-"))


def _link_checkout():
    place = RESOURCES / "extensions" / "user_default" / "maquette"
    place.parent.mkdir(parents=True)
    if sys.platform == "win32":  # a symbolic link asks for rights there that a junction does not
        import _winapi

        _winapi.CreateJunction(str(CHECKOUT), str(place))
    else:
        place.symlink_to(CHECKOUT, target_is_directory=True)


_link_checkout()
os.environ["BLENDER_USER_RESOURCES"] = str(RESOURCES)

import bpy  # noqa: E402, I001 (it puts addon_utils on the path)
import addon_utils  # noqa: E402


def pytest_report_header(config):
    return f"bpy {bpy.app.version_string}"


def pytest_unconfigure(config):
    link = RESOURCES / "extensions" / "user_default" / "maquette"
    link.rmdir() if sys.platform == "win32" else link.unlink()  # never through the link into the checkout
    shutil.rmtree(RESOURCES, ignore_errors=True)


def enable():
    """Enable the extension as the preferences' tick box does; an exception in register() is raised here."""

    def fail(error):
        raise error

    return addon_utils.enable(MODULE, default_set=True, handle_error=fail)


@pytest.fixture(scope="session")
def _enabled():
    module = enable()
    assert module is not None
    yield module
    addon_utils.disable(MODULE, default_set=True)


@pytest.fixture
def maquette(_enabled):
    """The enabled extension (the module itself), with an empty file open.

    `importlib.import_module(f"{maquette.__name__}.addon.jobs")` gives its parts; `maquette_part` does the same.
    """
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return sys.modules[MODULE]


@pytest.fixture
def maquette_part(maquette):
    """A function giving a module of the enabled extension by its path: maquette_part("addon.jobs")."""
    return lambda name: importlib.import_module(f"{maquette.__name__}.{name}")
