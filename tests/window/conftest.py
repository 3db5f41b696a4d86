"""A real Blender on a display of its own, driven by the mouse and the keyboard ($BLENDER names it).

Screenshots are left in out/window/, to be looked at.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[2]
PICTURES = CHECKOUT / "out" / "window"
WIDTH, HEIGHT = 1280, 1100
SCROLLS = 6
"""Times that the sidebar is scrolled down to look for a button."""
EDGE = 12
"""Pixels above the sidebar's lower edge in which no button is clicked."""
START_SECONDS = 180  # software GL on a busy machine


class BlenderWindow:
    """Starts Blender with this checkout as its extension, asks it things, clicks its buttons."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._asked = 0
        self._tab = 170  # pixels from the sidebar's top to where the tab was last
        self._start_display()
        self._start_blender()

    def _start_display(self):
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
        self._xvfb = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._environment = os.environ | {"DISPLAY": f":{self._xvfb.stdout.readline().strip()}"}

    def _start_blender(self):
        link = self.folder / "resources" / "extensions" / "user_default" / "maquette"
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT, target_is_directory=True)
        self._exchange = self.folder / "exchange"
        self._exchange.mkdir()
        self.log = self.folder / "blender.log"
        variables = {
            "BLENDER_USER_RESOURCES": str(self.folder / "resources"),
            "MAQUETTE_WINDOW": str(self._exchange),
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
        command = [os.environ["BLENDER"], "--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)]
        command += ["--python-exit-code", "3", "--python", str(Path(__file__).with_name("inside.py"))]
        with self.log.open("w") as log:
            self._blender = subprocess.Popen(
                command, env=self._environment | variables, stdout=log, stderr=subprocess.STDOUT, cwd=CHECKOUT
            )
        self.ask("bpy.app.version_string", seconds=START_SECONDS)

    def close(self):
        self._blender.terminate()
        try:
            self._blender.wait(10)
        except subprocess.TimeoutExpired:
            self._blender.kill()
            self._blender.wait()
        self._xvfb.terminate()
        self._xvfb.wait()

    def ask(self, expression: str, seconds: float = 30):
        """Value of a Python expression inside Blender, between two of its events."""
        return self._exchange_with_blender("ask", expression, seconds)

    def do(self, statements: str, seconds: float = 30):
        """Run Python statements inside Blender."""
        self._exchange_with_blender("do", statements, seconds)

    def _exchange_with_blender(self, kind, code, seconds):
        self._asked += 1
        asked = self._exchange / f"{kind}-{self._asked:04}.py"
        asked.with_suffix(".writing").write_text(code)
        asked.with_suffix(".writing").rename(asked)
        reply = asked.with_suffix(".json")
        end = time.monotonic() + seconds
        while not reply.exists():
            if self._blender.poll() is not None:
                raise AssertionError(f"Blender ended with {self._blender.returncode}:\n{self._log_tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"Blender gave no answer in {seconds} s to: {code}\n{self._log_tail()}")
            time.sleep(0.02)
        answer = json.loads(reply.read_text())
        if "error" in answer:
            raise AssertionError(f"{code}\n{answer['error']}")
        return answer["value"]

    def wait_until(self, expression: str, seconds: float = 30):
        """Wait until a Python expression is true inside Blender, and give its value."""
        end = time.monotonic() + seconds
        while not (value := self.ask(expression)):
            assert time.monotonic() < end, f"not true after {seconds} s: {expression}\n{self._log_tail()}"
            time.sleep(0.1)
        return value

    def click(self, name: str):
        """Click the first button on the screen that stands for operator or property `name`."""
        self._click_at(*self.find(name))
        # Away again, so that no tooltip covers what is looked at next.
        self._xdotool("mousemove", WIDTH // 3, HEIGHT // 2)

    def _click_at(self, x, y):
        # Blender looks where the pointer is when it comes to the event, so it is given the time to come to each.
        for action in (("mousemove", x, y), ("mousedown", 1), ("mouseup", 1)):
            self._xdotool(*action)
            self.ask("None")
            self.ask("None")

    def find(self, name: str) -> tuple[int, int]:
        """Centre (x, y), from the top left, of the first such button, scrolled to where it is below the sidebar."""
        for _ in range(SCROLLS):
            found = self._found(name)
            left, bottom, width, height = self.ask("show_sidebar()")
            # A button of which little more than its edge shows below the sidebar's: the area would be resized there.
            cut = found and found[0] >= left and 0 <= HEIGHT - bottom - found[1] < EDGE
            if found and not cut:
                return found
            self._xdotool("mousemove", left + width // 2, HEIGHT - bottom - height // 2)
            self.ask("None")
            self._xdotool("click", "--repeat", 8, 5)
        self._grab(PICTURES / f"no-{name.replace('.', '-')}.png")
        raise AssertionError(f"no button for {name} is to be seen (out/window/)")

    def _found(self, name: str) -> tuple[int, int] | None:
        """It turns red when asked to, and only then."""
        before = self._grab_marked("")
        after = self._grab_marked(name)
        self._grab_marked("")
        redder = (after[..., 0] - before[..., 0] > 25) & (after[..., 0] - after[..., 2] > 60)
        rows = np.flatnonzero(redder.sum(axis=1) > 10)
        if not len(rows):
            return None
        first = np.split(rows, np.flatnonzero(np.diff(rows) > 3) + 1)[0]
        columns = np.flatnonzero(redder[first].any(axis=0))
        return int((columns[0] + columns[-1]) // 2), int((first[0] + first[-1]) // 2)

    def _grab_marked(self, name):
        self.wait_until(f"draws > {self.ask(f'mark({name!r})')}")
        return self._grab()

    def open_tab(self):
        """Open the sidebar on the tab Maquette, by clicking down its column of tabs until it is the one."""
        self.ask("show_sidebar()")
        self.wait_until("sidebar().width > 100 and sidebar().active_panel_category not in ('', 'UNSUPPORTED')")
        left, bottom, width, height = self.ask("show_sidebar()")
        for down in (self._tab, *range(20, height, 25)):
            self._click_at(left + width - 10, HEIGHT - bottom - height + down)
            if self.ask("sidebar().active_panel_category") == "Maquette":
                self._tab = down
                return
        self._grab(PICTURES / "no-tab.png")
        raise AssertionError("no tab Maquette is to be seen (out/window/)")

    def press(self, keys: str):
        """Press keys, as xdotool names them, over the middle of the 3D view."""
        self._xdotool("mousemove", WIDTH // 3, HEIGHT // 2)
        self.ask("None")
        self._xdotool("key", keys)

    def drag(self, start, end, steps: int = 12):
        """Drag the mouse from one place (x, y) on the screen to another."""
        self._xdotool("mousemove", *start)
        self.ask("None")
        self._xdotool("mousedown", 1)
        for step in range(1, steps + 1):
            share = step / steps
            self._xdotool("mousemove", *(round(a + share * (b - a)) for a, b in zip(start, end, strict=True)))
            self.ask("None")
        self._xdotool("mouseup", 1)
        self.ask("None")
        self.ask("None")

    def place_of_last_window(self) -> tuple[int, int]:
        """Left and top, on the screen, of the window that Blender opened last."""
        command = ["xdotool", "search", "--onlyvisible", "--class", "Blender"]
        found = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True)
        last = max(found.stdout.split(), key=int)
        told = subprocess.run(
            ["xdotool", "getwindowgeometry", "--shell", last],
            env=self._environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        values = dict(line.split("=") for line in told.split())
        return int(values["X"]), int(values["Y"])

    def raise_preferences(self):
        """Bring the preferences' window, which stands where no window manager put it, wholly onto the screen."""
        self._xdotool("search", "--sync", "--name", "Preferences", "windowmove", 100, 150)

    def picture(self, name: str) -> np.ndarray:
        """Keep a screenshot as out/window/<name>.png; gives it as (H, W, 3) int16."""
        self.wait_until(f"draws > {self.ask('mark(str())')}")  # what was done last is drawn by then
        return self._grab(PICTURES / f"{name}.png")

    def _grab(self, path=None):
        path = path or self.folder / "grab.png"
        subprocess.run(["import", "-window", "root", str(path)], env=self._environment, check=True)
        return np.asarray(Image.open(path).convert("RGB")).astype(np.int16)

    def _xdotool(self, *arguments):
        subprocess.run(["xdotool", *map(str, arguments)], env=self._environment, check=True)

    def _log_tail(self):
        return self.log.read_text(errors="replace")[-3000:]


@pytest.fixture(scope="session")
def _blender_window():
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    folder = Path(tempfile.mkdtemp(prefix="maquette-window-"))
    window = BlenderWindow(folder)
    yield window
    window.close()
    (folder / "resources" / "extensions" / "user_default" / "maquette").unlink()
    shutil.copy(window.log, PICTURES)
    shutil.rmtree(folder)


@pytest.fixture
def window(_blender_window):
    """Blender with an empty scene and the sidebar open on our tab; the test fails when anything was raised."""
    _blender_window.do("bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)")
    _blender_window.open_tab()
    said = len(_blender_window.log.read_text(errors="replace"))
    yield _blender_window
    assert "Traceback" not in _blender_window.log.read_text(errors="replace")[said:], _blender_window._log_tail()
