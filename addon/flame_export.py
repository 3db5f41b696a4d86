"""The posed head, frame by frame, as Alembic or USD: the mesh as it is evaluated, with the hair and detail on it.

Written by Blender's own exporters. The files hold points and no bones or shape keys, so that every program shows what
Blender shows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ..backend.errors import HeadError
from .flame_rig import Rig

SUFFIXES = (".abc", ".usdc", ".usda", ".usd")
FOLLOWING = ("MESH", "CURVES")
"""Types of objects on the head that are exported with it."""


def export_animation(context: bpy.types.Context, rig: Rig, path: Path, first: int, last: int) -> tuple[str, ...]:
    """Write the frames from ``first`` to ``last``, both included; names of the objects on the head that were hidden and
    therefore left out.

    Raises:
        HeadError: the head is hidden, the frames are none, or the file cannot be written.
    """
    if last < first:
        raise HeadError(f"The range of frames ends at {last}, before it begins at {first}.")
    if path.suffix.lower() not in SUFFIXES:
        raise HeadError(f"{path.name} is no kind of file for an animation; use one of {', '.join(SUFFIXES)}.")
    on_head = [thing for thing in rig.armature.children_recursive if thing.type in FOLLOWING]
    shown = [thing for thing in on_head if thing.visible_get(view_layer=context.view_layer)]
    # The dense head with detail is a child of the armature, too, and mostly the only one that is shown.
    if not any(thing.type == "MESH" for thing in shown):
        raise HeadError(f"The head '{rig.mesh.name}' is hidden; show it first.")
    try:
        with _only_selected(context, shown), _frames(context.scene, first, last):
            if path.suffix.lower() == ".abc":
                bpy.ops.wm.alembic_export(
                    filepath=str(path), selected=True, start=first, end=last, init_scene_frame_range=False,
                    evaluation_mode="RENDER", export_particles=False,
                )  # fmt: skip
            else:
                bpy.ops.wm.usd_export(
                    filepath=str(path), selected_objects_only=True, export_animation=True, export_hair=True,
                    export_armatures=False, export_shapekeys=False, evaluation_mode="RENDER",
                )  # fmt: skip
    except RuntimeError as error:  # what the exporters report
        raise HeadError(f"{path.name} cannot be written: {str(error).strip().removeprefix('Error: ')}") from error
    if not path.is_file():
        raise HeadError(f"{path.name} cannot be written; choose another folder.")
    return tuple(thing.name for thing in on_head if thing not in shown)


@contextmanager
def _only_selected(context: bpy.types.Context, things: list[bpy.types.Object]) -> Iterator[None]:
    before = [thing for thing in context.view_layer.objects if thing.select_get()]
    active = context.view_layer.objects.active
    try:
        for thing in before:
            thing.select_set(False)
        for thing in things:
            thing.select_set(True)
        yield
    finally:
        for thing in things:
            thing.select_set(False)
        for thing in before:
            thing.select_set(True)
        context.view_layer.objects.active = active


@contextmanager
def _frames(scene: bpy.types.Scene, first: int, last: int) -> Iterator[None]:
    before = scene.frame_start, scene.frame_end, scene.frame_current
    try:
        scene.frame_start, scene.frame_end = first, max(first, last)
        yield
    finally:
        scene.frame_start, scene.frame_end = before[:2]
        scene.frame_set(before[2])
