"""Where the person is before the cameras: a head placed by landmarks, without any by the face that is found in the
pictures, and without one what all cameras look at."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ...contract import BUILT_IN
from ...errors import CaptureError
from ...fit.model import landmarks_of, model_to_fit, named_points, regions_of
from ...fit.photo_landmarks import Marks, fit_landmarks
from ...fit.photo_start import place_cameras, place_head
from ...fit.photo_unknowns import Stage
from ...fit.photo_views import FEWEST, PhotoView
from ...flame.layer import FlameLayer
from ...formats.capture import Camera, Capture
from ...formats.capture_landmarks import read_capture_landmarks
from ...formats.flame_model import FlameModel, z_up
from ...formats.undistortion import undistorted_positions
from ...geometry.raster import Raster, rasterise
from ..agreement import nearest_point
from ..found_face import BREADTH, Face, agreed_face, before_face, framed_faces
from ..upright import held_up
from .pictures import Picture

_MODES = 20
"""Of identity: enough to tell where a face is."""
_HEAD = 0.12
"""Metres: about half of a head's height and length."""
_MIDDLE = 0.045
"""Metres from the middle plane within which hair leaves a face alone, all but the forehead."""


@dataclass(frozen=True, eq=False)
class PlacedHead:
    """A head where landmarks say, or the face that was found.

    Attributes:
        model: whose head it is.
        vertices: (V, 3) float64 in the capture's world, or in the head's own where cameras had to be found.
        cameras: view → pinhole camera, of the views in which the head can be drawn.
        regions: name → vertices.
        landmarks: name → (triangle, (3,) barycentric weights).
        scale: units of the world in a metre of the model.
        noise: pixels that landmarks are off; those of a face that was found are not known to be anywhere.
    """

    model: FlameModel
    vertices: np.ndarray
    cameras: dict[str, Camera]
    regions: dict[str, np.ndarray]
    landmarks: dict[str, tuple[int, np.ndarray]]
    scale: float
    noise: float

    def drawn(self, picture: Picture) -> Raster | None:
        """What a picture shows of the bare head; None where nobody knows how it stands there."""
        camera = self.cameras.get(picture.name)
        if camera is None:
            return None
        camera = camera.resized(*picture.size)
        return rasterise(*camera.project(self.vertices), self.model.faces, picture.size)

    def front_of_face(self, view: str, cosine: float) -> np.ndarray:
        """(F,) bool triangles of the face's middle, with eyes and lips, that look at a view's camera: what hair hardly
        ever hangs over."""
        corners = self.vertices[self.model.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        towards = self.cameras[view].centre - corners.mean(axis=1)
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        elsewhere = np.abs(self.model.template[:, 0]) > _MIDDLE
        for name, vertices in self.regions.items():
            if name != "face":
                elsewhere[vertices] = True
        looking = np.einsum("fc,fc->f", normals, towards) > cosine
        return looking & ~elsewhere[self.model.faces].any(axis=1)

    def region_of_faces(self) -> dict[str, np.ndarray]:
        """Region → (F,) bool triangles that lie in it wholly."""
        found = {}
        for name, vertices in self.regions.items():
            inside = np.zeros(len(self.vertices), bool)
            inside[vertices] = True
            found[name] = inside[self.model.faces].all(axis=1)
        return found


@dataclass(frozen=True, eq=False)
class Subject:
    """What the cameras look at.

    Attributes:
        centre: (3,) of the head, in the world; None where no camera is known.
        radius: of the head, in the world's unit.
        up: (3,) unit vector.
        head: the head itself, where landmarks place one.
        posed: cameras have places in one world.
    """

    centre: np.ndarray | None
    radius: float
    up: np.ndarray
    head: PlacedHead | None
    posed: bool


def breadth_and_aside(bare: np.ndarray) -> tuple[float, np.ndarray]:
    """How broad a bare head, drawn (H, W) bool, is in pixels, and how far each column (1, W) is beside its middle, in
    breadths."""
    rows, columns = np.nonzero(bare)
    breadth = float(min(np.ptp(rows), np.ptp(columns)) + 1)
    return breadth, np.abs(np.arange(bare.shape[1])[None] - np.median(columns)) / breadth


def find_subject(capture: Capture, pictures: list[Picture], posed: bool, warn) -> Subject:
    """Where the head is, from landmarks where there are any, else from the face in the pictures, else from what the
    cameras look at."""
    up = np.array([0.0, 0.0, 1.0])
    try:
        head = placed_head(capture, pictures, posed, warn)
    except CaptureError as error:
        warn(f"{error} The masks are made without them.")
        head = None
    if head is None:
        head = found_head(pictures, posed, capture.metres_per_unit is None)
    if head is not None:
        outer = np.concatenate([head.regions["face"], head.regions["scalp"]])
        points = head.vertices[outer]
        return Subject((points.min(axis=0) + points.max(axis=0)) / 2, _HEAD * head.scale, up, head, posed)
    if not posed:
        return Subject(None, 0.0, up, None, False)
    cameras = [p.camera for p in pictures]
    centres, axes = np.stack([c.centre for c in cameras]), np.stack([c.direction for c in cameras])
    middle = nearest_point(centres, axes) if len(cameras) > 1 else None
    depths = None if middle is None else np.einsum("nc,nc->n", middle - centres, axes)
    if depths is None or np.median(depths) <= 0:
        raise CaptureError(
            "The cameras look at no common place, so nobody can tell where the person is; click six landmarks of the "
            "face in one to three photographs, and make the masks again."
        )
    fields = [min(c.width, c.height) / 2 / c.fx for c in cameras]
    # A photographer fills a picture with the head by about a half.
    return Subject(middle, float(np.median(depths * fields)) * 0.5, up, None, True)


def found_head(pictures: list[Picture], posed: bool, scaled: bool) -> PlacedHead | None:
    """The mean head where the pictures show a face; None where none is found.

    Args:
        scaled: the capture's unit is unknown, so the head takes the size that the face has.
    """
    frames = [framed_faces(picture.image) for picture in pictures]
    if not any(frames):
        return None
    model = model_to_fit(BUILT_IN)
    anchor = landmarks_of(model).of([f"nose bridge {number}" for number in (1, 2, 3, 4)]).mean(axis=0)
    up = np.array([0.0, 0.0, 1.0])
    if posed:
        poses = np.array([picture.camera.world_to_camera for picture in pictures])
        up = up if (held := held_up(poses)) is None else held
        face = agreed_face([picture.camera for picture in pictures], frames, up)
        if face is None:
            return None
        cameras = {picture.name: picture.camera for picture in pictures}
    else:
        face = Face(anchor, np.array([0.0, -1.0, 0.0]), BREADTH, 1)
        cameras = {
            picture.name: before_face(picture.camera, found[0], anchor)
            for picture, found in zip(pictures, frames, strict=True)
            if found
        }
    scale = face.breadth / BREADTH if scaled else 1.0
    turn = np.stack([np.cross(-face.forward, up), -face.forward, up], axis=1)
    vertices = scale * (z_up(model.template).astype(np.float64) - anchor) @ turn.T + face.place
    return PlacedHead(model, vertices, cameras, regions_of(model), named_points(model), scale, np.inf)


def seen_landmarks(capture: Capture, pictures: list[Picture], only: set[str]) -> dict[str, dict[str, np.ndarray]]:
    """View → landmark → (2,) pixels of the picture as it is here, of those that are seen and known."""
    given = read_capture_landmarks(capture.folder, carried=False)
    result = {}
    for picture in pictures:
        seen = {n: s for n, s in given.get(picture.name, {}).items() if s.visible and n in only}
        if seen:
            places = np.array([[s.x, s.y] for s in seen.values()])
            places = undistorted_positions(picture.view.camera, picture.camera, places)
            result[picture.name] = dict(zip(seen, places, strict=True))
    return result


def placed_head(
    capture: Capture,
    pictures: list[Picture],
    posed: bool,
    warn,
    landmarks: dict[str, dict[str, np.ndarray]] | None = None,
    modes: int = _MODES,
) -> PlacedHead | None:
    """The head that a capture's landmarks place, or None where they are too few.

    Args:
        modes: of its identity that are fitted; 0 takes all.

    Raises:
        CaptureError: the landmarks do not agree, or form no face.
    """
    model = model_to_fit(BUILT_IN)
    points = named_points(model)
    mean = landmarks_of(model)
    points = {name: points[name] for name in mean.names}
    if landmarks is None:
        landmarks = seen_landmarks(capture, pictures, set(points))
    views = [
        PhotoView(p.name, p.image, p.camera, None, None, landmarks.get(p.name, {}))
        for p in pictures
        if posed or len(landmarks.get(p.name, {})) >= FEWEST
    ]
    if max((len(view.landmarks) for view in views), default=0) < FEWEST:
        return None
    names = dict(zip(mean.names, mean.points.astype(np.float64), strict=True))
    middle = mean.points.mean(axis=0).astype(np.float64)
    scaled = posed and capture.metres_per_unit is None
    placing = (names, middle, views)
    placement, views = place_head(*placing, scaled, warn) if posed else place_cameras(*placing, warn)
    stage = Stage(FlameLayer(model, dtype=torch.float64), placement, torch.float64)
    free = ("identity", "expression", "joints") + (("turn", "shift") if posed else ("camera_turn", "camera_shift"))
    free += ("size",) if scaled else ()
    x, noise = fit_landmarks(stage, Marks.of(points, model.faces, views), stage.unknowns(modes), free)
    with torch.no_grad():
        vertices = stage.world(x, stage.head(x)).numpy()
    cameras = {p.name: p.camera for p in pictures}
    if not posed:
        opengl = np.diag([1.0, -1.0, -1.0, 1.0])
        poses = [np.linalg.inv(opengl @ camera) for camera in stage.placed(x).cameras]
        cameras = {
            view.name: replace(view.camera, camera_to_world=pose) for view, pose in zip(views, poses, strict=True)
        }
    return PlacedHead(model, vertices, cameras, regions_of(model), points, float(stage.placed(x).scale), noise)
