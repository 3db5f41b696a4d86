"""Flattening a disc of triangles with little distortion.

Tutte's embedding on a circle, which never folds (Tutte, "How to draw a graph", 1963), then the symmetric Dirichlet
energy lowered by reweighted quadratic steps (Rabinovich et al., "Scalable Locally Injective Mappings", 2017): no
triangle ever turns over on the way.
"""

import numpy as np
from scipy.sparse import bmat, coo_matrix, diags
from scipy.sparse.linalg import splu


def unwrap(
    vertices: np.ndarray,
    faces: np.ndarray,
    rounds: int = 40,
    filling: int = 0,
    enough: float = 0.0,
    narrowest: float = 0.0,
) -> np.ndarray:
    """UV (V, 2), in the vertices' unit of length, of a mesh (V, 3), (F, 3) with the topology of a disc.

    Args:
        vertices: (V, 3)
        faces: (F, 3)
        rounds: steps of the descent at most.
        filling: how many of the last triangles only fill holes: they must not turn over, but hardly weigh, and one
            without area (of a mouth that is shut) is taken to have some.
        enough: stop when a step lowers the energy by less than this part of it.
        narrowest: triangles are laid out as if none were smaller in any direction, so that tiny ones and slivers get
            room that they do not have on the surface.
    """
    uv = _tutte(faces, len(vertices), _boundary(faces))
    frame, area = _local_frames(vertices, faces)
    if narrowest:
        u, s, vt = np.linalg.svd(frame)
        frame = u * np.maximum(s, narrowest)[:, None] @ vt
        area = np.linalg.det(frame) / 2
    if filling:
        fill = np.arange(len(faces) - filling, len(faces))
        typical = np.sqrt(np.median(area))
        frame[fill, 0, 0] = np.maximum(frame[fill, 0, 0], 0.2 * typical)
        frame[fill, 1, 1] = np.maximum(frame[fill, 1, 1], 0.5 * typical)
        area[fill] = 0.02 * frame[fill, 0, 0] * frame[fill, 1, 1] / 2
    # The circle is scaled so that areas agree; that is the best start without turning anything.
    flat_area = _signed_area(uv, faces)
    if flat_area.sum() < 0:
        uv[:, 1] *= -1
        flat_area = -flat_area
    uv *= np.sqrt(area.sum() / flat_area.sum())
    slope = _gradients(frame, area, faces, len(vertices))
    before = _energy(uv, area, *slope)
    for _ in range(rounds):
        uv = _step(uv, faces, area, *slope)
        after = _energy(uv, area, *slope)
        if before - after <= enough * after:
            break
        before = after
    return uv


def symmetric_dirichlet(vertices, faces, uv) -> np.ndarray:
    """(F,) energy of each triangle, 4 where nothing is distorted."""
    frame, area = _local_frames(vertices, faces)
    jacobian = _jacobians(uv, *_gradients(frame, area, faces, len(uv)))
    singular = np.linalg.svd(jacobian, compute_uv=False)
    return np.sum(singular**2 + singular**-2.0, axis=1)


def _boundary(faces):
    """Vertices along the only open edge, in order."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    present = set(map(tuple, edges))
    after = {a: b for a, b in present if (b, a) not in present}
    start = min(after)
    loop = [start]
    while after[loop[-1]] != start:
        loop.append(after[loop[-1]])
    if len(loop) != len(after):
        raise ValueError("the mesh is not a disc: it has more than one open edge")
    return np.array(loop)


def _tutte(faces, count, boundary):
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    near = coo_matrix((np.ones(len(both)), both.T), (count, count)).tocsr()
    near.data[:] = 1.0
    system = (diags(np.asarray(near.sum(axis=1)).ravel()) - near).tocsc()
    angle = 2 * np.pi * np.arange(len(boundary)) / len(boundary)
    uv = np.zeros((count, 2))
    uv[boundary] = np.column_stack([np.cos(angle), np.sin(angle)])
    free = np.setdiff1d(np.arange(count), boundary)
    uv[free] = splu(system[free][:, free]).solve(-(system[free][:, boundary] @ uv[boundary]))
    return uv


def _local_frames(vertices, faces):
    """Each triangle laid flat: its two edges (F, 2, 2) as columns, and its area (F,)."""
    a, b = vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    length = np.maximum(np.linalg.norm(a, axis=1), 1e-12)
    along = np.sum(a * b, axis=1) / length
    across = np.linalg.norm(np.cross(a, b), axis=1) / length
    frame = np.zeros((len(faces), 2, 2))
    frame[:, 0, 0], frame[:, 0, 1], frame[:, 1, 1] = length, along, across
    return frame, length * across / 2


def _signed_area(uv, faces):
    a, b = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


def _gradients(frame, area, faces, count):
    """Sparse (F, V) derivatives of a function on the vertices along each flat triangle's two axes."""
    inverse = np.linalg.inv(frame)  # rows: d(barycentric 1, 2)/d(axis)
    weight = np.stack([-inverse.sum(axis=1), inverse[:, 0], inverse[:, 1]], axis=1)  # (F, corner, axis)
    row = np.repeat(np.arange(len(faces)), 3)
    return tuple(
        coo_matrix((weight[:, :, k].ravel(), (row, faces.ravel())), (len(faces), count)).tocsr() for k in (0, 1)
    )


def _jacobians(uv, dx, dy):
    return np.stack([dx @ uv, dy @ uv], axis=2)


def _energy(uv, area, dx, dy):
    j = _jacobians(uv, dx, dy)
    determinant = np.linalg.det(j)
    if (determinant <= 0).any():
        return np.inf
    squares = np.sum(j**2, axis=(1, 2))
    return np.sum(area * squares * (1 + determinant**-2.0))


def _step(uv, faces, area, dx, dy):
    u, s, vt = np.linalg.svd(_jacobians(uv, dx, dy))
    # All triangles are positively oriented, so U V^T is a rotation.
    rotation = u @ vt
    near_one = np.abs(s - 1) < 1e-6
    weight = np.sqrt(np.where(near_one, 4.0, (s - s**-3.0) / np.where(near_one, 1.0, s - 1)))
    w = np.einsum("fik,fk,fjk->fij", u, weight, u)
    count = uv.shape[0]
    rows, sides = [], []
    for i in (0, 1):  # W (J - R), row i; the unknowns are all u, then all v
        for d, k in ((dx, 0), (dy, 1)):
            scale = np.sqrt(area)
            rows.append([diags(scale * w[:, i, 0]) @ d, diags(scale * w[:, i, 1]) @ d])
            sides.append(scale * np.einsum("fj,fj->f", w[:, i], rotation[:, :, k]))
    system = bmat(rows).tocsr()
    normal = (system.T @ system + 1e-8 * diags(np.ones(2 * count))).tocsc()
    target = (
        splu(normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        .solve(system.T @ np.concatenate(sides) + 1e-8 * uv.T.ravel())
        .reshape(2, count)
        .T
    )
    direction = target - uv
    step, before = min(1.0, 0.8 * _first_fold(uv, direction, faces)), _energy(uv, area, dx, dy)
    while step > 1e-8:
        after = _energy(uv + step * direction, area, dx, dy)
        if after < before:
            return uv + step * direction
        step /= 2
    return uv


def _first_fold(uv, direction, faces):
    """The smallest positive step at which a triangle's area is zero."""
    a, b = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    p, q = direction[faces[:, 1]] - direction[faces[:, 0]], direction[faces[:, 2]] - direction[faces[:, 0]]
    cross = lambda s, t: s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]  # noqa: E731
    c2, c1, c0 = cross(p, q), cross(a, q) + cross(p, b), cross(a, b)
    discriminant = c1**2 - 4 * c2 * c0
    real = discriminant >= 0
    root = np.sqrt(np.where(real, discriminant, 0.0))
    # Roots in the form that stays accurate when c2 is nearly zero.
    q1 = -0.5 * (c1 + np.where(c1 >= 0, root, -root))
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.stack([q1 / c2, c0 / q1])
    roots = roots[:, real]
    roots = roots[np.isfinite(roots) & (roots > 0)]
    return roots.min() if roots.size else np.inf
