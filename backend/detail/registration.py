"""Registration of a scan: a dense head's displacements in two stages (HeadCraft, 3.1 and A.1)."""

import time
from dataclasses import dataclass

import numpy as np

from ..fit.scan import ScanSurface
from ..formats.coefficients import Similarity
from .dense import DenseHead
from .registration_partners import Moving, Target, beyond
from .registration_regions import Movable, fading, movable
from .registration_solver import Round, Schedule, normal_stage, vector_stage

REACH = 0.42
"""Metres around the middle of the landmarks in which a scan may have hair."""
POINTS = 200_000
"""Of the scan that a registration sees."""
STAGES = ("vector", "normal")

SCHEDULES = {
    "draft": Schedule(
        vector=(Round(30, 0.03), Round(10, 0.03), Round(3, 0.03), Round(1, 0.02)),
        normal=(Round(10, 0.012), Round(1, 0.008)),
        samples=30_000,
        smoothing=8,
    ),
    "standard": Schedule(
        vector=(
            Round(100, 0.03), Round(30, 0.03), Round(10, 0.03), Round(3, 0.03), Round(1, 0.02), Round(0.3, 0.02),
            Round(3, 0.01, level=1), Round(1, 0.01, level=1), Round(0.3, 0.01, level=1),
        ),
        normal=(
            Round(30, 0.012), Round(10, 0.01), Round(3, 0.008), Round(1, 0.006), Round(0.5, 0.005), Round(0.1, 0.004),
        ),
        samples=60_000,
        smoothing=8,
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scanned:
    """A scan in the head's frame.

    Attributes:
        points: (N, 3) metres, spread evenly over what can be seen of its surface, rounded where triangles are coarse.
        normals: (N, 3) unit, outwards.
        flat: (N, 3) metres, the same on the file's own triangles.
    """

    points: np.ndarray
    normals: np.ndarray
    flat: np.ndarray

    @classmethod
    def of(cls, surface: ScanSurface, place: Similarity) -> "Scanned":
        """From a scan's surface (metres), by the place of the fitted head on it."""
        parts = [surface.samples(POINTS, curved=curved) for curved in (True, False)]
        points, flat = ((part[0] - place.translation) @ place.rotation / place.scale for part in parts)
        return cls(points, parts[0][1] @ place.rotation, flat)


@dataclass(frozen=True, eq=False)
class Registration:
    """What a scan shows beyond the fitted head.

    Attributes:
        displacement: (W, 3) metres, the axes of the fitted head as it is posed.
        observed: (W,) bool, whether the scan showed where a vertex lies.
        movable: which vertices were free.
        seconds: of each stage.
    """

    displacement: np.ndarray
    observed: np.ndarray
    movable: Movable
    seconds: dict[str, float]


def register(
    dense: DenseHead, vertices: np.ndarray, scanned: Scanned, preset: str, reporter, partial: bool = False,
    stages: tuple[str, ...] = STAGES, steps: int = 0, device="cpu",
) -> Registration:  # fmt: skip
    """Displace a dense head onto a scan.

    Args:
        dense: the head.
        vertices: (W, 3) metres, as fitted.
        scanned: the scan.
        preset: one of ``contract.REGISTRATION_PRESETS``.
        reporter: told of stages and rounds; may stop the registration.
        partial: whether the scan shows but a part of the head.
        stages: those that run; one alone shows what it gains.
        steps: of Adam in a stage of ``paper``; 0 for the published number.
        device: where ``paper`` computes.
    """
    seconds, began = {}, time.monotonic()
    free = movable(dense)
    reporter.stage("Sorting the scan by what may move")
    others = beyond(scanned.points, scanned.normals, vertices, dense.faces, free.free_faces, free.ears)
    target = Target(scanned.points[~others], scanned.normals[~others])
    schedule = SCHEDULES[preset]
    base = vertices.copy()
    if "vector" in stages:
        reporter.stage("Moving the scalp onto the scan", len(schedule.vector))
        sub = dense.subdivision
        coarse = dense.model.faces
        base = base + vector_stage(
            coarse, sub.matrix.shape[1], sub.levels, base, dense.faces, free.scalp, free.free_faces, target, schedule,
            reporter,
        )  # fmt: skip
        seconds["vector"], began = round(time.monotonic() - began, 2), time.monotonic()
    if "normal" in stages:
        reporter.stage("Fitting scalp and face along their normals", len(schedule.normal))
        base = base + normal_stage(base, dense.faces, free.all, free.free_faces, target, schedule, reporter)
        seconds["normal"], began = round(time.monotonic() - began, 2), time.monotonic()
    displacement = base - vertices
    displacement *= fading(vertices, dense.faces, free, displacement)[:, None]
    base = vertices + displacement
    return Registration(displacement, observed(dense, base, free, target), free, seconds)


NEAR = 0.002
"""Metres from the scan within which a vertex counts as seen."""


def observed(dense: DenseHead, vertices: np.ndarray, free: Movable, target: Target) -> np.ndarray:
    """(W,) bool: free vertices (W, 3) that the scan lies at (HeadCraft, supplementary: the final mask)."""
    moving = Moving(dense.faces[free.skin])
    moving.move(vertices)
    found = target.nearest(vertices, moving.normals, 0.006)
    near = np.linalg.norm(vertices - target.points[found], axis=1) < NEAR
    return free.all & near & ((target.normals[found] * moving.normals).sum(axis=1) > 0)
