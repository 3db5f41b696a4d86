"""The hull's surface moved to the depth where the lines of the pictures agree.

Masks bound the hair from outside only. Where the hull lies in front of the hair, the lines that views see at one of
its points belong to different strands, and no direction fits them all; at the hair's own depth one does. This is
space carving by orientation consistency, in place of colour, which hair's shine spoils.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..protocol import Reporter
from .hull import Volumes
from .presets import ShellConfig
from .shell import Lines, hair_surface, neighbourhood, plain_directions
from .visibility import DepthMap

LinesAt = Callable[[torch.Tensor, torch.Tensor, list[DepthMap], float], Lines]


def carve(
    volumes: Volumes, lines_at: LinesAt, depths: list[DepthMap], visible: float, config: ShellConfig, reporter: Reporter
) -> Volumes:
    """The volumes with the hair's surface moved inward.

    Args:
        lines_at: what the views say at points, normals, under depth maps, seen up to a depth (metres).
        depths: first surfaces of the hull and the head.
        visible: metres behind the first surface at which a point counts as seen.
    """
    points, normals = hair_surface(volumes)
    chosen = _thinned(points, 2 * volumes.grid.spacing)
    points, normals = points[chosen], normals[chosen]
    around = neighbourhood(points, normals, 5 * volumes.grid.spacing, most=24)
    here, away = torch.from_numpy(points), torch.from_numpy(normals)
    agreement = np.empty((len(points), config.depth_layers), np.float32)
    for layer in range(config.depth_layers):
        inward = layer * config.depth_step
        lines = lines_at(here - inward * away, away, depths, visible + inward)
        agreement[:, layer] = consistency(lines, config.kernel)
        reporter.check()
    depth = chosen_depth(agreement, around, config)
    return _moved(volumes, points, depth)


def consistency(lines: Lines, kernel: float) -> np.ndarray:
    """(P,) share of the lines' weight that one direction explains; 0 where fewer than three views see the point."""
    directions, _ = plain_directions(lines)
    for _ in range(2):
        dots = torch.einsum("kpi,pi->kp", lines.planes, directions)
        support = (1 - (dots / kernel) ** 2).clamp(min=0) ** 2
        system = lines.closed_form(lines.weights * (support + 0.02)).double()
        directions = torch.linalg.eigh(system)[1][:, :, 0].float()
    dots = torch.einsum("kpi,pi->kp", lines.planes, directions)
    support = (1 - (dots / kernel) ** 2).clamp(min=0) ** 2
    total = lines.weights.sum(0)
    share = (lines.weights * support).sum(0) / total.clamp(min=1e-6)
    return torch.where((lines.weights > 0.05).sum(0) >= 3, share, 0).numpy()


def chosen_depth(agreement: np.ndarray, around, config: ShellConfig) -> np.ndarray:
    """(P,) metres inward, smooth over the surface: where agreement (P, D) among neighbours is best."""
    for _ in range(config.depth_rounds // 4):
        agreement = 0.5 * agreement + 0.5 * (around @ agreement)
    gain = agreement - agreement[:, :1]
    # Only a gain that stands out moves the surface: combed hair agrees at every depth.
    sharp = np.exp((gain - 0.02 * np.arange(gain.shape[1])) / 0.01)
    depth = (sharp * np.arange(gain.shape[1])).sum(1) / sharp.sum(1) * config.depth_step
    for _ in range(config.depth_rounds):
        depth = 0.5 * depth + 0.5 * (around @ depth)
    return depth.astype(np.float32)


def _thinned(points: np.ndarray, spacing: float) -> np.ndarray:
    cells = np.floor(points / spacing).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    return first


def _moved(volumes: Volumes, points: np.ndarray, depth: np.ndarray) -> Volumes:
    grid = volumes.grid
    hair = volumes.hair.numpy().reshape(-1).copy()
    near = np.flatnonzero(hair < 6 * grid.spacing)
    _, nearest = cKDTree(points).query(grid.centres(near), k=3, workers=-1)
    hair[near] += depth[nearest].mean(1)
    return Volumes(grid, torch.from_numpy(hair.reshape(grid.shape)), volumes.head)
