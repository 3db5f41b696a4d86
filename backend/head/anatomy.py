"""The head's solid, sculpted from implicit forms.

Millimetres, Z up, the face towards -Y, the person's left at +X; the origin lies between the two ear canals (tragia),
and the Frankfurt plane is level. The form is symmetric: fields take |x|. Ears are not part of it; they are made of
profile curves in ``ear``.
"""

import numpy as np
from scipy.interpolate import CubicSpline

from .implicit import bump, carve, ellipsoid, first_crossing, round_cone, tube, union

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
    f = ellipsoid(p, (0, 22, 50), (75.5, 77, 76))  # parietal and occipital
    f = union(f, ellipsoid(p, (0, -28, 58), (61, 69, 68)), 40.0)  # frontal
    f = union(f, ellipsoid(p, (0, 42, 22), (62, 54, 50)), 30.0)  # occiput, down to the nape
    return f


def _jaw_and_cheeks(p, f):
    # The face's own block: maxilla between brow and mouth, then the mandible from gonion to chin.
    f = union(f, ellipsoid(p, (0, -48, -8), (55, 44, 58)), 30.0)
    mandible = tube(p, [(50, 0, -22), (46, -14, -56), (24, -60, -78), (0, -72, -80)], (13, 12, 16, 17), 12.0)
    f = union(f, mandible, 34.0)
    f = union(f, ellipsoid(p, (0, -60, -50), (34, 36, 36)), 24.0)  # the teeth's arch under the lips
    f = union(f, ellipsoid(p, (0, -80, -84), (16, 13, 12)), 16.0)  # chin
    f = union(f, ellipsoid(p, (50, -48, -12), (13, 20, 12), 0, 25), 22.0)  # zygomatic bone
    f = union(f, round_cone(p, (58, -34, -8), (63, -2, -4), 7.5, 6.5), 16.0)  # its arch
    return f


def _neck(p):
    f = round_cone(p, (0, 18, -20), (0, 38, -150), 50, 55)
    f = union(f, round_cone(p, (50, 30, -40), (10, -10, -182), 13, 9), 18.0)  # sternomastoid
    f = union(f, round_cone(p, (0, -22, -125), (0, -8, -160), 14, 13), 16.0)  # larynx and trachea
    f = union(f, round_cone(p, (22, 50, -30), (26, 62, -140), 28, 34), 20.0)  # nape muscles
    f = union(f, round_cone(p, (20, 62, -125), (150, 60, -205), 28, 42), 46.0)  # trapezius
    f = union(f, ellipsoid(p, (0, 48, -235), (175, 72, 62)), 40.0)  # chest and shoulders
    f = union(f, round_cone(p, (16, -14, -196), (120, 12, -186), 7, 8), 22.0)  # clavicle
    return carve(f, ellipsoid(p, (0, -24, -186), (10, 12, 9)), 14.0)  # the notch between the clavicles


def _sockets(p, f):
    f = carve(f, ellipsoid(p, (32, -92, 13), (20, 17, 13.5), 0, 18), 14.0)
    f = f - bump(p, (22, -92, 33), (17, 14, 5.5), 3.6, 0, 12)  # brow ridge
    f = f - bump(p, (48, -76, 29), (9, 12, 6), 2.4)
    f = f - bump(p, (0, -99, 38), (11, 12, 8), 1.5)  # glabella
    f = f + bump(p, (62, -52, 32), (14, 18, 18), 3.5)  # temple
    return f


def _nose(p, f):
    f = union(f, tube(p, [(0, -85, 24), (0, -93, 8), (0, -103, -8), (0, -111, -19.5)], (5.5, 6, 6.6, 8.2), 5.0), 9.0)
    f = union(f, ellipsoid(p, (0, -99, -14), (10, 12, 14), 25), 12.0)  # its side walls
    f = union(f, ellipsoid(p, (4.2, -112, -21.5), (5.6, 6, 6)), 4.0)  # tip
    f = union(f, ellipsoid(p, (12.2, -98.5, -23), (5.2, 9, 6.5), 12, 18), 4.0)  # wings
    f = union(f, round_cone(p, (0, -110, -26), (0, -98, -30), 3.6, 4.0), 4.0)  # columella
    return carve(f, ellipsoid(p, (7.0, -104, -31), (3.0, 5.2, 4.2), 0, 20), 2.5)  # nostrils


def _lips(p, f):
    upper = tube(p, [(0, -99.0, -45.5), (4, -98.8, -45.0), (14, -94.5, -47.5), (25, -84.0, -50.5)],
                 (5.4, 5.6, 4.4, 1.8), 3.0)  # fmt: skip
    lower = tube(p, [(0, -96.5, -57), (10, -94.5, -56.6), (24.5, -84.0, -51.5)], (6.8, 6.0, 1.8), 3.0)
    f = union(f, upper, 5.0)
    f = union(f, lower, 5.0)
    f = f + bump(p, (0, -104, -38), (2.6, 8, 6), 1.1)  # philtrum
    f = f - bump(p, (5.2, -102, -39), (2.2, 8, 6), 0.7)
    f = f + bump(p, (0, -96, -68), (16, 9, 4.5), 2.6)  # fold above the chin
    f = f + bump(p, (28, -84, -52), (4, 8, 4), 1.6)  # corners of the mouth
    f = f + bump(p, (23, -92, -33), (5, 9, 9), 1.6, 0, 25)  # nasolabial fold
    return f


def _lids(p, f):
    ball = ellipsoid(p, EYE_CENTRE + [0.3, 0.2, 0], (16.6, EYE_RADIUS + 1.5, EYE_RADIUS + 1.3), 0, 8)
    f = union(f, ball, 4.5)
    return f


# Curves of lids and lips in the frontal plane, (x, z) in mm; the surface gives y.
_UPPER_LID = CubicSpline(
    [0, 0.12, 0.3, 0.5, 0.75, 1], [[16.8, 13.0], [20, 15.8], [25.5, 19.4], [31, 20.3], [39.5, 18.4], [45.8, 14.8]]
)
_LOWER_LID = CubicSpline(
    [0, 0.12, 0.3, 0.5, 0.75, 1], [[16.8, 13.0], [20, 11.6], [25.5, 10.0], [32, 9.2], [39.8, 10.6], [45.8, 14.8]]
)
_LIPS = {
    "upper border": CubicSpline([0, 0.1, 0.25, 0.6, 1], [[0, -43.2], [2.6, -42.9], [6.5, -42.3], [17, -46.2], [26.2, -51.0]]),
    "parting": CubicSpline([0, 0.1, 0.25, 0.6, 1], [[0, -51.2], [2.6, -51.0], [6.5, -50.4], [16.5, -50.6], [26.2, -51.0]]),
    "lower border": CubicSpline([0, 0.1, 0.25, 0.6, 1], [[0, -60.8], [2.6, -60.8], [6.5, -60.4], [17, -56.6], [26.2, -51.0]]),
}  # fmt: skip


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


def on_eyebrow(vertices: np.ndarray) -> np.ndarray:
    """(V,) bool: within the eyebrows as seen from the front."""
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    middle = np.interp(x, [11, 20, 32, 44, 56], [31, 33.5, 36, 35.5, 28])
    thick = np.interp(x, [11, 16, 32, 46, 57], [3.5, 4.6, 4.4, 3.4, 2.0])
    return (x > 11) & (x < 57) & (y < -50) & (np.abs(z - middle) < thick)
