"""Locks, curls and frizz: what is done to strands once they have grown."""

import numpy as np
from scipy.spatial import cKDTree

from ...geometry.frames import rotation_minimising_frames
from .comb import Comb
from .scalp import Roots
from .style import Style


def nearest_leader(roots: Roots, comb: Comb, leaders: np.ndarray) -> np.ndarray:
    """(N,) for each root the leader (an index into the roots) whose lock it joins: the nearest on its own side."""
    features = np.column_stack([roots.positions, 0.02 * comb.side * (len(comb.line) > 1)])
    return leaders[cKDTree(features[leaders]).query(features, workers=-1)[1]]


def leaders_by_spacing(roots: Roots, spacing: float, area: float, rng: np.random.Generator) -> np.ndarray:
    """Indices of evenly spread roots, about ``spacing`` metres apart on ``area`` square metres."""
    count = int(np.clip(area / spacing**2, 4, len(roots)))
    chosen = rng.choice(len(roots), count, replace=False)
    for _ in range(4):
        owner = cKDTree(roots.positions[chosen]).query(roots.positions, workers=-1)[1]
        size = np.maximum(np.bincount(owner, minlength=count), 1)[:, None]
        centre = np.stack([np.bincount(owner, roots.positions[:, k], count) for k in range(3)], axis=1) / size
        chosen = np.unique(cKDTree(roots.positions).query(centre, workers=-1)[1])
        count = len(chosen)
    return chosen


def gather(points: np.ndarray, leader: np.ndarray, strength: np.ndarray, spread: float) -> np.ndarray:
    """Draw strands (N, S, 3) towards the leader of their lock, not at the root and most at the tip.

    Args:
        leader: (N,) index of each strand's leader.
        strength: (N,) share of the way at the tip.
        spread: metres over which a lock forms from the root on.
    """
    along = np.arange(points.shape[1], dtype=np.float32) / (points.shape[1] - 1)
    profile = (along * along * (3 - 2 * along)) ** 0.7
    share = strength.astype(np.float32)[:, None] * profile[None]
    away = points[leader] - points
    # A strand that has gone elsewhere (over the other shoulder) is not dragged back.
    gap = np.linalg.norm(away, axis=2)
    share *= 1 / (1 + (gap / np.float32(spread)) ** 2)
    return points + share[..., None] * away


def curl(points: np.ndarray, leader: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Wind strands (N, S, 3) about their own centre line, in step with the leader of their lock.

    Radius and pitch, in the leader's frame, are the style's with the spread of locks; every lock has its own phase and
    hand; a strand is a little out of step with its lock, as hairs of one curl are.
    """
    count, steps = points.shape[:2]
    unique, lock = np.unique(leader, return_inverse=True)
    _, normal, binormal = rotation_minimising_frames(points[unique])
    locks = len(unique)
    vary = style.curl_spread
    radius = style.curl_radius * np.exp(vary * rng.normal(size=locks)).clip(0.6, 1.6)
    pitch = style.curl_pitch * np.exp(vary * rng.normal(size=locks)).clip(0.7, 1.4)
    hand = rng.choice([-1.0, 1.0], locks)
    phase = rng.uniform(-np.pi, np.pi, locks) * (1 - style.curl_together)
    if style.curl_together:
        hand[:] = 1.0
        phase += np.pi * np.sin(points[unique, 0] @ rng.normal(size=(3, 3)) * 30.0).sum(axis=1)
    own_radius = (radius[lock] * (1 + 0.10 * rng.normal(size=count))).astype(np.float32)
    own_phase = (phase[lock] + 0.22 * rng.normal(size=count)).astype(np.float32)
    rate = (2 * np.pi / pitch[lock] * hand[lock]).astype(np.float32)
    arc = np.arange(steps, dtype=np.float32) * np.float32(style.step)
    grown = np.clip(arc / style.curl_start, 0, 1)
    grown = grown * grown * (3 - 2 * grown)
    angle = own_phase[:, None] + rate[:, None] * arc
    across = (own_radius[:, None] * grown * np.cos(angle))[..., None]
    beside = (own_radius[:, None] * grown * np.sin(angle) * (1 - style.curl_flatness))[..., None]
    return points + across * normal[lock] + beside * binormal[lock]


def frizz(points: np.ndarray, style: Style, rng: np.random.Generator, waves: int = 4) -> np.ndarray:
    """Let every strand of (N, S, 3) stray by itself, smoothly, a little more towards its tip."""
    count, steps = points.shape[:2]
    arc = np.arange(steps, dtype=np.float32) * np.float32(style.step)
    size = style.frizz * np.exp(0.5 * rng.normal(size=count).clip(-2, 1.5))
    size[rng.random(count) < style.flyaway] *= 2.5
    result = points.copy()
    for _ in range(waves):
        length = rng.uniform(0.02, 0.11, count).astype(np.float32)
        phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
        way = rng.normal(size=(count, 3)) * (size * (length / 0.05))[:, None] / np.sqrt(waves)
        wave = np.sin(2 * np.pi * arc[None] / length[:, None] + phase[:, None]) - np.sin(phase)[:, None]
        grown = 0.3 + 0.7 * arc / max(arc[-1], 1e-6)
        result += (wave * grown)[..., None] * way.astype(np.float32)[:, None]
    return result


def even(points: np.ndarray, spacing: float) -> np.ndarray:
    """Strands (N, S, 3) with their points set ``spacing`` metres apart again; a strand too short goes on straight."""
    count, steps = points.shape[:2]
    size = np.linalg.norm(np.diff(points, axis=1), axis=2)
    arc = np.concatenate([np.zeros((count, 1)), np.cumsum(np.maximum(size, 1e-7), axis=1)], axis=1)
    wanted = np.arange(steps) * spacing
    # One search over all strands: each strand's arc is lifted above the one before it.
    lift = np.arange(count)[:, None] * (arc[:, -1].max() + steps * spacing + 1.0)
    after = np.searchsorted((arc + lift).ravel(), (wanted + lift).ravel(), side="right").reshape(count, steps)
    after = np.clip(after - np.arange(count)[:, None] * steps, 1, steps - 1)
    row = np.arange(count)[:, None]
    # A last step that gathering has nearly closed says little of where the strand would have gone on.
    t = (wanted - arc[row, after - 1]) / np.maximum(arc[row, after] - arc[row, after - 1], 0.3 * spacing)
    t = t.astype(np.float32)[..., None]
    return points[row, after - 1] * (1 - t) + points[row, after] * t


def cut(points: np.ndarray, lengths: np.ndarray, spacing: float, count: int) -> np.ndarray:
    """Cut strands (N, S, 3), whose points are ``spacing`` metres apart along the centre line, and resample them.

    Returns:
        (N, count, 3) float32, evenly spaced along each centre line.
    """
    steps = points.shape[1]
    last = np.clip(lengths / spacing, 0.5, steps - 1.0)
    place = np.linspace(0, 1, count)[None] * last[:, None]
    low = np.minimum(place.astype(np.int32), steps - 2)
    t = (place - low).astype(np.float32)[..., None]
    row = np.arange(len(points))[:, None]
    # Catmull-Rom between the points: linear would cut the corners of curls.
    before, a, b, after = (points[row, np.clip(low + k, 0, steps - 1)] for k in (-1, 0, 1, 2))
    m0, m1 = (b - before) / 2, (after - a) / 2
    return (
        (2 * t**3 - 3 * t**2 + 1) * a + (t**3 - 2 * t**2 + t) * m0 + (3 * t**2 - 2 * t**3) * b + (t**3 - t**2) * m1
    ).astype(np.float32)
