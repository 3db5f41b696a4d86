"""The losses of a field on a grid, by the equations of prior-guided-head; fields are in spacings of their grid."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ...geometry.grid import Grid
from ...geometry.projection import sample_image
from ..priors.semantics import CLASSES, NOT_SAID
from .hull import Volume
from .pictures import Picture
from .presets import Weights
from .trace import march

WEIGHT = {
    "stereo": "rgb", "patches": "rgb", "mask": "mask", "eikonal": "eikonal", "proxy": "proxy",
    "semantics": "semantics", "direction": "direction", "smooth": "smooth",
}  # fmt: skip
"""Term → the weight that it has."""
SCALE = {
    "stereo": 1.0, "patches": 0.3, "mask": 8.0, "eikonal": 1.0, "proxy": 1.0, "semantics": 1.0, "direction": 1.0,
    "smooth": 0.15,
}  # fmt: skip
"""What brings the terms to comparable sizes, so that weights of about one mean about the same."""
DENSE = ("stereo", "eikonal", "smooth")
"""Terms that every node near the surface has; rays and points have the others."""
SHARPNESS = 4.0
"""Alpha of equation 19, per spacing."""
DEEP = 8
"""Places behind the first surface that are asked how deep a ray goes."""
PROXY_REACH = 3.0
"""Spacings beyond which a fitted face no longer draws: there the photographs know better."""


def weight(term: str, weights: Weights) -> float:
    """Of a term in the sum."""
    return getattr(weights, WEIGHT[term]) * SCALE[term]


def read(layer: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """(N,) values of a layer (H, W) at pixels (N, 2)."""
    return sample_image(layer[None], pixels)[:, 0]


def mask_term(
    field: torch.Tensor, current: Volume, hull: Volume, origins: torch.Tensor, rays: torch.Tensor, inside: torch.Tensor
) -> torch.Tensor:
    """Equations 18 and 19: rays (R, 3) from origins (R, 3) that lie within the mask should meet the surface, those
    outside it should not. Where the hull was cut off, for too few views see that far, nothing is asked."""
    grid = current.grid
    found = march(current, origins, rays)
    missed, extra = inside & ~found.hit, ~inside & found.hit
    points = origins + found.depth[:, None] * rays
    low = torch.from_numpy(grid.origin)
    high = low + grid.spacing * (torch.tensor(grid.shape) - 1)
    missed &= ((points > low) & (points < high)).all(1) & (hull.at(points) < 0.5 * grid.spacing)
    total = torch.zeros(())
    if missed.any():
        total = total + F.softplus(SHARPNESS * grid.sample(field[None], points[missed])[:, 0]).sum() / SHARPNESS
    if extra.any():
        steps = grid.spacing * torch.linspace(0, 6, DEEP)[:, None, None] / rays[extra].norm(dim=1)[:, None]
        along = points[extra] + steps * rays[extra]
        with torch.no_grad():
            deepest = current.at(along).argmin(dim=0)
        at = along.gather(0, deepest[None, :, None].expand(-1, -1, 3))[0]
        total = total + F.softplus(-SHARPNESS * grid.sample(field[None], at)[:, 0]).sum() / SHARPNESS
    return total / max(len(rays), 1)


def proxy_term(field: torch.Tensor, grid: Grid, points: torch.Tensor, stereo) -> torch.Tensor:
    """Equation 14 at points (P, 3) of the fitted face; it yields where stereo has measured."""
    value = grid.sample(field[None], points)[:, 0]
    draw = F.huber_loss(value, torch.zeros_like(value), reduction="none", delta=1.0)
    draw = torch.where(value.abs() < PROXY_REACH, draw, torch.zeros_like(draw))
    if stereo is None:
        return draw.mean()
    trust = grid.sample(stereo[1].reshape(1, *grid.shape), points)[:, 0]
    return (draw / (1 + 20 * trust)).mean()


@dataclass(eq=False)
class LabelField:
    """The part of the head that each place belongs to: s of equation 15, on a grid.

    Attributes:
        grid: its nodes.
        logits: (C, X, Y, Z) of the classes.
    """

    grid: Grid
    logits: torch.Tensor

    @classmethod
    def around(cls, grid: Grid, nodes: int) -> "LabelField":
        """One that knows nothing, over another grid's box."""
        spacing = grid.spacing * (max(grid.shape) - 1) / (nodes - 1)
        high = grid.origin + grid.spacing * (np.array(grid.shape) - 1)
        own = Grid.around(grid.origin, high, spacing)
        return cls(own, torch.zeros(len(CLASSES), *own.shape, requires_grad=True))


def semantic_term(labels: LabelField, points: torch.Tensor, picture: Picture, pixels: torch.Tensor) -> torch.Tensor:
    """Equation 15 at surface points (R, 3) seen at pixels (R, 2)."""
    column, row = pixels.floor().long().unbind(-1)
    height, width = picture.size
    label = picture.labels[row.clamp(0, height - 1), column.clamp(0, width - 1)].long()
    said = label != NOT_SAID
    if not said.any():
        return torch.zeros(())
    return F.cross_entropy(labels.grid.sample(labels.logits, points[said]), label[said])


def direction_term(field, current: Volume, points: torch.Tensor, picture: Picture, pixels: torch.Tensor):
    """Equation 16: hair runs where the surface bends least (III-E), as the picture has it; None without hair.

    The Hessian's eigenvector of the second smallest absolute eigenvalue lies in the tangent plane, so that it is found
    in closed form from the 2 by 2 matrix there. Where both curvatures are alike it has no direction, and no weight.
    """
    grid = current.grid
    lines = sample_image(picture.lines, pixels)
    hair = lines[:, 2] > 0.1
    if hair.sum() < 8:
        return None
    points, lines = points[hair], lines[hair]
    hessian, normal = _hessian(field, grid, points)
    first = F.normalize(torch.linalg.cross(normal, picture.axis.expand_as(normal)), dim=1)
    second = torch.linalg.cross(normal, first)
    a = torch.einsum("ri,rij,rj->r", first, hessian, first)
    b = torch.einsum("ri,rij,rj->r", first, hessian, second)
    c = torch.einsum("ri,rij,rj->r", second, hessian, second)
    # Twice the angle of the axis of the larger eigenvalue; the other axis is the one of least bending where the larger
    # one is larger in size, too.
    size = torch.sqrt((a - c).square() + 4 * b.square() + 1e-8)
    cosine, sine = (a - c) / size, 2 * b / size
    swap = torch.where((a + c).detach() > 0, -1.0, 1.0)
    half = 0.5 * torch.atan2(swap * sine, swap * cosine + 1e-12)
    direction = torch.cos(half)[:, None] * first + torch.sin(half)[:, None] * second
    ends = [picture.project(points + sign * 0.002 * direction)[0] for sign in (1, -1)]
    seen = F.normalize(ends[0] - ends[1], dim=1)
    agree = (seen * F.normalize(lines[:, :2], dim=1)).sum(1).abs()
    weight = lines[:, 2] * (size / (size + 0.05)).detach()
    return (weight * (1 - agree)).sum() / weight.sum().clamp(min=1e-6)


def _hessian(field: torch.Tensor, grid: Grid, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(R, 3, 3) second differences two spacings wide of a field at points (R, 3), and its unit normals (R, 3)."""
    step = 2 * grid.spacing
    eye = torch.eye(3)
    pairs = [(0, 1), (0, 2), (1, 2)]
    offsets = [torch.zeros(3), *eye, *-eye]
    for i, j in pairs:
        offsets += [eye[i] + eye[j], eye[i] - eye[j], -eye[i] + eye[j], -eye[i] - eye[j]]
    values = grid.sample(field[None], points[:, None] + step * torch.stack(offsets))[..., 0]
    middle, ahead, back = values[:, 0], values[:, 1:4], values[:, 4:7]
    diagonal = (ahead + back - 2 * middle[:, None]) / 4
    rows = [[None] * 3 for _ in range(3)]
    for i in range(3):
        rows[i][i] = diagonal[:, i]
    for n, (i, j) in enumerate(pairs):
        pp, pm, mp, mm = values[:, 7 + 4 * n : 11 + 4 * n].unbind(1)
        rows[i][j] = rows[j][i] = (pp - pm - mp + mm) / 16
    hessian = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    return hessian, F.normalize((ahead - back).detach(), dim=1)


@dataclass(eq=False)
class Patches:
    """Views compared with each other on patches of the surface (in equation 17's place).

    Attributes:
        pictures: at the stage's size.
        depths: (H, W) each, the surface that each saw when the level began, inf where there is none.
        slack: metres that a point may lie behind it.
        partners: of each view, those it is compared with.
        twists: (V, 6) the cameras' small motions, turn and shift, or None where they stay.
        rate: of learning of the cameras.
    """

    pictures: list[Picture]
    depths: list[torch.Tensor]
    slack: float
    partners: list[list[int]]
    twists: torch.Tensor | None = None
    rate: float = 1e-4
    side: int = 7

    def pose(self, k: int) -> torch.Tensor:
        """(4, 4) world to camera of a view, moved."""
        pose = self.pictures[k].pose
        return pose if self.twists is None else moved_pose(pose, self.twists[k])

    def term(self, points: torch.Tensor, normals: torch.Tensor, k: int) -> torch.Tensor | None:
        """One minus the correlation of patches about points (R, 3) with normals (R, 3) between view k and others."""
        picture = self.pictures[k]
        normal = F.normalize(normals.detach(), dim=1)
        first = F.normalize(torch.linalg.cross(normal, picture.pose[1, :3].expand_as(normal)), dim=1)
        second = torch.linalg.cross(normal, first)
        depth = picture.project(points.detach())[1]
        width = (depth / picture.focal)[:, None, None]
        at = torch.linspace(-(self.side // 2), self.side // 2, self.side)
        u, v = (part.reshape(-1)[:, None] for part in torch.meshgrid(at, at, indexing="ij"))
        patch = points[:, None] + width * (u * first[:, None] + v * second[:, None])
        own = self._normalised(k, patch)
        losses, count = torch.zeros(()), 0
        for m in self.partners[k]:
            other = self.pictures[m]
            pixels, there = other.project(points.detach())
            x, y = pixels.floor().clamp(-1, 1e6).long().unbind(-1)
            height, across = other.size
            inside = (x > 3) & (y > 3) & (x < across - 4) & (y < height - 4)
            seen = self.depths[m][y.clamp(0, height - 1), x.clamp(0, across - 1)]
            towards = F.normalize(other.centre - points.detach(), dim=1)
            visible = inside & (there < seen + self.slack) & ((normal * towards).sum(1) > 0.25)
            if visible.sum() < 8:
                continue
            agreement = (own[visible] * self._normalised(m, patch[visible])).sum(1)
            good = agreement.detach() > 0.3
            losses = losses + (1 - agreement)[good].sum()
            count += int(good.sum())
        return losses / count if count else None

    def _normalised(self, k: int, patch: torch.Tensor) -> torch.Tensor:
        """(R, K) grey values of patches (R, K, 3) in view k, of zero mean and unit length."""
        picture = self.pictures[k].moved(self.pose(k))
        grey = sample_image(picture.grey[None], picture.project(patch)[0])[..., 0]
        grey = grey - grey.mean(1, keepdim=True)
        return grey / torch.sqrt(grey.square().sum(1, keepdim=True) + 1e-3)


def moved_pose(pose: torch.Tensor, twist: torch.Tensor) -> torch.Tensor:
    """(4, 4) a camera's pose after a small turn (radians) and shift (metres) of its own axes, twist (6,)."""
    x, y, z = twist[:3]
    zero = torch.zeros_like(x)
    skew = torch.stack([torch.stack([zero, -z, y]), torch.stack([z, zero, -x]), torch.stack([-y, x, zero])])
    turn = torch.linalg.matrix_exp(skew)
    top = torch.cat([turn @ pose[:3, :3], (turn @ pose[:3, 3] + twist[3:])[:, None]], dim=1)
    return torch.cat([top, pose[3:]])
