"""Whether triangles are a closed surface: their holes, their pieces, and edges that more than two of them share."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Hole:
    """A part of a mesh's open border that hangs together.

    Attributes:
        edges: how many.
        length: metres, of all of them.
        middle: (3,) metres.
    """

    edges: int
    length: float
    middle: tuple[float, float, float]


def holes(vertices: np.ndarray, faces: np.ndarray) -> list[Hole]:
    """The holes of a mesh (V, 3), (F, 3), the longest first; none in a closed one."""
    edges = open_edges(faces)
    if not len(edges):
        return []
    used, ends = np.unique(edges, return_inverse=True)
    ends = ends.reshape(-1, 2)
    links = sparse.coo_matrix((np.ones(len(ends)), ends.T), shape=(len(used),) * 2)
    _, label = connected_components(links, directed=False)
    of_edge = label[ends[:, 0]]
    length = np.bincount(of_edge, np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1))
    count, members = np.bincount(of_edge), np.bincount(label)
    middle = np.stack([np.bincount(label, vertices[used, k]) / members for k in range(3)], axis=1)
    order = np.argsort(-length, kind="stable")
    return [Hole(int(count[k]), float(length[k]), tuple(map(float, middle[k]))) for k in order]


def open_edges(faces: np.ndarray) -> np.ndarray:
    """(E, 2) vertices of the edges that only one triangle of (F, 3) has."""
    half = _half_edges(faces)
    _, first, count = np.unique(_keys(half), return_index=True, return_counts=True)
    return half[first[count == 1]]


def is_watertight(faces: np.ndarray) -> bool:
    """Whether every edge of (F, 3) is shared by two triangles, which run along it in opposite directions."""
    if not len(faces):
        return False
    half = _half_edges(faces)
    keys, forward = _keys(half), half[:, 0] < half[:, 1]
    _, place, count = np.unique(keys, return_inverse=True, return_counts=True)
    return bool((count == 2).all() and (np.bincount(place.reshape(-1), forward) == 1).all())


def largest_piece(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The connected piece of the greatest area: vertices (V', 3), faces (F', 3), and how many pieces there were."""
    count = len(vertices)
    links = sparse.coo_matrix(
        (np.ones(2 * len(faces), np.int8), (faces[:, :2].reshape(-1, order="F"), faces[:, 1:].reshape(-1, order="F"))),
        shape=(count, count),
    )
    _, label = connected_components(links, directed=False)
    of_face = label[faces[:, 0]]
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    pieces = len(np.unique(of_face))
    kept = faces if pieces == 1 else faces[of_face == np.bincount(of_face, area).argmax()]
    return *compacted(vertices, kept), pieces


def compacted(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A mesh without the vertices that no triangle has."""
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    return vertices[used], (np.cumsum(used) - 1)[faces]


def two_manifold(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh cut where it touches itself, so that no edge has more than two triangles and no vertex two fans.

    Decimation pinches thin places: four triangles meet at an edge, or two at the same three corners. Triangles around
    such an edge are paired across the solid between them, and each fan of triangles gets a vertex of its own
    (Guéziec et al., "Cutting and stitching", 2001). Nothing moves, and a surface that was closed stays closed.
    """
    faces = _without_pairs_back_to_back(faces)
    half = _half_edges(faces)
    keys, forward = _keys(half), half[:, 0] < half[:, 1]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
    sizes = np.diff(np.r_[starts, len(order)])
    two = starts[sizes == 2]
    pairs = np.stack([order[two], order[two + 1]], axis=1)
    pairs = [pairs[forward[pairs[:, 0]] != forward[pairs[:, 1]]]]
    for start, size in zip(starts[sizes > 2], sizes[sizes > 2]):
        pairs.append(_paired_around(vertices, faces, half, order[start : start + size]))
    first, second = np.concatenate(pairs).T
    # Half-edge 3 f + k runs from corner k of face f to the next; so the ends of paired ones meet crosswise.
    follow = lambda h: h - h % 3 + (h + 1) % 3  # noqa: E731
    rows, columns = np.concatenate([first, follow(first)]), np.concatenate([follow(second), second])
    links = sparse.coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(half),) * 2)
    _, corner = connected_components(links, directed=False)
    corner = corner.astype(np.int64)
    _, where = np.unique(corner, return_index=True)
    return _split_double_edges(vertices[faces.reshape(-1)[where]], corner.reshape(-1, 3))


def _split_double_edges(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh with a vertex in the middle of every edge but the first where several run between the same vertices:
    where both ends belong to one fan each, no cut parts them."""
    while True:
        half = _half_edges(faces)
        keys = _keys(half)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
        sizes = np.diff(np.r_[starts, len(order)])
        touched, added, split, middles = set(), [], [], []
        for start, size in zip(starts[sizes > 2], sizes[sizes > 2]):
            for pair in _paired_around(vertices, faces, half, order[start : start + size])[1:]:
                if touched & set(pair // 3):
                    continue  # in the next round
                touched |= set(pair // 3)
                middle = len(vertices) + len(middles)
                middles.append(vertices[half[pair[0]]].mean(axis=0))
                for h in pair:
                    a, b = half[h]
                    third = faces[h // 3, (h + 2) % 3]
                    added += [(a, middle, third), (middle, b, third)]
                    split.append(h // 3)
        if not added:
            return vertices, faces
        vertices = np.concatenate([vertices, np.array(middles, vertices.dtype)])
        faces = np.concatenate([np.delete(faces, split, axis=0), np.array(added, faces.dtype)])


def _half_edges(faces: np.ndarray) -> np.ndarray:
    """(3 F, 2): row 3 f + k runs from corner k of face f to the next."""
    return np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)


def _keys(half: np.ndarray) -> np.ndarray:
    """(E,) int64, one number an undirected edge."""
    return half.min(axis=1).astype(np.int64) * (int(half.max(initial=0)) + 1) + half.max(axis=1)


def _without_pairs_back_to_back(faces: np.ndarray) -> np.ndarray:
    """Triangles without those that have no area, and those that lie on each other and look opposite ways."""
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    turned = np.take_along_axis(faces, (faces.argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1)
    sign = np.where(turned[:, 1] < turned[:, 2], 1, -1)
    _, place = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True)
    place = place.reshape(-1)
    count, net = np.bincount(place), np.bincount(place, sign)
    keep = count[place] == 1
    rank = np.zeros(len(faces), int)
    several = np.flatnonzero(~keep)
    for group in np.split(several[np.argsort(place[several], kind="stable")],
                          np.cumsum(np.unique(place[several], return_counts=True)[1])[:-1]):  # fmt: skip
        # What is left after each has met one that looks the other way.
        side = group[sign[group] == np.sign(net[place[group[:1]]])]
        rank[side] = np.arange(len(side)) + 1
    return faces[keep | ((rank > 0) & (rank <= np.abs(net[place])))]


def _paired_around(vertices, faces, half, members) -> np.ndarray:
    """(P, 2) half-edges of one edge, each with the next one round through the solid."""
    low, high = np.sort(half[members[0]])
    axis = vertices[high] - vertices[low]
    axis = axis / max(np.linalg.norm(axis), 1e-30)
    opposite = vertices[faces[members // 3, (members + 2) % 3]] - vertices[low]
    across = opposite - (opposite @ axis)[:, None] * axis
    x = across[0] / max(np.linalg.norm(across[0]), 1e-30)
    angle = np.arctan2(across @ np.cross(axis, x), across @ x)
    forward = half[members, 0] == low
    # Seen along the edge, the solid lies clockwise of a triangle that runs along it.
    backs, pairs = list(np.flatnonzero(~forward)), []
    for f in np.flatnonzero(forward)[np.argsort(angle[forward])]:
        if not backs:
            break
        b = min(backs, key=lambda b: (angle[f] - angle[b]) % (2 * np.pi))
        backs.remove(b)
        pairs.append((members[f], members[b]))
    return np.array(pairs, np.int64).reshape(-1, 2)
