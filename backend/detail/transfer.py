"""One head's hair on another's face (HeadCraft, between registered heads), and maps whose seam is repaired."""

from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from ..formats.displacement import OBJECT, RANGE, DisplacementMap, read_displacement
from ..geometry.raster import rasterise
from .charts import SCALP
from .dense import DenseHead
from .displacement_map import repair_seam
from .given import REGISTERED, bake_map, check_model, given_displacement
from .texels import texel_places

COVERED = 0.004
"""Metres that an ear is displaced by in the mean when hair lies over it."""


def texels_of(path: Path, dense: DenseHead, size: int, identity: np.ndarray | None = None) -> np.ndarray:
    """(size, size, 3) metres, object axes, in the dense head's layout.

    A map that is so already is taken as it is, with whatever was painted on it; anything else is baked.

    Args:
        path: of a registration or a map.
        dense: of the model.
        size: texels along a side.
        identity: (<= I,) whose tangents a map in tangent space has.
    """
    path = Path(path)
    if path.suffix.lower() != REGISTERED:
        given = read_displacement(path)
        check_model(given, dense, path.name)
        if given.frame == OBJECT and given.layout == dense.layout_hash and len(given.values) == size:
            return given.values
    return bake_map(given_displacement(path, dense, identity), dense, size, frame=OBJECT).values


def transferred(hair: np.ndarray, face: np.ndarray, dense: DenseHead) -> DisplacementMap:
    """The map with the scalp of one, ears that hair covers among it, and all else of another, seams repaired (A.2).

    Args:
        hair, face: (N, N, 3) metres, object axes, in the dense head's layout.
        dense: of the model.
    """
    size = len(face)
    pixels = texel_places(dense.uv, size).reshape(-1, 2)
    corners = np.arange(len(pixels)).reshape(-1, 3)
    drawn = rasterise(pixels, np.ones(len(pixels)), corners, (size, size), perspective=False)
    covered = drawn.covered
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    chart = dense.chart[drawn.face[row, column]]
    taken = [dense.layout.names.index(SCALP)]
    for number, name in enumerate(dense.layout.names):
        # An ear under hair is a part of that hair; bare ears are left as they are.
        mine = covered & (chart == number)
        if name.endswith("_ear") and max(np.linalg.norm(v[mine], axis=1).mean() for v in (hair, face)) > COVERED:
            taken.append(number)
    return repaired(np.where(np.isin(chart, taken)[..., None], hair, face), covered, dense)


def repaired(values: np.ndarray, covered: np.ndarray, dense: DenseHead) -> DisplacementMap:
    """A map (N, N, 3) in object axes of the dense head's layout that agrees with itself across the seam (A.2)."""
    mended = repair_seam(values, covered, dense.faces, dense.uv).clip(-RANGE, RANGE)
    return DisplacementMap(mended.astype(np.float32), OBJECT, 0, **dense.said)
