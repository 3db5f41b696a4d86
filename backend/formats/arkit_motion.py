"""Expressions from one head model to another, by way of ARKit's shapes, which both can show."""

from dataclasses import replace

import numpy as np

from ..errors import CoefficientError
from .arkit import ArkitTable
from .face_motion import FaceMotion


def carried_over(motion: FaceMotion, theirs: ArkitTable, ours: ArkitTable) -> FaceMotion:
    """A motion of one model as one of another: turns and translation as they are, expressions as the ARKit weights
    that come nearest to them; no identity, because the same numbers are another person.

    Args:
        theirs: table of the model that the motion was tracked with.
        ours: of the model that is to show it.

    Raises:
        CoefficientError: the first table is for another model than the motion's.
    """
    if motion.expression.shape[1] > theirs.expression.shape[1]:
        raise CoefficientError(
            f"{motion.name} has {motion.expression.shape[1]} expressions, but the ARKit table of {theirs.model} is for "
            f"fewer, {theirs.expression.shape[1]}; choose the table of the model that it was tracked with."
        )
    if motion.model_hash not in ("", theirs.model_hash):
        raise CoefficientError(
            f"{motion.name} was tracked with {motion.model}, but the ARKit table is {theirs.model}'s; choose its own."
        )
    expression, _ = ours.parameters(theirs.weights_of(motion.expression))
    return replace(motion, identity=np.zeros(0), expression=expression, model=ours.model, model_hash=ours.model_hash)
