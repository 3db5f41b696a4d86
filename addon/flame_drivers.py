"""Drivers that Blender evaluates by itself, so that they work where scripts in files are not trusted.

An expression is simple, and needs no Python, if it is arithmetic on its variables; it has at most 255 characters. Long
weighted sums are therefore split, and the parts summed up by another driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

LONGEST = 255
LETTERS = "abcdefghijklmnopqrstuvwxyz"
QUATERNION = ("ROT_W", "ROT_X", "ROT_Y", "ROT_Z")
ROTATION_LESS_ONE = (
    ("-2*(y*y+z*z)", "2*(x*y-w*z)", "2*(x*z+w*y)"),
    ("2*(x*y+w*z)", "-2*(x*x+z*z)", "2*(y*z-w*x)"),
    ("2*(x*z-w*y)", "2*(y*z+w*x)", "-2*(x*x+y*y)"),
)
"""R - 1 of a unit quaternion, row by row: the features of FLAME's pose correctives."""


@dataclass(frozen=True)
class Source:
    """A property that a driver reads."""

    owner: bpy.types.ID
    path: str

    def bind(self, variable: bpy.types.DriverVariable) -> None:
        target = variable.targets[0]
        target.id_type = "KEY" if isinstance(self.owner, bpy.types.Key) else "OBJECT"
        target.id = self.owner
        target.data_path = self.path


@dataclass(frozen=True)
class Turn:
    """One number of the quaternion by which a bone is turned against its parent."""

    armature: bpy.types.Object
    bone: str
    channel: str

    def bind(self, variable: bpy.types.DriverVariable) -> None:
        variable.type = "TRANSFORMS"
        target = variable.targets[0]
        target.id, target.bone_target = self.armature, self.bone
        target.transform_type, target.rotation_mode = self.channel, "QUATERNION"
        target.transform_space = "LOCAL_SPACE"


def drive(owner: bpy.types.bpy_struct, path: str, expression: str, variables: dict, index: int = -1) -> None:
    """Drive a property.

    Args:
        owner: what has the property, an ID, a shape key or a pose bone.
        expression: a simple one.
        variables: name → Source or Turn.
        index: which number of the property, where it has several.
    """
    curve = owner.driver_add(path, index)
    # A new driver's curve is y = x, by a modifier up to 4.5, by two keys from 5.0 on; near a key, values within 0.0001
    # are taken for the key's own. A curve without either passes the driver's value on.
    curve.keyframe_points.clear()
    for modifier in list(curve.modifiers):
        curve.modifiers.remove(modifier)
    driver = curve.driver
    driver.type = "SCRIPTED"
    for name, source in variables.items():
        variable = driver.variables.new()
        variable.name = name
        source.bind(variable)
    driver.expression = expression


def weighted_sums(weights: np.ndarray) -> list[tuple[str, list[int]]]:
    """A weighted sum as expressions that are short enough; their values together are the sum.

    Args:
        weights: (K,), written with three decimals; those that round to zero are left out.

    Returns:
        Each expression, in the variables a, b, c, ..., with the places in ``weights`` that these stand for.
    """
    sums: list[tuple[str, list[int]]] = []
    for place, weight in enumerate(np.round(np.asarray(weights, np.float64), 3).tolist()):
        if weight == 0:
            continue
        text = f"{weight:+.3f}".rstrip("0").rstrip(".")
        # One letter and the sign of multiplication are still to come.
        if not sums or len(sums[-1][1]) == len(LETTERS) or len(sums[-1][0]) + len(text) + 2 > LONGEST:
            sums.append(("", []))
        expression, places = sums[-1]
        sums[-1] = f"{expression}{text}*{LETTERS[len(places)]}", [*places, place]
    return sums


def parts_of_sums(
    armature: bpy.types.Object, name: str, weights: np.ndarray, sources: Sequence[Source]
) -> list[list[Source]]:
    """Drive properties that hold the parts of weighted sums, and say which they are for each sum.

    Args:
        armature: the object that gets the properties, "<name> <sum>.<part>".
        weights: (N, K), written with three decimals.
        sources: K of them.
    """
    sums = []
    for i, row in enumerate(weights):
        parts = []
        for j, (expression, places) in enumerate(weighted_sums(row)):
            path = f'["{name} {i + 1}.{j + 1}"]'
            armature[path[2:-2]] = 0.0
            drive(armature, path, expression, {LETTERS[k]: sources[place] for k, place in enumerate(places)})
            parts.append(Source(armature, path))
        sums.append(parts)
    return sums


def drive_difference(
    owner: bpy.types.bpy_struct, path: str, index: int, plus: Sequence[Source], minus: Sequence[Source], factor: float
) -> None:
    """Drive a property to be the sum of some sources less the sum of others, times a factor."""
    terms = [("+", source) for source in plus] + [("-", source) for source in minus]
    if terms:
        expression = "".join(sign + letter for (sign, _), letter in zip(terms, LETTERS, strict=False))
        variables = {letter: source for letter, (_, source) in zip(LETTERS, terms, strict=False)}
        drive(owner, path, f"({expression})*{factor:.9f}", variables, index)
