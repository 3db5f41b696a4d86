"""Directions in space on the shell: the layer of hair that the pictures see.

A line in a picture and the camera's centre span a plane; the hair's direction lies in it. With n the unit normal of
that plane, the direction d that agrees best with all views makes the sum of w (n . d)^2 smallest: the eigenvector of
the smallest eigenvalue of M = sum of w n n^T.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from ..geometry.grid import gradient
from ..geometry.projection import pixel_rays, sample_image
from ..protocol import Reporter
from .hull import Volumes
from .orientation import OrientationMap
from .presets import ShellConfig
from .views import HairView
from .visibility import DepthMap


@dataclass(eq=False)
class Shell:
    """Points on the hair's visible surface.

    Attributes:
        points: (P, 3) float32 tensor, metres.
        normals: (P, 3) float32 tensor, unit, away from the hair.
        neighbours: (P, P) sparse rows that sum to 1: the points around each point.
        directions: (P, 3) float32 tensor, unit, unsigned.
        weights: (P,) float32 tensor in [0, 1]: how sure the directions are; 0 where no view sees the point.
    """

    points: torch.Tensor
    normals: torch.Tensor
    neighbours: sparse.csr_matrix
    directions: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True, eq=False)
class Lines:
    """What the best views say about each point.

    Attributes:
        planes: (K, P, 3) float32 tensor, unit normals of the planes through camera and line.
        weights: (K, P) float32 tensor: confidence times visibility times facing.
    """

    planes: torch.Tensor
    weights: torch.Tensor

    def closed_form(self, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(P, 3, 3): M = sum of w n n^T over the views."""
        weights = self.weights if weights is None else weights
        return torch.einsum("kp,kpi,kpj->pij", weights, self.planes, self.planes)


def hair_surface(volumes: Volumes) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 3) and unit normals (P, 3), metres, on the hair's surface, where it does not lie inside the head."""
    points, _, _, _ = marching_cubes(volumes.hair.numpy(), 0.0, spacing=(volumes.grid.spacing,) * 3)
    points = torch.from_numpy(points.astype(np.float32) + volumes.grid.origin)
    outside = volumes.grid.sample(volumes.head[None], points)[:, 0] > 0.0005
    points = points[outside]
    normals = volumes.grid.sample(gradient(_smoothed(volumes.hair), volumes.grid.spacing), points)
    return points.numpy(), torch.nn.functional.normalize(normals, dim=-1).numpy()


def _smoothed(volume: torch.Tensor) -> torch.Tensor:
    """Two box blurs, so that normals do not follow the steps of the voxels."""
    for _ in range(2):
        volume = torch.nn.functional.avg_pool3d(volume[None, None], 3, stride=1, padding=1, count_include_pad=False)[
            0, 0
        ]
    return volume


def neighbourhood(points: np.ndarray, normals: np.ndarray, radius: float, most: int = 12) -> sparse.csr_matrix:
    """Rows that sum to 1 over the points (P, 3) around each that face the same way; metres."""
    count = min(most, len(points))
    distance, index = cKDTree(points).query(points, k=count, distance_upper_bound=radius, workers=-1)
    found = np.isfinite(distance)
    rows = np.repeat(np.arange(len(points)), count).reshape(index.shape)[found]
    columns = index[found]
    weight = np.exp(-0.5 * (distance[found] / (0.5 * radius)) ** 2)
    weight *= np.clip((normals[rows] * normals[columns]).sum(1), 0, 1)
    matrix = sparse.csr_matrix((weight.astype(np.float32), (rows, columns)), shape=(len(points),) * 2)
    return sparse.diags(1 / np.maximum(np.asarray(matrix.sum(1))[:, 0], 1e-9)).astype(np.float32) @ matrix


def lines_at(
    points: torch.Tensor,
    normals: torch.Tensor,
    views: list[HairView],
    maps: list[OrientationMap],
    depths: list[DepthMap],
    visible: float,
    config: ShellConfig,
) -> Lines:
    """The planes of the views that see each point best.

    Args:
        points, normals: (P, 3) metres and unit.
        depths: each view's first surface of hair and head.
        visible: metres behind it at which a point still counts as seen.
    """
    planes = torch.zeros(len(views), len(points), 3)
    weights = torch.zeros(len(views), len(points))
    for k, (view, found, depth_map) in enumerate(zip(views, maps, depths, strict=True)):
        pixels, depth = view.project(points)
        doubled = sample_image(found.doubled(), pixels)
        confidence = torch.linalg.vector_norm(doubled, dim=-1)
        angle = 0.5 * torch.atan2(doubled[:, 1], doubled[:, 0])
        ray = pixel_rays(pixels, view.intrinsics)
        focal = torch.stack([view.intrinsics[0, 0], view.intrinsics[1, 1]])
        along = torch.stack([torch.cos(angle), torch.sin(angle)], -1) / focal
        along = torch.cat([along, torch.zeros(len(points), 1)], -1)
        plane = torch.linalg.cross(ray, along) @ view.world_to_camera[:3, :3]
        planes[k] = torch.nn.functional.normalize(plane, dim=-1)
        toward = torch.nn.functional.normalize(view.centre - points, dim=-1)
        facing = (toward * normals).sum(-1).clamp(0, 1) ** config.facing_power
        behind = depth_map.behind(pixels, depth)
        seen = ((2 * visible - behind) / visible).clamp(0, 1)
        weights[k] = confidence * facing * seen
    best, index = weights.topk(min(config.views_per_point, len(views)), dim=0)
    return Lines(torch.gather(planes, 0, index[..., None].expand(-1, -1, 3)), best)


def plain_directions(lines: Lines) -> tuple[torch.Tensor, torch.Tensor]:
    """Closed form only: directions (P, 3), and sureness (P,) from the gap between the two least eigenvalues."""
    values, vectors = torch.linalg.eigh(lines.closed_form().double())
    gap = (values[:, 1] - values[:, 0]) / values.sum(1).clamp(min=1e-9)
    seen = (lines.weights.sum(0) / 0.5).clamp(0, 1)
    return vectors[:, :, 0].float(), (gap.float() / 0.4).clamp(0, 1) * seen


def half_sphere(count: int) -> torch.Tensor:
    """(count, 3) float32 unit directions, evenly over half the sphere."""
    k = torch.arange(count, dtype=torch.float64) + 0.5
    z = 1 - k / count
    turn = torch.pi * (1 + 5**0.5) * k
    radius = torch.sqrt(1 - z**2)
    return torch.stack([radius * torch.cos(turn), radius * torch.sin(turn), z], -1).float()


def robust_directions(
    lines: Lines, neighbours: sparse.csr_matrix, config: ShellConfig, reporter: Reporter
) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions (P, 3) that most views and neighbours support, and how sure they are (P,).

    Every direction of the half sphere gets the weight of the lines that agree with it; neighbours on the shell share
    these votes; the winner is then refined by reweighted closed forms. Unlike reweighting from the plain mean, this
    does not start from an average between two layers of hair.
    """
    tried = half_sphere(config.directions)
    count = lines.weights.shape[1]
    votes = np.empty((count, len(tried)), np.float32)
    for part in torch.arange(count).split(8192):
        dots = torch.einsum("kpi,di->kpd", lines.planes[:, part], tried)
        support = (1 - (dots / config.kernel) ** 2).clamp(min=0) ** 2
        votes[part.numpy()] = torch.einsum("kp,kpd->pd", lines.weights[:, part], support).numpy()
        reporter.check()
    for _ in range(config.neighbour_rounds):
        votes = 0.4 * votes + 0.6 * (neighbours @ votes)
        reporter.check()
    best = torch.from_numpy(votes.argmax(axis=1))
    directions = tried[best]
    total = torch.from_numpy((neighbours @ lines.weights.sum(0).numpy()[:, None])[:, 0]).clamp(min=1e-6)
    agreement = torch.from_numpy(votes.max(axis=1)) / total
    for _ in range(config.refine_rounds):
        dots = torch.einsum("kpi,pi->kp", lines.planes, directions)
        weights = lines.weights * (1 - (dots / config.kernel) ** 2).clamp(min=0) ** 2
        system = lines.closed_form(weights).reshape(count, 9).numpy()
        system = torch.from_numpy(0.4 * system + 0.6 * (neighbours @ system)).reshape(count, 3, 3).double()
        # Stay near the winner where the lines leave a direction open (all cameras in one plane with it).
        outer = directions[:, :, None] * directions[:, None]
        system = system - 0.05 * system.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * outer
        directions = torch.linalg.eigh(system)[1][:, :, 0].float()
    seen = (lines.weights.sum(0) / 0.5).clamp(0, 1)
    # Lines at random lend any direction about a third of their weight.
    return directions, (((agreement - 0.35) / 0.5).clamp(0, 1) * seen).float()
