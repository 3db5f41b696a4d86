"""What the jobs of detail are given, written into their folders."""

from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

from ..backend.errors import HeadError
from ..backend.formats.coefficients import write_coefficients
from ..backend.formats.dense_mesh import write_dense_mesh
from ..backend.formats.face_motion import write_face_motion
from . import detail_layouts, detail_maps, detail_rig
from .detail_meshes import SceneDetail, read_detail_mesh
from .flame_pose import read_coefficients_of
from .flame_rig import BUILT_IN, Rig
from .visibility import evaluable


def model_of(rig: Rig) -> str:
    """The model of a head as a request names it. Raises HeadError where nobody knows its file."""
    if rig.file == BUILT_IN:
        return BUILT_IN
    path = Path(bpy.path.abspath(rig.file))
    if not rig.file or not path.is_file():
        raise HeadError(f"The model file of '{rig.mesh.name}' is gone; add the head from its file again.")
    return str(path)


def write_head(context: bpy.types.Context, rig: Rig, folder: Path) -> Path:
    """What a head shows now, where its armature stands: without the translation and scale that it has there."""
    with evaluable(rig.armature, rig.mesh):
        shown = read_coefficients_of(context, rig)
    write_coefficients(folder / "coefficients.npz", replace(shown, translation=np.zeros(3), scale=1.0))
    return folder / "coefficients.npz"


def write_motion(context: bpy.types.Context, rig: Rig, folder: Path) -> Path:
    """What a head shows in the scene's frames."""
    scene = context.scene
    with evaluable(rig.armature, rig.mesh):
        motion = detail_rig.scene_parameters(context, rig, scene.frame_start, scene.frame_end)
    write_face_motion(folder / "motion.npz", motion)
    return folder / "motion.npz"


def write_wearer(context: bpy.types.Context, rig: Rig, image: bpy.types.Image, folder: Path) -> dict:
    """The settings ``model``, ``coefficients`` and ``layout`` of a job that puts a map on a head as it is now.

    Raises:
        HeadError: the model's file is gone, or the layout that the map was baked in.
    """
    layout = write_layout_of(image, folder)
    return {"model": model_of(rig), "coefficients": write_head(context, rig, folder), "layout": layout}


def write_sculpted(detail: SceneDetail, folder: Path) -> tuple[Path, Path]:
    """A dense head as it is now, and the coefficients of the head below it."""
    write_dense_mesh(folder / "sculpted.npz", read_detail_mesh(detail))
    write_coefficients(folder / "coefficients.npz", detail.coefficients)
    return folder / "sculpted.npz", folder / "coefficients.npz"


def write_map(image: bpy.types.Image, folder: Path) -> Path:
    """A map as it is now, painted on or not, under its own name, which sentences of the job will use. Raises
    HeadError."""
    kept = detail_maps.facts_of(image).get("stored_range") is None
    name = bpy.path.clean_name(image.name, replace=" ").strip() or "map"
    while (path := folder / f"{name}{'.exr' if kept else '.png'}").exists():
        name += "-"
    detail_maps.save_map(image, path)
    return path


def write_layout_of(image: bpy.types.Image, folder: Path) -> Path | None:
    """The layout that an artist marked and a map was baked in; None for a map in the model's own."""
    return detail_layouts.write(image, folder / "layout.npz")


def write_marked_layout(context: bpy.types.Context, model_hash: str, folder: Path) -> Path:
    """The layout by the seam that was marked on a head of a model. Raises HeadError where there is none."""
    return detail_layouts.write(detail_layouts.head_with_layout(context, model_hash), folder / "layout.npz")


def check_fits(image: bpy.types.Image, model: str, model_hash: str) -> None:
    """Raise HeadError where a map is another model's."""
    facts = detail_maps.facts_of(image)
    if facts.get("model_hash") and facts["model_hash"] != model_hash:
        raise HeadError(
            f"'{image.name}' was made for the model {facts.get('model')}, but the head is of {model}; choose a head of"
            " the map's own model."
        )
