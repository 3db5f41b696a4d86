"""Strands grown step by step: combed, pulled down by gravity, kept off the head and over each other."""

import numpy as np

from .comb import Comb, Layout
from .obstacle import DistanceGrid, softened
from .scalp import Roots
from .style import Style


class FaceShield:
    """Parts long hair before the face, so that it frames the face and does not veil it.

    A column as wide as the space between the cheekbones, growing from nothing under the hairline to its full width at
    the brows: what falls within it slides aside, each strand to the side of its parting.
    """

    def __init__(self, places: Layout, comb: Comb):
        self.places, self.comb = places, comb

    def __call__(self, points: np.ndarray, reach: float) -> np.ndarray:
        """(N,) float32 metres each strand's point (N, 3) moves along X, at most ``reach``."""
        places = self.places
        below = np.clip((places.hairline[2] - 0.008 - points[:, 2]) / 0.07, 0.0, 1.0)
        before = np.clip((places.hairline[1] + 0.055 - points[:, 1]) / 0.02, 0.0, 1.0)
        width = 0.42 * places.breadth * np.sqrt(below) * before
        # The side is the head's, not the parting's: what the parting throws across must still fall beside the face.
        aside = np.where(np.abs(points[:, 0] - places.centre[0]) > 0.01, np.sign(points[:, 0]), self.comb.side)
        inside = width - aside * (points[:, 0] - places.centre[0])
        return (aside * np.clip(inside, 0.0, reach)).astype(np.float32)


class Waver:
    """How locks stray from the comb: a smooth random vector over the scalp that changes along the strand."""

    def __init__(self, roots: Roots, style: Style, rng: np.random.Generator, waves: int = 10):
        size = rng.uniform(0.012, 0.05, waves)
        direction = rng.normal(size=(3, waves))
        direction *= 2 * np.pi / size / np.linalg.norm(direction, axis=0)
        self.phase = (roots.positions @ direction + rng.uniform(0, 2 * np.pi, waves)).astype(np.float32)
        self.rate = (2 * np.pi / (style.waver_length * np.exp(rng.uniform(0, 1.2, waves)))).astype(np.float32)
        self.amplitude = (rng.normal(size=(waves, 3)) * style.waver / np.sqrt(waves) * 1.2).astype(np.float32)

    def __call__(self, travelled: float) -> np.ndarray:
        """(N, 3) float32 at so many metres from the root."""
        return np.cos(self.phase + self.rate * np.float32(travelled)) @ self.amplitude


def grow(
    style: Style,
    roots: Roots,
    lengths: np.ndarray,
    comb: Comb,
    grid: DistanceGrid,
    places: Layout,
    rng: np.random.Generator,
    step=lambda: None,
) -> np.ndarray:
    """Centre lines of the strands.

    Layers come from one rule: the height a strand keeps above the head grows with the way it has travelled. Of the
    strands that pass a place those from farther up have travelled longer and lie over the others, so a head of hair
    has thickness and an order instead of one shell.

    Args:
        lengths: (N,) metres; all grow to the longest, to be cut afterwards.
        grid: the head's distance.
        step: called after every step.

    Returns:
        (N, S, 3) float32 metres, at every ``style.step``.
    """
    count, ds = len(roots), style.step
    steps = int(np.ceil(lengths.max() / ds)) + 1
    obstacle = softened(grid, 0.007, 0.016)
    shield = FaceShield(places, comb) if style.face_shield else None
    waver = Waver(roots, style, rng)
    keep = style.stiffness ** (ds / 0.01)
    pull = style.gravity * ds / 0.01
    height = (style.volume * rng.uniform(0.55, 1.1, count)).astype(np.float32)
    flying = rng.random(count) < style.flyaway
    height[flying] *= rng.uniform(1.05, 1.35, int(flying.sum())).astype(np.float32)
    # Curls swing about their axis, which must keep that much farther off.
    swing = 0.9 * style.curl_radius

    points = np.empty((count, steps, 3), np.float32)
    points[:, 0] = roots.positions
    position = roots.positions.copy()
    normal = roots.normals.copy()
    lean = style.root_angle + 0.3 * comb.near_cowlick
    if style.back > 0:
        # Hair combed back lies flat at the hairline; along the normal it would stand before the forehead.
        lean = lean * (1 - 0.75 * comb.front)
    lean = np.clip(lean, 0, 1)[:, None]
    direction = _unit(lean * normal + (1 - lean) * comb(position, normal))
    down = np.array([0, 0, -1], np.float32)
    for k in range(1, steps):
        travelled = k * ds
        combed = comb(position, normal) + waver(travelled)
        fade = np.exp(-((travelled / style.comb_reach) ** 2)) * style.comb
        wish = fade * combed + (1 - fade) * 0.35 * waver(travelled)
        direction = _unit(keep * direction + (1 - keep) * wish + pull * down)
        ahead = position + np.float32(ds) * direction
        distance, outward = obstacle(ahead)
        travel = travelled / (travelled + style.volume_reach)
        wanted = height * travel + swing * min(1.0, travelled / style.curl_start)
        short = wanted - distance
        # Rise no steeper than 45 degrees, but never into the head.
        lift = np.clip(short, 0.0, np.maximum(0.7 * ds, 0.0005 - distance))
        ahead += lift[:, None] * outward
        if shield:
            aside = shield(ahead, 0.4 * ds)
            ahead[:, 0] += aside
            direction[:, 0] += 0.5 * aside / np.float32(ds)
        touching = short > 0
        into = np.minimum(np.einsum("nd,nd->n", direction, outward), 0.0) * touching
        direction = _unit(direction - into[:, None] * outward)
        move = ahead - position
        move *= np.float32(ds) / np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-9)
        position = position + move
        points[:, k] = position
        normal = outward
        step()
    return points


def keep_outside(points: np.ndarray, grid: DistanceGrid, clearance: float, rounds: int = 3) -> np.ndarray:
    """Push points (N, L, 3) out of the head, to ``clearance`` metres off it; roots stay and a strand rises gently."""
    count, length = points.shape[:2]
    ramp = np.full(length, clearance, np.float32)
    ramp[: min(4, length)] = np.linspace(0, clearance, 5, dtype=np.float32)[: min(4, length)]
    result = points.copy()
    flat = result.reshape(-1, 3)
    wanted = np.tile(ramp, count)
    active = np.arange(len(flat))
    for _ in range(rounds):
        distance, outward = grid(flat[active])
        low = distance < wanted[active]
        active = active[low]
        if not len(active):
            break
        flat[active] += (wanted[active] - distance[low])[:, None] * outward[low]
    result[:, 0] = points[:, 0]
    return result


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)).astype(np.float32)
