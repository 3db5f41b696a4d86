"""What an artist does in the first minute, with the zip as it is shipped."""

import bpy

MODULE = "bl_ext.user_default.maquette"


def test_installed_zip_is_enabled(installed):
    assert MODULE in bpy.context.preferences.addons
    for needed in ("backend/worker.py", "locks/backend.txt", "assets", "LICENSE", "README.md"):
        assert (installed / needed).exists(), needed


def test_installed_zip_holds_only_what_an_artist_needs(installed):
    there = {entry.name for entry in installed.iterdir()} - {"__pycache__"}
    assert there == {
        "LICENSE",
        "README.md",
        "__init__.py",
        "addon",
        "assets",
        "backend",
        "blender_manifest.toml",
        "locks",
        "operators",
        "panels",
    }
    assert {entry.name for entry in (installed / "locks").iterdir()} == {"backend.txt"}
