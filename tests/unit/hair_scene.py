"""A small analytic scene with known strands: an ellipsoid head, combed hair, and pictures of it by splatting.

Synthetic and labelled as such: it stands in for a rendered capture where a test wants the truth in seconds.
"""

from dataclasses import dataclass

import numpy as np

from backend.geometry.surface import Surface
from backend.hair.views import HairView

SEMI_AXES = np.array([0.075, 0.095, 0.115])
"""Metres; the head looks along -Y and its middle is the origin."""


@dataclass
class Scene:
    """vertices (V, 3), faces (F, 3), scalp (S,) vertex indices, strands (N, L, 3), views."""

    vertices: np.ndarray
    faces: np.ndarray
    scalp: np.ndarray
    strands: np.ndarray
    views: list[HairView]


def ellipsoid(rings: int = 40, segments: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A closed ellipsoid: vertices (V, 3) metres, faces (F, 3) seen counter-clockwise from outside."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    around = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    grid = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], -1).reshape(-1, 3)
    vertices = np.concatenate([grid, [[0, 0, 1], [0, 0, -1]]]) * SEMI_AXES
    faces = []
    for i in range(rings - 2):
        for j in range(segments):
            q = i * segments + j, i * segments + (j + 1) % segments
            faces += [(q[0], q[0] + segments, q[1]), (q[1], q[0] + segments, q[1] + segments)]
    top, bottom, last = len(grid), len(grid) + 1, (rings - 2) * segments
    for j in range(segments):
        faces += [(top, j, (j + 1) % segments), (bottom, last + (j + 1) % segments, last + j)]
    return vertices, np.array(faces)


def scalp_vertices(vertices: np.ndarray) -> np.ndarray:
    """Indices of the upper back of the head."""
    unit = vertices / SEMI_AXES
    return np.flatnonzero((unit[:, 2] > 0.05) & (unit[:, 1] > -0.35) | (unit[:, 2] > 0.75))


def combed_strands(
    count: int, points: int, rng: np.random.Generator, length: float = 0.24, curl: float = 0.0, pitch: float = 0.03,
    clump: float = 0.012,
) -> np.ndarray:  # fmt: skip
    """(count, points, 3) metres: hair that leaves the crown, lies on the head and falls; curls of a given radius."""
    vertices, faces = ellipsoid()
    scalp = np.zeros(len(vertices), bool)
    scalp[scalp_vertices(vertices)] = True
    corners = vertices[faces[scalp[faces].all(1)]]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = rng.choice(len(corners), count, p=area / area.sum())
    b = rng.dirichlet([1, 1, 1], count)
    p = np.einsum("nk,nkc->nc", b, corners[chosen])
    guide = np.floor(p / clump).astype(int) @ np.array([1, 1000, 1000000])
    _, guide = np.unique(guide, return_inverse=True)
    lift = 1.02 + 0.14 * rng.random(count) ** 1.5
    ends = length * (0.75 + 0.25 * rng.random(count))
    steps = 300
    path = np.empty((count, steps, 3))
    for k in range(steps):
        path[:, k] = p
        normal = p / SEMI_AXES**2
        level = np.linalg.norm(p / SEMI_AXES, axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        crown = np.array([0.0, 0.03, 0.2])
        comb = (p - crown) * [1.0, 1.0, 0.3] + [0, 0.02, -0.06]
        comb -= normal * (comb * normal).sum(1, keepdims=True) * (level < lift + 0.1)[:, None]
        comb /= np.linalg.norm(comb, axis=1, keepdims=True) + 1e-9
        comb += np.array([0, 0, -1.0]) * np.clip(-p[:, 2:] / 0.05, 0, 3)
        comb += normal * 6 * np.clip(lift - level, 0, 1)[:, None]
        comb /= np.linalg.norm(comb, axis=1, keepdims=True) + 1e-9
        p = p + comb * (ends / steps)[:, None]
    if curl:
        arc = np.linspace(0, 1, steps)[None] * ends[:, None]
        turn = 2 * np.pi * arc / pitch + (rng.random(guide.max() + 1) * 2 * np.pi)[guide][:, None]
        tangent = np.gradient(path, axis=1)
        tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
        side = np.cross(tangent, [0.3, 0.9, 0.3])
        side /= np.linalg.norm(side, axis=-1, keepdims=True)
        up = np.cross(side, tangent)
        grown = curl * np.clip(arc / 0.04, 0, 1)[..., None]
        path = path + grown * (np.cos(turn)[..., None] * side + np.sin(turn)[..., None] * up)
        outside = np.linalg.norm(path / SEMI_AXES, axis=-1, keepdims=True)
        path = path * np.maximum(1.01 / outside, 1)
    index = np.linspace(0, steps - 1, points).round().astype(int)
    return path[:, index].astype(np.float32)


def cameras(count: int, size: int, distance: float = 0.9, focal: float = 1.6) -> list[tuple[np.ndarray, np.ndarray]]:
    """Intrinsics (3, 3) and world-to-camera (4, 4, OpenCV) of three rings about a point under the head's middle."""
    result = []
    target = np.array([0, 0.02, -0.03])
    for k in range(count):
        elevation = np.deg2rad([10, 40, -20][k % 3])
        azimuth = 2 * np.pi * (k // 3 + (k % 3) / 3) / max(1, count // 3)
        away = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
        forward = -away
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        world_to_camera = np.eye(4)
        world_to_camera[:3, :3] = rotation
        world_to_camera[:3, 3] = -rotation @ (target + distance * away)
        result.append(
            (np.array([[focal * size, 0, size / 2], [0, focal * size, size / 2], [0, 0, 1]]), world_to_camera)
        )
    return result


def photograph(strands, vertices, faces, camera, size, rng_seed=5, over=2):
    """Image (size, size, 3) uint8, hair and bust masks (size, size) float32, by z-buffered points, averaged down."""
    intrinsics, world_to_camera = (np.asarray(m, np.float32) for m in camera)
    fine = size * over
    footprint = 0.9 / intrinsics[0, 0] / over
    head = Surface(vertices, faces)
    skin, skin_faces = head.covering_samples(head.vertices[head.faces], footprint * 0.9)
    shade = np.random.default_rng(rng_seed).uniform(0.35, 1.0, len(strands)).astype(np.float32)
    steps = np.diff(strands, axis=1)
    lengths = np.linalg.norm(steps, axis=-1, keepdims=True)
    # Points along the strands closer than a fine pixel.
    per_segment = max(1, int(np.ceil(np.median(lengths) / footprint)))
    t = (np.arange(per_segment, dtype=np.float32) / per_segment)[None, None, :, None]
    dense = (strands[:, :-1, None] + steps[:, :, None] * t).reshape(-1, 3)
    light = np.array([0.4, -0.5, 0.77], np.float32)
    glow = np.sqrt(1 - np.clip((steps / (lengths + 1e-9)) @ light, -1, 1) ** 2)
    colour = np.repeat((0.05 + 0.6 * glow * shade[:, None]).reshape(-1), per_segment)
    lit = (0.3 + 0.7 * np.clip(head.face_normals[skin_faces] @ light, 0, 1)).astype(np.float32)
    points, values = np.concatenate([dense, skin.astype(np.float32)]), np.concatenate([colour, lit])
    local = points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    index = ((local[:, :2] / local[:, 2:] * intrinsics[0, 0] + intrinsics[:2, 2]) * over).astype(np.int32)
    inside = ((index >= 0) & (index < fine)).all(1)
    order = np.flatnonzero(inside)
    order = order[np.argsort(-local[order, 2], kind="stable")]
    flat = index[order, 1] * fine + index[order, 0]
    canvas = np.zeros((3, fine * fine), np.float32)
    canvas[0, flat], canvas[1, flat], canvas[2, flat] = values[order], order < len(dense), order >= len(dense)
    image, hair, bust = canvas.reshape(3, size, over, size, over).mean((2, 4))
    rgb = np.clip(image[..., None] * np.array([1.0, 0.8, 0.6]) * 255, 0, 255).astype(np.uint8)
    return rgb, hair, bust


def make_scene(
    strands: int = 2500, views: int = 12, size: int = 192, seed: int = 1, points: int = 100, **style
) -> Scene:
    """The whole scene; style goes to combed_strands."""
    rng = np.random.default_rng(seed)
    vertices, faces = ellipsoid()
    truth = combed_strands(strands, points, rng, **style)
    stack = []
    for k, camera in enumerate(cameras(views, size)):
        image, hair, bust = photograph(truth, vertices, faces, camera, size)
        stack.append(HairView.from_camera(f"view_{k:03d}", image, hair.astype(np.float32), bust, *camera))
    return Scene(vertices, faces, scalp_vertices(vertices), truth, stack)
