"""Directions through the whole volume: the shell's carried inward by screened diffusion of tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import cKDTree

from ..geometry.grid import Grid
from ..protocol import Reporter
from .hull import Volumes
from .presets import FieldConfig
from .shell import Shell

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""The six entries of a symmetric tensor, in the order in which they are kept."""


@dataclass(eq=False)
class DirectionField:
    """Hair directions on the nodes of the volume that hold hair.

    Attributes:
        grid: the volume's grid.
        nodes: (N,) flat indices of its nodes that hold hair.
        directions: (N, 3) float32, unit, root to tip once signed.
        trust: (N,) float32 in [0, 1], the gap of the diffused tensor's two greatest eigenvalues.
        laplacian: (N, N) sparse, of neighbouring nodes.
    """

    grid: Grid
    nodes: np.ndarray
    directions: np.ndarray
    trust: np.ndarray
    laplacian: sparse.csr_matrix

    def vectors(self) -> torch.Tensor:
        """(3, X, Y, Z) float32: signed directions, zero where there is no hair."""
        volume = np.zeros((3, self.grid.size), np.float32)
        volume[:, self.nodes] = self.directions.T
        return torch.from_numpy(volume.reshape(3, *self.grid.shape))

    def tensors(self) -> torch.Tensor:
        """(6, X, Y, Z) float32: entries of d d^T in the order of PAIRS, weighted by trust; zero without hair."""
        weight = np.maximum(self.trust, 0.05)
        volume = np.zeros((6, self.grid.size), np.float32)
        for k, (i, j) in enumerate(PAIRS):
            volume[k, self.nodes] = weight * self.directions[:, i] * self.directions[:, j]
        return torch.from_numpy(volume.reshape(6, *self.grid.shape))


def hair_nodes(volumes: Volumes) -> np.ndarray:
    """(N,) flat indices of the nodes that hold hair, with one layer around them to read between."""
    spacing = volumes.grid.spacing
    near = (volumes.hair < spacing) & (volumes.head > -1.5 * spacing)
    return np.flatnonzero(near.numpy().reshape(-1))


def node_laplacian(nodes: np.ndarray, shape: tuple[int, int, int]) -> sparse.csr_matrix:
    """(N, N) float32: the graph Laplacian of the six-neighbours among the given flat indices."""
    number = np.full(int(np.prod(shape)), -1, np.int32)
    number[nodes] = np.arange(len(nodes), dtype=np.int32)
    volume = number.reshape(shape)
    rows, columns = [], []
    for axis in range(3):
        here = np.moveaxis(volume, axis, 0)[:-1].reshape(-1)
        there = np.moveaxis(volume, axis, 0)[1:].reshape(-1)
        both = (here >= 0) & (there >= 0)
        rows += [here[both], there[both]]
        columns += [there[both], here[both]]
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    adjacency = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(nodes),) * 2)
    return (sparse.diags(np.asarray(adjacency.sum(1))[:, 0]) - adjacency).tocsr().astype(np.float32)


def screened_solve(
    laplacian: sparse.csr_matrix, diagonal: np.ndarray, right: np.ndarray, start: np.ndarray, iterations: int,
    reporter: Reporter,
) -> np.ndarray:  # fmt: skip
    """Solve (L + diag) x = right for several right sides at once by Jacobi-preconditioned conjugate gradients.

    Args:
        diagonal: (N,) above 0.
        right, start: (N, C).
    """
    inverse = (1 / (laplacian.diagonal() + diagonal)).astype(np.float32)[:, None]
    diagonal = diagonal.astype(np.float32)[:, None]
    x = start.astype(np.float32).copy()
    residual = right - laplacian @ x - diagonal * x
    z = inverse * residual
    p, rz = z.copy(), (residual * z).sum(0)
    goal = 1e-6 * np.maximum((right * inverse * right).sum(0), 1e-20)
    for _ in range(iterations):
        q = laplacian @ p + diagonal * p
        alpha = rz / np.maximum((p * q).sum(0), 1e-30)
        x += alpha * p
        residual -= alpha * q
        z = inverse * residual
        fresh = (residual * z).sum(0)
        reporter.check()
        if (fresh < goal).all():
            break
        p = z + (fresh / np.maximum(rz, 1e-30)) * p
        rz = fresh
    return x


def scalp_weight(shell: Shell, scalp_points: np.ndarray, config: FieldConfig) -> float:
    """Weight of the scalp's normal, less where the shell reaches far from the scalp (S, 3)."""
    distance, _ = cKDTree(scalp_points).query(shell.points.numpy())
    reach = float(np.quantile(distance, 0.75))
    return config.scalp_weight * min(1.0, config.short / max(reach, 1e-6))


def diffuse(
    shell: Shell, volumes: Volumes, scalp_points: np.ndarray, scalp_normals: np.ndarray, prior: torch.Tensor,
    prior_grid: Grid, config: FieldConfig, reporter: Reporter,
) -> DirectionField:  # fmt: skip
    """Carry the shell's directions inward.

    The six entries of d d^T solve (L + w + 1/s^2) T = w d d^T, with w the shell's weight, s the screening length; the
    scalp's normals (S, 3) at points (S, 3) are weak data, the weaker the farther hair reaches, since its own weight
    lays long hair down; and weaker still is the prior (3, x, y, z) on its own grid, which speaks where the pictures
    are silent. A direction is the eigenvector of the greatest eigenvalue.
    """
    grid = volumes.grid
    nodes = hair_nodes(volumes)
    number = np.full(grid.size, -1, np.int64)
    number[nodes] = np.arange(len(nodes))
    weight = np.zeros(len(nodes))
    data = np.zeros((len(nodes), 6))

    def add(points: np.ndarray, directions: np.ndarray, weights: np.ndarray) -> None:
        flat, inside = grid.nearest(points)
        rows = number[flat]
        kept = inside & (rows >= 0) & (weights > 0)
        rows, d, w = rows[kept], directions[kept], weights[kept]
        weight[:] += np.bincount(rows, w, minlength=len(nodes))
        for k, (i, j) in enumerate(PAIRS):
            data[:, k] += np.bincount(rows, w * d[:, i] * d[:, j], minlength=len(nodes))

    add(shell.points.numpy(), shell.directions.numpy(), config.shell_weight * shell.weights.numpy())
    # Each node counts once, so that the field does not depend on how many strands are asked for.
    flat, _ = grid.nearest(scalp_points)
    _, where, count = np.unique(flat, return_inverse=True, return_counts=True)
    add(scalp_points, scalp_normals, scalp_weight(shell, scalp_points, config) / count[where])
    for part in np.array_split(np.arange(len(nodes)), len(nodes) // 500_000 + 1):
        falling = prior_grid.sample(prior, torch.from_numpy(grid.centres(nodes[part]))).numpy()
        weight[part] += config.prior_weight
        for k, (i, j) in enumerate(PAIRS):
            data[part, k] += config.prior_weight * falling[:, i] * falling[:, j]
    laplacian = node_laplacian(nodes, grid.shape)
    screening = (grid.spacing / config.screening) ** 2
    start = np.repeat(data.sum(0, keepdims=True) / max(weight.sum(), 1e-9), len(nodes), axis=0)
    entries = screened_solve(laplacian, weight + screening, data.astype(np.float32), start, config.iterations, reporter)
    tensor = np.empty((len(nodes), 3, 3), np.float32)
    for k, (i, j) in enumerate(PAIRS):
        tensor[:, i, j] = tensor[:, j, i] = entries[:, k]
    directions, trust = np.empty((len(nodes), 3), np.float32), np.empty(len(nodes), np.float32)
    for part in np.array_split(np.arange(len(nodes)), max(1, len(nodes) // 200_000)):
        values, vectors = torch.linalg.eigh(torch.from_numpy(tensor[part]))
        directions[part] = vectors[:, :, 2].numpy()
        trust[part] = ((values[:, 2] - values[:, 1]) / values.abs().sum(1).clamp(min=1e-9)).numpy()
        reporter.check()
    return DirectionField(grid, nodes, directions, trust, laplacian)
