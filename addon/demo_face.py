"""A recording of a face for the demo, in ARKit weights: a smile, a blink, some talk. Made up, recorded of nobody."""

from pathlib import Path

import numpy as np

from ..backend.formats.arkit import NAMES, PLACES
from ..backend.formats.arkit_csv import HEAD, ArkitRecording, write_arkit_csv

RATE, SECONDS = 30, 3.4
SHOWN = (0.0, 0.95, 1.5, 1.95, 2.6)
"""Seconds of the contact sheet's strip: at rest, smiling, blinking, talking, talking with the head turned."""

_SWELLS = {
    # Seconds of beginning, top and end, and the weight at the top.
    "mouthSmile": [(0.2, 0.95, 1.7, 0.85), (2.75, 3.0, 3.4, 0.35)],
    "cheekSquint": [(0.3, 0.95, 1.6, 0.5)],
    "eyeSquint": [(0.3, 0.95, 1.35, 0.25)],
    "eyeBlink": [(1.4, 1.5, 1.64, 1.0), (2.95, 3.05, 3.18, 1.0)],
    "jawOpen": [(1.75, 1.95, 2.15, 0.6), (2.2, 2.35, 2.5, 0.4), (2.6, 2.8, 3.0, 0.45)],
    "mouthFunnel": [(2.1, 2.25, 2.4, 0.5)],
    "mouthPucker": [(2.4, 2.6, 2.8, 0.7)],
    "mouthUpperUp": [(1.75, 1.95, 2.15, 0.25)],
    "browInnerUp": [(1.7, 2.2, 2.9, 0.7)],
    "browOuterUp": [(1.7, 2.2, 2.9, 0.4)],
}
_TURNS = {"HeadYaw": [(1.7, 2.6, 3.4, 0.5)], "HeadPitch": [(0.2, 0.95, 1.7, -0.08), (1.8, 2.3, 2.8, 0.12)]}
"""Radians."""


def write_recording(path: Path) -> None:
    """Write it as Live Link Face does."""
    times = np.arange(round(RATE * SECONDS) + 1) / RATE
    weights = np.zeros((len(times), len(NAMES)))
    for name, swells in _SWELLS.items():
        for side in ("Left", "Right") if name not in PLACES else ("",):
            weights[:, PLACES[name + side]] = _swelling(times, swells)
    head = np.stack([_swelling(times, _TURNS.get(name, [])) for name in HEAD], axis=1)
    write_arkit_csv(path, ArkitRecording(path.stem, times, weights, np.ones(len(NAMES), bool), head))


def _swelling(times: np.ndarray, swells: list[tuple[float, float, float, float]]) -> np.ndarray:
    """(T,) values that rise and fall without a corner."""
    total = np.zeros(len(times))
    for begin, top, end, height in swells:
        share = np.interp(times, (begin, top, end), (0.0, 1.0, 0.0))
        total += height * share**2 * (3 - 2 * share)
    return total
