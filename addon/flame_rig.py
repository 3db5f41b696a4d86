"""A FLAME head in the scene: mesh, shape keys and bones that are the model, number by number.

For any coefficients Blender's evaluated mesh is FLAME's equation 1, which tests measure: shape keys are
T_P(beta, theta, psi), the bones are J and W. The artist moves sliders and bones; nothing is ever rebuilt.
"""

import json
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..backend.errors import HeadError
from ..backend.formats.flame_model import FlameModel, z_up
from ..backend.formats.head import Head
from .flame_armature import DEFORMING, add_armature, drive_corrective, drive_joints
from .flame_drivers import Source
from .heads import add_head

ABOUT = "maquette_flame"
"""Custom property of the mesh object, JSON: the model's name and hash, and the names of keys and joints."""
BUILT_IN = "built-in"
"""What a head of the built-in model has for its file: the extension's own place changes with Blender's version."""
IDENTITY_KEYS = 20
LIMIT = 5.0
"""Standard deviations that sliders reach."""


@dataclass(frozen=True, eq=False)
class Rig:
    """A FLAME head that is in the scene.

    Attributes:
        mesh, armature: its two objects.
        model, model_hash: the name and hash of the model that it shows.
        identity, expression: names of shape keys, in the model's order; the model may have more modes.
        identity_modes, expression_modes: how many modes the model has.
        joints: names of the joints and of the bones to turn, in the model's order.
        file: where the model came from, ``BUILT_IN``, or empty.
    """

    mesh: bpy.types.Object
    armature: bpy.types.Object
    model: str
    model_hash: str
    identity: tuple[str, ...]
    expression: tuple[str, ...]
    identity_modes: int
    expression_modes: int
    joints: tuple[str, ...]
    file: str = ""

    @property
    def keys(self) -> bpy.types.Key:
        return self.mesh.data.shape_keys

    def key(self, name: str) -> bpy.types.ShapeKey:
        """A shape key by its name. Raises HeadError where it was renamed or removed."""
        found = self.keys.key_blocks.get(name) if self.keys else None
        if found is None:
            raise HeadError(f"The head '{self.mesh.name}' has lost its shape key '{name}'; add the head again.")
        return found

    def bone(self, name: str) -> bpy.types.PoseBone:
        """A bone by its name. Raises HeadError where it was renamed or removed."""
        found = self.armature.pose.bones.get(name)
        if found is None:
            raise HeadError(f"The armature '{self.armature.name}' has lost its bone '{name}'; add the head again.")
        return found


def rig_of(thing: bpy.types.Object | None) -> Rig | None:
    """The FLAME head that an object is a part of: its mesh, its armature, or hair that grows on it."""
    while thing is not None:
        meshes = [thing, *thing.children] if thing.type == "ARMATURE" else [thing]
        for mesh in meshes:
            if mesh.type == "MESH" and mesh.get(ABOUT):
                return _rig(mesh)
        thing = thing.parent
    return None


def current_rig(context: bpy.types.Context) -> Rig | None:
    """The FLAME head that a panel is about: the active object's, else the scene's head's."""
    return rig_of(context.active_object) or rig_of(context.scene.maquette.head)


def _rig(mesh: bpy.types.Object) -> Rig | None:
    armature = next((m.object for m in mesh.modifiers if m.type == "ARMATURE" and m.object), None)
    try:
        about = json.loads(mesh[ABOUT])
        names = {part: tuple(map(str, about[part])) for part in ("identity", "expression", "joints")}
        modes = {part: int(about[part]) for part in ("identity_modes", "expression_modes")}
        parts = {part: str(about[part]) for part in ("model", "model_hash", "file")}
    except (ValueError, KeyError, TypeError):
        return None  # somebody else's property under our name
    return None if armature is None else Rig(mesh, armature, **names, **modes, **parts)


def add_flame_head(
    context: bpy.types.Context,
    model: FlameModel,
    *,
    identity_keys: int = IDENTITY_KEYS,
    expression_keys: int | None = None,
    name: str | None = None,
    file: str = "",
) -> Rig:
    """Put a model in the scene, at the world's origin, and select its mesh. The caller pushes the undo step.

    Args:
        model: from ``read_flame_model``.
        identity_keys: modes of identity that get a slider, the first ones.
        expression_keys: modes of expression that do; None for all.
        name: of the mesh object; the model's without it.
        file: where the model came from, for what is to be had from it later.
    """
    identity = model.identity[:, :, :identity_keys]
    expression = model.expression[:, :, :expression_keys]
    armature = add_armature(context, model, f"{name or model.name} Rig")
    mesh = add_head(context, _head(model), name=name or model.name)
    mesh.shape_key_add(name="Basis", from_mix=False)
    names = {
        "identity": _add_keys(mesh, model, identity, model.identity_names),
        "expression": _add_keys(mesh, model, expression, model.expression_names),
    }
    rig = Rig(
        mesh, armature, model.name, model.hash, **names,
        identity_modes=model.identity.shape[2], expression_modes=model.expression.shape[2], joints=model.joint_names,
        file=file,
    )  # fmt: skip
    mesh[ABOUT] = json.dumps({part: getattr(rig, part) for part in rig.__dataclass_fields__ if part not in _OBJECTS})
    _add_correctives(rig, model)
    sources = key_sources(rig, rig.identity + rig.expression)
    drive_joints(armature, model, np.concatenate([identity, expression], axis=2), sources)
    _skin(rig, model)
    return rig


_OBJECTS = ("mesh", "armature")


def _head(model: FlameModel) -> Head:
    """The model's mesh; where no mask says which vertices are the eyeballs, its skin weights do."""
    head = model.head()
    if "eyes" in head.regions:
        return head
    eyes = [j for name, j in model.joint.items() if name.endswith("_eye")]
    balls = np.flatnonzero(model.weights[:, eyes].sum(axis=1) > 0.99) if eyes else np.zeros(0, np.int32)
    return replace(head, regions=head.regions | {"eyes": balls.astype(np.int32)}) if len(balls) else head


def _add_keys(mesh: bpy.types.Object, model: FlameModel, modes: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    """A shape key for each of K modes (V, 3, K); the names that Blender gave them."""
    added = []
    for k in range(modes.shape[2]):
        key = _add_key(mesh, model, modes[:, :, k], names[k], LIMIT)
        added.append(key.name)
    return tuple(added)


def _add_key(
    mesh: bpy.types.Object, model: FlameModel, mode: np.ndarray, name: str, limit: float
) -> bpy.types.ShapeKey:
    key = mesh.shape_key_add(name=name, from_mix=False)
    key.points.foreach_set("co", z_up(model.template + mode).ravel())
    key.slider_min, key.slider_max = -limit, limit
    key.value = 0.0  # Blender 5 begins with one
    return key


def _add_correctives(rig: Rig, model: FlameModel) -> None:
    for place in range(model.pose_correctives.shape[2]):
        joint, row, column = rig.joints[1 + place // 9], place // 3 % 3, place % 3
        mode = model.pose_correctives[:, :, place]
        if not mode.any():
            continue
        key = _add_key(rig.mesh, model, mode, f"{joint} R{row + 1}{column + 1}", 2.0)
        drive_corrective(key, rig.armature, joint, row, column)


def _skin(rig: Rig, model: FlameModel) -> None:
    for j, joint in enumerate(rig.joints):
        group = rig.mesh.vertex_groups.new(name=DEFORMING + joint)
        weights = model.weights[:, j]
        # Vertices of one weight are added together, which for a head's many whole weights saves most calls.
        values, which = np.unique(weights, return_inverse=True)
        order = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which, minlength=len(values)))
        for value, start, stop in zip(values.tolist(), np.concatenate([[0], ends[:-1]]), ends):
            if value > 0:
                group.add(order[start:stop].tolist(), value, "REPLACE")
    modifier = rig.mesh.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig.armature
    rig.mesh.parent = rig.armature


def key_sources(rig: Rig, names: tuple[str, ...]) -> list[Source]:
    """The values of shape keys, for drivers to read."""
    return [Source(rig.keys, f'key_blocks["{escaped(name)}"].value') for name in names]


def escaped(name: str) -> str:
    """A name as it stands between the quotes of a data path."""
    return bpy.utils.escape_identifier(name)
