"""Which way hair runs along its line: from the scalp, downwards in doubt, and as its neighbours do."""

import numpy as np

from ..protocol import Reporter
from .field import DirectionField, screened_solve
from .presets import FieldConfig


def sign_field(field: DirectionField, roots: np.ndarray, config: FieldConfig, reporter: Reporter) -> None:
    """Turn the field's directions root to tip, in place.

    A potential that is 1 at the roots (R, 3) and fades through the hair falls along the strands; its gradient, with a
    little gravity, is each node's own opinion, and rounds of agreement with the neighbours settle the rest.
    """
    away = _away_from(roots, field, config, reporter)
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


def _away_from(roots: np.ndarray, field: DirectionField, config: FieldConfig, reporter: Reporter) -> np.ndarray:
    """(N, 3) unit: downhill of the roots' potential, through the hair only."""
    grid = field.grid
    number = np.full(grid.size, -1, np.int64)
    number[field.nodes] = np.arange(len(field.nodes))
    flat, inside = grid.nearest(roots)
    rows = number[flat]
    rows = np.unique(rows[inside & (rows >= 0)])
    source = np.zeros(len(field.nodes), np.float32)
    source[rows] = 1
    # A long screening length: the potential must reach the tips; its logarithm is what has an even slope.
    screening = (grid.spacing / 0.06) ** 2
    right = source[:, None]
    potential = screened_solve(
        field.laplacian, 50.0 * source + screening, 50.0 * right, right, 6 * config.iterations, reporter
    )[:, 0]
    height = np.zeros(grid.size, np.float32)
    lowest = max(float(potential.max()) * 1e-12, 1e-30)
    height[field.nodes] = np.log(np.maximum(potential, lowest))
    volume = height.reshape(grid.shape)
    known = np.zeros(grid.size, bool)
    known[field.nodes] = True
    known = known.reshape(grid.shape)
    slope = np.zeros((len(field.nodes), 3), np.float32)
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
        slope[:, axis] = np.moveaxis(total / np.maximum(count, 1), 0, axis).reshape(-1)[field.nodes]
    return -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
