"""Heads in the scene: a mesh object from a head model, and a head model from any mesh object."""

import json

import bpy
import numpy as np

from ..backend.errors import HeadError
from ..backend.formats.head import BUILT_IN_HEAD, Head, check_head
from .skin_material import eye_material, skin_material
from .visibility import evaluable

HEAD_ROLE = "head"
LANDMARKS = "maquette_landmarks"
"""Custom property of a head object, JSON: how many triangles the mesh had, and [name, triangle, weights] of each."""
UV_LAYER = "UVMap"
SKIN_TEXTURE = BUILT_IN_HEAD.with_name("built_in_head_skin.jpg")


def triangle_mesh(name: str, vertices: np.ndarray, faces: np.ndarray) -> bpy.types.Mesh:
    """A new mesh of vertices (V, 3) and triangles (F, 3); the caller updates it when UVs and the rest are in."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(3 * len(faces))
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * len(faces), 3, dtype=np.int32))
    return mesh


def add_head(context: bpy.types.Context, head: Head, *, name: str | None = None, job_id: str = "") -> bpy.types.Object:
    """Make an object of a head in the scene and select it.

    Its vertices are the head's, in metres, with the object at the world's origin. The regions become vertex groups,
    the landmarks a custom property. The caller pushes the undo step.

    Args:
        head: from ``read_head`` or a job.
        name: of the object; the head's own without it.
        job_id: of the job that made it, if one did.
    """
    mesh = triangle_mesh(name or head.name, head.vertices, head.faces)
    if head.uv is not None:
        layer = mesh.uv_layers.new(name=UV_LAYER)
        layer.data.foreach_set("uv", head.uv.ravel())
    _set_materials(mesh, head)
    mesh.update()
    mesh.validate()
    mesh.shade_smooth()

    thing = bpy.data.objects.new(mesh.name, mesh)
    for region, vertices in head.regions.items():
        thing.vertex_groups.new(name=region).add(vertices.tolist(), 1.0, "REPLACE")
    if head.landmarks:
        points = [[n, int(t), [round(float(w), 6) for w in weights]] for n, (t, weights) in head.landmarks.items()]
        thing[LANDMARKS] = json.dumps({"triangles": len(head.faces), "points": points})
    thing["maquette_role"] = HEAD_ROLE
    if job_id:
        thing["maquette_job"] = job_id
    context.collection.objects.link(thing)
    for other in context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    context.view_layer.objects.active = thing
    return thing


def _set_materials(mesh: bpy.types.Mesh, head: Head) -> None:
    """Skin, and eyes where the head has eyeballs; painted where the built-in head's own picture fits its UVs."""
    painted = head.name.startswith("maquette-built-in") and head.uv is not None and SKIN_TEXTURE.is_file()
    texture = str(SKIN_TEXTURE) if painted else None
    mesh.materials.append(skin_material(texture))
    eyes = head.regions.get("eyes")
    if eyes is None or not len(eyes):
        return
    mesh.materials.append(eye_material(texture))
    ball = np.zeros(len(head.vertices), bool)
    ball[eyes] = True
    mesh.polygons.foreach_set("material_index", ball[head.faces].all(axis=1).astype(np.int32))


def head_from_object(thing: bpy.types.Object, depsgraph: bpy.types.Depsgraph | None = None) -> Head:
    """The head as it is evaluated now (shape keys, armature, modifiers), hidden or not, in world metres, triangulated.

    Its regions are the vertex groups (weights above a half), so a group named "scalp" says where hair grows.
    Landmarks are kept as long as the triangles are those that they were made for.

    Raises:
        HeadError: not a mesh, or none that can serve as a head.
    """
    if thing is None or thing.type != "MESH":
        raise HeadError("Choose a mesh object as the head.")
    with evaluable(thing, depsgraph=depsgraph) as current:
        head = _head(thing, thing.evaluated_get(current))
    check_head(head, thing.name)
    return head


def _head(thing: bpy.types.Object, evaluated: bpy.types.Object) -> Head:
    mesh = evaluated.to_mesh()
    try:
        vertices = np.empty((len(mesh.vertices), 3), np.float32)
        mesh.vertices.foreach_get("co", vertices.ravel())
        mesh.calc_loop_triangles()
        faces = np.empty((len(mesh.loop_triangles), 3), np.int32)
        mesh.loop_triangles.foreach_get("vertices", faces.ravel())
        matrix = np.array(evaluated.matrix_world, np.float64)
        if np.linalg.det(matrix[:3, :3]) < 0:
            faces = faces[:, ::-1]  # a mirrored object is inside out in the world
        return Head(
            vertices=vertices.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3],
            faces=faces,
            uv=_corner_uv(mesh, mirrored=faces.strides[1] < 0),
            regions=_regions(thing, mesh),
            landmarks=_landmarks(thing, len(faces)),
            name=thing.name,
        )
    finally:
        evaluated.to_mesh_clear()


def _corner_uv(mesh: bpy.types.Mesh, *, mirrored: bool) -> np.ndarray | None:
    layer = mesh.uv_layers.active
    if layer is None:
        return None
    corners = np.empty((len(mesh.loops), 2), np.float32)
    layer.data.foreach_get("uv", corners.ravel())
    loops = np.empty((len(mesh.loop_triangles), 3), np.int32)
    mesh.loop_triangles.foreach_get("loops", loops.ravel())
    return corners[loops[:, ::-1] if mirrored else loops]


def _regions(thing: bpy.types.Object, mesh: bpy.types.Mesh) -> dict[str, np.ndarray]:
    bones = thing.find_armature()
    skin = {bone.name for bone in bones.data.bones if bone.use_deform} if bones else set()
    names = {group.index: group.name for group in thing.vertex_groups if group.name not in skin}
    members: dict[str, list[int]] = {name: [] for name in names.values()}
    if names:
        for vertex in mesh.vertices:
            for group in vertex.groups:
                if group.weight > 0.5 and group.group in names:
                    members[names[group.group]].append(vertex.index)
    return {name: np.array(vertices, np.int32) for name, vertices in members.items() if vertices}


def _landmarks(thing: bpy.types.Object, triangles: int) -> dict[str, tuple[int, np.ndarray]]:
    try:
        stored = json.loads(thing.get(LANDMARKS, "{}"))
        if stored.get("triangles") != triangles:
            return {}
        return {name: (int(t), np.array(weights, np.float32)) for name, t, weights in stored["points"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # somebody else's property under our name
