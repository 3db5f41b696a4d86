"""Registration of a scan: a dense head's displacements in two stages (HeadCraft, 3.1 and A.1)."""

import time
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ScanError
from ..fit.scan import ScanSurface
from ..formats.coefficients import Similarity
from .dense import DenseHead
from .registration_folds import without_folds
from .registration_paper import NORMAL, PARTIAL_NORMAL, PARTIAL_VECTOR, STEPS, VECTOR, PaperStage, paper_stage
from .registration_partial import proximity, within
from .registration_partners import TURN, Moving, Target, beyond
from .registration_regions import Movable, covered_ears, ended, movable, without_ears
from .registration_solver import Round, Schedule, normal_stage, vector_stage
from .registration_untangle import untangle

REACH = 0.42
"""Metres around the middle of the landmarks in which a scan may have hair."""
POINTS = 200_000
"""Of the scan that a registration sees."""
STAGES = ("vector", "normal")

SCHEDULES = {
    "draft": Schedule(
        vector=(
            Round(10, 0.08, pull=0.2), Round(3, 0.08, pull=0.2), Round(1, 0.06, pull=0.2), Round(0.3, 0.06, pull=0.2),
            Round(0.1, 0.04, pull=0.2), Round(0.3, 0.01),
        ),
        normal=(Round(10, 0.008), Round(0.5, 0.005)),
        samples=30_000,
        smoothing=8,
    ),
    "standard": Schedule(
        vector=(
            Round(30, 0.08, pull=0.2), Round(10, 0.08, pull=0.2), Round(3, 0.08, pull=0.2), Round(1, 0.08, pull=0.2),
            Round(0.3, 0.08, pull=0.2), Round(0.1, 0.08, pull=0.2), Round(0.1, 0.08, pull=0.2),
            Round(0.3, 0.05, level=1, pull=0.2), Round(0.1, 0.05, level=1, pull=0.2),
            Round(0.1, 0.05, level=1, pull=0.1), Round(0.3, 0.01, level=1),
        ),
        normal=(Round(10, 0.008), Round(3, 0.008), Round(1, 0.006), Round(0.5, 0.005), Round(0.1, 0.004)),
        samples=60_000,
        smoothing=8,
    ),
}  # fmt: skip


NEAR = 0.002
"""Metres from the scan of a whole head within which a vertex counts as seen."""


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
    run = _Run(dense, vertices, scanned, partial, reporter)
    paper = preset == "paper"
    if not paper:
        run.flatten_covered_ears()
    if "vector" in stages:
        run.timed("vector", run.vector_by_adam if paper else run.vector, preset, steps, device)
    if "normal" in stages:
        run.timed("normal", run.normal_by_adam if paper else run.normal, preset, steps, device)
    if not paper:
        run.timed("borders", run.end_gently)
        run.timed("untangling", run.untangle)
    displacement = run.base - vertices
    return Registration(displacement, observed(dense, run.base, run.free, scanned, partial), run.free, run.seconds)


class _Run:
    """One registration as it goes: ``base`` (W, 3) metres is the head so far, ``free`` what may move."""

    def __init__(self, dense: DenseHead, vertices: np.ndarray, scanned: Scanned, partial: bool, reporter):
        self.dense, self.fitted, self.scanned, self.partial = dense, vertices, scanned, partial
        self.reporter, self.seconds = reporter, {}
        self.base, self.free = vertices.copy(), movable(dense)
        if partial:
            self.free = within(scanned.points, vertices, self.free, dense.faces)
            if not self.free.all.any():
                raise ScanError("The part of the scan lies nowhere on face or scalp; check its landmarks.")

    def timed(self, name: str, stage, *arguments) -> None:
        """Run a stage and keep its seconds."""
        began = time.monotonic()
        stage(*arguments)
        self.seconds[name] = round(time.monotonic() - began, 2)

    def flatten_covered_ears(self) -> None:
        """Ears under hair span flat between their borders, and go with the scalp."""
        points = self.scanned.points
        covered = [] if self.partial else covered_ears(self.dense, self.base, points)
        self.base, self.free = without_ears(self.dense, self.base, self.free, covered, points)

    def vector(self, preset: str, *_) -> None:
        """Stage 1 of the solver."""
        schedule, sub = self.schedule(preset), self.dense.subdivision
        moves = self.free.scalp[self.dense.faces].all(axis=1)
        if not moves.any():
            return
        self.reporter.stage("Moving the scalp onto the scan", len(schedule.vector))
        self.base = self.base + vector_stage(
            self.dense.model.faces, sub.matrix.shape[1], sub.levels, self.base, self.dense.faces, self.free.scalp,
            moves, self.target(moves), schedule, self.reporter,
        )  # fmt: skip

    def normal(self, preset: str, *_) -> None:
        """Stage 2 of the solver."""
        schedule, moves = self.schedule(preset), self.free.free_faces
        self.reporter.stage("Fitting scalp and face along their normals", len(schedule.normal))
        self.base = self.base + normal_stage(
            self.base, self.dense.faces, self.free.all, moves, self.target(moves), schedule, self.reporter
        )

    def vector_by_adam(self, _, steps: int, device) -> None:
        """Stage 1 as published."""
        self.reporter.stage("Stage 1 of the published optimisation", steps or STEPS)
        self.by_adam(PARTIAL_VECTOR if self.partial else VECTOR, self.free.scalp, False, steps, device)

    def normal_by_adam(self, _, steps: int, device) -> None:
        """Stage 2 as published."""
        self.reporter.stage("Stage 2 of the published optimisation", steps or STEPS)
        self.by_adam(PARTIAL_NORMAL if self.partial else NORMAL, self.free.all, True, steps, device)

    def by_adam(self, stage: PaperStage, free: np.ndarray, along_normals: bool, steps: int, device) -> None:
        """One of the published stages."""
        self.base = self.base + paper_stage(
            self.base, self.dense.faces, free, self.scanned.points, stage, along_normals, steps or STEPS, device,
            self.reporter,
        )  # fmt: skip

    def end_gently(self) -> None:
        """Displacements end without a step before what stays."""
        self.base = self.fitted + ended(self.fitted, self.dense.faces, self.free, self.base - self.fitted)

    def untangle(self) -> None:
        """Folds that the displacement made are evened out; what passes through itself then, lips and ears of the model
        itself among it, is taken apart."""
        self.reporter.stage("Smoothing out folds", 2)
        displacement = without_folds(
            self.fitted, self.base - self.fitted, self.dense.faces, self.free.skin, self.free.all, self.reporter
        )
        self.reporter.step()
        self.base = untangle(self.fitted + displacement, self.dense.faces[self.free.head], self.reporter)
        self.reporter.step()

    def schedule(self, preset: str) -> Schedule:
        """The solver's rounds; stiffer where only a part was seen, as the published weights are."""
        chosen = SCHEDULES[preset]
        if not self.partial:
            return chosen
        stiffer = PARTIAL_VECTOR.edge / VECTOR.edge
        return replace(chosen, vector=tuple(replace(r, stiffness=r.stiffness * stiffer) for r in chosen.vector))

    def target(self, moves: np.ndarray) -> Target:
        """The scan without what shows parts that stay: ``moves`` (G,) are the triangles that do not."""
        points, normals = self.scanned.points, self.scanned.normals
        others = beyond(points, normals, self.base, self.dense.faces, moves, self.free.ears)
        return Target(points[~others], normals[~others])


def observed(
    dense: DenseHead, vertices: np.ndarray, free: Movable, scanned: Scanned, partial: bool = False
) -> np.ndarray:
    """(W,) bool: free vertices (W, 3) that the scan lies at (HeadCraft, supplementary: the final mask)."""
    moving = Moving(dense.faces[free.skin])
    moving.move(vertices)
    target = Target(scanned.points, scanned.normals)
    found = target.nearest(vertices, moving.normals, TURN)
    gap, normals = vertices - target.points[found], target.normals[found]
    along = (gap * normals).sum(axis=1)
    aside = np.linalg.norm(gap - along[:, None] * normals, axis=1)
    near, beside = proximity(scanned.points) if partial else (NEAR, 2 * NEAR)
    return free.all & (np.abs(along) < near) & (aside < beside) & ((normals * moving.normals).sum(axis=1) > 0)
