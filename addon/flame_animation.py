"""Motions of a face as keyframes of a FLAME head."""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Quaternion

from ..backend.errors import CoefficientError
from ..backend.formats.face_motion import FaceMotion, quaternions
from . import versions
from .flame_armature import MASTER
from .flame_pose import HARD_LIMIT, read_coefficients_of, set_identity
from .flame_rig import Rig, escaped

LINEAR = 1
"""Of F-curves' interpolation, as ``foreach_set`` takes it: there is a key at every frame."""


@dataclass(frozen=True)
class Keyed:
    """What became of a motion.

    Attributes:
        action: name of the action, where there is one for all.
        frames: how many there are.
        channels: how many F-curves there are.
        left_out: sentences about what the head cannot show.
    """

    action: str
    frames: int
    channels: int
    left_out: tuple[str, ...]


def keyframe(
    context: bpy.types.Context, rig: Rig, motion: FaceMotion, *, start: int = 1, same_model: bool = True
) -> Keyed:
    """Key a motion onto a head, at the scene's frame rate. The caller pushes the undo step.

    Args:
        start: the frame of its beginning.
        same_model: its coefficients are of the head's model; if not, only turns and translation are taken, since the
            same numbers are another face on another model.

    Raises:
        CoefficientError: the head can show nothing of it, or a value is beyond what a shape key can have.
    """
    render = context.scene.render
    motion = motion.resampled(render.fps / render.fps_base)
    left_out = []
    keys: dict[str, np.ndarray] = {}
    if same_model:
        if motion.expression.shape[1] > rig.expression_modes or len(motion.identity) > rig.identity_modes:
            raise CoefficientError(
                f"{motion.name} has {len(motion.identity)} identity and {motion.expression.shape[1]} expression "
                f"coefficients, but {rig.model} has {rig.identity_modes} and {rig.expression_modes}; "
                "it was tracked with another model."
            )
        keys = dict(zip(rig.expression, motion.expression.T))
        if unseen := motion.expression[:, len(rig.expression) :].any(axis=0).sum():
            left_out.append(f"{unseen} expression modes that the head has no slider for")
    elif motion.expression.any():
        left_out.append("expressions and identity, which mean another face on another model")
    if any(np.abs(values).max() > HARD_LIMIT for values in keys.values()):
        raise CoefficientError(f"{motion.name} has expressions beyond {HARD_LIMIT:g}, which no shape key can show.")
    turns = {joint: turn for joint, turn in motion.turns.items() if joint in rig.joints}
    left_out += [f"the {joint.replace('_', ' ')}" for joint in motion.turns if joint not in rig.joints]
    if not keys and not turns and motion.translation is None:
        raise CoefficientError(f"The head of {rig.model} can show nothing of {motion.name}.")

    if same_model and len(motion.identity):
        set_identity(rig, motion.identity, left_out)
    _widen(rig, keys)
    shapes, bones = versions.animation_channels(motion.name, [rig.keys, rig.armature])
    frames = start + np.arange(len(motion.times))
    curves = {(f'key_blocks["{escaped(name)}"].value', 0): values for name, values in keys.items()}
    count = _add_curves(shapes, "Expression", curves, frames)
    for joint, turn in turns.items():
        bone = rig.bone(joint)
        path, values = rotation_channels(bone, turn)
        path = f'pose.bones["{escaped(bone.name)}"].{path}'
        count += _add_curves(bones, bone.name, {(path, k): v for k, v in enumerate(values.T)}, frames)
    if motion.translation is not None:
        path = f'pose.bones["{MASTER}"].location'
        rig.bone(MASTER)
        count += _add_curves(bones, MASTER, {(path, k): v for k, v in enumerate(motion.translation.T)}, frames)
    context.scene.frame_set(context.scene.frame_current)
    return Keyed(motion.name, len(frames), count, tuple(left_out))


def sampled(context: bpy.types.Context, rig: Rig, first: int, last: int) -> FaceMotion:
    """What a head shows from one frame to another, both included, whatever moves it.

    Raises:
        CoefficientError: the bone of the whole head is scaled or turned, which a motion does not have.
    """
    scene = context.scene
    before, rows, turned = scene.frame_current, [], 0.0
    try:
        for frame in range(first, last + 1):
            scene.frame_set(frame)
            rows.append(read_coefficients_of(context, rig))
            turned = max(turned, rig.bone(MASTER).matrix_basis.to_quaternion().to_exponential_map().length)
    finally:
        scene.frame_set(before)
    if any(abs(row.scale - 1) > 1e-4 for row in rows):
        raise CoefficientError(f"The bone '{MASTER}' is scaled; scale the armature object in its place.")
    if turned > 1e-4:
        raise CoefficientError(f"The bone '{MASTER}' is turned; turn the bone '{rig.joints[0]}' in its place.")
    pose = np.stack([row.pose for row in rows])
    return FaceMotion(
        rig.mesh.name,
        np.arange(len(rows)) * scene.render.fps_base / scene.render.fps,
        rows[0].identity,
        np.stack([row.expression for row in rows]),
        {joint: quaternions(pose[:, j]) for j, joint in enumerate(rig.joints)},
        np.stack([row.translation for row in rows]),
        rig.model,
        rig.model_hash,
    )


def _widen(rig: Rig, keys: dict[str, np.ndarray]) -> None:
    for name, values in keys.items():
        key, reach = rig.key(name), float(np.ceil(np.abs(values).max()))
        key.slider_min, key.slider_max = min(key.slider_min, -reach), max(key.slider_max, reach)


def rotation_channels(bone: bpy.types.PoseBone, turns: np.ndarray) -> tuple[str, np.ndarray]:
    """Unit quaternions (N, 4) as the property that a bone's rotation mode uses, and its values (N, 3 or 4)."""
    if bone.rotation_mode == "QUATERNION":
        return "rotation_quaternion", turns
    if bone.rotation_mode == "AXIS_ANGLE":
        found = (Quaternion(turn).to_axis_angle() for turn in turns)
        return "rotation_axis_angle", np.array([(angle, *axis) for axis, angle in found])
    angles = Quaternion(turns[0]).to_euler(bone.rotation_mode)
    values = []
    for turn in turns:
        angles = Quaternion(turn).to_euler(bone.rotation_mode, angles)  # those next to the ones before
        values.append(tuple(angles))
    return "rotation_euler", np.array(values)


def _add_curves(channels, group: str, curves: dict[tuple[str, int], np.ndarray], frames: np.ndarray) -> int:
    """F-curves of (path, index) → a value for each frame, in a group; how many."""
    if not curves:
        return 0
    group = channels.groups.new(group)
    points = np.empty((len(frames), 2), np.float32)
    points[:, 0] = frames
    linear = np.full(len(frames), LINEAR, np.int32)
    for (path, index), values in curves.items():
        curve = channels.fcurves.new(path, index=index)
        curve.group = group
        curve.keyframe_points.add(len(frames))
        points[:, 1] = values
        curve.keyframe_points.foreach_set("co", points.ravel())
        curve.keyframe_points.foreach_set("interpolation", linear)
        curve.update()
    return len(curves)
