"""Where hair is combed to: partings, whorls, cowlicks and fringes as directions over a head."""

from dataclasses import dataclass

import numpy as np

from ...formats.head import Head
from .scalp import Roots
from .style import Lengths, Style


@dataclass(frozen=True)
class Layout:
    """The places on a head that a hairstyle is laid out by, metres.

    Attributes:
        centre: (3,), middle of the scalp's box.
        size: (3,), half of the scalp's box.
        crown: (3,), where the whorl is; hairline: (3,), middle of the forehead's hairline.
        breadth: of the head over the ears' roots, taken as the scalp's breadth.
    """

    centre: np.ndarray
    size: np.ndarray
    crown: np.ndarray
    hairline: np.ndarray
    breadth: float


def layout(head: Head) -> Layout:
    """Find the places a style needs from the head's scalp."""
    scalp = head.vertices[head.regions["scalp"]].astype(np.float64)
    low, high = scalp.min(axis=0), scalp.max(axis=0)
    centre, size = (low + high) / 2, (high - low) / 2
    middle = scalp[np.abs(scalp[:, 0] - centre[0]) < 0.25 * size[0]]
    crown = middle[np.argmax((middle - centre) @ np.array([0.0, 0.62, 0.78]))]
    upper = middle[middle[:, 2] > centre[2]]
    hairline = upper[np.argmin(upper[:, 1])]
    crown[0] = hairline[0] = centre[0]
    return Layout(centre, size, crown, hairline, 2 * size[0])


class Comb:
    """The direction hair is combed in, for a style on a head."""

    def __init__(self, style: Style, places: Layout, roots: Roots, rng: np.random.Generator):
        self.style, self.places = style, places
        offset = style.parting or 0.0
        # A parting runs from the hairline back to the crown and bends to the middle there.
        along = np.linspace(0, 1, 24)[:, None]
        line = places.hairline * (1 - along) + places.crown * along
        line[:, 2] += 0.02 * np.sin(np.pi * along[:, 0])
        line[:, 0] += offset * (1 - along[:, 0] ** 3)
        self.line = line if style.parting is not None else places.crown[None]
        self.side = np.sign(roots.positions[:, 0] - self._line_at(roots.positions)[:, 0]).astype(np.float32)
        self.side[self.side == 0] = 1
        relative = (roots.positions - places.centre) / places.size
        self.front = np.clip(-relative[:, 1] * 1.1 + 0.25, 0, 1).astype(np.float32)
        self.above = np.clip(relative[:, 2] * 1.4 + 0.2, 0, 1).astype(np.float32)
        self.cowlick = places.hairline + np.array([0.35 * places.size[0], 0.012, 0.012])
        near = np.linalg.norm(roots.positions - self.cowlick, axis=1) / (0.23 * places.breadth)
        self.near_cowlick = (style.cowlick * np.exp(-(near**2))).astype(np.float32)

    def _line_at(self, points: np.ndarray) -> np.ndarray:
        if len(self.line) == 1:
            return np.broadcast_to(self.line, points.shape)
        # The nearest place of the line, as a function of how far back a point is.
        y = np.clip(points[:, 1], self.line[:, 1].min(), self.line[:, 1].max())
        order = np.argsort(self.line[:, 1])
        return np.stack([np.interp(y, self.line[order, 1], self.line[order, k]) for k in range(3)], axis=1)

    def __call__(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Unit directions (N, 3) float32 tangent to the head at points (N, 3) with outward normals (N, 3).

        One point for each root, in the roots' order: a strand stays on the side of the parting it was born on.
        """
        style = self.style
        away = (points - self._line_at(points)).astype(np.float32)
        if style.parting is not None:
            least = np.where(points[:, 1] < self.places.crown[1] - 0.01, 0.004, 0.0)
            away[:, 0] = self.side * np.maximum(np.abs(away[:, 0]), least)
        # Nothing is combed upwards: the line runs under the skin, and straight above it "away" would be up.
        away[:, 2] = np.minimum(away[:, 2], 0)
        away /= np.linalg.norm(away, axis=1, keepdims=True) + 0.004
        if style.swirl:
            turn = style.swirl * np.exp(-np.linalg.norm(points - self.places.crown, axis=1) / 0.05)
            away = np.cos(turn)[:, None] * away + np.sin(turn)[:, None] * np.cross(normals, away)
        away[:, 1] += style.back * self.front * (self.above if style.back < 0 else 1.0)
        if style.cowlick:
            aside = np.array([0.85, -0.2, 0.3], np.float32)
            away += self.near_cowlick[:, None] * (aside - away)
        away -= np.einsum("nd,nd->n", away, normals)[:, None] * normals
        return (away / (np.linalg.norm(away, axis=1, keepdims=True) + 1e-6)).astype(np.float32)


def length_map(lengths: Lengths, places: Layout, positions: np.ndarray) -> np.ndarray:
    """(N,) metres of hair at positions (N, 3) on the scalp, blended between the named places."""
    names = {
        "top": (0, 0.1, 1),
        "front": (0, -0.85, 0.6),
        "left": (1, 0, 0),
        "right": (-1, 0, 0),
        "back": (0, 1, 0.15),
        "nape": (0, 0.75, -0.75),
    }
    values = {
        "top": lengths.top, "front": lengths.front, "left": lengths.sides, "right": lengths.sides,
        "back": lengths.back, "nape": lengths.nape,
    }  # fmt: skip
    anchors = np.array([names[name] for name in values], float)
    anchors /= np.linalg.norm(anchors, axis=1, keepdims=True)
    direction = (positions - places.centre) / places.size
    direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
    weight = np.exp(6.0 * (direction @ anchors.T))
    return weight @ np.array(list(values.values())) / weight.sum(axis=1)
