"""Strands fitted to volume, directions and pictures by gradient descent on a cosine basis.

A strand is its grown self plus a displacement: coefficients of cosines that vanish at the root and are free at the
tip, so that the root stays on the scalp and detail that the basis cannot hold stays as it grew. The terms are Neural
Haircut's L_vol, L_chm and L_orient, and two of the pictures: directions and masks, reprojected.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..checkpoint import Part
from ..geometry.projection import sample_image
from ..protocol import Reporter
from .field import PAIRS
from .growth import Medium
from .orientation import OrientationMap
from .presets import RefineConfig
from .shell import Shell
from .views import HairView
from .visibility import DepthMap

MILLIMETRES = 1000.0
"""Distances enter the losses in millimetres, so that they weigh like the angles, which are about one."""


def cosine_basis(points: int, coefficients: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes (points, coefficients) float32 of cosines on [0, 1], seen from the tip.

    cos((k - 1/2) pi (1 - t)), k = 1, 2, ...: the quarter-wave cosines (DCT-IV's boundaries), 0 at the root t = 0 and
    level at the tip t = 1. Slopes are per unit of t. Each is divided by k, so that one step of Adam bends a strand no
    more sharply at high frequencies than at low ones.
    """
    t = np.linspace(0, 1, points)[:, None]
    k = np.arange(1, coefficients + 1)[None]
    phase = (k - 0.5) * np.pi * (1 - t)
    return (np.cos(phase) / k).astype(np.float32), ((k - 0.5) * np.pi * np.sin(phase) / k).astype(np.float32)


@dataclass(eq=False)
class Pictures:
    """What refinement reads of each view: doubled angles weighted by confidence and variance, mask, first surface."""

    views: list[HairView]
    doubled: list[torch.Tensor]
    masks: list[torch.Tensor]
    depths: list[DepthMap]

    @classmethod
    def of(cls, views: list[HairView], maps: list[OrientationMap], depths: list[DepthMap], device) -> "Pictures":
        """Move the maps to a device; the weight falls with the variance as in Neural Haircut's L_dir."""
        doubled, masks = [], []
        for view, found in zip(views, maps):
            sure = 1 / (1 + (found.variance / 0.5) ** 2)
            doubled.append((found.doubled() * sure).to(device))
            # Without a bust mask nothing is known to be background.
            bust = view.bust if view.bust is not None else np.ones_like(view.hair)
            masks.append(torch.from_numpy(np.stack([view.hair, bust]).astype(np.float32)).to(device))
        depths = [DepthMap(d.depth.to(device), d.scale) for d in depths]
        return cls(views, doubled, masks, depths)

    def terms(self, k: int, points: torch.Tensor, tangents: torch.Tensor, visible: float):
        """Direction and mask losses of view k for points (N, 3) with unit tangents (N, 3)."""
        view = self.views[k]
        pixels, depth = view.project(points)
        ahead, _ = view.project(points + 1e-3 * tangents)
        line = torch.nn.functional.normalize(ahead - pixels, dim=-1)
        doubled = torch.stack([line[:, 0] ** 2 - line[:, 1] ** 2, 2 * line[:, 0] * line[:, 1]], -1)
        with torch.no_grad():
            seen = ((2 * visible - self.depths[k].behind(pixels, depth)) / visible).clamp(0, 1)
            # A line along the ray has no direction in the picture.
            across = torch.linalg.vector_norm(ahead - pixels, dim=-1) * depth / (1e-3 * view.focal)
            seen = seen * across.clamp(0, 1)
        observed = sample_image(self.doubled[k], pixels.detach())
        confidence = torch.linalg.vector_norm(observed, dim=-1)
        direction = (seen * (confidence - (observed * doubled).sum(-1)) / 2).sum() / seen.sum().clamp(min=1)
        masks = sample_image(self.masks[k], pixels)
        background = (1 - masks[:, 0] - masks[:, 1]).clamp(0, 1)
        # Over skin only hair in front of it is wrong, and that is for the volume to say.
        return direction, (background * (depth > 0)).mean()


def refine(
    strands: np.ndarray,
    medium: Medium,
    shell: Shell,
    pictures: Pictures,
    visible: float,
    config: RefineConfig,
    seed: int,
    reporter: Reporter,
    preview=None,
    kept: Part | None = None,
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """Fit strands (N, L, 3) metres; the roots stay.

    Args:
        visible: metres behind the first surface at which a point still counts as seen.
        preview: called with the strands now and then.
        kept: where the steps that an earlier run made are found, and these are kept.

    Returns:
        strands (N, L, 3) float32 and the losses of every step.
    """
    device = medium.tensors.device
    generator = torch.Generator().manual_seed(seed)
    count, length = strands.shape[:2]
    values, slopes = (torch.from_numpy(b).to(device) for b in cosine_basis(length, config.coefficients))
    grown = torch.from_numpy(np.ascontiguousarray(strands)).to(device)
    grown_slopes = torch.from_numpy(np.gradient(strands, 1 / (length - 1), axis=1).astype(np.float32)).to(device)
    coefficients = torch.zeros(count, config.coefficients, 3, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([coefficients], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps, eta_min=0.1 * config.learning_rate)
    sure = shell.weights > 0.05
    surface = shell.points[sure].to(device)
    nearest = torch.zeros(len(surface), 2, dtype=torch.long)
    history, done = [], 0
    every = max(1, config.steps // 4)

    def current() -> np.ndarray:
        with torch.no_grad():
            return (grown + torch.einsum("lk,nkc->nlc", values, coefficients)).cpu().numpy()

    def state() -> dict:
        return {
            "history": history,
            "nearest": nearest,
            "coefficients": coefficients,
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "generator": generator.get_state(),
        }

    if kept is not None and (found := kept.state()) is not None:
        history, nearest = found["history"], found["nearest"].to(device)
        coefficients.data.copy_(found["coefficients"])
        optimiser.load_state_dict(found["optimiser"])
        schedule.load_state_dict(found["schedule"])
        generator.set_state(found["generator"])
        done = len(history)
        reporter.step(done)
    for step in range(done, config.steps):
        if step % 20 == 0:
            # Nearest strands are found again now and then; between, the pairs stay (L_chm is one-way).
            now = current()
            _, found = cKDTree(now[:, ::2].reshape(-1, 3)).query(surface.cpu().numpy(), workers=-1)
            half = now[:, ::2].shape[1]
            nearest = torch.from_numpy(np.stack([found // half, 2 * (found % half)], 1)).to(device)
        chosen = torch.randperm(count, generator=generator)[: config.strands_per_step].to(device)
        stride = max(1, length // config.points_per_strand)
        rows = torch.arange(int(torch.randint(stride, (1,), generator=generator)), length, stride, device=device)
        points = grown[chosen][:, rows] + torch.einsum("lk,nkc->nlc", values[rows], coefficients[chosen])
        tangents = grown_slopes[chosen][:, rows] + torch.einsum("lk,nkc->nlc", slopes[rows], coefficients[chosen])
        speed = torch.linalg.vector_norm(tangents, dim=-1)
        grown_speed = torch.linalg.vector_norm(grown_slopes[chosen][:, rows], dim=-1).clamp(min=1e-4)
        points, tangents = points.reshape(-1, 3), (tangents / speed.clamp(min=1e-6)[..., None]).reshape(-1, 3)

        losses = {}
        surfaces = medium.grid.sample(medium.surfaces, points)
        outside, inside = surfaces[:, 0].clamp(min=0) * MILLIMETRES, (5e-4 - surfaces[:, 1]).clamp(min=0) * MILLIMETRES
        losses["volume"] = (outside**2).mean() + (inside**2).mean()
        losses["orientation"] = _orientation(medium, points, tangents, surfaces)
        picked = torch.randint(len(surface), (config.surface_points,), generator=generator).to(device)
        strand, place = nearest[picked].T
        reached = grown[strand, place] + torch.einsum("pk,pkc->pc", values[place], coefficients[strand])
        gap = (surface[picked] - reached) * MILLIMETRES
        furthest = (config.chamfer_reach * MILLIMETRES) ** 2
        losses["chamfer"] = (gap**2).sum(-1).clamp(max=furthest).mean()
        direction = mask = torch.zeros((), device=device)
        drawn = torch.randperm(len(pictures.views), generator=generator)[: config.views_per_step].tolist()
        for k in drawn:
            one, other = pictures.terms(k, points, tangents, visible)
            direction, mask = direction + one / len(drawn), mask + other / len(drawn)
        losses["image orientation"], losses["image mask"] = direction, mask
        moved = coefficients[chosen] * MILLIMETRES
        losses["smoothness"] = 0.01 * (moved**2).sum((1, 2)).mean() + ((speed / grown_speed - 1) ** 2).mean()
        total = sum(weight * losses[name] for name, weight in config.weights().items())
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        schedule.step()
        history.append({name: loss.item() for name, loss in losses.items()} | {"total": total.item()})
        if kept is not None:
            kept.save(state)
        reporter.step(step + 1)
        if preview is not None and (step + 1) % every == 0 and step + 1 < config.steps:
            preview(current())
    return current(), history


def _orientation(medium: Medium, points: torch.Tensor, tangents: torch.Tensor, surfaces: torch.Tensor) -> torch.Tensor:
    """L_orient: one minus the squared cosine to the field, within 3 cm of the hair's surface, weighted by its trust."""
    entries = medium.grid.sample(medium.tensors, points).detach()
    trust = entries[:, :3].sum(1)
    agreement = points.new_zeros(len(points))
    for k, (i, j) in enumerate(PAIRS):
        agreement = agreement + (1 if i == j else 2) * entries[:, k] * tangents[:, i] * tangents[:, j]
    weight = (surfaces[:, 0].detach() > -0.03).float()
    return (weight * (trust - agreement)).sum() / weight.sum().clamp(min=1)


def keep_out_of_head(strands: np.ndarray, surface, gap: float, rounds: int = 4) -> np.ndarray:
    """Move every point of strands (N, L, 3) that is inside the head, or nearer than the gap (metres), onto the gap.

    The roots keep a hair's breadth of 0.02 mm. Exact distances to the mesh, not to a grid: a final guarantee.
    """
    points = strands.reshape(-1, 3).astype(np.float64)
    wanted = np.full(strands.shape[:2], gap)
    # The distance a strand keeps grows over its first points, so that it does not start with a step.
    wanted[:, :4] = np.linspace(2e-5, gap, 5)[:4]
    wanted = wanted.reshape(-1)
    low, high = surface.vertices.min(0) - 2 * gap, surface.vertices.max(0) + 2 * gap
    rows = np.flatnonzero(((points > low) & (points < high)).all(1))
    for _ in range(rounds):
        distance, there, normal = surface.escape(points[rows])
        low_ones = distance < wanted[rows] - 1e-6
        if not low_ones.any():
            break
        rows, there, normal = rows[low_ones], there[low_ones], normal[low_ones]
        points[rows] = there + (wanted[rows] + 2e-6)[:, None] * normal
    return points.astype(np.float32).reshape(strands.shape)
