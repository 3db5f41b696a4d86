"""Where rays meet a field on a grid: sphere tracing (Hart, 1996), and its differentiable last step (equation 22)."""

from dataclasses import dataclass

import torch

from ...geometry.grid import gradient
from .hull import Volume
from .pictures import Picture

STEPS = 48
PLACES = 112
"""Along a ray through the box that ``march`` asks."""
CAREFUL = 0.85
"""Of the field's value that a step goes: the field is a distance only about."""


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays met.

    Attributes:
        depth: (R,) along the rays, in their directions' lengths: the surface, or the nearest miss.
        hit: (R,) bool.
    """

    depth: torch.Tensor
    hit: torch.Tensor


@torch.no_grad()
def trace(volume: Volume, origin: torch.Tensor, rays: torch.Tensor) -> Hits:
    """The first surface along rays (R, 3) from one origin (3,); parts of the box that a ray enters only."""
    low = torch.from_numpy(volume.grid.origin)
    high = low + volume.grid.spacing * (torch.tensor(volume.grid.shape) - 1)
    safe = torch.where(rays.abs() < 1e-9, torch.full_like(rays, 1e-9), rays)
    ends = torch.stack([(low - origin) / safe, (high - origin) / safe])
    near, far = ends.amin(dim=0).amax(dim=1).clamp(min=1e-3), ends.amax(dim=0).amin(dim=1)
    length = rays.norm(dim=1)
    tolerance = 0.02 * volume.grid.spacing
    depth, best, lowest = near.clone(), near.clone(), torch.full_like(near, torch.inf)
    hit = torch.zeros(len(rays), dtype=torch.bool)
    active = torch.nonzero(near < far)[:, 0]
    for _ in range(STEPS):
        if not len(active):
            break
        value = volume.at(origin + depth[active, None] * rays[active])
        nearer = value < lowest[active]
        best[active[nearer]], lowest[active[nearer]] = depth[active[nearer]], value[nearer]
        landed = value.abs() < tolerance
        hit[active[landed]] = True
        depth[active] += torch.where(landed, torch.zeros_like(value), CAREFUL * value / length[active])
        active = active[~landed & (depth[active] < far[active])]
    # What still creeps along the surface at a shallow angle counts by its sign.
    if len(active):
        grazing = lowest[active] < 0.25 * volume.grid.spacing
        hit[active[grazing]] = True
    return Hits(torch.where(hit, depth, best), hit)


@torch.no_grad()
def march(volume: Volume, origins: torch.Tensor, rays: torch.Tensor) -> Hits:
    """As ``trace`` for a few thousand rays (R, 3) from origins (R, 3) or (3,): all places of a ray are asked at once,
    which costs less than many small steps, and what is thinner than the places are apart may be missed."""
    origins = origins.expand_as(rays)
    low = torch.from_numpy(volume.grid.origin)
    high = low + volume.grid.spacing * (torch.tensor(volume.grid.shape) - 1)
    safe = torch.where(rays.abs() < 1e-9, torch.full_like(rays, 1e-9), rays)
    ends = torch.stack([(low - origins) / safe, (high - origins) / safe])
    near, far = ends.amin(dim=0).amax(dim=1).clamp(min=1e-3), ends.amax(dim=0).amin(dim=1)
    step = (far - near).clamp(min=0) / (PLACES - 1)
    depth = near[:, None] + step[:, None] * torch.arange(PLACES)
    values = volume.at(origins[:, None] + depth[..., None] * rays[:, None])
    inside = values < 0
    hit, first = inside.any(1) & (near < far), inside.float().argmax(1)
    before = (first - 1).clamp(min=0)
    rows = torch.arange(len(rays))
    a, b = values[rows, before], values[rows, first]
    low_end, high_end = depth[rows, before], depth[rows, first]
    for _ in range(2):  # the secant method
        part = (a / (a - b).clamp(min=1e-9)).clamp(0, 1)
        middle = low_end + part * (high_end - low_end)
        value = volume.at(origins + middle[:, None] * rays)
        ahead = value > 0
        low_end, a = torch.where(ahead, middle, low_end), torch.where(ahead, value, a)
        high_end, b = torch.where(ahead, high_end, middle), torch.where(ahead, b, value)
    met = low_end + (a / (a - b).clamp(min=1e-9)).clamp(0, 1) * (high_end - low_end)
    return Hits(torch.where(hit, met, depth[rows, values.argmin(1)]), hit)


@dataclass(frozen=True, eq=False)
class Seen:
    """A view's first surface, pixel by pixel.

    Attributes:
        depth: (H, W) along the optical axis, inf where there is none.
        normal: (H, W, 3) unit, 0 where there is none.
        facing: (H, W) cosine between the normal and the way to the camera, 0 where there is none.
    """

    depth: torch.Tensor
    normal: torch.Tensor
    facing: torch.Tensor

    @property
    def covered(self) -> torch.Tensor:
        """(H, W) bool"""
        return torch.isfinite(self.depth)


def pixel_grid(size: tuple[int, int]) -> torch.Tensor:
    """(H, W, 2) centres of a picture's pixels."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) + 0.5 for n in size), indexing="ij")
    return torch.stack([columns, rows], dim=-1)


@torch.no_grad()
def first_surface(volume: Volume, slopes: torch.Tensor, picture: Picture) -> Seen:
    """What a view sees of a field whose gradient is ``slopes`` (3, X, Y, Z)."""
    height, width = picture.size
    pixels = pixel_grid(picture.size)
    if picture.outside is not None:
        # Beyond the mask there is nothing to be asked.
        asked = (picture.outside < 6).reshape(-1)
    else:
        asked = torch.ones(height * width, dtype=torch.bool)
    rays = picture.rays(pixels.reshape(-1, 2)[asked])
    found = trace(volume, picture.centre, rays)
    depth = torch.full((height * width,), torch.inf)
    depth[asked] = torch.where(found.hit, found.depth, torch.inf)
    normal, facing = torch.zeros(height * width, 3), torch.zeros(height * width)
    where = torch.nonzero(torch.isfinite(depth))[:, 0]
    rays = picture.rays(pixels.reshape(-1, 2)[where])
    points = picture.centre + depth[where, None] * rays
    n = torch.nn.functional.normalize(volume.grid.sample(slopes, points), dim=1)
    normal[where] = n
    facing[where] = -(n * torch.nn.functional.normalize(rays, dim=1)).sum(1)
    return Seen(depth.reshape(height, width), normal.reshape(height, width, 3), facing.reshape(height, width))


def slopes_of(volume: Volume) -> torch.Tensor:
    """(3, X, Y, Z) gradient of a field."""
    return gradient(volume.values, volume.grid.spacing)


def differentiable(values: torch.Tensor, volume: Volume, origin, rays, depth) -> tuple[torch.Tensor, torch.Tensor]:
    """Surface points that move with the field (equation 22), and the field's gradient there.

    Args:
        values: (X, Y, Z) the field, with its gradient; ``volume`` tells only where its nodes are.
        origin: (3,) the camera.
        rays: (R, 3).
        depth: (R,) of the points found without gradients.

    Returns:
        (R, 3), (R, 3).
    """
    points = origin + depth[:, None] * rays
    value = volume.grid.sample(values[None], points)[:, 0]
    normal = field_gradient(values, volume, points)
    along = (normal.detach() * rays).sum(1)
    along = torch.where(along.abs() < 0.1, torch.full_like(along, -0.1), along)
    return points - rays * (value / along)[:, None], normal


def field_gradient(values: torch.Tensor, volume: Volume, points: torch.Tensor) -> torch.Tensor:
    """(R, 3) central differences a spacing wide of a field at points (R, 3), differentiable in the field."""
    step = volume.grid.spacing
    offsets = step * torch.cat([torch.eye(3), -torch.eye(3)])
    around = volume.grid.sample(values[None], points.detach()[:, None] + offsets)[..., 0]
    return (around[:, :3] - around[:, 3:]) / (2 * step)
