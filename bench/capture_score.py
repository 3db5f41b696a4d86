"""How near a capture that was found comes to the true one: its cameras, its metres, its masks."""

import cv2
import numpy as np

from backend.capture.images import read_mask
from backend.fit.place import umeyama
from backend.formats.capture import Capture
from backend.formats.coefficients import Similarity


def camera_errors(found: Capture, true: Capture, names: dict[str, str] | None = None) -> dict[str, float]:
    """Millimetres between camera centres and degrees between axes, after the similarity that lays the one on the other
    best (Umeyama 1991), and focal lengths off in percent.

    Args:
        found, true: captures whose views share names, or do so by ``names``; a true view that was not found is missing.
    """
    pairs = _pairs(found, true, names or {})
    place = _laid(pairs)
    here, there = (np.array([pair[k].centre for pair in pairs]) for k in (0, 1))
    off = 1000 * np.linalg.norm(place.apply(here) - there, axis=1)
    turns = []
    for one, other in pairs:
        turn = one.camera_to_world[:3, :3].T @ place.rotation.T @ other.camera_to_world[:3, :3]
        turns.append(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))
    focal = [100 * ((a.fx / a.width) / (b.fx / b.width) - 1) for a, b in pairs]
    return {
        "views": len(true.views),
        "different_views": len({id(other) for _, other in pairs}),
        "centre_mm_mean": float(off.mean()),
        "centre_mm_worst": float(off.max()),
        "degrees_mean": float(np.mean(turns)),
        "focal_percent": float(np.mean(focal)),
    }


def on_truth(found: Capture, true: Capture) -> Similarity:
    """What lays the found cameras on the true ones: from the found world to the true one."""
    return _laid(_pairs(found, true, {}))


def mask_agreement(found: Capture, true: Capture, kinds: tuple[str, ...] = ("person", "hair", "bust")) -> dict:
    """Intersection over union of masks, by kind: the mean over views, and of the worst view."""
    truth, result = {view.name: view for view in true.views}, {}
    for kind in kinds:
        scores = []
        for view in found.views:
            if kind not in view.masks or kind not in truth[view.name].masks:
                scores.append(0.0)
                continue
            one, other = (read_mask(v.masks[kind]) > 0.5 for v in (view, truth[view.name]))
            if one.shape != other.shape:
                one = cv2.resize(one.astype(np.uint8), other.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
            scores.append(float((one & other).sum() / max((one | other).sum(), 1)))
        result |= {kind: float(np.mean(scores)), f"{kind}_worst": float(min(scores))}
    return result


def _pairs(found: Capture, true: Capture, names: dict[str, str]) -> list[tuple]:
    truth = {view.name: view.camera for view in true.views}
    asked = [(view.camera, names.get(view.name, view.name)) for view in found.views]
    return [(camera, truth[name]) for camera, name in asked if name in truth]


def _laid(pairs: list[tuple]) -> Similarity:
    here, there = (np.array([pair[k].centre for pair in pairs]) for k in (0, 1))
    return umeyama(here, there)
