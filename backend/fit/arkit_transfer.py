"""ARKit's shapes of the built-in head carried over to another head model, vertex by vertex.

The built-in head is fitted to the other model's template as to a scan. Where the two then lie on each other, the other
head's skin goes where the built-in head's goes, turned and scaled as it was laid on it: deformation transfer (Sumner
and Popovic, 2004) by displacements, since the fitted heads have the same form.
"""

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..errors import HeadError
from ..flame.layer import FlameLayer
from ..formats.arkit import NAMES, read_table, table_beside, turning_rows
from ..formats.flame_files import read_flame_model
from ..formats.flame_model import FlameModel, y_up, z_up
from ..formats.head import BUILT_IN_HEAD
from ..geometry.surface import nearest_on_triangles
from .model import landmarks_of, skin
from .scan import Scan, ScanSurface
from .scan_fit import fit_scan, start
from .shape import Shape
from .surfaces import MovingSurface, normals_and_areas

FACING = 0.010
"""Metres that opposite normals are worth: lips that touch belong to their own side."""
TRUSTED = 0.006
"""Metres between the heads from which a vertex hardly counts."""
CANDIDATES = 8


def carried_shapes(target: FlameModel, reporter) -> tuple[dict[str, np.ndarray], np.ndarray, float]:
    """The shapes on another model.

    Args:
        target: of FLAME's kind, with landmarks.
        reporter: told of the fit's stages; may stop it.

    Returns:
        ARKit name → displacements (V, 3) of the target's vertices in metres, in its own frame, for all that are more
        than turns of its joints; how much each vertex counts (V,) from 0 to 1; and the mean distance in metres between
        the fitted heads over the skin that counts.

    Raises:
        LandmarkError: the target has no landmarks.
        HeadError: it has no expressions.
    """
    if not target.expression.shape[2]:
        raise HeadError(f"{target.name} has no expressions, so it can show none of ARKit's shapes but turns.")
    source = read_flame_model(BUILT_IN_HEAD, extras=())
    fit = _laid_on(source, target, reporter)
    vertices = fit.place.apply(fit.vertices)
    faces = source.faces[skin(source)[source.faces].all(axis=1)]
    goal, outer = z_up(target.template).astype(np.float64), skin(target)
    corners, weights, apart = _matches(vertices, faces, goal, target.faces)
    counts = np.where(outer, np.exp(-0.5 * (apart / TRUSTED) ** 2), 0.0)
    shapes = {}
    turn = fit.place.scale * fit.place.rotation.T
    for name, moved in _displacements(source, fit, set(NAMES) - set(turning_rows(target))).items():
        shapes[name] = y_up(np.einsum("vk,vkc->vc", weights, moved[corners]) @ turn) * outer[:, None]
    return shapes, counts, float(np.average(apart, weights=np.maximum(counts, 1e-12)))


def _laid_on(source: FlameModel, target: FlameModel, reporter):
    """The built-in head fitted to the target's template."""
    outer = skin(target)
    faces = target.faces[outer[target.faces].all(axis=1)].astype(np.int64)
    scan = Scan(z_up(target.template).astype(np.float64), faces, None, target.name)
    landmarks = landmarks_of(target)
    names, place = start(source, landmarks)
    landmarks = type(landmarks)(tuple(names), landmarks.of(names))
    shape = Shape(source, 0, expression=False)
    head = MovingSurface(source.faces)
    head.move(place.apply(shape.vertices(shape.zero())))

    def outward(points: np.ndarray) -> np.ndarray:
        return head.normals_at(*head.nearest(points)[1:])

    surface = ScanSurface(scan, 1.0, landmarks.points.mean(axis=0), outward)
    return fit_scan(shape, surface, landmarks, place, False, reporter)


def _matches(vertices, faces, points, target_faces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For points (N, 3): corners (N, 3) and weights (N, 3) of the place on triangles that is near and faces alike, and
    the distance (N,) to it."""
    normals, _ = normals_and_areas(vertices, faces)
    own, _ = normals_and_areas(points, target_faces)
    middles, facing = vertices[faces].mean(axis=1), normals[faces].mean(axis=1)
    tree = cKDTree(np.hstack([middles, FACING * facing]))
    _, near = tree.query(np.hstack([points, FACING * own]), k=CANDIDATES)
    corners = faces[near]
    weights = nearest_on_triangles(np.repeat(points, CANDIDATES, axis=0), vertices[corners.reshape(-1, 3)])
    weights = np.asarray(weights).reshape(*near.shape, 3)
    there = np.einsum("nck,nckd->ncd", weights, vertices[corners])
    away = ((there - points[:, None]) ** 2).sum(axis=2)
    turned = ((np.einsum("nck,nckd->ncd", weights, normals[corners]) - own[:, None]) ** 2).sum(axis=2)
    best, row = (away + FACING**2 * turned).argmin(axis=1), np.arange(len(points))
    return corners[row, best], weights[row, best], np.sqrt(away[row, best])


def _displacements(source: FlameModel, fit, names: set[str]) -> dict[str, np.ndarray]:
    """ARKit name → (V, 3) metres, Z up, what the built-in head's skin does as the fitted person."""
    table = read_table(table_beside(BUILT_IN_HEAD)).applied_to(source)
    layer = FlameLayer(source, up="Z", dtype=torch.float64)
    rows = [k for k, name in enumerate(NAMES) if table.supported[k] and name in names]
    identity = torch.as_tensor(np.asarray(fit.parameters.identity))[None]
    pose = np.concatenate([0 * table.pose[:1], table.pose[rows]]) + np.asarray(fit.parameters.pose)[None]
    expression = np.concatenate([0 * table.expression[:1], table.expression[rows]])
    count = len(rows) + 1
    moved = layer(
        identity=identity.expand(count, -1), expression=torch.from_numpy(expression), pose=torch.from_numpy(pose)
    ).vertices.numpy()
    return {NAMES[k]: moved[i] - moved[0] for i, k in enumerate(rows, start=1)}
