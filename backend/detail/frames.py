"""Tangent frames of a surface (HeadCraft, B.1, "Animation"), and displacements in them."""

import numpy as np


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, triangles weighted by their area; zero at a vertex without a triangle."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return _unit(_gathered(cross[:, None], faces, len(vertices)))


def tangent_frames(
    vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, edged: np.ndarray | None = None
) -> np.ndarray:
    """(V, 3, 3) orthonormal frames of a mesh; columns are tangent, bitangent and normal.

    The tangent runs where U grows, made orthogonal to the normal; the bitangent completes a right-handed frame, so that
    frames of two poses differ by a rotation. Where charts meet, U's directions of both are mixed, alike in every pose;
    where they cancel, an edge of the mesh takes their place.

    Args:
        vertices: (V, 3) of the head without displacement.
        faces: (F, 3)
        uv: (F, 3, 2) of the triangles' corners.
        edged: (V,) bool the vertices where an edge is the tangent, from ``edged_tangents`` of one head for all its
            poses; without it they are found on this one.
    """
    vertices = np.asarray(vertices, np.float64)
    normal = vertex_normals(vertices, faces)
    tangent, share = _tangents(vertices, faces, uv, normal)
    weak = _weak(tangent, share) if edged is None else edged
    if weak.any():
        corners, edge = vertices[faces], np.zeros_like(vertices)
        for k in range(3):
            edge[faces[::-1, k]] = (corners[:, (k + 1) % 3] - corners[:, k])[::-1]
        tangent[weak] = _flattened(edge, normal)[weak]
    tangent = _unit(tangent)
    return np.stack([tangent, np.cross(normal, tangent), normal], axis=-1)


def edged_tangents(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(V,) bool the vertices where U's directions cancel, so that an edge of the mesh is the tangent.

    Found on one head of a topology and used for all, so that no vertex changes its tangent in the middle of a motion.
    """
    vertices = np.asarray(vertices, np.float64)
    return _weak(*_tangents(vertices, faces, uv, vertex_normals(vertices, faces)))


def _tangents(
    vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) directions in which U grows, weighted by the triangles' areas, and (V,) these areas' sums."""
    uv = np.asarray(uv, np.float64)
    corners = vertices[faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    s, t = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    # dx/du = (t_v a - s_v b) / det; its length says nothing, so the sign of det is enough.
    turned = np.sign(s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0])[:, None]
    along_u = _unit(turned * (t[:, 1:] * a - s[:, 1:] * b))
    area = np.linalg.norm(np.cross(a, b), axis=1, keepdims=True)
    mixed = _gathered((along_u * area)[:, None], faces, len(vertices))
    share = _gathered(area[:, None], faces, len(vertices))
    return _flattened(mixed, normal), share[:, 0]


def _weak(tangent: np.ndarray, share: np.ndarray) -> np.ndarray:
    return np.linalg.norm(tangent, axis=1) < 0.05 * share


def to_tangent(displacement: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """D^TBN (V, 3): displacements (V, 3) of the neutral head's object axes along its frames (V, 3, 3)."""
    return np.einsum("vji,vj->vi", frames, displacement)


def to_object(tangent: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """D_k^object (V, 3): displacements (V, 3) of tangent space in the object axes of a head with these frames."""
    return np.einsum("vij,vj->vi", frames, tangent)


def _gathered(of_faces: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """(V, C) sums over each vertex's triangles of (F, 1, C)."""
    values = of_faces[:, 0]
    return np.stack(
        [np.bincount(faces.ravel(), np.repeat(values[:, k], 3), count) for k in range(values.shape[1])], axis=1
    )


def _flattened(vectors: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return vectors - normal * np.sum(vectors * normal, axis=1, keepdims=True)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-20)
