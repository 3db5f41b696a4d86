"""The zip, installed and enabled by Blender itself in a user folder of its own ($MAQUETTE_ZIP names it)."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

RESOURCES = Path(tempfile.mkdtemp(prefix="maquette-smoke-"))
os.environ["BLENDER_USER_RESOURCES"] = str(RESOURCES)

import bpy  # noqa: E402


def pytest_report_header(config):
    return f"bpy {bpy.app.version_string}, {os.environ.get('MAQUETTE_ZIP')}"


def pytest_unconfigure(config):
    shutil.rmtree(RESOURCES, ignore_errors=True)


@pytest.fixture(scope="session")
def installed():
    """Folder of the installed extension, which is enabled."""
    zipped = Path(os.environ["MAQUETTE_ZIP"])
    result = bpy.ops.extensions.package_install_files(
        directory=str(zipped.parent), files=[{"name": zipped.name}], repo="user_default", enable_on_install=True
    )
    assert result == {"FINISHED"}
    return RESOURCES / "extensions" / "user_default" / "maquette"
