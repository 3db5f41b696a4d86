"""Signed distance fields that can be asked anywhere, and their values on a grid near the surface only.

A field is anything with a box and values at points: a saved grid here, a network's checkpoint elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import FieldError
from ..formats.sdf_grid import SdfGrid
from ..protocol import Reporter

COARSEST = 48
"""Nodes along the longest side that are asked first, everywhere."""
AT_ONCE = 200_000
"""Points asked between two looks at whether the artist has had enough."""
SAFETY = 1.25
"""How much steeper than it looks a field may be before a part of its surface is missed."""


class Field(Protocol):
    """A signed distance: metres, below zero inside.

    Attributes:
        low, high: (3,) metres, the box that it is known in.
    """

    low: np.ndarray
    high: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (N,) at points (N, 3) float64, metres."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """A field on a grid.

    Attributes:
        values: (X, Y, Z) float32 metres: exact near the surface, interpolated elsewhere.
        origin: (3,) metres, of node (0, 0, 0).
        spacing: metres.
        asked: at how many nodes the field was evaluated.
    """

    values: np.ndarray
    origin: np.ndarray
    spacing: float
    asked: int


class GridField:
    """A saved grid as a field: cubic splines between its nodes where it is asked more finely than it was saved, so that
    no facets show; trilinear else. ``finer`` tells which."""

    def __init__(self, grid: SdfGrid, finer: bool = False):
        self.low, self.high, self._spacing = grid.low, grid.high, grid.spacing
        self._order = 3 if finer else 1
        if finer:
            from scipy.ndimage import spline_filter

            self._values = spline_filter(grid.values, 3, output=np.float32, mode="mirror")
        else:
            self._values = grid.values

    def __call__(self, points: np.ndarray) -> np.ndarray:
        from scipy.ndimage import map_coordinates

        where = ((points - self.low) / self._spacing).T
        return map_coordinates(self._values, where, order=self._order, mode="mirror", prefilter=False)


def sample_near_surface(field: Field, resolution: int, reporter: Reporter) -> Sampled:
    """A field's values on a grid, coarse to fine: each level asks only in the cells that may hold the surface.

    A cell is refined where its corners differ in sign, or where one is nearer to the surface than the cell is large,
    by as much as the field is steep there.

    Args:
        field: to ask.
        resolution: nodes along the longest side of its box.
        reporter: told of every part of the points.

    Raises:
        FieldError: the field is nowhere zero, or has values that are not finite.
    """
    low, high = np.asarray(field.low, np.float64), np.asarray(field.high, np.float64)
    spacing = float((high - low).max()) / (resolution - 1)
    step = 1
    while resolution > COARSEST * step * 2:
        step *= 2
    shape = np.maximum(np.ceil((high - low) / (spacing * step) - 1e-6).astype(int), 1) + 1
    # Nodes beyond the box repeat what is at its border, and are no part of the surface.
    origin, asked = low, 0

    def values_at(nodes: np.ndarray, width: float, what: str) -> np.ndarray:
        nonlocal asked
        asked += len(nodes)
        found = np.empty(len(nodes), np.float32)
        reporter.stage(what, len(nodes))
        for start in range(0, len(nodes), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            found[part] = field(np.clip(origin + width * nodes[part], low, high))
            reporter.step(min(start + AT_ONCE, len(nodes)))
        if not np.isfinite(found).all():
            raise FieldError("The field has values that are not finite numbers; save it again.")
        return found

    nodes = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    values = values_at(nodes, spacing * step, "Looking for the surface").reshape(shape)
    check_surface(values)
    while step > 1:
        width = spacing * step
        cells = _cells_near(values, width)
        start, stop = _bounds(cells)
        origin = origin + width * start
        cells = cells[tuple(map(slice, start, stop))]
        values = _doubled(values[tuple(slice(a, b + 1) for a, b in zip(start, stop))])
        wanted = _nodes_of(cells, values.shape)
        wanted[::2, ::2, ::2] = False  # known from the coarser level
        step //= 2
        where = np.flatnonzero(wanted)
        nodes = np.stack(np.unravel_index(where, values.shape), axis=1)
        values.reshape(-1)[where] = values_at(nodes, spacing * step, f"Refining to {1000 * spacing * step:.2g} mm")
    kept = np.floor((high - origin) / spacing + 1e-3).astype(int) + 1
    return Sampled(values[tuple(slice(0, max(n, 2)) for n in kept)], origin, spacing, asked)


def check_surface(values: np.ndarray) -> None:
    """Raise FieldError where values (X, Y, Z) have no surface between them."""
    if not values.min() < 0 < values.max():
        side = "inside" if values.max() <= 0 else "outside"
        raise FieldError(f"The field has no surface: it is {side} everywhere. Its values must be below zero inside.")


def _corners(values: np.ndarray, combine: Callable) -> np.ndarray:
    """(X - 1, Y - 1, Z - 1): the corners of each cell, combined."""
    for axis in range(3):
        first, last = [slice(None)] * 3, [slice(None)] * 3
        first[axis], last[axis] = slice(None, -1), slice(1, None)
        values = combine(values[tuple(first)], values[tuple(last)])
    return values


def _cells_near(values: np.ndarray, width: float) -> np.ndarray:
    """(X - 1, Y - 1, Z - 1) bool: the cells that may hold a part of the surface."""
    least, most = _corners(values, np.minimum), _corners(values, np.maximum)
    crossed = (least < 0) & (most >= 0)
    steep = float(np.quantile(most[crossed] - least[crossed], 0.95)) / (np.sqrt(3) * width)
    reach = SAFETY * max(steep, 1e-6) * np.sqrt(3) / 2 * width
    return crossed | (np.minimum(np.abs(least), np.abs(most)) < reach)


def _bounds(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and end of the cells that are True along each axis, and a cell around them where there is one."""
    start, stop = [], []
    for axis in range(3):
        there = np.flatnonzero(cells.any(axis=tuple(k for k in range(3) if k != axis)))
        start.append(max(there[0] - 1, 0))
        stop.append(min(there[-1] + 2, cells.shape[axis]))
    return np.array(start), np.array(stop)


def _doubled(values: np.ndarray) -> np.ndarray:
    """Values (X, Y, Z) at half the spacing (2 X - 1, ...), linear between."""
    result = np.empty([2 * n - 1 for n in values.shape], np.float32)
    result[::2, ::2, ::2] = values
    result[1::2, ::2, ::2] = (values[:-1] + values[1:]) / 2
    result[:, 1::2, ::2] = (result[:, :-2:2, ::2] + result[:, 2::2, ::2]) / 2
    result[:, :, 1::2] = (result[:, :, :-2:2] + result[:, :, 2::2]) / 2
    return result


def _nodes_of(cells: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(2 X - 1, ...) bool: the nodes of the finer grid that lie in or on the cells."""
    nodes = np.zeros(shape, bool)
    for i in range(3):
        for j in range(3):
            for k in range(3):
                nodes[tuple(slice(o, o + 2 * n - 1, 2) for o, n in zip((i, j, k), cells.shape))] |= cells
    return nodes
