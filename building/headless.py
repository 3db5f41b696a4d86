"""Runs inside an environment that has bpy: enables this checkout as the extension, then its addon/headless.py.

Blender reads its user folder when bpy is imported, so a temporary one with a link to the checkout comes first.
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from building import extension  # noqa: E402

MODULE = "bl_ext.user_default.maquette"


def main(argv: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True) as folder:
        link = extension.link(Path(folder))
        try:
            enable(Path(folder))
            return importlib.import_module(f"{MODULE}.addon.headless").main(argv)
        finally:
            extension.unlink(link)


def enable(resources: Path) -> None:
    """Import bpy with that user folder, and enable the extension that is linked there."""
    os.environ["BLENDER_USER_RESOURCES"] = str(resources)
    # The checkout is imported as the extension from here on; its folders are no top-level modules in Blender.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() not in (CHECKOUT, CHECKOUT / "building")]
    import bpy  # noqa: F401 (it puts addon_utils on the path)

    addon_utils = importlib.import_module("addon_utils")

    def fail(error):
        raise error

    addon_utils.enable(MODULE, default_set=True, handle_error=fail)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
