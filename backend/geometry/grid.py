"""Regular grids of values in space, and reading them between their nodes."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Grid:
    """Where the nodes of a volume lie.

    Attributes:
        origin: (3,) float32, metres, the centre of voxel (0, 0, 0).
        spacing: metres between neighbouring nodes, the same along every axis.
        shape: nodes along x, y and z; a volume on this grid is an array of that shape.
    """

    origin: np.ndarray
    spacing: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, low: np.ndarray, high: np.ndarray, spacing: float) -> "Grid":
        """The grid whose nodes cover the box from low to high, (3,) metres each."""
        low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        shape = np.maximum(np.ceil((high - low) / spacing).astype(int) + 1, 2)
        return cls(low.astype(np.float32), float(spacing), tuple(int(n) for n in shape))

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    def centres(self, chosen: np.ndarray | None = None) -> np.ndarray:
        """(N, 3) float32 metres of the nodes at the given flat indices, or of all nodes in C order."""
        flat = np.arange(self.size) if chosen is None else chosen
        return self.origin + np.stack(np.unravel_index(flat, self.shape), axis=-1).astype(np.float32) * self.spacing

    def sample(self, volume: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Trilinear values of a volume at points, constant beyond its border.

        Args:
            volume: (C, X, Y, Z).
            points: (..., 3) metres.

        Returns:
            (..., C), differentiable in both.
        """
        origin = torch.as_tensor(self.origin, dtype=points.dtype, device=points.device)
        last = torch.tensor([n - 1 for n in self.shape], dtype=points.dtype, device=points.device)
        unit = (points - origin) / (self.spacing * last) * 2 - 1
        # grid_sample names the last axis of the volume first.
        where = unit.flip(-1).reshape(1, -1, 1, 1, 3)
        values = F.grid_sample(volume[None], where, mode="bilinear", padding_mode="border", align_corners=True)
        return values[0, :, :, 0, 0].T.reshape(*points.shape[:-1], volume.shape[0])

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The flat index (N,) of the node nearest to each point (N, 3) metres, and whether it lies in the grid (N,)."""
        index = np.rint((points - self.origin) / self.spacing).astype(np.int64)
        inside = ((index >= 0) & (index < np.array(self.shape))).all(axis=-1)
        index = np.clip(index, 0, np.array(self.shape) - 1)
        return np.ravel_multi_index(tuple(index.T), self.shape), inside


def gradient(volume: torch.Tensor, spacing: float) -> torch.Tensor:
    """(3, X, Y, Z) central differences of a volume (X, Y, Z), per metre."""
    return torch.stack(torch.gradient(volume, spacing=spacing))
