"""The landmark term alone, solved by Gauss-Newton: the start of the fit to photographs.

Equations 9 and 10 of prior-guided-head.md. Its authors begin from zero with gradient descent; a few thousand unknowns
fewer make second-order steps cheap, and these need no rate to be chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .photo_unknowns import Stage, Unknowns
from .photo_views import PhotoView

EXPRESSION = 0.5
"""Expected size of an expression's coefficients. FLAME's are standard deviations, the built-in head's shares of a
movement; this serves both."""
JOINTS = {"neck": 0.1, "jaw": 0.15}
"""Expected turns in radians."""
CONTOUR = "jaw "
CONTOUR_LOOSENESS = 2.0
"""The jaw's 17 points slide along an outline that has no marks, so they are trusted less."""
ROBUST = 4.0
"""Standard deviations at which a landmark counts half (Cauchy's weights)."""
CONVERGED = 0.01
"""Largest change of any unknown (a coefficient, a radian, a metre) after which there is nothing left to gain."""
LEAST_NOISE, FIRST_NOISE = 0.75, 4.0
"""Pixels of the pictures as they are used."""


@dataclass(frozen=True, eq=False)
class Marks:
    """All landmarks of all views in one list.

    Attributes:
        corners: (L, 3) int64 vertices of the triangle that each of the model's landmarks lies on.
        weights: (L, 3) barycentric.
        view, which: (M,) int64: the view and the landmark of each mark.
        pixels: (M, 2) where it was seen.
        looseness: (M,) times the noise.
    """

    corners: Tensor
    weights: Tensor
    view: Tensor
    which: Tensor
    pixels: Tensor
    looseness: Tensor

    @classmethod
    def of(cls, points: dict[str, tuple[int, np.ndarray]], faces: np.ndarray, views: list[PhotoView]) -> "Marks":
        """From a model's landmarks by name and what the views see of them, float64."""
        names = sorted({name for view in views for name in view.landmarks} & points.keys())
        place = {name: i for i, name in enumerate(names)}
        seen = [(j, place[n], at) for j, view in enumerate(views) for n, at in view.landmarks.items() if n in place]
        loose = [CONTOUR_LOOSENESS if names[which].startswith(CONTOUR) else 1.0 for _, which, _ in seen]
        return cls(
            torch.from_numpy(np.stack([faces[points[name][0]] for name in names]).astype(np.int64)),
            torch.from_numpy(np.stack([points[name][1] for name in names]).astype(np.float64)),
            torch.tensor([view for view, _, _ in seen]),
            torch.tensor([which for _, which, _ in seen]),
            torch.from_numpy(np.stack([at for _, _, at in seen]).astype(np.float64)),
            torch.tensor(loose, dtype=torch.float64),
        )

    def to(self, **kind) -> "Marks":
        """The same with its real numbers on another device or of another dtype."""
        device = {"device": kind["device"]} if "device" in kind else {}
        return Marks(
            self.corners.to(**device), self.weights.to(**kind), self.view.to(**device), self.which.to(**device),
            self.pixels.to(**kind), self.looseness.to(**kind),
        )  # fmt: skip

    def points(self, vertices: Tensor) -> Tensor:
        """(L, 3) the landmarks of a head (V, 3)."""
        return (vertices[self.corners] * self.weights[..., None]).sum(dim=1)

    def misses(self, stage: Stage, x: Unknowns, vertices: Tensor) -> Tensor:
        """(M, 2) pixels between where each landmark of the head falls and where it was seen."""
        seen = stage.project(stage.camera_points(x, stage.world(x, self.points(vertices))))
        return seen[self.view, self.which] - self.pixels


def prior(stage: Stage, x: Unknowns) -> Tensor:
    """(I + E + 3 K,) coefficients over their standard deviations, equation 10 before its squares are summed."""
    names = [stage.layer.model.joint_names[joint] for joint in stage.joints]
    turns = [turn / JOINTS[name] for name, turn in zip(names, x.joints.unbind(), strict=True)]
    return torch.cat([x.identity, x.expression / EXPRESSION, *turns])


def fit_landmarks(
    stage: Stage,
    marks: Marks,
    x: Unknowns,
    free: tuple[str, ...],
    rounds: int = 16,
    tick: Callable[[int], None] = lambda done: None,
) -> tuple[Unknowns, float]:
    """The most probable head by its landmarks.

    Args:
        stage: of float64.
        marks: likewise.
        x: where to start.
        free: names of the unknowns to look for.
        rounds: Gauss-Newton steps.
        tick: called after each.

    Returns:
        the unknowns, and the landmarks' noise in pixels (standard deviation along an axis).
    """
    corners, inverse = torch.unique(marks.corners, return_inverse=True)
    # Only the landmarks' own vertices are posed.
    part = Stage(stage.layer.restricted(corners), stage.placement, torch.float64)
    own = Marks(inverse.view_as(marks.corners), *(getattr(marks, n) for n in ("weights", "view", "which", "pixels")),
                marks.looseness)  # fmt: skip
    flat, noise = x.flat(free), FIRST_NOISE

    def terms(values: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        state = x.filled(free, values)
        both = own.misses(part, state, part.head(state)), prior(part, state)
        return both, both

    for number in range(rounds):
        (by_miss, by_belief), (misses, beliefs) = torch.func.jacfwd(terms, has_aux=True)(flat)
        if number >= 3:
            noise = float(misses.div(own.looseness[:, None]).abs().median()) * 1.4826
            noise = min(max(noise, LEAST_NOISE), FIRST_NOISE)
        scale = noise * own.looseness[:, None]
        weight = (1 / (1 + (misses / scale).square().sum(dim=1) / ROBUST**2)).sqrt()[:, None] / scale
        rows = torch.cat([(by_miss * weight[..., None]).flatten(0, 1), by_belief])
        values = torch.cat([(misses * weight).flatten(), beliefs])
        system = rows.T @ rows
        # What nothing holds (a head's size where the unit is known, say) stays where it is.
        system.diagonal().add_(1e-6 * system.diagonal().mean())
        step = torch.linalg.solve(system, rows.T @ values)
        flat = flat - step
        tick(number + 1)
        if number >= 5 and float(step.abs().max()) < CONVERGED:
            break
    return x.filled(free, flat), noise
