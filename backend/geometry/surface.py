"""A triangle mesh as a surface: nearest points, which side a point is on, even samples."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .grid import Grid


class Surface:
    """A triangle mesh asked for nearest points and signed distance.

    The sign comes from the normal at the nearest point, weighted by the angles of the triangles that meet there
    (Baerentzen and Aanaes, Signed Distance Computation Using the Angle Weighted Pseudonormal, 2005), so that a mesh
    open at the neck, as busts are, is still solid where it matters. Eyeballs and other separate pieces are solids of
    their own, joined to the largest piece.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        spacing: metres between the samples that find candidate triangles.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, spacing: float = 0.002):
        self.vertices = np.ascontiguousarray(vertices, np.float64)
        self.faces = np.ascontiguousarray(faces, np.int64)
        corners = self.vertices[self.faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        double_area = np.linalg.norm(cross, axis=1)
        self.areas = double_area / 2
        self.face_normals = cross / np.maximum(double_area, 1e-20)[:, None]
        self.vertex_normals = self._vertex_normals(corners)
        self._edge_normals = self._edge_pseudonormals()
        self._spacing = spacing
        main = self._largest_piece()
        pieces = [np.flatnonzero(main), np.flatnonzero(~main)]
        self._pieces = [self._searchable(faces_of, spacing) for faces_of in pieces if len(faces_of)]

    def _largest_piece(self) -> np.ndarray:
        """(F,) whether each face belongs to the connected piece of the greatest area; seams of UVs do not part it."""
        _, merged = np.unique(np.round(self.vertices, 7), axis=0, return_inverse=True)
        corners = merged.reshape(-1)[self.faces]
        rows, columns = corners.reshape(-1), np.roll(corners, 1, axis=1).reshape(-1)
        links = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(merged.max() + 1,) * 2)
        labels = connected_components(links, directed=False)[1][corners[:, 0]]
        return labels == np.bincount(labels, self.areas).argmax()

    def _searchable(self, faces: np.ndarray, spacing: float) -> tuple[cKDTree, np.ndarray]:
        points, owners = self.covering_samples(self.vertices[self.faces[faces]], spacing)
        return cKDTree(points), faces[owners]

    def _vertex_normals(self, corners: np.ndarray) -> np.ndarray:
        normals = np.zeros_like(self.vertices)
        for k in range(3):
            a = corners[:, (k + 1) % 3] - corners[:, k]
            b = corners[:, (k + 2) % 3] - corners[:, k]
            cosine = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-20)
            angle = np.arccos(np.clip(cosine, -1, 1))
            np.add.at(normals, self.faces[:, k], self.face_normals * angle[:, None])
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)

    def _edge_pseudonormals(self) -> np.ndarray:
        # (F, 3, 3): for edge k of a face (from corner k to k + 1) the sum of the normals of the faces sharing it.
        edges = np.stack([self.faces, np.roll(self.faces, -1, axis=1)], axis=-1)
        keys = np.sort(edges, axis=-1).reshape(-1, 2)
        _, inverse = np.unique(keys[:, 0] * (len(self.vertices) + 1) + keys[:, 1], return_inverse=True)
        sums = np.zeros((inverse.max() + 1, 3))
        np.add.at(sums, inverse, np.repeat(self.face_normals, 3, axis=0))
        return sums[inverse].reshape(-1, 3, 3)

    @staticmethod
    def covering_samples(corners: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
        # Barycentric lattices inside the faces, so fine that every point lies within about a spacing of one of its own
        # face's: samples on shared corners would leave open which face is meant.
        longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max(axis=1)
        steps = np.clip(np.ceil(longest / spacing).astype(int), 1, 64)
        points, owners = [], []
        for n in np.unique(steps):
            i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
            keep = i + j < n
            b = np.stack([i[keep] + 1 / 3, j[keep] + 1 / 3, n - i[keep] - j[keep] - 2 / 3], axis=-1) / n
            chosen = np.flatnonzero(steps == n)
            points.append(np.einsum("bk,fkc->fbc", b, corners[chosen]).reshape(-1, 3))
            owners.append(np.repeat(chosen, len(b)))
        return np.concatenate(points), np.concatenate(owners)

    def nearest(self, points: np.ndarray, candidates: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest point on the mesh.

        Args:
            points: (N, 3) metres.
            candidates: how many samples' triangles are tried for each point.

        Returns:
            nearest points (N, 3), their face (N,), barycentric coordinates there (N, 3).
        """
        there, face, weights = self._nearest_on(self._pieces[0], points, candidates)
        for piece in self._pieces[1:]:
            other = self._nearest_on(piece, points, candidates)
            nearer = ((other[0] - points) ** 2).sum(1) < ((there - points) ** 2).sum(1)
            there[nearer], face[nearer], weights[nearer] = (part[nearer] for part in other)
        return there, face, weights

    def _nearest_on(self, piece: tuple[cKDTree, np.ndarray], points: np.ndarray, candidates: int):
        tree, owners = piece
        _, found = tree.query(points, k=candidates, workers=-1)
        found = owners[np.minimum(found, len(owners) - 1).reshape(len(points), candidates)]
        best = np.full(len(points), np.inf)
        face = np.zeros(len(points), np.int64)
        weights = np.zeros((len(points), 3))
        for k in range(candidates):
            new = np.ones(len(points), bool) if k == 0 else (found[:, k : k + 1] != found[:, :k]).all(axis=1)
            rows = np.flatnonzero(new)
            b = nearest_on_triangles(points[rows], self.vertices[self.faces[found[rows, k]]])
            there = np.einsum("nk,nkc->nc", b, self.vertices[self.faces[found[rows, k]]])
            distance = ((there - points[rows]) ** 2).sum(1)
            better = distance < best[rows]
            rows = rows[better]
            best[rows], face[rows], weights[rows] = distance[better], found[rows, k], b[better]
        return np.einsum("nk,nkc->nc", weights, self.vertices[self.faces[face]]), face, weights

    def escape(self, points: np.ndarray, candidates: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How points (N, 3) lie to the solid: signed distance (N,) metres, below 0 inside, the surface point (N, 3)
        that it is measured to and the unit normal (N, 3) there."""
        distance, there, normal = self._from_piece(self._pieces[0], points, candidates)
        for piece in self._pieces[1:]:
            low, high = piece[0].mins, piece[0].maxes
            apart = np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=1)
            # Only points that could be nearer to this piece, or inside it, need to ask it.
            rows = np.flatnonzero(apart < np.maximum(distance, 1e-9))
            other = self._from_piece(piece, points[rows], candidates)
            deeper = other[0] < distance[rows]
            distance[rows[deeper]] = other[0][deeper]
            there[rows[deeper]] = other[1][deeper]
            normal[rows[deeper]] = other[2][deeper]
        return distance, there, normal

    def _from_piece(self, piece: tuple[cKDTree, np.ndarray], points: np.ndarray, candidates: int):
        there, face, weights = self._nearest_on(piece, points, candidates)
        normal = self.pseudonormals(face, weights)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        offset = points - there
        side = np.where((offset * normal).sum(1) < 0, -1.0, 1.0)
        return side * np.linalg.norm(offset, axis=1), there, normal

    def signed_distance(self, points: np.ndarray, candidates: int = 6) -> np.ndarray:
        """(N,) metres to the mesh from points (N, 3), below 0 inside."""
        return self.escape(points, candidates)[0]

    def pseudonormals(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(N, 3) normals at points of faces (N,), weights (N, 3): of the face, its edge, or its corner."""
        normals = self.face_normals[face].copy()
        zero = weights < 1e-9
        rows = np.flatnonzero(zero.sum(1) == 1)
        missing = zero[rows].argmax(axis=1)
        normals[rows] = self._edge_normals[face[rows], (missing + 1) % 3]
        rows = np.flatnonzero(zero.sum(1) == 2)
        normals[rows] = self.vertex_normals[self.faces[face[rows], weights[rows].argmax(axis=1)]]
        return normals

    def smooth_normals(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(N, 3) unit vertex normals blended over the faces (N,) by weights (N, 3)."""
        normals = np.einsum("nk,nkc->nc", weights, self.vertex_normals[self.faces[face]])
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    def signed_distance_on(self, grid: Grid, wanted: np.ndarray | None = None) -> np.ndarray:
        """(X, Y, Z) float32 signed distance on a grid: exact near the mesh, coarser beyond 4 nodes from it.

        Args:
            wanted: (X, Y, Z) bool, where it need be exact; everywhere by default.
        """
        from scipy.ndimage import zoom

        coarse = Grid(grid.origin, grid.spacing * 4, tuple(int(np.ceil((n - 1) / 4)) + 1 for n in grid.shape))
        rough = self.signed_distance(coarse.centres(), candidates=2).reshape(coarse.shape).astype(np.float32)
        fine_shape = tuple((n - 1) * 4 + 1 for n in coarse.shape)
        values = zoom(rough, [f / c for f, c in zip(fine_shape, coarse.shape, strict=True)], order=1, grid_mode=False)
        values = np.ascontiguousarray(values[: grid.shape[0], : grid.shape[1], : grid.shape[2]]).reshape(-1)
        near = np.abs(values) < 1.25 * coarse.spacing
        near = np.flatnonzero(near if wanted is None else near & wanted.reshape(-1))
        values[near] = self.signed_distance(grid.centres(near), candidates=2)
        return values.reshape(grid.shape)


def nearest_on_triangles(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric coordinates (N, 3) of the point of triangle n, corners (N, 3, 3), nearest to points (N, 3).

    Ericson, Real-Time Collision Detection (2005), section 5.1.5, by regions, all triangles at once.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac = b - a, c - a
    ap, bp, cp = points - a, points - b, points - c
    d1, d2 = (ab * ap).sum(1), (ac * ap).sum(1)
    d3, d4 = (ab * bp).sum(1), (ac * bp).sum(1)
    d5, d6 = (ab * cp).sum(1), (ac * cp).sum(1)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    total = va + vb + vc
    total = np.where(np.abs(total) > 1e-30, total, 1.0)
    result = np.stack([va / total, vb / total, vc / total], axis=1)

    def put(region: np.ndarray, first: np.ndarray, second: np.ndarray, third: np.ndarray) -> None:
        result[region] = np.stack(np.broadcast_arrays(first, second, third), axis=1)[region]

    zero, one = np.zeros(len(points)), np.ones(len(points))

    def share(part: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return part / np.where(np.abs(part + rest) > 1e-30, part + rest, 1.0)

    t = share(d4 - d3, d5 - d6)
    put((va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0), zero, 1 - t, t)
    t = share(d2, -d6)
    put((vb <= 0) & (d2 >= 0) & (d6 <= 0), 1 - t, zero, t)
    t = share(d1, -d3)
    put((vc <= 0) & (d1 >= 0) & (d3 <= 0), 1 - t, t, zero)
    put((d6 >= 0) & (d5 <= d6), zero, zero, one)
    put((d3 >= 0) & (d4 <= d3), zero, one, zero)
    put((d1 <= 0) & (d2 <= 0), one, zero, zero)
    return result
