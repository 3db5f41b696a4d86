"""How far a reconstructed head is off the true surface, where the photographs show it."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.capture.selection import spread
from backend.evaluate.head_meshes import HeadMesh, even_samples, read_head_mesh
from backend.formats.capture import Camera, read_capture
from backend.formats.head import read_head
from backend.geometry.raster import rasterise
from backend.geometry.surface import Surface

POINTS = 60_000
"""Spread evenly over each surface; those that count are fewer."""
SLACK = 0.002
"""Metres that a point may lie behind what a camera sees first."""
FACING = 0.1
"""Cosine to the line of sight from which on a point is seen."""


@dataclass(frozen=True, eq=False)
class Truth:
    """A true surface, and which part of it counts.

    Attributes:
        surface: metres, in the capture's world.
        file: of a mesh, or a head model whose face is known.
        fewest: cameras that must see a point for it to count.
        floor: height in metres below which nothing counts, as below a chin.
    """

    surface: HeadMesh
    file: Path
    fewest: int = 1
    floor: float = -np.inf


@functools.cache
def truth_of(capture: Path, file: str, fewest: int = 1, below_chin: float | None = None) -> Truth:
    """The truth of a rendered capture.

    Args:
        file: in its ``ground_truth``.
        below_chin: metres below the chin that still count; None for all.
    """
    path, floor = capture / "ground_truth" / file, -np.inf
    if below_chin is not None:
        floor = float(read_head(capture / "ground_truth" / "head.npz").landmark_points()[:, 2].min()) - below_chin
    return Truth(read_head_mesh(path), path, fewest, floor)


def measure(prediction: Path, truth: Truth, capture: Path, views: int = 0, chosen=None) -> dict:
    """Millimetres from the truth's points that the cameras see to the prediction, and back; nothing is moved.

    Args:
        prediction: mesh in the capture's world, metres.
        capture: whose cameras count; ``views`` of them as a reconstruction takes so many.
        chosen: (P,) bool of the truth's samples that count besides, or None: see ``on_face``.

    Returns:
        ``visible``: from the truth to the prediction; ``back``: from the prediction, where cameras see it, to the
        truth; each mean, median, p95 in mm and the points.
    """
    cameras = _cameras(capture, views)
    found = read_head_mesh(prediction).surface
    where, counts = _shown(truth, capture, views)
    if chosen is not None:
        counts = counts & chosen
    visible = _figures(_distance(found, where[counts]))
    where, face, weights = even_samples(found, POINTS)
    counts = seen_by(found, where, found.smooth_normals(face, weights), cameras) >= truth.fewest
    counts &= where[:, 2] >= truth.floor
    return {"visible": visible, "back": _figures(_distance(truth.surface.surface, where[counts]))}


@functools.cache
def _shown(truth: Truth, capture: Path, views: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (P, 3) of the truth, and whether they count (P,) bool; a truth is met by many predictions."""
    surface = truth.surface.surface
    where, face, weights = even_samples(surface, POINTS)
    counts = seen_by(surface, where, surface.smooth_normals(face, weights), _cameras(capture, views))
    return where, (counts >= truth.fewest) & (where[:, 2] >= truth.floor)


def _cameras(capture: Path, views: int) -> list[Camera]:
    cameras = [view.camera for view in read_capture(capture).views]
    return [cameras[k] for k in spread(cameras, views)]


def on_face(truth: Truth, capture: Path) -> np.ndarray:
    """(P,) bool: which samples of the truth lie on the face, by the regions of the capture's head."""
    head = read_head(capture / "ground_truth" / "head.npz")
    inside = np.zeros(len(head.vertices), bool)
    inside[head.regions["face"]] = True
    where, _, _ = even_samples(truth.surface.surface, POINTS)
    surface = Surface(head.vertices, head.faces)
    there, face, weights = surface.nearest(where)
    on = inside[head.faces[face, weights.argmax(axis=1)]]
    return on & (np.linalg.norm(there - where, axis=1) < SLACK)


def seen_by(surface: Surface, points: np.ndarray, normals: np.ndarray, cameras: list[Camera]) -> np.ndarray:
    """(N,) how many cameras see points (N, 3) with normals (N, 3) of a surface."""
    total = np.zeros(len(points), int)
    for camera in cameras:
        pixels, depth = camera.project(surface.vertices)
        raster = rasterise(pixels, depth, surface.faces, (camera.width, camera.height))
        pixels, depth = camera.project(points)
        sight = camera.centre - points
        facing = np.einsum("nc,nc->n", normals, sight) > FACING * np.linalg.norm(sight, axis=1)
        total += raster.seen(pixels, depth, SLACK) & facing
    return total


def _distance(surface: Surface, points: np.ndarray) -> np.ndarray:
    there, _, _ = surface.nearest(points)
    return np.linalg.norm(there - points, axis=1)


def _figures(metres: np.ndarray) -> dict:
    if not len(metres):
        return {"mean": None, "median": None, "p95": None, "points": 0}
    mm = 1000 * metres
    return {
        "mean": round(float(mm.mean()), 3), "median": round(float(np.median(mm)), 3),
        "p95": round(float(np.quantile(mm, 0.95)), 3), "points": len(mm),
    }  # fmt: skip
