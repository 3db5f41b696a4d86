"""FLAME as a differentiable layer: M(beta, theta, psi) = W(T_P(beta, theta, psi), J(beta), theta, W), equation 1.

Li, Bolkart, Black, Li, Romero, "Learning a model of facial shape and expression from 4D scans", 2017. As in every
implementation of it, the joints are regressed from the template with identity and expression, so that parameters found
by trackers mean the same here; the paper writes J(beta).

Vertices are kept as three planes (B, 3, V) inside: on processors that is what makes skinning as cheap as the bases.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import HeadError
from ..formats.flame_model import CONTOUR_YAWS, FlameModel
from .rotation import axis_angle_to_matrix

TURN = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))
"""From a model's own frame (Y up, looking along +Z) to the project's (Z up, looking along -Y)."""


class Posed(NamedTuple):
    """Heads as the layer gives them.

    Attributes:
        vertices: (B, V, 3) metres times scale.
        joints: (B, J, 3) where the joints came to lie.
        rotations: (B, J, 3, 3) how each joint is turned in all, its parents' turns included.
    """

    vertices: Tensor
    joints: Tensor
    rotations: Tensor


class FlameLayer(nn.Module):
    """A head model on a device.

    Args:
        model: as read from its file.
        up: "Z" gives vertices in the project's frame, "Y" in the model's own. Parameters (poses, translation) are the
            model's own in both, as FLAME's trackers write them.
        dtype: float32 or float64.
        device: where it computes.
    """

    def __init__(
        self,
        model: FlameModel,
        up: str = "Z",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        super().__init__()
        self.model = model
        self.identity_count, self.expression_count = model.identity.shape[2], model.expression.shape[2]
        self.joint_count, self.vertex_count = len(model.parents), len(model.template)
        turn = torch.tensor(TURN if up == "Z" else torch.eye(3).tolist(), dtype=torch.float64)

        def tensor(array) -> Tensor:
            return torch.from_numpy(array).to(torch.float64)

        def turned(array) -> Tensor:
            # (V, 3, ...) to three planes of vertices, in the output's axes: (..., 3, V).
            return torch.einsum("ik,vk...->...iv", turn, tensor(array))

        shapes = torch.cat([turned(model.identity), turned(model.expression)])
        template = turned(model.template)
        regressor = tensor(model.joint_regressor)
        constants = {
            "turn": turn,
            "template": template.reshape(1, -1),
            "basis": torch.cat([shapes, turned(model.pose_correctives)]).reshape(-1, template.numel()),
            "joint_template": torch.einsum("jv,iv->ji", regressor, template).reshape(1, -1),
            "joint_basis": torch.einsum("jv,kiv->kji", regressor, shapes).flatten(1),
            "weights": tensor(model.weights).T,
        }
        for name, value in constants.items():
            self.register_buffer(name, value.to(device, dtype).contiguous(), persistent=False)
        for scheme, points in model.embeddings.items():
            corners = torch.from_numpy(model.faces[points.faces]).long()
            self.register_buffer(_name("corners", scheme), corners.to(device), persistent=False)
            weights = tensor(points.weights).to(device, dtype)
            self.register_buffer(_name("barycentric", scheme), weights, persistent=False)

    def forward(
        self,
        identity: Tensor | None = None,
        expression: Tensor | None = None,
        pose: Tensor | None = None,
        translation: Tensor | None = None,
        scale: Tensor | None = None,
    ) -> Posed:
        """Heads of given parameters; what is None is zero (scale: one).

        Each may have B rows, or one that serves for all: an identity of one row is blended once for a whole sequence.

        Args:
            identity: (B, <= I) standard deviations; modes that are not there are zero.
            expression: (B, <= E)
            pose: (B, J, 3) axis times angle in radians for each joint, the root first.
            translation: (B, 3) metres, the model's own frame; after scale.
            scale: (B,)
        """
        identity = self._or_zero(identity, 0)
        expression = self._or_zero(expression, 0)
        pose = self._or_zero(pose, self.joint_count, 3)
        self._check(identity, expression, pose)
        local = axis_angle_to_matrix(pose)
        # The pose correctives' features are R - 1 of all joints but the root, row by row, in the model's own frame.
        bend = (local[:, 1:] - torch.eye(3, dtype=local.dtype, device=local.device)).flatten(1)
        first = self.identity_count + self.expression_count
        shape = [(identity, 0), (expression, self.identity_count)]
        rest = _blend(self.template, self.basis, [*shape, (bend, first)] if len(self.basis) > first else shape)
        rest_joints = _blend(self.joint_template, self.joint_basis, shape).unflatten(1, (self.joint_count, 3))
        # T_P(beta, theta, psi), as three planes.
        rest = rest.unflatten(1, (3, self.vertex_count))
        rotations, joints = self._chain(self.turn @ local @ self.turn.T, rest_joints)
        vertices = self._skinned(rest, rotations, joints - _apply(rotations, rest_joints))
        if scale is not None:
            vertices, joints = vertices * scale.view(-1, 1, 1), joints * scale.view(-1, 1, 1)
        if translation is not None:
            offset = translation @ self.turn.T
            vertices, joints = vertices + offset[:, :, None], joints + offset[:, None, :]
        count = len(vertices)
        return Posed(vertices.transpose(1, 2), joints.expand(count, -1, -1), rotations.expand(count, -1, -1, -1))

    def _chain(self, local: Tensor, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
        """Forward kinematics.

        Args:
            local: (B, J, 3, 3) each joint's own turn.
            rest_joints: (B, J, 3) metres.

        Returns:
            rotations (B, J, 3, 3) and joints (B, J, 3), with all parents' turns.
        """
        rotations, joints = [local[:, 0]], [rest_joints[:, 0]]
        for j, parent in enumerate(self.model.parents[1:].tolist(), start=1):
            rotations.append(rotations[parent] @ local[:, j])
            bone = rest_joints[:, j] - rest_joints[:, parent]
            joints.append(joints[parent] + _apply(rotations[parent], bone))
        batch = max(len(local), len(rest_joints))
        return torch.stack(rotations, dim=1), torch.stack([j.expand(batch, 3) for j in joints], dim=1)

    def _skinned(self, rest: Tensor, rotations: Tensor, offsets: Tensor) -> Tensor:
        """Linear blend skinning.

        Args:
            rest: (B, 3, V) metres, the unposed head.
            rotations: (B, J, 3, 3)
            offsets: (B, J, 3) what each joint's turn about the origin lacks to be one about the joint.

        Returns:
            (B, 3, V)
        """
        batch = max(len(rotations), len(offsets))
        moves = torch.cat([rotations.expand(batch, -1, -1, -1), offsets[..., None]], dim=-1)  # (B, J, 3, 4)
        rows = moves.permute(0, 2, 3, 1).reshape(-1, self.joint_count)
        # Each vertex's own (3, 4) matrix, as twelve planes: (B, 3, V) for each of its columns.
        along_x, along_y, along_z, offset = (rows @ self.weights).view(batch, 3, 4, -1).unbind(dim=2)
        x, y, z = rest[:, None].unbind(dim=2)
        return torch.addcmul(torch.addcmul(torch.addcmul(offset, along_x, x), along_y, y), along_z, z)

    def restricted(self, vertices: Tensor) -> "FlameLayer":
        """The layer for some vertices only, in the order given; landmarks are left out.

        Args:
            vertices: (N,) indices.
        """
        part = copy.copy(self)
        part._buffers = dict(self._buffers)
        part.vertex_count = len(vertices)
        for name in ("template", "basis"):
            planes = getattr(self, name).unflatten(-1, (3, self.vertex_count))
            part._buffers[name] = planes[..., vertices].flatten(-2).contiguous()
        part._buffers["weights"] = self.weights[:, vertices].contiguous()
        for name in list(part._buffers):
            if name.startswith(("corners_of_", "barycentric_of_")):
                del part._buffers[name]
        return part

    def landmarks(self, posed: Posed, scheme: str, camera: Tensor | None = None) -> Tensor:
        """Landmarks of posed heads.

        Args:
            posed: as ``forward`` gave it.
            scheme: a key of ``model.landmarks`` ("static", "full", "mediapipe"), "contour" for the 17 points on the
                outline of the jaw as seen, or "dynamic" for these and the static 51, in the 68-point order.
            camera: (3, 3) or (B, 3, 3) rotation from the output's frame to the axes of the camera that sees the contour
                (OpenGL's: X right, Y up, looking along -Z); None for one straight in front of the model. Several
                cameras may see one head.

        Returns:
            (B, L, 3) metres.

        Raises:
            HeadError: the model has no such landmarks.
        """
        if scheme == "dynamic":
            contour, static = self.landmarks(posed, "contour", camera), self.landmarks(posed, "static")
            return torch.cat([contour, static.expand(len(contour), -1, -1)], dim=1)
        if scheme not in self.model.embeddings:
            raise HeadError(f"The model {self.model.name} has no {scheme} landmarks; give it a landmark embedding.")
        corners, weights = (getattr(self, _name(part, scheme)) for part in ("corners", "barycentric"))
        if scheme == "contour":
            rows = contour_row(self.seen_rotation(posed, camera))
            chosen = corners[rows]  # (B, 17, 3)
            vertices = posed.vertices.expand(len(chosen), -1, -1)
            batch = torch.arange(len(chosen), device=chosen.device)[:, None, None]
            return (vertices[batch, chosen] * weights[rows][..., None]).sum(dim=2)
        return (posed.vertices[:, corners] * weights[..., None]).sum(dim=2)

    def seen_rotation(self, posed: Posed, camera: Tensor | None = None) -> Tensor:
        """(B, 3, 3) how the head (its neck joint, with the root) is turned before a camera; see ``landmarks``."""
        neck = self.model.joint.get("neck", 0)
        front = self.turn.T if camera is None else camera
        return front @ posed.rotations[:, neck] @ self.turn

    def _or_zero(self, value: Tensor | None, *shape: int) -> Tensor:
        return self.template.new_zeros(1, *shape) if value is None else value

    def _check(self, identity: Tensor, expression: Tensor, pose: Tensor) -> None:
        counts = (("identity", identity, self.identity_count), ("expression", expression, self.expression_count))
        for what, given, count in counts:
            if given.dim() != 2 or given.shape[1] > count:
                raise HeadError(
                    f"The model {self.model.name} has {count} {what} modes; "
                    f"coefficients of the shape {tuple(given.shape)} do not fit."
                )
        if pose.dim() != 3 or pose.shape[1:] != (self.joint_count, 3):
            raise HeadError(
                f"The model {self.model.name} has {self.joint_count} joints, so a pose has the shape "
                f"(heads, {self.joint_count}, 3), not {tuple(pose.shape)}."
            )


def contour_row(rotation: Tensor) -> Tensor:
    """Which row of a dynamic contour a head shows.

    Rows 0 to 39 are a head turned by so many whole degrees about the vertical towards its own right (clockwise from
    above), 40 to 78 by 1 to 39 degrees the other way; beyond 39 degrees it is the last.

    Args:
        rotation: (B, 3, 3) of the head before the viewer; X right, Y up, Z towards the viewer.

    Returns:
        (B,) int64
    """
    sideways = torch.atan2(rotation[:, 2, 0], torch.hypot(rotation[:, 0, 0], rotation[:, 1, 0]))
    most = CONTOUR_YAWS // 2
    degrees = torch.rad2deg(sideways.detach()).clamp(-most, most).round().long()
    return torch.where(degrees < 0, most - degrees, degrees)


def _blend(start: Tensor, basis: Tensor, parts: list[tuple[Tensor, int]]) -> Tensor:
    """Start plus coefficients times basis.

    Args:
        start: (1, N)
        basis: (K, N) one mode a row.
        parts: coefficients (B or 1, k), each with the row of its first mode, in the order of rows. Neighbours of one
            batch size become one matrix product; what has one row is added before there is a batch.
    """
    groups: list[tuple[list[Tensor], int]] = []
    batch = max(len(coefficients) for coefficients, _ in parts)
    for coefficients, first in sorted(parts, key=lambda part: len(part[0]) > 1):
        if not coefficients.shape[1]:
            continue
        if groups:
            members, begin = groups[-1]
            if begin + sum(m.shape[1] for m in members) == first and len(members[0]) == len(coefficients):
                members.append(coefficients)
                continue
        groups.append(([coefficients], first))
    for members, begin in groups:
        joined = torch.cat(members, dim=1) if len(members) > 1 else members[0]
        start = torch.addmm(start, joined, basis[begin : begin + joined.shape[1]])
    return start.expand(batch, -1)


def _apply(matrices: Tensor, vectors: Tensor) -> Tensor:
    """(..., 3, 3) times (..., 3)."""
    return (matrices @ vectors[..., None]).squeeze(-1)


def _name(part: str, scheme: str) -> str:
    return f"{part}_of_{scheme}".replace(".", "_")
