"""A dense head that moves with a plain FLAME head: by shape keys and bones, live, or by a mesh cache, exactly.

The live head has the plain one's sliders and bones by drivers and an armature modifier, so nothing of ours has to run
for it to play. Both are children of the head's armature object, in its axes.
"""

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.errors import HeadError
from ..backend.formats.dense_keys import DenseKeys, read_dense_keys
from ..backend.formats.dense_mesh import read_dense_mesh
from ..backend.formats.face_motion import FaceMotion
from ..backend.formats.point_cache import open_point_cache
from . import deform, versions
from .flame_animation import sampled
from .flame_armature import DEFORMING, drive_corrective
from .flame_drivers import Source, drive
from .flame_pose import HARD_LIMIT, read_coefficients_of
from .flame_rig import Rig, escaped
from .groom import groom_modifier
from .heads import triangle_mesh

UV_LAYER = "Detail"
"""The custom layout; the plain head's own UV maps keep their names."""
CACHE = "Detail Cache"
FINEST = 2.0**20
"""Shape keys are kept to a part of a metre, a micrometre: compressed, files are a third smaller."""
FINEST_WEIGHT = 2.0**14
"""Likewise of skin weights, so that vertices of one weight are added together."""
SAME = 1e-3
"""Standard deviations by which an identity may differ."""


def add_live_head(context: bpy.types.Context, rig: Rig, keys_file: Path, name: str | None = None) -> bpy.types.Object:
    """Add the dense head whose keys a job left (dense_keys.npz), moved by a plain head's sliders and bones, and select
    it. The caller pushes the undo step.

    Raises:
        HeadError: the keys belong to another model or another person.
    """
    keys = read_dense_keys(Path(keys_file))
    _check_belongs(context, rig, keys)
    thing = _add_mesh(context, rig, name or f"{rig.mesh.name} Detail", keys.basis, keys.faces, keys.uv, keys.regions)
    thing.shape_key_add(name="Basis", from_mix=False)
    _add_expressions(thing, rig, keys)
    _add_identities(thing, rig, keys)
    _add_correctives(thing, rig, keys)
    _add_skin(thing, rig, keys)
    return thing


def add_cached_head(
    context: bpy.types.Context, rig: Rig, mesh_file: Path, cache_file: Path, first_frame: int, name: str | None = None
) -> bpy.types.Object:
    """Add the dense head of a job (mesh.npz), moved by its point cache, and select it. The caller pushes the undo step.

    Args:
        first_frame: of the scene, at which the cache begins.

    Raises:
        HeadError: a file cannot be read, or the cache is another mesh's.
    """
    mesh = read_dense_mesh(Path(mesh_file))
    name = name or f"{rig.mesh.name} Detail"
    thing = _add_mesh(context, rig, name, mesh.vertices, mesh.faces, mesh.uv, mesh.regions)
    try:
        attach_cache(context, thing, cache_file, first_frame)
    except HeadError:
        bpy.data.meshes.remove(thing.data)
        raise
    return thing


def attach_cache(context: bpy.types.Context, thing: bpy.types.Object, cache_file: Path, first_frame: int) -> None:
    """Have a mesh played by a point cache, which takes the place of its bones; its path is kept beside the .blend's.

    Raises:
        HeadError: the cache cannot be read, or has another number of vertices.
    """
    cache_file = Path(cache_file)
    frames = open_point_cache(cache_file)
    if frames.shape[1] != len(thing.data.vertices):
        raise HeadError(
            f"{cache_file.name} has {frames.shape[1]:,} vertices, but '{thing.name}' has "
            f"{len(thing.data.vertices):,}; make the cache for this head."
        )
    modifier = thing.modifiers.get(CACHE) or thing.modifiers.new(CACHE, "MESH_CACHE")
    modifier.cache_format = "PC2"
    modifier.filepath = _beside(cache_file)
    modifier.frame_start = float(first_frame)
    modifier.interpolation = "LINEAR"
    for other in thing.modifiers:
        if other.type == "ARMATURE":
            other.show_viewport = other.show_render = False


def scene_parameters(context: bpy.types.Context, rig: Rig, first: int, last: int) -> FaceMotion:
    """What a head shows from one frame of the scene to another, both included, for the exact way.

    Raises:
        CoefficientError: the bone of the whole head is turned or scaled, which a motion does not have.
    """
    return sampled(context, rig, first, last)


def follow(hair: bpy.types.Object, thing: bpy.types.Object) -> None:
    """Have hair that grows on a plain head grow on its dense head, at the same places of the same UV map.

    Raises:
        HeadError: the object is no hair on a surface, or the dense head lacks the hair's UV map.
    """
    data = hair.data
    if hair.type != "CURVES" or data.surface is None:
        raise HeadError(f"'{hair.name}' is no hair that is attached to a head.")
    if data.surface_uv_map not in thing.data.uv_layers:
        raise HeadError(
            f"'{thing.name}' has no UV map '{data.surface_uv_map}', by which '{hair.name}' is attached; add the dense "
            "head again."
        )
    thing.add_rest_position_attribute = True
    modifier = groom_modifier(hair)
    if modifier is not None and modifier.node_group.get("maquette_group") == deform.GUIDES_GROUP:
        density = versions.get_modifier_input(modifier, "Density")
        _take_over_density(thing.data, data.surface.data, density)
        versions.set_modifier_input(modifier, "Surface", thing)
    data.surface = thing
    hair.parent, hair.matrix_parent_inverse, hair.matrix_basis = thing, Matrix.Identity(4), Matrix.Identity(4)


def _take_over_density(mesh: bpy.types.Mesh, plain: bpy.types.Mesh, name: str) -> None:
    """How many strands stand on a square unit of each face, from the plain head's."""
    there = plain.attributes.get(name)
    if there is None or len(mesh.polygons) % len(plain.polygons):
        return
    values = np.empty(len(plain.polygons), np.float32)
    there.data.foreach_get("value", values)
    here = mesh.attributes.get(name) or mesh.attributes.new(name, "FLOAT", "FACE")
    here.data.foreach_set("value", np.repeat(values, len(mesh.polygons) // len(plain.polygons)))


def _check_belongs(context: bpy.types.Context, rig: Rig, keys: DenseKeys) -> None:
    if keys.model_hash != rig.model_hash or keys.joints != rig.joints:
        raise HeadError(
            f"The detail belongs to the model {keys.model} ({keys.model_hash[:8]}), but '{rig.mesh.name}' is "
            f"{rig.model} ({rig.model_hash[:8]}); choose a head of its own model."
        )
    shown = read_coefficients_of(context, rig).identity
    size = max(len(shown), len(keys.identity))
    away = np.pad(shown, (0, size - len(shown))) - np.pad(keys.identity, (0, size - len(keys.identity)))
    if np.abs(away).max(initial=0) > SAME:
        raise HeadError(
            f"'{rig.mesh.name}' has another identity than the detail was made for; apply the coefficients of the "
            "registration to it, or animate the detail for the person that it shows now."
        )


def _add_mesh(context, rig: Rig, name: str, vertices, faces, uv, regions) -> bpy.types.Object:
    """The dense head in its rest, with the plain head's UV maps, materials and place."""
    mesh = triangle_mesh(name, _rounded(vertices), faces)
    take_over(mesh, rig.mesh.data)
    layer = mesh.uv_layers.new(name=UV_LAYER, do_init=False)
    layer.uv.foreach_set("vector", np.ascontiguousarray(uv, np.float32).ravel())
    mesh.update()
    mesh.shade_smooth()
    thing = bpy.data.objects.new(name, mesh)
    for region, members in regions.items():
        thing.vertex_groups.new(name=region).add(members.tolist(), 1.0, "REPLACE")
    for collection in rig.mesh.users_collection or (context.collection,):
        collection.objects.link(thing)
    thing.parent = rig.armature
    thing.matrix_parent_inverse, thing.matrix_basis = rig.mesh.matrix_parent_inverse, rig.mesh.matrix_basis
    for other in context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    context.view_layer.objects.active = thing
    return thing


def take_over(mesh: bpy.types.Mesh, plain: bpy.types.Mesh) -> None:
    """Materials and UV maps of the plain head, whose every triangle has become 4, 16, ... of the dense one."""
    for material in plain.materials:
        mesh.materials.append(material)
    triangles, many = len(plain.polygons), len(mesh.polygons)
    levels = 0
    while triangles * 4**levels < many:
        levels += 1
    if triangles * 4**levels != many or len(plain.loops) != 3 * triangles:
        return  # the artist has changed the plain head's faces
    index = np.empty(triangles, np.int32)
    plain.polygons.foreach_get("material_index", index)
    mesh.polygons.foreach_set("material_index", np.repeat(index, 4**levels))
    for layer in plain.uv_layers:
        corners = np.empty((triangles, 3, 2), np.float32)
        layer.uv.foreach_get("vector", corners.ravel())
        for _ in range(levels):
            corners = _four(corners)
        mesh.uv_layers.new(name=layer.name, do_init=False).uv.foreach_set("vector", corners.ravel())
    if plain.uv_layers.active is not None:
        mesh.uv_layers.active = mesh.uv_layers[plain.uv_layers.active.name]


def _four(corners: np.ndarray) -> np.ndarray:
    """UVs (F, 3, 2) of triangles' corners at those of the four that each becomes (4 F, 3, 2), as subdivision has it."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    four = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.stack([np.stack(each, axis=1) for each in four], axis=1).reshape(-1, 3, 2)


def _add_expressions(thing: bpy.types.Object, rig: Rig, keys: DenseKeys) -> None:
    for offsets, place in zip(keys.expression_keys, keys.expression_places.tolist()):
        if place < len(rig.expression):  # the plain head may have fewer sliders than its model has modes
            name = rig.key(rig.expression[place]).name
            key = _add_key(thing, name, keys.basis + offsets, HARD_LIMIT)
            drive(key, "value", "a", {"a": Source(rig.keys, f'key_blocks["{escaped(name)}"].value')})


def _add_identities(thing: bpy.types.Object, rig: Rig, keys: DenseKeys) -> None:
    """Keys that are zero as long as the plain head is the person that the detail was made for."""
    for offsets, place in zip(keys.identity_keys, keys.identity_places.tolist()):
        if place < len(rig.identity):
            slider = rig.key(rig.identity[place])
            key = _add_key(thing, slider.name, keys.basis + offsets, HARD_LIMIT)
            source = Source(rig.keys, f'key_blocks["{escaped(slider.name)}"].value')
            # Every digit, so that it is zero and not nearly so: Blender passes over keys whose value is zero.
            drive(key, "value", f"a-({slider.value:.20f})", {"a": source})


def _add_correctives(thing: bpy.types.Object, rig: Rig, keys: DenseKeys) -> None:
    for offsets, (joint, row, column) in zip(keys.corrective_keys, keys.corrective_places.tolist()):
        bone = rig.bone(rig.joints[joint]).name
        key = _add_key(thing, f"{bone} R{row + 1}{column + 1}", keys.basis + offsets, 2.0)
        drive_corrective(key, rig.armature, bone, row, column)


def _add_key(thing: bpy.types.Object, name: str, points: np.ndarray, limit: float) -> bpy.types.ShapeKey:
    key = thing.shape_key_add(name=name, from_mix=False)
    key.points.foreach_set("co", _rounded(points).ravel())
    key.slider_min, key.slider_max = -limit, limit
    key.value = 0.0  # Blender 5 begins with one
    return key


def _rounded(points: np.ndarray) -> np.ndarray:
    return (np.round(np.asarray(points, np.float64) * FINEST) / FINEST).astype(np.float32)


def _add_skin(thing: bpy.types.Object, rig: Rig, keys: DenseKeys) -> None:
    for joint, weights in zip(rig.joints, np.round(keys.weights.T * FINEST_WEIGHT)):
        group = thing.vertex_groups.new(name=DEFORMING + rig.bone(joint).name)
        order = np.argsort(weights, kind="stable")
        values, starts = np.unique(weights[order], return_index=True)
        for value, members in zip(values.tolist(), np.split(order, starts[1:])):
            if value > 0:
                group.add(members.tolist(), value / FINEST_WEIGHT, "REPLACE")
    modifier = thing.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig.armature


def _beside(path: Path) -> str:
    """A file's path, relative to the .blend where there is one on the same drive."""
    if not bpy.data.filepath:
        return str(path)
    try:
        return bpy.path.relpath(str(path))
    except ValueError:
        return str(path)
