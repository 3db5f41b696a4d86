"""Fewer triangles, and UVs, by libraries that keep Python waiting: meant to be run apart (``apart.run_apart``), so this
module imports little."""

import numpy as np

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


def unwrapped(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """UVs (F, 3, 2) float32 in the unit square of a mesh's corners, by xatlas."""
    import xatlas

    atlas = xatlas.Atlas()
    # It leaves out triangles with less area than 1.2e-7, which a head in metres has by the thousand.
    middle, size = vertices.mean(axis=0), float(np.ptp(vertices, axis=0).max())
    atlas.add_mesh(((vertices - middle) * (_LARGE / size)).astype(np.float32), np.ascontiguousarray(faces, np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_iterations = 1
    charts.max_cost = 8.0  # fewer, larger charts than by default
    packing.resolution, packing.padding, packing.bilinear = 2048, 4, True
    atlas.generate(charts, packing)
    _, corners, uv = atlas[0]
    return uv[corners].astype(np.float32)
