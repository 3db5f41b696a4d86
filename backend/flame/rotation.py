"""Rotations by axis and angle, smooth where the angle is zero."""

import torch

SMALL = 1e-2
"""Squared radians below which the series is used; four terms are exact there to 3e-14."""


def axis_angle_to_matrix(axis_angle: torch.Tensor) -> torch.Tensor:
    """Rotation matrices by Rodrigues' formula, R = 1 + sin(a)/a K + (1 - cos(a))/a^2 K^2.

    Differentiable any number of times everywhere, at zero too.

    Args:
        axis_angle: (..., 3) radians times unit axis.

    Returns:
        (..., 3, 3)
    """
    square = (axis_angle * axis_angle).sum(dim=-1)[..., None, None]
    x, y, z = axis_angle.unbind(dim=-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    # 1 - cos(a) = 2 sin(a/2)^2 does not cancel where a is small.
    half = _sine_over_angle(square / 4)
    one = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return one + _sine_over_angle(square) * skew + 0.5 * half * half * (skew @ skew)


def _sine_over_angle(square: torch.Tensor) -> torch.Tensor:
    """sin(a)/a of the squared angle a^2, whose root has no derivative at zero."""
    small = square < SMALL
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42))
    # The branch that is not taken must have finite derivatives as well.
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    return torch.where(small, series, angle.sin() / angle)
