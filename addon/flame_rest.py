"""Modes of identity that a FLAME head has no slider for, together as one shape key.

A tracker's identity has some hundred numbers, a head's sliders are the first few: the rest is one face more that is
added, so that the head is the tracked person's. Its shape and its joints come from the model's file.
"""

from pathlib import Path

import bpy
import numpy as np

from ..backend.errors import HeadError
from ..backend.formats.flame_files import read_flame_model
from ..backend.formats.flame_model import FlameModel, z_up
from ..backend.formats.head import BUILT_IN_HEAD
from .flame_armature import drive_joints, undrive_joints
from .flame_rig import BUILT_IN, Rig, key_sources

REST = "identity rest"
"""The shape key; and, as a custom property of the mesh object, its coefficients, from the first without a slider on."""


def rest_of(rig: Rig) -> np.ndarray:
    """Coefficients (K,) of the modes after the sliders' that the head shows."""
    key = rig.keys.key_blocks.get(REST)
    values = np.array(rig.mesh.get(REST, ()), np.float64)
    return values * key.value if key is not None else np.zeros(0)


def clear_rest(rig: Rig) -> None:
    """Show none of the modes without a slider."""
    key = rig.keys.key_blocks.get(REST)
    if key is not None:
        key.value = 0.0


def show_rest(rig: Rig, identity: np.ndarray) -> str:
    """Show what of an identity (K,) the sliders do not; a few words about it where that cannot be, else nothing."""
    rest = np.trim_zeros(np.asarray(identity, np.float64)[len(rig.identity) :], "b")
    clear_rest(rig)
    if not len(rest):
        return ""
    try:
        model = _model(rig)
    except HeadError:
        return f"{np.count_nonzero(rest)} identity modes that the head has no slider for, as its model file is gone"
    first = len(rig.identity)
    mode = model.identity[:, :, first : first + len(rest)].astype(np.float64) @ rest
    _set_key(rig, model, mode)
    rig.mesh[REST] = rest.tolist()
    undrive_joints(rig.armature)
    modes = [model.identity[:, :, :first], model.expression[:, :, : len(rig.expression)], mode[:, :, None]]
    drive_joints(
        rig.armature, model, np.concatenate(modes, axis=2), key_sources(rig, (*rig.identity, *rig.expression, REST))
    )
    return ""


def _set_key(rig: Rig, model: FlameModel, mode: np.ndarray) -> None:
    key = rig.keys.key_blocks.get(REST) or rig.mesh.shape_key_add(name=REST, from_mix=False)
    key.points.foreach_set("co", z_up(model.template + mode).astype(np.float32).ravel())
    key.slider_min, key.slider_max, key.value = 0.0, 1.0, 1.0
    rig.mesh.data.update()


def _model(rig: Rig) -> FlameModel:
    """The head's model, from the file that it came from. Raises HeadError where that is gone or another's now."""
    path = BUILT_IN_HEAD if rig.file == BUILT_IN else Path(bpy.path.abspath(rig.file))
    model = read_flame_model(path, extras=())
    if model.hash != rig.model_hash:
        raise HeadError(f"{rig.file} is another model than that of '{rig.mesh.name}' now.")
    return model
