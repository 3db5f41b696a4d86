"""Frames that are carried along polylines without twisting about them."""

import numpy as np


def rotation_minimising_frames(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tangents, normals and binormals (N, S, 3), unit and at right angles, along polylines.

    Double reflection: Wang, Juettler, Zheng and Liu, "Computation of Rotation Minimizing Frames", ACM Transactions on
    Graphics 27(1), 2008. The first normal is any.

    Args:
        points: (N, S, 3) in any unit; the frames have their precision.
    """
    tangent = np.gradient(points, axis=1)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-12)
    normal = np.empty_like(points)
    helper = np.where(np.abs(tangent[:, 0, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(tangent[:, 0], helper)
    normal[:, 0] = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    for k in range(points.shape[1] - 1):
        # Reflected first in the plane between two points, then in that between the tangents.
        chord = points[:, k + 1] - points[:, k]
        size = np.maximum((chord * chord).sum(axis=1), 1e-18)[:, None]
        reflected = normal[:, k] - 2 / size * (chord * normal[:, k]).sum(axis=1, keepdims=True) * chord
        turned = tangent[:, k] - 2 / size * (chord * tangent[:, k]).sum(axis=1, keepdims=True) * chord
        second = tangent[:, k + 1] - turned
        size = np.maximum((second * second).sum(axis=1), 1e-18)[:, None]
        normal[:, k + 1] = reflected - 2 / size * (second * reflected).sum(axis=1, keepdims=True) * second
    return tangent, normal, np.cross(tangent, normal)
