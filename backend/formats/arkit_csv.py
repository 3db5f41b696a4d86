"""Recordings of ARKit's 52 face weights as CSV: Live Link Face's, and any with a header of weights' names."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CoefficientError
from .arkit import NAMES, ArkitTable, place_of
from .face_motion import FaceMotion, continuous, multiplied, quaternions

LARGEST_BYTES = 500_000_000
HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
SECONDS = ("time", "timestamp", "seconds")
RATES = (24, 25, 30, 48, 50, 60, 120)


@dataclass(frozen=True, eq=False)
class ArkitRecording:
    """N frames of ARKit's weights.

    Attributes:
        name: of the recording.
        times: (N,) float64 seconds from its beginning.
        weights: (N, 52) float64 in the order of ``arkit.NAMES``; those that were not recorded are zero.
        recorded: (52,) bool.
        head: (N, 3) float64 radians of yaw, pitch and roll, or None.
    """

    name: str
    times: np.ndarray
    weights: np.ndarray
    recorded: np.ndarray
    head: np.ndarray | None

    def motion(self, table: ArkitTable, joints: tuple[str, ...]) -> FaceMotion:
        """The parameters of the table's model, whose joints are given; the head's turn goes to the neck."""
        expression, pose = table.parameters(self.weights)
        turning = [j for j in range(len(joints)) if table.pose[:, j].any()]
        turns = {joints[j]: quaternions(pose[:, j]) for j in turning}
        if self.head is not None and "neck" in joints:
            # Yaw about the vertical, then pitch and roll in the turned head's axes; a model looks along its +Z.
            yaw, pitch, roll = (quaternions(self.head[:, [k]] * axis) for k, axis in enumerate(np.eye(3)[[1, 0, 2]]))
            turns["neck"] = continuous(multiplied(yaw, multiplied(pitch, roll)))
        return FaceMotion(self.name, self.times, np.zeros(0), expression, turns, None, table.model, table.model_hash)


def read_arkit_csv(path: Path, rate: float = 60.0) -> ArkitRecording:
    """Read a recording.

    Args:
        rate: frames a second, where neither a time code nor a column of seconds tells.

    Raises:
        CoefficientError: it cannot be read, or has no column of a weight.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise CoefficientError(f"{path.name} is larger than {LARGEST_BYTES // 10**6} MB.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except OSError as error:
        raise CoefficientError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CoefficientError(f"{path.name} is no text of comma-separated values: {error}.") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    places = {column: place for column, name in enumerate(header) if (place := place_of(name)) is not None}
    if not places:
        raise CoefficientError(f"{path.name} has no column of an ARKit weight, such as {NAMES[0]}.")
    # Live Link Face writes a row without values where it saw no face.
    rows = [row for row in rows[1:] if len(row) == len(header) and all(row[column].strip() for column in places)]
    if not rows:
        raise CoefficientError(f"{path.name} has no frames.")
    weights, recorded = np.zeros((len(rows), len(NAMES))), np.zeros(len(NAMES), bool)
    for column, place in places.items():
        weights[:, place], recorded[place] = _column(rows, column, header, path.name), True
    head = None
    if all(name in header for name in HEAD):
        head = np.stack([_column(rows, header.index(name), header, path.name) for name in HEAD], axis=1)
    return ArkitRecording(path.stem, _times(rows, header, path.name, rate), weights, recorded, head)


def write_arkit_csv(path: Path, recording: ArkitRecording) -> None:
    """Write a recording as Live Link Face does, with a time code of 60 frames a second. Raises OSError."""
    heads = recording.head if recording.head is not None else np.zeros((len(recording.times), 3))
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Timecode", "BlendshapeCount", *(name[0].upper() + name[1:] for name in NAMES), *HEAD])
        for time, weights, head in zip(recording.times, recording.weights, heads):
            seconds, frames = divmod(round(time * 60_000), 60_000)
            code = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frames / 1000:06.3f}"
            rows.writerow([code, len(NAMES) + len(HEAD), *(f"{value:.6f}" for value in (*weights, *head))])


def _column(rows: list[list[str]], column: int, header: list[str], name: str) -> np.ndarray:
    try:
        values = np.array([float(row[column]) for row in rows])
    except ValueError as error:
        raise CoefficientError(f"The column {header[column]} of {name} has something that is no number.") from error
    if not np.isfinite(values).all():
        raise CoefficientError(f"The column {header[column]} of {name} has a number that is not finite.")
    return values


def _times(rows: list[list[str]], header: list[str], name: str, rate: float) -> np.ndarray:
    lower = [cell.lower() for cell in header]
    seconds = next((lower.index(label) for label in SECONDS if label in lower), None)
    times = np.arange(len(rows)) / rate
    if seconds is not None:
        times = _column(rows, seconds, header, name)
    elif "timecode" in lower:
        # Hours, minutes, seconds, frames with a fraction.
        codes = [
            re.fullmatch(r"(\d+)[:;](\d+)[:;](\d+)[:;]([\d.]+)", row[lower.index("timecode")].strip()) for row in rows
        ]
        if all(codes):
            parts = np.array([[float(part) for part in code.groups()] for code in codes])
            whole = parts[:, :3] @ (3600, 60, 1)
            frames = np.floor(parts[:, 3].max())
            told = next((r for r in RATES if r > frames), rate) if np.ptp(whole) >= 1 else rate
            times = whole + parts[:, 3] / told
    times = times - times[0]
    if (np.diff(times) <= 0).any():  # a clock that was set while it ran, or two frames of one time
        times = np.arange(len(rows)) / rate
    return times
