"""Nearest neighbours and mesh losses: their time on a dense head, and against PyTorch3D where it is importable."""

import time

import numpy as np
import torch
from scipy.spatial import cKDTree

from backend.detail.dense import DenseHead
from backend.geometry.mesh_losses import (
    chamfer_distance,
    edge_differences,
    mesh_edge_loss,
    mesh_laplacian_smoothing,
    mesh_normal_consistency,
    nearest_neighbours,
    uniform_laplacian,
)

POINTS = 200_000
COMPARED = 20_000
"""Points on either side where PyTorch3D is timed: its search on a processor is by all pairs."""


def time_losses(dense: DenseHead, repeats: int = 5) -> list[dict]:
    """A row an operator: milliseconds forwards and backwards; PyTorch3D's, and how far its value is, or None."""
    vertices, faces = torch.from_numpy(dense.rest()).float(), torch.from_numpy(dense.faces.astype(np.int64))
    random = torch.Generator().manual_seed(0)
    pick = torch.randint(len(vertices), (POINTS,), generator=random)
    scan = vertices[pick] + 0.001 * torch.randn((POINTS, 3), generator=random)
    differences, laplacian = edge_differences(faces, len(vertices)), uniform_laplacian(faces, len(vertices))
    tree = cKDTree(scan.numpy())
    few = vertices[:: max(1, len(vertices) // COMPARED)], scan[:COMPARED]
    few_points = f"Chamfer, {len(few[0]):,} and {len(few[1]):,}"
    theirs = _pytorch3d(faces, few)
    if "Chamfer" in theirs:
        theirs[few_points] = theirs.pop("Chamfer")
    operators = {
        f"nearest of {POINTS:,} for {len(vertices):,}": lambda v: nearest_neighbours(v, scan, tree=tree),
        f"Chamfer, {len(vertices):,} and {POINTS:,}": lambda v: chamfer_distance(v, scan, tree=tree).distance,
        few_points: lambda v: chamfer_distance(few[0], few[1]).distance,
        "edges": lambda v: mesh_edge_loss(v, differences),
        "uniform Laplacian": lambda v: mesh_laplacian_smoothing(v, faces, laplacian=laplacian),
        "cotangent Laplacian": lambda v: mesh_laplacian_smoothing(v, faces, "cot"),
        "normal consistency": lambda v: mesh_normal_consistency(v, faces),
    }
    rows = []
    for name, operator in operators.items():
        value, milliseconds = _timed(operator, vertices, repeats)
        row = {"operator": name, "ms": round(milliseconds, 1), "pytorch3d_ms": None, "relative_difference": None}
        if name in theirs:
            their_value, row["pytorch3d_ms"] = _timed(theirs[name], vertices, 1)
            row["relative_difference"] = abs(value - their_value) / max(abs(their_value), 1e-30)
        rows.append(row)
    return rows


def _timed(operator, vertices: torch.Tensor, repeats: int) -> tuple[float, float]:
    seconds = []
    for _ in range(repeats):
        at = vertices.clone().requires_grad_()
        began = time.perf_counter()
        found = operator(at)
        if found.requires_grad:
            found.backward()
        seconds.append(time.perf_counter() - began)
    return float(found.detach().double().mean()), 1e3 * min(seconds)


def _pytorch3d(faces: torch.Tensor, few: tuple) -> dict:
    """Operators of the same names; none where PyTorch3D is not importable."""
    try:
        from pytorch3d import loss
        from pytorch3d.structures import Meshes
    except (ImportError, OSError):
        return {}

    def mesh(v: torch.Tensor):
        return Meshes([v], [faces])

    return {
        "Chamfer": lambda v: loss.chamfer_distance(few[0][None], few[1][None])[0],
        "edges": lambda v: loss.mesh_edge_loss(mesh(v)),
        "uniform Laplacian": lambda v: loss.mesh_laplacian_smoothing(mesh(v)),
        "cotangent Laplacian": lambda v: loss.mesh_laplacian_smoothing(mesh(v), "cot"),
        "normal consistency": lambda v: loss.mesh_normal_consistency(mesh(v)),
    }
