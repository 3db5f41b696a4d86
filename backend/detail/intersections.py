"""Which triangles of a mesh pass through others: the measure of a registration that folded over.

Pairs whose boxes overlap come from grids of cells, one for each size of triangle, so that a few stretched ones do not
make everything a pair. A pair intersects where an edge of one passes through the inside of the other, decided by signs
of volumes (Guigue and Devillers, "Fast and robust triangle-triangle overlap test using orientation predicates", 2003).
"""

import numpy as np

_PAIRS = 2_000_000
"""Pairs that are looked at in one go."""
_OWN = 1e-12
"""Of a pair's volumes in units of its size: below this, points lie in the plane and merely touch."""


def self_intersecting(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) bool the triangles that pass through another.

    Neighbours with an edge in common never count, those with one vertex in common where they meet elsewhere too;
    a triangle that is there twice does. Triangles of no area, and those that touch or lie in one plane, do not.

    Args:
        vertices: (V, 3) in any unit; those that belong together are one.
        faces: (F, 3)
    """
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    result = np.zeros(len(faces), bool)
    corners = vertices[faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    usable = np.flatnonzero(np.isfinite(corners).all(axis=(1, 2)) & (high > low).any(axis=1))
    for first, second in _pairs(low[usable], high[usable]):
        first, second = usable[first], usable[second]
        hit = _intersect(corners, normals, faces, first, second)
        result[first[hit]] = result[second[hit]] = True
    return result


def self_intersecting_share(vertices: np.ndarray, faces: np.ndarray, wanted: np.ndarray | None = None) -> float:
    """Share of the triangles (of those ``wanted`` (F,) bool) that pass through any other; 0 where there are none."""
    found = self_intersecting(vertices, faces)
    found = found if wanted is None else found[np.asarray(wanted)]
    return float(found.mean()) if len(found) else 0.0


def _pairs(low: np.ndarray, high: np.ndarray):
    """Boxes (N, 3), (N, 3) that overlap: yields rows (P,), (P,) of pairs, each pair once."""
    if not len(low):
        return
    lows, highs = (np.ascontiguousarray(ends.T) for ends in (low, high))
    size = (high - low).max(axis=1)
    least = np.median(size) / 4  # smaller ones share its cells
    level = np.ceil(np.log2(np.maximum(size / least, 1))).astype(int)
    for current in np.unique(level):
        cell = least * 2.0**current
        large, small = np.flatnonzero(level == current), np.flatnonzero(level <= current)
        # A box no larger than a cell lies in eight cells at most.
        origin = low.min(axis=0)
        span = (np.ceil((high.max(axis=0) - origin) / cell) + 2).astype(np.int64)
        begins = [np.floor((ends - least_of_all) / cell).astype(np.int64) for ends, least_of_all in zip(lows, origin)]
        keys, owner = _cells(low[large], high[large], large, origin, cell, span)
        order = np.argsort(keys, kind="stable")
        keys, owner = keys[order], owner[order]
        used, start, count = np.unique(keys, return_index=True, return_counts=True)
        others, other_owner = _cells(low[small], high[small], small, origin, cell, span)
        place = np.searchsorted(used, others).clip(max=len(used) - 1)
        met = used[place] == others
        place, other_owner = place[met], other_owner[met]
        ends = np.cumsum(count[place])
        bounds = np.searchsorted(ends, np.arange(_PAIRS, ends[-1] + _PAIRS, _PAIRS), side="right") if len(ends) else []
        begin = 0
        for end in [*bounds]:
            end = max(end, begin + 1)
            rows = slice(begin, min(end, len(place)))
            begin = rows.stop
            many = count[place[rows]]
            if not many.sum():
                continue
            within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
            first = owner[np.repeat(start[place[rows]], many) + within]
            second = np.repeat(other_owner[rows], many)
            where = np.repeat(used[place[rows]], many)
            # Two of one level meet in both orders, and in every cell that they share: of these the one counts that
            # the lower corner of what they have in common lies in.
            kept = (level[second] < level[first]) | (first < second)
            for axis in range(3):
                first, second, where = first[kept], second[kept], where[kept]
                kept = (lows[axis][first] <= highs[axis][second]) & (lows[axis][second] <= highs[axis][first])
            first, second, where = first[kept], second[kept], where[kept]
            at = (np.maximum(lowest[first], lowest[second]) for lowest in begins)
            kept = where == _key(*at, span)
            yield first[kept], second[kept]


def _cells(low, high, rows, origin, cell, span) -> tuple[np.ndarray, np.ndarray]:
    """Keys of the cells that boxes reach into, and the row of each."""
    first, last = ((np.floor((end - origin) / cell)).astype(np.int64) for end in (low, high))
    keys, owner = [], []
    for step in np.ndindex(2, 2, 2):
        inside = (first + step <= last).all(axis=1)
        at = first[inside] + step
        keys.append(_key(*at.T, span))
        owner.append(rows[inside])
    return np.concatenate(keys), np.concatenate(owner)


def _key(x: np.ndarray, y: np.ndarray, z: np.ndarray, span: np.ndarray) -> np.ndarray:
    """(N,) one number a cell."""
    return (x * span[1] + y) * span[2] + z


def _intersect(corners, normals, faces, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P,) bool: triangles (P,) and (P,) pass through each other; corners (F, 3, 3), normals (F, 3), faces (F, 3)."""
    columns = [np.ascontiguousarray(column) for column in faces.T]
    mine, theirs = ([column[rows] for column in columns] for rows in (first, second))
    equal = [[one == two for two in theirs] for one in mine]
    number = sum(same.view(np.int8) for row in equal for same in row)
    result = number >= 3
    # What lies on one side of the other's plane altogether does not reach it; most pairs end here.
    open_pairs = np.flatnonzero(number < 2)
    for one, two, own in ((first, second, False), (second, first, True)):
        rows = open_pairs
        at, other = one[rows], two[rows]
        sides = np.zeros((2, len(rows)), np.int8)
        for k in range(3):
            height = ((corners[other, k] - corners[at, 0]) * normals[at]).sum(axis=1)
            common_corner = np.zeros(len(rows), bool)
            for j in range(3):
                common_corner |= equal[k][j][rows] if own else equal[j][k][rows]
            sides[0] += (height > 0) | common_corner
            sides[1] += (height < 0) | common_corner
        open_pairs = rows[(sides < 3).all(axis=0)]
    number = np.where(result, 3, 2)
    number[open_pairs] = sum(same.view(np.int8)[open_pairs] for row in equal for same in row)
    for common in (0, 1):
        rows = np.flatnonzero(number == common)
        a, b = corners[first[rows]], corners[second[rows]]
        own_a = np.stack([row[0][rows] | row[1][rows] | row[2][rows] for row in equal], axis=1)
        own_b = np.stack([equal[0][k][rows] | equal[1][k][rows] | equal[2][k][rows] for k in range(3)], axis=1)
        # Around one of their corners, and of size 1, so that volumes have their full precision.
        middle = a[:, :1]
        size = np.maximum(np.abs(a - middle).max(axis=(1, 2)), np.abs(b - middle).max(axis=(1, 2)))
        a, b = (a - middle) / size[:, None, None], (b - middle) / size[:, None, None]
        hit = np.zeros(len(rows), bool)
        for one, two, own in ((a, b, own_a), (b, a, own_b)):
            # With a vertex in common only the edge across from it can pass through the other.
            edges = [own.argmax(axis=1)] if common else [np.full(len(rows), k) for k in range(3)]
            for across in edges:
                row = np.arange(len(rows))
                hit |= _pierces(one[row, (across + 1) % 3], one[row, (across + 2) % 3], two)
        result[rows] = hit
    return result


def _pierces(start: np.ndarray, end: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """(N,) bool: segments from (N, 3) to (N, 3) pass through the inside of triangles (N, 3, 3)."""
    a, b, c = triangle[:, 0], triangle[:, 1], triangle[:, 2]
    normal = np.cross(b - a, c - a)
    above, below = ((normal * (p - a)).sum(axis=1) for p in (start, end))
    result = ((above > _OWN) & (below < -_OWN)) | ((above < -_OWN) & (below > _OWN))
    rows = np.flatnonzero(result)  # few get here
    along = end[rows] - start[rows]
    a, b, c = (p[rows] - start[rows] for p in (a, b, c))
    volumes = np.stack([(along * np.cross(p, q)).sum(axis=1) for p, q in ((a, b), (b, c), (c, a))])
    result[rows] = (volumes > 0).all(axis=0) | (volumes < 0).all(axis=0)
    return result
