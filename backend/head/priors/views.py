"""A capture's photographs as the reconstruction of heads takes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...capture.agreement import check_cameras
from ...capture.images import load_photograph
from ...capture.selection import spread
from ...errors import CaptureError
from ...formats.capture import Camera, Capture, View
from ...hair.orientation import OrientationMap
from .semantics import BACKGROUND, CLASSES, HAIR, LabelTable, read_labels, read_table

FEWEST_VIEWS, FEWEST_MASKS = 3, 2


@dataclass(frozen=True, eq=False)
class HeadView:
    """One photograph without lens distortion, with what is known about its pixels.

    Attributes:
        name: the view's.
        camera: pinhole camera of these very pixels, metres, or the capture's unit where nobody knows it.
        image: (H, W, 3) float32 from 0 to 1, RGB, sRGB.
        person: (H, W) float32 share of each pixel that is the person, hair and all; None without a mask.
        hair: (H, W) float32 share that is hair; None where neither masks nor labels say.
        labels: (H, W) uint8 into ``semantics.CLASSES``, ``semantics.NOT_SAID`` where nobody knows; None without.
        orientation: directions of hair in the picture, or None.
    """

    name: str
    camera: Camera
    image: np.ndarray
    person: np.ndarray | None
    hair: np.ndarray | None = None
    labels: np.ndarray | None = None
    orientation: OrientationMap | None = None

    @property
    def intrinsics(self) -> np.ndarray:
        """(3, 3) float64 pixels; the first pixel's centre is at 0.5."""
        return self.camera.intrinsics

    @property
    def world_to_camera(self) -> np.ndarray:
        """(4, 4) float64, OpenCV's axes."""
        return self.camera.world_to_camera

    def scaled(self, factor: float) -> "HeadView":
        """The same picture where every length of the world is ``factor`` times as long."""
        pose = self.camera.camera_to_world.copy()
        pose[:3, 3] *= factor
        return replace(self, camera=replace(self.camera, camera_to_world=pose))

    def reduced(self, side: int) -> "HeadView":
        """The view at most ``side`` pixels across. Directions of hair are dropped: find them at this size."""
        height, width = self.image.shape[:2]
        if max(height, width) <= side:
            return self
        size = tuple(max(1, round(n * side / max(height, width))) for n in (width, height))

        def smaller(layer: np.ndarray | None, way: int = cv2.INTER_AREA) -> np.ndarray | None:
            return None if layer is None else cv2.resize(layer, size, interpolation=way)

        return HeadView(
            self.name, self.camera.resized(*size), smaller(self.image), smaller(self.person), smaller(self.hair),
            smaller(self.labels, cv2.INTER_NEAREST_EXACT),
        )  # fmt: skip


def load_head_views(
    capture: Capture,
    views: int = 0,
    *,
    largest_side: int = 0,
    labels: bool = True,
    warn: Callable[[str], None] = lambda sentence: None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[HeadView]:
    """Decode the photographs of a capture, with their masks and labels where there are any.

    A view without a mask stays, for its colours; hair and skin together are the person where nobody drew it.

    Args:
        views: most views to use, spread over the directions they look from; 0 for all.
        largest_side: pixels; larger pictures are reduced to it, 0 for none.
        labels: read label images.
        warn: takes sentences about what was mended or is missing.
        tick: called with the views done and the views in all; may raise Cancelled.

    Raises:
        CaptureError: a file cannot be read, or there are too few views or masks; the sentence says what to do.
    """
    if len(capture.views) < FEWEST_VIEWS:
        raise CaptureError(
            f"The capture has {len(capture.views)} photographs; a head needs at least {FEWEST_VIEWS}, from different "
            "sides."
        )
    chosen = [capture.views[i] for i in spread([view.camera for view in capture.views], views)]
    table = read_table(capture.folder) if labels else None
    loaded = []
    for number, view in enumerate(chosen):
        loaded.append(_load(capture, view, table, largest_side, warn))
        tick(number + 1, len(chosen))
    masked = [view for view in loaded if view.person is not None]
    if len(masked) < FEWEST_MASKS:
        raise CaptureError(
            f"{len(masked)} of {len(loaded)} photographs have a mask of the person; at least {FEWEST_MASKS} are "
            "needed, better all. Put them into masks/person, as <name>.png, or make them in the Capture panel."
        )
    if len(masked) < len(loaded):
        without = [view.name for view in loaded if view.person is None]
        warn(f"{len(without)} of {len(loaded)} photographs have no mask of the person ({', '.join(without[:4])}).")
    kept = {view.name for view in check_cameras([_Seen(v.name, v.camera, v.person) for v in masked], warn)}
    return [view for view in loaded if view.person is None or view.name in kept]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A view as ``check_cameras`` asks for it: what must lie before the camera is called hair there."""

    name: str
    camera: Camera
    hair: np.ndarray


def _load(capture: Capture, view: View, table: LabelTable | None, largest_side: int, warn) -> HeadView:
    image, camera, masks = load_photograph(view, largest_side, warn)
    found = read_labels(capture.folder, view, camera, table) if table else None
    person = masks.get("person")
    if person is None and "hair" in masks and "bust" in masks:
        person = np.clip(masks["hair"] + masks["bust"], 0, 1)
    hair = masks.get("hair")
    if found is not None:
        inside = (found != BACKGROUND) & (found < len(CLASSES))
        person = inside.astype(np.float32) if person is None else person
        hair = (found == HAIR).astype(np.float32) if hair is None else hair
    if person is not None and person.max() <= 0.5:
        warn(f"The person's mask of {view.image.name} is empty; it is taken as missing.")
        person = None
    return HeadView(view.name, camera, image.astype(np.float32) / 255, person, hair, found)
