"""Displacements of a dense head as a picture in a UV layout, and back."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from ..errors import HeadError
from ..formats.displacement import OBJECT, RANGE, DisplacementMap
from ..geometry.raster import rasterise

_RIM = 1.5
"""Texels outside a chart that a bilinear sample on its border may touch."""
BLEND = 10
"""Texels at 256² on both sides of the seam over which the repair fades (A.2)."""


def bake(displacement: np.ndarray, faces: np.ndarray, uv: np.ndarray, size: int = 1024, **said: str) -> DisplacementMap:
    """Draw the displacements of a dense head's vertices into its layout (HeadCraft, 3.1).

    Texels just outside a chart carry on its border triangles, so that samples at the border mix in nothing foreign; the
    rest of the empty space gets its nearest texel's value. Nothing else is done to what was registered.

    Args:
        displacement: (W, 3) metres; what is out of range is cut, and counted.
        faces: (G, 3) dense triangles.
        uv: (G, 3, 2) of their corners.
        size: texels along a side.
        said: ``frame``, ``layout``, ``model``, ``model_hash`` of the map.

    Raises:
        HeadError: a displacement is not a finite number.
    """
    displacement = np.asarray(displacement, np.float64)
    if not np.isfinite(displacement).all():
        raise HeadError("The displacements have numbers that are not finite; register the scan again.")
    held = displacement.clip(-RANGE, RANGE)
    clipped = int((held != displacement).any(axis=1).sum())
    pixels = texel_places(uv, size).reshape(-1, 2)
    drawn = rasterise(pixels, np.ones(len(pixels)), np.arange(len(pixels)).reshape(-1, 3), (size, size), False)
    face, weights = drawn.face, drawn.weights
    distance, nearest = distance_transform_edt(face < 0, return_indices=True)
    rim = (face < 0) & (distance <= _RIM)
    face[rim] = face[nearest[0][rim], nearest[1][rim]]
    y, x = np.nonzero(rim)
    weights[rim] = _barycentric(np.column_stack([x, y]) + 0.5, pixels.reshape(-1, 3, 2)[face[rim]])
    inside = face >= 0
    values = np.zeros((size, size, 3), np.float32)
    values[inside] = np.einsum("nk,nkc->nc", weights[inside], held[faces[face[inside]]]).clip(-RANGE, RANGE)
    return DisplacementMap(filled(values, inside), clipped=clipped, **({"frame": OBJECT} | said))


def _barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N, 3) weights of points (N, 2) near triangles (N, 3, 2), in their planes."""
    sides = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=2)
    two = np.linalg.solve(sides, (points - corners[:, 0])[..., None])[..., 0]
    offset = np.column_stack([1 - two.sum(axis=1), two]) - 1 / 3
    # A sliver would carry its slope far: no weight goes more than one beyond a third.
    return 1 / 3 + offset / np.maximum(np.abs(offset).max(axis=1, keepdims=True), 1)


def filled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N, N, C) with every unknown texel as its nearest known one (distance transform)."""
    if not known.any():
        return np.zeros_like(values)
    row, column = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[row, column]


def sample(values: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(..., C) float64 bilinear values of a picture (N, N, C) at UVs (..., 2); texel centres are at half numbers."""
    size = len(values)
    place = texel_places(uv, size).reshape(-1, 2) - 0.5
    place = place.clip(0, size - 1)
    x, y = np.minimum(place.astype(int), size - 2).T
    s, t = (place - np.stack([x, y], axis=1)).T[..., None]
    top = values[y, x] * (1 - s) + values[y, x + 1] * s
    bottom = values[y + 1, x] * (1 - s) + values[y + 1, x + 1] * s
    return (top * (1 - t) + bottom * t).reshape(*np.shape(uv)[:-1], values.shape[2])


def sample_at_vertices(values: np.ndarray, faces: np.ndarray, uv: np.ndarray, count: int) -> np.ndarray:
    """(W, C) of a dense head's vertices: the mean over a vertex's places in the layout, each counted once a triangle.

    Args:
        values: (N, N, C)
        faces: (G, 3)
        uv: (G, 3, 2)
        count: W
    """
    at_corners = sample(values, uv).reshape(-1, values.shape[2])
    uses = np.maximum(np.bincount(faces.ravel(), minlength=count), 1)
    sums = [np.bincount(faces.ravel(), at_corners[:, k], count) for k in range(values.shape[2])]
    return np.stack(sums, axis=1) / uses[:, None]


def seam_jump(values: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(S,) by how much a map's values (N, N, C) differ between the places of each vertex that has more than one."""
    vertex, place = seam_places(faces, uv)
    found = sample(values, place)
    most = np.full((vertex.max(initial=-1) + 1, values.shape[2]), -np.inf)
    least = -most
    np.maximum.at(most, vertex, found)
    np.minimum.at(least, vertex, found)
    return np.linalg.norm(most - least, axis=1)


def repair_seam(values: np.ndarray, covered: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Make a generated, edited or transferred map agree with itself across the seam (HeadCraft, 3.2 and A.2).

    Every seam vertex gets the mean of what the map says at its places; the difference fades out over 10 texels at 256²
    on each side, along with the seam, so that nothing but the neighbourhood of the seam changes.

    Args:
        values: (N, N, C)
        covered: (N, N) bool, as ``packing.covered`` gives it: texels inside a triangle.
        faces: (G, 3)
        uv: (G, 3, 2)

    Returns:
        (N, N, C) the map, its empty space filled anew.
    """
    vertex, place = seam_places(faces, uv)
    if not len(vertex):
        return filled(values, covered)
    size = len(values)
    reach = BLEND * size / 256
    ends = _seam_corners(faces, uv)
    # The seam as texels: each of its edges as densely as texels lie, once for every side that it has.
    steps = np.ceil(np.linalg.norm(ends[1] - ends[0], axis=1).max(initial=0) * size * 2).astype(int) + 2
    share = np.linspace(0, 1, max(steps, 2))[:, None, None]
    line = (ends[0] * (1 - share) + ends[1] * share).reshape(-1, 2)
    texel = texel_places(line, size).astype(int).clip(0, size - 1)
    result = filled(values, covered).astype(np.float64)
    for _ in range(3):
        # What a bilinear sample sees is a mix of four texels, so one correction is nearly but not quite enough.
        found = sample(result, place)
        count = np.bincount(vertex)
        mean = np.stack([np.bincount(vertex, found[:, k]) for k in range(found.shape[1])], axis=1) / count[:, None]
        lacking = mean[vertex] - found
        corner_lacking = _at_ends(lacking, vertex, place, ends)
        along = (corner_lacking[0] * (1 - share) + corner_lacking[1] * share).reshape(-1, values.shape[2])
        total = np.zeros_like(result)
        hits = np.zeros((size, size))
        np.add.at(total, (texel[:, 1], texel[:, 0]), along)
        np.add.at(hits, (texel[:, 1], texel[:, 0]), 1)
        known = hits > 0
        total[known] /= hits[known][:, None]
        distance, (row, column) = distance_transform_edt(~known, return_indices=True)
        fade = np.cos(np.pi / 2 * (distance / reach).clip(0, 1)) ** 2
        result = result + fade[..., None] * total[row, column]
    return result.astype(values.dtype)


def seam_places(faces: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices with more than one place in a layout: (P,) numbered from 0, and (P, 2) every one of their places."""
    key = np.column_stack([faces.ravel(), np.round(uv.reshape(-1, 2) * 1e6).astype(np.int64)])
    unique, first = np.unique(key, axis=0, return_index=True)
    many = np.bincount(unique[:, 0])[unique[:, 0]] > 1
    return np.unique(unique[many, 0], return_inverse=True)[1], uv.reshape(-1, 2)[first[many]].astype(np.float64)


def texel_places(uv: np.ndarray, size: int) -> np.ndarray:
    """(..., 2) pixels, x to the right and y down, of UVs: V = 1 is the top."""
    uv = np.asarray(uv, np.float64)
    return np.stack([uv[..., 0] * size, (1 - uv[..., 1]) * size], axis=-1)


def _seam_corners(faces: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(2, K, 2) UVs of both ends of every half-edge that the layout is cut along."""
    start, end = faces.ravel().astype(np.int64), np.roll(faces, -1, axis=1).ravel().astype(np.int64)
    at = np.round(uv.reshape(-1, 2) * 1e6).astype(np.int64)
    at_end = np.roll(at.reshape(-1, 3, 2), -1, axis=1).reshape(-1, 2)
    forward = start * (faces.max() + 1) + end
    backward = end * (faces.max() + 1) + start
    order = np.argsort(forward)
    found = order[np.searchsorted(forward[order], backward).clip(max=len(order) - 1)]
    paired = forward[found] == backward
    cut = paired & ((at_end[found] != at).any(axis=1) | (at[found] != at_end).any(axis=1))
    corner = uv.reshape(-1, 2).astype(np.float64)
    other = np.roll(uv, -1, axis=1).reshape(-1, 2).astype(np.float64)
    return np.stack([corner[cut], other[cut]])


def _at_ends(lacking: np.ndarray, vertex: np.ndarray, place: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(2, K, C) what is lacking at the ends of the seam's edges."""
    key = lambda uv: np.round(uv * 1e6).astype(np.int64) @ [1 << 32, 1]  # noqa: E731
    known = key(place)
    order = np.argsort(known)
    where = order[np.searchsorted(known[order], key(ends)).clip(max=len(order) - 1)]
    return np.where((known[where] == key(ends))[..., None], lacking[where], 0.0)
