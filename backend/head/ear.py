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
_RINGS = [
    # (scale about the ear's centre, shift y, shift z, lift at each station)
    (0.84, 0, 0, [0.2, 0.6, 1.2, 1.6, 2, 2, 2, 2, 2, 1.6, 0.8, 0.3]),  # the furrow behind the ear
    (0.89, 0, 0, [0.5, 1.4, 2.2, 2.8, 3.8, 5.2, 6.6, 7.4, 6.4, 4.5, 1.6, 0.8]),  # its back
    (0.97, 0, 0, [0.8, 2.8, 5.2, 7.0, 9.2, 11.8, 13.6, 13.2, 11, 7.5, 2.4, 1.4]),
    (1.00, 0, 0, [1.1, 4.4, 7.8, 10.0, 12.4, 14.8, 16.4, 15.8, 13, 9.2, 3.6, 2.4]),  # helix, the outer rim
    (0.93, 0, 0, [1.5, 5.0, 8.6, 10.9, 13.2, 15.6, 17.0, 16.2, 13.4, 10.0, 4.6, 3.6]),
    (0.835, 0, 0, [1.5, 3.4, 4.6, 5.8, 7.4, 9.2, 10.8, 12.0, 11.8, 9.6, 5.4, 5.0]),  # scaphoid furrow
    (0.68, 0.5, 0, [2.2, 2.8, 3.4, 6.4, 10.6, 13.6, 15.6, 15.6, 13.4, 10.2, 7.2, 8.2]),  # antihelix, tragus
    (0.53, 0.0, -1.5, [2.4, 1.4, 1.4, 2.6, 5.4, 7.4, 8.6, 9.6, 10.4, 9.6, 7.4, 7.4]),  # into the concha
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
    for scale, shift_y, shift_z, lift in _RINGS:
        curve = np.column_stack([_CENTRE + (_OUTLINE - _CENTRE) * scale + [shift_y, shift_z], lift])
        spline = CubicSpline(np.arange(13), np.vstack([curve, curve[:1]]), bc_type="periodic")
        result.append(tuple(spline(stations % 12).T))
    return result
