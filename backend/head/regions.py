"""Regions and landmarks of the built-in head, from its template and its shape."""

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from . import anatomy
from .template import Template

# The hairline: height (mm) over the direction from the vertical axis, degrees from the front.
_HAIRLINE = PchipInterpolator(*np.array([
    [0, 88], [14, 88], [26, 85], [36, 71], [46, 56], [55, 46], [61, 28], [66, 8], [73, 6], [78.5, 33], [90, 41],
    [100, 36], [107, 10], [115, -22], [130, -42], [150, -53], [180, -57],
], float).T)  # fmt: skip
_NECK_ROW = 41
"""The first row below the chin and the jaw's edge."""


def _direction(points):
    return np.degrees(np.arctan2(np.abs(points[:, 0]), -(points[:, 1] - 10.0)))


def hairline_height(points: np.ndarray) -> np.ndarray:
    """Height (N,) mm of the hairline in the direction of points (N, 3) mm."""
    return _HAIRLINE(_direction(points))


def regions(template: Template, vertices: np.ndarray) -> dict[str, np.ndarray]:
    """Name → vertex indices, for vertices (V, 3) in mm."""
    z = vertices[:, 2]
    grid, rings = template.grid, template.rings
    balls = {
        s: np.concatenate([template.eyeballs[s].ravel(), template.eyeballs[s + "_poles"]]) for s in ("left", "right")
    }

    skin = np.ones(len(vertices), bool)
    for part in (*balls.values(), rings["left_ear"].ravel(), rings["right_ear"].ravel()):
        skin[part] = False
    direction = _direction(vertices)
    # Vertices beside the hairline were put on it, to within rounding.
    scalp = skin & (z > hairline_height(vertices) - 0.05)
    neck = np.zeros(len(vertices), bool)
    below = grid[_NECK_ROW:]
    neck[below[below >= 0]] = True
    neck |= skin & ~scalp & (direction > 104)
    neck &= ~scalp
    face = skin & ~scalp & ~neck
    outside_rings = np.ones(len(vertices), bool)
    for name in ("left_eye", "right_eye", "mouth"):
        outside_rings[rings[name]] = False
    nose = face & outside_rings & anatomy.on_nose(vertices)
    brows = face & outside_rings & anatomy.on_eyebrow(vertices)
    forehead = face & outside_rings & (z > 36) & ~brows
    found = {
        "scalp": scalp, "face": face, "neck": neck, "nose": nose, "eyebrows": brows, "forehead": forehead,
    }  # fmt: skip
    result = {name: np.flatnonzero(mask) for name, mask in found.items()}
    result |= {
        "lips": rings["mouth"][2:5].ravel(),
        "mouth_pocket": rings["mouth"][5:].ravel(),
        "left_ear": rings["left_ear"].ravel(),
        "right_ear": rings["right_ear"].ravel(),
        "ears": np.concatenate([rings["left_ear"].ravel(), rings["right_ear"].ravel()]),
        "left_eyeball": balls["left"],
        "right_eyeball": balls["right"],
        "eyes": np.concatenate([balls["left"], balls["right"]]),
        "left_eye_region": rings["left_eye"].ravel(),
        "right_eye_region": rings["right_eye"].ravel(),
        "boundary": grid[-1],
    }
    return {name: np.unique(indices) for name, indices in result.items()}


def landmark_names() -> list[str]:
    """The 68 points of the iBUG annotation (Sagonas et al., "300 Faces in-the-Wild", 2013), in its order.

    The numbers run from 1; right and left are the person's.
    """
    names = [f"jaw {i}" for i in range(1, 18)]
    names += [f"right eyebrow {i}" for i in range(1, 6)] + [f"left eyebrow {i}" for i in range(1, 6)]
    names += [f"nose bridge {i}" for i in range(1, 5)] + [f"nose base {i}" for i in range(1, 6)]
    names += [f"right eye {i}" for i in range(1, 7)] + [f"left eye {i}" for i in range(1, 7)]
    return names + [f"outer lip {i}" for i in range(1, 13)] + [f"inner lip {i}" for i in range(1, 9)]


def landmark_targets() -> np.ndarray:
    """(68, 3) mm: where the landmarks are meant to lie, near the surface."""
    side = np.array([-1.0, 1, 1])
    jaw = CubicSpline(np.arange(5), [[71, -12, 6], [66, -8, -28], [56, -24, -62], [33, -66, -88], [0, -91, -97]])
    half = jaw(np.linspace(0, 4, 9))
    points = [*(half * side), *half[-2::-1]]
    brow = np.array([[53, -72, 27], [44, -84, 33], [33, -92, 35], [23, -97, 34], [13, -100, 31]], float)
    points += [*(brow * side), *brow[::-1]]
    points += [[0, -94, 20], [0, -101, 6], [0, -109, -7], [0, -120, -20]]
    points += [[-14, -101, -27], [-7, -106, -30], [0, -104, -31], [7, -106, -30], [14, -101, -27]]
    upper = [anatomy.lid_margin(np.array([s]), True) for s in (0.33, 0.67)]
    lower = [anatomy.lid_margin(np.array([s]), False) for s in (0.33, 0.67)]
    ends = [anatomy.lid_margin(np.array([s]), True) for s in (0.0, 1.0)]
    frontal = [ends[0], upper[0], upper[1], ends[1], lower[1], lower[0]]  # from the inner corner, over the top
    left_eye = np.array([[x[0], -78.0, z[0]] for x, z in frontal])
    right_eye = left_eye[[3, 2, 1, 0, 5, 4]] * side  # from the outer corner, over the top
    points += [*right_eye, *left_eye]
    for name_above, name_below, top, bottom in (
        ("upper border", "lower border", (-1, -0.6, -0.25, 0, 0.25, 0.6, 1), (0.6, 0.3, 0, -0.3, -0.6)),
        ("parting", "parting", (-0.85, -0.4, 0, 0.4, 0.85), (0.4, 0, -0.4)),
    ):
        for s in top:
            x, z = anatomy.lip_line(np.array([float(s)]), name_above)
            points.append([x[0], -98.0, z[0] + (0.15 if name_above == "parting" else 0)])
        for s in bottom:
            x, z = anatomy.lip_line(np.array([float(s)]), name_below)
            points.append([x[0], -98.0, z[0] - (0.15 if name_above == "parting" else 0)])
    return np.array(points, float)


def landmarks(template: Template, vertices: np.ndarray, faces: np.ndarray) -> dict[str, tuple[int, np.ndarray]]:
    """Name → (triangle, barycentric weights) on the outer skin."""
    import trimesh

    hidden = np.zeros(len(vertices), bool)
    for name, first in (("left_eye", 5), ("right_eye", 5), ("mouth", 5)):
        hidden[template.rings[name][first:]] = True
    for part in (*template.eyeballs.values(), template.rings["left_ear"], template.rings["right_ear"]):
        hidden[part] = True
    outer = np.flatnonzero(~hidden[faces].any(axis=1))
    triangles = vertices[faces[outer]]
    targets = landmark_targets()
    # Marks of the face are given as seen from the front: take the depth from the surface before the nearest point.
    eyes_and_lips = np.r_[36:68]
    targets[eyes_and_lips, 1] = anatomy.front_depth(targets[eyes_and_lips, 0], targets[eyes_and_lips, 2])
    found = {}
    for name, target in zip(landmark_names(), targets):
        nearest = trimesh.triangles.closest_point(triangles, np.broadcast_to(target, (len(triangles), 3)))
        best = int(np.argmin(np.sum((nearest - target) ** 2, axis=1)))
        weights = trimesh.triangles.points_to_barycentric(triangles[best : best + 1], nearest[best : best + 1])[0]
        found[name] = (int(outer[best]), weights.clip(0, 1) / weights.clip(0, 1).sum())
    return found
