"""The last strokes on the sculpted head: its placed vertices are moved, so that topology, regions, landmarks and UVs,
which the solid under them gave, stay as they are.

Strokes are hills as in ``features``: (place, reach, displacement) in mm of the sculpted head before it is stretched to
its measures (Z up, looking along -Y, its left at +X), mirrored where the place is not on the midline.
"""

import numpy as np
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
    ((0, -100, 9), (7, 15, 11), (0, -1.8, 0)),  # the nose's bridge
    ((0, -97, -32.5), (9, 14, 5), (0, -4.6, 0)),  # under the nose
    ((13, -90, 23), (6, 14, 6), (0, 3.0, 0)),  # beside the nose's root
    ((0, -106, 3), (6, 14, 6), (0, 1.4, 0)),
    ((12, -98, 0), (4, 14, 7), (-1.2, 3.2, 0)),  # its sides
    ((12.5, -101, -25), (4.5, 12, 3.5), (0, 3.4, 0)),  # under its wings
    ((0, -114, -16), (12, 12, 11), (0, 1.4, 0)),  # the nose's tip
    ((0, -97, -46), (27, 24, 13), (0, 3.6, 0)),  # lips
    ((0, -100, -41), (2.6, 12, 5), (0, -0.9, 0)),  # philtrum
    ((57, -36, -42), (16, 24, 18), (2.2, -2.4, 0)),  # cheek, below the arch
    ((33, -62, -77), (14, 20, 13), (3.0, -3.0, 0)),  # the jaw's body beside the chin
    ((0, -46, -104), (26, 20, 11), (0, 2.0, -9.0)),  # floor of the mouth
    ((0, -36, -100), (26, 12, 9), (0, 0, -4.0)),
    ((0, 30, -190), (160, 160, 55), (0, 13.0, 0)),  # the neck leans forward
)


_KEPT = (
    ((0, -100, -6), (18, 60, 22)),  # nose
    ((0, -95, -47), (28, 60, 14)),  # mouth
    ((32, -78, 18), (24, 60, 17)),  # eye and brow
    ((72, 11, 2), (60, 19, 34)),  # ear
    ((0, -80, -88), (16, 30, 10)),  # chin
)
"""(place, reach) of what is not smoothed."""
_SMOOTHED = 11.0
"""mm: waves shorter than about six times this are smoothed away."""


def finished(plan: Template, sculpted: np.ndarray) -> np.ndarray:
    """Vertices (V, 3) mm of the sculpted head with the last strokes, and cheeks, temples and throat made even."""
    conforming = Conforming(plan, sculpted)
    result = sculpted + conforming(hills(sculpted, plan.mirror, _STROKES))
    return result + conforming(_evening(plan, result))


def _evening(plan: Template, vertices: np.ndarray) -> np.ndarray:
    """What takes the skin to its low frequencies, by one implicit step of the squared Laplacian
    (Desbrun et al., 1999)."""
    near, area = laplacian(vertices, plan.triangles)
    mass = diags(area)
    smooth = splu((mass + _SMOOTHED**4 * near @ diags(1 / area) @ near).tocsc()).solve(area[:, None] * vertices)
    free = np.ones(len(vertices))
    mirrored = np.abs(vertices[:, :1]), vertices[:, 1:]
    for place, reach in _KEPT:
        away = ((np.hstack(mirrored) - place) / reach) ** 2
        free *= 1 - np.exp(-0.5 * np.minimum(away.sum(axis=1), 1e3))
    for part in (*plan.rings.values(), *plan.eyeballs.values(), plan.grid[-2:]):
        free[part] = 0
    return free[:, None] * (smooth - vertices)
