"""Recorded motions as a model's own parameters, frame by frame."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import CoefficientError
from ..formats.arkit import read_table, table_beside
from ..formats.arkit_csv import read_arkit_csv
from ..formats.face_motion import FaceMotion
from ..formats.face_motion_frames import read_motion
from ..formats.flame_model import FlameModel


def motion_for(
    model: FlameModel,
    model_file: Path,
    path: Path,
    rate: float,
    arkit: Path | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> FaceMotion:
    """A tracker's file or folder, our own, or ARKit's weights (.csv), as a motion of a model.

    Args:
        model_file: where the model came from; its ARKit table lies beside it.
        rate: frames a second, where the file tells none.
        arkit: another table.
        warn: is told what the model cannot show.

    Raises:
        CoefficientError: it cannot be read, belongs to another model, or has more modes than this one.
    """
    if Path(path).suffix.lower() == ".csv":
        recording, place = read_arkit_csv(Path(path), rate), Path(arkit or table_beside(model_file))
        if not place.is_file():
            raise CoefficientError(
                f"{model.name} has no ARKit table, so it cannot show {Path(path).name}; make one with fit-arkit."
            )
        table = read_table(place).applied_to(model)
        lost = recording.recorded & recording.weights.any(axis=0) & ~table.supported
        if lost.any():
            warn(f"{model.name} cannot show {lost.sum()} of the ARKit weights in {Path(path).name}; they are left out.")
        motion = recording.motion(table, model.joint_names)
    else:
        motion = read_motion(Path(path), rate)
    if motion.model_hash not in ("", model.hash):
        raise CoefficientError(
            f"{motion.name} is a motion of the model {motion.model} ({motion.model_hash[:8]}), but the head is "
            f"{model.name} ({model.hash[:8]}); choose its own model."
        )
    for what, given, had in (
        ("identity", len(motion.identity), model.identity.shape[2]),
        ("expression", motion.expression.shape[1], model.expression.shape[2]),
    ):
        if given > had:
            raise CoefficientError(
                f"{motion.name} has {given} {what} coefficients, but {model.name} has {had}; it was tracked with "
                "another model."
            )
    if strange := motion.turns.keys() - model.joint.keys():
        warn(f"{model.name} has no {', '.join(sorted(strange)).replace('_', ' ')} to turn; that is left out.")
    return motion


def poses(motion: FaceMotion, model: FlameModel) -> np.ndarray:
    """(N, J, 3) axis times angle in radians of a motion's turns, for the model's joints."""
    result = np.zeros((len(motion.times), len(model.parents), 3))
    for joint, turns in motion.turns.items():
        if joint in model.joint:
            sine = np.linalg.norm(turns[:, 1:], axis=1, keepdims=True)
            # angle / sin(angle / 2) is 2 where nothing turns.
            angle = 2 * np.arctan2(sine, turns[:, :1])
            result[:, model.joint[joint]] = turns[:, 1:] * np.divide(
                angle, sine, np.full_like(sine, 2.0), where=sine > 1e-12
            )
    return result
