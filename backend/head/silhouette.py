"""What a view tells about a head's outline, and the outline that a head would have there."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from ..formats.head import Head


@dataclass(frozen=True)
class Outline:
    """One view's masks at working size, with distances.

    Attributes:
        intrinsics: (3, 3) float64, pixels of the working size.
        world_to_camera: (4, 4) float64, metres, OpenCV's axes.
        hair, skin: (H, W) bool.
        outside_person: (H, W) float32, pixels to the person (hair and skin together), 0 inside.
        outside_skin, inside_skin: (H, W) float32, pixels to the skin's mask, and into it.
        edge: (E, 2) pixel positions where skin meets the background, so where the head itself ends.
        edge_normal: (E, 2) unit vectors across that edge.
    """

    intrinsics: np.ndarray
    world_to_camera: np.ndarray
    hair: np.ndarray
    skin: np.ndarray
    outside_person: np.ndarray
    outside_skin: np.ndarray
    inside_skin: np.ndarray
    edge: np.ndarray
    edge_normal: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """(3,) the camera in the world."""
        return -self.world_to_camera[:3, :3].T @ self.world_to_camera[:3, 3]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of world points (..., 3); points behind the camera come out as NaN."""
        local = points @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = (local @ self.intrinsics.T)[..., :2] / local[..., 2:]
        return np.where(local[..., 2:] > 1e-6, flat, np.nan)

    def turned(self, turn: np.ndarray) -> "Outline":
        """The same view of a world that was turned by (3, 3)."""
        world_to_camera = self.world_to_camera.copy()
        world_to_camera[:3, :3] = world_to_camera[:3, :3] @ turn.T
        return replace(self, world_to_camera=world_to_camera)


def outline(view, side: int) -> Outline:
    """From a ``hair.views.HairView``, at most ``side`` pixels across."""
    height, width = view.hair.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    hair = cv2.resize(np.asarray(view.hair, np.float32), size, interpolation=cv2.INTER_AREA)
    skin = np.zeros_like(hair) if view.bust is None else cv2.resize(
        np.asarray(view.bust, np.float32), size, interpolation=cv2.INTER_AREA)  # fmt: skip
    intrinsics = np.asarray(view.intrinsics).astype(np.float64)
    intrinsics[0] *= size[0] / width
    intrinsics[1] *= size[1] / height
    person, is_skin = np.clip(hair + skin, 0, 1) > 0.5, skin > 0.5
    edge, normal = _free_edge(skin, np.clip(hair + skin, 0, 1), hair > 0.15)
    return Outline(
        intrinsics=intrinsics,
        world_to_camera=np.asarray(view.world_to_camera).astype(np.float64),
        hair=hair > 0.5,
        skin=is_skin,
        outside_person=_distance(~person),
        outside_skin=_distance(~is_skin),
        inside_skin=_distance(is_skin),
        edge=edge,
        edge_normal=normal,
    )


def _distance(mask):
    if mask.all():  # nothing to be near to
        return np.full(mask.shape, float(max(mask.shape)), np.float32)
    return distance_transform_edt(mask).astype(np.float32)


def _free_edge(skin, person, hair):
    """Where the person ends in skin, to a fraction of a pixel: along the masks' slope to where it crosses one half."""
    inside = person > 0.5
    # Blurred, a hard mask too has a slope to follow; the edge stays where it was.
    person = cv2.GaussianBlur(person, (0, 0), 0.8)
    slope_y, slope_x = np.gradient(person)
    slope = np.hypot(slope_x, slope_y)
    rim = inside & ~cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(bool)
    near_hair = cv2.dilate(hair.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    rim &= (skin > 0.3) & ~near_hair & (slope > 0.05)
    rim[:2] = rim[-2:] = False  # where the picture ends, the person does not
    rim[:, :2] = rim[:, -2:] = False
    y, x = np.nonzero(rim)
    normal = np.column_stack([slope_x[rim], slope_y[rim]]) / slope[rim, None]
    shift = np.clip((0.5 - person[rim]) / np.maximum(slope[rim], 0.2), -1, 1)
    return np.column_stack([x, y]) + 0.5 + shift[:, None] * normal, normal


_NECK = 0.15
"""Of a head's height: by so much from its lower end shoulders may stand out beside it."""


class Shape:
    """A head's triangles, prepared for outlines: which edges part faces that look towards and away from a camera.

    Attributes:
        vertices: (V, 3) float64 metres.
        cloud: (C, 3) many points spread evenly over the surface.
        points, normals: (S, 3) spread evenly over the surface, with the direction that it faces there.
        scalp: (S,) bool or None, of the points.
        end: metres, the height over which the head has all that the pictures show.
        middle: (3,) of its box.
    """

    def __init__(self, head: Head, samples: int = 800):
        self.vertices = head.vertices.astype(np.float64)
        self.faces = head.faces
        corners = self.vertices[self.faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(cross, axis=1)
        self.face_normals = cross / np.maximum(length, 1e-20)[:, None]
        bottom, top = self.vertices[:, 2].min(), self.vertices[:, 2].max()
        self.end = bottom + _NECK * (top - bottom)
        self.middle = (self.vertices.min(axis=0) + self.vertices.max(axis=0)) / 2
        self._edges()
        rng = np.random.default_rng(0)
        chosen, self.points = self._spread(rng, samples, corners, length)
        _, self.cloud = self._spread(rng, 60_000, corners, length)
        self.normals = self.face_normals[chosen]
        self.scalp = None
        if head.scalp is not None:
            self.scalp = np.isin(self.faces[chosen], head.scalp).sum(axis=1) >= 2

    @staticmethod
    def _spread(rng, count, corners, weight):
        """Triangles (count,) and points on them (count, 3), evenly over the surface."""
        chosen = rng.choice(len(corners), count, p=weight / weight.sum())
        return chosen, np.einsum("sk,skc->sc", rng.dirichlet([1.0, 1.0, 1.0], count), corners[chosen])

    def _edges(self):
        faces = self.faces
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        owner = np.tile(np.arange(len(faces)), 3)
        order = np.lexsort((edges[:, 1], edges[:, 0]))
        edges, owner = edges[order], owner[order]
        same = (edges[1:] == edges[:-1]).all(axis=1)
        first = np.flatnonzero(same)
        self.edges, self.beside = edges[first], np.stack([owner[first], owner[first + 1]], axis=1)
        lone = np.ones(len(edges), bool)
        lone[first] = lone[first + 1] = False
        self.open_edges = edges[lone]

    def ends(self, points: np.ndarray) -> np.ndarray:
        """(R,) bool: points (R, 3) of the head, in its own frame, by which it ends though the person goes on."""
        return points[:, 2] < self.end

    def reaches(self, view: Outline, matrix: np.ndarray) -> np.ndarray:
        """(H, W) bool: pixels that lie higher up the person than where the head ends when it stands at ``matrix``."""
        foot = np.append(self.middle[:2], self.end)
        low, high = view.project(moved(np.stack([foot, self.middle]), matrix))
        up = high - low
        rows, columns = np.ogrid[: view.hair.shape[0], : view.hair.shape[1]]
        return (columns + 0.5 - low[0]) * up[0] + (rows + 0.5 - low[1]) * up[1] > 0

    def rim(self, view: Outline, matrix: np.ndarray) -> np.ndarray:
        """(R, 3) points on the head, in its own frame, that make its outline in a view when it stands at ``matrix``."""
        camera = np.linalg.inv(matrix) @ np.append(view.centre, 1.0)
        towards = np.einsum("fc,fc->f", self.face_normals, camera[:3] - self.vertices[self.faces[:, 0]])
        turning = (towards[self.beside[:, 0]] > 0) != (towards[self.beside[:, 1]] > 0)
        edges = np.concatenate([self.edges[turning], self.open_edges])
        points = self.vertices[edges].mean(axis=1)
        pixels = view.project(moved(points, matrix))
        depth_inside = distance_transform_edt(np.pad(self.mask(view, matrix), 1))[1:-1, 1:-1]
        return points[sample(depth_inside, pixels, outside=9.0) < 2.0]

    def mask(self, view: Outline, matrix: np.ndarray) -> np.ndarray:
        """(H, W) bool: the head's silhouette, from a cloud of points that is dense at the working size."""
        height, width = view.hair.shape
        pixels = np.nan_to_num(view.project(moved(self.cloud, matrix)), nan=-1.0, posinf=-1.0, neginf=-1.0)
        within = (pixels >= 0).all(axis=1) & (pixels < [width, height]).all(axis=1)
        column, row = pixels[within].astype(int).T
        picture = np.zeros((height, width), np.uint8)
        picture[row, column] = 1
        return cv2.morphologyEx(picture, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(bool)


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (..., 3) under a (4, 4) matrix."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def sample(field: np.ndarray, pixels: np.ndarray, outside: float) -> np.ndarray:
    """A (H, W) field at pixel positions (..., 2), bilinear; ``outside`` beyond the picture or behind the camera."""
    height, width = field.shape
    x, y = np.nan_to_num(pixels[..., 0], nan=-1e6) - 0.5, np.nan_to_num(pixels[..., 1], nan=-1e6) - 0.5
    within = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    column, row = x.astype(int), y.astype(int)
    a, b = x - column, y - row
    column_after, row_after = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    value = (
        field[row, column] * (1 - a) * (1 - b)
        + field[row, column_after] * a * (1 - b)
        + field[row_after, column] * (1 - a) * b
        + field[row_after, column_after] * a * b
    )
    return np.where(within, value, outside)
