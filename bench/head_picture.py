"""Reconstructed heads to look at: a given picture, the bare surface, and the surface with the photographs on it."""

from pathlib import Path

import cv2
import numpy as np

from backend.formats.capture import read_capture
from backend.formats.head import read_head
from backend.geometry.raster import rasterise
from backend.head.surface import normals
from backend.head.texture.seeing import read_at

TILE, SUPERSAMPLING = 300, 2
AROUND = (0.0, 50.0, -90.0)
"""Degrees to the left of the front."""
LIGHT = np.array([0.3, 0.42, 0.86])


def draw(folder: Path, capture: Path, shown: int) -> np.ndarray:
    """(2 TILE, 4 TILE, 3) uint8 BGR: on the left two given pictures, then the surface, bare above, painted below.

    Args:
        folder: with head.npz and texture.png.
        shown: number of the capture's picture.
    """
    head = read_head(folder / "head.npz")
    texture = cv2.imdecode(np.fromfile(folder / "texture.png", np.uint8), cv2.IMREAD_COLOR)
    views = read_capture(capture).views
    given = [_picture(views[k % len(views)].image) for k in (shown, shown + 4)]
    columns = [np.vstack(given)]
    columns += [np.vstack(_tiles(head, texture, degrees)) for degrees in AROUND]
    return np.hstack(columns)


def write(path: Path, rows: list[np.ndarray]) -> None:
    """Write pictures below each other as a JPEG."""
    path.write_bytes(cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())


def _picture(path: Path) -> np.ndarray:
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    scale = TILE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    return tile


def _tiles(head, texture: np.ndarray, degrees: float) -> list[np.ndarray]:
    """The bare and the painted surface from an angle, each (TILE, TILE, 3) uint8."""
    size, a = TILE * SUPERSAMPLING, np.radians(degrees)
    vertices = head.vertices.astype(np.float64)
    axes = np.array([[np.cos(a), np.sin(a), 0], [0, 0, 1], [np.sin(a), -np.cos(a), 0]])
    middle, half = (vertices.max(axis=0) + vertices.min(axis=0)) / 2, 0.54 * np.ptp(vertices[:, 2])
    seen = (vertices - middle) @ axes.T
    pixels = (seen[:, :2] * [1, -1] / half + 1) * size / 2
    raster = rasterise(pixels, 1 - seen[:, 2], head.faces, (size, size), perspective=False)
    shade = raster.blend(normals(vertices, head.faces), head.faces) @ axes.T @ LIGHT
    bare = (40 + 205 * np.clip(shade, 0, 1))[..., None] * [0.96, 0.98, 1.0]
    uv = np.einsum("hwk,hwkc->hwc", raster.weights, head.uv[np.maximum(raster.face, 0)]).reshape(-1, 2)
    flat = uv * [texture.shape[1], -texture.shape[0]] + [0, texture.shape[0]]
    painted = 255 * read_at(texture, flat).reshape(size, size, 3)
    tiles = (np.where(raster.covered[..., None], tile, 255).astype(np.uint8) for tile in (bare, painted))
    return [cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_AREA) for tile in tiles]
