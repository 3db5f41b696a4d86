"""The preset ``paper``: both stages by Adam, as HeadCraft was published (4.1 and A.1).

Everything is in the paper's units, 1/120 m (its NPHM coordinates). Edge and Laplacian terms act on the field of
displacements, as in the public code: on the surface itself their weights would shrink the head.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..geometry.mesh_losses import edge_differences, mesh_edge_loss, nearest_neighbours, uniform_laplacian
from .frames import vertex_normals

UNIT = 1 / 120
"""Metres."""
STEPS = 1000


@dataclass(frozen=True)
class PaperStage:
    """One optimisation.

    Attributes:
        rate: Adam's learning rate.
        chamfer, edge, laplacian: weights of equation 1.
        pruning: units between partners, at most.
    """

    rate: float
    chamfer: float
    edge: float
    laplacian: float
    pruning: float


VECTOR = PaperStage(3e-2, 2e3, 2e5, 1e4, 1.0)
NORMAL = PaperStage(3e-4, 2e4, 2e4, 1e4, 1.0)
PARTIAL_VECTOR = PaperStage(3e-2, 2e3, 8e5, 1e5, 10.0)
PARTIAL_NORMAL = PaperStage(3e-4, 2e4, 2e4, 1e4, 0.1)
"""For a part of a head: stiffer, with a longer reach in stage 1 and a shorter one in stage 2 (supplementary)."""


def paper_stage(
    base: np.ndarray, faces: np.ndarray, free: np.ndarray, points: np.ndarray, stage: PaperStage, along_normals: bool,
    steps: int, device, reporter,
) -> np.ndarray:  # fmt: skip
    """(W, 3) metres: the displacements of one stage, equation 2 or 4.

    Args:
        base: (W, 3) metres, what is displaced.
        faces: (G, 3)
        free: (W,) bool.
        points: (N, 3) metres, of the scan.
        stage: its weights.
        along_normals: stage 2: along the normals of ``base``; else stage 1: in all directions.
        steps: of Adam.
        device: where.
        reporter: told of steps.
    """
    target = torch.from_numpy(points / UNIT).float().to(device)
    start = torch.from_numpy(base / UNIT).float().to(device)
    triangles = torch.from_numpy(faces.astype(np.int64)).to(device)
    mask = torch.from_numpy(free).to(device)
    edges, laplacian = edge_differences(triangles, len(base)), uniform_laplacian(triangles, len(base))
    normals = torch.from_numpy(vertex_normals(base, faces)).float().to(device)
    tree = None if start.device.type == "cuda" else cKDTree(points / UNIT, compact_nodes=False)
    rows = torch.nonzero(mask)[:, 0]
    unknown = torch.zeros((len(rows), 1 if along_normals else 3), device=device, requires_grad=True)
    adam = torch.optim.Adam([unknown], lr=stage.rate)

    def field() -> torch.Tensor:
        moved = unknown * normals[mask] if along_normals else unknown
        return torch.zeros_like(start).index_put((rows,), moved)

    for step in range(steps):
        adam.zero_grad()
        displacement = field()
        loss = stage.chamfer * pruned_chamfer(start + displacement, target, stage.pruning, tree)
        loss = loss + stage.edge * mesh_edge_loss(displacement, edges)  # equation 5
        bent = (laplacian(displacement) ** 2).sum()
        if bent > 0:  # the root has no gradient at 0, where the field begins
            loss = loss + stage.laplacian * bent.sqrt()  # equation 6
        loss.backward()
        adam.step()
        reporter.step(step + 1)
    with torch.no_grad():
        return field().cpu().numpy().astype(np.float64) * UNIT


def pruned_chamfer(moved: torch.Tensor, target: torch.Tensor, pruning: float, tree: cKDTree | None) -> torch.Tensor:
    """The mean distance of partners nearer than ``pruning``, one way plus the other (A.1).

    Args:
        moved: (N, 3)
        target: (M, 3)
        pruning: in their unit.
        tree: of the target.
    """
    total = moved.sum() * 0
    for here, there, known in ((moved, target, tree), (target, moved, None)):
        found = nearest_neighbours(here.detach(), there.detach(), tree=known)[:, 0]
        away = ((here - there[found]) ** 2).sum(dim=1)
        kept = (away.detach() <= pruning**2) & (away.detach() > 0)
        if kept.any():
            total = total + away[kept].sqrt().sum() / kept.sum()
    return total
