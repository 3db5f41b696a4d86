"""A head model as a function of the numbers that a fit looks for, with its derivatives."""

from dataclasses import dataclass

import numpy as np
import torch

from ..flame.layer import FlameLayer
from ..formats.flame_model import FlameModel

POSED = ("neck", "jaw")
"""Joints that a scan tells something of; where the eyes look it does not."""
STEP = 1e-4
"""Radians of a turn, for derivatives by central differences: their error is 1e-8 of a head's size."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """One head, in its model's terms.

    Attributes:
        identity: (I,) standard deviations.
        expression: (E,)
        pose: (J, 3) radians, the root's zero.
    """

    identity: np.ndarray
    expression: np.ndarray
    pose: np.ndarray


class Shape:
    """A model, differentiated.

    Args:
        model: of FLAME's kind.
        identity: modes in use, the first of them; 0 for all.
        expression: whether expressions and the jaw are in use.
        device: where derivatives are taken.
    """

    def __init__(
        self, model: FlameModel, identity: int = 0, expression: bool = True, device: torch.device | str = "cpu"
    ):
        self.model = model
        self.identity_count = min(identity or model.identity.shape[2], model.identity.shape[2])
        self.expression_count = model.expression.shape[2] if expression else 0
        joints = POSED if expression else POSED[:1]
        self.joints = [model.joint[name] for name in joints if name in model.joint]
        self.shapes = self.identity_count + self.expression_count
        self.count = self.shapes + 3 * len(self.joints)
        self._exact = FlameLayer(model, dtype=torch.float64)
        # Derivatives need not be exact for Gauss and Newton to arrive, and are most of the work.
        self._quick = FlameLayer(model, dtype=torch.float32, device=device)
        self._device = device

    def zero(self) -> Parameters:
        """The model's mean head."""
        return Parameters(
            np.zeros(self.identity_count), np.zeros(self.expression_count), np.zeros((len(self.model.parents), 3))
        )

    def vector(self, at: Parameters) -> np.ndarray:
        """(count,) the numbers, as the columns of ``jacobian`` have them."""
        return np.concatenate([at.identity, at.expression, at.pose[self.joints].reshape(-1)])

    def parameters(self, vector: np.ndarray) -> Parameters:
        """The inverse of ``vector``."""
        pose = np.zeros((len(self.model.parents), 3))
        pose[self.joints] = vector[self.shapes :].reshape(-1, 3)
        return Parameters(vector[: self.identity_count], vector[self.identity_count : self.shapes], pose)

    def vertices(self, at: Parameters) -> np.ndarray:
        """(V, 3) float64 metres, Z up."""
        return self.many(at, at.pose[None])[0]

    def jacobian(self, at: Parameters) -> np.ndarray:
        """(3 V, count) float32 of the flattened vertices.

        For one pose the vertices are linear in identity and expression: their derivatives are the heads of one mode
        each, less the head of none.
        """
        modes = torch.cat([torch.zeros(1, self.shapes), torch.eye(self.shapes)]).to(self._device)
        pose = torch.from_numpy(at.pose).float()[None].to(self._device)
        result = np.empty((3 * len(self.model.template), self.count), np.float32)
        with torch.no_grad():
            split = modes.split([self.identity_count, self.expression_count], dim=1)
            heads = self._quick(*split, pose).vertices
            result[:, : self.shapes] = (heads[1:] - heads[:1]).flatten(1).T.cpu().numpy()
        turns = []
        for joint in np.repeat(self.joints, 3).tolist():
            axis = len(turns) // 2 % 3
            for sign in (1, -1):
                turns.append(at.pose.copy())
                turns[-1][joint, axis] += sign * STEP
        if turns:
            ends = self.many(at, np.stack(turns)).reshape(len(turns) // 2, 2, -1)
            result[:, self.shapes :] = ((ends[:, 0] - ends[:, 1]) / (2 * STEP)).T
        return result

    def many(self, at: Parameters, poses: np.ndarray) -> np.ndarray:
        """(B, V, 3) metres, Z up: one head in poses (B, J, 3)."""
        given = (torch.from_numpy(np.ascontiguousarray(part)) for part in (at.identity, at.expression))
        with torch.no_grad():
            return self._exact(*(part[None] for part in given), torch.from_numpy(poses)).vertices.numpy()
