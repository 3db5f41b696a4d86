"""Where strands begin: points spread evenly over the scalp."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..errors import HeadError
from ..formats.head import Head
from ..geometry.surface import Surface
from .hull import Volumes


@dataclass(frozen=True, eq=False)
class Roots:
    """Points on the head's scalp.

    Attributes:
        points: (N, 3) float32 metres, on the surface.
        normals: (N, 3) float32 unit, away from the head.
        faces: (N,) int32 triangles of the head.
        barycentric: (N, 3) float32 weights of the triangle's corners.
    """

    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    barycentric: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def subset(self, chosen: np.ndarray) -> "Roots":
        """The roots at the given indices."""
        return Roots(self.points[chosen], self.normals[chosen], self.faces[chosen], self.barycentric[chosen])

    def joined(self, others: "Roots") -> "Roots":
        """These roots and then others."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(others), strict=True)
        return Roots(*(np.concatenate(pair) for pair in pairs))

    def uv(self, head: Head) -> np.ndarray | None:
        """(N, 2) float32 of each root, or None for a head without UV."""
        if head.uv is None:
            return None
        return np.einsum("nk,nkc->nc", self.barycentric, head.uv[self.faces]).astype(np.float32)


def scalp_faces(head: Head, surface: Surface, volumes: Volumes) -> np.ndarray:
    """(S,) triangles that hair may grow from: the head's scalp where hair was seen above it.

    Without a scalp, the part of the cranium that the hair's volume touches.

    Raises:
        HeadError: when no such triangle is there.
    """
    middles = surface.vertices[surface.faces].mean(1)
    above = torch.from_numpy((middles + 0.004 * surface.face_normals).astype(np.float32))
    away = volumes.grid.sample(volumes.hair[None], above)[:, 0].numpy()
    marked = head.scalp_faces
    if marked is not None:
        # A parting shows bare skin between hair whose roots reach into it.
        kept = marked[away[marked] < 0.008]
        if len(kept):
            return kept
        raise HeadError(
            "The hair in the pictures does not touch the head's scalp; check that the head lies where the pictures"
            " show it, or leave it out to have the built-in head fitted."
        )
    # The hairline at the nape lies about 15 cm below the top of an adult's head; lower hair only falls there.
    cranium = middles[:, 2] > surface.vertices[:, 2].max() - 0.15
    kept = np.flatnonzero((away < 0.003) & cranium)
    if not len(kept):
        raise HeadError(
            "The hair in the pictures does not touch the head; check that the head lies where they show it."
        )
    return kept


def spread_roots(surface: Surface, faces: np.ndarray, count: int, seed: int, rounds: int = 6) -> Roots:
    """Roots spread evenly over triangles (S,): area-weighted random ones that then push each other apart.

    Random points clump and leave gaps; a few rounds of repulsion on the surface (as in Turk, Generating Textures on
    Arbitrary Surfaces, 1991) give blue noise.
    """
    rng = np.random.default_rng(seed)
    area = surface.areas[faces]
    chosen = faces[rng.choice(len(faces), count, p=area / area.sum())]
    root_of_u, v = np.sqrt(rng.random(count)), rng.random(count)
    barycentric = np.stack([1 - root_of_u, root_of_u * (1 - v), root_of_u * v], axis=1)
    points = np.einsum("nk,nkc->nc", barycentric, surface.vertices[surface.faces[chosen]])
    allowed = np.zeros(len(surface.faces), bool)
    allowed[faces] = True
    spacing = np.sqrt(area.sum() / count)
    for _ in range(rounds):
        neighbours = min(7, count)
        distance, index = cKDTree(points).query(points, k=neighbours, workers=-1)
        away = points[:, None] - points[index[:, 1:]]
        force = np.clip(1.2 * spacing - distance[:, 1:], 0, None) / np.maximum(distance[:, 1:], 1e-9)
        moved, face, weights = surface.nearest(points + 0.35 * (away * force[..., None]).sum(1), candidates=3)
        # A root pushed over the hairline stays where it was.
        kept = allowed[face]
        points[kept], chosen[kept], barycentric[kept] = moved[kept], face[kept], weights[kept]
    normals = surface.smooth_normals(chosen, barycentric)
    return Roots(
        points.astype(np.float32), normals.astype(np.float32), chosen.astype(np.int32), barycentric.astype(np.float32)
    )
