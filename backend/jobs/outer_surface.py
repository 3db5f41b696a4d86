"""The surface of head and hair together: what a scanner would see of them."""

import numpy as np
from scipy import ndimage
from skimage import measure

from ..contract import OuterSurface
from ..errors import RequestError
from ..formats.head import read_head
from ..formats.mesh_ply import write_ply
from ..formats.strand_files import read_strands
from ..protocol import Reporter

VOXEL = 0.001
"""Metres."""

_MOST_VOXELS = 200_000_000
_SOFTENING = 0.8
"""Voxels: standard deviation of the blur that turns steps of voxels into a smooth surface."""


def run(request: OuterSurface, reporter: Reporter) -> dict:
    """Voxelise the strands, close them, add the head's solid, and extract the surface of the union.

    Leaves ``surface.ply`` in metres.
    """
    if request.head is None and request.strands is None:
        raise RequestError("The outer surface needs a head, strands, or both.")
    reporter.stage("Reading", 1)
    head = read_head(request.head) if request.head else None
    strands = read_strands(request.strands, warn=reporter.warning) if request.strands else None
    parts = [strands.points if strands is not None else None, head.vertices if head is not None else None]
    points = np.concatenate([part for part in parts if part is not None])
    origin, shape = _grid(points, request.closing)
    reporter.step()

    # Voxels inside the surface are above zero; the surface is where the field crosses it.
    field = np.full(shape, -np.inf, np.float32)
    if strands is not None:
        reporter.stage("Closing the strands", 1)
        field = _closed_field(_marked(_densified(strands), origin, shape), request.closing / 2 / VOXEL)
        reporter.step()
    if head is not None:
        reporter.stage("Adding the head", 1)
        field = np.maximum(field, _solid_field(head.vertices, head.faces, origin, shape))
        reporter.step()
    reporter.stage("Extracting the surface", 1)
    vertices, faces, _, _ = measure.marching_cubes(field, 0.0, gradient_direction="ascent")
    write_ply(reporter.folder / "surface.ply", vertices * VOXEL + origin, faces)
    reporter.step()
    return {"surface": "surface.ply", "vertices": len(vertices), "faces": len(faces)}


def _grid(points: np.ndarray, closing: float) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Centre of the first voxel, and the grid's shape, with room for closing around all points."""
    margin = 2 * closing + 4 * VOXEL
    low, high = points.min(axis=0).astype(np.float64) - margin, points.max(axis=0) + margin
    shape = tuple(int(n) for n in np.ceil((high - low) / VOXEL).astype(np.int64) + 1)
    if np.prod(shape, dtype=np.float64) > _MOST_VOXELS:
        raise RequestError("Head and hair are too large for a surface at 1 mm; are they in metres?")
    return low, shape


def _densified(strands) -> np.ndarray:
    """(M, 3) points no more than half a voxel apart along the strands."""
    points, ends = strands.points, np.cumsum(strands.counts)
    start = np.ones(len(points), bool)
    start[ends - 1] = False
    first = np.flatnonzero(start)
    a, b = points[first], points[first + 1]
    steps = np.maximum(1, np.ceil(np.linalg.norm(b - a, axis=1) / (VOXEL / 2)).astype(int))
    segment = np.repeat(np.arange(len(a)), steps)
    within = np.arange(len(segment)) - np.repeat(np.cumsum(steps) - steps, steps)
    share = (within / steps[segment]).astype(np.float32)[:, None]
    return np.concatenate([a[segment] * (1 - share) + b[segment] * share, points[ends - 1]])


def _marked(points: np.ndarray, origin: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    occupied = np.zeros(shape, bool)
    occupied[tuple(np.round((points - origin) / VOXEL).astype(np.int32).T)] = True
    return occupied


def _closed_field(occupied: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance in voxels to a closing by a ball: gaps up to twice ``radius`` (voxels) are filled.

    What is grown by the radius is worn away by a little less, so that a lone strand stays, a voxel thick.
    """
    grown = ndimage.distance_transform_edt(~occupied) <= radius
    return ndimage.distance_transform_edt(grown).astype(np.float32) - np.float32(radius - 0.3)


def _solid_field(vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, shape) -> np.ndarray:
    """Signed distance to a mesh in voxels, softened; an open one, like a bust without a base, is filled in slices."""
    shell = _marked(_surface_points(vertices.astype(np.float64), faces), origin, shape)
    solid = ndimage.binary_fill_holes(shell)
    for level in np.flatnonzero(shell.any(axis=(0, 1))):
        solid[:, :, level] |= ndimage.binary_fill_holes(shell[:, :, level])
    field = ndimage.distance_transform_edt(~solid).astype(np.float32)
    np.negative(field, out=field)
    field += ndimage.distance_transform_edt(solid & ~shell).astype(np.float32)
    return ndimage.gaussian_filter(field, _SOFTENING)


def _surface_points(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Points on the triangles, in a barycentric grid no coarser than half a voxel."""
    corners = vertices[faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    steps = np.maximum(1, np.ceil(longest / (VOXEL / 2)).astype(int))
    found = []
    for count in np.unique(steps):
        u, v = np.meshgrid(np.arange(count + 1), np.arange(count + 1), indexing="ij")
        u, v = u[u + v <= count] / count, v[u + v <= count] / count
        weights = np.stack([1 - u - v, u, v], axis=1)
        found.append(np.einsum("wk,tkc->twc", weights, corners[steps == count]).reshape(-1, 3))
    return np.concatenate(found)
