"""Nearest points on a head that moves with every step of a fit."""

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.surface import nearest_on_triangles


class MovingSurface:
    """A mesh with fixed triangles whose vertices change; asked for the nearest points of its triangles.

    The triangles tried are those whose middles are nearest: on meshes as even as head models are, the right one is
    among them, but for points further away than the mesh is coarse.

    Args:
        faces: (F, 3)
    """

    CANDIDATES = 5

    def __init__(self, faces: np.ndarray):
        self.faces = np.asarray(faces, np.int64)
        self.boundary = boundary_edges(self.faces)

    def move(self, vertices: np.ndarray) -> None:
        """Take vertices (V, 3)."""
        self.vertices = vertices
        self.vertex_normals, self.areas = normals_and_areas(vertices, self.faces)
        self._tree = cKDTree(vertices[self.faces].mean(axis=1))

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest point of the mesh to points (N, 3): where (N, 3), its face (N,), barycentric weights (N, 3)."""
        _, found = self._tree.query(points, k=self.CANDIDATES, workers=-1)
        corners = self.vertices[self.faces[found.reshape(-1)]]
        weights = nearest_on_triangles(np.repeat(points, self.CANDIDATES, axis=0), corners)
        there = np.einsum("nk,nkc->nc", weights, corners).reshape(len(points), self.CANDIDATES, 3)
        best = ((there - points[:, None]) ** 2).sum(axis=2).argmin(axis=1)
        row = np.arange(len(points))
        return there[row, best], found[row, best], weights.reshape(len(points), -1, 3)[row, best]

    def normals_at(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(N, 3) unit normals blended over faces (N,) by weights (N, 3)."""
        return unit(np.einsum("nk,nkc->nc", weights, self.vertex_normals[self.faces[face]]))

    def on_rim(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(N,) whether points of faces (N,), weights (N, 3), lie on the mesh's open border."""
        return on_rim(self.boundary, face, weights)


def boundary_edges(faces: np.ndarray) -> np.ndarray:
    """(F, 3) bool: whether the edge across from each corner has no second face."""
    edges = np.sort(np.stack([np.roll(faces, -1, 1), np.roll(faces, -2, 1)], -1), axis=-1).reshape(-1, 2)
    keys = edges[:, 0] * (int(faces.max(initial=0)) + 1) + edges[:, 1]
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return (counts[inverse.reshape(-1)] == 1).reshape(-1, 3)


def on_rim(boundary: np.ndarray, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N,) whether points of faces (N,), weights (N, 3), lie on a boundary edge (F, 3) of ``boundary_edges``."""
    return (boundary[face] & (weights < 1e-4)).any(axis=1)


def normals_and_areas(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) unit normals, weighted by area, and (V,) the area around each vertex, a third of each of its faces."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat, count = faces.reshape(-1), len(vertices)
    sums = [np.bincount(flat, np.repeat(cross[:, k], 3), count) for k in range(3)]
    areas = np.bincount(flat, np.repeat(np.linalg.norm(cross, axis=1) / 6, 3), count)
    return unit(np.stack(sums, axis=1)), areas


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-20)
