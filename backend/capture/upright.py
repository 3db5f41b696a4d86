"""Which way is up in a capture: motion from pictures (COLMAP) gives a world that may lie on its side."""

import numpy as np

LEVEL = np.sin(np.radians(12))
"""Photographs are held about level: the sine by which their horizontals may rise, in the mean, where up is up."""


def upright_turn(world_to_camera: np.ndarray) -> np.ndarray:
    """The rotation that sets a capture's world upright, as its cameras were held.

    Up is what all pictures' horizontals lie at right angles to, on the side where the pictures' tops are; that holds
    for cameras which look down or up as well, where the mean of the pictures' tops would lean. A capture in which +Z
    agrees with the cameras stays as it is, and so does one whose cameras agree on nothing.

    Args:
        world_to_camera: (V, 4, 4), OpenCV's axes.

    Returns:
        (3, 3) float64: takes the world's directions to ones with +Z up; the identity where nothing is to be done.
    """
    axes = np.asarray(world_to_camera, np.float64)[:, :3, :3]
    if _agree(axes[:, 0], -axes[:, 1].mean(axis=0), np.array([0.0, 0.0, 1.0])):
        return np.eye(3)
    up = held_up(world_to_camera)
    return np.eye(3) if up is None else turn_to_z(up)


def held_up(world_to_camera: np.ndarray) -> np.ndarray | None:
    """The direction of the world that is up as a capture's cameras were held, or None where they agree on nothing.

    Args:
        world_to_camera: (V, 4, 4), OpenCV's axes.

    Returns:
        (3,) float64 unit vector.
    """
    axes = np.asarray(world_to_camera, np.float64)[:, :3, :3]
    horizontal, mean = axes[:, 0], -axes[:, 1].mean(axis=0)
    # The mean decides where all horizontals are parallel, and leaves up free to turn about them.
    _, directions = np.linalg.eigh(horizontal.T @ horizontal / len(axes) - 0.05 * np.outer(mean, mean))
    up = directions[:, 0] * np.sign(directions[:, 0] @ mean)
    return up if _agree(horizontal, mean, up) else None


def _agree(horizontal: np.ndarray, mean: np.ndarray, up: np.ndarray) -> bool:
    return bool(mean @ up > 0.3 and np.sqrt(np.mean((horizontal @ up) ** 2)) < LEVEL)


def turn_to_z(up: np.ndarray) -> np.ndarray:
    """(3, 3): the shortest rotation that takes a unit vector (3,) to +Z."""
    z = np.array([0.0, 0.0, 1.0])
    if up @ z < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.cross(up, z)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + up @ z)
