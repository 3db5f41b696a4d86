"""Where skin ends before the background, and the edge of the head that lies there: what fixes a scalp without hair,
a profile and the nape, which have no landmarks and no features. Only captures with masks have it."""

from types import SimpleNamespace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..geometry.raster import Raster
from ..head.silhouette import outline
from .photo_unknowns import Stage, Unknowns
from .photo_views import PhotoView

MOST = 300
"""Points of the outline that are used in a view."""
RIM_WITHIN = 2.5
"""Pixels of the raster's border within which an edge of the mesh counts as being on it."""


class Outlines:
    """The pictures' outlines, and the mesh's edges that can be on its own.

    Args:
        views: of which those with masks of skin are used.
        faces: (F, 3) of the whole head.
        open_border: (K,) vertices of the model's lower end, where the person goes on.
    """

    def __init__(self, views: list[PhotoView], faces: np.ndarray, open_border: np.ndarray):
        self.edges, self.beside = _shared_edges(faces)
        self.faces = faces
        self.open = np.zeros(int(faces.max()) + 1, bool)
        self.open[open_border] = True
        self.lines: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for number, view in enumerate(views):
            if view.skin is None:
                continue
            hair = np.zeros_like(view.skin) if view.hair is None else view.hair
            seen = outline(
                SimpleNamespace(
                    hair=hair, bust=view.skin, intrinsics=view.camera.intrinsics,
                    world_to_camera=view.camera.world_to_camera,
                ),
                max(view.skin.shape),
            )  # fmt: skip
            step = max(1, len(seen.edge) // MOST)
            if len(seen.edge):
                self.lines[number] = seen.edge[::step], seen.edge_normal[::step]

    def match(self, view: int, pixels: np.ndarray, raster: Raster, scale: float, reach: float):
        """Points of a view's outline and the mesh's edge nearest to each.

        Args:
            view: one of ``lines``.
            pixels: (V, 2) where the vertices fall in the view.
            raster: the head as the view sees it, its pixels ``scale`` of one of the view.
            reach: pixels of the view beyond which nothing is matched.

        Returns:
            vertices (M, 2), outline points (M, 2), unit vectors across it (M, 2); None where none match.
        """
        from scipy.spatial import cKDTree

        corners = pixels[self.faces]
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        towards = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0
        turning = self.edges[towards[self.beside[:, 0]] != towards[self.beside[:, 1]]]
        turning = turning[~self.open[turning].any(axis=1)]
        middles = pixels[turning].mean(axis=1)
        depth_inside = distance_transform_edt(np.pad(raster.covered, 1))[1:-1, 1:-1]
        height, width = depth_inside.shape
        x, y = np.floor(np.nan_to_num(middles * scale, nan=-1.0)).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        on_border = depth_inside[y.clip(0, height - 1), x.clip(0, width - 1)] < RIM_WITHIN
        rim = np.flatnonzero(inside & on_border)
        if not len(rim):
            return None
        points, normals = self.lines[view]
        distance, nearest = cKDTree(middles[rim]).query(points, distance_upper_bound=reach)
        found = np.flatnonzero(np.isfinite(distance))
        if not len(found):
            return None
        return turning[rim[nearest[found]]], points[found], normals[found]


def outline_misses(
    stage: Stage, x: Unknowns, world: Tensor, edges: Tensor, view: Tensor, points: Tensor, normals: Tensor
) -> Tensor:
    """(M,) pixels across the outline between it and the head's edges.

    Args:
        world: (V, 3) the head.
        edges: (M, 2) vertices.
        view: (M,)
        points, normals: (M, 2)
    """
    middle = world[edges].mean(dim=1) - stage.place
    local = torch.einsum("mkl,ml->mk", stage.cameras(x)[view], middle) + (stage.before + x.camera_shift)[view]
    seen = local[:, :2] / local[:, 2:].clamp(min=1e-6) * stage.focal[view] + stage.middle[view]
    return ((seen - points) * normals).sum(dim=1)


def _shared_edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges (E, 2) with two triangles, and these (E, 2)."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1), axis=-1).reshape(-1, 2)
    owner = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges, owner = edges[order], owner[order]
    first = np.flatnonzero((edges[1:] == edges[:-1]).all(axis=1))
    return edges[first], np.stack([owner[first], owner[first + 1]], axis=1)
