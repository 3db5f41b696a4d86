"""A population of heads around the built-in one, and its principal modes.

Every person is linear in independent normal variables: sex, age, what is left of each measure and feature beyond them,
and two layers of smooth noise, a Gaussian process for what nobody named (Lüthi et al., "Gaussian process morphable
models", 2018). So the covariance is known, and the modes are those of principal component analysis of the population
itself and not of a sample of it.

Measures: means and deviations as ``anthropometry`` cites them. Their correlations (``_LOADINGS``) are estimates to the
nearest tenth and have not been held against printed tables; so are the features' deviations.
"""

from dataclasses import dataclass

import numpy as np

from ..formats.head import Head
from . import expressions, tape
from .anthropometry import MEASURES
from .conforming import Conforming, hills
from .features import ASYMMETRIES, FEATURES, ONE_SIDED, Feature
from .surface import far_apart

_FACTORS = ("sex", "age", "size", "breadth", "fat", "spacing of the eyes")
_LOADINGS = {
    # measure: its correlation with each of the factors; the rest of the variance is its own
    "head_breadth": (0.47, 0.0, 0.30, 0.60, 0.0, 0.0),
    "head_length": (0.53, 0.0, 0.50, 0.0, 0.0, 0.0),
    "bizygomatic_breadth": (0.50, 0.1, 0.30, 0.55, 0.35, 0.0),
    "menton_sellion": (0.58, 0.1, 0.45, 0.0, 0.0, 0.0),
    "interpupillary": (0.30, 0.0, 0.20, 0.20, 0.0, 0.85),
    "neck_circumference": (0.80, 0.1, 0.20, 0.0, 0.45, 0.0),
    "ear_length": (0.46, 0.35, 0.25, 0.0, 0.0, 0.0),
    "ear_breadth": (0.40, 0.10, 0.20, 0.0, 0.0, 0.0),
    "ear_protrusion": (0.20, 0.0, 0.0, 0.0, 0.0, 0.0),
    "intercanthal": (0.29, 0.0, 0.10, 0.20, 0.0, 0.75),
    "biocular": (0.48, -0.1, 0.20, 0.20, 0.0, 0.75),
    "nose_breadth": (0.66, 0.15, 0.15, 0.20, 0.1, 0.0),
    "nose_height": (0.55, 0.2, 0.40, 0.0, 0.0, 0.0),
    "mouth_breadth": (0.55, 0.1, 0.25, 0.15, 0.0, 0.0),
}
"""Correlations with sex follow from the cited means of men and women where there are such (Farkas); all others are
estimates. The head's circumference follows from its breadth and length."""
NOISE = (
    # reach (mm), spacing of the centres (mm), standard deviation (mm), only in front of (mm)
    (34.0, 30.0, 0.75, 200.0),
    (15.0, 13.0, 0.32, -42.0),
)
NOISE_ASYMMETRY = 0.35


@dataclass(frozen=True)
class Population:
    """Heads as linear functions of independent standard normal variables.

    Attributes:
        names: (N,) of the variables; the first two are "sex" (male is positive) and "age".
        fields: (N, V, 3) mm, what one standard deviation of each does.
    """

    names: tuple[str, ...]
    fields: np.ndarray

    def modes(self, count: int) -> tuple[np.ndarray, float]:
        """Principal modes (count, V, 3) mm, orthogonal, each as long as its standard deviation, and the part of the
        variance that they hold."""
        flat = self.fields.reshape(len(self.fields), -1)
        # Eigenvectors of the small Gram matrix give the left singular vectors.
        values, vectors = np.linalg.eigh(flat @ flat.T)
        order = np.argsort(-values)[:count]
        modes = (vectors[:, order].T @ flat).reshape(count, *self.fields.shape[1:])
        # Signs are nobody's choice: the largest variable of each mode counts as positive.
        largest = np.abs(vectors[:, order]).argmax(axis=0)
        signs = np.sign(vectors[largest, order])
        return modes * signs[:, None, None], float(values[order].sum() / values.sum())


def population(face: expressions.Face, head: Head) -> Population:
    """All that a person may be.

    Args:
        face: the mean head with its topology.
        head: the same as a Head, with regions and landmarks, so that it can be measured.
    """
    smooth = Conforming(face.plan, face.vertices)
    factors = {factor: np.zeros_like(face.vertices) for factor in _FACTORS}
    own: dict[str, np.ndarray] = {}
    slopes = tape.gradients(head, face.plan)
    measures = _measures(face, slopes, smooth)
    stack = np.stack([one / MEASURES[name].deviation for name, one in measures.items()])

    def beyond(fields):
        """Fields (..., V, 3) without what they do to the measures, so that these vary as published and no more."""
        return fields - np.tensordot(np.tensordot(fields, slopes, axes=((-2, -1), (1, 2))), stack, axes=1)

    for name, field in measures.items():
        loads = np.array(_LOADINGS[name])
        for factor, load in zip(factors, loads):
            factors[factor] += load * field
        own[name] = np.sqrt(1 - np.square(loads).sum()) * field
    for name, feature in _features(face).items():
        if isinstance(feature, Feature):
            field, sex, age = smooth(hills(face.vertices, face.plan.mirror, feature.hills)), feature.sex, feature.age
        else:
            field, sex, age = feature
        field = beyond(field)
        factors["sex"] += sex * field
        factors["age"] += age * field
        if name == "fat":
            factors["fat"] += np.sqrt(1 - sex**2 - age**2) * field
        else:
            own[name] = np.sqrt(1 - sex**2 - age**2) * field
        own[f"{name}, one-sided"] = ONE_SIDED * beyond(_antisymmetric(face, field))
    for name, feature in ASYMMETRIES.items():
        own[name] = beyond(smooth(hills(face.vertices, None, feature.hills)))
    own |= _noise(face, lambda fields: beyond(smooth(fields)))
    names = (*factors, *own)
    return Population(names, np.stack([*factors.values(), *own.values()]))


def _features(face) -> dict:
    """Named features, and the lids' opening, which slides over the eyeball."""
    open_eye = expressions.lids(face, -0.07, -0.03)
    both = open_eye + face.mirrored(open_eye)
    ears = _ear_fields(face)
    return FEATURES | {
        "eyes open": (both, -0.2, -0.3),
        "ears turned": (1.3 * ears["turn"], 0.0, 0.0),
        "ears up": (2.0 * ears["up"], 0.0, -0.1),
        "earlobes": (2.0 * ears["lobe"], 0.1, 0.4),
    }


def _antisymmetric(face, field):
    """The field with its right side turned round, fading across the midline."""
    return np.tanh(face.vertices[:, :1] / expressions.MIDLINE) * field


def _step(value, low, high):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _measures(face, slopes: np.ndarray, smooth) -> dict[str, np.ndarray]:
    """Measure → field that moves it by one standard deviation, and the others by nothing, to first order."""
    x, y, z = face.vertices.T
    zero = np.zeros_like(x)
    front = _step(-y, -25, 50)
    ears = _ear_fields(face)

    def local(*strokes):
        return hills(face.vertices, face.plan.mirror, strokes)

    neck = _step(z, -175, -125) * (1 - _step(z, -85, -35)) * (1 - front * _step(z, -100, -80))
    # The chin is the jaw's, whatever is below it.
    neck *= 1 - _step(-y, 30, 58) * _step(z, -135, -105)
    below = np.clip((20.7 - z) / 113, 0, 1) * _step(z, -150, -95) * front
    fields = {
        "head_breadth": np.column_stack([x / 76 * _step(z, -15, 50), zero, zero]),
        "head_length": np.column_stack([zero, y / 98 * np.where(y > 0, 1, 0.3) * _step(z, -60, 20), zero]),
        "bizygomatic_breadth": np.column_stack(
            [x / 70 * _step(np.abs(x), 25, 60) * _step(z, -85, -35) * (1 - _step(z, 10, 45)) * _step(-y, -30, 10),
             zero, zero]),
        "menton_sellion": np.column_stack([zero, zero, -below]),
        "interpupillary": local(((31.6, -74, 16), (19, 34, 16), (0.5, 0, 0))),
        "neck_circumference": np.column_stack([x / 60 * neck, (y - 22) / 60 * neck, zero]),
        "ear_length": ears["length"],
        "ear_breadth": ears["breadth"],
        "ear_protrusion": ears["out"],
        "intercanthal": local(((16.7, -79, 14), (6, 16, 7), (0.5, 0, 0))),
        "biocular": local(((45.5, -74, 15.7), (8, 16, 8), (0.5, 0.2, 0))),
        "nose_breadth": local(((14, -99, -20), (7, 14, 9), (0.5, 0, 0))),
        "nose_height": local(
            ((0, -104, -23), (26, 26, 12), (0, 0, -1)), ((0, -97, -43), (30, 26, 13), (0, 0, -0.7))
        ),
        "mouth_breadth": local(((25.9, -85.5, -44), (12, 20, 10), (0.5, 0.3, 0))),
    }  # fmt: skip
    fields = {name: smooth(field) for name, field in fields.items()}
    stack = np.stack([fields[name] for name in tape.NAMES])
    wanted = np.diag([MEASURES[name].deviation for name in tape.NAMES])
    amounts = np.linalg.solve(np.tensordot(slopes, stack, axes=((1, 2), (1, 2))), wanted)
    return {name: np.tensordot(amounts[:, j], stack, axes=1) for j, name in enumerate(tape.NAMES)}


def _ear_fields(face) -> dict[str, np.ndarray]:
    """What ears do without the head, 1 mm or about a degree each."""
    plan, v = face.plan, face.vertices
    kinds = ("length", "breadth", "out", "turn", "up", "lobe")
    fields = {kind: np.zeros_like(v) for kind in kinds}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ring = plan.rings[f"{side}_ear"]
        # None at the root; the rim's back must not come out beyond the rim when an ear is small.
        grown = np.concatenate([[0.0, 0.6, 0.97], np.ones(len(ring) - 3)])[:, None]
        p = v[ring]
        arm = p - p.mean(axis=(0, 1))
        height, depth = np.ptp(p[..., 2]), np.ptp(p[..., 1])
        fields["length"][ring, 2] = grown * arm[..., 2] / height
        fields["breadth"][ring, 1] = grown * arm[..., 1] / depth
        fields["out"][ring, 0] = sign * grown * np.clip((p[..., 1] - p[..., 1].min()) / depth, 0, 1)
        fields["turn"][ring, 1] = grown * np.radians(2.0) * arm[..., 2]
        fields["turn"][ring, 2] = -grown * np.radians(2.0) * arm[..., 1]
        fields["up"][ring, 2] = grown
        fields["lobe"][ring, 2] = -grown * np.exp(-0.5 * ((p[..., 2] - p[..., 2].min()) / 8) ** 2)
    return fields


def _noise(face, smooth) -> dict[str, np.ndarray]:
    """Hills all over the left half, each a variable, mirrored alike and, weaker, opposite."""
    v, fields = face.vertices, {}
    skin = np.union1d(face.plan.grid[face.plan.grid >= 0], face.plan.crown)
    for layer, (reach, spacing, deviation, front) in enumerate(NOISE):
        left = skin[(v[skin, 0] > -1e-6) & (v[skin, 1] < front) & (v[skin, 2] > -150)]
        centres = left[far_apart(v[left], spacing)]
        pulls = np.exp(-0.5 * (np.linalg.norm(v[:, None] - v[centres][None], axis=2) / reach) ** 2).T
        both = pulls + pulls[:, face.plan.mirror]
        pulls *= deviation / np.sqrt(np.square(both[:, left]).sum(axis=0).mean())
        for axis, way in enumerate(np.eye(3)):
            one = pulls[:, :, None] * way
            other = one[:, face.plan.mirror] * [-1.0, 1.0, 1.0]
            alike, opposite = smooth(one + other), NOISE_ASYMMETRY * smooth(one - other)
            for k in range(len(centres)):
                fields[f"noise {layer} {axis} {k}"] = alike[k]
                fields[f"noise {layer} {axis} {k}, opposite"] = opposite[k]
    return fields
