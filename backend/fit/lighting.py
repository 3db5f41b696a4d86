"""Light from all around as spherical harmonics of three bands, and what it makes of a Lambertian surface.

Equation 6 of prior-guided-head.md: I = a (gamma . phi(n)). Three bands hold 99 % of what such a surface can show
(Ramamoorthi and Hanrahan, An Efficient Representation for Irradiance Environment Maps, 2001).
"""

import torch
from torch import Tensor

BASIS = 9
RIDGE = 3e-3
"""Share of the samples' own weight that pulls a light to zero; one side of a head alone does not tell its far light."""


def harmonics(normals: Tensor) -> Tensor:
    """phi: (..., 9) real spherical harmonics of bands 0 to 2 at unit directions (..., 3)."""
    x, y, z = normals.unbind(dim=-1)
    one = torch.ones_like(x)
    return torch.stack(
        [
            0.282095 * one, 0.488603 * y, 0.488603 * z, 0.488603 * x,
            1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        dim=-1,
    )  # fmt: skip


def lights_of(albedo: Tensor, basis: Tensor, colours: Tensor, weights: Tensor) -> Tensor:
    """The lights that explain colours best, in closed form.

    Args:
        albedo: (S, 3) linear RGB of surface points.
        basis: (S, 9) ``harmonics`` of their normals.
        colours: (J, S, 3) what each view shows of them.
        weights: (J, S) of the squared errors; 0 where a point is not seen.

    Returns:
        (J, 9, 3)
    """
    rows = albedo[:, None] * basis[..., None]  # (S, 9, 3)
    system = torch.einsum("js,sac,sbc->jcab", weights, rows, rows)
    side = torch.einsum("js,sac,jsc->jca", weights, rows, colours)
    pull = RIDGE * system.diagonal(dim1=-2, dim2=-1).mean(dim=-1) + 1e-12
    system = system + pull[..., None, None] * torch.eye(BASIS, dtype=system.dtype, device=system.device)
    return torch.linalg.solve(system, side[..., None])[..., 0].transpose(1, 2)
