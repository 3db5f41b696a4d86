"""What masks cannot see: hollows in the hair, which the pictures show dark.

A visual hull bridges every hollow. Less light reaches the bottom of one, so that hair which is darker than the hair
around it, facing the same way, lies deeper than the hull (Langer and Bülthoff, Depth discrimination from shading under
diffuse lighting, 2000, for why dark is read as deep). Where some view sees the hull's surface edge-on, at the border
of its mask, the surface is where the hull has it, and darkness does not count.
"""

import dataclasses

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import cKDTree

from ..geometry.projection import sample_image
from ..protocol import Reporter
from .hull import Volumes, mask_distance
from .orientation import blurred, log_intensity
from .presets import ShadingConfig
from .shell import hair_surface, neighbourhood
from .views import HairView
from .visibility import DepthMap


def hollowed(
    volumes: Volumes,
    views: list[HairView],
    depths: list[DepthMap],
    visible: float,
    config: ShadingConfig,
    reporter: Reporter,
) -> Volumes:
    """The volumes with the hair's surface drawn in where the pictures show hollows.

    Args:
        depths: each view's first surface of hair and head.
        visible: metres behind it at which a point still counts as seen.
    """
    points, normals = hair_surface(volumes)
    brightness, seen, edge = _seen(points, normals, views, depths, visible, config, reporter)
    darkness = -_against_surroundings(points, normals, brightness, seen, config)
    depth = np.clip(config.depth * (darkness - config.darkness), 0, config.deepest)
    depth *= np.clip(edge / config.edge - 1, 0, 1) * np.clip(seen / 0.3, 0, 1)
    # Thin hair has no room for hollows; its dark places are the skin's shadow.
    room = volumes.grid.sample(volumes.head[None], torch.from_numpy(points))[:, 0].numpy() - config.thin
    depth = np.minimum(depth, config.share * np.maximum(room, 0))
    around: sparse.csr_matrix = neighbourhood(points, normals, 2.5 * volumes.grid.spacing)
    for _ in range(3):
        depth = around @ depth
    hair = volumes.hair.numpy().reshape(-1).copy()
    near = np.flatnonzero((hair > -2 * config.deepest) & (hair < 2 * volumes.grid.spacing))
    _, nearest = cKDTree(points).query(volumes.grid.centres(near), workers=-1)
    hair[near] += depth[nearest].astype(np.float32)
    return dataclasses.replace(volumes, hair=torch.from_numpy(hair.reshape(volumes.grid.shape)))


def _seen(
    points: np.ndarray,
    normals: np.ndarray,
    views: list[HairView],
    depths: list[DepthMap],
    visible: float,
    config: ShadingConfig,
    reporter: Reporter,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of points (P, 3): mean log intensity (P,), the weight of the views that see it (P,), and metres to the nearest
    mask border among the views that see it edge-on (P,)."""
    points, normals = torch.from_numpy(points), torch.from_numpy(normals)
    total, weight = torch.zeros(len(points)), torch.zeros(len(points))
    edge = torch.full_like(total, torch.inf)
    for view, depth_map in zip(views, depths, strict=True):
        pixels, depth = view.project(points)
        facing = (torch.nn.functional.normalize(view.centre - points, dim=-1) * normals).sum(-1).clamp(0, 1)
        unhidden = ((2 * visible - depth_map.behind(pixels, depth)) / visible).clamp(0, 1)
        hair = torch.from_numpy((view.hair > 0.5).astype(np.float32))
        smooth = blurred(log_intensity(view.image) * hair, config.blur) / blurred(hair, config.blur).clamp(min=0.01)
        border = torch.from_numpy(mask_distance(view.hair, 0.3))
        brightness, inside, distance = sample_image(torch.stack([smooth, hair, border]), pixels).T
        share = unhidden * facing**1.5 * (inside > 0.5)
        total += share * brightness
        weight += share
        metres = torch.where((facing < 0.35) & (unhidden > 0), distance.abs() * depth / view.focal, torch.inf)
        edge = torch.minimum(edge, metres)
        reporter.check()
    return (total / weight.clamp(min=1e-6)).numpy(), weight.numpy(), edge.numpy()


def _against_surroundings(
    points: np.ndarray, normals: np.ndarray, brightness: np.ndarray, seen: np.ndarray, config: ShadingConfig
) -> np.ndarray:
    """(P,) log intensity less that of the seen surface around which faces the same way."""
    known = np.flatnonzero(seen > 0.1)
    # A few thousand anchors tell the surroundings' brightness as well as all points do.
    anchors = np.random.default_rng(0).permutation(known)[:6000]
    if not len(anchors):
        return np.zeros(len(points), np.float32)
    count = min(128, len(anchors))
    distance, index = cKDTree(points[anchors]).query(
        points, k=np.arange(1, count + 1), distance_upper_bound=config.surroundings, workers=-1
    )
    near = np.isfinite(distance)
    index = anchors[np.where(near, index, 0)]
    weight = near * np.clip(np.einsum("pc,pkc->pk", normals, normals[index]), 0, 1) * np.minimum(seen[index], 1)
    mean = (weight * brightness[index]).sum(1) / np.maximum(weight.sum(1), 1e-6)
    return np.where(weight.sum(1) > 0, brightness - mean, 0.0)
