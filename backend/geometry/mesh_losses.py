"""Losses of meshes and point sets with PyTorch3D's results: Chamfer, edges, Laplacian, normals, points to triangles.

PyTorch3D has no wheels for most systems, and its operators on the CPU take minutes where a k-d tree takes a tenth of a
second. So indices of nearest neighbours come from SciPy here, distances and with them the gradients from torch. On a
CUDA card they come from PyTorch3D's kernel where it is installed, and without it from distances in blocks.

Names, reductions and defaults are PyTorch3D's (Ravi et al., "Accelerating 3D Deep Learning with PyTorch3D", 2020), for
one mesh or one point set at a time rather than a batch.
"""

import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree

from .surface import nearest_on_triangles

_BLOCK = 1 << 28
"""Distances held at a time where they are all computed."""
_PAIRS = 400_000
"""Points and triangles whose distance is computed at a time."""


class Chamfer(NamedTuple):
    """What ``chamfer_distance`` gives.

    Attributes:
        distance: the loss, in squared units of the points (in units of them with norm 1).
        normals: 1 - |cos| between the normals of neighbours, or None where normals were not given.
    """

    distance: torch.Tensor
    normals: torch.Tensor | None


def nearest_neighbours(
    points: torch.Tensor, others: torch.Tensor, k: int = 1, *, norm: int = 2, tree: cKDTree | None = None
) -> torch.Tensor:
    """(N, k) int64 which of ``others`` are nearest to each point, the nearest first.

    Args:
        points: (N, 3)
        others: (M, 3)
        norm: 2 (Euclidean) or 1 (sum of absolute differences).
        tree: of ``others``, where they stay the same from call to call; made here without one.
    """
    if points.device.type == "cuda" and tree is None:
        with torch.no_grad():
            return _on_card(points, others, k, norm)
    if tree is None:
        tree = cKDTree(others.detach().cpu().numpy(), balanced_tree=False, compact_nodes=False)
    _, index = tree.query(points.detach().cpu().numpy(), k=k, p=norm, workers=-1)
    return torch.from_numpy(np.asarray(index, np.int64).reshape(-1, k)).to(points.device)


def chamfer_distance(
    p: torch.Tensor,
    q: torch.Tensor,
    p_normals: torch.Tensor | None = None,
    q_normals: torch.Tensor | None = None,
    *,
    norm: int = 2,
    single_directional: bool = False,
    prune_distance: float | None = None,
    prune_normals: float | None = None,
    tree: cKDTree | None = None,
) -> Chamfer:
    """Mean distance from every point to its nearest of the other set, one way plus the other.

    With pruning, as HeadCraft registers (4.1): pairs that are too far apart count for nothing, and the mean of either
    direction is over the pairs that are left; 0 where none is.

    Args:
        p: (N, 3)
        q: (M, 3), same unit.
        p_normals, q_normals: (N, 3), (M, 3), any length; either both or none.
        norm: 2: squared distances; 1: sums of absolute differences, with the nearest by that measure.
        single_directional: only from p to q.
        prune_distance: pairs further apart than this (units of the points) are left out.
        prune_normals: pairs with 1 - |cos| of their normals above this are left out.
        tree: k-d tree of q, where q stays the same.
    """
    distance, normals = [], []
    ways = [(p, q, p_normals, q_normals, tree), (q, p, q_normals, p_normals, None)]
    for here, there, here_normals, there_normals, known in ways[: 1 if single_directional else 2]:
        index = nearest_neighbours(here, there, norm=norm, tree=known)[:, 0]
        offset = here - there[index]
        away = (offset**2).sum(dim=1) if norm == 2 else offset.abs().sum(dim=1)
        kept = torch.ones(len(away), dtype=torch.bool, device=away.device)
        if prune_distance is not None:
            kept &= away.detach() <= (prune_distance**2 if norm == 2 else prune_distance)
        if here_normals is not None and there_normals is not None:
            cosine = torch.nn.functional.cosine_similarity(here_normals, there_normals[index], dim=1, eps=1e-6)
            turned = 1 - cosine.abs()
            if prune_normals is not None:
                kept &= turned.detach() <= prune_normals
            normals.append(_mean(turned, kept))
        distance.append(_mean(away, kept))
    return Chamfer(sum(distance), sum(normals) if normals else None)


def unique_edges(faces: torch.Tensor) -> torch.Tensor:
    """(E, 2) int64 every edge of triangles (F, 3) once, the lower vertex first."""
    ends = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).long()
    return torch.unique(torch.sort(ends, dim=1).values, dim=0)


class LinearMap:
    """A constant sparse matrix that vertices are multiplied with, three times as fast both ways as gathers are.

    Args:
        rows, columns, values: (K,) its entries.
        shape: (R, V)
    """

    def __init__(self, rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that torch's sparse rows are in beta
            entries = torch.sparse_coo_tensor(torch.stack([rows, columns]), values, shape).coalesce()
            self.matrix = entries.to_sparse_csr()
            # Torch would transpose it at every backward pass.
            self.transposed = entries.t().coalesce().to_sparse_csr()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """(R, C) the matrix times (V, C)."""
        return _Product.apply(values, self)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(context, values: torch.Tensor, linear: LinearMap) -> torch.Tensor:
        context.linear = linear
        return linear.matrix @ values

    @staticmethod
    def backward(context, gradient: torch.Tensor):
        return context.linear.transposed @ gradient, None


def edge_differences(faces: torch.Tensor, count: int, dtype: torch.dtype = torch.float32) -> LinearMap:
    """(E, V): what lies between the ends of each edge of ``unique_edges``; for ``mesh_edge_loss``."""
    edges = unique_edges(faces)
    rows = torch.arange(len(edges), device=faces.device).repeat_interleave(2)
    signs = torch.tensor([1.0, -1.0], dtype=dtype, device=faces.device).repeat(len(edges))
    return LinearMap(rows, edges.reshape(-1), signs, (len(edges), count))


def mesh_edge_loss(vertices: torch.Tensor, edges: torch.Tensor | LinearMap, target_length: float = 0.0) -> torch.Tensor:
    """Mean over the edges of (length - target)^2.

    Args:
        vertices: (V, 3), or displacements, whose differences along edges then count.
        edges: (E, 2) of ``unique_edges``, or ``edge_differences``, which is faster where it is asked often.
        target_length: units of the vertices.
    """
    along = edges(vertices) if isinstance(edges, LinearMap) else vertices[edges[:, 0]] - vertices[edges[:, 1]]
    if target_length == 0.0:
        return (along**2).sum(dim=1).mean()  # no square root, whose gradient at 0 is not defined
    return ((along.norm(dim=1) - target_length) ** 2).mean()


def uniform_laplacian(faces: torch.Tensor, count: int, dtype: torch.dtype = torch.float32) -> LinearMap:
    """(V, V): row i gives the mean of the neighbours of vertex i less vertex i itself.

    Args:
        faces: (F, 3)
        count: V; a vertex without a triangle has an empty row.
    """
    edges = unique_edges(faces)
    row, column = torch.cat([edges[:, 0], edges[:, 1]]), torch.cat([edges[:, 1], edges[:, 0]])
    degree = torch.bincount(row, minlength=count)
    used = torch.nonzero(degree)[:, 0]
    values = torch.cat([1.0 / degree[row].to(dtype), torch.full((len(used),), -1.0, dtype=dtype, device=row.device)])
    return LinearMap(torch.cat([row, used]), torch.cat([column, used]), values, (count, count))


def mesh_laplacian_smoothing(
    vertices: torch.Tensor, faces: torch.Tensor, method: str = "uniform", laplacian: LinearMap | None = None
) -> torch.Tensor:
    """Mean over the vertices of the length of their Laplacian.

    Args:
        vertices: (V, 3), or displacements.
        faces: (F, 3)
        method: "uniform", or "cot": cotangent weights, taken as constants and normalised to a sum of 1.
        laplacian: of ``uniform_laplacian``, to save making it anew.
    """
    if method == "uniform":
        if laplacian is None:
            laplacian = uniform_laplacian(faces, len(vertices), vertices.dtype)
        return laplacian(vertices).norm(dim=1).mean()
    if method != "cot":
        raise ValueError(f"there is no Laplacian {method!r}; it is 'uniform' or 'cot'")
    with torch.no_grad():
        corners = vertices[faces]
        a, b = corners.roll(-1, 1) - corners, corners.roll(-2, 1) - corners
        double = torch.linalg.cross(a, b, dim=-1).norm(dim=-1).clamp_min(1e-12)
        cotangent = ((a * b).sum(dim=-1) / double).reshape(-1)  # at each corner, for the edge across from it
        start, end = faces.roll(-1, 1).reshape(-1), faces.roll(-2, 1).reshape(-1)
        row, column = torch.cat([start, end]), torch.cat([end, start])
        weight = torch.cat([cotangent, cotangent])
        total = torch.zeros(len(vertices), dtype=vertices.dtype, device=vertices.device).index_add_(0, row, weight)
        scale = torch.where(total > 0, 1 / total, total)
    around = torch.zeros_like(vertices).index_add(0, row, weight[:, None] * vertices[column])
    return (around * scale[:, None] - vertices).norm(dim=1).mean()


def mesh_normal_consistency(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Mean over pairs of triangles with an edge in common of 1 - cos between their normals; 0 without such pairs.

    Args:
        vertices: (V, 3)
        faces: (F, 3)
    """
    first, second = _neighbours(faces)
    if not len(first):
        return vertices.sum() * 0
    corners = vertices[faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], dim=-1)
    # Triangles that run along their common edge the same way face opposite sides: the fold is measured, not the order.
    same = _same_way(faces, first, second)
    cosine = torch.nn.functional.cosine_similarity(normals[first], normals[second], dim=1)
    return (1 - torch.where(same, -cosine, cosine)).mean()


def point_mesh_face_distance(
    points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor, min_triangle_area: float = 5e-3
) -> torch.Tensor:
    """Mean squared distance from points to their nearest triangle, plus from triangles to their nearest point.

    Args:
        points: (N, 3)
        vertices: (V, 3), same unit.
        faces: (F, 3)
        min_triangle_area: squared units; of a smaller triangle only the edges count. PyTorch3D's default is far above
            the triangles of a head in metres: give 0 for these.
    """
    at, mesh = points.detach().cpu().numpy().astype(np.float64), vertices.detach().cpu().numpy().astype(np.float64)
    triangles = faces.cpu().numpy()
    corners = mesh[triangles]
    centre = corners.mean(axis=1)
    size = np.linalg.norm(corners - centre[:, None], axis=2).max(axis=1)

    def away(point: np.ndarray, face: np.ndarray) -> np.ndarray:
        weights = _nearest_weights(at[point], corners[face], min_triangle_area)
        return ((at[point] - np.einsum("nk,nkc->nc", weights, corners[face])) ** 2).sum(axis=1)

    # Triangles of one size at a time, so that few large ones do not make the search around all the small ones wide.
    octave = np.floor(np.log2(np.maximum(size, 1e-12))).astype(int)
    alike = [np.flatnonzero(octave == value) for value in np.unique(octave)]
    alike.sort(key=len, reverse=True)
    of_points = _nearest_of(at, [(centre[rows], size[rows].max(), rows) for rows in alike], away)
    everything = [(at, size, np.arange(len(at)))]
    of_faces = _nearest_of(centre, everything, lambda face, point: away(point, face))
    ways = []
    for point, face in ((np.arange(len(at)), of_points), (of_faces, np.arange(len(triangles)))):
        # The weights of the nearest point are constants: the distance does not change with them to first order.
        held = torch.from_numpy(_nearest_weights(at[point], corners[face], min_triangle_area)).to(vertices)
        there = torch.einsum("nk,nkc->nc", held, vertices[faces[torch.from_numpy(face).to(faces.device)]])
        here = points[torch.from_numpy(point).to(points.device)]
        ways.append(((here - there) ** 2).sum(dim=1).mean())
    return sum(ways)


def _nearest_of(middles: np.ndarray, groups: list, away) -> np.ndarray:
    """(N,) which target is nearest to each item, exactly.

    Args:
        middles: (N, 3) of the items.
        groups: of targets: their middles (K, 3), how much nearer than middle to middle they may be (a number, or one
            an item), and their numbers (K,).
        away: squared distances (P,) of items (P,) and targets (P,).
    """
    best, nearest = np.full(len(middles), np.inf), np.zeros(len(middles), np.int64)
    for places, slack, numbers in groups:
        tree, tried = cKDTree(places), 4
        slack = np.broadcast_to(slack, len(middles))
        rows = np.arange(len(middles))
        while len(rows):
            tried = min(tried, len(places))
            left = []
            for part in np.array_split(rows, -(-len(rows) * tried // _PAIRS)):
                distance, found = (v.reshape(len(part), tried) for v in tree.query(middles[part], k=tried, workers=-1))
                possible = distance - slack[part, None] < np.sqrt(best[part, None])
                row, column = np.nonzero(possible)
                squared = np.full(found.shape, np.inf)
                squared[row, column] = away(part[row], numbers[found[row, column]])
                first = squared.argmin(axis=1)
                nearer = squared[np.arange(len(part)), first] < best[part]
                best[part[nearer]] = squared[nearer, first[nearer]]
                nearest[part[nearer]] = numbers[found[nearer, first[nearer]]]
                left.append(part[distance[:, -1] - slack[part] < np.sqrt(best[part])])
            rows, tried = (np.concatenate(left), 4 * tried) if tried < len(places) else (rows[:0], tried)
    return nearest


def _mean(values: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    return torch.where(kept, values, 0).sum() / kept.sum().clamp_min(1)


def _on_card(points: torch.Tensor, others: torch.Tensor, k: int, norm: int) -> torch.Tensor:
    kernel = _pytorch3d_knn()
    if kernel is not None:
        return kernel(points[None], others[None], K=k, norm=norm).idx[0]
    rows = max(1, _BLOCK // max(len(others), 1))
    blocks = [torch.cdist(part, others, p=float(norm)).topk(k, largest=False).indices for part in points.split(rows)]
    return torch.cat(blocks)


@lru_cache(maxsize=1)
def _pytorch3d_knn():
    """PyTorch3D's ``knn_points``, or None where it is not installed or was built for another torch."""
    try:
        from pytorch3d.ops import knn_points
    except (ImportError, OSError):
        return None
    return knn_points


def _neighbours(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of triangles (K,), (K,) that share an edge; an edge of three triangles makes three pairs."""
    count = int(faces.max()) + 1 if len(faces) else 1
    ends = torch.stack([faces, faces.roll(-1, 1)], dim=-1).reshape(-1, 2).sort(dim=1).values.long()
    keys, order = torch.sort(ends[:, 0] * count + ends[:, 1], stable=True)
    owner = torch.div(order, 3, rounding_mode="floor")
    first, second = [], []
    for step in range(1, len(keys)):
        same = torch.nonzero(keys[step:] == keys[:-step])[:, 0]
        if not len(same):
            break
        first.append(owner[same])
        second.append(owner[same + step])
    empty = torch.zeros(0, dtype=torch.int64, device=faces.device)
    return torch.cat([empty, *first]), torch.cat([empty, *second])


def _same_way(faces: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """(K,) bool: the two triangles run along an edge of theirs in the same direction."""
    one, two = faces[first], faces[second]
    edges = torch.stack([one, one.roll(-1, 1)], dim=-1)[:, :, None]
    others = torch.stack([two, two.roll(-1, 1)], dim=-1)[:, None]
    return (edges == others).all(dim=-1).flatten(1).any(dim=1)


def _nearest_weights(points: np.ndarray, corners: np.ndarray, least_area: float) -> np.ndarray:
    """(N, 3) barycentric weights of the point of triangle n nearest to point n; on its edges if it is too small."""
    weights = nearest_on_triangles(points, corners)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    small = np.flatnonzero((area < least_area) & (weights > 0).all(axis=1))
    if len(small):
        best = np.full(len(small), np.inf)
        for k in range(3):
            a, b = corners[small, k], corners[small, (k + 1) % 3]
            share = ((points[small] - a) * (b - a)).sum(axis=1) / np.maximum(((b - a) ** 2).sum(axis=1), 1e-30)
            share = share.clip(0, 1)
            away = ((points[small] - a - share[:, None] * (b - a)) ** 2).sum(axis=1)
            nearer = away < best
            best[nearer] = away[nearer]
            edge = np.zeros((len(small), 3))
            edge[:, k], edge[:, (k + 1) % 3] = 1 - share, share
            weights[small[nearer]] = edge[nearer]
    return weights
