"""How likely a pixel's colour, or its hue, is inside and outside: histograms, learnt from what is known so far.

Boykov and Jolly, "Interactive Graph Cuts for Optimal Boundary and Region Segmentation" (2001), section 3: histograms
instead of GrabCut's mixtures of Gaussians, because a textured background has more colours than five. Inside is learnt
over all photographs at once, since they show one person; outside in each, and over all as well.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

BINS = 32
"""Of each of L*, a* and b*."""
_BLUR = 1.2
"""Bins by which a histogram is smoothed."""
_FLOOR = 0.02
"""Of the mean density: what is added to both, so that a colour that neither knows says nothing."""
_DARK = 8.0
"""Of 255, added before logarithms are taken: below that noise makes the hue."""
_RATIOS = np.array([[-0.5, -1.0], [1.0, 0.5]])
"""From and to which logarithms of the ratios to green are told apart, of red and of blue: skin and hair lie within."""
MOST = 4.0
"""Largest log odds that a colour may have."""


def bins_of(lab: np.ndarray) -> np.ndarray:
    """(H, W) int32 bin of each pixel of (H, W, 3) uint8. a* and b* of skin and hair lie within a quarter of their
    range, so theirs are half as wide; beyond, colours share the last bin."""
    width = 256 // BINS
    lightness = lab[..., 0].astype(np.int32) // width
    a, b = (np.clip((lab[..., k].astype(np.int32) - 128) // (width // 2) + BINS // 2, 0, BINS - 1) for k in (1, 2))
    return (lightness * BINS + a) * BINS + b


def hue_bins_of(image: np.ndarray) -> np.ndarray:
    """(H, W) int32 bin of each pixel of (H, W, 3) uint8, RGB, by its ratios of red and of blue to green alone, which
    shadow changes little; the first plane of as many bins as colours have."""
    logs = np.log(image.astype(np.float32) + _DARK)
    ratios = np.stack([logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], axis=-1)
    red, blue = np.moveaxis((ratios - _RATIOS[0]) * (BINS / (_RATIOS[1] - _RATIOS[0])), -1, 0)
    red, blue = (np.clip(part, 0, BINS - 1).astype(np.int32) for part in (red, blue))
    return red * BINS + blue


def density(bins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(BINS ** 3,) smoothed density, in units of the mean, of pixels (N,) with weights (N,); zero without any."""
    counts = np.bincount(bins, weights, BINS**3)
    total = counts.sum()
    if total <= 0:
        return counts
    smooth = gaussian_filter(counts.reshape((BINS,) * 3), _BLUR, mode="nearest", truncate=3.0)
    return smooth.reshape(-1) * (BINS**3 / total)


def log_odds(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """(BINS ** 3,) log odds of each colour for inside, from two densities."""
    return np.log((inside + _FLOOR) / (outside + _FLOOR)).clip(-MOST, MOST).astype(np.float32)


class ColourModel:
    """Log odds of pixels by colour, learnt anew from soft labels.

    Args:
        bins: each picture's (H, W), as ``bins_of`` gives them.
        own: share that a picture's own outside has, against the outside of all.
    """

    def __init__(self, bins: list[np.ndarray], own: float = 0.7):
        self._bins, self._own = [b.reshape(-1) for b in bins], own
        self._shapes = [b.shape for b in bins]

    def learn(self, inside: list[np.ndarray], outside: list[np.ndarray]) -> list[np.ndarray]:
        """Each picture's (H, W) float32 log odds, from its weights (H, W) of being inside and of being outside."""
        pooled = sum(np.bincount(b, w.reshape(-1), BINS**3) for b, w in zip(self._bins, inside, strict=True))
        every = np.arange(BINS**3)
        within = density(every, pooled)
        own = [density(b, w.reshape(-1)) for b, w in zip(self._bins, outside, strict=True)]
        sizes = np.array([w.sum() for w in outside], np.float64)
        beyond = sum(size * table for size, table in zip(sizes, own)) / max(sizes.sum(), 1e-9)
        result = []
        for b, shape, table, size in zip(self._bins, self._shapes, own, sizes, strict=True):
            mixed = self._own * table + (1 - self._own) * beyond if size > 0 else beyond
            result.append(log_odds(within, mixed)[b].reshape(shape))
        return result
