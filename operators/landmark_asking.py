"""Asking for one landmark after another by the mouse: what the scan's and the photographs' operators have in common."""

import bpy

from ..addon.landmark_drawing import Card, draw
from ..addon.landmark_guide import ENOUGH, FIRST, NEEDED, hint, label, next_missing
from ..backend.errors import MaquetteError

NAVIGATION = {
    "MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "WHEELINMOUSE", "WHEELOUTMOUSE", "TRACKPADPAN", "TRACKPADZOOM",
    "MOUSEROTATE", "MOUSESMARTZOOM", "HOME", "ACCENT_GRAVE", "N", "T",
}  # fmt: skip
NAVIGATION |= {f"NUMPAD_{key}" for key in (*range(10), "PERIOD", "PLUS", "MINUS", "SLASH")}
KEYS = ("Backspace: take back", "S: skip", "Enter: finish")
NEAR = 6
"""Pixels at a scale of one within which a click takes hold of a landmark that is there."""


def region_under(context: bpy.types.Context, event: bpy.types.Event):
    """(area, region, its 3D view, place in it) of the 3D view under the mouse; None over anything else."""
    x, y = event.mouse_x, event.mouse_y
    for area in context.screen.areas:
        if area.type != "VIEW_3D" or not (area.x <= x < area.x + area.width and area.y <= y < area.y + area.height):
            continue
        over = [r for r in area.regions if r.x <= x < r.x + r.width and r.y <= y < r.y + r.height]
        if any(r.type != "WINDOW" and r.width > 1 and r.height > 1 for r in over):
            return None  # the sidebar and the tools lie over the view
        for region in over:
            if region.type == "WINDOW" and region.data is not None:
                return area, region, region.data, (x - region.x, y - region.y)
    return None


class AsksForLandmarks:
    """A modal operator. It keeps names and numbers only: objects may be gone, or others, after any event.

    What differs is in ``spot`` (what a click means), ``there`` and ``places`` (what has been placed), ``put`` (place,
    or with None take away) and ``heading``. The property ``only`` is the one landmark to ask for, or "" for all.
    """

    def spot(self, context, under):
        """What is under the mouse, as ``put`` takes it; None where no landmark can be."""
        raise NotImplementedError

    def there(self, context) -> dict:
        """Landmark's name → where it is, as ``put`` takes it. Raises MaquetteError where nothing can be asked now."""
        raise NotImplementedError

    def places(self, context, region, view) -> dict:
        """Landmark's name → where it is seen in a region."""
        raise NotImplementedError

    def put(self, context, name: str, spot) -> None:
        raise NotImplementedError

    def settled(self, context, name: str) -> None:
        """A landmark has been placed, moved or taken back for good."""

    def heading(self, context) -> str:
        """A few words on where the landmarks go; for the card."""
        return ""

    def begin(self, context) -> set[str]:
        self.skipped, self.done, self.held, self.before = set(), [], "", None
        self.asked = self.only or next_missing(self.there(context))
        self._drawn = bpy.types.SpaceView3D.draw_handler_add(
            self._draw, (context.window.as_pointer(),), "WINDOW", "POST_PIXEL"
        )
        context.window.cursor_modal_set("CROSSHAIR")
        context.window_manager.modal_handler_add(self)
        self._tell(context)
        return {"RUNNING_MODAL"}

    def cancel(self, context):
        self.end(context)

    def modal(self, context, event):
        try:
            there = self.there(context)
            return self._handled(context, event, there)
        except MaquetteError as error:
            self.end(context)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except Exception:
            self.end(context)  # or the card would stay on the screen for ever
            raise

    def _handled(self, context, event, there: dict) -> set[str]:
        if self.held:
            return self._drag(context, event)
        under = region_under(context, event)
        if event.type in {"ESC", "RET", "NUMPAD_ENTER"}:
            if event.value == "PRESS":
                self.end(context)
                return {"FINISHED"}
            return {"RUNNING_MODAL"}
        if under is None:
            return {"PASS_THROUGH"}
        if event.type in NAVIGATION or event.type.startswith("NDOF") or event.alt:
            return self.navigate(context, event)
        if event.type == "LEFTMOUSE" and event.value in {"PRESS", "DOUBLE_CLICK"}:
            return self._press(context, under, there)
        if event.value == "PRESS":
            if event.type == "BACK_SPACE" or (event.type == "Z" and (event.ctrl or event.oskey)):
                self._take_back(context)
            elif event.type == "S" and self.asked:
                self.skipped.add(self.asked)
                self.asked = next_missing(there.keys() | self.skipped, self.asked)
                self._tell(context)
            else:
                self.key(context, event)
        # Moving the mouse and time go on; whatever else a key does to objects would be in the way.
        harmless = event.type in {"MOUSEMOVE", "INBETWEEN_MOUSEMOVE", "NONE"} or event.type.startswith(
            ("TIMER", "WINDOW")
        )
        return {"PASS_THROUGH"} if harmless else {"RUNNING_MODAL"}

    def navigate(self, context, event) -> set[str]:
        """The artist turns or zooms the view."""
        return {"PASS_THROUGH"}

    def key(self, context, event) -> None:
        """A key that only one of the operators has."""

    def _press(self, context, under, there: dict) -> set[str]:
        _, region, view, place = under
        near = NEAR * context.preferences.system.ui_scale
        for name, at in self.places(context, region, view).items():
            if (at[0] - place[0]) ** 2 + (at[1] - place[1]) ** 2 < near**2:
                self.held, self.before = name, there[name]
                return {"RUNNING_MODAL"}
        spot = self.spot(context, under)
        if spot is not None and self.asked:
            self.held, self.before = self.asked, there.get(self.asked)
            self.put(context, self.asked, spot)
            self._tell(context)
        return {"RUNNING_MODAL"}

    def _drag(self, context, event) -> set[str]:
        if event.type == "MOUSEMOVE":
            under = region_under(context, event)
            spot = None if under is None else self.spot(context, under)
            if spot is not None:
                self.put(context, self.held, spot)
                self._tell(context)
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE":
            name, self.held = self.held, ""
            self.done.append((name, self.before))
            self.settled(context, name)
            if self.only:
                self.end(context)
                return {"FINISHED"}
            if name == self.asked:
                self.asked = next_missing(self.there(context).keys() | self.skipped, name)
            self._tell(context)
        elif event.type in {"ESC", "RIGHTMOUSE"} and event.value == "PRESS":
            self.put(context, self.held, self.before)
            self.held = ""
            self._tell(context)
        return {"RUNNING_MODAL"}

    def _take_back(self, context) -> None:
        if not self.done:
            return
        name, before = self.done.pop()
        self.put(context, name, before)
        self.settled(context, name)
        if before is None:
            self.skipped.discard(name)
            self.asked = name
        self._tell(context)

    def _tell(self, context) -> None:
        """Say what is asked for: above the view, and below the window."""
        text = f"{label(self.asked)}: {hint(self.asked)}" if self.asked else "Every landmark has been placed or skipped"
        for area in context.screen.areas:
            if area.type == "VIEW_3D":
                area.header_text_set(text)
                area.tag_redraw()
        keys = ("Click: place, or drag one", *KEYS, self.more_keys)
        context.workspace.status_text_set("   ".join(filter(None, keys)))

    more_keys = ""

    def end(self, context) -> None:
        """Take everything off the screen again."""
        if self._drawn is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._drawn, "WINDOW")
            self._drawn = None
        for window in context.window_manager.windows:
            window.cursor_modal_restore()
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    area.header_text_set(None)
                    area.tag_redraw()
        if context.workspace is not None:
            context.workspace.status_text_set(None)

    def _draw(self, window: int) -> None:
        context = bpy.context
        if context.window is None or context.window.as_pointer() != window or context.region_data is None:
            return
        try:
            there = self.there(context)
            dots = self.places(context, context.region, context.region_data)
        except (MaquetteError, ReferenceError):
            return  # modal() tells of it at the next event
        tools = next((r for r in context.area.regions if r.type == "TOOLS"), None)
        overlaps = tools is not None and context.preferences.system.use_region_overlap
        draw(Card(dots, self.held or self.asked, frozenset(there), self._lines(context, there)), context.region,
             tools.width if overlaps else 0)  # fmt: skip

    def _lines(self, context, there: dict) -> tuple[str, ...]:
        if self.asked:
            first = (label(self.asked), hint(self.asked))
        else:
            first = ("All done", "Enter finishes; a landmark can still be dragged")
        count, missing = len(there), NEEDED - len(there)
        if missing > 0:
            told = f"{count} placed; {missing} more needed"
        elif any(name not in there for name in FIRST[:ENOUGH]):
            told = f"{count} placed; the first {ENOUGH} make it sure"
        else:
            told = f"{count} placed, which is enough"
        return (
            *first,
            *filter(None, (self.heading(context),)),
            told,
            "   ".join(KEYS),
            *filter(None, (self.more_keys,)),
        )
