"""Fewer triangles, and UVs, by libraries that keep Python waiting: meant to be run apart (``apart.run_apart``), so this
module imports little."""

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree

from .manifold import largest_piece, two_manifold


def decimated(vertices: np.ndarray, faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A mesh (V, 3), (F, 3) reduced to about ``count`` triangles by quadric errors (Garland and Heckbert, 1997), in one
    piece, and closed where it was closed."""
    import fast_simplification

    # Its numbers are tuned to meshes of about this size; a head in metres is small.
    middle, size = vertices.mean(axis=0), float(np.ptp(vertices, axis=0).max())
    points, triangles = fast_simplification.simplify(
        ((vertices - middle) / size).astype(np.float32), faces.astype(np.int32), target_count=count
    )
    points, triangles = two_manifold(points * size + middle, triangles.astype(np.int64))
    points, triangles, _ = largest_piece(points, triangles)
    return points.astype(np.float32), triangles


_LARGE = 1000.0
"""Across a mesh whose triangles are large enough for xatlas."""
PART = 1000
"""Triangles that xatlas is given as one mesh."""


def unwrapped(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """UVs (F, 3, 2) float32 in the unit square of a mesh's corners, by xatlas.

    It gets the mesh in parts of about ``PART`` triangles: on 100,000 triangles of a head with hair it is then five
    times as fast, with a third of the charts and no more distortion.
    """
    import xatlas

    atlas = xatlas.Atlas()
    # It leaves out triangles with less area than 1.2e-7, which a head in metres has by the thousand.
    middle, size = vertices.mean(axis=0), float(np.ptp(vertices, axis=0).max())
    large = ((vertices - middle) * (_LARGE / size)).astype(np.float32)
    parts = _parts(large, faces)
    for part in parts:
        used, corners = np.unique(faces[part], return_inverse=True)
        atlas.add_mesh(large[used], corners.reshape(-1, 3).astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_iterations = 1
    charts.max_cost = 8.0  # fewer, larger charts than by default
    packing.resolution, packing.padding, packing.bilinear = 2048, 4, True
    atlas.generate(charts, packing)
    result = np.zeros((len(faces), 3, 2), np.float32)
    for number, part in enumerate(parts):
        _, corners, uv = atlas[number]
        result[part] = uv[corners]
    return result


def _parts(vertices: np.ndarray, faces: np.ndarray) -> list[np.ndarray]:
    """Triangles by the nearest of centres spread evenly over the mesh."""
    count = len(faces) // PART
    if count < 2:
        return [np.arange(len(faces))]
    middles = vertices[faces].mean(axis=1)
    centres, _ = kmeans2(middles[:: max(1, len(faces) // (100 * count))], count, seed=0, minit="++")
    nearest = cKDTree(centres).query(middles)[1]
    return [part for part in (np.flatnonzero(nearest == number) for number in range(count)) if len(part)]
