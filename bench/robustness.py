"""The same capture with the faults that real ones have."""

import dataclasses
import shutil
from pathlib import Path

import cv2
import numpy as np

from backend.formats.capture import Camera, read_capture, write_capture


def with_dilated_masks(source: Path, destination: Path, pixels: int) -> Path:
    """A copy of a capture whose masks reach ``pixels`` too far. Returns its folder."""
    copy(source, destination, leaving=(*TRUTH, "labels"))  # whose outlines would tell the true ones
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    for path in (destination / "masks").rglob("*.png"):
        mask = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        path.write_bytes(cv2.imencode(".png", cv2.dilate(mask, kernel))[1].tobytes())
    return destination


def with_shaken_cameras(source: Path, destination: Path, pixels: float, seed: int) -> Path:
    """A copy of a capture whose cameras look ``pixels`` beside where they did, each in a direction of its own."""
    copy(source, destination)
    rng = np.random.default_rng(seed)
    capture = read_capture(destination)
    views = tuple(dataclasses.replace(v, camera=_turned(v.camera, pixels, rng)) for v in capture.views)
    write_capture(dataclasses.replace(capture, views=views))
    return destination


def _turned(camera: Camera, pixels: float, rng: np.random.Generator) -> Camera:
    way = rng.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(way), np.sin(way), 0.0]) * pixels / camera.fx
    turn = np.eye(4)
    turn[:3, :3] = cv2.Rodrigues(axis)[0]
    return dataclasses.replace(camera, camera_to_world=camera.camera_to_world @ turn)


TRUTH = ("ground_truth", "depth")


def copy(source: Path, destination: Path, leaving: tuple[str, ...] = TRUTH) -> None:
    """A copy of a capture's folder, without the truth: no row may ever read it."""
    if destination.exists():
        shutil.rmtree(destination)
    shutil.copytree(source, destination, ignore=shutil.ignore_patterns(*leaving))
