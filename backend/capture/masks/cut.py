"""The cut between inside and outside that follows the edges of a picture: a minimum cut (GrabCut).

Rother, Kolmogorov and Blake, "GrabCut" (2004), equation 11. OpenCV's implementation takes the evidence from Gaussians
of its own; ours comes from elsewhere as well, so it is handed over as the colours of a picture whose two Gaussians give
exactly its log odds.
"""

import cv2
import numpy as np

_SMOOTHNESS = 50.0
"""OpenCV's weight of an edge, fixed."""
_STEP = 10.0
"""Levels of the first channel for a log odds of one."""
_MEAN, _WIDE = 20.0, 1e6
MOST = 8.0
"""Larger log odds count as that."""


def cut(odds: np.ndarray, lab: np.ndarray, smoothness: float = 8.0, sure: np.ndarray | None = None) -> np.ndarray:
    """(H, W) bool: inside.

    Args:
        odds: (H, W) log odds for inside.
        lab: (H, W, 3) uint8 CIE L*a*b*, whose edges the cut follows.
        smoothness: log odds that a pixel pays for a neighbour on the other side where there is no edge.
        sure: (H, W) int8, 1 where inside and -1 where outside is certain.
    """
    chroma = lab[..., 1:].astype(np.float32) - 128
    axis = np.linalg.eigh(np.cov(chroma.reshape(-1, 2).T) + 1e-6 * np.eye(2))[1][:, 1]
    picture = np.empty((*odds.shape, 3), np.uint8)
    picture[..., 0] = np.round(128 + _STEP * odds.clip(-MOST, MOST))
    picture[..., 1] = lab[..., 0]
    picture[..., 2] = np.clip(128 + 2 * (chroma @ axis.astype(np.float32)), 0, 255)
    if not (odds > 0).any() and not (sure is not None and (sure > 0).any()):
        return np.zeros(odds.shape, bool)
    # log N(u; +m, s) - log N(u; -m, s) = 2 m u / s, which is to be the log odds times this factor.
    factor = _SMOOTHNESS / smoothness
    variance = 2 * _MEAN * _STEP / factor
    mask = np.where(odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    if sure is not None:
        mask[sure > 0], mask[sure < 0] = cv2.GC_FGD, cv2.GC_BGD
    models = [_gaussian(128 + side * _MEAN, variance) for side in (-1, 1)]
    cv2.grabCut(picture, mask, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def _gaussian(mean: float, variance: float) -> np.ndarray:
    """OpenCV's table of five Gaussians: weights, means, covariances; the first alone counts."""
    model = np.zeros((1, 65))
    model[0, 0] = 1
    model[0, 5:8] = mean, 128, 128
    model[0, 20:29] = np.diag([variance, _WIDE, _WIDE]).reshape(-1)
    return model
