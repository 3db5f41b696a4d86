"""Which way hair runs along its line: from the scalp, downwards in doubt, and as its neighbours do."""

import numpy as np
import torch
from scipy import sparse

from ..geometry.grid import Grid
from ..protocol import Reporter
from .field import DirectionField, hair_nodes, node_laplacian, screened_solve
from .hull import Volumes
from .presets import FieldConfig

SCREENING = 0.06
"""Metres over which the roots' potential fades to a third."""


def sign_field(
    field: DirectionField, volumes: Volumes, roots: np.ndarray, config: FieldConfig, reporter: Reporter
) -> None:
    """Turn the field's directions root to tip, in place.

    A potential that is 1 at the roots (R, 3) and fades through the hair falls along the strands; its gradient, with a
    little gravity, is each node's own opinion, and rounds of agreement with the neighbours settle the rest.
    """
    # The potential is smooth, so every second node carries it at an eighth of the cost.
    coarse = volumes.coarser()
    nodes = hair_nodes(coarse)
    slope = np.zeros((3, coarse.grid.size), np.float32)
    laplacian = node_laplacian(nodes, coarse.grid.shape)
    slope[:, nodes] = away_from_roots(roots, nodes, laplacian, coarse.grid, config, reporter).T
    slope = torch.from_numpy(slope.reshape(3, *coarse.grid.shape))
    away = coarse.grid.sample(slope, torch.from_numpy(field.grid.centres(field.nodes))).numpy()
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    opinion = (field.directions * away).sum(1) + config.gravity * -field.directions[:, 2]
    sign = np.where(opinion < 0, -1.0, 1.0).astype(np.float32)
    adjacency = field.laplacian.copy()
    adjacency.setdiag(0)
    adjacency.eliminate_zeros()
    adjacency = -adjacency
    trust = np.maximum(field.trust, 0.02)[:, None]
    for _ in range(config.sign_rounds):
        around = adjacency @ (trust * sign[:, None] * field.directions)
        turned = (field.directions * around).sum(1) + 0.25 * trust[:, 0] * opinion < 0
        fresh = np.where(turned, -1.0, 1.0).astype(np.float32)
        reporter.check()
        if (fresh == sign).all():
            break
        sign = fresh
    field.directions *= sign[:, None]


def away_from_roots(
    roots: np.ndarray,
    nodes: np.ndarray,
    laplacian: sparse.csr_matrix,
    grid: Grid,
    config: FieldConfig,
    reporter: Reporter,
    unit: bool = True,
) -> np.ndarray:
    """(N, 3): downhill of the potential of roots (R, 3) on nodes (N,), through the hair only.

    Unit vectors, or else the slope of the potential's logarithm times the screening length: about 1 far from the
    roots, 0 between roots.
    """
    number = np.full(grid.size, -1, np.int64)
    number[nodes] = np.arange(len(nodes))
    flat, inside = grid.nearest(roots)
    rows = number[flat]
    rows = np.unique(rows[inside & (rows >= 0)])
    source = np.zeros(len(nodes), np.float32)
    source[rows] = 1
    # A long screening length: the potential must reach the tips; its logarithm is what has an even slope.
    screening = (grid.spacing / SCREENING) ** 2
    right = source[:, None]
    potential = screened_solve(
        laplacian, 50.0 * source + screening, 50.0 * right, right, 6 * config.iterations, reporter
    )[:, 0]
    height = np.zeros(grid.size, np.float32)
    lowest = max(float(potential.max()) * 1e-12, 1e-30)
    height[nodes] = np.log(np.maximum(potential, lowest))
    volume = height.reshape(grid.shape)
    known = np.zeros(grid.size, bool)
    known[nodes] = True
    known = known.reshape(grid.shape)
    slope = np.zeros((len(nodes), 3), np.float32)
    for axis in range(3):
        # One-sided at the hair's border, where the potential has no value beyond.
        values, here = np.moveaxis(volume, axis, 0), np.moveaxis(known, axis, 0)
        valid = here[1:] & here[:-1]
        steps = np.where(valid, values[1:] - values[:-1], 0)
        total, count = np.zeros_like(values), np.zeros_like(values)
        total[1:] += steps
        total[:-1] += steps
        count[1:] += valid
        count[:-1] += valid
        slope[:, axis] = np.moveaxis(total / np.maximum(count, 1), 0, axis).reshape(-1)[nodes]
    if not unit:
        return -slope * SCREENING / grid.spacing
    return -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
