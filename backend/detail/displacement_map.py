"""Displacements of a dense head as a picture in a UV layout, and back."""

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from ..errors import HeadError
from ..formats.displacement import OBJECT, RANGE, TANGENT, DisplacementMap
from ..geometry.raster import rasterise
from .frames import to_object, to_tangent
from .texels import Places, agreeing, answering, places, sample, texel_places

_RIM = 1.5
"""Texels outside a chart that a bilinear sample on its border may touch."""
_STEPS = 4
"""Parts of a seam's edge between which both its sides are made to agree."""
_SEAM = 10.0
"""Times as much as other samples count those of a seam's vertices, where texels are too few for all."""
_FINE = 2
"""Points of the seam a texel when the nearest is sought."""
BLEND = 10
"""Texels at 256² on both sides of the seam over which the repair fades (A.2)."""


def bake(
    displacement: np.ndarray,
    faces: np.ndarray,
    uv: np.ndarray,
    size: int = 1024,
    tangents: np.ndarray | None = None,
    limit: float = RANGE,
    **said: str,
) -> DisplacementMap:
    """Draw the displacements of a dense head's vertices into its layout (HeadCraft, 3.1).

    Texels just outside a chart carry on its border triangles, so that samples at the border mix in nothing foreign, and
    those that a vertex is sampled from are corrected until the sample is what was registered, on both sides of a seam;
    the rest of the empty space gets its nearest texel's value. Nothing else is done to what was registered.

    Args:
        displacement: (W, 3) metres; what is out of range is cut, and counted.
        faces: (G, 3) dense triangles.
        uv: (G, 3, 2) of their corners.
        size: texels along a side.
        tangents: (P, 3, 3) frames of ``texels.places(faces, uv)`` to write the displacements in; None writes them as
            they are.
        limit: metres either way; infinite for a file that holds any number.
        said: ``layout``, ``model``, ``model_hash`` of the map.

    Raises:
        HeadError: a displacement is not a finite number.
    """
    displacement = np.asarray(displacement, np.float64)
    if not np.isfinite(displacement).all():
        raise HeadError("The displacements have numbers that are not finite; register the scan again.")
    at = places(faces, uv)
    given = displacement[at.vertex]
    if tangents is not None:
        given = to_tangent(given, tangents)
    held = given.clip(-limit, limit)
    clipped = len(np.unique(at.vertex[(held != given).any(axis=1)]))
    pixels = texel_places(uv, size).reshape(-1, 2)
    drawn = rasterise(pixels, np.ones(len(pixels)), np.arange(len(pixels)).reshape(-1, 3), (size, size), False)
    face, weights = drawn.face, drawn.weights
    distance, nearest = distance_transform_edt(face < 0, return_indices=True)
    rim = (face < 0) & (distance <= _RIM)
    face[rim] = face[nearest[0][rim], nearest[1][rim]]
    y, x = np.nonzero(rim)
    weights[rim] = _barycentric(np.column_stack([x, y]) + 0.5, pixels.reshape(-1, 3, 2)[face[rim]])
    inside = face >= 0
    values = np.zeros((size, size, 3))
    values[inside] = np.einsum("nk,nkc->nc", weights[inside], held[at.corners[face[inside]]])
    values = filled(values, inside)
    # Between the vertices of a seam both its sides are to say the same as well.
    one, other = _seam_edges(faces, at).T
    shares = _between()
    line = at.uv[one] * (1 - shares) + at.uv[other] * shares
    along = held[one] * (1 - shares) + held[other] * shares
    spots = np.concatenate([at.uv, line.reshape(-1, 2)])
    trust = np.concatenate([np.where(at.on_seam, _SEAM, 1.0), np.ones(along.size // 3)])
    values = answering(values, spots, np.concatenate([held, along.reshape(-1, 3)]), trust)
    values = values.clip(-limit, limit).astype(np.float32)
    return DisplacementMap(values, OBJECT if tangents is None else TANGENT, clipped, **said)


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


def sample_at_vertices(
    values: np.ndarray, faces: np.ndarray, uv: np.ndarray, count: int, tangents: np.ndarray | None = None
) -> np.ndarray:
    """(W, C) of a dense head's vertices: the mean over a vertex's places in the layout.

    Args:
        values: (N, N, C)
        faces: (G, 3)
        uv: (G, 3, 2)
        count: W
        tangents: (P, 3, 3) frames of ``texels.places(faces, uv)`` that the values are written in; None for object axes.
    """
    at = places(faces, uv)
    found = sample(values, at.uv)
    if tangents is not None:
        found = to_object(found, tangents)
    return _mean(found, at.vertex, count)[0]


def seam_jump(values: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(S,) by how much a map's values (N, N, C) differ between the places of each vertex that has more than one."""
    at = places(faces, uv)
    found = sample(values, at.uv[at.on_seam])
    vertex = np.unique(at.vertex[at.on_seam], return_inverse=True)[1]
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
        values: (N, N, C) in object axes.
        covered: (N, N) bool, as ``packing.covered`` gives it: texels inside a triangle.
        faces: (G, 3)
        uv: (G, 3, 2)

    Returns:
        (N, N, C) the map, its empty space filled anew.
    """
    at = places(faces, uv)
    edges = _seam_edges(faces, at)
    result = _continued(values, covered)
    if not len(edges):
        return result.astype(values.dtype)
    size = len(values)
    reach = BLEND * size / 256
    seam = at.on_seam
    ends = at.uv[edges]
    lacking = np.zeros((len(at.uv), values.shape[2]))
    found = sample(result, at.uv[seam])
    lacking[seam] = _mean(found, at.vertex[seam], at.vertex.max() + 1)[1] - found
    # Every texel near the seam takes what the nearest point of the seam lacks, faded.
    steps = int(np.ceil(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).max() * size * _FINE)) + 1
    share = (np.arange(steps) / steps)[:, None, None]
    line = (ends[:, 0] * (1 - share) + ends[:, 1] * share).reshape(-1, 2)
    along = (lacking[edges[:, 0]] * (1 - share) + lacking[edges[:, 1]] * share).reshape(-1, values.shape[2])
    row, column = np.nonzero(_near(line, size, reach))
    texels = np.column_stack([column, row]) + 0.5
    distance, nearest = cKDTree(texel_places(line, size)).query(texels)
    fade = np.cos(np.pi / 2 * (distance / reach).clip(0, 1)) ** 2
    result[row, column] += fade[:, None] * along[nearest]

    # A bilinear sample mixes four texels, so this is not yet quite what each sample lacked.
    shares = _between()
    middle = (ends[:, 0] * (1 - shares) + ends[:, 1] * shares).reshape(-1, 2)
    spots = np.concatenate([at.uv[seam], middle])
    turned = at.vertex[edges[:, 0]] > at.vertex[edges[:, 1]]
    number = np.where(turned, len(shares) - 1 - np.arange(len(shares))[:, None], np.arange(len(shares))[:, None])
    twin = np.unique(np.sort(at.vertex[edges], axis=1), axis=0, return_inverse=True)[1].ravel()
    owner = np.concatenate([at.vertex[seam], at.vertex.max() + 1 + (twin * len(shares) + number).ravel()])
    trust = np.where(np.arange(len(spots)) < seam.sum(), _SEAM, 1.0)
    return agreeing(result, spots, owner, trust).astype(values.dtype)


def _continued(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N, N, C) float64 filled; the texels next to what is known go on as steeply as it ends."""
    result = filled(values, known).astype(np.float64)
    distance, nearest = distance_transform_edt(~known, return_indices=True)
    y, x = np.nonzero(~known & (distance <= _RIM + 1))
    row, column = nearest[:, y, x]
    back = (2 * row - y).clip(0, len(values) - 1), (2 * column - x).clip(0, len(values) - 1)
    result[y, x] += np.where(known[back][:, None], values[row, column] - values[back], 0)
    return result


def _between() -> np.ndarray:
    return (np.arange(1, _STEPS) / _STEPS)[:, None, None]


def _near(line: np.ndarray, size: int, reach: float) -> np.ndarray:
    """(size, size) bool: texels within so many texels, and one, of UVs (P, 2)."""
    texel = texel_places(line, size).astype(int).clip(0, size - 1)
    away = np.ones((size, size), bool)
    away[texel[:, 1], texel[:, 0]] = False
    return distance_transform_edt(away) < reach + 1


def _mean(values: np.ndarray, owner: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, C) the mean of each owner's values (P, C), and (P, C) the same at each of them."""
    uses = np.maximum(np.bincount(owner, minlength=count), 1)[:, None]
    mean = np.stack([np.bincount(owner, column, count) for column in values.T], axis=1) / uses
    return mean, mean[owner]


def _seam_edges(faces: np.ndarray, at: Places) -> np.ndarray:
    """(K, 2) places of both ends of every half-edge that the layout is cut along, in the direction of its triangle."""
    start, end = faces.ravel().astype(np.int64), np.roll(faces, -1, axis=1).ravel().astype(np.int64)
    here, there = at.corners.ravel(), np.roll(at.corners, -1, axis=1).ravel()
    count = faces.max() + 1
    forward, backward = start * count + end, end * count + start
    order = np.argsort(forward)
    found = order[np.searchsorted(forward[order], backward).clip(max=len(order) - 1)]
    paired = forward[found] == backward
    cut = paired & ((there[found] != here) | (here[found] != there))
    return np.column_stack([here[cut], there[cut]])
