"""Pictures out of a video: sharp ones, spread evenly over the way that the camera went."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import CaptureError
from .picture_folder import FEWEST, reduced, write_picture

VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mts", ".m2ts", ".3gp", ".mpg", ".mpeg")
_SIDE = 320
"""Pixels of the longer side of the frames that are compared."""
_LOST = 0.12
"""Of the longer side: what a frame counts as moved by, where nothing of the one before is found in it."""
_SHARP = 0.75
"""Of the sharpest of its neighbours that a frame must be."""
_MOST_FRAMES = 100_000


@dataclass(frozen=True, eq=False)
class Frames:
    """What was seen in a video's frames.

    Attributes:
        moved: (F,) how far the picture moved up to each frame, in its longer side.
        sharpness: (F,) variance of the Laplacian.
    """

    moved: np.ndarray
    sharpness: np.ndarray


def choose_frames(
    video: Path, count: int, folder: Path, side: int = 0, tick: Callable[[int, int], None] = lambda done, total: None
) -> list[Path]:
    """Write ``count`` frames of a video, or as many as there are, to a folder as JPEG, and return their paths.

    Args:
        side: pixels of the longer side at most; 0 for as they are.
        tick: called with the frames looked at and the frames in all; may raise Cancelled.

    Raises:
        CaptureError: it cannot be read, or has fewer than 3 frames.
    """
    seen = _look_through(video, tick)
    wanted = chosen(seen, count)
    if len(wanted) < FEWEST:
        raise CaptureError(f"{video.name} has {len(seen.moved)} frames; a head needs at least {FEWEST}, better 40.")
    paths, number = [], -1
    reader = _opened(video)
    try:
        for index in wanted:
            while number < index:
                number += 1
                if not reader.grab():
                    raise CaptureError(f"{video.name} ends in the middle; copy it from the camera again.")
            pixels = reader.retrieve()[1]
            size = reduced(pixels.shape[1], pixels.shape[0], side)
            if size != pixels.shape[1::-1]:
                pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            paths.append(folder / f"frame_{index:05d}.jpg")
            write_picture(paths[-1], pixels)
            tick(len(seen.moved), len(seen.moved))
    finally:
        reader.release()
    return paths


def chosen(seen: Frames, count: int) -> list[int]:
    """Indices, ascending, of at most ``count`` frames: evenly spread over the picture's motion, each the sharpest about
    its place, and none far blurrier than its neighbours."""
    total = len(seen.moved)
    if total <= count:
        return list(range(total))
    reach = max(1, total // count)
    around = np.array([seen.sharpness[max(0, i - reach) : i + reach + 1].max() for i in range(total)])
    relative = seen.sharpness / np.maximum(around, 1e-9)
    # A still camera moves nowhere; its time then spreads the frames.
    way = seen.moved + np.linspace(0, 1e-3 + 0.05 * seen.moved[-1], total)
    spacing = (way[-1] - way[0]) / count
    taken: set[int] = set()
    for target in way[0] + spacing * (np.arange(count) + 0.5):
        score = relative - np.abs(way - target) / spacing
        score[relative < _SHARP] -= 1.0
        score[list(taken)] = -np.inf
        best = int(np.argmax(score))
        # Fewer frames are better than blurred ones.
        if relative[best] >= _SHARP:
            taken.add(best)
    left = [k for k in np.flatnonzero(relative >= _SHARP).tolist() if k not in taken]
    while taken and left and len(taken) < count:
        # What is left goes where the gaps are widest.
        widest = max(left, key=lambda k: min(abs(way[k] - way[other]) for other in taken))
        taken.add(widest)
        left.remove(widest)
    for best in np.argsort(-relative, kind="stable")[: FEWEST * (len(taken) < FEWEST)].tolist():
        taken.add(best)
    return sorted(taken)


def _look_through(video: Path, tick: Callable[[int, int], None]) -> Frames:
    reader = _opened(video)
    try:
        total = int(max(reader.get(cv2.CAP_PROP_FRAME_COUNT), 0))
        moved, sharpness, before = [], [], None
        while len(moved) < _MOST_FRAMES:
            done, pixels = reader.read()
            if not done:
                break
            size = reduced(pixels.shape[1], pixels.shape[0], _SIDE)
            grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
            sharpness.append(float(cv2.Laplacian(grey, cv2.CV_32F).var()))
            moved.append(0.0 if before is None else _moved(before, grey))
            before = grey
            tick(len(moved), max(total, len(moved)))
    finally:
        reader.release()
    if not moved:
        raise CaptureError(f"{video.name} holds no frames that can be read; save it as MP4 (H.264) and try again.")
    return Frames(np.cumsum(moved), np.array(sharpness))


def _moved(before: np.ndarray, after: np.ndarray) -> float:
    """How far the picture moved, in its longer side: the median of tracked corners (Lucas and Kanade)."""
    side = max(before.shape)
    corners = cv2.goodFeaturesToTrack(before, 120, 0.01, 8)
    if corners is None or len(corners) < 8:
        return 0.0
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None, winSize=(21, 21), maxLevel=3)
    kept = found.ravel() == 1
    if kept.sum() < 0.3 * len(corners):
        return _LOST
    return min(float(np.median(np.linalg.norm((there - corners)[kept].reshape(-1, 2), axis=1))) / side, _LOST)


def _opened(video: Path) -> cv2.VideoCapture:
    if not video.is_file():
        raise CaptureError(f"There is no video at {video}; choose a video, or a folder of pictures.")
    reader = cv2.VideoCapture(str(video))
    if not reader.isOpened():
        raise CaptureError(f"{video.name} is no video that can be read; save it as MP4 (H.264) and try again.")
    return reader
