"""One person's head in expressions and poses, coarse and dense. Metres, Z up, looking along -Y."""

import numpy as np
import torch

from ..flame.layer import FlameLayer
from ..flame.rotation import axis_angle_to_matrix
from .dense import DenseHead


class Poser:
    """Poses a dense head, always of the same person.

    Args:
        dense: of the model.
        identity: (<= I,) standard deviations.
    """

    def __init__(self, dense: DenseHead, identity: np.ndarray):
        self.dense, self.model = dense, dense.model
        self._layer = FlameLayer(self.model, dtype=torch.float64)
        self._identity = torch.from_numpy(np.array(identity, np.float64))[None]
        self.rest = self.posed()

    def posed(self, expression=None, pose=None, translation=None) -> np.ndarray:
        """(W, 3) float64 without displacement.

        Args:
            expression: (<= E,); None is zero, here and below.
            pose: (J, 3) axis times angle in radians, the model's own frame.
            translation: (3,) metres, the model's own frame.
        """
        return self.dense.subdivision.dense(self._coarse(expression, pose, translation).vertices[0].numpy())

    def bones(self, expression=None, pose=None) -> tuple[np.ndarray, np.ndarray]:
        """(J, 3, 3) A and (J, 3) b of each joint: what skinning does to its vertices, x -> A x + b."""
        rest, posed = self._coarse(expression), self._coarse(expression, pose)
        turns = posed.rotations[0].numpy()
        return turns, posed.joints[0].numpy() - np.einsum("jab,jb->ja", turns, rest.joints[0].numpy())

    def _coarse(self, *parts):
        given = [None if part is None else torch.from_numpy(np.array(part, np.float64))[None] for part in parts]
        with torch.no_grad():
            return self._layer(self._identity, *given)


def bends(pose: np.ndarray) -> np.ndarray:
    """(J, 3, 3) R - 1 of each joint's own turn (J, 3): what the model's pose correctives are moved by."""
    return axis_angle_to_matrix(torch.from_numpy(np.array(pose, np.float64))).numpy() - np.eye(3)


def skinned(points: np.ndarray, weights: np.ndarray, turns: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(W, 3) linear blend skinning of points (W, 3) by weights (W, J), with A (J, 3, 3) and b (J, 3) of the joints."""
    linear = np.tensordot(weights, turns, axes=1)
    return np.einsum("wab,wb->wa", linear, points) + weights @ offsets
