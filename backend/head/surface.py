"""Smooth functions on a head's surface."""

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) outward unit normals, each triangle weighted by its area."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    result = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(result, faces[:, k], cross)
    return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)


def laplacian(vertices: np.ndarray, faces: np.ndarray) -> tuple[csr_matrix, np.ndarray]:
    """The cotangent Laplacian (V, V), positive semidefinite, and each vertex's area (V,) (Pinkall and Polthier, 1993).

    Cotangents below zero count as a hundredth, so that thin triangles do no harm.
    """
    count = len(vertices)
    rows, columns, values, area = [], [], [], np.zeros(count)
    for k in range(3):
        i, j, o = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        a, b = vertices[i] - vertices[o], vertices[j] - vertices[o]
        double = np.linalg.norm(np.cross(a, b), axis=1)
        cotangent = np.maximum(np.sum(a * b, axis=1) / np.maximum(double, 1e-9), 0.01) / 2
        rows += [i, j]
        columns += [j, i]
        values += [cotangent, cotangent]
        np.add.at(area, o, double / 6)
    near = csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (count, count))
    return diags(np.asarray(near.sum(axis=1)).ravel()) - near, np.maximum(area, 1e-6)


def biharmonic(vertices: np.ndarray, faces: np.ndarray, known: dict[int, float]) -> np.ndarray:
    """The smoothest function (V,) with given values at some vertices, within 0 and 1: least squared Laplacian.

    As bounded biharmonic weights (Jacobson et al., 2011) without the bounds, which are cut to afterwards.
    """
    near, area = laplacian(vertices, faces)
    system = (near @ diags(1 / area) @ near).tocsc()
    given = np.fromiter(known, int)
    values = np.array([known[i] for i in given], float)
    free = np.setdiff1d(np.unique(faces), given)
    result = np.zeros(len(vertices))
    result[given] = values
    result[free] = splu(system[free][:, free]).solve(-(system[free][:, given] @ values))
    return result.clip(0, 1)


def far_apart(points: np.ndarray, spacing: float) -> np.ndarray:
    """Indices of points (N, 3) of which no two are nearer than about ``spacing``, spread by farthest-point sampling."""
    chosen = [0]
    nearest = np.linalg.norm(points - points[0], axis=1)
    while nearest.max() > spacing:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)
