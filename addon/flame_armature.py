"""The bones of a FLAME head, which move with its shape keys without a rebuild.

FLAME's joints J are regressed from the shaped head, but Blender's rest bones cannot be driven. So each joint has three
bones that rest at J0, the joint of the template: a locator, which drivers move by J - J0 (against its parent's); its
child, which the artist turns; and that one's child, which is moved back by J - J0 and deforms. With R the turns and
T(x) a shift by x, the last one's skinning matrix is T(..) R T(J0 - J) T(-J0) = T(..) R T(-J): FLAME's.

Every bone points up and has the model's own axes (Y up, looking along +Z), so that what a tracker calls a rotation is
the bone's rotation, number by number.
"""

from typing import NamedTuple

import bpy
import numpy as np
from mathutils import Vector

from ..backend.formats.flame_model import FlameModel, z_up
from .flame_drivers import QUATERNION, ROTATION_LESS_ONE, Source, Turn, drive, drive_difference, parts_of_sums

MASTER = "master"
"""The bone at the model's origin that holds translation and scale."""
LOCATOR, DEFORMING = "MCH-", "DEF-"
"""Before a joint's name, as riggers name mechanism and deforming bones; the bone to turn has the joint's own name."""
SHIFT = "joint shift"
"""Custom properties of the armature object: J - J0 in micrometres, in parts, in the model's own frame."""
MICROMETRES = 1e6


class Joints(NamedTuple):
    """Where a model's joints are.

    Attributes:
        rest: (J, 3) metres, of the template, in the model's own frame.
        moves: (J, 3, K) metres a unit of each of K shape modes.
    """

    rest: np.ndarray
    moves: np.ndarray


def joints_of(model: FlameModel, modes: np.ndarray) -> Joints:
    """A model's joints, and how shape modes (V, 3, K) move them."""
    regressor = model.joint_regressor.astype(np.float64)
    return Joints(regressor @ model.template, np.einsum("jv,vck->jck", regressor, modes.astype(np.float64)))


def add_armature(context: bpy.types.Context, model: FlameModel, name: str) -> bpy.types.Object:
    """An armature object with a model's bones, not driven yet. Leaves it active, in object mode."""
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    context.collection.objects.link(armature)
    context.view_layer.objects.active = armature
    rest = z_up(joints_of(model, model.identity[:, :, :0]).rest)
    length = float(np.ptp(model.template, axis=0).max()) / 8
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        _add_bone(data, MASTER, np.zeros(3), length * 2, None)
        for j, joint in enumerate(model.joint_names):
            parent = MASTER if model.parents[j] < 0 else model.joint_names[model.parents[j]]
            _add_bone(data, LOCATOR + joint, rest[j], length / 2, parent)
            _add_bone(data, joint, rest[j], length, LOCATOR + joint)
            _add_bone(data, DEFORMING + joint, rest[j], length / 2, joint)
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
    controls, mechanism = data.collections.new("Controls"), data.collections.new("Mechanism")
    mechanism.is_visible = False
    for bone in data.bones:
        bone.use_deform = bone.name.startswith(DEFORMING)
        (mechanism if bone.name.startswith((LOCATOR, DEFORMING)) else controls).assign(bone)
    for bone in armature.pose.bones:
        # The whole head may be turned any way round; joints turn little, and people read angles.
        turns_far = bone.name in (MASTER, model.joint_names[0])
        bone.rotation_mode = "QUATERNION" if turns_far else "XYZ"
    data.display_type = "STICK"
    armature.show_in_front = True
    return armature


def _add_bone(data: bpy.types.Armature, name: str, head: np.ndarray, length: float, parent: str | None) -> None:
    bone = data.edit_bones.new(name)
    bone.head = Vector(head)
    bone.tail = Vector(head) + Vector((0, 0, length))
    bone.align_roll(Vector((0, -1, 0)))  # the model looks along its +Z, Blender's -Y
    bone.parent = data.edit_bones[parent] if parent else None


def drive_joints(armature: bpy.types.Object, model: FlameModel, modes: np.ndarray, sources: list[Source]) -> None:
    """Have the joints move with shape modes (V, 3, K), whose coefficients are the K sources."""
    moves = joints_of(model, modes).moves
    parts = parts_of_sums(armature, SHIFT, moves.reshape(-1, moves.shape[2]) * MICROMETRES, sources)
    bones = armature.pose.bones
    for j, joint in enumerate(model.joint_names):
        parent = int(model.parents[j])
        for axis in range(3):
            own = parts[3 * j + axis]
            before = parts[3 * parent + axis] if parent >= 0 else []
            drive_difference(bones[LOCATOR + joint], "location", axis, own, before, 1 / MICROMETRES)
            drive_difference(bones[DEFORMING + joint], "location", axis, [], own, 1 / MICROMETRES)


def undrive_joints(armature: bpy.types.Object) -> None:
    """Take back what ``drive_joints`` did."""
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    for bone in armature.pose.bones:
        if bone.name.startswith((LOCATOR, DEFORMING)):
            bone.driver_remove("location")
            bone.location = (0.0, 0.0, 0.0)
    for curve in [d for d in drivers if d.data_path.startswith(f'["{SHIFT} ')]:
        drivers.remove(curve)
    properties = list(armature.keys())
    for name in properties:
        if name.startswith(f"{SHIFT} "):
            del armature[name]


def drive_corrective(key: bpy.types.ShapeKey, armature: bpy.types.Object, joint: str, row: int, column: int) -> None:
    """Have a shape key's value be one number of R - 1 of a joint's turn."""
    expression = ROTATION_LESS_ONE[row][column]
    variables = {c[-1].lower(): Turn(armature, joint, c) for c in QUATERNION}
    drive(key, "value", expression, {letter: turn for letter, turn in variables.items() if letter in expression})
