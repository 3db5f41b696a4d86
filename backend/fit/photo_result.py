"""What a fit to photographs leaves: figures for each view, and a picture to judge it by."""

import cv2
import numpy as np
import torch

from ..geometry.raster import rasterise
from .albedo import AlbedoBasis, encoded
from .lighting import harmonics
from .photo_landmarks import Marks
from .photo_unknowns import Stage, Unknowns
from .photo_views import PhotoView
from .photos import Colours, PhotoFit

TILE, COLUMNS = 360, 6
"""Pixels of a picture's side in the overlay, and pictures in it."""
SEEN, FITTED = (60, 220, 60), (255, 60, 60)
"""RGB of landmarks as they were set, and as the fitted head has them."""


@torch.no_grad()
def figures(fit: PhotoFit, x: Unknowns, colours: Colours) -> tuple[dict, np.ndarray]:
    """How well the head explains the photographs.

    Returns:
        view → {"landmarks", "landmark_px", "colour_rms", "outline_px"}, where what a view does not have is None; and
        (V,) how far each vertex's colour is from what its photographs show, root mean square over them in linear
        light, NaN where none sees it.
    """
    stage, marks, pictures = fit.stage, fit.marks, fit.pictures(1.0)
    fit.refresh(x, pictures, colours)
    head = stage.head(x)
    world = stage.world(x, head)
    misses, view = marks.misses(stage, x, head).norm(dim=1).cpu().numpy(), marks.view.cpu().numpy()
    outline = fit.outline_distances(x, world)
    square = fit.colour_errors(x, world, pictures, colours).square()
    by_view = (fit.seen * square).sum(dim=1).sqrt()
    result = {}
    for j, photograph in enumerate(fit.views):
        mine = misses[view == j]
        result[photograph.name] = {
            "landmarks": len(mine),
            "landmark_px": round(float(mine.mean()), 3) if len(mine) else None,
            "colour_rms": round(float(by_view[j]), 4) if float(fit.seen[j].sum()) > 0.5 else None,
            "outline_px": round(float(np.mean(outline[j])), 3) if j in outline else None,
        }
    # A point's error goes to its triangle's corners, by how much of it the views see.
    corners = fit.corners.cpu().numpy().reshape(-1)
    weight = fit.seen.sum(dim=0).double().cpu().numpy().repeat(3)
    total = (fit.seen * square).sum(dim=0).double().cpu().numpy().repeat(3)
    weight, total = (np.bincount(corners, part, len(world)) for part in (weight, total))
    residual = np.full(len(world), np.nan)
    residual[weight > 0] = np.sqrt(total[weight > 0] / weight[weight > 0])
    return result, residual


@torch.no_grad()
def overlay(fit: PhotoFit, x: Unknowns, colours: Colours, basis: AlbedoBasis) -> np.ndarray:
    """(H, W, 3) uint8 RGB: above the photographs with the head's outline and landmarks (green as they were set, red as
    the head has them), below them the head as the fit sees it, before the photographs."""
    model, stage = fit.stage.layer.model, fit.stage
    world = stage.world(x, stage.head(x))
    local = stage.camera_points(x, world)
    pixels, depth = stage.project(local).cpu().double().numpy(), local[..., 2].cpu().double().numpy()
    normals = fit.vertex_normals(world)
    shade = torch.einsum("vb,jbc->jvc", harmonics(normals), colours.light).cpu().numpy()
    own = np.zeros((fit.stage.layer.vertex_count, 3))
    if colours.free is not None:
        # From triangles to their corners, so that the head does not show them.
        corners, free = fit.corners.cpu().numpy().reshape(-1), colours.free.cpu().numpy().repeat(3, axis=0)
        counts = np.maximum(np.bincount(corners, minlength=len(own)), 1)
        own = np.stack([np.bincount(corners, part, len(own)) / counts for part in free.T], axis=1)
    tops, bottoms = [], []
    for j in _spread(fit.views, COLUMNS):
        view = fit.views[j]
        (left, top), side = _frame(pixels[j], depth[j], view)
        scale, size = TILE / side, (TILE, TILE)
        shifted = (pixels[j] - [left, top]) * scale
        drawn = rasterise(shifted, depth[j], model.faces, size)
        at = np.nonzero(drawn.covered)
        albedo = basis.at(drawn.face[at], drawn.weights[at]).of(colours.albedo.cpu().numpy())
        albedo = albedo + drawn.blend(own, model.faces)[at]
        light = drawn.blend(shade[j], model.faces)[at]
        # OpenCV's first pixel centre is at 0.
        move = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
        photo = cv2.warpAffine(view.image, move, size, flags=cv2.INTER_AREA, borderValue=(30, 30, 30))
        made = photo.copy()
        made[at] = np.round(encoded(albedo * light) * 255)
        edge, _ = cv2.findContours(drawn.covered.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        photo = cv2.drawContours(photo, edge, -1, (255, 220, 0), 1)
        _landmarks(photo, fit.marks, stage, x, j, np.array([left, top]), scale)
        tops.append(photo)
        bottoms.append(made)
    return np.vstack([np.hstack(tops), np.hstack(bottoms)])


def _landmarks(
    photo: np.ndarray, marks: Marks, stage: Stage, x: Unknowns, view: int, corner: np.ndarray, scale: float
) -> None:
    mine = (marks.view == view).cpu().numpy()
    fitted = (marks.pixels + marks.misses(stage, x, stage.head(x))).cpu().numpy()[mine]
    for points, colour, radius in ((marks.pixels.cpu().numpy()[mine], SEEN, 3), (fitted, FITTED, 1)):
        for point in np.round(((points - corner) * scale - 0.5) * 16).astype(int):
            cv2.circle(photo, tuple(point.tolist()), radius * 16, colour, -1, cv2.LINE_AA, shift=4)


def _frame(pixels: np.ndarray, depth: np.ndarray, view: PhotoView) -> tuple[np.ndarray, float]:
    """Upper left corner (2,) and side of the square of a picture that shows the head, in the picture's pixels."""
    height, width = view.image.shape[:2]
    inside = pixels[depth > 0].clip(0, [width, height])
    low, high = inside.min(axis=0), inside.max(axis=0)
    side = 1.08 * max(*(high - low), 16.0)
    return (low + high - side) / 2, float(side)


def _spread(views: list[PhotoView], most: int) -> list[int]:
    """At most so many views, those with landmarks first."""
    chosen = [j for j, view in enumerate(views) if view.landmarks] or list(range(len(views)))
    return [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, min(most, len(chosen))).round().astype(int))]
