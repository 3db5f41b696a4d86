"""The dense head as shape keys and skin: what Blender plays live, and how far that is from the exact way.

Blender adds shape keys before it skins, so the dense head's keys are the model's through the subdivision, and each has
the turning of the displacement (HeadCraft, B.1) on top: what the displacement does when that key alone is moved. For
expressions that is a line: from 0 to 1 for shapes that have names of their own, such as "smile left", which are
therefore exact at 1; from -1 to 1 for numbered modes, FLAME's, which are used both ways. For joints it is what the skin
does not do by itself, as a function of the nine numbers, R - 1, that move the model's own pose correctives.
"""

from collections.abc import Callable

import numpy as np

from ..formats.dense_keys import DenseKeys
from ..formats.flame_model import FlameModel, z_up
from .carried import Carried
from .dense import DenseHead
from .poser import Poser, bends, skinned

RANGES = {"neck": (35.0, 45.0, 25.0), "jaw": (30.0, 10.0, 8.0)}
"""Degrees about a joint's axes up to which the skin is mended; ``OTHER`` for joints that are not named."""
OTHER = (25.0, 25.0, 10.0)
OPENS = ("jaw",)
"""Joints that turn one way only about their first axis."""
TURNS = 24
"""Turns of a joint that are looked at."""
RIDGE = 1e-4
"""Of a joint's keys: more, and their sum follows the turns less closely; less, and it goes astray beyond them."""
NOTHING = 1e-5
"""Metres: a key that moves no vertex as far is left out."""
STILL = 1e-6
"""Metres: a vertex that a key moves less has zeros there, which files hold in no room."""


def dense_keys(
    dense: DenseHead,
    displacement: np.ndarray,
    identity: np.ndarray | None = None,
    identity_sliders: int = 0,
    step: Callable[[], None] = lambda: None,
) -> DenseKeys:
    """Keys of one person's dense head.

    Args:
        dense: of the model.
        displacement: (W, 3) metres, object axes of the person's rest head.
        identity: (<= I,) standard deviations.
        identity_sliders: modes of identity by which the person may be changed, the first ones.
        step: called ``steps(dense.model, identity_sliders)`` times.
    """
    model = dense.model
    identity = np.zeros(0) if identity is None else np.asarray(identity, np.float64)
    poser, carried = Poser(dense, identity), dense.carried(displacement, identity)
    expressions, modes = _expressions(poser, carried, step)
    people, people_modes = _identities(poser, carried, identity_sliders, step)
    weights = dense_weights(dense)
    correctives, places = _correctives(poser, carried, weights, poser.rest + displacement, step)
    return DenseKeys(
        model.name, model.hash, identity, (poser.rest + displacement).astype(np.float32), dense.faces, dense.uv,
        dense.layout_hash, weights.astype(np.float32), model.joint_names, expressions, modes, correctives, places,
        people, people_modes,
        dense.regions,
    )  # fmt: skip


def steps(model: FlameModel, identity_sliders: int = 0) -> int:
    """How often ``dense_keys`` calls ``step``."""
    turns = sum(len(_turns(model.joint_names[joint], len(places))) for joint, places in _mended(model).items())
    return model.expression.shape[2] + turns + min(identity_sliders, model.identity.shape[2])


def dense_weights(dense: DenseHead) -> np.ndarray:
    """(W, J) float64 skin weights through the subdivision, which may overshoot: clipped, and adding up to 1 again."""
    weights = dense.subdivision.dense(dense.model.weights.astype(np.float64))
    weights[weights < 1e-4] = 0
    return weights / weights.sum(axis=1, keepdims=True)


def played(keys: DenseKeys, poser: Poser, expression=None, pose=None) -> np.ndarray:
    """(W, 3) what Blender makes of the keys: shape keys, then linear blend skinning."""
    head = keys.basis.astype(np.float64)
    if expression is not None:
        for key, place in zip(keys.expression_keys, keys.expression_places):
            if place < len(expression) and expression[place]:
                head += expression[place] * key.astype(np.float64)
    if pose is not None:
        turned = bends(pose)
        for key, place in zip(keys.corrective_keys, keys.corrective_places):
            head += turned[tuple(place)] * key.astype(np.float64)
    return skinned(head, keys.weights.astype(np.float64), *poser.bones(expression, pose))


def _expressions(poser: Poser, carried: Carried, step: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """(K, W, 3) float16 metres a unit of the modes (K,) that move something."""
    model, keys, modes = poser.model, [], []
    rest = carried.on(poser.rest)
    for k, name in enumerate(model.expression_names):
        unit = np.eye(len(model.expression_names))[k]
        key = carried.on(poser.posed(unit)) - rest
        if name[-1:].isdigit():
            key = (key + rest - carried.on(poser.posed(-unit))) / 2
        key = _tidied(key, 1.0)
        if key is not None:
            keys.append(key)
            modes.append(k)
        step()
    return _stacked(keys, len(poser.rest)), np.array(modes, np.int32)


def _identities(poser: Poser, carried: Carried, count: int, step: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """(I', W, 3) float16 metres a unit that one of the first modes is changed by, and the numbers of the modes."""
    keys, modes = [], []
    for k, mode in enumerate(z_up(poser.model.identity[:, :, :count].transpose(2, 0, 1))):
        moved = poser.dense.subdivision.dense(mode.astype(np.float64))
        key = _tidied((carried.on(poser.rest + moved) - carried.on(poser.rest - moved)) / 2, 1.0)
        if key is not None:
            keys.append(key)
            modes.append(k)
        step()
    return _stacked(keys, len(poser.rest)), np.array(modes, np.int32)


def _correctives(
    poser: Poser, carried: Carried, weights: np.ndarray, basis: np.ndarray, step: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """(C, W, 3) float16 and (C, 3) joint, row, column.

    For some turns of each joint, the exact head is taken back through the skin; what then differs from the basis is the
    least-squares sum of keys times the numbers of R - 1. The model's own correctives are a part of that.
    """
    model, keys, found = poser.model, [], []
    for joint, places in _mended(model).items():
        turns = _turns(model.joint_names[joint], len(places))
        features, moments = np.empty((len(turns), len(places))), np.zeros((len(places), *basis.shape))
        for i, turn in enumerate(turns):
            pose = np.zeros((len(model.parents), 3))
            pose[joint] = turn
            features[i] = bends(pose)[joint].ravel()[places]
            before = _before_skin(carried.on(poser.posed(None, pose)), weights, *poser.bones(None, pose))
            moments += np.multiply.outer(features[i], before - basis)
            step()
        gram = features.T @ features
        gram += RIDGE * np.trace(gram) * np.eye(len(places))
        sums = np.linalg.solve(gram, moments.reshape(len(places), -1)).reshape(moments.shape)
        for place, key, reach in zip(places, sums, np.abs(features).max(axis=0)):
            key = _tidied(key, reach)
            if key is not None:
                keys.append(key)
                found.append((joint, place // 3, place % 3))
    return _stacked(keys, len(basis)), np.array(found, np.int32).reshape(-1, 3)


def _before_skin(points: np.ndarray, weights: np.ndarray, turns: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The points (W, 3) that ``skinned`` takes to these."""
    linear = np.tensordot(weights, turns, axes=1)
    # Inverses of (W, 3, 3) by cross products, which is a tenth of the time that LAPACK takes for small matrices.
    rows = [np.cross(linear[:, :, k - 2], linear[:, :, k - 1]) for k in range(3)]
    determinant = np.einsum("wa,wa->w", linear[:, :, 0], rows[0])
    return np.einsum("kwa,wa->wk", rows, points - weights @ offsets) / determinant[:, None]


def _mended(model: FlameModel) -> dict[int, list[int]]:
    """Joint → which of the nine numbers of its turn get a key: all where the skin mixes it with another joint, else
    those that the model has correctives for."""
    shared = ((model.weights > 1e-4) & (model.weights < 1 - 1e-4)).any(axis=0)
    bent = np.abs(model.pose_correctives).max(axis=(0, 1)).reshape(-1, 9) > NOTHING
    wanted = {j: list(range(9)) if shared[j] else np.flatnonzero(bent[j - 1]).tolist() for j in range(1, len(shared))}
    return {joint: places for joint, places in wanted.items() if places}


def _turns(joint: str, keys: int) -> np.ndarray:
    """(T, 3) radians: about the first axis alone, then about all; fewer where there are fewer keys to find."""
    ranges, count = np.radians(RANGES.get(joint, OTHER)), TURNS if keys == 9 else TURNS // 3
    low = np.array([0.0 if joint in OPENS else -1.0, -1.0, -1.0])
    turns = np.random.default_rng(0).uniform(low, 1.0, (count, 3)) * ranges
    alone = np.linspace(low[0], 1.0, count // 3 + 1)[-(count // 3) :]
    turns[: len(alone)] = np.outer(alone, [ranges[0], 0, 0])
    return turns


def _tidied(key: np.ndarray, amplitude: float) -> np.ndarray | None:
    """(W, 3) float16, or None if it moves nothing; ``amplitude`` is how large its value usually is."""
    reach = np.linalg.norm(key, axis=1) * amplitude
    if reach.max(initial=0) < NOTHING:
        return None
    return np.where((reach < STILL)[:, None], 0, key).astype(np.float16)


def _stacked(keys: list[np.ndarray], points: int) -> np.ndarray:
    return np.stack(keys) if keys else np.zeros((0, points, 3), np.float16)


def live_from_exact(
    dense: DenseHead,
    keys: DenseKeys,
    displacement: np.ndarray,
    heads: int = 50,
    spread: float = 1.0,
    step: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """How far what Blender plays is from the exact way, in millimetres over all vertices of random heads.

    Args:
        heads: how many; their expressions are normal, and their jaws open by up to 20 degrees.
        spread: standard deviation of the expressions' coefficients.
        step: called for each.

    Returns:
        mean, p95, p99, max, and the mean of the worst head; of each region of the head, its mean.
    """
    model, random = dense.model, np.random.default_rng(0)
    poser, carried = Poser(dense, keys.identity), dense.carried(displacement, keys.identity)
    off = np.empty((heads, dense.vertex_count), np.float32)
    for i in range(heads):
        expression = random.normal(0, spread, model.expression.shape[2])
        pose = np.zeros((len(model.parents), 3))
        if "jaw" in model.joint:
            pose[model.joint["jaw"], 0] = np.radians(random.uniform(0, 20))
        exact = carried.on(poser.posed(expression, pose))
        off[i] = 1e3 * np.linalg.norm(exact - played(keys, poser, expression, pose), axis=1)
        step()
    p95, p99 = np.percentile(off, [95, 99])
    figures = {"mean": off.mean(), "p95": p95, "p99": p99, "max": off.max(), "worst_head": off.mean(axis=1).max()}
    figures |= {name: off[:, dense.regions[name]].mean() for name in ("face", "scalp", "neck") if name in dense.regions}
    return {name: round(float(value), 4) for name, value in figures.items()}
