"""The photographs as the surface on a grid asks them: grey values, distances to the mask, labels, cameras."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, grey_closing

from ...geometry.projection import pixel_rays, project
from ..priors.views import HeadView


@dataclass(frozen=True, eq=False)
class Picture:
    """One photograph at the size of a stage.

    Attributes:
        name: the view's.
        grey: (H, W) float32 tensor.
        outside: (H, W) float32 tensor, pixels outside the person's mask, below 0 inside; None without a mask.
        labels: (H, W) uint8 tensor into ``semantics.CLASSES``, or None.
        lines: (3, H, W) float32 tensor: cosine and sine of a hair's direction and how sure it is, or None.
        intrinsics: (3, 3) float32 tensor, pixels.
        pose: (4, 4) float32 tensor, world to camera, OpenCV's axes.
    """

    name: str
    grey: torch.Tensor
    outside: torch.Tensor | None
    labels: torch.Tensor | None
    lines: torch.Tensor | None
    intrinsics: torch.Tensor
    pose: torch.Tensor

    @classmethod
    def of(cls, view: HeadView, side: int, closing: int = 5) -> "Picture":
        """A view at most ``side`` pixels across."""
        directions = view.orientation
        small = view.reduced(side)
        grey = torch.from_numpy(cv2.cvtColor(small.image.astype(np.float32), cv2.COLOR_RGB2GRAY))
        outside = None if small.person is None else torch.from_numpy(mask_distance(small.person, closing))
        labels = None if small.labels is None else torch.from_numpy(small.labels)
        lines = None
        if directions is not None:
            # Directions have two ends: they are reduced as vectors of the doubled angle.
            angle, sure = directions.angle.numpy(), directions.confidence.numpy()
            size = (small.camera.width, small.camera.height)
            doubled = [
                cv2.resize(sure * part(2 * angle), size, interpolation=cv2.INTER_AREA) for part in (np.cos, np.sin)
            ]
            half = 0.5 * np.arctan2(doubled[1], doubled[0])
            lines = torch.from_numpy(np.stack([np.cos(half), np.sin(half), np.hypot(*doubled)]).astype(np.float32))
        matrices = (torch.from_numpy(m.astype(np.float32)) for m in (small.intrinsics, small.world_to_camera))
        return cls(view.name, grey, outside, labels, lines, *matrices)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)"""
        return tuple(self.grey.shape)

    @property
    def focal(self) -> float:
        """Mean focal length in pixels."""
        return float(self.intrinsics[0, 0] + self.intrinsics[1, 1]) / 2

    @property
    def centre(self) -> torch.Tensor:
        """(3,) the camera in the world."""
        return -self.pose[:3, :3].T @ self.pose[:3, 3]

    @property
    def axis(self) -> torch.Tensor:
        """(3,) unit vector along which it looks."""
        return self.pose[2, :3]

    def moved(self, pose: torch.Tensor) -> "Picture":
        """The picture of a camera that stands elsewhere."""
        return replace(self, pose=pose)

    def project(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels (..., 2) and depths (...) of points (..., 3)."""
        return project(points, self.intrinsics, self.pose)

    def rays(self, pixels: torch.Tensor) -> torch.Tensor:
        """(..., 3) directions in the world, of depth 1 along the axis, through pixels (..., 2)."""
        return pixel_rays(pixels, self.intrinsics) @ self.pose[:3, :3]


def mask_distance(mask: np.ndarray, closing: int) -> np.ndarray:
    """(H, W) float32 pixels outside a soft mask (H, W), below 0 inside, its edge placed between pixels.

    What lies beyond the picture's border counts as neither.
    """
    mask = grey_closing(mask, size=(closing, closing)) if closing > 1 else mask
    inside = mask >= 0.5
    if inside.all() or not inside.any():
        return np.full(mask.shape, -1e3 if inside.all() else 1e3, np.float32)
    distance = distance_transform_edt(~inside) - distance_transform_edt(inside)
    distance -= 0.5 * np.sign(distance)
    soft = np.clip(0.5 - mask, -0.5, 0.5)
    return np.where(np.abs(distance) < 0.75, soft, distance).astype(np.float32)
