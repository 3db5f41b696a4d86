"""What the panel says of the scene's capture: how many cameras, how well they were solved, whose its metres are."""

import json
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..backend.contract import PlaceCapture
from ..backend.formats.job_folder import read_json
from .settings import property_of

FIRST, SECOND = "distance 1", "distance 2"
"""Names under which the two ends of a known distance are clicked in photographs."""
SCALES = {
    "rendered": ("Metres are the render's own", "CHECKMARK"),
    "measured": ("Metres are measured", "CHECKMARK"),
    "head fit": ("Metres by a fitted head, good to some percent", "CHECKMARK"),
    "assumed": ("Metres are assumed: shapes are right, sizes may not be", "INFO"),
    "unknown": ("Nobody has said how large it is", "INFO"),
}
"""Where a capture's metres come from, in words, with an icon."""


@dataclass(frozen=True)
class CaptureState:
    """What is known of a capture from its files.

    Attributes:
        views: how many.
        scale: one of ``SCALES``.
        report: what import-photos says of the cameras that it solved; empty for others.
        posed: somebody knows where the cameras stood.
    """

    views: int
    scale: str
    report: dict
    posed: bool = True


class MaquettePhotos(bpy.types.PropertyGroup):
    """Settings of the Capture panel."""

    distance: property_of(
        PlaceCapture, "metres", name="Distance", default=0.1, subtype="DISTANCE",
        description="How far the two clicked points are apart in reality",
    )  # fmt: skip


_kept: dict = {}


def state_of(folder: Path) -> CaptureState | None:
    """The state of a capture's folder, read again where its files have changed; None where it is none."""
    stamp = (str(folder), _stamp(folder / "transforms.json"), _stamp(folder / "report.json"))
    if _kept.get("stamp") != stamp:
        _kept.update(stamp=stamp, state=_read(folder))
    return _kept["state"]


def _read(folder: Path) -> CaptureState | None:
    try:
        values = json.loads((folder / "transforms.json").read_text(encoding="utf-8-sig"))
        frames = values["frames"]
        unit, source = values.get("metres_per_unit"), values.get("scale_source", "assumed")
        scale = "unknown" if unit is None and source == "assumed" else source
        posed = any("transform_matrix" in frame for frame in frames)
        return CaptureState(len(frames), scale if scale in SCALES else "unknown", _solved(folder), posed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _solved(folder: Path) -> dict:
    report = read_json(folder / "report.json")
    return report if isinstance(report, dict) and "registered" in report else {}


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


classes = (MaquettePhotos,)
