"""What all photographs say of a place in space: the volume that their masks leave, as far as most agree, drawn back
into each of them."""

import cv2
import numpy as np
from scipy.ndimage import label

from ...formats.capture import Camera
from .pictures import Picture
from .where import Subject

NODES = 88
"""Along the longest side."""
DISAGREEING = 0.12
"""Share of the photographs that see a place and may say that it is background, before it is."""
FEWEST = 3
"""Photographs with cameras that carve anything."""


class Volume:
    """Voxels about the person.

    Args:
        subject: where it is.
        pictures: whose cameras see it.
        nodes: voxels along each side.
    """

    def __init__(self, subject: Subject, pictures: list[Picture], nodes: int = NODES):
        reach = [_reach(p.camera, subject.centre) for p in pictures]
        # A picture's corners see farther than its sides; what only they see is nobody's head.
        half = float(np.median([r for r in reach if r > 0]))
        self._nodes, self.spacing = nodes, 2 * half / nodes
        axis = (np.arange(nodes) + 0.5) * self.spacing - half
        self.points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) + subject.centre
        self.points = self.points.astype(np.float32)
        self._seen = [_Seen(self.points, p) for p in pictures]

    def carved(self, masks: list[np.ndarray]) -> np.ndarray:
        """(N,) bool: inside for all photographs but a few of those that see the place.

        Args:
            masks: each picture's (H, W), above 0.5 inside.
        """
        against = np.zeros(len(self.points), np.int16)
        asked = np.zeros(len(self.points), np.int16)
        for seen, mask in zip(self._seen, masks, strict=True):
            inside = seen.sample(mask)
            against += seen.inside & (inside < 0.5)
            asked += seen.inside
        few = np.floor(DISAGREEING * asked)
        kept = (against <= few) & (asked >= min(FEWEST, len(masks)))
        return self._largest(kept)

    def mean(self, values: list[np.ndarray], where: np.ndarray, depths: list[np.ndarray]) -> np.ndarray:
        """(N,) float32 mean of each picture's values (H, W) at voxels ``where`` (N,) bool that it shows in front; 0
        elsewhere. ``depths`` are each picture's, as ``depth`` gives them."""
        total, count = np.zeros(len(self.points), np.float32), np.zeros(len(self.points), np.float32)
        for seen, value, depth in zip(self._seen, values, depths, strict=True):
            front = where & seen.inside
            front[front] = seen.depth[front] < seen.at(depth, front) + 1.5 * self.spacing
            total[front] += seen.at(value, front)
            count[front] += 1
        return total / np.maximum(count, 1)

    def depth(self, where: np.ndarray) -> list[np.ndarray]:
        """Each picture's (H, W) float32 depth of the first of some voxels (N,) bool; inf where there is none."""
        return [-seen.splat(-seen.depth, where, self.spacing, -np.inf) for seen in self._seen]

    def drawn(self, where: np.ndarray) -> list[np.ndarray]:
        """Each picture's (H, W) float32, 1 where it shows one of some voxels (N,) bool, 0 elsewhere."""
        ones = np.ones(len(self.points), np.float32)
        return [seen.splat(ones, where, self.spacing, 0.0) for seen in self._seen]

    def painted(self, values: np.ndarray, where: np.ndarray, depths: list[np.ndarray]) -> list[np.ndarray]:
        """Each picture's (H, W) float32 mean of the values (N,) of those voxels (N,) bool that it shows in front; 0
        where it shows none."""
        result = []
        for seen, depth in zip(self._seen, depths, strict=True):
            front = where & seen.inside
            front[front] = seen.depth[front] < seen.at(depth, front) + 1.5 * self.spacing
            result.append(seen.average(values, front, self.spacing))
        return result

    def surface(self, where: np.ndarray) -> np.ndarray:
        """(N,) bool: those of some voxels that have a neighbour that is none of them."""
        cube = np.pad(where.reshape((self._nodes,) * 3), 1)
        inner = cube[1:-1, 1:-1, 1:-1].copy()
        for axis in range(3):
            for step in (-1, 1):
                inner &= np.roll(cube, step, axis)[1:-1, 1:-1, 1:-1]
        return where & ~inner.reshape(-1)

    def _largest(self, kept: np.ndarray) -> np.ndarray:
        """Those in the largest connected piece."""
        pieces, count = label(kept.reshape((self._nodes,) * 3))
        if count < 2:
            return kept
        sizes = np.bincount(pieces.reshape(-1))
        sizes[0] = 0
        return pieces.reshape(-1) == int(sizes.argmax())


class _Seen:
    """Voxels in one picture."""

    def __init__(self, points: np.ndarray, picture: Picture):
        pixels, depth = picture.camera.project(points)
        self.width, self.height = picture.size
        self.focal = picture.camera.fx
        self.depth = depth.astype(np.float32)
        whole = np.floor(np.nan_to_num(pixels)).clip(-1, 1e6).astype(np.int32)
        self.inside = (depth > 0) & (whole >= 0).all(axis=1) & (whole < [self.width, self.height]).all(axis=1)
        self.cell = np.where(self.inside, whole[:, 1] * self.width + whole[:, 0], 0)

    def sample(self, picture: np.ndarray) -> np.ndarray:
        return picture.reshape(-1)[self.cell]

    def at(self, picture: np.ndarray, which: np.ndarray) -> np.ndarray:
        return picture.reshape(-1)[self.cell[which]]

    def splat(self, values: np.ndarray, where: np.ndarray, spacing: float, empty: float) -> np.ndarray:
        """(H, W) the largest value of the voxels in each pixel, each a voxel wide."""
        which = np.flatnonzero(where & self.inside)
        flat = np.full(self.width * self.height, empty, np.float32)
        np.maximum.at(flat, self.cell[which], values[which])
        return cv2.dilate(flat.reshape(self.height, self.width), self._disc(which, spacing))

    def average(self, values: np.ndarray, front: np.ndarray, spacing: float) -> np.ndarray:
        which = np.flatnonzero(front)
        size = self.width * self.height
        shape = (self.height, self.width)
        total = np.bincount(self.cell[which], values[which], size).reshape(shape).astype(np.float32)
        count = np.bincount(self.cell[which], minlength=size).reshape(shape).astype(np.float32)
        side = len(self._disc(which, spacing)) * 2 + 1
        total, count = (cv2.blur(part, (side, side)) for part in (total, count))
        return total / np.maximum(count, 1e-6)

    def _disc(self, which: np.ndarray, spacing: float) -> np.ndarray:
        """As wide as a voxel in the picture."""
        wide = 1.0
        if len(which):
            wide = spacing * self.focal / float(np.median(self.depth[which]))
        side = 2 * int(np.ceil(wide * 0.75)) + 1
        return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _reach(camera: Camera, centre: np.ndarray) -> float:
    """How far from the place where the person is a camera sees, up to its picture's farthest side."""
    (pixel,), (depth,) = camera.project(centre[None])
    sides = np.concatenate([pixel, [camera.width, camera.height] - pixel])
    return float(depth) * float(sides.max()) / camera.fx
