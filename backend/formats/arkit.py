"""ARKit's 52 face weights as parameters of a head model.

A table has a row for each of the 52: expression coefficients, and turns of jaw and eyes. Weights times rows, added up,
are the model's parameters. NumPy and the standard library only, so that Blender can map a recording by itself.

Names and order: Apple's ARFaceAnchor.BlendShapeLocation. Left and right are the face's own.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CoefficientError
from .flame_model import FlameModel

NAMES = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp",
    "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft",
    "noseSneerRight", "tongueOut",
)  # fmt: skip
PLACES = {name: i for i, name in enumerate(NAMES)}
FORMAT, VERSION = "maquette-arkit", 1
EYE_ASIDE, EYE_UP, EYE_DOWN, JAW_OPEN, JAW_ASIDE = np.radians((35.0, 25.0, 30.0, 25.0, 8.0))
"""Turns at a weight of one. Apple gives no angles: these are ours, within what eyes and jaws of people can do."""


@dataclass(frozen=True, eq=False)
class ArkitTable:
    """What each of the 52 weights is on one model.

    Attributes:
        model: the model's name.
        model_hash: the model's hash; a table belongs to its model as coefficients do.
        expression: (52, E) float64, coefficients at a weight of one.
        pose: (52, J, 3) float64, axis times angle in radians at a weight of one, in the model's own frame.
        supported: (52,) bool, whether the model can show it; the rows of others are zero.
    """

    model: str
    model_hash: str
    expression: np.ndarray
    pose: np.ndarray
    supported: np.ndarray

    def __post_init__(self):
        for part, kind in (("expression", np.float64), ("pose", np.float64), ("supported", bool)):
            object.__setattr__(self, part, np.ascontiguousarray(getattr(self, part), kind))
        if self.expression.ndim != 2 or self.pose.ndim != 3 or self.pose.shape[2:] != (3,):
            raise CoefficientError("The ARKit table's rows have the wrong shape; make it again.")
        if not len(self.expression) == len(self.pose) == len(self.supported) == len(NAMES):
            raise CoefficientError(f"The ARKit table has not {len(NAMES)} rows; make it again.")
        if not (np.isfinite(self.expression).all() and np.isfinite(self.pose).all()):
            raise CoefficientError("The ARKit table has numbers that are not finite; make it again.")

    def parameters(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Parameters for recorded weights.

        Args:
            weights: (N, 52) in the order of ``NAMES``, as recorded; they may be beyond 0 and 1.

        Returns:
            expression (N, E) and pose (N, J, 3), float64.
        """
        weights = np.asarray(weights, np.float64)
        if weights.ndim != 2 or weights.shape[1] != len(NAMES):
            raise CoefficientError(f"A recording has {len(NAMES)} weights a frame, not the shape {weights.shape}.")
        return weights @ self.expression, np.tensordot(weights, self.pose, axes=1)

    def weights_of(self, expression: np.ndarray, rounds: int = 300) -> np.ndarray:
        """Weights that come nearest to given expressions: least squares over weights from 0 to 1, by projected
        gradients with Nesterov's momentum (Beck and Teboulle, 2009).

        Args:
            expression: (N, <= E); only rows of the table with expressions take part, so turns are left to poses.

        Returns:
            (N, 52)
        """
        count = expression.shape[1]
        rows = self.expression[:, :count]
        # A little of every weight's square, so that shapes which are alike share what they have in common.
        gram = rows @ rows.T
        gram += 1e-3 * max(np.trace(gram) / len(gram), 1e-12) * np.eye(len(gram))
        target, step = np.asarray(expression, np.float64) @ rows.T, 1 / np.linalg.norm(gram, 2)
        weights = ahead = np.zeros_like(target)
        momentum = 1.0
        for _ in range(rounds):
            moved = np.clip(ahead - step * (ahead @ gram - target), 0, 1)
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = moved + (momentum - 1) / following * (moved - weights)
            weights, momentum = moved, following
        return weights * rows.any(axis=1)

    def applied_to(self, model: FlameModel) -> "ArkitTable":
        """The table itself. Raises CoefficientError if it belongs to another model."""
        if self.model_hash != model.hash:
            raise CoefficientError(
                f"This ARKit table belongs to the model {self.model} ({self.model_hash[:8]}), but the head is "
                f"{model.name} ({model.hash[:8]}); fit a table for it."
            )
        return self


def place_of(name: str) -> int | None:
    """Where a weight stands in ``NAMES``, or None: "eyeBlinkLeft", "EyeBlinkLeft" as Live Link Face writes it, and
    "eyeBlink_L" as Apple's own values read."""
    name = name.strip()
    for short, long in (("_L", "Left"), ("_R", "Right")):
        name = name[: -len(short)] + long if name.endswith(short) else name
    return PLACES.get(name[:1].lower() + name[1:])


def turning_rows(model: FlameModel) -> dict[str, dict[str, tuple[float, float, float]]]:
    """The rows that are nothing but turns: where the eyes look, and the jaw's opening and going aside, as far as the
    model has the joints. Name → joint name → axis times angle in radians, for a model that is Y up and looks along
    +Z, its left being +X."""
    rows = {"jawOpen": {"jaw": (JAW_OPEN, 0, 0)}}
    rows |= {"jawLeft": {"jaw": (0, JAW_ASIDE, 0)}, "jawRight": {"jaw": (0, -JAW_ASIDE, 0)}}
    for side, out in (("Left", 1), ("Right", -1)):
        eye = f"{side.lower()}_eye"
        rows[f"eyeLookUp{side}"] = {eye: (-EYE_UP, 0, 0)}
        rows[f"eyeLookDown{side}"] = {eye: (EYE_DOWN, 0, 0)}
        rows[f"eyeLookOut{side}"] = {eye: (0, out * EYE_ASIDE, 0)}
        rows[f"eyeLookIn{side}"] = {eye: (0, -out * EYE_ASIDE, 0)}
    return {name: turns for name, turns in rows.items() if turns.keys() <= model.joint.keys()}


def table_from_rows(
    model: FlameModel,
    expressions: Mapping[str, Mapping[str, float]],
    turns: Mapping[str, Mapping[str, tuple[float, float, float]]],
) -> ArkitTable:
    """A table written by names.

    Args:
        model: whose table it is.
        expressions: ARKit name → name of an expression mode → its coefficient at a weight of one.
        turns: ARKit name → name of a joint → axis times angle in radians at a weight of one.

    Raises:
        CoefficientError: a name is neither ARKit's nor the model's.
    """
    modes = {name: i for i, name in enumerate(model.expression_names)}
    expression, pose = np.zeros((len(NAMES), len(modes))), np.zeros((len(NAMES), len(model.parents), 3))
    supported = np.zeros(len(NAMES), bool)
    for rows, places, target in ((expressions, modes, expression), (turns, model.joint, pose)):
        for name, parts in rows.items():
            for part, amount in parts.items():
                if name not in PLACES or part not in places:
                    raise CoefficientError(f"{name} is to move {part}, but ARKit or {model.name} has no such name.")
                target[PLACES[name], places[part]] = amount
                supported[PLACES[name]] = True
    return ArkitTable(model.name, model.hash, expression, pose, supported)


def table_beside(model: Path) -> Path:
    """Where the table of a model's file is looked for and written."""
    return Path(model).with_name(Path(model).stem + "_arkit.npz")


def write_table(path: Path, table: ArkitTable) -> None:
    """Write a table as ``.npz``, to a temporary name first."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file, format=FORMAT, version=VERSION, model=table.model, model_hash=table.model_hash, names=np.array(NAMES),
            expression=table.expression, pose=table.pose, supported=table.supported,
        )  # fmt: skip
    temporary.replace(path)


def read_table(path: Path) -> ArkitTable:
    """Read a table that ``write_table`` wrote. Raises CoefficientError."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT:
                raise CoefficientError(f"{path.name} is no ARKit table.")
            if int(file["version"]) > VERSION or tuple(file["names"].tolist()) != NAMES:
                raise CoefficientError(f"{path.name} was made by another version of Maquette; make it again.")
            arrays = (file[part] for part in ("expression", "pose", "supported"))
            return ArkitTable(str(file["model"]), str(file["model_hash"]), *arrays)
    except OSError as error:
        raise CoefficientError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (KeyError, ValueError, TypeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise CoefficientError(f"{path.name} cannot be read as an ARKit table: {error}.") from error
