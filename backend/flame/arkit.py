"""An ARKit table for a model, from what each of the 52 shapes does to its vertices.

Each row is a least-squares problem: the expression coefficients, and the turn of the joint that the shape moves, whose
head comes nearest to the template plus the shape's displacements. Without a joint it is linear.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import least_squares

from ..errors import HeadError
from ..formats.arkit import NAMES, ArkitTable
from ..formats.flame_model import FlameModel
from .layer import FlameLayer

RIDGE = 2e-5
"""Metres of error (root mean square over the vertices) that one unit of an expression coefficient is worth."""
TURN_STEP = 1e-5
"""Radians."""


@dataclass(frozen=True, eq=False)
class FittedTable:
    """A table, and how well the model could follow.

    Attributes:
        table: the rows; those without a target are unsupported.
        error: ARKit name → root mean square distance in metres that is left, over the vertices.
        size: ARKit name → root mean square of the target's displacements in metres, to compare with.
    """

    table: ArkitTable
    error: dict[str, float]
    size: dict[str, float]


def joints_of(name: str) -> tuple[str, ...]:
    """The joints that one of the 52 may turn."""
    if name.startswith("jaw") or name == "mouthClose":
        return ("jaw",)
    if name.startswith("eyeLook"):
        return ("left_eye",) if name.endswith("Left") else ("right_eye",)
    return ()


def fit_table(
    model: FlameModel,
    targets: Mapping[str, np.ndarray],
    vertex_weights: np.ndarray | None = None,
    ridge: float = RIDGE,
    tick: Callable[[], None] = lambda: None,
) -> FittedTable:
    """Fit a row to every target.

    Args:
        model: whose table it becomes.
        targets: ARKit name → (V, 3) displacements of the model's vertices at a weight of one, metres, in the model's
            own frame (Y up).
        vertex_weights: (V,) how much each vertex counts, at least 0; all the same by default.
        ridge: see ``RIDGE``.
        tick: called before every row.

    Raises:
        HeadError: a target has a name that is none of the 52, or another shape than the model's vertices.
    """
    layer = FlameLayer(model, up="Y", dtype=torch.float64)
    weights = np.ones(len(model.template)) if vertex_weights is None else np.asarray(vertex_weights, np.float64)
    # A residual's square is then a mean over the vertices, whatever their number.
    weights = np.sqrt(weights / weights.sum())[:, None]
    expression, pose = np.zeros((len(NAMES), layer.expression_count)), np.zeros((len(NAMES), layer.joint_count, 3))
    error, size = {}, {}
    for name, target in targets.items():
        tick()
        target = np.asarray(target, np.float64)
        if name not in NAMES:
            raise HeadError(f"{name} is none of ARKit's {len(NAMES)} shapes.")
        if target.shape != model.template.shape or not np.isfinite(target).all():
            raise HeadError(f"The shape {name} does not fit the {len(model.template)} vertices of {model.name}.")
        row, joints = NAMES.index(name), [model.joint[j] for j in joints_of(name) if j in model.joint]
        expression[row], pose[row, joints], left = _fit(layer, target, weights, joints, ridge)
        error[name] = float(np.sqrt(np.square(weights * left).sum()))
        size[name] = float(np.sqrt(np.square(weights * target).sum()))
    supported = np.array([name in targets for name in NAMES])
    return FittedTable(ArkitTable(model.name, model.hash, expression, pose, supported), error, size)


def _fit(
    layer: FlameLayer, target: np.ndarray, weights: np.ndarray, joints: list[int], ridge: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row: expression (E,), turns (len(joints), 3) and the displacements (V, 3) that it leaves."""
    modes = layer.expression_count
    if not joints:
        # For an unturned head the layer is the template plus modes.
        basis = (layer.model.expression.astype(np.float64) * weights[..., None]).reshape(-1, modes)
        padded = np.concatenate([basis, ridge * np.eye(modes)])
        wanted = np.concatenate([(weights * target).reshape(-1), np.zeros(modes)])
        found = np.linalg.lstsq(padded, wanted)[0]
        return found, np.zeros((0, 3)), target - layer.model.expression.astype(np.float64) @ found

    def moved(x: np.ndarray) -> np.ndarray:
        """(N, V, 3) for parameters (N, modes + 3 len(joints))."""
        turns = torch.zeros(len(x), layer.joint_count, 3, dtype=torch.float64)
        turns[:, joints] = torch.from_numpy(x[:, modes:]).view(len(x), -1, 3)
        return layer(expression=torch.from_numpy(x[:, :modes]), pose=turns).vertices.numpy()

    wanted = layer.model.template.astype(np.float64) + target
    # Vertices are affine in the expression, so whole steps are exact there; turns get central differences.
    count = modes + 3 * len(joints)
    steps = np.concatenate([np.ones(modes), np.full(count - modes, TURN_STEP)])
    prior = ridge * np.eye(modes, count)

    def residual(x: np.ndarray) -> np.ndarray:
        return np.concatenate([(weights * (moved(x[None])[0] - wanted)).reshape(-1), ridge * x[:modes]])

    def slopes(x: np.ndarray) -> np.ndarray:
        ahead, behind = moved(x + np.diag(steps)), moved(x - np.diag(steps))
        columns = weights * (ahead - behind) / (2 * steps[:, None, None])
        return np.concatenate([columns.reshape(count, -1).T, prior])

    found = least_squares(residual, np.zeros(count), slopes, method="lm", x_scale="jac").x
    return found[:modes], found[modes:].reshape(-1, 3), wanted - moved(found[None])[0]
