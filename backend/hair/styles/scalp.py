"""Roots: even points on a head's scalp, with what the strands need to know of the place they grow from."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...errors import HeadError
from ...formats.head import Head

HAIRLINE = 0.014
"""Metres from the scalp's edge over which the hair reaches its full density."""


@dataclass(frozen=True)
class Roots:
    """N places on the scalp.

    Attributes:
        positions: (N, 3) float32 metres.
        normals: (N, 3) float32, outward.
        faces: (N,) int32, face of the head; barycentric: (N, 3) float32.
        uv: (N, 2) float32, or None where the head has none.
        edge: (N,) float32, metres from the scalp's edge.
    """

    positions: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    barycentric: np.ndarray
    uv: np.ndarray | None
    edge: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) float64 unit normals, faces weighted by area."""
    corners = vertices[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(summed, faces[:, corner], normals)
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)


def scalp_faces(head: Head) -> np.ndarray:
    """(S,) indices of the faces whose corners all belong to the head's scalp. Raises HeadError without one."""
    faces = head.scalp_faces
    if faces is None or not len(faces):
        raise HeadError(f"The head '{head.name}' has no scalp, so hair has nowhere to grow; choose one that has.")
    return faces


def sample_roots(head: Head, count: int, rng: np.random.Generator, rounds: int = 4) -> Roots:
    """Evenly spread roots, thinning out at the hairline.

    Lloyd's relaxation on a cloud of candidates (Balzer et al. 2009 discuss its blue-noise spectrum): every round moves
    each root to the candidate nearest to the centre of its share of the cloud.

    Args:
        count: N.
        rounds: of relaxation; none leaves white noise.
    """
    faces = scalp_faces(head)
    corners = head.vertices[head.faces[faces]].astype(np.float64)
    edges_a, edges_b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.linalg.norm(np.cross(edges_a, edges_b), axis=1)
    total = max(10 * count, 20_000)
    face = rng.choice(len(faces), size=2 * total, p=area / area.sum())
    square = rng.random((2 * total, 2))
    fold = square.sum(axis=1) > 1
    square[fold] = 1 - square[fold]
    barycentric = np.column_stack([1 - square.sum(axis=1), square])
    positions = np.einsum("nk,nkd->nd", barycentric, corners[face])

    edge = _distance_to_border(head, faces, positions)
    # A hairline is ragged: its distance wanders, and hair gets sparse towards it rather than ending at a line.
    ragged = edge - 0.0045 * (0.5 + 0.5 * _ripples(positions, rng))
    density = np.clip(ragged / HAIRLINE, 0.0, 1.0) ** 0.7
    keep = np.flatnonzero(rng.random(len(positions)) < density)[:total]
    face, barycentric, positions, edge = face[keep], barycentric[keep], positions[keep], edge[keep]

    chosen = rng.choice(len(positions), size=count, replace=False)
    for _ in range(rounds):
        owner = cKDTree(positions[chosen]).query(positions, workers=-1)[1]
        size = np.bincount(owner, minlength=count)
        centre = np.stack([np.bincount(owner, positions[:, k], count) for k in range(3)], axis=1)
        centre /= np.maximum(size, 1)[:, None]
        centre[size == 0] = positions[chosen[size == 0]]
        chosen = cKDTree(positions).query(centre, workers=-1)[1]
    doubled = np.ones(count, bool)
    doubled[np.unique(chosen, return_index=True)[1]] = False
    free = np.setdiff1d(np.arange(len(positions)), chosen)
    chosen[doubled] = rng.choice(free, size=int(doubled.sum()), replace=False)
    chosen = rng.permutation(chosen)

    normals = vertex_normals(head.vertices, head.faces)[head.faces[faces[face[chosen]]]]
    normals = np.einsum("nk,nkd->nd", barycentric[chosen], normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    global_face = faces[face[chosen]]
    uv = None
    if head.uv is not None:
        uv = np.einsum("nk,nkd->nd", barycentric[chosen], head.uv[global_face].astype(np.float64)).astype(np.float32)
    return Roots(
        positions[chosen].astype(np.float32),
        normals.astype(np.float32),
        global_face.astype(np.int32),
        barycentric[chosen].astype(np.float32),
        uv,
        edge[chosen].astype(np.float32),
    )


def _distance_to_border(head: Head, faces: np.ndarray, positions: np.ndarray) -> np.ndarray:
    triangles = head.faces[faces]
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    edges, uses = np.unique(edges, axis=0, return_counts=True)
    border = head.vertices[edges[uses == 1]].astype(np.float64)
    if not len(border):
        return np.full(len(positions), np.inf)
    weight = np.linspace(0, 1, 9)[:, None, None]
    samples = (border[:, 0] * (1 - weight) + border[:, 1] * weight).reshape(-1, 3)
    return cKDTree(samples).query(positions, workers=-1)[0]


def _ripples(positions: np.ndarray, rng: np.random.Generator, waves: int = 12) -> np.ndarray:
    # Smooth noise of about a centimetre's length in [-1, 1].
    direction = rng.normal(size=(3, waves))
    direction *= 2 * np.pi / (0.012 * np.exp(rng.uniform(-0.5, 0.7, waves))) / np.linalg.norm(direction, axis=0)
    return np.cos(positions @ direction + rng.uniform(0, 2 * np.pi, waves)).sum(axis=1) / np.sqrt(waves) / 1.5
