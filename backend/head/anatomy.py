"""The head's solid, sculpted from implicit forms.

Millimetres, Z up, the face towards -Y, the person's left at +X; the origin lies between the two ear canals (tragia),
and the Frankfurt plane is level. The form is symmetric: fields take |x|. Ears are not part of it; they are made of
profile curves in ``ear``.
"""

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from .implicit import bump, carve, common, ellipsoid, first_crossing, round_cone, tube, union

EYE_CENTRE = np.array([31.8, -69.0, 15.0])
EYE_RADIUS = 12.2


def head_field(points: np.ndarray) -> np.ndarray:
    """Signed field in mm (N,) at points (N, 3) in mm: the whole bust without ears, lids closed over the eyes."""
    p = np.array(points, np.float64)
    p[..., 0] = np.abs(p[..., 0])
    f = _skull(p)
    f = _jaw_and_cheeks(p, f)
    f = union(f, _neck(p), 16.0)
    f = _sockets(p, f)
    f = _nose(p, f)
    f = _lips(p, f)
    return _lids(p, f)


def _skull(p):
    f = ellipsoid(p, (0, 20, 52), (75.5, 77, 76))  # parietal and occipital
    f = union(f, ellipsoid(p, (0, -28, 58), (65, 69, 67)), 34.0)  # frontal
    f = union(f, ellipsoid(p, (0, 36, 18), (67, 58, 52)), 32.0)  # occiput, down to the nape
    return f


def _jaw_and_cheeks(p, f):
    # The face's own block: maxilla between brow and mouth, then the mandible from gonion to chin.
    f = union(f, ellipsoid(p, (0, -46, -10), (54, 46, 58)), 30.0)
    mandible = tube(p, [(52, 2, -18), (42, -8, -56), (25, -52, -76), (0, -71, -80)], (12, 11.5, 13, 16), 14.0)
    f = union(f, mandible, 30.0)
    f = union(f, ellipsoid(p, (0, -58, -50), (36, 37, 36)), 24.0)  # the teeth's arch under the lips
    f = union(f, ellipsoid(p, (0, -20, -74), (40, 40, 24), -14), 22.0)  # the floor of the mouth
    f = union(f, ellipsoid(p, (0, -80.5, -85), (15, 13, 12)), 16.0)  # chin
    f = union(f, ellipsoid(p, (48, -46, -12), (15, 22, 14), 0, 25), 24.0)  # zygomatic bone
    f = union(f, round_cone(p, (56, -34, -9), (62, -4, -6), 8, 8), 22.0)  # its arch
    f = union(f, ellipsoid(p, (47, -16, -38), (13, 25, 32), 0, 8), 24.0)  # masseter
    f = union(f, ellipsoid(p, (33, -52, -38), (18, 25, 26)), 22.0)  # the cheek's fat
    return f


def _neck(p):
    f = round_cone(p, (0, 12, -20), (0, 28, -150), 49, 53)
    f = union(f, round_cone(p, (50, 28, -40), (10, -9, -182), 13, 8), 20.0)  # sternomastoid
    f = union(f, round_cone(p, (0, -24, -124), (0, -10, -160), 12, 12), 22.0)  # larynx and trachea
    f = union(f, round_cone(p, (19, 42, -24), (24, 48, -140), 26, 28), 34.0)  # nape muscles
    f = union(f, round_cone(p, (20, 50, -128), (150, 50, -205), 26, 42), 46.0)  # trapezius
    f = union(f, ellipsoid(p, (0, 38, -235), (175, 72, 62)), 40.0)  # chest and shoulders
    f = union(f, round_cone(p, (16, -12, -194), (120, 12, -186), 7, 8), 24.0)  # clavicle
    f = carve(f, ellipsoid(p, (0, -27, -182), (8, 9, 8)), 16.0)  # the notch between the clavicles
    # A sculptor's bust: the shoulders are cut by an upright oval.
    oval = np.linalg.norm((p[..., :2] - [0, 34]) / [112, 80], axis=-1)
    return common(f, (oval - 1.0) * 95.0, 22.0)


def _sockets(p, f):
    f = carve(f, ellipsoid(p, (32, -92, 13), (20, 17, 13.0), 0, 18), 15.0)
    f = f - bump(p, (22, -92, 33), (17, 14, 6), 2.6, 0, 12)  # brow ridge
    f = f - bump(p, (48, -76, 29), (9, 12, 6), 2.0)
    f = f + bump(p, (62, -52, 34), (14, 18, 18), 2.6)  # temple
    return f


def _nose(p, f):
    f = union(f, tube(p, [(0, -85, 24), (0, -93, 8), (0, -103, -8), (0, -110.5, -19.5)], (5.5, 6, 6.8, 8.2), 5.0), 10.0)
    f = union(f, ellipsoid(p, (0, -99, -14), (11.5, 12, 14), 25), 12.0)  # its side walls
    f = union(f, ellipsoid(p, (4.0, -111.5, -21.5), (6.0, 6.5, 6)), 5.0)  # tip
    f = union(f, ellipsoid(p, (12.0, -99.5, -22.5), (6.0, 9.5, 6.8), 12, 18), 5.0)  # wings
    f = union(f, round_cone(p, (0, -110, -25.5), (0, -98, -30), 3.8, 4.2), 4.0)  # columella
    return carve(f, ellipsoid(p, (7.4, -103.5, -31), (3.4, 5.8, 4.6), 0, 20), 2.5)  # nostrils


def _lips(p, f):
    upper = tube(p, [(0, -97.8, -45.5), (4, -97.6, -45.0), (14.5, -93.5, -47.5), (26, -83.0, -50.5)],
                 (5.2, 5.4, 4.4, 1.8), 3.0)  # fmt: skip
    lower = tube(p, [(0, -94.6, -56.6), (10, -92.8, -56.2), (25.5, -83.0, -51.5)], (6.4, 5.7, 1.8), 3.0)
    f = union(f, upper, 6.0)
    f = union(f, lower, 6.0)
    f = f + bump(p, (0, -104, -38), (2.6, 8, 6), 1.1)  # philtrum
    f = f - bump(p, (5.2, -102, -39), (2.2, 8, 6), 0.7)
    f = f + bump(p, (0, -96, -68), (16, 9, 4.5), 1.8)  # fold above the chin
    f = f + bump(p, (28, -84, -52), (4, 8, 4), 1.4)  # corners of the mouth
    f = f + bump(p, (23, -92, -33), (5, 9, 9), 1.2, 0, 25)  # nasolabial fold
    return f


def _lids(p, f):
    ball = ellipsoid(p, EYE_CENTRE + [0.3, 0.2, 0], (16.6, EYE_RADIUS + 1.5, EYE_RADIUS + 1.3), 0, 8)
    f = union(f, ball, 4.5)
    crease = [(20.5, -79, 20.5), (26, -83, 24.3), (33, -83.5, 25.4), (41, -78, 23.2), (47, -70, 18.5)]
    return f + 0.8 * np.exp(-((np.maximum(tube(p, crease, [0.0] * 5), 0.0) / 1.7) ** 2))  # fold of the upper lid


# Curves of lids and lips in the frontal plane, (x, z) in mm; the surface gives y.
_UPPER_LID = CubicSpline(
    [0, 0.12, 0.3, 0.5, 0.75, 1], [[16.8, 13.0], [20, 15.8], [25.5, 19.4], [31, 20.3], [39.5, 18.4], [45.8, 14.8]]
)
_LOWER_LID = CubicSpline(
    [0, 0.12, 0.3, 0.5, 0.75, 1], [[16.8, 13.0], [20, 11.6], [25.5, 10.0], [32, 9.2], [39.8, 10.6], [45.8, 14.8]]
)
_LIP_PLACES = [0, 0.1, 0.25, 0.6, 1]
_LIP_POINTS = {
    "upper border": [[0, -44.0], [2.6, -43.7], [6.5, -43.1], [17.5, -46.2], [27.2, -51.0]],
    "parting": [[0, -51.2], [2.6, -51.0], [6.5, -50.4], [17.0, -50.6], [27.2, -51.0]],
    "lower border": [[0, -59.8], [2.6, -59.8], [6.5, -59.4], [17.5, -56.0], [27.2, -51.0]],
}
_LIPS = {name: CubicSpline(_LIP_PLACES, points) for name, points in _LIP_POINTS.items()}


def lid_margin(s: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """x and z (N,) mm along a left lid's margin, s from 0 at the inner corner to 1 at the outer."""
    return tuple((_UPPER_LID if upper else _LOWER_LID)(s).T)


def lip_line(s: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """x and z (N,) mm along a line of the lips, s from -1 at the right corner to 1 at the left."""
    x, z = _LIPS[name](np.abs(s)).T
    return np.sign(s) * x, z


def front_depth(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """y (N,) mm of the face's front surface at x and z (N,) mm."""
    origins = np.column_stack([x, np.full_like(x, -150.0), z])
    forward = np.broadcast_to([0.0, 1.0, 0.0], origins.shape)
    return first_crossing(lambda p: -head_field(p), origins, forward, near=5.0, far=130.0, step=1.0)[:, 1]


def on_nose(vertices: np.ndarray) -> np.ndarray:
    """(V,) bool: within the nose's outline as seen from the front."""
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    width = np.interp(z, [-33, -30, -24, -16, -6, 8, 20, 26], [6, 13, 18.5, 17.5, 13, 9.5, 8, 6])
    return (x < width) & (z > -32) & (z < 24) & (y < -70)


def eyebrow(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height of the eyebrow's middle and half its thickness (N,) mm at the distance x from the midline."""
    middle = PchipInterpolator([11, 20, 32, 44, 57], [30.5, 33.0, 36.0, 36.0, 29.0])(np.clip(x, 11, 57))
    return middle, np.interp(x, [11, 16, 32, 46, 57], [3.4, 4.4, 4.0, 3.0, 1.6])


def on_eyebrow(vertices: np.ndarray) -> np.ndarray:
    """(V,) bool: within the eyebrows as seen from the front."""
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    middle, thick = eyebrow(x)
    return (x > 10) & (x < 58) & (y < -45) & (np.abs(z - middle) < np.maximum(thick, 2.6))
