"""Where strands are rooted on a head: triangle, UV, and the way back from the head's pose to its rest.

Blender keeps hair at the rest of its surface and moves it with every evaluation. Strands arrive as they were seen,
on the head as it is posed, so they are taken back to the rest by the inverse of what Blender will do.
"""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from ..backend.errors import HeadError
from . import deform, versions
from .visibility import evaluable

UV_MAP = "Hair Attachment"
"""Our own UV map, made where the head has none that tells its places apart."""

PROBES = np.concatenate([np.zeros((1, 3)), 0.1 * np.eye(3)]).astype(np.float32)
"""(4, 3) a point and one step along each axis, in the head's units: what happens to them is an affine map."""


@dataclass(frozen=True)
class Surface:
    """A head as it is evaluated.

    Attributes:
        vertices: (V, 3) float32 in the head's own coordinates.
        triangles: (T, 3) int32 vertices.
        polygons: (T,) int32, the face that each triangle is a part of.
        uv: (T, 3, 2) float32 of the map by which hair is attached, or None without one.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    polygons: np.ndarray
    uv: np.ndarray | None


@dataclass(frozen=True)
class Attachment:
    """Roots on a head.

    Attributes:
        uv_map: name of the head's UV map.
        uv: (N, 2) float32, each a little inside its triangle so that Blender finds that triangle again.
        polygon: (N,) int32, the face of the head's mesh that each root is on; None where modifiers make other faces.
        linear, offset: (N, 3, 3) and (N, 3) float32: posed = rest @ linear + offset, in the head's own coordinates;
            None where the head is at rest.
    """

    uv_map: str
    uv: np.ndarray
    polygon: np.ndarray | None
    linear: np.ndarray | None
    offset: np.ndarray | None

    def to_rest(self, points: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """(P, 3) points of strands of ``counts`` (N,), from where they are seen to the head's rest."""
        if self.linear is None:
            return points
        inverse = np.linalg.inv(self.linear)
        moved = points - np.repeat(self.offset, counts, axis=0)
        if len(counts) and (counts == counts[0]).all():
            return (moved.reshape(len(counts), -1, 3) @ inverse).reshape(-1, 3)
        return np.einsum("pi,pij->pj", moved, np.repeat(inverse, counts, axis=0))


def attach(context: bpy.types.Context, head: bpy.types.Object, roots: np.ndarray) -> Attachment:
    """Attach roots (N, 3), in the head's own coordinates and pose, to its surface.

    Prepares the head: its rest position becomes an attribute, and it gets a UV map if it has none that is one-to-one
    where the roots are. Raises HeadError.
    """
    if head.library or head.data.library:
        raise HeadError(f"The head '{head.name}' is linked from another file; make it local first.")
    head.add_rest_position_attribute = True
    uv_map = head.data.uv_layers.active.name if head.data.uv_layers.active else ""
    surface = evaluated_surface(context, head, uv_map)
    if not len(surface.triangles):
        raise HeadError(f"The head '{head.name}' has no faces to grow hair on.")
    triangle, barycentric = nearest(surface, roots)
    if surface.uv is None or not one_to_one(surface, triangle, barycentric):
        uv_map = add_uv_map(head)
        surface = evaluated_surface(context, head, uv_map)
        if surface.uv is None:
            raise HeadError(f"The modifiers of the head '{head.name}' lose its UV maps; apply or remove them first.")
    uv = np.einsum("nk,nkd->nd", barycentric, surface.uv[triangle]).astype(np.float32)
    linear, offset = _motion(context, head, uv_map, uv, roots)
    own_faces = surface.polygons.max() + 1 == len(head.data.polygons)
    return Attachment(uv_map, uv, surface.polygons[triangle] if own_faces else None, linear, offset)


def evaluated_surface(context: bpy.types.Context, head: bpy.types.Object, uv_map: str) -> Surface:
    """The head with its shape keys and modifiers, as triangles in its own coordinates."""
    with evaluable(head, depsgraph=context.evaluated_depsgraph_get()) as depsgraph:
        evaluated = head.evaluated_get(depsgraph)
        mesh = evaluated.to_mesh()
        try:
            return _surface(mesh, uv_map)
        finally:
            evaluated.to_mesh_clear()


def _surface(mesh: bpy.types.Mesh, uv_map: str) -> Surface:
    mesh.calc_loop_triangles()
    vertices = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", vertices.ravel())
    triangles = np.empty((len(mesh.loop_triangles), 3), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles.ravel())
    polygons = np.empty(len(triangles), np.int32)
    mesh.loop_triangles.foreach_get("polygon_index", polygons)
    uv = None
    if uv_map in mesh.uv_layers:
        loops = np.empty((len(mesh.loop_triangles), 3), np.int32)
        mesh.loop_triangles.foreach_get("loops", loops.ravel())
        corners = np.empty((len(mesh.loops), 2), np.float32)
        mesh.uv_layers[uv_map].uv.foreach_get("vector", corners.ravel())
        uv = corners[loops]
    return Surface(vertices, triangles, polygons, uv)


def nearest(surface: Surface, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest triangle of each point (N, 3): its index (N,) and barycentric coordinates (N, 3), all at least 0.001.

    A root on an edge has two triangles and may be found again on either, each with a tangent of its own; a little
    inside there is only one.
    """
    near = _near(surface, points)
    tree = BVHTree.FromPolygons(surface.vertices.tolist(), surface.triangles[near].tolist(), all_triangles=True)
    find = tree.find_nearest
    triangle = near[np.array([find(point)[2] for point in points.tolist()], np.int64)]
    a, b, c = (surface.vertices[surface.triangles[triangle, k]].astype(np.float64) for k in range(3))
    normal = np.cross(b - a, c - a)
    area = np.maximum((normal**2).sum(1), 1e-30)
    v = (np.cross(points - a, c - a) * normal).sum(1) / area
    w = (np.cross(b - a, points - a) * normal).sum(1) / area
    barycentric = np.clip(np.stack([1 - v - w, v, w], axis=1), 0.0, 1.0)
    barycentric /= barycentric.sum(1, keepdims=True)
    return triangle, barycentric * 0.997 + 0.001


def _near(surface: Surface, points: np.ndarray) -> np.ndarray:
    """Triangles in the box of the points, so that a scan of a million faces does not become a tree of all of them."""
    corners = surface.vertices[surface.triangles]
    low, high = points.min(0), points.max(0)
    margin = 0.1 * float(np.linalg.norm(high - low)) + 1e-6
    inside = (corners.max(1) >= low - margin).all(1) & (corners.min(1) <= high + margin).all(1)
    return np.flatnonzero(inside) if inside.any() else np.arange(len(corners))


def one_to_one(surface: Surface, triangle: np.ndarray, barycentric: np.ndarray, samples: int = 500) -> bool:
    """Whether the UV of roots lead back to the roots: no mirrored, stacked or collapsed islands there."""
    chosen = np.linspace(0, len(triangle) - 1, min(samples, len(triangle))).astype(int)
    triangle, barycentric = triangle[chosen], barycentric[chosen]
    edges = surface.uv[:, 1:] - surface.uv[:, :1]
    doubled_area = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    if (doubled_area[triangle] < 1e-12).any():
        return False
    flat = np.pad(surface.uv.reshape(-1, 2), ((0, 0), (0, 1)))
    tree = BVHTree.FromPolygons(flat.tolist(), np.arange(len(flat)).reshape(-1, 3).tolist(), all_triangles=True)
    uv = np.einsum("nk,nkd->nd", barycentric, surface.uv[triangle])
    hits = [[hit[2] for hit in tree.find_nearest_range((*point, 0.0), 1e-7)] for point in uv.tolist()]
    root = np.repeat(np.arange(len(uv)), [len(found) for found in hits])
    other = np.array([hit for found in hits for hit in found], np.int64)
    there = np.einsum(
        "nk,nkd->nd", _barycentric_2d(surface.uv[other], uv[root]), surface.vertices[surface.triangles[other]]
    )
    here = np.einsum("nk,nkd->nd", barycentric, surface.vertices[surface.triangles[triangle]])[root]
    corners = surface.vertices[surface.triangles[other]]
    size = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    # The neighbour across an edge may be hit as well, but then it names the same place.
    return bool((np.linalg.norm(there - here, axis=1) < 0.05 * size).all())


def _barycentric_2d(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) barycentric coordinates of points (N, 2) in triangles (N, 3, 2); far outside where one is collapsed."""
    a, b, p = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0], points - triangles[:, 0]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    cross = np.where(np.abs(cross) < 1e-14, 1e-14, cross)
    v = (p[:, 0] * b[:, 1] - p[:, 1] * b[:, 0]) / cross
    w = (a[:, 0] * p[:, 1] - a[:, 1] * p[:, 0]) / cross
    return np.stack([1 - v - w, v, w], axis=1)


def add_uv_map(head: bpy.types.Object) -> str:
    """Give the head a UV map in which every face has a cell of its own; its name."""
    mesh = head.data
    layer = mesh.uv_layers.get(UV_MAP) or mesh.uv_layers.new(name=UV_MAP, do_init=False)
    if layer is None:
        raise HeadError(f"The head '{head.name}' has as many UV maps as Blender allows; remove one for the hair.")
    faces, corners = len(mesh.polygons), len(mesh.loops)
    totals = np.empty(faces, np.int32)
    mesh.polygons.foreach_get("loop_total", totals)
    face = np.repeat(np.arange(faces), totals)
    within = np.arange(corners) - np.repeat(np.cumsum(totals) - totals, totals)
    columns = int(np.ceil(np.sqrt(max(faces, 1))))
    # Each face becomes a regular polygon in the middle of its cell.
    angle = 2 * np.pi * (within + 0.5) / totals[face]
    centre = np.stack([face % columns, face // columns], axis=1) + 0.5
    uv = (centre + 0.45 * np.stack([np.cos(angle), np.sin(angle)], axis=1)) / columns
    layer.uv.foreach_set("vector", uv.astype(np.float32).ravel())
    mesh.update()
    return layer.name


def write_root_density(head: bpy.types.Object, attached: Attachment, roots: np.ndarray, name: str) -> str:
    """Write on each face of the head's rest how many roots (N, 3), at rest, stand on a square unit of it.

    Returns the attribute's name, ``name`` or the next that is free.
    """
    mesh = head.data
    polygon, weight = attached.polygon, 1.0
    if polygon is None:
        # A share of the roots tells how they lie on the faces below the modifiers.
        few = roots[:: max(1, len(roots) // 20_000)]
        surface, weight = _surface(mesh, ""), len(roots) / len(few)
        polygon = surface.polygons[nearest(surface, few)[0]]
    areas = np.empty(len(mesh.polygons), np.float32)
    mesh.polygons.foreach_get("area", areas)
    density = weight * np.bincount(polygon, minlength=len(areas)) / np.maximum(areas, 1e-12)
    attribute = mesh.attributes.new(name, "FLOAT", "FACE")
    attribute.data.foreach_set("value", density.astype(np.float32))
    return attribute.name


def _motion(
    context: bpy.types.Context, head: bpy.types.Object, uv_map: str, uv: np.ndarray, roots: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What Blender's surface deformation does to the strand at each root, asked of Blender itself."""
    if not head.data.shape_keys and not any(modifier.show_viewport for modifier in head.modifiers):
        return None, None
    data = bpy.data.hair_curves.new("Maquette Probes")
    probes = bpy.data.objects.new("Maquette Probes", data)
    try:
        data.add_curves([len(PROBES)] * len(roots))
        before = roots[:, None] + PROBES
        data.position_data.foreach_set("vector", before.astype(np.float32).ravel())
        bind(probes, head, uv_map, uv)
        modifier = probes.modifiers.new("Maquette Groom", "NODES")
        modifier.node_group = deform.groom_group()
        versions.set_modifier_input(modifier, "Viewport Display", 100.0)
        context.scene.collection.objects.link(probes)
        after = np.empty(before.shape, np.float32)
        evaluated = probes.evaluated_get(context.evaluated_depsgraph_get())
        evaluated.data.position_data.foreach_get("vector", after.ravel())
    finally:
        bpy.data.hair_curves.remove(data)
    if np.allclose(after, before, atol=1e-7):
        return None, None
    after = after.astype(np.float64)
    linear = (after[:, 1:] - after[:, :1]) / PROBES[1, 0]
    offset = after[:, 0] - np.einsum("ni,nij->nj", before[:, 0], linear)
    return linear.astype(np.float32), offset.astype(np.float32)


def bind(hair: bpy.types.Object, head: bpy.types.Object, uv_map: str, uv: np.ndarray) -> None:
    """Tell Blender where each strand of a Curves object is rooted, and put the object into the head's coordinates."""
    data = hair.data
    data.surface, data.surface_uv_map = head, uv_map
    attribute = data.attributes.get("surface_uv_coordinate") or data.attributes.new(
        "surface_uv_coordinate", "FLOAT2", "CURVE"
    )
    attribute.data.foreach_set("vector", np.ascontiguousarray(uv, np.float32).ravel())
    hair.parent = head
    hair.matrix_parent_inverse.identity()
    hair.matrix_basis.identity()
