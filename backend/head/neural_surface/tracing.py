"""Where rays meet the surface: sphere tracing from both ends, then samples and the secant method (IDR, section 3).

Nothing here is differentiable; equation 22 (``losses.differentiable_points``) makes what is found so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import NeuralConfig

Distance = Callable[[Tensor], Tensor]
"""Signed distances (N,) at points (N, 3)."""
BACK_STEPS = 2
"""Halvings of a step that went through the surface."""


@dataclass(frozen=True, eq=False)
class Traced:
    """Rays c + t v.

    Attributes:
        t: (R,) of the first intersection; where there is none, or should be none, of the point with the least distance.
        hit: (R,) bool, whether there is an intersection.
    """

    t: Tensor
    hit: Tensor


def within_sphere(origins: Tensor, directions: Tensor, radius: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays enter and leave the sphere about the origin: t (R,), t (R,), and whether they do (R,) bool; for a ray
    that misses it both are its nearest point's."""
    middle = -(origins * directions).sum(dim=1)
    inside = radius**2 - (origins + middle[:, None] * directions).square().sum(dim=1)
    half = inside.clamp(min=0).sqrt()
    return (middle - half).clamp(min=0), (middle + half).clamp(min=0), (inside > 0) & (middle + half > 0)


@torch.no_grad()
def trace(
    distance: Distance,
    origins: Tensor,
    directions: Tensor,
    config: NeuralConfig,
    inside: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Traced:
    """The first intersections of rays with the surface inside the unit sphere.

    Args:
        distance: of the surface.
        origins: (R, 3).
        directions: (R, 3) unit vectors.
        inside: (R,) bool, rays that should meet the surface; all of them without.
        generator: on the CPU, of the places along rays that are looked at.
    """
    near, far, through = within_sphere(origins, directions)

    def at(t: Tensor, rows: Tensor) -> Tensor:
        return distance(origins[rows] + t[:, None] * directions[rows])

    front, back = near.clone(), far.clone()
    hit = torch.zeros_like(through)
    undecided = torch.nonzero(through)[:, 0]
    ahead, behind = _both(at, front[undecided], back[undecided], undecided)
    for _ in range(config.trace_steps):
        arrived = ahead.abs() <= config.trace_threshold
        hit[undecided[arrived]] = True
        rows, ahead, behind = undecided[~arrived], ahead[~arrived], behind[~arrived]
        # An end that lies inside stays: only the other one and the samples can tell where the ray came in.
        step = torch.cat([ahead.clamp(min=0), -behind.clamp(min=0)])
        ends, values = _stepped(at, torch.cat([front[rows], back[rows]]), step, torch.cat([ahead, behind]), rows)
        front[rows], back[rows] = ends.chunk(2)
        ahead, behind = values.chunk(2)
        apart = front[rows] < back[rows]
        undecided, ahead, behind = rows[apart], ahead[apart], behind[apart]
        if not len(undecided):
            break
    if len(undecided):
        # Where a front end was left inside, the ray came in before it.
        entered = ahead < 0
        low = torch.where(entered, near[undecided], front[undecided])
        high = torch.where(entered, front[undecided], back[undecided])
        found, t = _first_crossing(at, low, high, undecided, config)
        hit[undecided[found]] = True
        front[undecided[found]] = t[found]
    missed = torch.nonzero(~hit if inside is None else ~(hit & inside))[:, 0]
    t = front.clone()
    if len(missed):
        t[missed] = _nearest(at, near[missed], far[missed], missed, config, generator)
    return Traced(t, hit)


def _both(at, front: Tensor, back: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
    """Distances (K,) at the front ends and (K,) at the back ends of rays (K,)."""
    return at(torch.cat([front, back]), rows.repeat(2)).chunk(2)


def _stepped(at, t: Tensor, step: Tensor, value: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """t (2 K,) of both ends of rays (K,) after a step (2 K,), and the distances there: steps are taken back by halves
    where they went through the surface, as a network is no exact distance. Where a step is 0, the value stays."""
    rows = rows.repeat(2)
    moving = torch.nonzero(step)[:, 0]
    for _ in range(BACK_STEPS):
        if not len(moving):
            break
        value[moving] = at(t[moving] + step[moving], rows[moving])
        moving = moving[value[moving] < 0]
        step[moving] /= 2
    if len(moving):
        value[moving] = at(t[moving] + step[moving], rows[moving])
    return t + step, value


def _first_crossing(at, near: Tensor, far: Tensor, rows: Tensor, config: NeuralConfig) -> tuple[Tensor, Tensor]:
    """Whether the distance changes sign from outside to inside between two ends of rays (K,), and at which t first."""
    shares = torch.linspace(0, 1, config.trace_samples, device=near.device, dtype=near.dtype)
    t = near[:, None] + shares * (far - near)[:, None]
    values = at(t.reshape(-1), rows.repeat_interleave(len(shares))).view_as(t)
    enters = (values[:, :-1] > 0) & (values[:, 1:] <= 0)
    found = enters.any(dim=1)
    first = enters.int().argmax(dim=1, keepdim=True)
    low, high = t.gather(1, first)[:, 0], t.gather(1, first + 1)[:, 0]
    value_low, value_high = values.gather(1, first)[:, 0], values.gather(1, first + 1)[:, 0]
    middle = low
    for _ in range(config.secant_steps if bool(found.any()) else 0):
        slope = torch.where((value_low - value_high).abs() < 1e-12, torch.ones_like(low), value_low - value_high)
        middle = (low + value_low / slope * (high - low)).clamp(min=low, max=high)
        value = at(middle, rows)
        outside = value > 0
        low, value_low = torch.where(outside, middle, low), torch.where(outside, value, value_low)
        high, value_high = torch.where(outside, high, middle), torch.where(outside, value_high, value)
    return found, middle


def _nearest(at, near: Tensor, far: Tensor, rows: Tensor, config: NeuralConfig, generator) -> Tensor:
    """t (K,) of the least distance along rays (equation 19's minimum), among samples that lie elsewhere every time."""
    shares = torch.arange(config.trace_samples, device=near.device, dtype=near.dtype)
    jitter = torch.rand(len(near), 1, generator=generator).to(near)
    t = near[:, None] + (shares + jitter) / config.trace_samples * (far - near)[:, None]
    values = at(t.reshape(-1), rows.repeat_interleave(len(shares))).view_as(t)
    return t.gather(1, values.argmin(dim=1, keepdim=True))[:, 0]
