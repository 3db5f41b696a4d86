"""What Blender is told about: the modules whose classes it registers, in order."""

import importlib

# A module here has a `classes` tuple and, where it needs more than that, register() and unregister(). It may import
# bpy, because it is itself imported inside register(). Properties and preferences come before the operators that
# read them, operators before the panels that show them.
MODULES = [
    "addon.jobs",
    "addon.preferences",
    "addon.hair_results",
    "addon.evaluation",
    "addon.ground_truth_properties",
    "addon.flame_arkit",
    "addon.flame_properties",
    "addon.fit_properties",
    "addon.detail_properties",
    "addon.head_evaluation",
    "addon.sdf_baking",
    "addon.head_results",
    "addon.capture_state",
    "addon.capture_checks",
    "addon.strokes",
    "addon.properties",
    "addon.fitting",
    "addon.detail_results",
    "operators.backend",
    "operators.jobs",
    "operators.head",
    "operators.flame",
    "operators.flame_motion",
    "operators.capture",
    "operators.camera_files",
    "operators.import_photos",
    "operators.masks",
    "operators.landmarks",
    "operators.view_landmarks",
    "operators.fit",
    "operators.detail",
    "operators.detail_files",
    "operators.ground_truth",
    "operators.hair",
    "operators.strand_files",
    "operators.evaluate",
    "operators.evaluate_head",
    "operators.bake_sdf",
    "operators.reconstruct_head",
    "panels.capture",
    "panels.capture_masks",
    "panels.hair",
    "panels.fit",
    "panels.head_surface",
    "panels.detail",
    "panels.flame",
    "panels.ground_truth",
    "panels.evaluate",
    "panels.evaluate_head",
    "panels.jobs",
]

_registered = []


def register():
    """Register every module of MODULES; when one fails, the ones before it are taken back and the error goes on."""
    try:
        for name in MODULES:
            _register_module(importlib.import_module(f"..{name}", __package__))
    except Exception:
        unregister()
        raise


def unregister():
    """Take back what register() did, in reverse."""
    while _registered:
        undo = _registered.pop()
        undo()


def _register_module(module):
    from bpy.utils import register_class, unregister_class

    for cls in getattr(module, "classes", ()):
        register_class(cls)
        _registered.append(lambda cls=cls: unregister_class(cls))
    if hasattr(module, "register"):
        module.register()
    if hasattr(module, "unregister"):
        _registered.append(module.unregister)
