"""The losses of prior-guided-head, equations 14 to 20, the differentiable sample of equation 22, and directions of
hair from the surface's curvature (section III-E). Points lie in the unit sphere; P pixels, R rays."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..priors.semantics import NOT_SAID

GRAZING = 0.02
"""Least cosine between ray and surface in equation 22: along a surface seen edge-on its sample would fly off."""


def differentiable_points(
    distance: Callable[[Tensor], Tensor], origins: Tensor, directions: Tensor, t: Tensor
) -> Tensor:
    """Equation 22: (R, 3) points that lie at c + t v, and move as the surface does when its weights or cameras change.

    x_diff = x - v f(x | beta) / (grad f(x) . v), with gradient and v in the quotient held as they are (IDR).
    """
    x = origins + t[:, None] * directions
    fixed = x.detach().requires_grad_()
    with torch.enable_grad():
        gradient = torch.autograd.grad(distance(fixed).sum(), fixed)[0]
    slope = (gradient * directions.detach()).sum(dim=1)
    # A ray that enters runs against the gradient.
    slope = torch.where(slope.abs() < GRAZING, torch.where(slope > 0, GRAZING, -GRAZING), slope)
    return x - directions * (distance(x) / slope)[:, None]


def proxy(values: Tensor) -> Tensor:
    """Equation 14: mean |f| at points sampled on the fitted face, values (V,)."""
    return values.abs().mean()


def semantic(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """Equation 15: cross-entropy over the pixels of the head.

    Args:
        logits: (K, C) of s at the points that pixels of the mask show.
        labels: (K,) int64; ``NOT_SAID`` where nobody knows.
        count: |M|, pixels in the mask; those whose rays miss have no point and add nothing.
    """
    return F.cross_entropy(logits, labels, ignore_index=NOT_SAID, reduction="sum") / max(count, 1)


def direction(projected: Tensor, seen: Tensor, confidence: Tensor, count: int) -> Tensor:
    """Equation 16: 1 - |d_p . d_x| over the pixels of the hair.

    Args:
        projected: (K, 2) unit d_x, the surface's direction in the picture.
        seen: (K, 2) unit d_p, as the kernels found it.
        confidence: (K,) 1 in the paper.
        count: |M_h|.
    """
    return (confidence * (1 - (projected * seen).sum(dim=1).abs())).sum() / max(count, 1)


def photometric(rendered: Tensor, seen: Tensor, count: int) -> Tensor:
    """Equation 17: |I - A| over the pixels of the head, colours (K, 3) from -1 to 1 and their differences summed, as in
    IDR."""
    return (rendered - seen).abs().sum() / max(count, 1)


def contour(values: Tensor, inside: Tensor, alpha: float, count: int) -> Tensor:
    """Equations 18 and 19: cross-entropy between the mask and sigmoid(-alpha min f).

    Args:
        values: (K,) least f along rays, of those that miss the surface or the mask (IDR); for the others, which are in
            both, it would only ask for a thicker head.
        inside: (K,) bool, O_p.
        alpha: sharpness.
        count: |P|, all rays of the step.
    """
    logits = -alpha * values
    return F.binary_cross_entropy_with_logits(logits, inside.to(values), reduction="sum") / (alpha * max(count, 1))


def eikonal(gradients: Tensor) -> Tensor:
    """Equation 20, on the norm of f's gradient (N, 3); printed is the norm of f, which would ask for another thing."""
    return (gradients.norm(dim=1) - 1).square().mean()


def hessian(distance: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """f's gradient (N, 3) and Hessian (N, 3, 3) at points (N, 3), differentiable."""
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        gradient = torch.autograd.grad(distance(x).sum(), x, create_graph=True)[0]
        rows = [torch.autograd.grad(gradient[:, k].sum(), x, create_graph=True)[0] for k in range(3)]
    return gradient, torch.stack(rows, dim=1)


def curvature_direction(gradient: Tensor, hessian_: Tensor) -> tuple[Tensor, Tensor]:
    """Section III-E: D_x, the principal direction in which the surface bends least.

    It is the eigenvector of the Hessian's second smallest absolute eigenvalue, as the smallest is 0 and belongs to the
    normal. A network's gradient is a unit vector only nearly, and then neither is quite so: the Hessian is taken
    between tangents, where it has the two principal curvatures alone, and their eigenvectors in closed form.

    Args:
        gradient: (N, 3) of f.
        hessian_: (N, 3, 3).

    Returns:
        unit vectors (N, 3), whose sign means nothing; and how far the absolute curvatures are apart (N,), 1 / length:
        where they are equal, as on a sphere, no direction is meant.
    """
    normal = F.normalize(gradient, dim=1)
    # Tangents without a seam (Duff et al., Building an Orthonormal Basis, Revisited, 2017).
    x, y, z = normal.unbind(dim=1)
    sign = torch.where(z >= 0, 1.0, -1.0).to(z)
    a = -1 / (sign + z)
    b = x * y * a
    first = torch.stack([1 + sign * x * x * a, sign * b, -sign * x], dim=1)
    second = torch.stack([b, sign + y * y * a, -y], dim=1)
    along = torch.einsum("ni,nij,nj->n", first, hessian_, first)
    mixed = torch.einsum("ni,nij,nj->n", first, hessian_, second)
    across = torch.einsum("ni,nij,nj->n", second, hessian_, second)
    # Half the doubled angle is the larger eigenvalue's direction; a quarter turn from it the smaller one's.
    difference, mean = along - across, along + across
    degenerate = difference.square() + mixed.square() < 1e-12
    angle = 0.5 * torch.atan2(2 * mixed, torch.where(degenerate, torch.ones_like(difference), difference))
    angle = torch.where(mean > 0, angle + torch.pi / 2, angle)
    least = torch.cos(angle)[:, None] * first + torch.sin(angle)[:, None] * second
    # |k1| - |k2| for k = mean / 2 +- r.
    spread = (difference.square() / 4 + mixed.square()).clamp(min=1e-12).sqrt()
    return least, 2 * torch.minimum(mean.abs() / 2, spread)


def projected_direction(
    points: Tensor, directions: Tensor, intrinsics: Tensor, world_to_camera: Tensor
) -> Tensor:  # fmt: skip
    """d_x: (N, 2) unit vectors, the picture of directions (N, 3) at points (N, 3), through equation 3's derivative."""
    rotation = world_to_camera[:3, :3]
    local = points @ rotation.T + world_to_camera[:3, 3]
    turned = directions @ rotation.T
    depth = local[:, 2:].clamp(min=1e-6)
    focal = torch.stack([intrinsics[0, 0], intrinsics[1, 1]])
    moved = focal * (turned[:, :2] * depth - local[:, :2] * turned[:, 2:]) / depth.square()
    return F.normalize(moved, dim=1, eps=1e-9)
