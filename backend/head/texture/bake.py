"""Photographs baked onto a mesh: the pipeline, and the picture's texels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from ...errors import HeadError
from ...geometry.raster import rasterise
from ...protocol import Reporter
from ..priors.views import HeadView
from ..surface import normals as vertex_normals
from .diffusion import Diffusion
from .levelling import corrections, exposures
from .seeing import Sight, see

COHERENCE = 0.008
"""Metres over which the choice of a view is made together: small patches have more seams and show nothing better."""
FEATHER = 0.002
"""Metres over which one view passes into the next."""
LEAST_SHARE = 0.02
"""Of a view in a vertex; less is left to the others."""
OUTLIER = 0.10
"""Difference from the median of all views (sRGB) at which a view's trust has fallen to a third."""
SURE = 0.15
"""Trust relative to the mesh's typical one from which on a vertex needs no colour from around it."""
PLAIN = (0.62, 0.5, 0.44)
"""sRGB of a mesh that no photograph shows anywhere."""


@dataclass(frozen=True, eq=False)
class Texture:
    """Colours of a mesh.

    Attributes:
        picture: (S, S, 3) uint8 sRGB in the mesh's UVs, first row at the top; None where none was asked for.
        vertices: (V, 3) uint8 sRGB of its vertices.
        seen: (V,) bool, whether a photograph shows the vertex.
        report: JSON-able: seen_share (of the surface), views used with their shares and exposures, seam steps before
            and after levelling (mean difference of sRGB values from 0 to 255).
    """

    picture: np.ndarray | None
    vertices: np.ndarray
    seen: np.ndarray
    report: dict


def bake_texture(
    vertices: np.ndarray,
    faces: np.ndarray,
    uv: np.ndarray | None,
    views: list[HeadView],
    size: int,
    reporter: Reporter,
    level: bool = True,
    before: tuple[np.ndarray, np.ndarray] | None = None,
    sharp: Callable[[HeadView], np.ndarray] | None = None,
) -> Texture:
    """Colours of a mesh from photographs.

    Args:
        vertices: (V, 3) metres, in the cameras' world.
        faces: (F, 3) outward.
        uv: (F, 3, 2) of the corners in the unit square; None for colours of vertices only.
        views: photographs; those without a mask of the person trust the mesh's outline.
        size: texels along a side of the picture; 0 for none.
        reporter: of a job.
        level: whether exposures and seams are levelled.
        before: vertices and faces of something else that may hide the mesh, such as hair before a fitted head.
        sharp: gives a view's picture (H, W, 3) uint8 in full size, where the views have it reduced; one at a time.

    Raises:
        HeadError: there are no triangles, or no photographs.
    """
    if not len(faces) or not views:
        raise HeadError("A texture takes a mesh with triangles and at least one photograph.")
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    normals = vertex_normals(vertices, faces).astype(np.float64)
    reporter.stage("Looking through the cameras", len(views))
    sights, weights, soft = [], [], []
    for view in views:
        sight = see(view, vertices, faces, before)
        sights.append(sight)
        weights.append(sight.weights(vertices, normals))
        soft.append(sight.colours(vertices, soft=True))
        reporter.step()
    weights, soft = np.stack(weights), np.stack(soft)
    reporter.stage("Choosing views", 3)
    gains = exposures(soft, weights) if level else np.ones((len(views), 3))
    if level:
        sights = [sight.exposed(gain) for sight, gain in zip(sights, gains, strict=True)]
        soft = np.stack([sight.colours(vertices, soft=True) for sight in sights])
    diffusion = Diffusion(vertices, faces)
    reporter.step()
    shares = _shares(_agreeing(soft, weights), diffusion)
    reporter.step()
    added = corrections(soft, shares, diffusion.edges) if level else np.zeros_like(soft)
    reporter.step()
    fill, sure = _fill(soft + added, shares, weights, diffusion)
    seen = shares.sum(axis=0) > 0
    paint = _Paint(vertices, faces, sights, shares, added, fill, sure, sharp)
    picture = paint.picture(np.asarray(uv, np.float64), size, reporter) if size and uv is not None else None
    report = _told(vertices, faces, views, shares, gains, soft, added, seen)
    return Texture(picture, _bytes(paint.of_vertices()), seen, report)


def _agreeing(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, V) weights, less where a view's colour (N, V, 3) differs from what most views say: reflections, things in
    front, or the surface is not where the mesh has it."""
    seen = weights > 0
    masked = np.where(seen[..., None], colours, np.nan)
    several = seen.sum(axis=0) >= 3
    result = weights.copy()
    if several.any():
        middle = np.nanmedian(masked[:, several], axis=0)
        off = np.nan_to_num(np.abs(masked[:, several] - middle).max(axis=2))
        result[:, several] *= np.exp(-((off / OUTLIER) ** 2)).clip(1e-3)
    return result


def _shares(weights: np.ndarray, diffusion: Diffusion) -> np.ndarray:
    """(N, V) how much of each view goes into each vertex: nearly always one view whole, chosen with those around."""
    seen = weights > 0
    chosen = np.where(seen, diffusion.smoothed(weights.T, COHERENCE).T, -1).argmax(axis=0)
    one = (np.arange(len(weights))[:, None] == chosen) & seen
    shares = np.where(seen, diffusion.smoothed(one.T.astype(np.float64), FEATHER).T, 0)
    shares[shares < LEAST_SHARE] = 0
    shares = np.where(seen & (shares.sum(axis=0) == 0) & one, 1.0, shares)
    return shares / np.maximum(shares.sum(axis=0), 1e-12)


def _fill(colours, shares, weights, diffusion) -> tuple[np.ndarray, np.ndarray]:
    """Colours (V, 3) that run on smoothly to where no view is sure, and (V,) from 0 to 1 how sure views are."""
    trust = (weights * (shares > 0)).max(axis=0)
    known = shares.sum(axis=0) > 0
    if not known.any():
        return np.tile(PLAIN, (len(trust), 1)), np.zeros(len(trust))
    t = np.clip(trust / (SURE * np.median(trust[known])), 0, 1)
    sure = np.where(known, t * t * (3 - 2 * t), 0)
    mean = np.einsum("nv,nvc->vc", shares, colours)
    firm = sure > 0.5 if (sure > 0.5).any() else known
    return diffusion.filled(mean, firm), sure


@dataclass(frozen=True, eq=False)
class _Paint:
    """Everything that a point of the surface needs to get its colour."""

    vertices: np.ndarray
    faces: np.ndarray
    sights: list[Sight]
    shares: np.ndarray
    added: np.ndarray
    fill: np.ndarray
    sure: np.ndarray
    sharp: Callable[[HeadView], np.ndarray] | None

    def of_vertices(self) -> np.ndarray:
        """(V, 3) sRGB from 0 to 1."""
        corner = np.zeros(len(self.vertices), np.int64)
        corner[self.faces.reshape(-1)] = np.arange(self.faces.size)
        weights = np.eye(3)[corner % 3]
        return self.at(corner // 3, weights, lambda: None)

    def picture(self, uv: np.ndarray, size: int, reporter: Reporter) -> np.ndarray:
        """(size, size, 3) uint8 sRGB, colours running on beyond the islands so that filtering takes in nothing else."""
        reporter.stage("Painting the texture", len(self.sights) + 2)
        flat = uv.reshape(-1, 2) * [size, -size] + [0, size]
        corners = np.arange(len(flat)).reshape(-1, 3)
        raster = rasterise(flat, np.ones(len(flat)), corners, (size, size), perspective=False)
        reporter.step()
        picture = np.zeros((size, size, 3), np.float32)
        corners = self.vertices[self.faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        texel = float(np.sqrt(area / max(raster.covered.sum(), 1)))
        texels = raster.face[raster.covered], raster.weights[raster.covered]
        picture[raster.covered] = self.at(*texels, reporter.step, texel)
        if not raster.covered.all() and raster.covered.any():
            nearest = distance_transform_edt(~raster.covered, return_distances=False, return_indices=True)
            picture = picture[tuple(nearest)]
        reporter.step()
        return _bytes(picture)

    def at(self, face: np.ndarray, weights: np.ndarray, tick, texel: float = 0.0) -> np.ndarray:
        """(T, 3) sRGB of points given by faces (T,) and barycentric weights (T, 3).

        Args:
            texel: metres between the points of a picture; 0 for vertices.
        """
        corner = self.faces[face]
        points = np.einsum("tk,tkc->tc", weights, self.vertices[corner])
        total, colour = np.zeros(len(face), np.float32), np.zeros((len(face), 3), np.float32)
        for sight, share, added in zip(self.sights, self.shares, self.added, strict=True):
            mine = np.flatnonzero((share[self.faces] > 0).any(axis=1)[face])
            if len(mine):
                own = corner[mine]
                if texel and self.sharp is not None:
                    sight = sight.sharpened(self.sharp(sight.view), points[mine], texel)
                part = np.einsum("tk,tk->t", weights[mine], share[own]).astype(np.float32)
                found = sight.colours(points[mine])
                found += np.einsum("tk,tkc->tc", weights[mine], added[own])
                colour[mine] += part[:, None] * found
                total[mine] += part
            tick()
        sure = np.einsum("tk,tk->t", weights, self.sure[corner]) * np.minimum(total, 1)
        filled = np.einsum("tk,tkc->tc", weights, self.fill[corner])
        mean = colour / np.maximum(total, 1e-6)[:, None]
        return sure[:, None] * mean + (1 - sure[:, None]) * filled


def _told(vertices, faces, views, shares, gains, soft, added, seen) -> dict:
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    share = shares[:, faces].mean(axis=2) @ area / max(area.sum(), 1e-20)
    return {
        "seen_share": round(float(area[seen[faces].all(axis=1)].sum() / max(area.sum(), 1e-20)), 4),
        "seam_before": _disagreement(soft, shares),
        "seam_after": _disagreement(soft + added, shares),
        "views": {
            view.name: {"share": round(float(part), 4), "exposure": [round(float(g), 3) for g in gain]}
            for view, part, gain in zip(views, share, gains, strict=True)
        },
    }


def _disagreement(colours: np.ndarray, shares: np.ndarray) -> float:
    """Mean difference, in sRGB values up to 255, of views from their mean where they pass into each other."""
    mixed = (shares > 0).sum(axis=0) > 1
    if not mixed.any():
        return 0.0
    mean = np.einsum("nv,nvc->vc", shares[:, mixed], colours[:, mixed])
    off = np.abs(colours[:, mixed] - mean).mean(axis=2)
    return round(255 * float((shares[:, mixed] * off).sum(axis=0).mean()), 3)


def _bytes(colours: np.ndarray) -> np.ndarray:
    return np.round(255 * colours.clip(0, 1)).astype(np.uint8)
