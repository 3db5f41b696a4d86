"""A head from any file that an artist has one in: our models by our own reader, meshes by Blender's importers."""

from pathlib import Path

import bpy

from ..backend.formats.head import read_head
from .ground_truth.files import Files
from .ground_truth.from_files import head_object
from .heads import HEAD_ROLE, add_head, head_from_object


def add_head_file(context: bpy.types.Context, path: Path, unit: str, up: str) -> bpy.types.Object:
    """Add the head of a file to the scene and select it: in metres, Z up, with the object at the world's origin and a
    mesh file's own materials. The caller pushes the undo step.

    Args:
        unit, up: of the file, as for ``read_head``.

    Raises:
        HeadError: it cannot be read, or is no usable head; the scene is then as it was.
    """
    if path.suffix.lower() == ".npz":
        return add_head(context, read_head(path, unit=unit, up=up), name=path.stem)
    before = set(bpy.data.objects)
    try:
        head = _imported(path, unit, up)
    except BaseException:
        for thing in set(bpy.data.objects) - before:
            bpy.data.objects.remove(thing)
        raise
    head.name = head.data.name = path.stem
    head["maquette_role"] = HEAD_ROLE
    for other in context.selected_objects:
        other.select_set(False)
    head.select_set(True)
    context.view_layer.objects.active = head
    return head


def _imported(path: Path, unit: str, up: str) -> bpy.types.Object:
    head = head_object(Files(None, path, unit, up))
    if head.data.users > 1:
        head.data = head.data.copy()
    # As the importer laid it, so that the artist finds the object where any head stands: unscaled, at the origin.
    head.data.transform(head.matrix_world, shape_keys=True)
    head.matrix_world.identity()
    bpy.context.view_layer.update()
    head_from_object(head)
    return head
