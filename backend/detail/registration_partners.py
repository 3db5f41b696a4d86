"""Partners on two surfaces that are brought together: nearest in place and in the direction they face.

A normal counts as a place of its own, so that the lower lip finds no partner on the upper one, nor an inside on an
outside (position and normal in one k-d tree, as in Feldmar and Ayache's 6-D registration, 1996).
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ..fit.surfaces import boundary_edges, normals_and_areas, on_rim, unit
from ..geometry.surface import nearest_on_triangles

TURN = 0.006
"""Metres that opposite normals are apart, halved, where nothing else is said."""
CLAIMED = 0.008
"""Metres from what is frozen within which a point of the scan may belong to it."""
AROUND_EAR = 0.009
"""Metres around a scan's ear that are left to smoothness: the model's ear is a little elsewhere."""
CANDIDATES = 3
"""Triangles tried for each point."""


class Target:
    """A scan as points with normals.

    Args:
        points: (N, 3) metres, in the head's frame.
        normals: (N, 3) unit, outwards.
    """

    def __init__(self, points: np.ndarray, normals: np.ndarray):
        self.points = np.ascontiguousarray(points, np.float64)
        self.normals = np.ascontiguousarray(normals, np.float64)
        self._trees: dict[float, cKDTree] = {}

    def nearest(self, points: np.ndarray, normals: np.ndarray, turn: float) -> np.ndarray:
        """(M,) the partner of every point (M, 3) with its normal (M, 3); ``turn`` metres are what opposite normals
        differ by, halved."""
        if turn not in self._trees:
            self._trees = {turn: cKDTree(_placed(self.points, self.normals, turn), compact_nodes=False)}
        return self._trees[turn].query(_placed(points, normals, turn), workers=-1)[1]


def beyond(
    points: np.ndarray, normals: np.ndarray, vertices: np.ndarray, faces: np.ndarray, free: np.ndarray, ear: np.ndarray
) -> np.ndarray:
    """(N,) bool: points of a scan that show what is frozen, which draw nothing else to them.

    Args:
        points: (N, 3) metres, and ``normals`` (N, 3).
        vertices: (W, 3) metres, the fitted head.
        faces: (G, 3)
        free: (G,) bool triangles that may move.
        ear: (G,) bool triangles of ears, whose own place a model knows least of.
    """
    apart = []
    for chosen in (free, ~free):
        surface = Moving(faces[chosen])
        surface.move(vertices)
        on = surface.nearest(points, normals, TURN)
        away = np.linalg.norm(on.points - points, axis=1)
        apart.append(np.where((on.normals * normals).sum(axis=1) > 0, away, np.inf))
    # Hair hangs over ears and neck at some distance; and closed lids lie on the eyeballs, nearly.
    result = (apart[1] < CLAIMED) & (apart[1] < 0.7 * apart[0])
    surface = Moving(faces[ear])
    surface.move(vertices)
    away = np.linalg.norm(surface.nearest(points, normals, 0.0).points - points, axis=1)
    shown = result & (away <= apart[1] + 1e-4)
    if shown.any():
        near = np.flatnonzero(away < CLAIMED + AROUND_EAR)
        result[near] |= cKDTree(points[shown]).query(points[near])[0] < AROUND_EAR
    return result


class OnMesh(NamedTuple):
    """Points on a mesh.

    Attributes:
        corners: (N, 3) vertices.
        weights: (N, 3) barycentric.
        points: (N, 3) metres.
        normals: (N, 3) unit.
        inside: (N,) bool, not on the mesh's rim.
    """

    corners: np.ndarray
    weights: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    inside: np.ndarray


class Moving:
    """The triangles of a head that a scan can show, as they move.

    Args:
        faces: (K, 3) of them.
    """

    def __init__(self, faces: np.ndarray):
        self.faces = np.asarray(faces, np.int64)
        self._boundary = boundary_edges(self.faces)

    def move(self, vertices: np.ndarray) -> None:
        """Take vertices (W, 3)."""
        self.vertices = vertices
        self.normals, self.areas = normals_and_areas(vertices, self.faces)
        corners = vertices[self.faces]
        self._middles = corners.mean(axis=1)
        self._facing = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
        self._tree = None

    def nearest(self, points: np.ndarray, normals: np.ndarray, turn: float) -> OnMesh:
        """Where on the mesh the partners of points (N, 3) with normals (N, 3) lie; ``turn`` as for a target."""
        if self._tree is None or self._tree[0] != turn:
            tree = cKDTree(_placed(self._middles, self._facing, turn), compact_nodes=False, balanced_tree=False)
            self._tree = turn, tree
        found = self._tree[1].query(_placed(points, normals, turn), k=CANDIDATES, workers=-1)[1]
        corners = self.vertices[self.faces[found.reshape(-1)]]
        weights = nearest_on_triangles(np.repeat(points, CANDIDATES, axis=0), corners)
        there = np.einsum("nk,nkc->nc", weights, corners).reshape(len(points), CANDIDATES, 3)
        apart = ((there - points[:, None]) ** 2).sum(axis=2)
        apart += turn**2 * ((self._facing[found] - normals[:, None]) ** 2).sum(axis=2)
        best, row = apart.argmin(axis=1), np.arange(len(points))
        face, weights = found[row, best], weights.reshape(len(points), -1, 3)[row, best]
        blended = unit(np.einsum("nk,nkc->nc", weights, self.normals[self.faces[face]]))
        return OnMesh(self.faces[face], weights, there[row, best], blended, ~on_rim(self._boundary, face, weights))


def _placed(points: np.ndarray, normals: np.ndarray, turn: float) -> np.ndarray:
    return np.column_stack([points, turn * normals])
