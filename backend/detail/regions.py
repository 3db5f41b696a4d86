"""Regions of a head model that has none, carried over from the built-in head.

The built-in head is laid on the model's template by landmarks, given the identity that brings it nearest, and bent the
rest of the way; then every vertex takes the regions of the surface where it lies. Eyeballs and the open border are the
mesh's own. Nothing but the model's geometry and landmarks goes in, so it is the same at each call.
"""

import numpy as np
from scipy.sparse import diags, identity
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ..errors import HeadError
from ..fit.model import landmarks_of, pieces, skin
from ..fit.place import umeyama
from ..formats.flame_files import read_flame_model
from ..formats.flame_model import FlameModel, z_up
from ..formats.head import BUILT_IN_HEAD
from .frames import vertex_normals
from .smoothing import neighbours
from .subdivision import subdivide

CARRIED = (
    "scalp", "face", "neck", "left_ear", "right_ear", "lips", "mouth_pocket", "nose", "forehead", "left_eye_region",
    "right_eye_region",
)  # fmt: skip
_NORMAL = 0.01
"""Metres that opposite normals stand for when the nearest surface is sought: lips and lids have two sides."""
_REACH = 0.025
"""Metres beyond which the two heads do not correspond."""


def with_regions(model: FlameModel) -> dict[str, np.ndarray]:
    """Name → vertices: the model's own regions if it has a scalp and a face, else those derived."""
    return dict(model.regions) if {"scalp", "face"} <= model.regions.keys() else derived_regions(model)


def derived_regions(model: FlameModel) -> dict[str, np.ndarray]:
    """Regions of a model's template, by name as the built-in head's are.

    Raises:
        HeadError: the model has too few landmarks to be laid on the built-in head.
    """
    own = read_flame_model(BUILT_IN_HEAD, extras=())
    target, outer = z_up(model.template).astype(np.float64), pieces(model) == 0
    fitted = _bent(own, model, target, outer)
    dense = subdivide(own.faces, len(fitted), 1)
    points = dense.dense(fitted)
    normals = vertex_normals(points, dense.faces)
    lasting = np.flatnonzero(dense.dense((pieces(own) == 0).astype(float)) > 0.5)
    tree = cKDTree(np.column_stack([points, _NORMAL * normals])[lasting])
    own_normals = vertex_normals(target, model.faces)
    nearest = lasting[tree.query(np.column_stack([target, _NORMAL * own_normals]))[1]]
    found = {}
    members = dense.regions({name: own.regions[name] for name in CARRIED})
    for name, vertices in members.items():
        inside = np.zeros(len(points), bool)
        inside[vertices] = True
        found[name] = np.flatnonzero(inside[nearest] & outer)
    # What lies between two regions of the built-in head belongs to the nearer of them.
    parts = [found[k] for k in ("scalp", "face", "neck", "left_ear", "right_ear", "mouth_pocket")]
    lonely = np.setdiff1d(np.flatnonzero(outer), np.concatenate(parts))
    known = np.concatenate(parts)
    owner = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    joins = owner[cKDTree(target[known]).query(target[lonely])[1]]
    for k, name in enumerate(("scalp", "face", "neck", "left_ear", "right_ear", "mouth_pocket")):
        found[name] = np.union1d(found[name], lonely[joins == k])
    found["ears"] = np.union1d(found["left_ear"], found["right_ear"])
    balls = np.flatnonzero(~outer)
    left = target[balls, 0] > target[outer, 0].mean()
    found |= {"eyes": balls, "left_eyeball": balls[left], "right_eyeball": balls[~left]}
    found["boundary"] = np.flatnonzero(neighbours(model.faces, len(target))[1])
    return {name: vertices.astype(np.int32) for name, vertices in found.items()}


def _bent(own: FlameModel, model: FlameModel, target: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """(V, 3) the built-in head on a template: similarity, then identity, then a smooth bend."""
    here, there = landmarks_of(own), landmarks_of(model)
    shared = [name for name in here.names if name in there.names]
    if len(shared) < 4:
        raise HeadError(f"The head model {model.name} has too few landmarks to find its regions by; give it regions.")
    place = umeyama(here.of(shared), there.of(shared))
    basis = z_up(own.identity.transpose(2, 0, 1)).transpose(1, 2, 0).astype(np.float64)  # (V, 3, I)
    mean = z_up(own.template).astype(np.float64)
    weights = np.zeros(basis.shape[2])
    used = np.flatnonzero(skin(own))
    tree = cKDTree(np.column_stack([target, _NORMAL * vertex_normals(target, model.faces)])[outer])
    border = neighbours(model.faces, len(target))[1][outer]
    goals = target[outer]

    def correspond(points):
        normals = vertex_normals(points, own.faces)
        distance, match = tree.query(np.column_stack([points, _NORMAL * normals])[used])
        fine = (distance < _REACH) & ~border[match]
        return used[fine], goals[match[fine]]

    for _ in range(6):
        points = place.apply(mean + basis @ weights)
        who, where = correspond(points)
        place = umeyama((mean + basis @ weights)[who], where)
        offset = (where - place.translation) @ place.rotation / place.scale - mean[who]
        system = basis[who].reshape(-1, len(weights))
        # A millimetre of misfit weighs as a standard deviation does.
        weights = np.linalg.solve(
            system.T @ system / 1e-6 / 30 + np.eye(len(weights)), system.T @ offset.ravel() / 1e-6 / 30
        )
    points = place.apply(mean + basis @ weights)
    near, _ = neighbours(own.faces, len(points))
    laplacian = diags(np.asarray(near.sum(axis=1)).ravel()) - near
    for stiffness in (30.0, 10.0, 3.0, 1.0):
        who, where = correspond(points)
        pull = np.zeros(len(points))
        pull[who] = 1.0
        system = diags(pull) + stiffness * laplacian.T @ laplacian + 1e-6 * identity(len(points))
        wanted = np.zeros_like(points)
        wanted[who] = where - points[who]
        points = points + splu(system.tocsc()).solve(wanted)
    return points
