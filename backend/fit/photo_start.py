"""Where a head stands before cameras, or cameras before a head, from landmarks alone and the model's mean."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import CaptureError
from .photo_views import FEWEST, PhotoView
from .place import umeyama

FEWEST_TRIANGULATED = 4
"""Landmarks seen from two cameras at least that place a head without leaning on its mean shape."""
STRANGE = 0.12
"""Share of a face's breadth by which landmarks may differ from the mean's; people do by a third of it at most."""
MIRRORED = "check that they are named rightly, right being the person's own right"
FORWARD = np.array([0.0, -1.0, 0.0])
DISAGREEMENT = 0.1
"""Share of the face's breadth in the picture by which a camera may miss landmarks that others place."""


@dataclass(frozen=True, eq=False)
class Placement:
    """A head and cameras in one world.

    Attributes:
        centre: (3,) of the head, in the model's frame, Z up: what it is turned about.
        rotation, place, scale: the head in the world: x = scale * rotation @ (v - centre) + place.
        cameras: (J, 4, 4) float64 world to camera, OpenCV's axes.
        intrinsics: (J, 3, 3) pixels.
    """

    centre: np.ndarray
    rotation: np.ndarray
    place: np.ndarray
    scale: float
    cameras: np.ndarray
    intrinsics: np.ndarray

    def similarity(self) -> np.ndarray:
        """(4, 4) from the model's frame, Z up, to the world."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.scale * self.rotation
        matrix[:3, 3] = self.place - matrix[:3, :3] @ self.centre
        return matrix


def place_head(
    points: dict[str, np.ndarray],
    centre: np.ndarray,
    views: list[PhotoView],
    scaled: bool,
    warn: Callable[[str], None] = lambda sentence: None,
) -> tuple[Placement, list[PhotoView]]:
    """The mean head before cameras that are known.

    Landmarks seen by two cameras are triangulated and the head is laid onto them; where there are too few, the
    photograph with the most of them places it by itself.

    Args:
        points: landmark → (3,) of the mean head, model's frame, Z up.
        centre: (3,) of the head, likewise.
        scaled: the capture's unit is unknown, so the head takes any size.
        warn: takes a sentence about cameras that are left out.

    Returns:
        the placement and the views that agree with it.

    Raises:
        CaptureError: the cameras do not agree on where the landmarks are.
    """
    views, triangulated = _agreeing(views, warn)
    names = [name for name in triangulated if name in points]
    if len(names) >= FEWEST_TRIANGULATED:
        source, target = (np.stack([of[name] for name in names]) for of in (points, triangulated))
        laid = umeyama(source, target, with_scale=scaled)
        matrix = laid.matrix
        off = np.median(np.linalg.norm(laid.apply(source) - target, axis=1)) / (laid.scale * _breadth(source))
        if off > STRANGE:
            raise CaptureError(f"The landmarks form no face; {MIRRORED}.")
    else:
        best = max(views, key=lambda view: len(view.landmarks))
        in_camera = solve_camera(points, best)
        if in_camera is None:
            raise CaptureError(f"The landmarks of {best.name} place no head before its camera; {MIRRORED}.")
        matrix = np.linalg.inv(best.camera.world_to_camera) @ in_camera
        if scaled:
            warn(
                "The capture does not say its unit and too few landmarks are seen from two cameras; the head keeps "
                "its own size."
            )
    size = np.cbrt(np.linalg.det(matrix[:3, :3]))
    place = matrix[:3, :3] @ centre + matrix[:3, 3]
    return Placement(centre, matrix[:3, :3] / size, place, float(size), *_arrays(views)), views


def place_cameras(
    points: dict[str, np.ndarray],
    centre: np.ndarray,
    views: list[PhotoView],
    warn: Callable[[str], None] = lambda sentence: None,
) -> tuple[Placement, list[PhotoView]]:
    """Cameras of unknown pose before the mean head, which stands where its model has it; as ``place_head``."""
    kept, cameras = [], []
    for view in views:
        pose = solve_camera(points, view)
        if pose is None:
            warn(f"The camera of {view.name} cannot be found from its landmarks; that photograph is left out.")
            continue
        kept.append(view)
        cameras.append(pose)
    if not kept:
        raise CaptureError(f"No camera can be found from the landmarks; {MIRRORED}.")
    _, intrinsics = _arrays(kept)
    return Placement(centre, np.eye(3), centre.copy(), 1.0, np.stack(cameras), intrinsics), kept


def solve_camera(points: dict[str, np.ndarray], view: PhotoView) -> np.ndarray | None:
    """(4, 4) from the points' frame to a view's camera, OpenCV's axes; None where its landmarks tell none.

    SQPnP (Terzakis and Lourakis, A Consistently Fast and Globally Optimal Solution to the PnP Problem, 2020), refined
    by Levenberg-Marquardt.
    """
    names = [name for name in view.landmarks if name in points]
    if len(names) < FEWEST:
        return None
    model = np.stack([points[name] for name in names]).astype(np.float64)
    pixels = np.stack([view.landmarks[name] for name in names])
    lens = view.camera.intrinsics
    try:
        solved, turn, shift = cv2.solvePnP(model, pixels, lens, None, flags=cv2.SOLVEPNP_SQPNP)
        if solved:
            turn, shift = cv2.solvePnPRefineLM(model, pixels, lens, None, turn, shift)
    except cv2.error:
        return None
    if not solved or not np.isfinite(turn).all() or shift[2, 0] <= 0:
        return None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], shift[:, 0]
    if ((model @ pose[2, :3] + pose[2, 3]) <= 0).any():
        return None
    seen = (model @ pose[:3, :3].T + pose[:3, 3]) @ lens.T
    miss = np.linalg.norm(seen[:, :2] / seen[:, 2:] - pixels, axis=1)
    # A face with right and left confused is one seen from behind, through the head.
    from_behind = pose[2, :3] @ FORWARD > 0.3
    return pose if np.median(miss) < STRANGE * _breadth(pixels) and not from_behind else None


def _agreeing(views: list[PhotoView], warn) -> tuple[list[PhotoView], dict[str, np.ndarray]]:
    """Views whose cameras agree on where the landmarks are, and the landmarks (3,) that two of them see."""
    kept, dropped = list(views), []
    while True:
        points = triangulated(kept)
        misses = _misses(kept, points)
        worst = max(misses, key=misses.get, default=None)
        if worst is None or misses[worst] < DISAGREEMENT:
            break

        # Triangulation spreads one camera's fault over all, so the one that the others do best without goes.
        def without(view: PhotoView) -> float:
            rest = [other for other in kept if other is not view]
            return float(np.mean(list(_misses(rest, triangulated(rest)).values()) or [np.inf]))

        suspects = [view for view in kept if view.name in misses]
        if len(suspects) < 3 or len(dropped) + 1 > len(views) // 3:
            raise CaptureError(
                "The cameras do not agree on where the landmarks are; check the landmarks' names, solve the cameras "
                "again, or have the fit find them (cameras: unknown)."
            )
        guilty = min(suspects, key=without)
        kept.remove(guilty)
        dropped.append(guilty)
    if dropped:
        which = ", ".join(view.name for view in dropped)
        warn(f"The cameras of {which} do not agree with the landmarks that the others see, and are left out.")
    return kept, points


def triangulated(views: list[PhotoView]) -> dict[str, np.ndarray]:
    """Landmark → (3,) in the world, of those that two cameras at least see (direct linear transformation)."""
    rows: dict[str, list[np.ndarray]] = {}
    for view in views:
        lens = view.camera.intrinsics @ view.camera.world_to_camera[:3]
        for name, (x, y) in view.landmarks.items():
            rows.setdefault(name, []).append(np.stack([x * lens[2] - lens[0], y * lens[2] - lens[1]]))
    found = {}
    for name, seen in rows.items():
        if len(seen) > 1:
            system = np.concatenate(seen)
            system /= np.linalg.norm(system[:, :3], axis=1, keepdims=True)
            values, vectors = np.linalg.svd(system)[1:]
            # Cameras in one place leave the point anywhere on a ray.
            if values[2] > 1e-4 * values[0] and abs(vectors[3, 3]) > 1e-12:
                found[name] = vectors[3, :3] / vectors[3, 3]
    return found


def _misses(views: list[PhotoView], points: dict[str, np.ndarray]) -> dict[str, float]:
    """View → median distance of its landmarks to the triangulated ones, in breadths of its face."""
    result = {}
    for view in views:
        names = [name for name in view.landmarks if name in points]
        if len(names) >= FEWEST_TRIANGULATED:
            pixels, depth = view.camera.project(np.stack([points[name] for name in names]))
            at = np.stack([view.landmarks[name] for name in names])
            miss = np.where(depth > 0, np.linalg.norm(pixels - at, axis=1), np.inf)
            result[view.name] = float(np.median(miss) / _breadth(at))
    return result


def _breadth(pixels: np.ndarray) -> float:
    return float(max(np.ptp(pixels, axis=0).max(), 1e-6))


def _arrays(views: list[PhotoView]) -> tuple[np.ndarray, np.ndarray]:
    """World to camera (J, 4, 4) and intrinsics (J, 3, 3)."""
    return np.stack([v.camera.world_to_camera for v in views]), np.stack([v.camera.intrinsics for v in views])
