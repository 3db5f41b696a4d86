"""Where a head lies: the similarity between two sets of points."""

import numpy as np

from ..formats.coefficients import Similarity


def umeyama(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None, with_scale: bool = True
) -> Similarity:
    """The similarity that takes points nearest to others, in the sense of least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991, equations 34-42.

    Args:
        source: (N, 3)
        target: (N, 3)
        weights: (N,) of the squared distances; all alike without.
        with_scale: False for a rigid motion.
    """
    weights = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    weights = weights / weights.sum()
    middle, goal = weights @ source, weights @ target
    a, b = source - middle, target - goal
    left, values, right = np.linalg.svd((weights[:, None] * b).T @ a)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    rotation = (left * signs) @ right
    scale = float((values * signs).sum() / max((weights[:, None] * a * a).sum(), 1e-300)) if with_scale else 1.0
    return Similarity(scale, rotation, goal - scale * rotation @ middle)


def rotation_by(turn: np.ndarray) -> np.ndarray:
    """(3, 3) the rotation about an axis (3,) by its length in radians (Rodrigues' formula)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(turn).as_matrix()
