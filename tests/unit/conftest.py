"""The parts of the extension that do not import bpy, without Blender."""

import importlib
import importlib.util
import sys

import pytest


@pytest.fixture(scope="session")
def extension_part(checkout):
    """extension_part("addon.job_queue"): a module of the extension, which imports relatively and so needs a package."""
    name = "maquette_checkout"
    spec = importlib.util.spec_from_file_location(
        name, checkout / "__init__.py", submodule_search_locations=[str(checkout)]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return lambda part: importlib.import_module(f"{name}.{part}")
