"""Winding numbers: how many times a closed surface goes around a point."""

import numpy as np

CELL = 0.002
"""Of the length unit, metres: columns that rays and triangles are sorted into."""


def winding_numbers(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, cell: float = CELL) -> np.ndarray:
    """(N,) int: 0 outside, 1 inside, 2 where the surface overlaps itself, -1 where it is turned inside out.

    Rays go along +X, and triangles are counted by the side that they are met from, so the surface need be closed only
    as far as rays go: a head's open neck does not matter.

    Args:
        points: (N, 3), on no edge's line of sight (a general place).
        vertices: (V, 3)
        faces: (F, 3) counterclockwise seen from outside.
        cell: width of a column.
    """
    result = np.zeros(len(points), int)
    if not len(points) or not len(faces):
        return result
    corners = vertices[faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    first, last = points.min(axis=0), points.max(axis=0)
    met = (high[:, 1:] > first[1:]).all(axis=1) & (low[:, 1:] < last[1:]).all(axis=1) & (high[:, 0] > first[0])
    corners, low, high = corners[met], low[met, 1:], high[met, 1:]
    column = np.floor((points[:, 1:] - first[1:]) / cell).astype(np.int64)
    span = column.max(axis=0) + 1
    key = column[:, 0] * span[1] + column[:, 1]
    order = np.argsort(key, kind="stable")
    used, start, count = np.unique(key[order], return_index=True, return_counts=True)
    begin = np.clip(np.floor((low - first[1:]) / cell).astype(np.int64), 0, span - 1)
    size = np.clip(np.floor((high - first[1:]) / cell).astype(np.int64), 0, span - 1) - begin + 1
    owner, within = _counted(size.prod(axis=1))
    columns = (begin[owner, 0] + within // size[owner, 1]) * span[1] + begin[owner, 1] + within % size[owner, 1]
    place = np.searchsorted(used, columns).clip(max=len(used) - 1)
    same = used[place] == columns
    owner, place = owner[same], place[same]
    row, within = _counted(count[place])
    triangle, point = owner[row], order[start[place[row]] + within]
    y, z = points[point, 1], points[point, 2]
    ends = [np.ascontiguousarray(corners[:, k].T) for k in range(3)]
    sides = []
    for k in range(3):
        here, there = ends[k], ends[(k + 1) % 3]
        ay, az = here[1][triangle], here[2][triangle]
        by, bz = there[1][triangle], there[2][triangle]
        sides.append((by - ay) * (z - az) - (bz - az) * (y - ay))
    sides = np.stack(sides)
    hit = np.flatnonzero((sides > 0).all(axis=0) | (sides < 0).all(axis=0))
    triangle, point, sides = triangle[hit], point[hit], sides[:, hit]
    weights = sides[[1, 2, 0]] / sides.sum(axis=0)
    x = sum(weight * end[0][triangle] for weight, end in zip(weights, ends))
    ahead = x > points[point, 0]
    return np.bincount(point[ahead], np.sign(sides[0, ahead]), len(points)).round().astype(int)


def _counted(many: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row k ``many[k]`` times, and 0, 1, ... within each."""
    rows = np.repeat(np.arange(len(many)), many)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
