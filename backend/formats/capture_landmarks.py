"""Landmarks in a capture's photographs: its ``landmarks.json``.

``{"scheme": "68", "points": {name: [x, y, z]}, "views": {view: {name: [x, y, visible]}}}``: pixels of the photograph as
it is, lens distortion and all, the first pixel's centre at 0.5; ``points`` in metres only where a render knew them.
``carried`` is as ``views`` and has those that were not clicked but carried over from other photographs; whoever moves
one has clicked it.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

from ..errors import CaptureError

FILE = "landmarks.json"
LARGEST_BYTES = 64 * 2**20


class Seen(NamedTuple):
    """Where a landmark is in a photograph: pixels, and whether it is seen there or hidden behind something."""

    x: float
    y: float
    visible: bool = True


def read_capture_landmarks(folder: Path, carried: bool = True) -> dict[str, dict[str, Seen]]:
    """View → landmark's name → where it is; nothing where the capture has no such file.

    Args:
        folder: the capture's, or a file of landmarks.
        carried: also those that nobody clicked; without them, what a head can be placed by.

    Raises:
        CaptureError: the file cannot be read, or holds something else.
    """
    path = _path(folder)
    values = _read(path)
    views = _views(values, "views", path)
    if not carried:
        others = _views(values, "carried", path)
        views = {
            view: {name: s for name, s in seen.items() if others.get(view, {}).get(name, (None,))[:2] != s[:2]}
            for view, seen in views.items()
        }
        views = {view: seen for view, seen in views.items() if seen}
    return views


def _views(values: dict, key: str, path: Path) -> dict[str, dict[str, Seen]]:
    views = values.get(key, {})
    if not isinstance(views, dict) or not all(isinstance(seen, dict) for seen in views.values()):
        raise CaptureError(f"{path.name} has no landmarks by view; set them again, or remove the file.")
    return {
        view: {name: _seen(value, view, name, path) for name, value in seen.items()} for view, seen in views.items()
    }


def write_capture_landmarks(
    folder: Path, views: dict[str, dict[str, Seen]], carried: dict[str, dict[str, Seen]] | None = None
) -> Path:
    """Write landmarks by view, to a temporary name first, and leave what else the file says. Returns its path.

    Args:
        carried: those of them that nobody clicked; without, the file's word on that stays.

    Raises:
        CaptureError: there is a file that is none of ours, or none can be written.
    """
    path = _path(folder)
    values = {"scheme": "68"} | _read(path)
    for key, of in (("views", views), ("carried", carried)):
        if of is None:
            continue
        values[key] = {
            view: {name: [round(s.x, 3), round(s.y, 3), bool(s.visible)] for name, s in seen.items()}
            for view, seen in of.items()
            if seen
        }
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise CaptureError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def _path(folder: Path) -> Path:
    folder = Path(folder)
    return folder if folder.suffix == ".json" else folder / FILE


def _read(path: Path) -> dict:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise CaptureError(f"{path.name} is larger than {LARGEST_BYTES // 2**20} MiB, which no landmarks are.")
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise CaptureError(f"{path} cannot be read as landmarks ({error}); remove it and set them again.") from error
    if not isinstance(values, dict):
        raise CaptureError(f"{path} is no file of a capture's landmarks; remove it and set them again.")
    return values


def _seen(value, view: str, name: str, path: Path) -> Seen:
    numbers = value[:2] if isinstance(value, list) and len(value) in (2, 3) else ()
    right = len(numbers) == 2 and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers
    )
    if not right:
        raise CaptureError(f"{path.name}: {name} in {view} must be [x, y, visible], not {value!r}; set it again.")
    return Seen(float(numbers[0]), float(numbers[1]), bool(value[2]) if len(value) == 3 else True)
