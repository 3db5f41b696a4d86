"""What an artist sees while landmarks are asked for: dots where they are, and a card that says which one comes next.

Drawn over the 3D view (POST_PIXEL), in pixels of the region. The card has a small face, as it looks at the artist, with
the landmark that is meant.
"""

import math
from dataclasses import dataclass, field

import blf
import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from .landmark_guide import strokes
from .landmarks import mean_face

PAPER, INK, FAINT = (0.05, 0.05, 0.06, 0.82), (0.95, 0.95, 0.95, 1.0), (0.95, 0.95, 0.95, 0.35)
THERE, NEXT = (0.25, 0.85, 0.45, 1.0), (1.0, 0.62, 0.1, 1.0)
DOT = 3.5
FACE = (92, 104)
"""Pixels of the small face at a scale of one."""
_CORNERS = 16


@dataclass
class Card:
    """What is drawn.

    Attributes:
        dots: landmark's name → place in the region, pixels.
        asked: the landmark that is asked for; "" for none.
        there: landmarks that have been placed.
        lines: text, the first one larger.
    """

    dots: dict[str, tuple[float, float]] = field(default_factory=dict)
    asked: str = ""
    there: frozenset[str] = frozenset()
    lines: tuple[str, ...] = ()


def draw(card: Card, region: bpy.types.Region, left: float) -> None:
    """Draw dots and card in a region, the card's left edge at a pixel."""
    scale = bpy.context.preferences.system.ui_scale
    gpu.state.blend_set("ALPHA")
    try:
        for name, place in card.dots.items():
            _disc(place, (DOT + 1.5) * scale, (0.0, 0.0, 0.0, 0.8))
            _disc(place, DOT * scale, NEXT if name == card.asked else THERE)
        _draw_card(card, left, scale)
    finally:
        gpu.state.blend_set("NONE")


def _draw_card(card: Card, left: float, scale: float) -> None:
    margin, sizes = 12 * scale, [(16 if row == 0 else 12) * scale for row in range(len(card.lines))]
    widths = []
    for text, size in zip(card.lines, sizes, strict=True):
        blf.size(0, size)
        widths.append(blf.dimensions(0, text)[0])
    drops = [size * (1.2 if row == 0 else 1.55) for row, size in enumerate(sizes)]
    wide, high = FACE[0] * scale, FACE[1] * scale
    tall = max(high, sum(drops) + 0.3 * margin)
    x, y = left + margin, margin
    _rectangle(x, y, wide + max(widths, default=0) + 3 * margin, tall + 2 * margin, PAPER)
    _draw_face(card, x + margin, y + margin + (tall - high) / 2, wide, high, scale)
    at = y + margin + tall
    for row, (text, size) in enumerate(zip(card.lines, sizes, strict=True)):
        at -= drops[row]
        blf.size(0, size)
        blf.position(0, round(x + wide + 2 * margin), round(at), 0)
        blf.color(0, *(INK if row < 2 else (*INK[:3], 0.7)))
        blf.draw(0, text)


def _draw_face(card: Card, x: float, y: float, wide: float, high: float, scale: float) -> None:
    face = mean_face()
    flat = face.points[:, [0, 2]]  # from the front, its right at our left
    low, span = flat.min(axis=0), np.ptp(flat, axis=0)
    size = min((wide - 8 * scale) / span[0], (high - 8 * scale) / span[1])
    flat = (flat - low - span / 2) * size + (x + wide / 2, y + high / 2)
    places = dict(zip(face.names, flat.tolist(), strict=True))
    for names in strokes():
        _line([places[name] for name in names], FAINT)
    for name in card.there & places.keys():
        _disc(places[name], 2 * scale, THERE)
    if card.asked in places:
        _disc(places[card.asked], 4.5 * scale, NEXT)


def _line(points: list, colour: tuple) -> None:
    _shaded("LINE_STRIP", points, colour)


def _disc(centre, radius: float, colour: tuple) -> None:
    # Triangles: points have no size of their own on every graphics backend.
    ring = [
        (
            centre[0] + radius * math.cos(2 * math.pi * k / _CORNERS),
            centre[1] + radius * math.sin(2 * math.pi * k / _CORNERS),
        )
        for k in range(_CORNERS)
    ]
    _shaded("TRIS", ring, colour, [(0, k, k + 1) for k in range(1, _CORNERS - 1)])


def _rectangle(x: float, y: float, wide: float, high: float, colour: tuple) -> None:
    corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
    _shaded("TRIS", corners, colour, [(0, 1, 2), (0, 2, 3)])


def _shaded(kind: str, points: list, colour: tuple, indices: list | None = None) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    batch = batch_for_shader(shader, kind, {"pos": [(p[0], p[1], 0.0) for p in points]}, indices=indices)
    shader.bind()
    shader.uniform_float("color", colour)
    batch.draw(shader)
