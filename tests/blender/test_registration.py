"""The extension registers and unregisters cleanly, as often as asked."""

import addon_utils
import bpy

MODULE = "bl_ext.user_default.maquette"


def _known_names():
    """The names of everything a class can be registered as, of all kinds."""
    kinds = (bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup, bpy.types.AddonPreferences)
    return {cls.__name__ for kind in kinds for cls in kind.__subclasses__() if cls.__module__.startswith(MODULE)}


def _registered_names(names):
    return {name for name in names if getattr(bpy.types, name, None) is not None}


def test_enabled_extension_is_listed(maquette):
    assert maquette.__name__ == MODULE
    assert MODULE in bpy.context.preferences.addons
    assert addon_utils.check(MODULE) == (True, True)


def test_every_listed_class_is_registered(maquette_part):
    registration = maquette_part("addon.registration")
    for name in registration.MODULES:
        for cls in getattr(maquette_part(name), "classes", ()):
            assert cls.is_registered, f"{name}.{cls.__name__}"


def test_unregister_leaves_nothing_and_register_brings_all_back(maquette):
    names = _known_names()
    before = _registered_names(names)
    handlers = {name: len(value) for name, value in vars_of_handlers()}
    for _ in range(2):
        maquette.unregister()
        assert not _registered_names(names)
        assert not hasattr(bpy.types.Scene, "maquette")
        maquette.register()
        assert _registered_names(names) == before
        assert {name: len(value) for name, value in vars_of_handlers()} == handlers


def vars_of_handlers():
    """Blender's handler lists by name."""
    listed = ((name, getattr(bpy.app.handlers, name)) for name in dir(bpy.app.handlers))
    return [(name, value) for name, value in listed if isinstance(value, list)]


def test_a_failing_module_takes_nothing_with_it(maquette, maquette_part, monkeypatch):
    registration = maquette_part("addon.registration")
    names = _known_names()
    maquette.unregister()
    with monkeypatch.context() as patch:
        patch.setattr(registration, "MODULES", [*registration.MODULES, "addon.no_such_module"])
        try:
            maquette.register()
        except ModuleNotFoundError:
            pass
        else:
            raise AssertionError("a module that is not there was accepted")
        assert not _registered_names(names)
    maquette.register()
