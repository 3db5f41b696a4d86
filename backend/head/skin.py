"""The built-in head's picture: skin, brows, lips and eyes painted by rule in the sculpted head's own space."""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import distance_transform_edt, map_coordinates

from . import anatomy
from .regions import hairline_height
from .template import Template

# sRGB, 0 to 1.
SKIN = np.array([0.800, 0.622, 0.535])
FLUSH = np.array([0.765, 0.480, 0.425])
SHADE = np.array([0.640, 0.470, 0.415])
LIPS = np.array([0.680, 0.430, 0.395])
MOUTH = np.array([0.330, 0.130, 0.125])
LID_RIM = np.array([0.740, 0.500, 0.455])
LASHES = np.array([0.215, 0.150, 0.125])
BROWS = np.array([0.270, 0.190, 0.145])
STUBBLE = np.array([0.560, 0.460, 0.415])
SCLERA = np.array([0.880, 0.855, 0.835])
IRIS = np.array([0.345, 0.270, 0.190])


def paint(plan: Template, sculpted: np.ndarray, faces: np.ndarray, uv: np.ndarray, size: int = 2048) -> np.ndarray:
    """The picture (size, size, 3) uint8 sRGB, first row at the top.

    Args:
        sculpted: (V, 3) mm, before any warp to measures: the rules below are given in its coordinates.
        faces: (F, 3).
        uv: (F, 3, 2) in the unit square.
    """
    eyes = np.zeros(len(sculpted))
    for part in plan.eyeballs.values():
        eyes[part] = 1.0
    ears = np.maximum(_ring_depth(plan, "left_ear"), _ring_depth(plan, "right_ear"))
    attributes = np.column_stack([sculpted, _ring_depth(plan, "mouth"), _lid_depth(plan), eyes, ears])
    texels, covered = _rasterise(attributes, faces, uv, size)
    point, mouth, lid, eye = texels[:, :3], texels[:, 3], texels[:, 4], texels[:, 5] > 0.5
    colour = _skin(point, texels[:, 6])
    colour = _mixed(colour, LIPS * (0.94 + 0.12 * _noise(point, 1.1))[:, None], _step(mouth, 2.55, 3.2))
    colour = _mixed(colour, MOUTH, _step(mouth, 4.6, 5.4))
    colour = _mixed(colour, LID_RIM, _step(lid, 3.7, 4.1))
    upper = _step(point[:, 2] - np.interp(np.abs(point[:, 0]), [16.8, 45.8], [13.0, 14.8]), -0.4, 1.2)
    colour = _mixed(colour, LASHES, _step(lid, 3.5, 3.9) * (1 - _step(lid, 4.2, 4.7)) * (0.30 + 0.55 * upper))
    colour[eye] = _eyeball(point[eye])
    picture = np.zeros((size, size, 3))
    picture[covered] = colour
    # Colours run on beyond the islands, so that filtering never takes in the background.
    nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return np.round(picture[tuple(nearest)] * 255).clip(0, 255).astype(np.uint8)


def _ring_depth(plan, name):
    """(V,) 0 outside a block's rings, 1, 2, … on them inwards."""
    depth = np.zeros(plan.vertex_count)
    for k, ring in enumerate(plan.rings[name]):
        depth[ring] = k + 1.0
    return depth


def _lid_depth(plan):
    return np.maximum(_ring_depth(plan, "left_eye"), _ring_depth(plan, "right_eye"))


def _skin(point, ear):
    x, y, z = np.abs(point[:, 0]), point[:, 1], point[:, 2]

    def spot(centre, widths):
        return np.exp(-0.5 * (((x - centre[0]) / widths[0]) ** 2 + ((y - centre[1]) / widths[1]) ** 2
                              + ((z - centre[2]) / widths[2]) ** 2))  # fmt: skip

    coarse, fine = _noise(point, 14.0), _noise(point, 2.2)
    colour = SKIN * (1 + 0.045 * (coarse - 0.5) + 0.05 * (fine - 0.5))[:, None]
    flush = (0.50 * spot((40, -72, -18), (17, 25, 15)) + 0.55 * spot((0, -118, -22), (10, 12, 9))
             + 0.35 * spot((14, -100, -24), (6, 9, 6)) + 0.25 * spot((0, -95, -84), (16, 15, 10))
             + 0.35 * _step(ear, 0.0, 2.5))  # fmt: skip
    colour = _mixed(colour, FLUSH, np.clip(flush * (0.75 + 0.5 * coarse), 0, 1))
    shade = (0.45 * spot((26, -84, 8), (10, 12, 4.5)) + 0.40 * spot((30, -84, 25.5), (14, 14, 3.2))
             + 0.30 * spot((18, -84, 14), (4, 10, 8)) + 0.9 * spot((7.4, -103, -29), (3.0, 5.0, 2.2))
             + 0.20 * spot((0, -96, -66), (15, 9, 3.5)))  # fmt: skip
    colour = _mixed(colour, SHADE * 0.92, np.clip(shade, 0, 0.9))
    height = hairline_height(point)
    scalp = _step(z - height + 3 * (fine - 0.5), -3, 9) * (1 - _step(ear, 0.1, 0.9))
    colour = _mixed(colour, STUBBLE, 0.45 * scalp)
    return _mixed(colour, BROWS, _brows(point))


def _brows(point):
    """(N,) how much of the brow's hair covers the skin: hairs lie outwards and up, denser along the middle."""
    x, y, z = np.abs(point[:, 0]), point[:, 1], point[:, 2]
    middle, thick = anatomy.eyebrow(x)
    across = (z - middle) / thick
    body = np.exp(-0.5 * (np.abs(across) / 0.62) ** 2.6) * _step(x, 9.5, 15) * (1 - _step(x, 50, 58)) * (y < -45)
    lean = CubicSpline([10, 18, 30, 45, 58], [1.3, 1.0, 0.35, -0.1, -0.3])(np.clip(x, 10, 58))
    hairs = _noise(np.column_stack([(x - lean * (z - middle)) * 1.0, 0 * y, (z - middle) * 0.22 - x * 0.06]), 0.75)
    return np.clip(body * (0.35 + 1.15 * hairs), 0, 0.88)


def _eyeball(point):
    centre = anatomy.EYE_CENTRE * np.array([1.0, 1, 1])
    local = point * [1, 1, 1] - centre
    local[:, 0] = np.abs(point[:, 0]) - centre[0]
    angle = np.degrees(np.arccos(np.clip(-local[:, 1] / np.linalg.norm(local, axis=1), -1, 1)))
    turn = np.arctan2(local[:, 2], local[:, 0])
    streaks = _noise(np.column_stack([np.cos(turn) * 14, np.sin(turn) * 14, angle * 0.22]), 1.0)
    colour = np.repeat(SCLERA[None], len(point), axis=0)
    colour = _mixed(colour, np.array([0.80, 0.62, 0.57]), 0.55 * _step(angle, 45, 75))
    ring = np.clip((angle - 10) / 18, 0, 1)
    iris = IRIS * (0.72 + 0.65 * streaks)[:, None] * (1.25 - 0.45 * ring)[:, None]
    iris = _mixed(iris, IRIS * 0.35, _step(angle, 24.5, 28.5))
    colour = _mixed(colour, iris, 1 - _step(angle, 27.2, 29.8))
    return _mixed(colour, np.array([0.015, 0.013, 0.012]), 1 - _step(angle, 9.6, 11.2))


def _mixed(a, b, amount):
    amount = np.asarray(amount)[:, None]
    return a * (1 - amount) + b * amount


def _step(value, low, high):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _noise(point, grain):
    """Smooth noise (N,) from 0 to 1 with bumps of about ``grain`` mm; always the same."""
    grid = np.random.default_rng(7).random((64, 64, 64))
    total = np.zeros(len(point))
    for octave, weight in ((1.0, 0.6), (2.1, 0.4)):
        total += weight * map_coordinates(grid, (point / grain * octave).T, order=1, mode="grid-wrap")
    return np.clip(0.5 + 1.6 * (total - 0.5), 0, 1)


def _rasterise(attributes, faces, uv, size):
    """Attributes (V, A) at every texel that a triangle covers: (T, A), and the (size, size) bool of those texels."""
    picture = np.zeros((size, size, attributes.shape[1]))
    covered = np.zeros((size, size), bool)
    corners = uv * [size, -size] + [0, size] - 0.5  # texel centres at whole numbers
    for triangle, values in zip(corners, attributes[faces]):
        low = np.maximum(np.floor(triangle.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(triangle.max(axis=0)).astype(int), size - 1)
        a, b, c = triangle
        twice = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(twice) < 1e-9:
            continue
        x = np.arange(low[0], high[0] + 1) - a[0]
        y = (np.arange(low[1], high[1] + 1) - a[1])[:, None]
        p = (x * (c[1] - a[1]) - y * (c[0] - a[0])) / twice
        q = (y * (b[0] - a[0]) - x * (b[1] - a[1])) / twice
        inside = (p >= -1e-3) & (q >= -1e-3) & (p + q <= 1 + 1e-3)
        window = np.s_[low[1] : high[1] + 1, low[0] : high[0] + 1]
        p, q = p[inside][:, None], q[inside][:, None]
        picture[window][inside] = values[0] * (1 - p - q) + values[1] * p + values[2] * q
        covered[window] |= inside
    return picture[covered], covered
