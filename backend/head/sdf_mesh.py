"""A signed distance field as a mesh: marching cubes, one closed piece, as many triangles as wanted, normals, UVs."""

from dataclasses import dataclass, field

import numpy as np
from skimage import measure

from ..errors import FieldError
from ..formats.sdf_grid import SdfGrid
from ..geometry.apart import run_apart
from ..geometry.manifold import Hole, holes, is_watertight, largest_piece, two_manifold
from ..geometry.remesh import decimated, unwrapped
from ..protocol import Reporter
from .sdf_field import Field, GridField, Sampled, check_surface, sample_near_surface
from .surface import normals

SIDES = ("right", "left", "front", "back", "bottom", "top")
"""Of the field's box, by axis, from below and above: X runs from the person's right to the left, -Y is the front."""


@dataclass(frozen=True, eq=False)
class BakedMesh:
    """What a field became.

    Attributes:
        vertices: (V, 3) float32 metres.
        faces: (F, 3) int32.
        normals: (V, 3) float32 unit, by the area of the triangles around.
        uv: (F, 3, 2) float32 of each triangle's corners, or None.
        regions: label → vertices, where the field has labels; "unknown" where it has no values.
        report: JSON-able: spacing_mm, points_asked, pieces, triangles (of the field's own, and of the mesh),
            watertight, closed_sides, holes.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    uv: np.ndarray | None
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    report: dict = field(default_factory=dict)


def bake_grid(grid: SdfGrid, reporter: Reporter, resolution: int = 0, **options) -> BakedMesh:
    """A saved grid as a mesh, at its own resolution or another. Options and errors as for ``bake``.

    Nodes that are NaN take the value of the nearest that is known; the vertices there are the region "unknown".
    """
    own = max(grid.values.shape)
    unknown = np.isnan(grid.values)
    values = grid.values
    if unknown.any():
        if unknown.all():
            raise FieldError("The field has no values: all of them are NaN.")
        values = _filled(values, unknown)
    if not np.isfinite(values).all():
        raise FieldError("The field has values that are not finite numbers; save it again.")
    known = SdfGrid(values, grid.origin, grid.spacing)
    check_surface(values)
    if resolution in (0, own):
        copy = values.copy() if values is grid.values else values  # its sides are going to be closed
        sampled = Sampled(copy, grid.origin, grid.spacing, 0)
    else:
        sampled = sample_near_surface(GridField(known, finer=resolution > own), resolution, reporter)
    baked = mesh_of(sampled, reporter, **options)
    return _labelled(baked, grid, unknown)


def bake(field_: Field, resolution: int, reporter: Reporter, **options) -> BakedMesh:
    """A field as a mesh, asked near its surface only.

    Args:
        field_: metres, below zero inside.
        resolution: nodes along the longest side of its box.
        reporter: of a job.
        options: as for ``mesh_of``.

    Raises:
        FieldError: it has no surface, or values that are not finite.
    """
    return mesh_of(sample_near_surface(field_, resolution, reporter), reporter, **options)


def mesh_of(sampled: Sampled, reporter: Reporter, *, faces: int = 0, uv: bool = False, close: bool = True) -> BakedMesh:
    """The surface of a field on a grid.

    Args:
        sampled: whose outermost values are changed where sides are closed.
        faces: triangles to reduce it to; 0 keeps all.
        uv: unwrap it.
        close: cap the surface where it leaves the field's box, as a neck does; else it stays open there.
    """
    reporter.stage("Extracting the surface", 2)
    values, spacing = sampled.values, sampled.spacing
    sides = _sides_left(values)
    if close:
        _close(values, sides, spacing)
    vertices, triangles, _, _ = measure.marching_cubes(values, 0.0, allow_degenerate=False)
    reporter.step()
    vertices = (vertices * spacing + sampled.origin).astype(np.float32)
    whole = len(triangles)
    vertices, triangles, pieces = largest_piece(vertices, triangles)
    reporter.step()
    if faces and len(triangles) > faces:
        reporter.stage(f"Reducing {len(triangles):,} triangles to {faces:,}")
        vertices, triangles = run_apart(decimated, vertices, triangles, faces, reporter=reporter)
    else:
        vertices, triangles = two_manifold(vertices, triangles)
    corners = None
    if uv:
        reporter.stage("Unwrapping")
        corners = run_apart(unwrapped, vertices, triangles, reporter=reporter)
    found = holes(vertices, triangles)
    report = {
        "spacing_mm": round(1000 * spacing, 5),
        "points_asked": sampled.asked,
        "pieces": pieces,
        "pieces_left_out": pieces - 1,
        "triangles_of_field": whole,
        "vertices": len(vertices),
        "triangles": len(triangles),
        "watertight": is_watertight(triangles),
        "closed_sides": [SIDES[k] for k in sides] if close else [],
        "open_sides": [] if close else [SIDES[k] for k in sides],
        "holes": _told(found),
    }
    return BakedMesh(vertices, triangles.astype(np.int32), normals(vertices, triangles), corners, {}, report)


def _sides_left(values: np.ndarray) -> list[int]:
    """Sides of the box that the inside reaches: of ``SIDES``."""
    ends = [np.take(values, index, axis) for axis in range(3) for index in (0, -1)]
    return [k for k, side in enumerate(ends) if (side < 0).any()]


def _close(values: np.ndarray, sides: list[int], spacing: float) -> None:
    """Let the inside end just before the sides (of ``SIDES``)."""
    for side in sides:
        plane = [slice(None)] * 3
        plane[side // 2] = -1 if side % 2 else 0
        np.maximum(values[tuple(plane)], np.float32(0.02 * spacing), out=values[tuple(plane)])


def _filled(values: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return values[tuple(nearest)]


def _labelled(baked: BakedMesh, grid: SdfGrid, unknown: np.ndarray) -> BakedMesh:
    """The mesh with the labels of the grid's nodes nearest to its vertices."""
    where = np.rint((baked.vertices - grid.origin) / grid.spacing).astype(int)
    where = tuple(np.clip(where, 0, np.array(grid.values.shape) - 1).T)
    regions = {}
    if grid.labels is not None:
        label = grid.labels[where]
        regions = {name: np.flatnonzero(label == k) for k, name in enumerate(grid.label_names)}
    if unknown.any():
        regions["unknown"] = np.flatnonzero(unknown[where])
        baked.report["unknown_share"] = round(len(regions["unknown"]) / max(len(baked.vertices), 1), 4)
    regions = {name: vertices for name, vertices in regions.items() if len(vertices)}
    return BakedMesh(baked.vertices, baked.faces, baked.normals, baked.uv, regions, baked.report)


def _told(found: list[Hole], most: int = 50) -> list[dict]:
    return [
        {
            "edges": hole.edges,
            "length_mm": round(1000 * hole.length, 3),
            "middle": [round(part, 5) for part in hole.middle],
        }
        for hole in found[:most]
    ]
