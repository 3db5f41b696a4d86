"""Photographs of a corner of a room with pictures on its walls: exact, cheap, and with enough to see for structure from
motion. NumPy only, as Blender's tests make them too."""

import numpy as np

SIZE = (320, 240)
FOCAL = 300.0
MIDDLE = np.array([0.45, 0.45, 0.35])
"""What the cameras look at; the walls are the planes x = 0, y = 0 and z = 0, metres, and the corner is the origin."""


def cameras(count: int, spread: float = 70.0) -> list[np.ndarray]:
    """Camera-to-world (4, 4), OpenGL axes, on an arc before the corner, held level; ``spread`` degrees."""
    poses = []
    for k in range(count):
        angle = np.radians(45 + spread * (k / max(count - 1, 1) - 0.5))
        high = 0.25 + 0.35 * (k % 3) / 2
        eye = MIDDLE + np.array([1.5 * np.cos(angle), 1.5 * np.sin(angle), high])
        forward = (MIDDLE - eye) / np.linalg.norm(MIDDLE - eye)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(right, forward), -forward], axis=1)
        pose[:3, 3] = eye
        poses.append(pose)
    return poses


def photograph(pose: np.ndarray, k1: float = 0.0, size: tuple[int, int] = SIZE, focal: float = FOCAL) -> np.ndarray:
    """(H, W, 3) uint8, what a camera with one radial term sees; four samples a pixel."""
    width, height = size
    fine = 2
    u, v = np.meshgrid((np.arange(width * fine) + 0.5) / fine, (np.arange(height * fine) + 0.5) / fine)
    wanted = np.stack([(u - width / 2) / focal, (v - height / 2) / focal], axis=-1)
    at = wanted.copy()
    for _ in range(12 if k1 else 0):
        at = wanted / (1 + k1 * (at**2).sum(axis=-1, keepdims=True))
    rays = np.concatenate([at[..., :1], -at[..., 1:], -np.ones_like(at[..., :1])], axis=-1) @ pose[:3, :3].T
    eye, nearest = pose[:3, 3], np.full(u.shape, np.inf)
    colours = np.zeros((*u.shape, 3))
    for axis in range(3):
        with np.errstate(divide="ignore", invalid="ignore"):
            far = -eye[axis] / rays[..., axis]
        hit = (far > 0) & (far < nearest)
        places = eye + far[hit][:, None] * rays[hit]
        colours[hit] = _wall(axis, np.delete(places, axis, axis=1))
        nearest[hit] = far[hit]
    mean = colours.reshape(height, fine, width, fine, 3).mean(axis=(1, 3))
    return np.round(mean).astype(np.uint8)


def _wall(axis: int, places: np.ndarray) -> np.ndarray:
    """(N, 3) colours at (N, 2) metres on a wall: tiles of five sizes, each of a colour of its own."""
    total = np.zeros((len(places), 3))
    for level, (edge, weight) in enumerate(((0.31, 0.3), (0.127, 0.25), (0.053, 0.25), (0.023, 0.2))):
        turn = 0.4 + level
        turned = places @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        i, j = (np.floor(turned / edge).astype(np.int64) + 100_000).T
        for channel in range(3):
            seed = (i * 73856093) ^ (j * 19349663) ^ (83492791 * (axis * 7 + level * 31 + channel * 131 + 1))
            mixed = (seed * 2654435761) & 0xFFFFFFFF
            total[:, channel] += weight * (((mixed >> 13) ^ mixed) % 256)
    return total
