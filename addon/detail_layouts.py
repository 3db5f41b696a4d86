"""UV layouts by a seam that the artist marked, kept with the head and with the maps that are baked in them."""

import tempfile
from pathlib import Path

import bpy
import numpy as np

from ..backend.errors import HeadError
from ..backend.formats.layout import BUILT_IN_LAYOUT, Layout, read_layout, topology_hash
from . import detail_rig
from .flame_rig import Rig, rig_of

KEPT = "maquette_layout"
"""Custom property of a head's mesh or of an image: the layout's file."""
UV_LAYER = "Detail Layout"


def marked_edges(rig: Rig) -> np.ndarray:
    """(S, 2) int32 vertices of the edges of a head that are marked as seams.

    Raises:
        HeadError: none is, or the mesh is being edited.
    """
    edges = rig.mesh.data.edges
    seam, ends = np.empty(len(edges), bool), np.empty((len(edges), 2), np.int32)
    edges.foreach_get("use_seam", seam)
    edges.foreach_get("vertices", ends.ravel())
    if not seam.any():
        raise HeadError(
            f"No edge of '{rig.mesh.name}' is marked; in Edit Mode, mark edges around its face with Edge > Mark Seam."
        )
    return ends[seam]


def keep(rig: Rig, path: Path) -> None:
    """Keep a layout with its head: as a file to bake in, as UVs to look at, and as the seam that it was cut along.

    Raises:
        HeadError: it is no layout, or another mesh's.
    """
    show(rig, read_layout(path))
    rig.mesh[KEPT] = path.read_bytes()


def known_layout(rig: Rig) -> Layout | None:
    """A head's layout: the artist's own, else the built-in head's; None where only a job can say."""
    with tempfile.TemporaryDirectory() as folder:
        layout = read_layout(write(rig.mesh, Path(folder) / "layout.npz") or BUILT_IN_LAYOUT)
    return layout if layout.topology == topology_hash(_triangles(rig)) else None


def show(rig: Rig, layout: Layout) -> None:
    """Give a head's mesh a layout: UVs to look at, and the seam that they were cut along.

    Raises:
        HeadError: it is another mesh's.
    """
    mesh = rig.mesh.data
    if 3 * len(layout.uv) != len(mesh.loops) or layout.seam.max(initial=-1) >= len(mesh.vertices):
        raise HeadError(f"The layout was made for another mesh than '{rig.mesh.name}'.")
    layer = mesh.uv_layers.get(UV_LAYER) or mesh.uv_layers.new(name=UV_LAYER, do_init=False)
    layer.uv.foreach_set("vector", layout.uv.ravel())
    cut = {(min(pair), max(pair)) for pair in layout.seam.tolist()}
    ends = np.empty((len(mesh.edges), 2), np.int32)
    mesh.edges.foreach_get("vertices", ends.ravel())
    mesh.edges.foreach_set("use_seam", np.array([(min(pair), max(pair)) in cut for pair in ends.tolist()]))
    mesh.update()


def _triangles(rig: Rig) -> np.ndarray:
    """(F, 3) of a head's mesh."""
    corners = np.empty(len(rig.mesh.data.loops), np.int32)
    rig.mesh.data.loops.foreach_get("vertex_index", corners)
    return corners.reshape(-1, 3)


def write_seam(edges: np.ndarray, path: Path) -> Path:
    """Write edges (S, 2) as a job takes them."""
    np.save(path, edges)
    return path


def keep_with_map(image: bpy.types.Image, path: Path) -> None:
    """Keep the layout's file with a map that was baked in it."""
    image[KEPT] = path.read_bytes()


def beside(path: Path) -> Path:
    """The layout's file that goes with a map's."""
    return path.with_name(path.name + ".layout.npz")


def check_beside(path: Path) -> None:
    """Raise HeadError where a broken layout lies beside a map's file."""
    if beside(path).is_file():
        read_layout(beside(path))


def keep_beside(image: bpy.types.Image, path: Path) -> None:
    """Keep the layout that lies beside a map's file, if one does, with the map."""
    if beside(path).is_file():
        keep_with_map(image, beside(path))


def has_own_uvs(dense: bpy.types.Object) -> bool:
    """Whether a dense head has UVs that are not of ours."""
    return any(layer.name not in (detail_rig.UV_LAYER, UV_LAYER) for layer in dense.data.uv_layers)


def has_layout(thing: bpy.types.ID) -> bool:
    """Whether a head or a map has a layout of the artist's own."""
    return isinstance(thing.get(KEPT), bytes)


def head_with_layout(context: bpy.types.Context, model_hash: str) -> bpy.types.Object:
    """A head of a model whose seam was marked. Raises HeadError where there is none in the scene."""
    for thing in context.scene.objects:
        rig = rig_of(thing) if has_layout(thing) else None
        if rig is not None and rig.model_hash == model_hash:
            return thing
    raise HeadError("No head of this model has a layout by a marked seam; mark one and use Layout from Seam first.")


def write(thing: bpy.types.ID, path: Path) -> Path | None:
    """Write the layout that is kept with a head or a map; None where there is none."""
    if not has_layout(thing):
        return None
    path.write_bytes(thing[KEPT])
    return path
