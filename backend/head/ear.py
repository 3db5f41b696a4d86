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
    [-4.0, 8.0], [-1.0, 20.0], [4.5, 28.5], [13.0, 32.0], [22.0, 29.5], [28.0, 21.0],
    [28.5, 8.0], [24.5, -6.0], [17.5, -19.0], [9.0, -29.0], [1.0, -28.0], [-3.5, -14.0],
])  # fmt: skip
_RINGS = [
    # (scale about the ear's centre, shift y, shift z, lift at each station)
    (0.84, 0, 0, [0.3, 1, 2, 2.5, 3, 3, 3, 3, 3, 2.0, 0.8, 0.3]),  # the furrow behind the ear
    (0.90, 0, 0, [0.7, 3, 6, 8, 9, 10, 10, 9, 7, 4.5, 1.6, 0.8]),  # its back
    (0.98, 0, 0, [1.0, 5, 9.5, 12.5, 15, 16.5, 16.5, 14.5, 11, 7, 2.2, 1.4]),
    (1.00, 0, 0, [1.3, 6.5, 11.5, 14.8, 17.5, 19.0, 18.8, 16.5, 13, 8.8, 3.2, 2.4]),  # helix, the outer rim
    (0.93, 0, 0, [1.6, 6.6, 12.3, 15.8, 18.3, 19.8, 19.4, 17.2, 13.8, 9.8, 4.2, 3.6]),
    (0.84, 0, 0, [1.6, 5.6, 9.5, 12.2, 14.2, 15.4, 15.4, 15.0, 13.0, 9.8, 5.0, 5.0]),  # scaphoid furrow
    (0.68, 0, 0, [1.4, 4.6, 8.0, 11.5, 14.0, 15.8, 16.2, 15.6, 13.0, 9.8, 6.2, 6.6]),  # antihelix, tragus
    (0.50, -1.0, -1.5, [0.6, 2.4, 4.0, 6.0, 8.2, 9.6, 10.2, 10.4, 10.4, 9.0, 6.4, 5.0]),  # into the concha
    (0.36, -2.0, -2.0, [0.0, 1.0, 1.6, 2.2, 3.2, 4.0, 4.6, 5.2, 5.6, 5.0, 3.4, 1.0]),
    (0.16, -4.0, -2.0, [-3.0, -2.6, -2.0, -1.6, -1.2, -1.0, -0.8, -0.6, -0.6, -1.0, -2.0, -3.0]),  # canal
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
