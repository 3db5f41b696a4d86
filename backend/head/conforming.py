"""Fields of displacements on a head's vertices: hills, and how eyes follow any of them."""

import numpy as np

from .rig import eyeball_centre
from .template import Template


def hills(vertices: np.ndarray, mirror: np.ndarray | None, strokes) -> np.ndarray:
    """The sum (V, 3) mm of hills.

    Args:
        vertices: (V, 3) mm, Z up.
        mirror: (V,) the vertex on the other side, where hills off the midline are to be on both sides; else None.
        strokes: (place, reach, displacement), each of three numbers in mm.
    """
    field = np.zeros_like(vertices)
    for place, reach, move in strokes:
        pull = np.exp(-0.5 * np.sum(((vertices - place) / reach) ** 2, axis=1))[:, None] * np.array(move)
        field += pull + pull[mirror] * [-1.0, 1.0, 1.0] if mirror is not None and place[0] else pull
    return field


class Conforming:
    """Makes fields (..., V, 3) ones that eyes can follow: eyeballs stay round, and lids stay on them."""

    def __init__(self, plan: Template, vertices: np.ndarray):
        self.plan, self.vertices = plan, vertices

    def __call__(self, field: np.ndarray) -> np.ndarray:
        field = field.copy()
        for side in ("left", "right"):
            ball = np.concatenate([self.plan.eyeballs[side].ravel(), self.plan.eyeballs[side + "_poles"]])
            centre = eyeball_centre(self.plan, self.vertices, side)
            shift = field[..., ball, :].mean(axis=-2, keepdims=True)
            field[..., ball, :] = shift
            inner = self.plan.rings[f"{side}_eye"]
            for ring, apart in zip(inner[1:5], (0.75, 0.5, 0.3, 0.3)):
                # Both lids go together for the most part, or a blink would not close the eyes of all.
                other = ring[-np.arange(len(ring)) % len(ring)]
                mean = (field[..., ring, :] + field[..., other, :]) / 2
                field[..., ring, :] = mean + apart * (field[..., ring, :] - mean)
            for ring, held, reach in zip(inner, (0.9, 1, 1, 1, 1, 1, 1), (20, 20, 19, 18, 18, 18, 18)):
                arm = self.vertices[ring] - centre
                length = np.linalg.norm(arm, axis=1, keepdims=True)
                arm /= length
                # Lids slide over the ball; their corners lie off it and are free.
                held = held * np.clip((reach - length) / 4.0, 0, 1)
                own = field[..., ring, :] - shift
                field[..., ring, :] -= held * np.sum(own * arm, axis=-1, keepdims=True) * arm
            # The margin's back edge goes with the margin where that is free, or the corners would turn inside out.
            margin, back = inner[3], inner[4]
            off = np.linalg.norm(self.vertices[margin] - centre, axis=1, keepdims=True)
            free = np.clip((off - 13.0) / 2.0, 0, 1)
            field[..., back, :] += free * (field[..., margin, :] - field[..., back, :])
            along = 0.5 + 0.5 * free
            field[..., inner[5], :] = (1 - along) * shift + along * field[..., back, :]
            field[..., inner[6], :] = (1 - free) * shift + free * field[..., back, :]
        return field
