"""The surface of a head on a grid, in minutes on a processor.

    masks → hull → rounded by gradient → stereo along the rays → fused → refined by gradient → finer, and again

The priors of prior-guided-head join one level after the other, in the order that is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree

from ...formats.sdf_grid import SdfGrid
from ...geometry.raster import rasterise
from ...protocol import Reporter
from ..priors.gather import Priors
from ..priors.proxy import Proxy
from ..priors.semantics import CLASSES, NOT_SAID
from ..priors.views import HeadView
from .fusion import fuse
from .hull import Volume, largest_piece, visual_hull
from .losses import LabelField, Patches
from .pictures import Picture
from .presets import HullConfig, Preset
from .refine import Guides, redistanced, refine
from .sweep import SLACK, farthest_around, partners_of, sweep
from .trace import first_surface, slopes_of

HULL_SIDE = 256
"""Pixels of the masks that the hull is carved from."""
FACE_ROOM, FACE_REACH = 0.01, 0.02
"""Metres before the fitted face's skin that the surface may lie, and the most that the cleared hull's values become."""
FACE_ASIDE = 0.005
"""Metres that the fitted face's outline may be off to the side."""
FACE_NODES = 128
"""Along the longest side of the hull that is cleared before the face."""
HEAD_DEEP = 0.21
"""Metres: the least extent of a head with some hair."""
PROXY_POINTS = 60_000
CAMERA_PATCHES = 400
"""Rays in each step of a level where cameras move."""
LABEL_NODES = 72
"""Along the longest side of the grid of labels."""


@dataclass(frozen=True, eq=False)
class Surface:
    """What the reconstruction found.

    Attributes:
        grid: the signed distance, metres, with labels where the views had any.
        cameras: name → (4, 4) world to camera, OpenCV's axes, as they stood at the end.
        history: each level's losses.
    """

    grid: SdfGrid
    cameras: dict[str, np.ndarray]
    history: list[dict[str, float]] = field(default_factory=list)


def reconstruct(
    hull: Volume,
    views: list[HeadView],
    priors: Priors,
    preset: Preset,
    clock,
    reporter: Reporter,
    kept,
    rng: np.random.Generator,
    *,
    order: str = "P-S-O",
    refine_cameras: bool = False,
    preview: Callable[[Volume], None] = lambda volume: None,
) -> Surface:
    """From a hull to the surface.

    Args:
        hull: of the views' masks, metres.
        views: metres; with labels and directions of hair, where those take part.
        priors: the ones that take part.
        clock: of the job's stages.
        kept: the job's checkpoints.
        rng: the one that ``kept`` puts back.
        order: in which proxy, semantics and orientation join, as ``contract.ReconstructHead.prior_order``.
        refine_cameras: let cameras move with the last level's patches.
        preview: shown the surface after each stage.
    """
    joins = _joins(order, len(preset.levels))
    closing = preset.hull.closing
    cleared, drawn_to = _with_proxy(hull, views, priors, rng)
    poses = [torch.from_numpy(view.world_to_camera.astype(np.float32)) for view in views]
    volume, labels, history = cleared if joins["P"] == 0 else hull, None, []
    for number, level in enumerate(preset.levels):
        side = level.sweep.side if level.sweep else 256
        pictures = [Picture.of(view, side, closing).moved(pose) for view, pose in zip(views, poses, strict=True)]
        volume = redistanced(volume.resampled(level.nodes))
        fused, depths = None, []
        if level.sweep is not None:
            clock.stage(f"stereo {number}", f"Comparing the photographs, round {number}", 2 * len(pictures))
            say = bool(priors.semantics) and number >= joins["S"]

            def swept(volume=volume, pictures=pictures, config=level.sweep, say=say):
                maps = sweep(volume, pictures, config, reporter, say)
                return fuse(volume, maps, config.reach, reporter, say), [found.surface.depth for found in maps]

            fused, depths = kept(f"stereo {number}", swept)
        clock.stage(f"surface {number}", f"Refining the surface, round {number + 1}", level.steps)
        if priors.semantics and number >= joins["S"] and labels is None:
            labels = LabelField.around(volume.grid, LABEL_NODES)
        guides = Guides(
            drawn_to if number >= joins["P"] else None, labels, bool(priors.orientation) and number >= joins["O"]
        )
        if refine_cameras and depths:
            # Every level that compares views moves the cameras: the coarse ones see far enough to begin with.
            level = replace(level, patches=max(level.patches, CAMERA_PATCHES))
        patches = _patches(pictures, depths, volume, level, refine_cameras) if level.patches and depths else None

        room = cleared if number >= joins["P"] else hull

        def made(volume=volume, room=room, pictures=pictures, fused=fused, guides=guides, level=level, patches=patches):
            found, losses = refine(
                volume, room, pictures, fused, guides, level, preset.weights, rng, reporter, patches, preview
            )
            moved = [patches.pose(k).detach() if patches else p.pose for k, p in enumerate(pictures)]
            return found, losses, moved, guides.labels.logits.detach() if guides.labels else None

        volume, losses, poses, learnt = kept(f"level {number}", made)
        if labels is not None:
            labels = replace(labels, logits=learnt.requires_grad_())
        history += losses
    volume = volume.resampled(preset.nodes) if preset.nodes != max(volume.grid.shape) else volume
    side = max((level.sweep.side for level in preset.levels if level.sweep), default=HULL_SIDE)
    pictures = [Picture.of(view, side, closing).moved(pose) for view, pose in zip(views, poses, strict=True)]
    clock.stage("labels", "Telling hair from face", len(pictures))
    named = voted_labels(volume, pictures, reporter) if priors.semantics else None
    grid = SdfGrid(
        volume.values.numpy(), volume.grid.origin.astype(np.float64), volume.grid.spacing, named,
        CLASSES if named is not None else (),
    )  # fmt: skip
    cameras = {view.name: pose.double().numpy() for view, pose in zip(views, poses, strict=True)}
    return Surface(grid, cameras, history)


def hull_of(views: list[HeadView], config: HullConfig, reporter: Reporter) -> Volume:
    """What the views' masks leave, in the views' unit. Raises CaptureError where they leave nothing."""
    return visual_hull([Picture.of(view, HULL_SIDE, config.closing) for view in views], config, reporter)


def assumed_scale(hull: Volume) -> float:
    """Metres in one unit of a capture whose unit nobody knows: the person is taken to be as deep as heads are."""
    inside = np.argwhere(hull.values.numpy() < 0)
    return HEAD_DEEP / float(np.sort((np.ptp(inside, axis=0) + 1) * hull.grid.spacing)[0])


def _joins(order: str, levels: int) -> dict[str, int]:
    """The level at which each prior joins: the first at once, the others one level later each."""
    if order == "all":
        return dict.fromkeys("PSO", 0)
    return {prior: min(place, levels - 1) for place, prior in enumerate(order.split("-"))}


def before_the_face(hull: Volume, views: list[HeadView], proxy: Proxy, shown: np.ndarray) -> Volume:
    """A hull without what a photograph looks through at the fitted face's bare skin: few views leave room there that
    is nobody's, and stereo finds chance matches in it. What a photograph shows as hair stays.

    Args:
        shown: (F,) bool, the proxy's triangles that the photographs show bare.
    """
    hull = hull.resampled(max(FACE_NODES, *hull.grid.shape))
    values = hull.values.reshape(-1).numpy().copy()
    inside = np.flatnonzero(values < hull.grid.spacing)
    nodes = hull.grid.centres(inside).astype(np.float64)
    ahead = np.full(len(nodes), -np.inf)
    for view in (view.reduced(HULL_SIDE) for view in views):
        camera = view.camera
        drawn = rasterise(*camera.project(proxy.vertices), proxy.faces, (camera.width, camera.height))
        skin = drawn.covered & shown[drawn.face]
        if view.person is not None:
            skin &= view.person > 0.5
        if view.hair is not None:
            skin &= cv2.dilate(view.hair, np.ones((3, 3))) < 0.5
        if not skin.any():
            continue
        # The nearest skin around: beside the fitted cheek's outline, the view need not look past the true one.
        reach = round(FACE_ASIDE * camera.fx / float(np.median(drawn.depth[skin])))
        first = cv2.erode(drawn.depth, np.ones((2 * reach + 1, 2 * reach + 1)), borderType=cv2.BORDER_REPLICATE)
        pixels, depth = camera.project(nodes)
        column, row = np.floor(np.nan_to_num(pixels)).astype(int).T
        framed = (column >= 0) & (row >= 0) & (column < camera.width) & (row < camera.height) & (depth > 0)
        column, row = column.clip(0, camera.width - 1), row.clip(0, camera.height - 1)
        gap = np.nan_to_num(first[row, column], posinf=0.0) - depth
        ahead = np.where(framed & skin[row, column], np.maximum(ahead, gap), ahead)
    values[inside] = np.maximum(values[inside], np.minimum(ahead - FACE_ROOM, FACE_REACH))
    return Volume(hull.grid, torch.from_numpy(largest_piece(values.reshape(hull.grid.shape), hull.grid.spacing)))


def _with_proxy(hull: Volume, views: list[HeadView], priors: Priors, rng: np.random.Generator):
    """The hull cleared before the fitted head's bare skin, and points (P, 3) float32 on that skin, or None."""
    if priors.proxy is None:
        return hull, None
    # All skin that is seen, ears and a bare scalp too: the paper's model is a face only.
    proxy = replace(priors.proxy, regions=priors.proxy.regions | {"face": np.arange(len(priors.proxy.vertices))})
    shown = proxy.seen_face(views)
    if not shown.any():
        return hull, None
    points, _ = proxy.samples(shown, PROXY_POINTS, rng)
    return before_the_face(hull, views, proxy, shown), torch.from_numpy(points.astype(np.float32))


def _patches(pictures, depths, volume: Volume, level, refine_cameras: bool) -> Patches:
    partners = [
        [m for m, _ in partners_of(pictures, k, replace(level.sweep, neighbours=3))] for k in range(len(pictures))
    ]
    twists = torch.zeros(len(pictures), 6, requires_grad=True) if refine_cameras else None
    return Patches(pictures, depths, SLACK * volume.grid.spacing, partners, twists)


@torch.no_grad()
def voted_labels(volume: Volume, pictures: list[Picture], reporter: Reporter) -> np.ndarray | None:
    """(X, Y, Z) uint8 into ``semantics.CLASSES``: near the surface what most of the views that see a node have there,
    else what the nearest such node has. None where no view has labels."""
    spacing = volume.grid.spacing
    near = torch.nonzero(volume.values.reshape(-1).abs() < 1.8 * spacing)[:, 0].numpy()
    points = torch.from_numpy(volume.grid.centres(near))
    slopes = slopes_of(volume)
    normal = torch.nn.functional.normalize(volume.grid.sample(slopes, points), dim=1)
    points = points - volume.at(points)[:, None] * normal
    votes = torch.zeros(len(near), len(CLASSES))
    for picture in pictures:
        reporter.step()
        if picture.labels is None:
            continue
        depth = first_surface(volume, slopes, picture).depth
        pixels, there = picture.project(points)
        height, width = picture.size
        x, y = pixels.floor().clamp(-1, 1e6).long().unbind(-1)
        inside = (
            (x >= 0) & (y >= 0) & (x < width) & (y < height) & (there < farthest_around(depth, pixels) + 2 * spacing)
        )
        label = picture.labels[y.clamp(0, height - 1), x.clamp(0, width - 1)].long()
        inside &= (label != NOT_SAID) & (label != 0)
        towards = torch.nn.functional.normalize(picture.centre - points, dim=1)
        weight = (normal * towards).sum(1).clamp(min=0) * inside
        votes.scatter_add_(1, label.clamp(max=len(CLASSES) - 1)[:, None], weight[:, None])
    said = (votes.sum(1) > 0).numpy()
    if not said.any():
        return None
    best = votes.argmax(1).numpy()
    if not said.all():
        _, nearest = cKDTree(points[said].numpy()).query(points[~said].numpy())
        best[~said] = best[said][nearest]
    labels = np.zeros(volume.grid.size, np.uint8)
    labels[near] = best
    return labels.reshape(volume.grid.shape)
