"""How near the cameras of a capture come to the true ones."""

import numpy as np

from backend.fit.place import umeyama
from backend.formats.capture import Capture


def camera_errors(found: Capture, true: Capture) -> dict[str, float]:
    """Millimetres between camera centres and degrees between axes, after the similarity that lays the one on the other
    best (Umeyama 1991), and focal lengths off in percent.

    Args:
        found, true: captures whose views share names; a view that was not found counts as missing.
    """
    truth = {view.name: view.camera for view in true.views}
    pairs = [(view.camera, truth[view.name]) for view in found.views if view.name in truth]
    here, there = (np.array([pair[k].centre for pair in pairs]) for k in (0, 1))
    scale, rotation, shift = umeyama(here, there)
    off = 1000 * np.linalg.norm(scale * here @ rotation.T + shift - there, axis=1)
    turns = [
        np.degrees(np.arccos(np.clip((np.trace(a.camera_to_world[:3, :3].T @ rotation.T @ b.camera_to_world[:3, :3])
                                      - 1) / 2, -1, 1)))
        for a, b in pairs
    ]  # fmt: skip
    focal = [100 * ((a.fx / a.width) / (b.fx / b.width) - 1) for a, b in pairs]
    return {
        "views": len(true.views),
        "registered": len(pairs),
        "centre_mm_mean": float(off.mean()),
        "centre_mm_worst": float(off.max()),
        "degrees_mean": float(np.mean(turns)),
        "focal_percent": float(np.mean(focal)),
    }
