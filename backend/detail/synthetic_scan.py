"""Synthetic scans of heads with hair, with landmarks and the truth: something to register where there is no scan.

A random person of a head model gets hair as a volume, and the surface of both together is found by marching cubes. So
the scan has triangles of its own, and detail that no head model has. It is synthetic and called so.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..fit.model import named_points, regions_of
from ..fit.place import rotation_by
from ..formats.coefficients import Coefficients, Similarity
from ..formats.flame_model import FlameModel, scheme_68
from ..formats.landmarks import Landmarks3D
from ..geometry.grid import Grid
from .dense import dense_head
from .hair_volumes import STYLES, Noise, Scalp

SPREAD = 0.8
"""Of the identity's standard deviation: people, but no caricatures."""
RELIEF = (0.00025, 0.006)
"""Metres of the relief of the skin, which no model has, and from bump to bump."""
MARGIN = 0.012
HAIR_REACH = np.array([0.075, 0.085, 0.065])
"""Metres that hair may stand out beyond the head to the sides, to front and back, and upwards."""
COARSEST = 4
"""Nodes of the finest grid between those of the coarsest."""


@dataclass(frozen=True, eq=False)
class SyntheticScan:
    """A scan and what is true of it.

    Attributes:
        vertices: (N, 3) in the scan's unit and axes.
        faces: (F, 3)
        landmarks: the 51 inner points of the face, on the scan.
        coefficients: of the person, with the similarity that lays the head on the scan.
        style: of ``hair_volumes.STYLES``.
    """

    vertices: np.ndarray
    faces: np.ndarray
    landmarks: Landmarks3D
    coefficients: Coefficients
    style: str


def synthetic_scan(
    model: FlameModel,
    style: str,
    seed: int = 0,
    *,
    spacing: float = 0.0012,
    metres: float = 1.0,
    progress=lambda stage, total: lambda: None,
) -> SyntheticScan:
    """A scan of a random person of a model with hair.

    Args:
        model: with a face and a scalp.
        style: of ``hair_volumes.STYLES``.
        seed: of the person, the hair and where the scan lies.
        spacing: metres between the scan's points, about.
        metres: in one unit of the scan.
        progress: called as ``progress(stage, total)``, gives what is called at every step.
    """
    random = np.random.default_rng([seed, sorted(STYLES).index(style)])
    identity = SPREAD * random.normal(size=model.identity.shape[2])
    dense = dense_head(model)
    head = dense.rest(identity)
    coarse = dense.coarse(identity)
    covered = dense.subdivision.regions(regions_of(model))["scalp"]
    scalp = Scalp.of(head, dense.faces, covered, (coarse, model.faces))
    hair, relief = STYLES[style](seed), Noise(seed + 100)
    reach = HAIR_REACH if style != "bare" else np.zeros(3)
    low, high = head.min(axis=0) - MARGIN, head.max(axis=0) + MARGIN
    low[:2] = np.minimum(low[:2], scalp.middle[:2] - scalp.half[:2] - reach[:2])
    high = np.maximum(high, scalp.middle + scalp.half + reach)
    low[2] = _neck_end(head, dense.faces) + 0.012  # where the model ends, the scan is open

    def field(points: np.ndarray) -> np.ndarray:
        skin, depth = scalp.at(points)
        hairs = hair(points, skin, depth, scalp)
        size, apart = RELIEF
        return np.minimum(skin + size * relief(*(points / apart).T), hairs)

    vertices, faces = _surface(field, low, high, spacing, progress)
    turn = rotation_by(np.radians(random.uniform(-8, 8, 3)))
    place = Similarity(1 / metres, turn, random.uniform(-0.05, 0.05, 3) / metres)
    points, names = named_points(model), scheme_68()[17:]
    marks = np.stack([points[name][1] @ coarse[model.faces[points[name][0]]] for name in names])
    truth = Coefficients.of(model, identity=identity, similarity=place)
    return SyntheticScan(place.apply(vertices), faces, Landmarks3D(names, place.apply(marks)), truth, style)


def _surface(field, low: np.ndarray, high: np.ndarray, spacing: float, progress) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) and faces (F, 3) of where a signed distance is 0, its largest piece.

    The field is asked on a coarse grid, and again, between twice as many nodes, only where it is near 0.
    """
    from skimage.measure import marching_cubes

    sizes = [spacing * COARSEST / 2**k for k in range(int(np.log2(COARSEST)) + 1)]
    step = progress("Making the scan", len(sizes) + 1)
    grid = Grid.around(low, high, sizes[0])
    values = field(grid.centres().astype(np.float64)).reshape(grid.shape)
    step()
    for size in sizes[1:]:
        values = _twice(values)
        grid = Grid(grid.origin, size, values.shape)
        # Relief and grooves are steeper than a distance is: so a wide margin.
        near = np.flatnonzero(np.abs(values.reshape(-1)) < 2.5 * size)
        values.reshape(-1)[near] = field(grid.centres(near).astype(np.float64))
        step()
    vertices, faces, _, _ = marching_cubes(values.astype(np.float32), 0.0, spacing=(grid.spacing,) * 3)
    vertices = vertices + grid.origin
    step()
    return _largest_piece(vertices.astype(np.float64), faces.astype(np.int64))


def _twice(values: np.ndarray) -> np.ndarray:
    """(2 X - 1, 2 Y - 1, 2 Z - 1) values with the means between neighbours."""
    for axis in range(3):
        values = np.moveaxis(values, axis, 0)
        fine = np.empty((2 * len(values) - 1, *values.shape[1:]), values.dtype)
        fine[::2], fine[1::2] = values, (values[1:] + values[:-1]) / 2
        values = np.moveaxis(fine, 0, axis)
    return np.ascontiguousarray(values)


def _largest_piece(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    links = sparse.coo_matrix((np.ones(faces.size), (faces.reshape(-1), np.roll(faces, 1, axis=1).reshape(-1))))
    links.resize((len(vertices),) * 2)
    labels = connected_components(links, directed=False)[1]
    kept = labels[faces[:, 0]] == np.bincount(labels[faces[:, 0]]).argmax()
    used, faces = np.unique(faces[kept], return_inverse=True)
    return vertices[used], faces.reshape(-1, 3)


def _neck_end(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Metres: the height of the highest point of the model's open border at the neck."""
    from ..fit.surfaces import boundary_edges

    face, corner = np.nonzero(boundary_edges(faces))
    rim = vertices[np.concatenate([faces[face, (corner + 1) % 3], faces[face, (corner + 2) % 3]])]
    # Eyeballs and lips may have borders of their own; the neck's is the lowest.
    return float(rim[rim[:, 2] < rim[:, 2].min() + 0.04, 2].max()) if len(rim) else float(vertices[:, 2].min())
