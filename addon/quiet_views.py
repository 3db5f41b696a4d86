"""3D views that show a camera's photograph and nothing over it, for as long as it is clicked on."""

import bpy

_OVERLAYS = ("show_floor", "show_axis_x", "show_axis_y", "show_axis_z", "show_cursor", "show_text")
_KINDS = ("mesh", "curve", "curves", "surf", "meta", "font", "pointcloud", "volume", "armature", "lattice", "empty")
_KINDS += ("light", "light_probe", "speaker", "grease_pencil")


def quieten(screen: bpy.types.Screen) -> dict[int, list]:
    """Hide, in the views of a screen only, what lies over a photograph. What ``restore`` needs; no references."""
    before = {}
    for area in _views(screen):
        before[area.as_pointer()] = [(where, name, getattr(thing, name)) for where, name, thing in _switches(area)]
        for _, name, thing in _switches(area):
            setattr(thing, name, False)
    return before


def restore(before: dict[int, list]) -> None:
    """Show again what ``quieten`` hid, in the views that are still there."""
    for screen in bpy.data.screens:
        for area in _views(screen):
            values = {(where, name): value for where, name, value in before.get(area.as_pointer(), ())}
            for where, name, thing in _switches(area):
                if (where, name) in values:
                    setattr(thing, name, values[where, name])


def _views(screen: bpy.types.Screen) -> list[bpy.types.Area]:
    return [area for area in screen.areas if area.type == "VIEW_3D"]


def _switches(area: bpy.types.Area):
    space = area.spaces.active
    yield from (("overlay", name, space.overlay) for name in _OVERLAYS)
    names = (f"show_object_viewport_{kind}" for kind in _KINDS)
    yield from (("space", name, space) for name in names if hasattr(space, name))
