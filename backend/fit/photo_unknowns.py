"""What the fit to photographs looks for, X of prior-guided-head.md's equation 7, and where it puts the head."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from ..flame.layer import FlameLayer
from ..flame.rotation import axis_angle_to_matrix
from .photo_start import Placement

TURNING = ("neck", "jaw")
"""Joints that are fitted, as far as a model has them."""


@dataclass(frozen=True, eq=False)
class Unknowns:
    """Tensors of one dtype.

    Attributes:
        identity: (I,) standard deviations.
        expression: (E,)
        joints: (K, 3) axis times angle of the joints in ``TURNING``.
        turn, shift: (3,) radians and (3,) metres of the head, added to where it was placed.
        size: () logarithm of its scale, added likewise.
        camera_turn, camera_shift: (J, 3) radians and metres, added to where the cameras were placed: each head turns
            about its middle before its camera, so that turn and shift hardly depend on each other.
    """

    identity: Tensor
    expression: Tensor
    joints: Tensor
    turn: Tensor
    shift: Tensor
    size: Tensor
    camera_turn: Tensor
    camera_shift: Tensor

    @classmethod
    def zero(cls, identity: int, expression: int, joints: int, views: int) -> "Unknowns":
        """All zero, float64."""
        sizes = ((identity,), (expression,), (joints, 3), (3,), (3,), (), (views, 3), (views, 3))
        return cls(*(torch.zeros(size, dtype=torch.float64) for size in sizes))

    def to(self, **kind) -> "Unknowns":
        """The same on another device or of another dtype, cut off from the graph."""
        return Unknowns(*(getattr(self, part.name).detach().to(**kind) for part in fields(self)))

    def flat(self, names: tuple[str, ...]) -> Tensor:
        """(N,) the named ones in one row."""
        return torch.cat([getattr(self, name).reshape(-1) for name in names])

    def filled(self, names: tuple[str, ...], values: Tensor) -> "Unknowns":
        """The same with the named ones taken from a row (N,)."""
        sizes = [getattr(self, name).numel() for name in names]
        parts = {n: v.view_as(getattr(self, n)) for n, v in zip(names, values.split(sizes), strict=True)}
        return replace(self, **parts)


class Stage:
    """A head model before cameras: from unknowns to the picture planes.

    Args:
        layer: gives vertices Z up, in metres.
        placement: where head and cameras were placed at first.
        device, dtype: of the tensors taken and given.
    """

    def __init__(self, layer: FlameLayer, placement: Placement, dtype: torch.dtype, device: torch.device | str = "cpu"):
        self.layer = layer.to(device, dtype)
        self.placement = placement

        def tensor(value) -> Tensor:
            return torch.as_tensor(np.asarray(value), dtype=dtype, device=device)

        self.centre, self.place = tensor(placement.centre), tensor(placement.place)
        self.rotation, self.scale = tensor(placement.rotation), tensor(placement.scale)
        self.camera_rotation = tensor(placement.cameras[:, :3, :3])
        # Where the head's middle lies before each camera.
        before = np.einsum("jkl,l->jk", placement.cameras[:, :3, :3], placement.place) + placement.cameras[:, :3, 3]
        self.before = tensor(before)
        self.focal = tensor(placement.intrinsics[:, [0, 1], [0, 1]])
        self.middle = tensor(placement.intrinsics[:, :2, 2])
        joint = layer.model.joint
        self.joints = [joint[name] for name in TURNING if name in joint]

    def unknowns(self, identity: int = 0) -> Unknowns:
        """All zero: the mean head, as it was placed. Of its identity so many modes; 0 for all."""
        layer = self.layer
        identity = min(identity or layer.identity_count, layer.identity_count)
        return Unknowns.zero(identity, layer.expression_count, len(self.joints), len(self.before))

    def pose(self, x: Unknowns) -> Tensor:
        """(1, joints, 3) for the layer."""
        rows = [x.identity.new_zeros(3)] * self.layer.joint_count
        for joint, turn in zip(self.joints, x.joints.unbind()):
            rows[joint] = turn
        return torch.stack(rows)[None]

    def head(self, x: Unknowns) -> Tensor:
        """(V, 3) vertices in the model's frame, Z up, metres."""
        return self.layer(x.identity[None], x.expression[None], self.pose(x)).vertices[0]

    def world(self, x: Unknowns, points: Tensor) -> Tensor:
        """(N, 3) in the capture's world of points (N, 3) of the head."""
        rotation = axis_angle_to_matrix(x.turn) @ self.rotation
        return (points - self.centre) @ rotation.T * (self.scale * x.size.exp()) + self.place + x.shift

    def cameras(self, x: Unknowns) -> Tensor:
        """(J, 3, 3) rotations from the world to the cameras' axes, OpenCV's."""
        return axis_angle_to_matrix(x.camera_turn) @ self.camera_rotation

    def camera_points(self, x: Unknowns, world: Tensor) -> Tensor:
        """(J, N, 3) points (N, 3) of the world before each camera, OpenCV's axes."""
        local = torch.einsum("jkl,nl->jnk", self.cameras(x), world - self.place)
        return local + (self.before + x.camera_shift)[:, None]

    def project(self, points: Tensor) -> Tensor:
        """Equation 3: (J, N, 2) pixels of points (J, N, 3) before the cameras."""
        return points[..., :2] / points[..., 2:].clamp(min=1e-6) * self.focal[:, None] + self.middle[:, None]

    def placed(self, x: Unknowns) -> Placement:
        """The placement with what was found added."""
        x = x.to(dtype=torch.float64, device="cpu")
        stage = Stage(self.layer, self.placement, torch.float64) if self.centre.dtype != torch.float64 else self
        rotation = (axis_angle_to_matrix(x.turn) @ stage.rotation).numpy()
        cameras = np.tile(np.eye(4), (len(self.before), 1, 1))
        turned = stage.cameras(x).numpy()
        cameras[:, :3, :3] = turned
        moved = (stage.before + x.camera_shift).numpy()
        cameras[:, :3, 3] = moved - turned @ self.placement.place
        return replace(
            self.placement,
            rotation=rotation,
            place=self.placement.place + x.shift.numpy(),
            scale=float(self.placement.scale * np.exp(float(x.size))),
            cameras=cameras,
        )
