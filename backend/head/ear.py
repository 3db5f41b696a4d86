"""The auricle: closed profile curves from where it grows out of the head to the canal.

Each ring is given at twelve stations around the ear, starting in front of the canal (towards the face) and going over
the top to the back and the lobe. Side view: y back and z up in mm from the canal; ``lift`` is how far the point stands
off the head's own surface, measured sideways.
"""

import numpy as np
from scipy.interpolate import CubicSpline

# Stations: front, front-top (helix root), top-front, top, top-back, back-top, back, back-low, lobe-back, lobe,
# lobe-front, tragus.
#                   y      z    lift
_OUTLINE = np.array([
    [-4.0, 8.0], [-1.5, 19.0], [3.0, 27.5], [11.5, 32.0], [21.5, 30.5], [28.0, 22.0],
    [29.0, 9.0], [25.0, -5.0], [18.0, -18.0], [10.0, -29.0], [1.5, -29.5], [-3.5, -14.0],
])  # fmt: skip
_AURICLE = np.array([1, 1, 1, 1, 0.96, 0.93, 0.93, 1, 1.05, 1.02, 1, 1])
"""Of the outline, at each station, what stands off the head."""
_ROOT = np.array([0.88, 0.88, 0.78, 0.70, 0.62, 0.58, 0.56, 0.56, 0.62, 0.72, 0.85, 0.88])
_BACK = np.array([0.94, 0.93, 0.90, 0.86, 0.82, 0.80, 0.80, 0.80, 0.82, 0.88, 0.94, 0.94])
_RINGS = [
    # (scale about the ear's centre, one or at each station, shift y, shift z, lift at each station)
    (0.84, 0, 0, [0.2, 0.6, 1.2, 1.6, 2, 2, 2, 2, 2, 1.6, 0.8, 0.3]),  # on the head around it
    (_ROOT, 0, 0, [0.4, 0.8, 1.4, 1.6, 1.8, 1.8, 1.8, 1.8, 1.8, 1.6, 0.6, 0.5]),  # the furrow: the back overhangs it
    (_BACK, 0, 0, [0.7, 1.6, 2.6, 3.6, 4.8, 6.6, 9.4, 11.6, 10.4, 7.0, 2.4, 1.2]),  # its back
    (1.00, 0, 0, [1.0, 2.6, 4.4, 6.0, 7.6, 10.2, 14.2, 17.2, 15.4, 10.6, 4.6, 2.4]),  # helix, the outer rim
    (0.93, 0, 0, [1.6, 3.8, 6.4, 8.2, 9.8, 12.4, 16.2, 18.8, 16.8, 11.8, 5.6, 3.6]),
    (0.83, 0, 0, [1.4, 2.2, 2.4, 2.8, 4.0, 6.0, 9.4, 12.6, 12.8, 10.0, 6.0, 5.2]),  # scaphoid furrow
    (0.68, 0.5, 0, [2.2, 2.4, 2.6, 4.8, 8.0, 11.4, 14.6, 16.6, 15.4, 11.8, 8.2, 8.6]),  # antihelix, tragus
    (0.53, 0.0, -1.5, [2.4, 1.2, 1.2, 2.2, 4.6, 6.8, 8.6, 10.2, 10.8, 10.0, 7.6, 7.6]),  # into the concha
    (0.38, -2.0, -2.0, [-1.0, -0.4, -0.4, -0.2, 0.2, 0.8, 1.6, 2.6, 3.8, 4.2, 2.6, 0.0]),
    (0.16, -5.0, -2.0, [-5.0, -4.6, -4.0, -3.6, -3.2, -3.0, -2.8, -2.6, -2.6, -3.0, -4.0, -5.0]),  # canal
]
_CENTRE = np.array([11.0, 1.5])


def rings(stations: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rings from the head outwards and into the canal.

    Args:
        stations: (K,) where on the twelve stations, 0 to 12, each vertex of a ring lies.

    Returns:
        For each ring (y, z, lift), each (K,) in mm from the ear's canal, on the left side.
    """
    result = []
    for k, (scale, shift_y, shift_z, lift) in enumerate(_RINGS):
        around = (_OUTLINE - _CENTRE) * np.reshape(scale * np.ones(12) * (_AURICLE if k else 1), (-1, 1))
        curve = np.column_stack([_CENTRE + around + [shift_y, shift_z], lift])
        spline = CubicSpline(np.arange(13), np.vstack([curve, curve[:1]]), bc_type="periodic")
        result.append(tuple(spline(stations % 12).T))
    return result
