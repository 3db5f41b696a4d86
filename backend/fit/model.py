"""The model that is fitted, and what fitting asks of it: landmarks by name, regions, and which vertices are skin."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..contract import BUILT_IN
from ..errors import HeadError, LandmarkError
from ..formats.flame_files import read_flame_model
from ..formats.flame_model import FlameModel, Landmarks, scheme_68, z_up
from ..formats.head import BUILT_IN_HEAD
from ..formats.landmarks import Landmarks3D
from .flame_landmarks import flame_landmarks
from .place import umeyama

MEDIAPIPE = {
    "right eyebrow": (70, 63, 105, 66, 107),
    "left eyebrow": (336, 296, 334, 293, 300),
    "nose bridge": (168, 197, 5, 4),
    "nose base": (75, 97, 2, 326, 305),
    "right eye": (33, 160, 158, 133, 153, 144),
    "left eye": (362, 385, 387, 263, 373, 380),
    "outer lip": (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    "inner lip": (78, 82, 13, 312, 308, 317, 14, 87),
}
"""MediaPipe's face mesh vertices that lie where the 68-point scheme's points are."""
HIDDEN = ("mouth_pocket",)
"""Regions that no scanner sees."""
REPORTED = ("face", "scalp", "neck", "left_ear", "right_ear")


def model_to_fit(name: str, warn: Callable[[str], None] = lambda sentence: None) -> FlameModel:
    """The artist's model, or our own for ``contract.BUILT_IN``.

    Raises:
        HeadError: it cannot be read, or has no identities to choose from.
    """
    model = read_flame_model(BUILT_IN_HEAD if name == BUILT_IN else Path(name).expanduser(), warn=warn)
    if not model.identity.shape[2]:
        raise HeadError(
            f"The head model {model.name} has one shape only (no identity basis), so it can be fitted to nobody; "
            "choose a FLAME file, or the built-in head."
        )
    return model


def named_points(model: FlameModel) -> dict[str, tuple[int, np.ndarray]]:
    """Name → (triangle, (3,) barycentric weights) of all landmarks of a model.

    Where the model has no 51 or 68 points of its own, ours stand for them on FLAME's triangles, elsewhere MediaPipe's
    that lie in their places.
    """
    found: dict[str, tuple[int, np.ndarray]] = {}

    def add(points: Landmarks | None) -> None:
        if points is not None and points.names:
            for name, face, weights in zip(points.names, points.faces.tolist(), points.weights):
                found.setdefault(name, (face, weights))

    for scheme in ("full", "static", "mediapipe"):
        add(model.landmarks.get(scheme))
    if not model.landmarks.keys() & {"full", "static"}:
        add(flame_landmarks(model))
    for part, numbers in MEDIAPIPE.items():
        for i, number in enumerate(numbers):
            if f"mediapipe {number}" in found:
                found.setdefault(f"{part} {i + 1}", found[f"mediapipe {number}"])
    return found


def landmarks_of(model: FlameModel) -> Landmarks3D:
    """The landmarks of the model's template, metres, Z up; those of the 68-point scheme that it has."""
    points = named_points(model)
    names = tuple(name for name in scheme_68() if name in points)
    if not names:
        raise LandmarkError(
            f"The head model {model.name} says nowhere where its landmarks are; put FLAME's landmark embedding "
            "(landmark_embedding.npy) beside its file."
        )
    triangles, weights = (np.array(part) for part in zip(*(points[name] for name in names)))
    return Landmarks3D(names, np.einsum("lk,lkc->lc", weights, z_up(model.template)[model.faces[triangles]]))


def pieces(model: FlameModel) -> np.ndarray:
    """(V,) int the connected piece of each vertex; 0 is the largest, the skin (eyeballs are pieces of their own)."""
    corners = model.faces.reshape(-1)
    links = sparse.coo_matrix((np.ones(len(corners)), (corners, np.roll(model.faces, 1, 1).reshape(-1))))
    links.resize((len(model.template),) * 2)
    labels = connected_components(links, directed=False)[1]
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels]


def skin(model: FlameModel) -> np.ndarray:
    """(V,) bool the vertices of the head's outer skin: no eyeballs, no inside of the mouth."""
    outer = pieces(model) == 0
    for name in HIDDEN:
        if name in model.regions:
            outer[model.regions[name]] = False
    return outer


def regions_of(model: FlameModel, names: tuple[str, ...] = REPORTED) -> dict[str, np.ndarray]:
    """Region → vertices, of those in ``names``. A model that has none gets the built-in head's, carried over by the
    nearest vertex with the two heads laid on each other by landmarks: good to some millimetres at their borders."""
    if {"face", "scalp"} <= model.regions.keys():
        return {name: model.regions[name] for name in names if name in model.regions}
    own = read_flame_model(BUILT_IN_HEAD, extras=())
    here, there = landmarks_of(model), landmarks_of(own)
    shared = [name for name in here.names if name in there.names]
    placed = umeyama(there.of(shared), here.of(shared)).apply(z_up(own.template))
    outer = np.flatnonzero(skin(own))
    nearest = outer[cKDTree(placed[outer]).query(z_up(model.template))[1]]
    mine = skin(model)
    return {name: np.flatnonzero(mine & np.isin(nearest, own.regions[name])) for name in names if name in own.regions}
