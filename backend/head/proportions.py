"""Bringing the sculpted head to given measures by one smooth warp of space, so that topology and features stay."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from ..errors import HeadError
from ..formats.head import Head
from .anthropometry import MEASURES, measure
from .template import Template

ADJUSTABLE = (
    "head_breadth", "head_length", "bizygomatic_breadth", "menton_sellion", "nose_height", "interpupillary",
    "neck_circumference", "ear_length",
)  # fmt: skip
MOST_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Warp:
    """Factors by which the sculpted form is stretched, 1 for none, each named for the measure that it answers to."""

    head_breadth: float = 1.0
    head_length: float = 1.0
    bizygomatic_breadth: float = 1.0
    menton_sellion: float = 1.0
    nose_height: float = 1.0
    interpupillary: float = 1.0
    neck_circumference: float = 1.0
    ear_length: float = 1.0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) mm of the sculpted form where the stretched head has them."""
        x, y, z = points.T
        inner = _over_height(z, [(-105, self.neck_circumference), (-75, self.bizygomatic_breadth),
                                 (-30, self.bizygomatic_breadth), (5, self.interpupillary), (24, self.interpupillary),
                                 (60, self.head_breadth)], self._shoulders)  # fmt: skip
        outer = _over_height(z, [(-105, self.neck_circumference), (-75, self.bizygomatic_breadth),
                                 (-5, self.bizygomatic_breadth), (45, self.head_breadth)], self._shoulders)  # fmt: skip
        out = _smooth_step(np.abs(x), 44, 66)
        deep = _over_height(z, [(-110, self.neck_circumference), (-60, self.head_length), (0, self.head_length)],
                            self._shoulders)  # fmt: skip
        axis = np.interp(z, [-160, -110, -40], [24.0, 20.0, 0.0])  # the neck's middle; the head's lies at the ears
        return np.column_stack([x * (inner + (outer - inner) * out), axis + (y - axis) * deep, self._heights(z)])

    @property
    def _shoulders(self) -> float:
        return (1.0 + self.neck_circumference) / 2

    def _heights(self, z):
        # Design heights of menton, subnasale, sellion and the crown; the sellion stays where it is.
        menton, subnasale, sellion, crown = -97.0, -31.0, 23.0, 133.0
        nose = (sellion - subnasale) * self.nose_height
        face = (sellion - menton) * self.menton_sellion
        knots = [-200 + (sellion - face) - menton, sellion - face, sellion - nose, sellion,
                 sellion + (crown - sellion) * (self.head_length + self.head_breadth) / 2]  # fmt: skip
        return PchipInterpolator([-200, menton, subnasale, sellion, crown], knots, extrapolate=True)(z)


def _over_height(z, knots, shoulders):
    heights, factors = zip(*knots)
    return PchipInterpolator([-400, -165, *heights, 300], [shoulders, shoulders, *factors, factors[-1]])(z)


def _smooth_step(value, low, high):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def warped(plan: Template, vertices: np.ndarray, warp: Warp) -> np.ndarray:
    """Vertices (V, 3) mm of the sculpted head, stretched; eyeballs stay round and ears grow about their middle."""
    result = warp(vertices)
    for side in ("left", "right"):
        ball = np.concatenate([plan.eyeballs[side].ravel(), plan.eyeballs[side + "_poles"]])
        centre = vertices[plan.eyeballs[side]].mean(axis=(0, 1), keepdims=True)[0]
        size = np.ptp(result[ball], axis=0).mean() / np.ptp(vertices[ball], axis=0).mean()
        result[ball] = warp(centre) + size * (vertices[ball] - centre)
        ear = plan.rings[f"{side}_ear"]
        middle = result[ear].mean(axis=(0, 1))
        grown = np.minimum(np.arange(len(ear)) / 3.0, 1.0)[:, None, None]  # none at the root
        result[ear] += (warp.ear_length - 1) * grown * (result[ear] - middle)
    return result


def fitted(head: Head, plan: Template, sculpted: np.ndarray, wanted: dict[str, float], rounds: int = 6) -> Head:
    """The head with the measures ``wanted`` (mm, names of ``ADJUSTABLE``; the others are the means).

    Args:
        head: regions and landmarks; its vertices are not read.
        sculpted: (V, 3) mm, the form before any warp.

    Raises:
        HeadError: an unknown measure, or one that no adult has.
    """
    for name, value in wanted.items():
        if name not in ADJUSTABLE:
            raise HeadError(f"There is no adjustable measure '{name}'; choose among {', '.join(ADJUSTABLE)}.")
        if not abs(value - MEASURES[name].mean) <= MOST_DEVIATIONS * MEASURES[name].deviation:
            raise HeadError(
                f"A {name.replace('_', ' ')} of {value:g} mm is no adult's; the mean is {MEASURES[name].mean:g} mm."
            )
    targets = {name: wanted.get(name, MEASURES[name].mean) for name in ADJUSTABLE}
    warp = Warp()
    for _ in range(rounds):
        head = replace(head, vertices=warped(plan, sculpted, warp) / 1000)
        found = measure(head)
        warp = replace(warp, **{name: getattr(warp, name) * targets[name] / found[name] for name in ADJUSTABLE})
    return replace(head, vertices=warped(plan, sculpted, warp) / 1000)
