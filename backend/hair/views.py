"""The pictures of a capture as the reconstruction uses them."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..geometry.projection import project


@dataclass(frozen=True, eq=False)
class HairView:
    """One picture without distortion, with its masks and camera.

    Attributes:
        name: the picture's stem.
        image: (H, W, 3) uint8 RGB.
        hair: (H, W) float32 in [0, 1], the hair mask, soft at its edge.
        bust: (H, W) float32 in [0, 1], visible skin and shoulders; None where there is no such mask.
        intrinsics: (3, 3) float32 tensor, pixels.
        world_to_camera: (4, 4) float32 tensor, metres, OpenCV's axes.
        centre: (3,) float32 tensor, the camera in the world, metres.
    """

    name: str
    image: np.ndarray
    hair: np.ndarray
    bust: np.ndarray | None
    intrinsics: torch.Tensor
    world_to_camera: torch.Tensor
    centre: torch.Tensor

    @classmethod
    def from_camera(cls, name, image, hair, bust, intrinsics, world_to_camera) -> "HairView":
        """From NumPy matrices: intrinsics (3, 3), world_to_camera (4, 4)."""
        world_to_camera = np.asarray(world_to_camera, np.float64)
        centre = -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]
        tensors = (torch.tensor(np.asarray(m), dtype=torch.float32) for m in (intrinsics, world_to_camera, centre))
        return cls(name, image, hair, bust, *tensors)

    @classmethod
    def from_loaded(cls, view) -> "HairView":
        """From a ``capture.images.LoadedView``, whose camera has no distortion."""
        camera = view.camera
        return cls.from_camera(view.name, view.image, view.hair, view.bust, camera.intrinsics, camera.world_to_camera)

    def scaled(self, factor: float) -> "HairView":
        """The same picture where every length of the world is ``factor`` times as long."""
        world_to_camera = self.world_to_camera.clone()
        world_to_camera[:3, 3] *= factor
        return replace(self, world_to_camera=world_to_camera, centre=factor * self.centre)

    def turned(self, turn: np.ndarray) -> "HairView":
        """The same picture of a world that was turned by the rotation (3, 3)."""
        turn = torch.as_tensor(turn, dtype=torch.float32)
        world_to_camera = self.world_to_camera.clone()
        world_to_camera[:3, :3] = world_to_camera[:3, :3] @ turn.T
        return replace(self, world_to_camera=world_to_camera, centre=turn @ self.centre)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.hair.shape

    @property
    def focal(self) -> float:
        """Mean focal length in pixels."""
        return float(self.intrinsics[0, 0] + self.intrinsics[1, 1]) / 2

    def project(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels (..., 2) and depths (...) of points (..., 3) in the world, on the points' device."""
        return project(points, self.intrinsics.to(points.device), self.world_to_camera.to(points.device))
