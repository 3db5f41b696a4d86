"""What one photograph says about each point of a mesh: its colour, and how far that is to be trusted."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from ...geometry.raster import Raster, rasterise
from ..priors.views import HeadView

SLACK = 0.0025
"""Metres that a point may lie behind what the camera sees first and still count as seen."""
BEFORE = 0.008
"""Metres that it may lie behind another surface that was given, which is not so near this one everywhere."""
STEP = 0.008
"""Metres of depth between neighbouring pixels from which one of them hides the other's surroundings."""
MARGIN = 0.008
"""Of the picture's longer side: nearer than this to an outline, trust falls off; the mesh or the mask may be wrong."""
SHALLOWEST = 0.2
"""Cosine between the surface's normal and the line of sight from which on a picture says nothing."""
FINEST = 1024
"""Pixels across at which hiding is found out; finer pictures gain nothing from more."""
SOFT = 0.006
"""Of the picture's longer side: standard deviation of the blur under which views are compared."""


@dataclass(frozen=True, eq=False)
class Sight:
    """One view, ready to be asked.

    Attributes:
        view: the photograph.
        picture: (H, W, 3) sRGB, float32 from 0 to 1 or uint8, of the camera's size or another.
        soft: (H, W, 3) float32, blurred within the person.
        depth: what the camera sees of the mesh first.
        scale: of ``depth``'s pixels to the picture's.
        trust: (h, w) float32 from 0 to 1 over ``depth``'s pixels: inside the person and away from outlines.
        before: what the camera sees first of something else that may hide the mesh, or None.
        gain: (3,) that its light is multiplied by, for its exposure.
    """

    view: HeadView
    picture: np.ndarray
    soft: np.ndarray
    depth: Raster
    scale: float
    trust: np.ndarray
    before: Raster | None = None
    gain: np.ndarray = field(default_factory=lambda: np.ones(3))

    def exposed(self, gain: np.ndarray) -> "Sight":
        """The view with its light (3,) multiplied."""
        return replace(self, gain=self.gain * gain)

    def sharpened(self, picture: np.ndarray, points: np.ndarray, texel: float) -> "Sight":
        """The view with the same picture (H, W, 3) in another size, reduced where texels (metres across) at points
        (N, 3) are coarser than its pixels: skipping pixels would turn fine hair into noise."""
        camera = self.view.camera
        _, depth = camera.project(points[:: max(1, len(points) // 1000)])
        pixel = np.median(np.maximum(depth, 1e-3)) / camera.fx * camera.width / picture.shape[1]
        shrink = min(1.0, pixel / max(texel, 1e-9))
        if shrink < 0.8:
            size = tuple(max(1, round(side * shrink)) for side in picture.shape[1::-1])
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return replace(self, picture=picture)

    def weights(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """(N,) how well the view shows points (N, 3) with unit normals (N, 3); 0 where it does not.

        In squared pixels a square metre of the surface, less near outlines.
        """
        camera = self.view.camera
        pixels, depth = camera.project(points)
        small = pixels * self.scale
        seen = self.depth.seen(small, depth, SLACK)
        if self.before is not None:
            seen &= self.before.seen(small, depth, BEFORE)
        sight = camera.centre - points
        facing = np.einsum("nc,nc->n", normals, sight) / np.maximum(np.linalg.norm(sight, axis=1), 1e-9)
        shallow = np.clip((facing - SHALLOWEST) / (1 - SHALLOWEST), 0, 1)
        height, width = self.trust.shape
        column, row = np.floor(np.nan_to_num(small)).clip(-1, [width, height]).astype(int).T
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        trust = np.where(inside, self.trust[row.clip(0, height - 1), column.clip(0, width - 1)], 0)
        density = camera.fx * camera.fy / np.maximum(depth, 1e-3) ** 2
        return (seen * shallow**2 * trust * density).astype(np.float32)

    def colours(self, points: np.ndarray, soft: bool = False) -> np.ndarray:
        """(N, 3) float32 sRGB of points (N, 3), whether they are seen or not."""
        camera, picture = self.view.camera, self.soft if soft else self.picture
        pixels, _ = camera.project(points)
        found = read_at(picture, pixels * [picture.shape[1] / camera.width, picture.shape[0] / camera.height])
        if np.abs(self.gain - 1).max() < 1e-3:
            return found
        return to_srgb((to_linear(found) * self.gain).clip(0, 1)).astype(np.float32)


def see(
    view: HeadView, vertices: np.ndarray, faces: np.ndarray, before: tuple[np.ndarray, np.ndarray] | None = None
) -> Sight:
    """Make a view ready for a mesh (V, 3), (F, 3) in its world.

    Args:
        before: vertices and faces of something else that may hide the mesh, such as hair before a head.
    """
    camera = view.camera
    longer = max(camera.width, camera.height)
    scale = min(1.0, FINEST / longer)
    small = camera.resized(round(camera.width * scale), round(camera.height * scale))
    pixels, depth = small.project(vertices)
    raster = rasterise(pixels, depth, faces, (small.width, small.height))
    person = raster.covered.astype(np.float32)
    if view.person is not None:
        person *= _solid(cv2.resize(view.person, (small.width, small.height), interpolation=cv2.INTER_AREA))
    sound = (person > 0) & ~_steps(raster.depth)
    away = cv2.distanceTransform(np.pad(sound.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    t = np.clip((away - 1) / (MARGIN * max(small.width, small.height)), 0, 1)
    soft = _blurred_within(view.image, view.person, SOFT * longer)
    other = None
    if before is not None:
        pixels, depth = small.project(before[0])
        other = rasterise(pixels, depth, before[1], (small.width, small.height))
    trust = (person * t * t * (3 - 2 * t)).astype(np.float32)
    return Sight(view, view.image, soft, raster, scale, trust, other)


def read_at(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N, C) float32 from 0 to 1 of a picture (H, W, C), float32 or uint8, at pixels (N, 2), bicubic; the first pixel's
    centre is at 0.5."""
    wide = 1024  # OpenCV's maps have short sides
    rows = -(-len(pixels) // wide)
    where = np.zeros((rows * wide, 2), np.float32)
    where[: len(pixels)] = np.clip(np.nan_to_num(pixels - 0.5), -1e4, 1e5)
    where = where.reshape(rows, wide, 2)
    found = cv2.remap(picture, where[..., 0], where[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    found = found.reshape(rows * wide, -1)[: len(pixels)]
    return found.astype(np.float32) / 255 if picture.dtype == np.uint8 else found.clip(0, 1)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB (IEC 61966-2-1), both from 0 to 1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """sRGB of linear light, both from 0 to 1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def _steps(depth: np.ndarray) -> np.ndarray:
    """(H, W) where depth jumps within the 3 by 3 pixels around."""
    flat = np.where(np.isfinite(depth), depth, 1e3).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    return cv2.dilate(flat, kernel) - cv2.erode(flat, kernel) > STEP


def _solid(person: np.ndarray) -> np.ndarray:
    """Trust from 0 to 1 by how much of a pixel is the person: between ends of hair the background shines through."""
    t = np.clip((person - 0.5) / 0.4, 0, 1)
    return (t * t).astype(np.float32)


def _blurred_within(image: np.ndarray, person: np.ndarray | None, sigma: float) -> np.ndarray:
    """The picture blurred, without letting the background in."""
    mask = np.ones(image.shape[:2], np.float32) if person is None else _solid(person)
    total = cv2.GaussianBlur(image * mask[..., None], (0, 0), sigma)
    share = cv2.GaussianBlur(mask, (0, 0), sigma)[..., None]
    return np.where(share > 0.02, total / np.maximum(share, 0.02), image).astype(np.float32)
