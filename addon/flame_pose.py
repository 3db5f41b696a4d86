"""Coefficients onto a FLAME head in the scene, and back."""

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from ..backend.errors import CoefficientError
from ..backend.formats.coefficients import Coefficients, check_belongs
from .flame_armature import LOCATOR, MASTER
from .flame_rest import clear_rest, rest_of, show_rest
from .flame_rig import LIMIT, Rig

HARD_LIMIT = 10.0
"""What Blender allows a shape key's value to be at most."""


def apply_coefficients(rig: Rig, coefficients: Coefficients) -> list[str]:
    """Set a head's sliders and bones. Returns sentences about what the head has no slider for.

    Raises:
        CoefficientError: they belong to another model, or no slider can reach them; nothing has changed then.
    """
    check_belongs(coefficients, rig.model, rig.model_hash)
    if len(coefficients.pose) != len(rig.joints):
        raise CoefficientError(f"The pose has {len(coefficients.pose)} joints, but {rig.model} has {len(rig.joints)}.")
    left_out = []
    for part in ("identity", "expression"):
        given, names = getattr(coefficients, part), getattr(rig, part)
        if np.abs(given[: len(names)]).max(initial=0) > HARD_LIMIT:
            raise CoefficientError(f"An {part} coefficient is beyond {HARD_LIMIT:g}, which no shape key can show.")
        if len(given) > getattr(rig, f"{part}_modes"):
            raise CoefficientError(
                f"There are {len(given)} {part} coefficients, but {rig.model} has {getattr(rig, f'{part}_modes')}."
            )
    if unseen := np.count_nonzero(coefficients.expression[len(rig.expression) :]):
        left_out.append(f"{unseen} expression modes that the head has no slider for")
    set_identity(rig, coefficients.identity, left_out)
    set_keys(rig, rig.expression, coefficients.expression)
    for name, turn in zip(rig.joints, coefficients.pose):
        bone = rig.bone(name)
        bone.matrix_basis = Quaternion(Vector(turn)).to_matrix().to_4x4()
    size = coefficients.scale
    rig.bone(MASTER).matrix_basis = Matrix.LocRotScale(Vector(coefficients.translation), None, (size, size, size))
    return left_out


def set_identity(rig: Rig, identity: np.ndarray, left_out: list[str]) -> None:
    """Set the sliders of identity, and show the modes without one; ``left_out`` gets a sentence where that fails."""
    set_keys(rig, rig.identity, identity)
    if trouble := show_rest(rig, identity):
        left_out.append(trouble)


def set_keys(rig: Rig, names: tuple[str, ...], values: np.ndarray) -> None:
    """Set sliders, wider where a value is beyond them; those that there is no value for to zero."""
    for name, value in zip(names, np.pad(values, (0, max(len(names) - len(values), 0)))):
        key = rig.key(name)
        reach = float(np.ceil(abs(value)))
        key.slider_min, key.slider_max = min(key.slider_min, -reach), max(key.slider_max, reach)
        key.value = value


def read_coefficients_of(context: bpy.types.Context, rig: Rig) -> Coefficients:
    """What a head shows now, constraints on its bones included."""
    armature = rig.armature.evaluated_get(context.evaluated_depsgraph_get())
    turns = []
    for name in rig.joints:
        rig.bone(name)
        local = armature.pose.bones[LOCATOR + name].matrix.inverted() @ armature.pose.bones[name].matrix
        turns.append(local.to_quaternion().to_exponential_map())
    rig.bone(MASTER)
    master = armature.pose.bones[MASTER]
    rest = master.bone.matrix_local.to_3x3()
    translation = rest.inverted() @ master.matrix.translation
    return Coefficients(
        rig.model,
        rig.model_hash,
        np.concatenate([[rig.key(n).value for n in rig.identity], rest_of(rig)]),
        np.array([rig.key(n).value for n in rig.expression]),
        np.array(turns),
        np.array(translation),
        master.matrix.median_scale,
    )


def reset(rig: Rig, group: str) -> None:
    """Set a group's sliders to zero: "identity", "expression", or "pose" with the place of the whole head."""
    if group == "pose":
        for name in (MASTER, *rig.joints):
            rig.bone(name).matrix_basis = Matrix.Identity(4)
    else:
        set_keys(rig, getattr(rig, group), np.zeros(0))
    if group == "identity":
        clear_rest(rig)


def randomise(rig: Rig, group: str, seed: int, amount: float) -> None:
    """Give the sliders of "identity" or "expression" normal random values of a standard deviation, within their reach.

    A seed's first values are the same however many sliders there are.
    """
    names = getattr(rig, group)
    values = np.random.default_rng(seed).normal(0.0, amount, len(names))
    set_keys(rig, names, np.clip(values, -LIMIT, LIMIT))
    if group == "identity":
        clear_rest(rig)
