"""What hair collides with: the signed distance of a head on a grid."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ...formats.head import Head
from .scalp import vertex_normals


@dataclass(frozen=True)
class DistanceGrid:
    """Signed distance with its gradient at the nodes of an even grid.

    Attributes:
        values: (X, Y, Z, 4) float32: distance in metres (negative inside), then its gradient's three entries.
        origin: (3,) float64 metres, of the first node; spacing: metres.
    """

    values: np.ndarray
    origin: np.ndarray
    spacing: float

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (N,) metres and unit gradient (N, 3) float32 at points (N, 3), trilinear; clamped outside."""
        shape = np.array(self.values.shape[:3])
        place = (points - self.origin.astype(np.float32)) * np.float32(1 / self.spacing)
        place = np.clip(place, 0, shape - 1.001).astype(np.float32)
        low = place.astype(np.int32)
        t = place - low
        flat = self.values.reshape(-1, 4)
        stride = np.array([shape[1] * shape[2], shape[2], 1], np.int64)
        base = low @ stride
        result = np.zeros((len(points), 4), np.float32)
        for corner in range(8):
            bits = np.array([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
            weight = np.prod(np.where(bits, t, 1 - t), axis=1, dtype=np.float32)
            result += weight[:, None] * flat[base + bits @ stride]
        gradient = result[:, 1:]
        gradient /= np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-6)
        return result[:, 0], gradient


def head_distance(head: Head, spacing: float = 0.003, margin: float = 0.05) -> DistanceGrid:
    """The head's signed distance, exact near the surface; openings of the mesh (a bust's bottom) count as closed.

    Args:
        spacing: metres between nodes.
        margin: metres of grid around the head.
    """
    vertices = head.vertices.astype(np.float64)
    origin = vertices.min(axis=0) - margin
    shape = np.ceil((vertices.max(axis=0) + margin - origin) / spacing).astype(int) + 1
    faces = np.concatenate([head.faces, _caps(head.faces)])
    vertices, faces = _with_centres(vertices, faces, len(head.faces))
    inside = _winding(vertices, faces, origin, shape, spacing)

    samples, normals = _dense_surface(vertices, faces, spacing / 2)
    tree = cKDTree(samples)
    # Far from the surface the distance transform of the voxels is near enough.
    to_outside, to_inside = (ndimage.distance_transform_edt(side, spacing) for side in (inside, ~inside))
    # The transform measures to a node beyond the surface, which itself lies half a spacing nearer.
    coarse = np.where(inside, spacing / 2 - to_outside, to_inside - spacing / 2).astype(np.float32)
    near = np.flatnonzero(np.abs(coarse.ravel()) < 4.5 * spacing)
    nodes = np.stack(np.unravel_index(near, shape), axis=1) * spacing + origin
    _, index = tree.query(nodes, workers=-1)
    # The distance to the sample's plane, not to the sample, so that the samples' spacing does not show.
    offset = nodes - samples[index]
    height = np.abs(np.einsum("nd,nd->n", offset, normals[index]))
    across = np.sqrt(np.maximum(np.einsum("nd,nd->n", offset, offset) - height**2, 0.0))
    exact = np.where(across < spacing, height, np.linalg.norm(offset, axis=1))
    coarse.ravel()[near] = np.where(inside.ravel()[near], -exact, exact)
    return with_gradient(coarse, origin, spacing)


def with_gradient(distance: np.ndarray, origin: np.ndarray, spacing: float) -> DistanceGrid:
    """A grid from (X, Y, Z) distances in metres."""
    gradient = np.gradient(ndimage.gaussian_filter(distance, 0.8), spacing)
    return DistanceGrid(np.stack([distance, *gradient], axis=-1).astype(np.float32), origin, spacing)


def softened(grid: DistanceGrid, width: float, spread: float) -> DistanceGrid:
    """The same obstacle with small features made into gentle swellings, and nowhere less than it was.

    Hair lies over an ear as over a low mound: it does not hang from the ear's rim with a gap behind it.

    Args:
        width: metres; features smaller than this stand out (ears, nose).
        spread: metres over which such a feature's height runs out around it.
    """
    distance = grid.values[..., 0]
    smooth = ndimage.gaussian_filter(distance, width / grid.spacing)
    height = ndimage.maximum_filter(np.maximum(smooth - distance, 0.0), int(2 * width / grid.spacing) | 1)
    mound = smooth - ndimage.gaussian_filter(height, spread / grid.spacing)
    return with_gradient(np.minimum(distance, mound), grid.origin, grid.spacing)


def _caps(faces: np.ndarray) -> np.ndarray:
    # Border edges turned round, each to be closed with its loop's centre (index filled in later).
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    key = directed[:, 0].astype(np.int64) * (faces.max() + 1) + directed[:, 1]
    back = directed[:, 1].astype(np.int64) * (faces.max() + 1) + directed[:, 0]
    border = directed[~np.isin(key, back)]
    return np.column_stack([border[:, 1], border[:, 0], np.full(len(border), -1)]).astype(faces.dtype)


def _with_centres(vertices: np.ndarray, faces: np.ndarray, solid: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    caps = faces[solid:]
    if not len(caps):
        return vertices, faces
    graph = coo_array((np.ones(len(caps)), (caps[:, 0], caps[:, 1])), shape=(len(vertices),) * 2)
    loop = connected_components(graph, directed=False)[1][caps[:, 0]]
    faces = faces.copy()
    centres = []
    for one in np.unique(loop):
        faces[solid:][loop == one, 2] = len(vertices) + len(centres)
        centres.append(vertices[np.unique(caps[loop == one, :2])].mean(axis=0))
    return np.concatenate([vertices, centres]), faces


def _winding(vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, shape: np.ndarray, spacing: float):
    # Signed crossings of vertical rays, summed downwards: holds for surfaces within surfaces (eyeballs, mouth).
    crossings = np.zeros(tuple(shape), np.int16)
    corners = (vertices[faces] - origin) / spacing
    # A ray through an edge or a corner would count twice or not at all.
    corners[..., :2] += np.array([1.37e-5, 2.91e-5])
    low = np.maximum(np.ceil(corners[..., :2].min(axis=1)).astype(int), 0)
    high = np.minimum(np.floor(corners[..., :2].max(axis=1)).astype(int), shape[:2] - 1)
    for triangle in np.flatnonzero((low <= high).all(axis=1)):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners[triangle]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-12:
            continue
        x, y = np.mgrid[low[triangle, 0] : high[triangle, 0] + 1, low[triangle, 1] : high[triangle, 1] + 1]
        u = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        v = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        if hit.any():
            z = az + u[hit] * (bz - az) + v[hit] * (cz - az)
            node = np.clip(np.floor(z).astype(int), 0, shape[2] - 1)
            np.add.at(crossings, (x[hit], y[hit], node), np.int16(1 if area > 0 else -1))
    return np.cumsum(crossings[:, :, ::-1], axis=2)[:, :, ::-1] > 0


def _dense_surface(vertices: np.ndarray, faces: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(normals, axis=1)
    smooth = vertex_normals(vertices, faces)[faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    divisions = np.clip(np.ceil(longest / spacing).astype(int), 1, 64)
    points, directions = [], []
    for n in np.unique(divisions[size > 0]):
        chosen = (divisions == n) & (size > 0)
        i, j = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
        inside = i + j <= n
        weight = np.column_stack([n - i[inside] - j[inside], i[inside], j[inside]]) / n
        points.append(np.einsum("sk,fkd->fsd", weight, corners[chosen]).reshape(-1, 3))
        directions.append(np.einsum("sk,fkd->fsd", weight, smooth[chosen]).reshape(-1, 3))
    points, directions = np.concatenate(points), np.concatenate(directions)
    return points, directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
