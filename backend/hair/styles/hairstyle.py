"""One hairstyle on one head, from roots to tips."""

from dataclasses import dataclass

import numpy as np

from ...formats.head import Head
from ...formats.strands import Strands
from .comb import Comb, layout, length_map
from .growth import grow, keep_outside
from .obstacle import DistanceGrid, head_distance
from .scalp import Roots, sample_roots, scalp_faces
from .shaping import curl, cut, even, frizz, gather, leaders_by_spacing, nearest_leader
from .style import Style

GENERATOR_VERSION = 1
"""Counts up whenever the same style and seed give other strands, so that caches of renders know."""

CLEARANCE = 0.0008
"""Metres that hair keeps off the skin."""


@dataclass(frozen=True)
class Hairstyle:
    """Strands of one length with their roots on the head."""

    strands: Strands
    roots: Roots


def make_hairstyle(
    head: Head,
    style: Style,
    count: int,
    seed: int = 0,
    points: int = 0,
    grid: DistanceGrid | None = None,
    progress=lambda stage, total: lambda: None,
) -> Hairstyle:
    """Grow a hairstyle.

    Args:
        head: with a region "scalp"; metres, Z up, looking along -Y.
        count: strands.
        points: of a strand; 0 takes the style's.
        grid: the head's distance where the caller has it already.
        progress: called with a stage's name and its number of steps, returns what to call at every step.

    Returns:
        The same arrays for the same arguments. Raises HeadError where the head has no scalp.
    """
    # One stream for each concern, so that a change to one leaves the draws of the others alone.
    concerns = ("roots", "comb", "lengths", "growth", "locks", "curl", "frizz")
    streams = np.random.SeedSequence(seed).spawn(len(concerns))
    random = {name: np.random.default_rng(stream) for name, stream in zip(concerns, streams)}
    tick = progress("Placing roots", 2)
    roots = sample_roots(head, count, random["roots"])
    tick()
    places = layout(head)
    grid = grid or head_distance(head)
    tick()

    comb = Comb(style, places, roots, random["comb"])
    lengths = length_map(style.lengths, places, roots.positions)
    corners = head.vertices[head.faces[scalp_faces(head)]].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    locks, wisps = (
        nearest_leader(roots, comb, leaders_by_spacing(roots, size, area, random["locks"]))
        for size in (style.lock_size, style.wisp_size)
    )
    lengths = lengths * _length_factors(style, roots, locks, random["lengths"])
    lengths = np.clip(lengths, style.shortest, style.longest)

    tick = progress("Growing", int(np.ceil(lengths.max() / style.step)))
    grown = grow(style, roots, lengths, comb, grid, places, random["growth"], tick)

    tick = progress("Shaping locks", 4)
    strength = np.clip(style.wisp_strength * (1 + 0.4 * random["locks"].normal(size=count)), 0, 0.9)
    grown = gather(grown, wisps, strength, 0.02)
    strength = np.clip(style.lock_strength * (1 + 0.3 * random["locks"].normal(size=count)), 0, 0.95)
    grown = gather(grown, locks, strength, 0.03)
    tick()
    grown = frizz(grown, style, random["frizz"])
    # Both change how long the way is; lengths are measured along it from here on.
    grown = even(grown, style.step)
    tick()
    if style.curl_radius:
        grown = curl(grown, locks, style, random["curl"])
    tick()
    shaped = cut(grown, lengths, style.step, points or style.points)
    shaped = keep_outside(shaped, grid, CLEARANCE)
    shaped[:, 0] = roots.positions
    tick()
    return Hairstyle(Strands.from_array(shaped), roots)


def _length_factors(style: Style, roots: Roots, locks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # Locks differ, strands within a lock differ less; no strand is so long or short that it would read as a mistake.
    count = len(roots)
    of_lock = rng.normal(size=count)[locks]
    own = rng.normal(size=count)
    factor = np.exp(style.length_spread * of_lock + 0.5 * style.length_spread * own)
    return np.clip(factor, 1 - 2.2 * style.length_spread, 1 + 2.5 * style.length_spread)
