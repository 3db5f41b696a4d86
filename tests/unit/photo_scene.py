"""Photographs of a random head, rendered without Blender: synthetic input for the fit to photographs."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from backend.fit.albedo import PICTURE, encoded, linear
from backend.fit.model import named_points
from backend.flame.layer import FlameLayer
from backend.formats.capture import Camera, Capture, View, write_capture
from backend.formats.capture_landmarks import Seen, write_capture_landmarks
from backend.formats.flame_model import FlameModel
from backend.geometry.raster import rasterise

BACKGROUND = 0.05
# Direction towards the light, linear RGB.
LIGHTS = (
    ((-0.6, -0.6, 0.5), (0.75, 0.70, 0.62)),
    ((0.8, -0.3, 0.2), (0.28, 0.30, 0.36)),
    ((0.1, 0.9, 0.5), (0.35, 0.33, 0.30)),
)
AMBIENT = 0.16


@dataclass(frozen=True)
class Scene:
    """A capture on disk, and what it shows.

    Attributes:
        capture: of it.
        vertices: (V, 3) float64 the true head in the capture's world, metres.
    """

    capture: Capture
    vertices: np.ndarray


def random_head(model: FlameModel, seed: int, expression: float = 0.0) -> np.ndarray:
    """(V, 3) float64, metres, Z up: a person drawn from the model, with a little of every expression."""
    random = np.random.default_rng(seed)
    identity = torch.from_numpy(random.standard_normal((1, model.identity.shape[2])))
    mimic = torch.from_numpy(expression * np.abs(random.standard_normal((1, model.expression.shape[2]))))
    with torch.no_grad():
        return FlameLayer(model, dtype=torch.float64)(identity, mimic).vertices[0].numpy()


def ring(count: int, size: int, spread: float = 360.0, distance: float = 0.9, seed: int = 0) -> list[Camera]:
    """Cameras around the origin at alternating heights, over so many degrees about the face."""
    random = np.random.default_rng(seed)
    cameras = []
    for i in range(count):
        share = i / count if spread == 360 else i / max(count - 1, 1) - 0.5
        angle = np.radians(spread) * share if count > 1 else 0.0
        centre = np.array([distance * np.sin(angle), -distance * np.cos(angle), 0.2 * (-1) ** i])
        centre += random.normal(0, 0.01, 3)
        forward = -centre / np.linalg.norm(centre)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = np.stack([right, np.cross(right, forward), -forward], axis=1), centre
        cameras.append(Camera(size, size, 1.9 * size, 1.9 * size, size / 2, size / 2, pose))
    return cameras


def render_scene(
    folder: Path, model: FlameModel, vertices: np.ndarray, cameras: list[Camera], *,
    masks: bool = True, noise: float = 1.0, seed: int = 0, supersampling: int = 2,
) -> Scene:  # fmt: skip
    """Write a capture of a head (V, 3) with exact landmarks plus noise (pixels) where they are seen."""
    random = np.random.default_rng(seed + 1000)
    points = {name: at for name, at in named_points(model).items() if not name.startswith("mediapipe")}
    corners = np.array([model.faces[face] for face, _ in points.values()])
    places = np.einsum("lk,lkc->lc", np.array([weights for _, weights in points.values()]), vertices[corners])
    texture = linear(cv2.imread(str(PICTURE))[..., ::-1].astype(np.float32) / 255).astype(np.float32)
    tint = random.uniform(0.75, 1.15, 3)  # another person's skin
    normals = _normals(vertices, model.faces)
    views, landmarks = [], {}
    for number, camera in enumerate(cameras):
        name = f"view_{number:02}"
        large = camera.resized(camera.width * supersampling, camera.height * supersampling)
        pixels, depth = large.project(vertices)
        seen = rasterise(pixels, depth, model.faces, (large.width, large.height))
        uv = np.einsum("hwk,hwkc->hwc", seen.weights, model.uv[np.maximum(seen.face, 0)])
        at = (uv * [1, -1] + [0, 1]) * len(texture) - 0.5
        skin = cv2.remap(texture, at[..., 0].astype(np.float32), at[..., 1].astype(np.float32), cv2.INTER_LINEAR)
        normal = seen.blend(normals, model.faces)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        light = np.full(normal.shape, AMBIENT)
        for towards, colour in LIGHTS:
            towards = np.array(towards) / np.linalg.norm(towards)
            light += (normal @ towards).clip(0)[..., None] * colour
        picture = np.where(seen.covered[..., None], skin * tint * light * 1.4, BACKGROUND)
        picture = encoded(_reduced(picture, supersampling)) + random.normal(0, 0.008, (camera.height, camera.width, 1))
        image = folder / "images" / f"{name}.png"
        _write(image, np.round(picture.clip(0, 1) * 255)[..., ::-1])
        view = View(name, image, camera)
        if masks:
            mask = folder / "masks" / "bust" / f"{name}.png"
            _write(mask, np.round(_reduced(seen.covered[..., None].astype(float), supersampling) * 255))
            _write(folder / "masks" / "person" / f"{name}.png", cv2.imread(str(mask)))
            view = replace(view, masks={"bust": mask})
        views.append(view)
        at, distance = large.project(places)
        shown = seen.seen(at, distance, 0.004)
        clicked = (at / supersampling + random.normal(0, noise, at.shape)).clip(0, [camera.width, camera.height])
        landmarks[name] = {n: Seen(*clicked[i]) for i, n in enumerate(points) if shown[i]}
    capture = Capture(folder, tuple(views), 1.0, "rendered")
    write_capture(capture)
    write_capture_landmarks(folder, landmarks)
    return Scene(capture, vertices)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat = faces.reshape(-1)
    sums = [np.bincount(flat, np.repeat(cross[:, k], 3), len(vertices)) for k in range(3)]
    normals = np.stack(sums, axis=1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def _reduced(picture: np.ndarray, times: int) -> np.ndarray:
    height, width = picture.shape[0] // times, picture.shape[1] // times
    return picture.reshape(height, times, width, times, -1).mean(axis=(1, 3))


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels.astype(np.uint8))
