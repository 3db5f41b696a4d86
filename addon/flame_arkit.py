"""ARKit's 52 weights on a FLAME head: what each is on its model, and a slider for each that the model can show.

A slider adds its row of the table to the expression sliders and to the bones, so that it can be mixed with them, and
what is keyed and saved are the model's own coefficients.
"""

import json
from pathlib import Path

import bpy
import numpy as np
from mathutils import Quaternion, Vector

from ..backend.errors import CoefficientError, MaquetteError
from ..backend.formats.arkit import (
    NAMES,
    PLACES,
    ArkitTable,
    place_of,
    read_table,
    table_beside,
    table_from_rows,
    turning_rows,
    write_table,
)
from ..backend.formats.flame_model import FlameModel
from . import job_places, jobs
from .flame_pose import HARD_LIMIT
from .flame_rig import Rig, rig_of

TABLE = "maquette_arkit_table"
"""Custom property of the mesh object, JSON: ARKit name → expression coefficients and turns, those that are not zero."""


def table_for(model: FlameModel, file: Path | None = None) -> ArkitTable:
    """The table that lies beside a model's file or was fitted for it; else what the model says of itself: turns of jaw
    and eyes, and modes that bear ARKit's names."""
    for place in (None if file is None else table_beside(file), _fitted_place(model.hash)):
        if place is not None and place.is_file():
            try:
                return read_table(place).applied_to(model)
            except CoefficientError:
                continue  # another model's, or damaged: the head comes without it
    named = {NAMES[place]: mode for mode in model.expression_names if (place := place_of(mode)) is not None}
    return table_from_rows(model, {name: {mode: 1.0} for name, mode in named.items()}, turning_rows(model))


def _fitted_place(model_hash: str) -> Path:
    """Where the table that was fitted for a model is kept, for the next head of it."""
    return job_places.arkit_tables() / f"{model_hash}.npz"


@jobs.on_result("fit-arkit")
def bring_in_table(job, result: dict) -> None:
    """The fitted table, for every head of its model in the scene, and for those to come."""
    table = read_table(job.folder / result["table"])
    kept = _fitted_place(table.model_hash)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_table(kept, table)
    except OSError:
        pass  # it stays in the job's folder, from where it can be loaded
    for thing in bpy.context.scene.objects:
        rig = rig_of(thing) if thing.type == "MESH" else None
        if rig is not None and rig.mesh == thing and rig.model_hash == table.model_hash:
            set_table(rig, table)


def set_table(rig: Rig, table: ArkitTable) -> None:
    """Give a head a table, and a slider for each weight that it supports.

    Raises:
        CoefficientError: it belongs to another model.
    """
    if table.model_hash != rig.model_hash:
        raise CoefficientError(
            f"This ARKit table belongs to the model {table.model} ({table.model_hash[:8]}), but the head is "
            f"{rig.model} ({rig.model_hash[:8]}); fit a table for it."
        )
    rows = {}
    for place in np.flatnonzero(table.supported).tolist():
        modes, joints = np.flatnonzero(table.expression[place]), np.flatnonzero(table.pose[place].any(axis=1))
        rows[NAMES[place]] = {
            "expression": [[int(k), float(table.expression[place, k])] for k in modes],
            "pose": [[int(j), *table.pose[place, j].tolist()] for j in joints],
        }
    rig.mesh[TABLE] = json.dumps(rows)
    sliders = rig.mesh.maquette_arkit
    sliders.clear()
    for name in rows:
        sliders.add().name = name


def table_of(rig: Rig) -> ArkitTable:
    """The table that a head has. Raises CoefficientError where it has none."""
    expression = np.zeros((len(NAMES), rig.expression_modes))
    pose, supported = np.zeros((len(NAMES), len(rig.joints), 3)), np.zeros(len(NAMES), bool)
    try:
        for name, row in json.loads(rig.mesh[TABLE]).items():
            place = PLACES[name]
            supported[place] = True
            for k, amount in row["expression"]:
                expression[place, k] = amount
            for j, *turn in row["pose"]:
                pose[place, j] = turn
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise CoefficientError(f"The head '{rig.mesh.name}' has no ARKit table; load one for its model.") from error
    return ArkitTable(rig.model, rig.model_hash, expression, pose, supported)


def release_sliders(rig: Rig) -> None:
    """Set the ARKit sliders to zero and leave the head as it is."""
    for slider in rig.mesh.maquette_arkit:
        slider.applied = 0.0
        slider.value = 0.0


def _moved(slider: "MaquetteArkitWeight", _context) -> None:
    """A slider was moved: add what it has gained to the model's own sliders and bones."""
    gained = slider.value - slider.applied
    rig = rig_of(slider.id_data)
    if rig is None or gained == 0:
        return
    try:
        row = json.loads(rig.mesh[TABLE])[slider.name]
        for k, amount in row["expression"]:
            if k < len(rig.expression):
                key = rig.key(rig.expression[k])
                key.value = float(np.clip(key.value + gained * amount, -HARD_LIMIT, HARD_LIMIT))
        for j, *turn in row["pose"]:
            bone = rig.bone(rig.joints[j])
            place, before, size = bone.matrix_basis.decompose()
            now = before.to_exponential_map() + gained * Vector(turn)
            bone.matrix_basis = bone.matrix_basis.LocRotScale(place, Quaternion(now), size)
    except (KeyError, ValueError, TypeError, MaquetteError):
        return  # an update has nobody to tell; the panel shows what is missing
    slider.applied = slider.value


class MaquetteArkitWeight(bpy.types.PropertyGroup):
    """One of ARKit's weights on one head."""

    value: bpy.props.FloatProperty(
        name="Weight",
        description="Adds this ARKit shape to the head's own sliders and bones",
        default=0.0, soft_min=0.0, soft_max=1.0, min=-1.0, max=2.0, update=_moved, options=set(),
    )  # fmt: skip
    applied: bpy.props.FloatProperty(options={"HIDDEN"})


classes = (MaquetteArkitWeight,)


def register():
    bpy.types.Object.maquette_arkit = bpy.props.CollectionProperty(type=MaquetteArkitWeight)


def unregister():
    del bpy.types.Object.maquette_arkit
