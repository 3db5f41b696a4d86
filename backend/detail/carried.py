"""A displacement on a head in motion, frame after frame (HeadCraft, B.1, "Animation")."""

import numpy as np

from .turning import Turning


class Carried:
    """The displacement of one person, ready to be laid on that person in any expression and pose.

    Args:
        turning: of the model.
        neutral: (W, 3) the person's dense head without expression or pose, no displacement, metres.
        displacement: (W, 3) metres, object axes of the neutral head.
    """

    def __init__(self, turning: Turning, neutral: np.ndarray, displacement: np.ndarray):
        self._turning, self._neutral = turning, turning.frames(np.asarray(neutral, np.float64))
        self._displacement = np.asarray(displacement, np.float64)

    def on(self, posed: np.ndarray) -> np.ndarray:
        """(W, 3) the posed dense head (W, 3) with the displacement turned along."""
        turns = self._turning.between(self._neutral, self._turning.frames(posed))
        return posed + np.einsum("wab,wb->wa", turns, self._displacement)
