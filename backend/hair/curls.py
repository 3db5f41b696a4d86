"""Curls: how wide and how long their turns are, and strands that turn about their axes.

Directions diffused inward lose every curl, because a curl's mean direction is its axis. Curly hair is therefore grown
along its axes, and every strand winds about its axis as a helix whose radius and pitch are measured in the pictures,
in locks that share a phase.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..geometry.frames import rotation_minimising_frames
from ..geometry.grid import gradient
from ..geometry.projection import sample_image
from ..protocol import Reporter
from .field import DirectionField, hair_nodes, node_laplacian, screened_solve
from .growth import Medium
from .hull import Volumes
from .orientation import OrientationMap
from .presets import CurlConfig, FieldConfig
from .sign import away_from_roots
from .views import HairView
from .visibility import DepthMap


@dataclass(frozen=True)
class Curls:
    """A head's typical curl.

    Attributes:
        radius: metres from the axis.
        pitch: metres along the axis in one turn.
        regularity: how strong the wave in the lean's correlation is half a turn on, 0 for none, at most 1.
    """

    radius: float
    pitch: float
    regularity: float


@dataclass(frozen=True, eq=False)
class Slopes:
    """What views see along axes: how far hair leans from the axis, in the picture.

    Attributes:
        lean: (V, N, T) float32, radians in [-pi/2, pi/2], from the axis to the hair's line.
        weight: (V, N, T) float32, confidence times visibility times how far the axis lies across the view's rays.
    """

    lean: torch.Tensor
    weight: torch.Tensor


def axis_field(volumes: Volumes, roots: np.ndarray, config: FieldConfig, reporter: Reporter) -> DirectionField:
    """Where curls' axes run: away from the roots (R, 3) through the hair and downwards, level with its surface."""
    grid, nodes = volumes.grid, hair_nodes(volumes)
    laplacian = node_laplacian(nodes, grid.shape)
    steep = away_from_roots(roots, nodes, laplacian, grid, config, reporter, unit=False)
    points = torch.from_numpy(grid.centres(nodes))
    head = torch.nn.functional.normalize(grid.sample(gradient(volumes.head, grid.spacing), points), dim=-1).numpy()
    hair = torch.nn.functional.normalize(grid.sample(gradient(volumes.hair, grid.spacing), points), dim=-1).numpy()
    # On top of the head the potential is level, and weight combs the hair down along the head.
    wanted = np.minimum(np.linalg.norm(steep, axis=1, keepdims=True), 1) * _unit(steep)
    wanted += config.axis_gravity * np.array([0, 0, -1.0])
    into = np.minimum((wanted * head).sum(1, keepdims=True), 0)
    wanted -= into * head
    # Hair does not run out through its surface, except at its lower end.
    depth = grid.sample(volumes.hair[None], points)[:, 0].numpy()
    hold = np.clip(1 + depth / config.axis_reach, 0, 1) * (hair[:, 2] > -0.6)
    wanted -= hold[:, None] * np.maximum((wanted * hair).sum(1, keepdims=True), 0) * hair
    wanted = _unit(wanted).astype(np.float32)
    weight = np.full(len(nodes), (grid.spacing / config.axis_smooth) ** 2, np.float32)
    smooth = screened_solve(laplacian, weight, weight[:, None] * wanted, wanted, config.iterations, reporter)
    length = np.linalg.norm(smooth, axis=1)
    smooth /= np.maximum(length, 1e-6)[:, None]
    return DirectionField(grid, nodes, smooth.astype(np.float32), np.clip(length, 0, 1).astype(np.float32), laplacian)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


def slopes_along(
    axes: torch.Tensor,
    views: list[HairView],
    maps: list[OrientationMap],
    depths: list[DepthMap],
    visible: float,
    reporter: Reporter,
) -> Slopes:
    """What the views see along axes (N, T, 3), metres, of equal steps."""
    tangents = torch.gradient(axes, dim=1)[0]
    tangents = torch.nn.functional.normalize(tangents, dim=-1)
    lean = torch.zeros(len(views), *axes.shape[:2])
    weight = torch.zeros_like(lean)
    for k, (view, found, depth_map) in enumerate(zip(views, maps, depths)):
        pixels, depth = view.project(axes)
        ahead, _ = view.project(axes + 1e-3 * tangents)
        line = ahead - pixels
        doubled = sample_image(found.doubled(), pixels)
        offset = 0.5 * torch.atan2(doubled[..., 1], doubled[..., 0]) - torch.atan2(line[..., 1], line[..., 0])
        lean[k] = torch.remainder(offset + torch.pi / 2, torch.pi) - torch.pi / 2
        toward = torch.nn.functional.normalize(view.centre - axes, dim=-1)
        sine = torch.linalg.vector_norm(torch.linalg.cross(tangents, toward), dim=-1)
        seen = ((2 * visible - depth_map.behind(pixels, depth)) / visible).clamp(0, 1)
        weight[k] = torch.linalg.vector_norm(doubled, dim=-1) * seen * ((sine - 0.7) / 0.3).clamp(0, 1)
        reporter.check()
    return Slopes(lean, weight)


def measure(
    points: torch.Tensor,
    medium: Medium,
    views: list[HairView],
    maps: list[OrientationMap],
    depths: list[DepthMap],
    visible: float,
    config: CurlConfig,
    reporter: Reporter,
) -> tuple[Curls | None, np.ndarray]:
    """Radius and pitch of the curls, or None for hair that has none worth winding.

    Along the axis a curl leans to one side and the other in turn: the lean's correlation with itself falls below zero
    half a pitch on, and the size of the lean tells the radius: its median is atan(cos(45 deg) 2 pi r / pitch).

    Args:
        points: (P, 3) metres on the visible shell, from which axes are followed.

    Returns:
        the curls, and the correlation (T,) at steps of ``config.step``.
    """
    steps = int(config.longest_pitch / config.step)
    axes = [points]
    direction = torch.nn.functional.normalize(medium.grid.sample(medium.vectors.cpu(), points), dim=-1)
    for _ in range(steps - 1):
        direction = medium.along(axes[-1].to(medium.tensors.device), direction.to(medium.tensors.device)).cpu()
        axes.append(axes[-1] + config.step * direction)
    seen = slopes_along(torch.stack(axes, 1), views, maps, depths, visible, reporter)
    side = torch.sin(2 * seen.lean)
    # An axis that runs askew adds the same lean everywhere; only what changes along it is curl.
    total = seen.weight.sum(-1, keepdim=True).clamp(min=1e-6)
    side = side - (seen.weight * side).sum(-1, keepdim=True) / total
    correlation = np.zeros(steps)
    for lag in range(steps):
        pair = seen.weight[..., : steps - lag] * seen.weight[..., lag:]
        product = (pair * side[..., : steps - lag] * side[..., lag:]).sum()
        power = (pair * 0.5 * (side[..., : steps - lag] ** 2 + side[..., lag:] ** 2)).sum()
        correlation[lag] = float(product / power.clamp(min=1e-9))
    pitch, regularity = _period(correlation, config)
    slope = torch.tan(seen.lean.abs().clamp(max=1.45)).reshape(-1)
    order = torch.argsort(slope)
    cumulative = torch.cumsum(seen.weight.reshape(-1)[order], 0)
    median = float(slope[order[int(torch.searchsorted(cumulative, cumulative[-1] / 2))]])
    turn = median / np.cos(np.pi / 4)
    curls = Curls(turn * pitch / (2 * np.pi), pitch, regularity)
    return (curls if regularity > config.regularity and turn > config.steepness else None), correlation


def _period(correlation: np.ndarray, config: CurlConfig) -> tuple[float, float]:
    """Pitch in metres, and how strong the wave of a correlation at even steps is half a pitch on.

    A fading cosine over a parabola: axes that bend otherwise than the hair does lend the correlation a slow slope of
    their own, on which the curls' wave rides.
    """
    lag = np.arange(len(correlation)) * config.step
    slow = np.stack([np.ones_like(lag), lag, lag**2], 1)
    best = (np.inf, config.longest_pitch, 0.0)
    for pitch in np.arange(config.shortest_pitch, config.longest_pitch, 0.0005):
        for fade in (0.5, 1.0, 2.0, 4.0):
            wave = np.exp(-lag / (fade * pitch)) * np.cos(2 * np.pi * lag / pitch)
            terms = np.concatenate([wave[:, None], slow / slow.max(0)], 1)[1:]
            weights = np.linalg.lstsq(terms, correlation[1:], rcond=None)[0]
            error = ((terms @ weights - correlation[1:]) ** 2).sum()
            if error < best[0]:
                best = (error, pitch, weights[0] * np.exp(-0.5 / fade))
    return float(best[1]), float(max(best[2], 0.0))


def wind(axes: np.ndarray, curls: Curls, config: CurlConfig, rng: np.random.Generator) -> np.ndarray:
    """Strands (N, L, 3) that wind about axes (N, L, 3), metres, roots kept.

    Neighbouring strands wind together in locks, each with its own phase, radius and pitch about the measured ones.
    """
    _, side, up = rotation_minimising_frames(axes)
    arc = np.concatenate([np.zeros((len(axes), 1)), np.cumsum(np.linalg.norm(np.diff(axes, axis=1), axis=-1), 1)], 1)
    locks = max(1, len(axes) // config.strands_per_lock)
    _, lock = cKDTree(axes[rng.permutation(len(axes))[:locks], 0]).query(axes[:, 0])
    phase = rng.uniform(0, 2 * np.pi, locks)[lock] + config.loose * rng.standard_normal(len(axes))
    radius = curls.radius * (1 + config.spread * rng.standard_normal(locks)[lock]).clip(0.5, 1.5)
    pitch = curls.pitch * (1 + config.spread * rng.standard_normal(locks)[lock]).clip(0.7, 1.4)
    turn = 2 * np.pi * arc / pitch[:, None] + phase[:, None]
    grown = radius[:, None, None] * np.clip(arc / (config.onset * curls.pitch), 0, 1)[..., None]
    return (axes + grown * (np.cos(turn)[..., None] * side + np.sin(turn)[..., None] * up)).astype(np.float32)
