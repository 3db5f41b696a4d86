"""Runs inside the Blender that the window tests drive: enables the extension, and answers the driver.

The driver leaves Python in <n>.py of $MAQUETTE_WINDOW; a timer of ours runs it, and leaves <n>.json: its value, or
its error. Meanwhile the timer notes the longest time that Blender's event loop was away.
"""

import importlib
import inspect
import json
import os
import time
import traceback
import types
from pathlib import Path

import addon_utils
import bpy

MODULE = "bl_ext.user_default.maquette"
EXCHANGE = Path(os.environ["MAQUETTE_WINDOW"])
TICK = 0.05

pauses = []
_last_tick = None


class Marked:
    """Stands in for a layout, and draws the buttons of one operator, or of one property, in red.

    A name may go on, after a blank, with the beginning of the button's text, where an operator has several.
    """

    def __init__(self, layout, name):
        self._layout, self._name = layout, name

    def __getattr__(self, attribute):
        value = getattr(self._layout, attribute)
        if attribute in ("row", "column", "box", "split", "column_flow", "grid_flow"):
            return lambda *args, **options: Marked(value(*args, **options), self._name)
        if attribute in ("panel", "panel_prop"):
            return lambda *args, **options: tuple(part and Marked(part, self._name) for part in value(*args, **options))
        if attribute == "operator":
            return lambda idname, *args, **options: self._in_red(idname, value, "operator", idname, args, options)
        if attribute == "prop":
            return lambda data, name, *args, **options: self._in_red(name, value, "prop", data, (name, *args), options)
        return value

    def __setattr__(self, attribute, value):
        if attribute.startswith("_"):
            object.__setattr__(self, attribute, value)
        else:
            setattr(self._layout, attribute, value)

    def _in_red(self, name, plain, kind, first, args, options):
        wanted, _, text = self._name.partition(" ")
        if name != wanted or not options.get("text", "").startswith(text):
            return plain(first, *args, **options)
        row = self._layout.row(align=True)
        row.alert = True
        return getattr(row, kind)(first, *args, **options)


class MarkedSelf:
    """Stands in for a panel, with a marked layout."""

    def __init__(self, panel, name):
        self._panel, self.layout = panel, Marked(panel.layout, name)

    def __getattr__(self, attribute):
        method = inspect.getattr_static(type(self._panel), attribute, None)
        if isinstance(method, types.FunctionType):  # it draws too, so it is to see the marked layout
            return types.MethodType(method, self)
        return getattr(self._panel, attribute)


marked = ""
draws = 0
drawn = set()  # names of the classes of ours that were drawn


def mark(name):
    """Draw the buttons of operator or property `name` in red from now on ("": none); gives the count of draws so far.

    Blender's timers run after it has drawn, so once `draws` has grown, what is on the screen is new.
    """
    global marked
    marked = name
    for kind in (bpy.types.Panel, bpy.types.AddonPreferences):
        for cls in kind.__subclasses__():
            draw = getattr(cls, "draw", None)  # its own, or one that panels share
            if cls.__module__.startswith(MODULE) and draw and not hasattr(draw, "watched"):
                cls.draw = _watched(draw)
    redraw()
    return draws


def _watched(draw):
    def watching(self, context):
        global draws
        draws += 1
        drawn.add(type(self).__name__)
        draw(MarkedSelf(self, marked) if marked else self, context)

    watching.watched = True
    return watching


def redraw():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


def view_3d():
    """(area, space) of the 3D view of the main window."""
    for area in bpy.context.window_manager.windows[0].screen.areas:
        if area.type == "VIEW_3D":
            return area, area.spaces.active
    raise LookupError("the main window has no 3D view")


def sidebar():
    area, _ = view_3d()
    return next(region for region in area.regions if region.type == "UI")


def show_sidebar():
    """Open the sidebar of the 3D view; gives its (x, y, width, height) from the bottom left of the window."""
    _, space = view_3d()
    space.show_region_ui = True
    redraw()
    region = sidebar()
    return region.x, region.y, region.width, region.height


def part(name):
    """A module of the extension: part("addon.jobs")."""
    return importlib.import_module(f"{MODULE}.{name}")


def show_preferences():
    """Open the preferences on our extension, as its name clicked there does."""
    bpy.context.preferences.active_section = "ADDONS"
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.screen.userpref_show("INVOKE_DEFAULT")
        bpy.ops.preferences.addon_show(module=MODULE)
    mark("")


def close_preferences():
    for window in bpy.context.window_manager.windows[1:]:
        with bpy.context.temp_override(window=window):
            bpy.ops.wm.window_close()


def frame_selected():
    """Bring what is selected into view."""
    area, _ = view_3d()
    region = next(region for region in area.regions if region.type == "WINDOW")
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.view3d.view_selected()


def begin(operator):
    """Begin an operator as its button does, over the main window's 3D view."""
    area, _ = view_3d()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area, region=region):
        operator("INVOKE_DEFAULT")


def answer():
    global _last_tick
    now = time.monotonic()
    if _last_tick is not None:
        pauses.append(now - _last_tick - TICK)
    for asked in sorted(EXCHANGE.glob("*.py")):
        reply = asked.with_suffix(".json")
        if reply.exists():
            continue
        try:
            code = compile(asked.read_text(), str(asked), "eval" if asked.stem.startswith("ask") else "exec")
            value = {"value": eval(code, globals())}
        except Exception:
            value = {"error": traceback.format_exc()}
        partial = reply.with_suffix(".partial")
        partial.write_text(json.dumps(value))
        partial.replace(reply)
    _last_tick = time.monotonic()
    return TICK


def start():
    preferences = bpy.context.preferences
    preferences.view.show_splash = False
    preferences.view.use_save_prompt = False
    preferences.view.smooth_view = 0
    preferences.system.use_region_overlap = False  # else the view is drawn again, in software, with every progress bar

    def fail(error):
        raise error

    addon_utils.enable(MODULE, default_set=True, handle_error=fail)
    bpy.app.timers.register(answer, first_interval=TICK, persistent=True)


start()
