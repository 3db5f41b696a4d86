"""A field on a grid, refined by gradient descent under prior-guided-head's losses (equations 14 to 21).

The field's nodes near the surface are the unknowns. In the paper's equation 17 a network learns each point's colour; on
a grid, views are compared with each other instead: by stereo beforehand, whose fused distances draw the field, and by
patches that move with the surface (equation 22).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from ...protocol import Reporter
from . import losses
from .fusion import TRUNCATION, Fused
from .hull import Volume, largest_piece
from .pictures import Picture
from .presets import LevelConfig, Weights
from .trace import differentiable, march

RAYS_COUNT = 12.0
"""How much more than one of a node's own terms a ray counts that touches it."""
OUTSIDE_HULL = 0.003
"""Metres that the surface may lie outside the hull: masks and cameras are wrong by pixels."""
VIEWS_A_STEP = 4
"""Views whose masks speak in a step."""
STEPS_A_BAND = 40
"""Steps after which the band follows the surface."""


@dataclass(frozen=True, eq=False)
class Guides:
    """What guides a level beside masks and stereo; each may be missing.

    Attributes:
        proxy: (P, 3) float32 points on the fitted face.
        labels: the views' labels speak.
        lines: the views' directions of hair speak.
    """

    proxy: torch.Tensor | None = None
    labels: losses.LabelField | None = None
    lines: bool = False


def refine(
    volume: Volume,
    hull: Volume,
    pictures: list[Picture],
    fused: Fused | None,
    guides: Guides,
    level: LevelConfig,
    weights: Weights,
    rng: np.random.Generator,
    reporter: Reporter,
    patches: losses.Patches | None = None,
    preview: Callable[[Volume], None] | None = None,
) -> tuple[Volume, list[dict[str, float]]]:
    """The field after a level's steps, and each step's losses.

    Args:
        volume: on the level's grid.
        hull: on any grid; the surface stays within it, but for what masks may be wrong by.
        pictures: at the level's size, cameras and all.
        fused: what stereo measured, on this grid.
        guides: the priors that take part.
        patches: views to compare with each other; their cameras may move.
        preview: shown the field now and then.
    """
    spacing = volume.grid.spacing
    volume = redistanced(volume)
    limit = hull.on(volume.grid) - OUTSIDE_HULL
    history: list[dict[str, float]] = []
    stereo = None
    if fused is not None and len(fused.nodes):
        target, trust = torch.zeros(volume.grid.size), torch.zeros(volume.grid.size)
        target[fused.nodes], trust[fused.nodes] = fused.distance / spacing, fused.weight
        stereo = (target, trust)
    masked = [k for k, picture in enumerate(pictures) if picture.outside is not None]
    rims = {k: _rim(pictures[k]) for k in masked}
    step = 0
    while step < level.steps:
        band = _Band.of(volume, level.band)
        unknown = (band.start / spacing).clone().requires_grad_()
        groups = [{"params": [unknown], "lr": level.rate}]
        if guides.labels is not None:
            groups.append({"params": [guides.labels.logits], "lr": 0.05})
        if patches is not None and patches.twists is not None:
            groups.append({"params": [patches.twists], "lr": patches.rate})
        rates = [group["lr"] for group in groups]
        optimiser = torch.optim.Adam(groups, betas=(0.9, 0.9))
        for _ in range(min(STEPS_A_BAND, level.steps - step)):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * (1 - 0.85 * step / level.steps)
            field = band.field(unknown, spacing)
            current = Volume(volume.grid, field.detach() * spacing)
            terms = band.shape_terms(field)
            if stereo is not None:
                terms["stereo"] = band.stereo_term(unknown, *stereo)
            if masked:
                chosen = rng.choice(masked, min(VIEWS_A_STEP, len(masked)), replace=False)
                drawn = [_drawn(pictures[k], rims[k], level.rays // len(chosen), rng) for k in chosen]
                terms["mask"] = losses.mask_term(
                    field, current, hull, *(torch.cat(part) for part in zip(*drawn, strict=True))
                )
            if guides.proxy is not None:
                chosen = torch.from_numpy(rng.integers(len(guides.proxy), size=level.rays))
                terms["proxy"] = losses.proxy_term(field, volume.grid, guides.proxy[chosen], stereo)
            if guides.labels is not None or guides.lines or patches is not None:
                k = int(rng.integers(len(pictures)))
                terms |= _seen_terms(field, current, pictures[k], k, guides, level, patches, rng)
            # Rays touch few nodes each, and hard: without this, nodes that a ray has touched would stay where it threw
            # them, for what Adam remembers of it drowns what the neighbours say.
            touched = min(1.0, RAYS_COUNT * level.rays / len(band.nodes))
            total = sum(
                losses.weight(name, weights) * (1.0 if name in losses.DENSE else touched) * term
                for name, term in terms.items()
            )
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            with torch.no_grad():
                # No node may leave the band it was found in.
                unknown.clamp_(-level.band - 2, level.band + 2)
            history.append({name: float(term.detach()) for name, term in (terms | {"total": total}).items()})
            step += 1
            reporter.step(step)
        with torch.no_grad():
            found = torch.maximum(band.field(unknown, spacing) * spacing, limit)
            found = largest_piece(found.numpy(), spacing)
            volume = redistanced(Volume(volume.grid, torch.from_numpy(found)))
        if preview is not None:
            preview(volume)
    return volume, history


def _seen_terms(field, current: Volume, picture: Picture, k: int, guides: Guides, level, patches, rng) -> dict:
    """Terms at surface points that one view sees: labels, directions of hair, patches."""
    terms = {}
    count = max(level.rays // 4, level.patches)
    pixels = _inside(picture, count, rng)
    rays = picture.rays(pixels)
    found = march(current, picture.centre, rays)
    if not found.hit.any():
        return terms
    pixels, rays, depth = pixels[found.hit], rays[found.hit], found.depth[found.hit]
    metric = field * current.grid.spacing
    points, normal = differentiable(metric, current, picture.centre, rays, depth)
    if guides.labels is not None and picture.labels is not None:
        terms["semantics"] = losses.semantic_term(guides.labels, points, picture, pixels)
    if guides.lines and picture.lines is not None:
        term = losses.direction_term(field, current, points.detach(), picture, pixels)
        if term is not None:
            terms["direction"] = term
    if patches is not None and level.patches:
        term = patches.term(points[: level.patches], normal[: level.patches], k)
        if term is not None:
            terms["patches"] = term
    return terms


@dataclass(frozen=True, eq=False)
class _Band:
    """The nodes near the surface.

    Attributes:
        volume: the field that they belong to.
        nodes: (N,) flat indices.
        start: (N,) metres.
        inner: (N,) bool: not at the grid's border.
        strides: of the flat indices, by axis.
    """

    volume: Volume
    nodes: torch.Tensor
    start: torch.Tensor
    inner: torch.Tensor
    strides: tuple[int, int, int]

    @classmethod
    def of(cls, volume: Volume, width: float) -> "_Band":
        shape, spacing = volume.grid.shape, volume.grid.spacing
        flat = volume.values.reshape(-1)
        nodes = torch.nonzero(flat.abs() < width * spacing)[:, 0]
        strides = (shape[1] * shape[2], shape[2], 1)
        place = [(nodes // strides[axis]) % shape[axis] for axis in range(3)]
        inner = torch.ones(len(nodes), dtype=torch.bool)
        for axis in range(3):
            inner &= (place[axis] > 0) & (place[axis] < shape[axis] - 1)
        return cls(volume, nodes, flat[nodes], nodes[inner], strides)

    def field(self, unknown: torch.Tensor, spacing: float) -> torch.Tensor:
        """(X, Y, Z) in spacings, differentiable in the unknowns (N,)."""
        flat = (self.volume.values.reshape(-1) / spacing).index_put((self.nodes,), unknown)
        return flat.reshape(self.volume.grid.shape)

    def shape_terms(self, field: torch.Tensor) -> dict[str, torch.Tensor]:
        """Equation 20 by central differences, and the square of the curvature: both means over the band."""
        flat = field.reshape(-1)
        middle = flat[self.inner]
        ahead = torch.stack([flat[self.inner + stride] for stride in self.strides])
        back = torch.stack([flat[self.inner - stride] for stride in self.strides])
        length = ((ahead - back) / 2).square().sum(0).clamp(min=1e-8).sqrt()
        curvature = (ahead + back).sum(0) - 6 * middle
        return {"eikonal": (length - 1).square().mean(), "smooth": curvature.square().mean()}

    def stereo_term(self, unknown: torch.Tensor, target: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
        """The squared distance to what stereo measured, as far as that reaches."""
        goal, weight = target[self.nodes], trust[self.nodes]
        # Where the views only say "nothing here", being outside is enough.
        gap = unknown - goal
        gap = torch.where((goal >= 0.98 * TRUNCATION) & (gap > 0), torch.zeros_like(gap), gap)
        return (weight * torch.nn.functional.huber_loss(gap, torch.zeros_like(gap), reduction="none", delta=2.0)).mean()


@torch.no_grad()
def redistanced(volume: Volume) -> Volume:
    """A field with the same surface whose values are distances: by slope near it, by the nearest such node beyond."""
    spacing = volume.grid.spacing
    values = volume.values
    slope = torch.stack(torch.gradient(values, spacing=spacing)).square().sum(0).sqrt().clamp(min=0.2)
    near = values / slope
    inside = values < 0
    edge = torch.zeros_like(inside)
    for axis in range(3):
        change = inside.narrow(axis, 0, inside.shape[axis] - 1) != inside.narrow(axis, 1, inside.shape[axis] - 1)
        edge.narrow(axis, 0, inside.shape[axis] - 1).logical_or_(change)
        edge.narrow(axis, 1, inside.shape[axis] - 1).logical_or_(change)
    if not edge.any():
        return volume
    distance, index = distance_transform_edt(~edge.numpy(), return_indices=True)
    at_edge = near.numpy()[tuple(index)]
    sign = np.where(inside.numpy(), -1.0, 1.0).astype(np.float32)
    # From a node of the surface's rim on: how far that node is, and how far the surface is from it.
    far = sign * np.maximum(spacing * distance.astype(np.float32) + sign * at_edge, 0.25 * spacing)
    result = torch.from_numpy(np.where(edge.numpy(), np.clip(near.numpy(), -spacing, spacing), far).astype(np.float32))
    # Keep the finer knowledge of a field that is about a distance already.
    keep = (slope - 1).abs() < 0.35
    keep &= values.abs() < 3 * spacing
    known = torch.where(edge, near.clamp(-spacing, spacing), values)
    return Volume(volume.grid, torch.where(keep | edge, known, result))


def _rim(picture: Picture) -> torch.Tensor:
    """(K, 2) pixels near a mask's edge."""
    rows, columns = torch.nonzero(picture.outside.abs() < 8, as_tuple=True)
    return torch.stack([columns, rows], dim=1).float()


def _drawn(picture: Picture, rim: torch.Tensor, count: int, rng) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Origins and directions (R, 3) of random rays, half of them at the mask's edge; whether each is inside (R,)."""
    height, width = picture.size
    near = rim[torch.from_numpy(rng.integers(len(rim), size=count // 2))] if len(rim) else rim
    jitter = torch.from_numpy(rng.random((count, 2)).astype(np.float32))
    rest = jitter[len(near) :] * torch.tensor([width, height])
    pixels = torch.cat([near + jitter[: len(near)], rest])
    outside = losses.read(picture.outside, pixels)
    # Half a pixel to both sides of the edge stays open.
    open_ = outside.abs() > 0.5
    rays = picture.rays(pixels[open_])
    return picture.centre.expand_as(rays), rays, (outside < 0)[open_]


def _inside(picture: Picture, count: int, rng) -> torch.Tensor:
    """(count, 2) random pixels in the person's mask, or anywhere without one."""
    height, width = picture.size
    if picture.outside is None:
        return torch.from_numpy((rng.random((count, 2)) * [width, height]).astype(np.float32))
    where = torch.nonzero(picture.outside.reshape(-1) < -1)[:, 0]
    flat = where[torch.from_numpy(rng.integers(len(where), size=count))]
    jitter = torch.from_numpy(rng.random((count, 2)).astype(np.float32))
    return torch.stack([flat % width, flat // width], dim=1).float() + jitter
