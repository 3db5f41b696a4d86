"""A subject from files, for renders without a scene."""

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from mathutils.kdtree import KDTree

from ...backend.contract import UNITS
from ...backend.errors import CaptureError, HeadError
from ...backend.formats.head import BUILT_IN_HEAD, GLTF_SUFFIXES, read_head
from ...backend.formats.strand_files import read_strands
from ...backend.formats.strands import Strands
from ..hair_material import BROWN, COLOUR_ATTRIBUTE, hair_material
from ..heads import add_head
from ..strands_scene import curves_from_strands
from .files import Files

_COVERING = 50_000
"""Strands whose radius is HAIR_RADIUS; fewer are made thicker, so that the same scalp is covered."""

HAIR_RADIUS = 0.00013
"""Metres at the root. Thicker than a hair (0.03 to 0.05 mm), because grooms have half as many as heads do."""

TIP_SHARE = 0.4
"""Of the root's radius, at the tip."""

_STRAND_SPREAD, _CLUMP_SPREAD = 0.45, 0.45
"""Standard deviations of the log of brightness, of a strand in its clump and of a clump: hair is told apart by eye
because its strands differ, and lie together in wisps that shade each other."""

_STRANDS_IN_CLUMP = 8


def load_subject(
    files: Files, seed: int, warn: Callable[[str], None]
) -> tuple[list[bpy.types.Object], bpy.types.Object | None]:
    """Hair objects and a head object from files, in the current scene, in metres and Z up.

    Args:
        warn: takes a sentence about what the files hold that cannot be used.

    Raises:
        CaptureError, StrandFileError, HeadError.
    """
    if files.strands is None and files.head is None:
        raise CaptureError("There is nothing to render; give a file of strands, a head, or both.")
    hair = []
    if files.strands is not None:
        strands = read_strands(files.strands, unit=files.unit, up=files.up, warn=warn)
        hair.append(hair_object(strands, files.hair_colour or BROWN, seed))
    return hair, head_object(files) if files.head is not None else None


def hair_object(strands: Strands, colour: tuple[float, float, float], seed: int) -> bpy.types.Object:
    """Curves of Principled Hair, each strand with a shade of its own.

    Args:
        colour: (3,) linear Rec. 709, the middle of the strands' colours.
    """
    data = curves_from_strands(strands, "Hair")
    thickness = HAIR_RADIUS * float(np.clip((_COVERING / len(strands)) ** 0.5, 0.6, 2.5))
    starts = np.repeat(strands.offsets[:-1], strands.counts)
    along = (np.arange(len(strands.points)) - starts) / np.repeat(strands.counts - 1, strands.counts)
    radius = data.attributes.get("radius") or data.attributes.new("radius", "FLOAT", "POINT")
    radius.data.foreach_set("value", (thickness * (1 - (1 - TIP_SHARE) * along)).astype(np.float32))
    colours = np.pad(_strand_colours(strands, colour, seed), ((0, 0), (0, 1)), constant_values=1.0)
    attribute = data.attributes.new(COLOUR_ATTRIBUTE, "FLOAT_COLOR", "CURVE")
    attribute.data.foreach_set("color", colours.astype(np.float32).ravel())
    data.materials.append(hair_material("Hair", colour, from_strands=True))
    thing = bpy.data.objects.new("Hair", data)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def _strand_colours(strands: Strands, colour: tuple[float, float, float], seed: int) -> np.ndarray:
    """(N, 3) linear colours around one, like within a clump of neighbouring roots and a little redder or duller."""
    random = np.random.default_rng(seed)
    roots = strands.roots
    clumps = random.choice(len(roots), max(1, len(roots) // _STRANDS_IN_CLUMP), replace=False)
    tree = KDTree(len(clumps))
    for number, root in enumerate(roots[clumps].tolist()):
        tree.insert(root, number)
    tree.balance()
    clump = np.array([tree.find(root)[1] for root in roots.tolist()])
    shade = random.normal(0.0, _CLUMP_SPREAD, len(clumps))[clump] + random.normal(0.0, _STRAND_SPREAD, len(roots))
    tint = random.normal(0.0, 0.06, (len(roots), 3))
    return np.array(colour) * np.exp(shade[:, None] + tint)


def head_object(files: Files) -> bpy.types.Object:
    """A head from a head model, or from a mesh file with its own materials and image textures.

    Unit and up axis are those of ``files``, except of a glTF file and of a head model, which say theirs themselves.
    """
    path = BUILT_IN_HEAD if str(files.head) == "built-in" else files.head
    if path.suffix.lower() == ".npz":
        return add_head(bpy.context, read_head(path, unit=files.unit, up=files.up), name="Head")
    if not path.is_file():
        raise HeadError(f"There is no head file at {path}.")
    before = set(bpy.data.objects)
    _import_mesh(path, files.up)
    meshes = [thing for thing in set(bpy.data.objects) - before if thing.type == "MESH"]
    if not meshes:
        raise HeadError(f"{path.name} holds no mesh.")
    head = _joined(sorted(meshes, key=lambda thing: thing.name))
    for other in set(bpy.data.objects) - before - {head}:
        bpy.data.objects.remove(other)
    if path.suffix.lower() not in GLTF_SUFFIXES:
        head.matrix_world = Matrix.Scale(UNITS[files.unit], 4) @ head.matrix_world
    head.name = "Head"
    if not head.data.materials:
        from ..skin_material import skin_material

        head.data.materials.append(skin_material())
    bpy.context.view_layer.update()
    return head


def _import_mesh(path: Path, up: str) -> None:
    forward = {"Z": "Y", "Y": "NEGATIVE_Z"}[up]
    axes = {"up_axis": up, "forward_axis": forward}
    suffix = path.suffix.lower()
    try:
        if suffix == ".obj":
            bpy.ops.wm.obj_import(filepath=str(path), **axes)
        elif suffix == ".ply":
            bpy.ops.wm.ply_import(filepath=str(path), **axes)
        elif suffix == ".stl":
            bpy.ops.wm.stl_import(filepath=str(path), **axes)
        elif suffix in GLTF_SUFFIXES:
            bpy.ops.import_scene.gltf(filepath=str(path))  # always Y up and in metres, by its specification
        else:
            raise HeadError(f"{path.name} is no kind of head that is read; use .npz, .obj, .ply, .stl or .glb.")
    except AttributeError:  # Blender's words for an operator that is not there
        raise HeadError("Blender's glTF importer is switched off; enable its add-on in the preferences.") from None
    except RuntimeError as error:
        raise HeadError(f"{path.name} cannot be read as a mesh: {str(error).strip()}") from error


def _joined(meshes: list[bpy.types.Object]) -> bpy.types.Object:
    for thing in meshes:
        world = thing.matrix_world.copy()
        thing.parent, thing.matrix_world = None, world
    if len(meshes) > 1:
        with bpy.context.temp_override(active_object=meshes[0], selected_editable_objects=meshes, object=meshes[0]):
            bpy.ops.object.join()
    return meshes[0]
