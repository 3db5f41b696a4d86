"""The jaw's outline as a turned head shows it: which points of the skin stand for the 17 landmarks at each yaw.

Landmarks 1 to 17 are annotated on the outline that a photograph shows, which on a turned head's far side is the cheek's
and not the jaw's. As in FLAME's dynamic contour there is a row for each degree.
"""

import numpy as np

from ..formats.flame_model import CONTOUR_YAWS, Landmarks

CHIN = slice(7, 10)
"""The landmarks that stay where they are at every yaw."""


def dynamic_contour(
    vertices: np.ndarray, faces: np.ndarray, jaw: Landmarks, regions: dict[str, np.ndarray]
) -> Landmarks:
    """The 79 rows.

    Args:
        vertices: (V, 3) mm, Z up, looking along -Y.
        faces: (F, 3)
        jaw: the 17 points of the head seen from the front.
        regions: of the head; what is no outer skin of the face is never on the outline.
    """
    outer = np.ones(len(vertices), bool)
    for name in ("ears", "eyes", "mouth_pocket", "left_eye_region", "right_eye_region", "scalp"):
        outer[regions[name]] = False
    skin = np.flatnonzero(outer[faces].all(axis=1))
    slices = [_slice(vertices, faces, skin, f, w) for f, w in zip(jaw.faces, jaw.weights)]
    count = len(jaw.faces)
    rows_f = np.tile(jaw.faces, (CONTOUR_YAWS, 1))
    rows_w = np.tile(jaw.weights, (CONTOUR_YAWS, 1, 1))
    most = CONTOUR_YAWS // 2
    for row in range(1, CONTOUR_YAWS):
        # Rows to 39 are a head that turns towards its own right, whose right side goes away from the viewer.
        degrees = row if row <= most else most - row
        yaw = np.radians(degrees)
        for k in range(count):
            right = k < CHIN.start
            if CHIN.start <= k < CHIN.stop or right != (degrees > 0):
                continue
            points, at, weights = slices[k]
            # The viewer's sideways axis in the head's frame; the head turned by the yaw about the vertical.
            sideways = points[:, 0] * np.cos(yaw) + points[:, 1] * np.sin(yaw)
            best = np.argmin(sideways) if right else np.argmax(sideways)
            rows_f[row, k], rows_w[row, k] = at[best], weights[best]
    return Landmarks(rows_f, rows_w, jaw.names)


def _slice(vertices, faces, skin, triangle, weights):
    """Points, triangles and weights where the level plane through a landmark cuts its side's skin before it."""
    start = weights @ vertices[faces[triangle]]
    side = np.sign(start[0]) or 1.0
    corners = vertices[faces[skin]]
    height = corners[..., 2] - start[2]
    points, at, barycentric = [start], [int(triangle)], [np.asarray(weights, float)]
    for a, b in ((0, 1), (1, 2), (2, 0)):
        cut = np.flatnonzero((height[:, a] < 0) != (height[:, b] < 0))
        t = height[cut, a] / (height[cut, a] - height[cut, b])
        point = (1 - t)[:, None] * corners[cut, a] + t[:, None] * corners[cut, b]
        ahead = (point[:, 1] <= start[1]) & (point[:, 0] * side > 0)
        share = np.zeros((len(cut), 3))
        share[np.arange(len(cut)), a], share[np.arange(len(cut)), b] = 1 - t, t
        points += list(point[ahead])
        at += skin[cut[ahead]].tolist()
        barycentric += list(share[ahead])
    return np.array(points), np.array(at), np.array(barycentric)
