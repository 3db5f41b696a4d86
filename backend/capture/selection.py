"""Which views to use when not all are wanted."""

import numpy as np

from ..formats.capture import Camera


def spread(cameras: list[Camera], views: int) -> list[int]:
    """Indices, ascending, of at most ``views`` cameras that look from directions as different as can be; 0 takes all.

    Farthest-point sampling on viewing directions (Gonzalez 1985), from the first camera on.
    """
    if not views or views >= len(cameras):
        return list(range(len(cameras)))
    directions = np.array([camera.direction for camera in cameras])
    chosen = [0]
    apart = 1 - directions @ directions[0]
    while len(chosen) < views:
        apart[chosen] = -1.0
        chosen.append(int(np.argmax(apart)))
        apart = np.minimum(apart, 1 - directions @ directions[chosen[-1]])
    return sorted(chosen)
