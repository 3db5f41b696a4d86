"""The tangent space that artists' displacement maps are in: Mikkelsen's, as Blender and most renderers compute it.

Mikkelsen, "Simulation of wrinkled surfaces revisited", 2008, and the reference that came of it (MikkTSpace): tangents
are gathered by the triangles' angles, apart on each side of a seam.
"""

import numpy as np

from .texels import Places


def tangent_space(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, at: Places) -> np.ndarray:
    """(P, 3, 3) orthonormal frames of each vertex at each of its places in a layout.

    Columns are tangent, normal and bitangent, the order in which Blender's Vector Displacement and Mudbox take a map's
    three channels. Where the layout is mirrored the frame is left-handed, as theirs is.

    Args:
        vertices: (W, 3) of the surface that is displaced: smooth, without displacement.
        faces: (G, 3)
        uv: (G, 3, 2)
        at: ``texels.places(faces, uv)``.
    """
    vertices, uv = np.asarray(vertices, np.float64), np.asarray(uv, np.float64)
    corners = vertices[faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    s, t = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    mirrored = np.where(s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0] < 0, -1.0, 1.0)
    along_u = _unit(mirrored[:, None] * (t[:, 1:] * a - s[:, 1:] * b))
    flat = _unit(np.cross(a, b))
    ahead = np.roll(corners, -1, axis=1) - corners
    behind = np.roll(corners, 1, axis=1) - corners
    normal = _unit(_gathered(_angle(ahead, behind)[..., None] * flat[:, None], faces, len(vertices)))
    here = normal[faces]
    tangents = _unit(_level(np.repeat(along_u[:, None], 3, axis=1), here))
    weight = _angle(_level(ahead, here), _level(behind, here))[..., None]
    tangent = _gathered(weight * tangents, at.corners, len(at.uv))
    normal = normal[at.vertex]
    tangent = _unit(_level(tangent, normal))
    lost = np.linalg.norm(tangent, axis=1) < 0.5
    if lost.any():
        tangent[lost] = _unit(np.cross(normal[lost], np.eye(3)[np.abs(normal[lost]).argmin(axis=1)]))
    side = np.sign(_gathered(np.repeat(mirrored[:, None, None], 3, axis=1) * weight, at.corners, len(at.uv)))
    bitangent = np.where(side < 0, -1.0, 1.0) * np.cross(normal, tangent)
    return np.stack([tangent, normal, bitangent], axis=-1)


def _gathered(of_corners: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """(count, C) sums of the triangles' corners' values (G, 3, C) by their index (G, 3)."""
    flat = of_corners.reshape(-1, of_corners.shape[2])
    return np.stack([np.bincount(index.ravel(), column, count) for column in flat.T], axis=1)


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.arccos(np.sum(_unit(a) * _unit(b), axis=-1).clip(-1, 1))


def _level(vectors: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return vectors - normal * np.sum(vectors * normal, axis=-1, keepdims=True)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-20)
