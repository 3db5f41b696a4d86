"""Hairstyles as volumes around a head, by signed distance: what a scanner sees of hair. Synthetic.

Each style is a function of points in space, so that its surface has no vertices of any head model in it. Shapes are
rounded unions and cuts of simple solids (Quilez, "Distance functions", 2008), with grooves along the strands.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter
from scipy.spatial import cKDTree

from ..fit.surfaces import boundary_edges
from ..geometry.raster import rasterise
from ..geometry.surface import Surface

EXACT = 0.03
"""Metres from the head up to which distances are to its triangles; beyond, to its vertices."""
CLOSE = 0.0015
"""Metres from the head up to which the nearest of its triangles is looked for with more care."""
FAR = 1.0
"""Metres: where a style has nothing."""


class Noise:
    """Smooth noise, about -1 to 1, by a periodic grid of random numbers between which cubic splines run.

    Args:
        seed: of the numbers.
        cells: nodes along each axis; after as many units it repeats.
        axes: dimensions.
    """

    def __init__(self, seed: int, cells: int = 24, axes: int = 3):
        values = np.random.default_rng(seed).uniform(-1, 1, (cells,) * axes)
        self._filtered = spline_filter(values, mode="grid-wrap")
        self._cells = cells

    def __call__(self, *coordinates: np.ndarray) -> np.ndarray:
        """(N,) at coordinates (N,), one array an axis, in cells."""
        where = np.broadcast_arrays(*coordinates)
        return map_coordinates(self._filtered, np.stack(where) % self._cells, prefilter=False, mode="grid-wrap")


@dataclass(frozen=True, eq=False)
class Scalp:
    """A head to put hair on, and its measures. Metres, Z up, looking along -Y.

    Attributes:
        surface: of the head, fine.
        rough: some of its vertices, every sixteenth.
        views: of it from all sides.
        depth: (V,) metres from the hairline into the scalp, below 0 outside of it, of the surface's vertices.
        middle: (3,) of the skull.
        half: (3,) half of the skull's breadth, length and height.
    """

    surface: Surface
    rough: cKDTree
    views: "Views"
    depth: np.ndarray
    middle: np.ndarray
    half: np.ndarray

    @classmethod
    def of(cls, vertices: np.ndarray, faces: np.ndarray, scalp: np.ndarray, coarse: tuple) -> "Scalp":
        """From vertices (V, 3), faces (F, 3), the scalp's vertices (S,), and vertices and faces of the coarser mesh
        that was subdivided."""
        inside = np.zeros(len(vertices), bool)
        inside[scalp] = True
        depth = cKDTree(vertices[~inside]).query(vertices)[0] - cKDTree(vertices[inside]).query(vertices)[0]
        low, high = vertices[inside].min(axis=0), vertices[inside].max(axis=0)
        # The scalp goes down to the nape: the skull's own middle lies higher.
        half = np.array([high[0] - low[0], high[1] - low[1], 1.3 * (high[2] - low[2]) / 2]) / 2
        middle = np.array([0, (low[1] + high[1]) / 2, high[2] - half[2]])
        surface, views = Surface(vertices, faces), Views(*coarse)
        return cls(surface, cKDTree(vertices[::16]), views, depth, middle, half)

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed distance (N,) of the head at points (N, 3), and the depth (N,) of the skin nearest to them."""
        distance, vertex = self.rough.query(points, workers=-1)
        depth = self.depth[::16][vertex]
        normal = self.surface.vertex_normals[::16][vertex]
        skin = distance * np.where(((points - self.rough.data[vertex]) * normal).sum(axis=1) < 0, -1, 1)
        near = np.flatnonzero(distance < EXACT)
        there, face, weights = self.surface.nearest(points[near], candidates=3)
        close = np.flatnonzero(np.linalg.norm(points[near] - there, axis=1) < CLOSE)
        for part, better in zip((there, face, weights), self.surface.nearest(points[near[close]], candidates=12)):
            part[close] = better
        outward = skin >= 0
        outward[near] = ((points[near] - there) * self.surface.pseudonormals(face, weights)).sum(axis=1) >= 0
        # Where lips, lids and ears fold into each other, normals do not tell the outside; being seen from there does.
        in_sight, possibly = self.views.see(points)
        outward = (outward | in_sight) & possibly
        skin[near] = np.linalg.norm(points[near] - there, axis=1)
        skin = np.abs(skin) * np.where(outward, 1, -1)
        depth[near] = (weights * self.depth[self.surface.faces[face]]).sum(axis=1)
        return skin, depth


class Views:
    """A mesh seen from all around, to tell what lies outside of it whatever its folds do.

    Args:
        vertices: (V, 3) metres, Z up.
        faces: (F, 3); what is open below is closed for the views.
    """

    PIXEL, SLACK = 0.001, 0.0012
    """Metres."""
    AROUND = ((0, 10), (30, 6), (-30, 6), (60, 3), (88, 1))
    """Degrees above the horizon, and views around at that height."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray):
        face, corner = np.nonzero(boundary_edges(faces))
        rim = np.stack([faces[face, (corner + 1) % 3], faces[face, (corner + 2) % 3]], axis=1)
        rim = rim[vertices[rim[:, 0], 2] < vertices[:, 2].min() + 0.04]
        lid = np.column_stack([rim, np.full(len(rim), len(vertices))])
        points = np.concatenate([vertices, vertices[rim.reshape(-1)].mean(axis=0, keepdims=True)])
        self._views = []
        for elevation, count in self.AROUND:
            for turn in range(count):
                a, e = 2 * np.pi * turn / count, np.radians(elevation)
                right = np.array([np.cos(a), np.sin(a), 0.0])
                back = np.array([-np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), -np.sin(e)])
                axes = np.stack([right, np.cross(right, back), back], axis=1)
                flat = points @ axes
                low = flat[:, :2].min(axis=0) - 2 * self.PIXEL
                pixels = (flat[:, :2] - low) / self.PIXEL
                size = tuple(int(n) + 3 for n in pixels.max(axis=0))
                every = np.concatenate([faces, lid])
                depth = rasterise(pixels, flat[:, 2] + 10, every, size, perspective=False).depth - 10
                # What the four pixels around a point see: at the nearest, and at the farthest.
                around = np.stack([depth[:-1, :-1], depth[1:, :-1], depth[:-1, 1:], depth[1:, 1:]])
                self._views.append((axes, low, around.min(axis=0), around.max(axis=0)))

    def see(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For points (N, 3), whether some view surely sees them (N,), and whether any possibly does (N,)."""
        surely, possibly = np.zeros((2, len(points)), bool)
        for axes, low, near, far in self._views:
            flat = points @ axes
            x, y = np.floor((flat[:, :2] - low) / self.PIXEL - 0.5).astype(int).T
            inside = (x >= 0) & (y >= 0) & (x < near.shape[1]) & (y < near.shape[0])
            x, y = x.clip(0, near.shape[1] - 1), y.clip(0, near.shape[0] - 1)
            surely |= ~inside | (flat[:, 2] < near[y, x] - self.SLACK)
            possibly |= ~inside | (flat[:, 2] < far[y, x] + self.SLACK)
        return surely, possibly


def bob(seed: int):
    """Hair to the chin, its ends turned in, the face open."""
    strands, waves = Noise(seed, 96, 2), Noise(seed + 1)

    def volume(points: np.ndarray, skin: np.ndarray, depth: np.ndarray, scalp: Scalp) -> np.ndarray:
        x, y, z = (points - scalp.middle).T
        cap = _cap(skin, depth, 0.017, 0.028)
        down = (-z / 0.11).clip(0, 1.4)
        wide = scalp.half[0] + 0.014 + 0.014 * np.sin(np.pi * down / 1.4)
        long = scalp.half[1] + 0.012 - 0.018 * down
        curtain = _ellipsoid(x, y - 0.004, z.clip(0), wide, long, scalp.half[2] + 0.015)
        bottom = -0.137 - z + 0.10 * y.clip(-0.06, 0.1)
        front = (-0.040 + 0.18 * (-z).clip(0, 0.14) - 0.6 * z.clip(0)) - y
        curtain = _cut(_cut(curtain, bottom, 0.014), front, 0.012)
        hair = _join(cap, curtain, 0.012)
        around = np.arctan2(x, -y) / (2 * np.pi) * 96
        along = np.hypot(np.hypot(x, y), z) / 0.05
        groove = strands(around + 1.2 * waves(x / 0.05, y / 0.05, z / 0.05), along)
        return hair + 0.0011 * groove * (np.hypot(x, y) / 0.03).clip(0, 1)

    return volume


def afro(seed: int):
    """A ball of tight curls."""
    curls, lumps = Noise(seed, 32), Noise(seed + 1)

    def volume(points: np.ndarray, skin: np.ndarray, depth: np.ndarray, scalp: Scalp) -> np.ndarray:
        x, y, z = (points - scalp.middle).T
        ball = _ellipsoid(x, y - 0.012, z - 0.004, *(scalp.half[[0, 1, 1]] + [0.060, 0.042, 0.047]))
        # The face stays free: a hollow around it, wider towards the front.
        face = _ellipsoid(x, y + 0.125, z + 0.085, 0.090, 0.098, 0.112)
        ball = _cut(ball, -face, 0.02)
        ball = _cut(ball, -0.085 - z + 0.35 * (-y).clip(0), 0.025)
        tight, loose = (noise(x / size, y / size, z / size) for noise, size in ((curls, 0.007), (lumps, 0.03)))
        ball = ball + 0.0016 * tight + 0.004 * loose
        return _join(ball, _cap(skin, depth, 0.016, 0.022) + 0.0012 * tight * _step(depth / 0.01), 0.012)

    return volume


def ponytail(seed: int):
    """Hair combed back flat, tied at the back of the crown, the tail hanging free of the neck."""
    strands, tail_strands, waves = Noise(seed, 80, 2), Noise(seed + 1, 40, 2), Noise(seed + 2)

    def volume(points: np.ndarray, skin: np.ndarray, depth: np.ndarray, scalp: Scalp) -> np.ndarray:
        x, y, z = (points - scalp.middle).T
        back, up = scalp.half[1], scalp.half[2]
        tie = np.array([0.80 * back, 0.48 * up])
        # The tail's middle line lies in the plane of symmetry: out of the tie, over, and down.
        line = tie + np.array([[-0.012, -0.004], [0.016, 0.012], [0.036, 0.008], [0.046, -0.016], [0.048, -0.050]])
        line = np.concatenate([line, [tie + [0.045, -0.085], tie + [0.039, -0.118]]])
        line = _curve(line, 201)
        near = cKDTree(line).query(np.stack([y, z], axis=1))[1].clip(1, 199)
        ahead = line[near + 1] - line[near - 1]
        pace = np.linalg.norm(ahead, axis=1) / 2
        ahead /= 2 * pace[:, None]
        off = np.stack([y, z], axis=1) - line[near]
        forward = (off * ahead).sum(axis=1)
        at = (near + forward / pace) / 200
        side = off[:, 0] * ahead[:, 1] - off[:, 1] * ahead[:, 0]
        beyond = pace * 200 * np.maximum(at - 1, -at).clip(0)
        radius = np.interp(at.clip(0, 1), [0, 0.13, 0.34, 0.68, 0.92, 1], [0.015, 0.014, 0.022, 0.023, 0.014, 0.006])
        tail = np.sqrt(x**2 + side**2 + beyond**2) - radius
        around = np.arctan2(x, side) / (2 * np.pi) * 40
        bend = waves(x / 0.04, y / 0.04, z / 0.04)
        tail = tail + 0.0012 * tail_strands(around + bend, 6 * at)
        cap = _cap(skin, depth, 0.008, 0.018)
        # Strands run to the tie: grooves at angles around the axis through it.
        axis = tie / np.linalg.norm(tie)
        over = y * -axis[1] + z * axis[0]
        turn = np.arctan2(x, over) / (2 * np.pi) * 80
        height = (y * axis[0] + z * axis[1]) / 0.04
        cap = cap + 0.0008 * strands(turn + 0.8 * bend, height) * (np.hypot(x, over) / 0.03).clip(0, 1)
        return _join(cap, tail, 0.006)

    return volume


def bare(seed: int):
    """No hair."""
    return lambda points, skin, depth, scalp: np.full(len(points), FAR)


STYLES = {"bare": bare, "bob": bob, "afro": afro, "ponytail": ponytail}


def _cap(skin: np.ndarray, depth: np.ndarray, thick: float, soft: float) -> np.ndarray:
    """Hair lying on the scalp, so thick, beginning softly at the hairline; beyond it far below the skin."""
    return skin - thick * _step(depth / soft) + 0.003 * _step(-depth / 0.002) + 0.02 * _step(-depth / 0.012)


def _step(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _join(a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """The union of two solids, its seam rounded."""
    return np.minimum(a, b) - (radius - np.abs(a - b)).clip(0) ** 2 / (4 * radius)


def _cut(a: np.ndarray, b: np.ndarray, radius: float) -> np.ndarray:
    """What two solids have in common, its edge rounded."""
    return -_join(-a, -b, radius)


def _ellipsoid(x: np.ndarray, y: np.ndarray, z: np.ndarray, a, b, c) -> np.ndarray:
    """About the signed distance of an ellipsoid of half axes a, b and c."""
    size = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
    slope = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2)
    return size * (size - 1) / np.maximum(slope, 1e-6)


def _curve(points: np.ndarray, count: int) -> np.ndarray:
    """(count, 2) evenly along a smooth curve through points (K, 2)."""
    from scipy.interpolate import CubicSpline

    fine = CubicSpline(np.arange(len(points)), points)(np.linspace(0, len(points) - 1, 2000))
    far = np.r_[0, np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))]
    even = np.linspace(0, far[-1], count)
    return np.stack([np.interp(even, far, fine[:, k]) for k in range(2)], axis=1)
