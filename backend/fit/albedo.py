"""Albedo: a mean and a few modes on a head's surface, equation 2 of prior-guided-head.md.

The published fit takes both from a measured face model. Here they are our own: for the built-in head the mean is its
painted skin, with modes for the colours of its lips and brows; for any model the rest are the lowest eigenvectors of
its template's Laplacian, the smoothest patterns that its surface has, so that neither shading nor features can be
painted over much. Colours are linear RGB.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import eigsh

from ..formats.flame_model import FlameModel
from ..formats.head import BUILT_IN_HEAD

PICTURE = BUILT_IN_HEAD.with_name("built_in_head_skin.jpg")
NAME = "maquette-"
"""What the names of our own models begin with; their UVs are those of the picture."""
SKIN = (0.60, 0.35, 0.25)
"""Linear RGB of skin of middling lightness, for models without a picture."""
PATTERNS = 16
"""Eigenvectors that are taken, the constant one among them."""
COLOURED = ("lips", "eyebrows")
"""Regions with a colour of their own."""
DEVIATION = 0.12
"""Standard deviation of the constant mode's coefficients; that of smoother patterns falls with their frequency."""


@dataclass(frozen=True, eq=False)
class Albedo:
    """Colours of surface points, linear in coefficients.

    Attributes:
        mean: (S, 3) linear RGB.
        modes: (K, S) patterns, each times a colour; a unit is one standard deviation.
    """

    mean: np.ndarray
    modes: np.ndarray

    def of(self, coefficients: np.ndarray) -> np.ndarray:
        """(S, 3) linear RGB by coefficients (K, 3), equation 2."""
        return self.mean + self.modes.T @ coefficients


class AlbedoBasis:
    """The basis of a model's albedo, to be asked for at points of its surface.

    Args:
        model: whose surface it is.
        patterns: eigenvectors to take from the template's Laplacian.
    """

    def __init__(self, model: FlameModel, patterns: int = PATTERNS):
        self.model = model
        rows = [*_patterns(model, patterns)]
        for name in COLOURED if model.name.startswith(NAME) else ():
            if name in model.regions:
                inside = np.zeros(len(model.template))
                inside[model.regions[name]] = DEVIATION
                rows.append(inside)
        self.at_vertices = np.stack(rows)

    def at(self, faces: np.ndarray, weights: np.ndarray) -> Albedo:
        """The basis at points of triangles (S,) with barycentric weights (S, 3)."""
        modes = np.einsum("sk,nsk->ns", weights, self.at_vertices[:, self.model.faces[faces]])
        return Albedo(_mean(self.model, faces, weights), modes.astype(np.float32))

    def of_vertices(self) -> Albedo:
        """The basis at the model's vertices."""
        faces = np.zeros(len(self.model.template), np.int64)
        weights = np.zeros((len(faces), 3), np.float32)
        for corner in range(3):
            faces[self.model.faces[:, corner]] = np.arange(len(self.model.faces))
            weights[self.model.faces[:, corner]] = np.eye(3)[corner]
        return self.at(faces, weights)


def linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light from 0 to 1 of sRGB values from 0 to 1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    """sRGB values from 0 to 1 of linear light, clipped."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _mean(model: FlameModel, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if model.uv is None or not model.name.startswith(NAME) or not PICTURE.is_file():
        return np.tile(np.array(SKIN, np.float32), (len(faces), 1))
    picture = cv2.imdecode(np.fromfile(PICTURE, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    # A sample stands for a triangle of some millimetres, so the picture is smoothed to about that.
    picture = cv2.GaussianBlur(linear(picture.astype(np.float32) / 255).astype(np.float32), (0, 0), len(picture) / 700)
    at = np.einsum("sk,skc->sc", weights, model.uv[faces]).astype(np.float32)
    size = np.array([picture.shape[1], picture.shape[0]], np.float32)
    x, y = (at * [1, -1] + [0, 1]).T * size[:, None] - 0.5
    # OpenCV takes no more than 32,767 at a time.
    parts = [np.arange(first, min(first + 30_000, len(at))) for first in range(0, len(at), 30_000)]
    return np.concatenate(
        [
            cv2.remap(picture, x[part].astype(np.float32)[None], y[part].astype(np.float32)[None], cv2.INTER_LINEAR)[0]
            for part in parts
        ]
        or [np.zeros((0, 3), np.float32)]
    )


def _patterns(model: FlameModel, count: int) -> np.ndarray:
    """(count, V) lowest eigenvectors of the template's cotangent Laplacian, scaled to their standard deviations.

    Levy, Laplace-Beltrami Eigenfunctions Towards an Algorithm that Understands Geometry, 2006.
    """
    vertices, faces = model.template.astype(np.float64), model.faces.astype(np.int64)
    count = min(count, len(vertices) - 2)
    rows, columns, values = [], [], []
    for k in range(3):
        a, b, c = vertices[faces[:, k]], vertices[faces[:, (k + 1) % 3]], vertices[faces[:, (k + 2) % 3]]
        dot, cross = ((b - a) * (c - a)).sum(axis=1), np.linalg.norm(np.cross(b - a, c - a), axis=1)
        # Negative weights of obtuse pairs would let patterns grow without end where triangles are slivers.
        rows.append(faces[:, (k + 1) % 3])
        columns.append(faces[:, (k + 2) % 3])
        values.append(np.clip(dot / np.maximum(cross, 1e-12), 0.05, 20) / 2)
    rows, columns, values = (np.concatenate(part) for part in (rows, columns, values))
    shape = (len(vertices),) * 2
    links = sparse.coo_matrix((values, (rows, columns)), shape=shape).tocsr()
    links = links + links.T
    corners = vertices[faces]
    double = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    mass = np.bincount(faces.reshape(-1), np.repeat(double / 6, 3), len(vertices)) + 1e-12
    # Eyeballs and other pieces hang on the head by a thread, so that each does not bring a constant pattern of its own.
    stiffness = sparse.diags(np.asarray(links.sum(axis=1)).reshape(-1)) - links + 1e-6 * sparse.diags(mass)
    start = np.random.default_rng(0).standard_normal(len(vertices))
    frequency, patterns = eigsh(stiffness.tocsc(), count, sparse.diags(mass).tocsc(), sigma=-1e-3, v0=start)
    patterns = patterns.T / np.abs(patterns).max(axis=0)[:, None]
    first = frequency[frequency > 1e-3 * frequency.max()][:1]
    fall = 1 / np.sqrt(1 + np.maximum(frequency, 0) / (first if len(first) else 1.0))
    return patterns * (DEVIATION * fall)[:, None]
