"""Semantic classes of every pixel, from the head's regions and the hair's coverage."""

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from ...backend.formats.capture import Camera
from ...backend.formats.head import Head

CLASSES = ("background", "hair", "face", "eyes", "eyebrows", "nose", "lips", "ears", "neck", "scalp", "body")
"""The number of a class is its place here; "body" is whatever of the head's mesh has no region."""

_PRIORITY = ("neck", "face", "scalp", "nose", "ears", "left_ear", "right_ear", "lips", "eyebrows", "eyes")
"""Regions overlap: a later one wins."""


class Labeller:
    """Knows which class each triangle of a head belongs to, and which triangle each pixel of a camera sees."""

    def __init__(self, head: Head):
        vertex = np.full(len(head.vertices), CLASSES.index("body"), np.uint8)
        for region in _PRIORITY:
            if region in head.regions:
                name = "ears" if region.endswith("_ear") else region
                vertex[head.regions[region]] = CLASSES.index(name)
        corners = vertex[head.faces]
        # Two corners of three decide; three of a kind each fall to the first.
        self._triangles = np.where(corners[:, 1] == corners[:, 2], corners[:, 1], corners[:, 0])
        self._tree = BVHTree.FromPolygons(head.vertices.tolist(), head.faces.tolist(), all_triangles=True)

    def labels(self, camera: Camera, hair: np.ndarray, head: np.ndarray) -> np.ndarray:
        """(H, W) uint8 classes, by what covers most of a pixel.

        Args:
            hair, head: (H, W) coverage from 0 to 1.
        """
        result = np.zeros(hair.shape, np.uint8)
        result[(hair >= 0.5) | ((hair >= head) & (hair + head >= 0.5))] = CLASSES.index("hair")
        rows, columns = np.nonzero((result == 0) & (hair + head >= 0.5))
        x = (columns + 0.5 - camera.cx) / camera.fx
        y = (rows + 0.5 - camera.cy) / camera.fy
        rays = np.stack([x, -y, -np.ones_like(x)], axis=1) @ camera.camera_to_world[:3, :3].T
        eye = Vector(camera.centre.tolist())
        for row, column, ray in zip(rows, columns, rays.tolist(), strict=True):
            triangle = self._tree.ray_cast(eye, Vector(ray))[2]
            # A covered pixel whose centre just misses the outline.
            result[row, column] = CLASSES.index("body") if triangle is None else self._triangles[triangle]
        return result
