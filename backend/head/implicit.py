"""Implicit solids that a head is sculpted from: distances, smooth unions and local bumps.

A field is a signed value in millimetres at points (..., 3): negative inside, near the surface close to a distance.
The blends are Inigo Quilez' polynomial smooth minimum ("Smooth minimum", 2013): ``blend`` is the width over which two
solids flow into each other.
"""

import numpy as np


def ellipsoid(points: np.ndarray, centre, radii, tilt: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """First-order distance to an ellipsoid (...,), mm; ``tilt`` and ``yaw`` turn it about X and Z, in degrees."""
    local = turned(points - np.asarray(centre, np.float64), tilt, yaw)
    radii = np.asarray(radii, np.float64)
    scaled = np.linalg.norm(local / radii, axis=-1)
    slope = np.linalg.norm(local / radii**2, axis=-1)
    return scaled * (scaled - 1.0) / np.maximum(slope, 1e-9)


def round_cone(points: np.ndarray, start, end, start_radius: float, end_radius: float) -> np.ndarray:
    """Distance to a capsule whose radius runs from one end to the other (...,), mm."""
    start, axis = np.asarray(start, np.float64), np.subtract(end, start, dtype=np.float64)
    along = np.clip((points - start) @ axis / (axis @ axis), 0.0, 1.0)
    nearest = start + along[..., None] * axis
    return np.linalg.norm(points - nearest, axis=-1) - (start_radius + along * (end_radius - start_radius))


def tube(points: np.ndarray, path, radii, blend: float = 0.0) -> np.ndarray:
    """Distance to round cones joined along a path of (x, y, z), with a radius at each of its points (...,), mm."""
    distance = None
    for (a, ra), (b, rb) in zip(zip(path, radii), list(zip(path, radii))[1:]):
        piece = round_cone(points, a, b, ra, rb)
        distance = piece if distance is None else union(distance, piece, blend)
    return distance


def bump(points: np.ndarray, centre, widths, height: float, tilt: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """A Gaussian hill (...,), mm, to be subtracted from a field: it raises the surface by ``height`` at its centre."""
    local = turned(points - np.asarray(centre, np.float64), tilt, yaw)
    return height * np.exp(-0.5 * np.sum((local / np.asarray(widths, np.float64)) ** 2, axis=-1))


def union(a: np.ndarray, b: np.ndarray, blend: float = 0.0) -> np.ndarray:
    """Smooth minimum of two fields."""
    if blend <= 0:
        return np.minimum(a, b)
    h = np.maximum(blend - np.abs(a - b), 0.0) / blend
    return np.minimum(a, b) - h * h * blend * 0.25


def carve(a: np.ndarray, b: np.ndarray, blend: float = 0.0) -> np.ndarray:
    """The first field less the second, smoothly."""
    return -union(-a, b, blend)


def common(a: np.ndarray, b: np.ndarray, blend: float = 0.0) -> np.ndarray:
    """Smooth maximum: what both fields hold."""
    return -union(-a, -b, blend)


def turned(vectors: np.ndarray, tilt: float, yaw: float) -> np.ndarray:
    """Vectors (..., 3) seen from axes that are turned by ``tilt`` about X, then ``yaw`` about Z, in degrees."""
    if yaw:
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        vectors = vectors @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    if tilt:
        c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
        vectors = vectors @ np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])
    return vectors


def gradient(field, points: np.ndarray, step: float = 0.05) -> np.ndarray:
    """Central differences of ``field`` at points (N, 3), per mm (N, 3)."""
    offsets = np.eye(3) * step
    return np.stack([field(points + d) - field(points - d) for d in offsets], axis=-1) / (2 * step)


def onto_surface(field, points: np.ndarray, rounds: int = 6, largest_step: float = 4.0) -> np.ndarray:
    """Points (N, 3) moved along the gradient onto the zero level, by Newton's steps."""
    for _ in range(rounds):
        slope = gradient(field, points)
        step = field(points)[:, None] * slope / np.maximum(np.sum(slope**2, axis=1, keepdims=True), 1e-6)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        points = points - step * np.minimum(1.0, largest_step / np.maximum(length, 1e-9))
    return points


def first_crossing(field, origins, directions, near=25.0, far=260.0, step=2.0) -> np.ndarray:
    """Where rays (N, 3) that start inside ``field`` first leave it, (N, 3) mm; the end of the ray where none does."""
    start, reach = np.full(len(origins), near), np.full(len(origins), far)
    going = np.arange(len(origins))
    for t in np.arange(near, far, step):
        out = field(origins[going] + (t + step) * directions[going]) > 0
        start[going[out]], reach[going[out]] = t, t + step
        going = going[~out]
        if not len(going):
            break
    for _ in range(10):
        middle = (start + reach) / 2
        out = field(origins + middle[:, None] * directions) > 0
        start, reach = np.where(out, start, middle), np.where(out, middle, reach)
    return origins + reach[:, None] * directions
