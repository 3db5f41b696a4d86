"""The last strokes on the sculpted head: its placed vertices are moved, so that topology, regions, landmarks and UVs,
which the solid under them gave, stay as they are.

Strokes are hills as in ``features``: (place, reach, displacement) in mm of the sculpted head before it is stretched to
its measures (Z up, looking along -Y, its left at +X), mirrored where the place is not on the midline.
"""

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.sparse import diags
from scipy.sparse.linalg import splu

from .conforming import Conforming, hills
from .surface import laplacian
from .template import Template

_STROKES = (
    ((62, -42, 20), (15, 26, 15), (5.0, -4.0, 0)),  # temple, from the arch up
    ((64, -40, 14), (14, 26, 8), (3.4, -2.4, 0)),
    ((50, -60, 36), (15, 20, 16), (1.6, -3.4, 0)),  # the forehead's sides
    ((30, -86, 38), (18, 20, 11), (0, -2.2, 0)),  # brow
    ((13, -90, 23), (6, 14, 6), (0, 3.0, 0)),  # beside the nose's root
    ((12, -98, 0), (4, 14, 7), (-1.2, 3.2, 0)),  # its sides
    ((12.5, -101, -25), (4.5, 12, 3.5), (0, 3.4, 0)),  # under its wings
    ((0, -97, -46), (27, 24, 13), (0, 3.6, 0)),  # lips
    ((0, -100, -41), (3.0, 12, 6), (0, -1.7, 0)),  # philtrum
    ((6, -100, -40), (3, 10, 4), (0, 0.9, 0)),
    ((57, -36, -42), (16, 24, 18), (2.2, -2.4, 0)),  # cheek, below the arch
    ((33, -62, -77), (14, 20, 13), (3.0, -3.0, 0)),  # the jaw's body beside the chin
    ((0, -46, -104), (26, 20, 11), (0, 2.0, -9.0)),  # floor of the mouth
    ((0, -36, -100), (26, 12, 9), (0, 0, -4.0)),
    ((0, 30, -190), (160, 160, 55), (0, 13.0, 0)),  # the neck leans forward
)


_DORSUM = PchipInterpolator(*np.array([
    [-46, -96.4], [-41, -98.4], [-37, -98.9], [-35, -100.0], [-32.7, -105], [-30, -110.6], [-28, -113.6],
    [-25, -116.0], [-19, -116.3], [-14, -114.6], [-9.8, -112.6], [-5, -110.4], [-0.5, -108.1], [4.2, -105.7],
    [13.6, -101.2], [22.3, -97.6], [30, -96.4],
]).T)  # fmt: skip
"""The nose's profile from under it over the tip up to its root: y over z, mm."""
_KEPT = (
    ((0, -100, -6), (18, 60, 22)),  # nose
    ((0, -95, -47), (28, 60, 14)),  # mouth
    ((32, -78, 18), (24, 60, 17)),  # eye and brow
    ((72, 11, 2), (60, 19, 34)),  # ear
    ((0, -80, -88), (16, 30, 10)),  # chin
)
"""(place, reach) of what is not smoothed."""
_SMOOTHED = 11.0
"""mm, of ``_evening`` on what is plain."""


def finished(plan: Template, sculpted: np.ndarray) -> np.ndarray:
    """Vertices (V, 3) mm of the sculpted head with the last strokes, and cheeks, temples and throat made even."""
    conforming = Conforming(plan, sculpted)
    result = sculpted + conforming(hills(sculpted, plan.mirror, _STROKES))
    result = result + conforming(_profile(plan, result))
    x, _, z = result.T
    philtrum = np.exp(-0.5 * ((x / 11) ** 2 + ((z + 39) / 5) ** 2))
    philtrum[np.concatenate([plan.rings["mouth"][4:].ravel(), np.flatnonzero(z > -30)])] = 0
    for reach, free in ((_SMOOTHED, _plain(plan, result)), (4.0, 0.8 * philtrum)):
        result = result + conforming(_evening(plan, result, reach, free))
    return result


def _profile(plan: Template, vertices: np.ndarray) -> np.ndarray:
    """What brings the nose's midline to ``_DORSUM``, fading to its sides."""
    low, high = _DORSUM.x[[0, -1]]
    x, y, z = vertices.T
    lips = plan.rings["mouth"][2:]
    middle = np.union1d(plan.grid[:, 0][plan.grid[:, 0] >= 0], plan.rings["mouth"][:2])
    middle = middle[(plan.mirror[middle] == middle) & (z[middle] > low - 2) & (z[middle] < high + 6)]
    middle = middle[np.argsort(z[middle])]
    off = _DORSUM(np.clip(z, low, high)) - np.interp(z, z[middle], y[middle])
    near = np.exp(-0.5 * (x / np.interp(z, [-36, -25, 0, 20], [10, 8.5, 6.5, 6.0])) ** 2)
    ends = np.clip((z - low) / 2, 0, 1) * np.clip((high - z) / 6, 0, 1) * np.clip((-70 - y) / 10, 0, 1)
    ends[lips] = 0
    return np.column_stack([0 * x, near * ends * off, 0 * x])


def _evening(plan: Template, vertices: np.ndarray, reach: float, free: np.ndarray) -> np.ndarray:
    """What takes the skin to its low frequencies, by one implicit step of the squared Laplacian (Desbrun et al., 1999).

    Args:
        reach: mm; waves shorter than about six times it go.
        free: (V,) how much of it each vertex has.
    """
    near, area = laplacian(vertices, plan.triangles)
    mass = diags(area)
    smooth = splu((mass + reach**4 * near @ diags(1 / area) @ near).tocsc()).solve(area[:, None] * vertices)
    return free[:, None] * (smooth - vertices)


def _plain(plan: Template, vertices: np.ndarray) -> np.ndarray:
    """(V,) 1 on cheeks, temples, throat and crown, 0 on the features."""
    free, mirrored = np.ones(len(vertices)), np.abs(vertices) * [1, 0, 0] + vertices * [0, 1, 1]
    for place, reach in _KEPT:
        away = ((mirrored - place) / reach) ** 2
        free *= 1 - np.exp(-0.5 * np.minimum(away.sum(axis=1), 1e3))
    for part in (*plan.rings.values(), *plan.eyeballs.values(), plan.grid[-2:]):
        free[part] = 0
    return free
