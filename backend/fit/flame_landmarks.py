"""Landmarks on FLAME's triangles, for FLAME files that bring none of the 68-point scheme (2023 Open is one).

All versions of FLAME have the same triangles, so vertices named once serve them all. These were chosen by us on the
template of FLAME 2023 Open and looked at in pictures.
"""

import hashlib

import numpy as np

from ..formats.flame_model import FlameModel, Landmarks, scheme_68

FLAME_FACES = "0e1dc70f945eb944"
"""Of the hash of FLAME's triangles, as little-endian int32 rows."""
VERTICES = (
    2189, 3157, 335, 3153, 2178, 673, 2134, 16, 2138, 694,
    3555, 3518, 3501, 3564, 1616, 1622, 3575, 484, 480,
    2447, 2453, 2494, 2518, 2278, 2358, 1369, 1343, 1218, 1195, 994, 829,
    2819, 2812, 2775, 3541, 1658, 1695, 1702, 1801, 1866, 3511, 2949, 2904,
    2715, 2786, 3531, 1669, 1579, 1849, 3504, 2938,
)  # fmt: skip
"""The 51 points of eyebrows, nose, eyes and lips, in the scheme's order."""


def flame_landmarks(model: FlameModel) -> Landmarks | None:
    """The 51 landmarks of a model with FLAME's triangles; None for any other."""
    faces = np.ascontiguousarray(model.faces, "<i4")
    if hashlib.sha256(faces.tobytes()).hexdigest()[: len(FLAME_FACES)] != FLAME_FACES:
        return None
    corners = np.array([np.argwhere(faces == vertex)[0] for vertex in VERTICES])
    return Landmarks(corners[:, 0], np.eye(3)[corners[:, 1]], scheme_68()[17:])
