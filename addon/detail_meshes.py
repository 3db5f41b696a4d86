"""Dense heads with detail in the scene: mesh objects that a job made, which the artist may sculpt, and back.

An object's vertices are those of the head's own frame (metres, Z up), and the object's matrix lays them on the scan or
on the head in the scene. So what was sculpted is a displacement again, whatever the scan's unit is.
"""

import json
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import HeadError
from ..backend.formats.coefficients import ARRAYS, SIMILARITY, Coefficients, Similarity
from ..backend.formats.dense_mesh import DenseMesh
from .detail_rig import UV_LAYER, take_over
from .heads import triangle_mesh
from .skin_material import eye_material, skin_material
from .visibility import evaluable

ROLE = "detail"
ABOUT = "maquette_detail"
"""Custom property of the object, JSON: the model's file, the layout's hash, and the coefficients of the head below."""
AS_MADE = "as made"
"""Vector attribute of the mesh: where each vertex was when the job was done, in the head's frame."""
FAR = 0.02
"""Share of size, or metres, by which a whole mesh is elsewhere than it was made only if its transforms were applied."""
ROUNDS, TINY = 30, 1e-6
"""Of the search for applied transforms; metres below which vertices weigh no more."""


@dataclass(frozen=True, eq=False)
class SceneDetail:
    """What is known of a dense head in the scene.

    Attributes:
        mesh: its object.
        model: file of its head model, or the word for our own.
        layout: hash of its UV layout.
        vertices: how many it has.
        coefficients: the head that it is a displacement of.
        smoothed: whether that head was smoothed by region.
    """

    mesh: bpy.types.Object
    model: str
    layout: str
    vertices: int
    coefficients: Coefficients
    smoothed: bool = False


def detail_of(thing: bpy.types.Object | None) -> SceneDetail | None:
    """The dense head that an object is; None for any other."""
    if thing is None or thing.type != "MESH" or not thing.get(ABOUT):
        return None
    try:
        about = json.loads(thing[ABOUT])
        parts = about["coefficients"]
        placed = Similarity(*(parts[key] for key in SIMILARITY)) if SIMILARITY[0] in parts else None
        coefficients = Coefficients(
            str(parts["model"]), str(parts["model_hash"]), *(parts[part] for part in ARRAYS), placed
        )
        texts, count = (str(about["model"]), str(about["layout"])), int(about["vertices"])
        return SceneDetail(thing, *texts, count, coefficients, bool(about.get("smoothed", False)))
    except (ValueError, KeyError, TypeError):
        return None  # somebody else's property under our name


def is_detail(thing: bpy.types.Object | None) -> bool:
    """Whether an object is a dense head of ours; quick, for panels."""
    return thing is not None and thing.type == "MESH" and bool(thing.get(ABOUT))


def add_detail(
    context: bpy.types.Context,
    dense: DenseMesh,
    coefficients: Coefficients,
    *,
    name: str,
    model: str,
    matrix: Matrix,
    plain: bpy.types.Object | None = None,
    job_id: str = "",
) -> bpy.types.Object:
    """Make an object of a dense head and select it. The caller pushes the undo step.

    Args:
        dense: in the head's frame.
        coefficients: of the head below the displacement.
        name: of the object.
        model: file of the head model, or the word for our own.
        matrix: from the head's frame to the world.
        plain: FLAME head whose materials and UV maps it takes over, besides the layout; skin and eyes without one.
        job_id: of the job that made it.
    """
    mesh = triangle_mesh(name, dense.vertices, dense.faces)
    if plain is not None:
        take_over(mesh, plain.data)
    else:
        _set_materials(mesh, dense)
    layer = mesh.uv_layers.new(name=UV_LAYER, do_init=False)
    layer.uv.foreach_set("vector", dense.uv.ravel())
    mesh.attributes.new(AS_MADE, "FLOAT_VECTOR", "POINT").data.foreach_set("vector", dense.vertices.ravel())
    mesh.update()
    mesh.shade_smooth()
    thing = bpy.data.objects.new(name, mesh)
    for region, vertices in dense.regions.items():
        thing.vertex_groups.new(name=region).add(vertices.tolist(), 1.0, "REPLACE")
    parts = {part: np.asarray(getattr(coefficients, part)).tolist() for part in ARRAYS}
    parts |= {"model": coefficients.model, "model_hash": coefficients.model_hash}
    if coefficients.similarity is not None:
        placed = zip(SIMILARITY, coefficients.similarity, strict=True)
        parts |= {key: np.asarray(value).tolist() for key, value in placed}
    about = {"model": model, "layout": dense.layout, "vertices": len(dense.vertices), "coefficients": parts}
    about["smoothed"] = dense.smoothed
    thing[ABOUT] = json.dumps(about)
    thing["maquette_role"], thing["maquette_job"] = ROLE, job_id
    context.collection.objects.link(thing)
    thing.matrix_world = matrix
    for other in context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    context.view_layer.objects.active = thing
    return thing


def _set_materials(mesh: bpy.types.Mesh, dense: DenseMesh) -> None:
    mesh.materials.append(skin_material())
    eyes = dense.regions.get("eyes", ())
    if len(eyes):
        mesh.materials.append(eye_material())
        ball = np.zeros(len(dense.vertices), bool)
        ball[eyes] = True
        mesh.polygons.foreach_set("material_index", ball[dense.faces].all(axis=1).astype(np.int32))


def read_detail_mesh(detail: SceneDetail) -> DenseMesh:
    """A dense head as it is evaluated now, sculpted or not, in the head's frame.

    Raises:
        HeadError: its vertices are no longer those of the head.
    """
    thing = detail.mesh
    if len(thing.data.vertices) != detail.vertices:
        raise HeadError(
            f"'{thing.name}' has {len(thing.data.vertices):,} vertices, but its head has {detail.vertices:,}; sculpt it"
            " without Dyntopo and Remesh."
        )
    with evaluable(thing) as depsgraph:
        evaluated = thing.evaluated_get(depsgraph)
        mesh = evaluated.to_mesh()
        try:
            if len(mesh.vertices) != detail.vertices:
                raise HeadError(
                    f"'{thing.name}' has {len(mesh.vertices):,} vertices as it is shown, but its head has"
                    f" {detail.vertices:,}; hide or apply the modifiers that add vertices, such as Multiresolution."
                )
            vertices = np.empty((len(mesh.vertices), 3), np.float32)
            mesh.vertices.foreach_get("co", vertices.ravel())
        finally:
            evaluated.to_mesh_clear()
    if len(thing.data.loops) != 3 * len(thing.data.polygons):
        raise HeadError(f"'{thing.name}' has faces that are no triangles; its vertices and faces must stay the head's.")
    faces = np.empty(len(thing.data.loops), np.int32)
    thing.data.loops.foreach_get("vertex_index", faces)
    uv = np.zeros((len(faces), 2), np.float32)
    layer = thing.data.uv_layers.get(UV_LAYER)
    if layer is not None:
        layer.uv.foreach_get("vector", uv.ravel())
    made = thing.data.attributes.get(AS_MADE)
    if made is not None and made.data_type == "FLOAT_VECTOR" and made.domain == "POINT":
        before = np.empty_like(vertices)
        made.data.foreach_get("vector", before.ravel())
        vertices = _where_it_was(vertices, before)
    parts = vertices, faces.reshape(-1, 3), uv.reshape(-1, 3, 2), detail.layout
    return DenseMesh(*parts, smoothed=detail.smoothed)


def _where_it_was(vertices: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Vertices (W, 3) back in the frame that they were made in, should the object's transforms have been applied.

    By the similarity between both, of least distances rather than squares (Umeyama's, reweighted): what was sculpted
    pulls little at it, and is all of the head only where the transforms are as they were.
    """
    here, there = vertices.astype(np.float64), made.astype(np.float64)
    weights = np.full((len(here), 1), 1 / len(here))
    for _ in range(ROUNDS):
        here_mean, there_mean = (weights * here).sum(axis=0), (weights * there).sum(axis=0)
        u, sizes, vt = np.linalg.svd((there - there_mean).T @ (weights * (here - here_mean)))
        sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
        turn = u * sign @ vt
        scale = (sizes * sign).sum() / (weights * (here - here_mean) ** 2).sum()
        found = scale * (here - here_mean) @ turn.T + there_mean
        weights = 1 / np.maximum(np.linalg.norm(found - there, axis=1, keepdims=True), TINY)
        weights /= weights.sum()
    moved = np.linalg.norm(there_mean - here_mean)
    if abs(scale - 1) < FAR and np.abs(turn - np.eye(3)).max() < FAR and moved < FAR:
        return vertices
    return found.astype(np.float32)
