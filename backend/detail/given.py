"""Displacements as artists hand them over: a registration, or a map in one of the model's layouts."""

from pathlib import Path

import numpy as np

from ..errors import HeadError
from ..formats.coefficients import Coefficients, read_coefficients
from ..formats.dense_mesh import DenseMesh, is_dense_mesh, read_dense_mesh, write_dense_mesh
from ..formats.detail import Detail, read_detail
from ..formats.displacement import TANGENT, DisplacementMap, read_displacement
from ..formats.flame_model import FlameModel, z_up
from ..formats.layout import read_layout
from ..formats.mesh_obj import write_obj
from ..formats.mesh_ply import read_ply_vertices, write_ply
from .dense import DenseHead, dense_head
from .displacement_map import bake, sample_at_vertices
from .mikktspace import tangent_space
from .texels import places

CUSTOM, STANDARD = "custom", "standard"
REGISTERED = ".npz"


def dense_head_in(model: FlameModel, layout: Path | str | None, *sources: Path) -> DenseHead:
    """The dense head that detail belongs to, smoothed or not.

    Args:
        model: as ``model_to_fit`` reads it.
        layout: an artist's layout file (.npz); the program's for None, "custom" and "standard".
        sources: registrations, meshes or maps.

    Raises:
        HeadError: some belong to a smoothed head, others do not.
    """
    chosen = None if str(layout or CUSTOM) in (CUSTOM, STANDARD) else read_layout(Path(layout))
    smooth = [is_from_smoothed(source) for source in sources]
    if any(smooth) and not all(smooth):
        one, other = (sources[smooth.index(said)] for said in (True, False))
        raise HeadError(
            f"{one.name} in {one.parent.name} was registered to a smoothed head, {other.name} in {other.parent.name} "
            "was not; register both alike."
        )
    return dense_head(model, chosen, any(smooth))


def is_from_smoothed(path: Path) -> bool:
    """Whether detail says that it is from a head that was smoothed; a .ply says what the registration beside it does.

    Raises:
        HeadError: it cannot be read.
    """
    if path.suffix.lower() == ".ply":
        path = path.with_name("registered.npz")
        return path.is_file() and read_detail(path).smoothed
    if path.suffix.lower() != REGISTERED:
        return read_displacement(path).smoothed
    return read_dense_mesh(path).smoothed if is_dense_mesh(path) else read_detail(path).smoothed


def given_coefficients(model: FlameModel, path: Path | None, beside: Path | None = None) -> Coefficients | None:
    """Coefficients of the model from a file, or from coefficients.npz beside another, as a registration leaves it."""
    if path is None:
        path = None if beside is None else beside.with_name("coefficients.npz")
        if path is None or not path.is_file():
            return None
    return read_coefficients(path).applied_to(model)


def given_displacement(path: Path, dense: DenseHead, identity: np.ndarray | None = None) -> np.ndarray:
    """(W, 3) float64 metres, object axes of the rest head, of a registration (.npz) or a map (.png, .exr).

    Args:
        path: of registered.npz or of a map with its JSON.
        dense: of the model, in the layout that the map may be in.
        identity: (<= I,) of the head that it is for: displacements in tangent space turn with its surface.

    Raises:
        HeadError: it belongs to another model or another layout, or cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() == REGISTERED:
        return registered_displacement(read_detail(path), dense, path.name)
    return map_displacement(read_displacement(path), dense, identity, path.name)


def registered_displacement(detail: Detail, dense: DenseHead, name: str) -> np.ndarray:
    """(W, 3) float64 of a registration, if it is of this model. Raises HeadError."""
    check_model(detail, dense, name)
    if len(detail.displacement) != dense.vertex_count:
        raise HeadError(
            f"{name} has {len(detail.displacement):,} vertices, but the dense head of {dense.model.name} has "
            f"{dense.vertex_count:,}; register the scan again."
        )
    return detail.displacement.astype(np.float64)


def map_displacement(given: DisplacementMap, dense: DenseHead, identity: np.ndarray | None, name: str) -> np.ndarray:
    """(W, 3) float64 of a map, sampled at the vertices and turned to object axes of the rest head. Raises HeadError."""
    check_model(given, dense, name)
    uv = uv_of(given, dense, name)
    tangents = frames_of(dense, uv, identity) if given.frame == TANGENT else None
    return sample_at_vertices(given.values, dense.faces, uv, dense.vertex_count, tangents)


def frames_of(dense: DenseHead, uv: np.ndarray, identity: np.ndarray | None) -> np.ndarray:
    """(P, 3, 3) the tangent space of a rest head in UVs (G, 3, 2)."""
    return tangent_space(dense.rest(identity), dense.faces, uv, places(dense.faces, uv))


def uv_of(given: DisplacementMap, dense: DenseHead, name: str) -> np.ndarray:
    """(G, 3, 2) the layout that a map is in. Raises HeadError if it is none of the model's."""
    if given.layout in ("", dense.layout_hash):
        return dense.uv
    if given.layout == dense.standard_hash:
        return dense.standard_uv
    raise HeadError(
        f"{name} was made in another UV layout than {dense.model.name} has here; name the layout's file (layout.npz) "
        "that it was baked in, or bake it again."
    )


def check_model(given: Detail | DisplacementMap, dense: DenseHead, name: str) -> None:
    """Raise HeadError unless detail belongs to the dense head's model, smoothed alike; one that names no model may."""
    if given.model_hash and given.model_hash != dense.model.hash:
        raise HeadError(
            f"{name} belongs to the head model {given.model} ({given.model_hash[:8]}), but the head is "
            f"{dense.model.name} ({dense.model.hash[:8]}); choose the model that it was made with."
        )
    if given.smoothed != dense.smoothed:
        raise HeadError(f"{name} was made on a head that {'was' if given.smoothed else 'was not'} smoothed before.")


def bake_map(
    displacement: np.ndarray,
    dense: DenseHead,
    size: int,
    *,
    frame: str,
    standard: bool = False,
    identity: np.ndarray | None = None,
    **limit: float,
) -> DisplacementMap:
    """Displacements (W, 3) of the rest head as a map that knows its layout and model.

    Args:
        displacement: metres, object axes.
        dense: the head.
        size: texels along a side.
        frame: "object" or "tangent".
        standard: in the model's own UVs instead of the dense head's layout.
        identity: (<= I,) whose rest head has the tangents.
        limit: as ``displacement_map.bake`` takes it.
    """
    uv = dense.standard_uv if standard else dense.uv
    tangents = frames_of(dense, uv, identity) if frame == TANGENT else None
    said = dense.said | ({"layout": dense.standard_hash} if standard else {})
    return bake(displacement, dense.faces, uv, size, tangents, **limit, **said)


def posed(dense: DenseHead, coefficients: Coefficients | None, displacement: np.ndarray) -> np.ndarray:
    """(W, 3) metres, Z up: the head of the coefficients with the rest head's displacements (W, 3) turned along."""
    if coefficients is None:
        return dense.rest() + displacement
    c = coefficients
    return c.scale * dense.displaced(displacement, c.identity, c.expression, c.pose) + z_up(c.translation)


def sculpted_displacement(vertices: np.ndarray, dense: DenseHead, coefficients: Coefficients | None) -> np.ndarray:
    """(W, 3) of the rest head: what a dense mesh (W, 3) has beyond the head of the coefficients; ``posed``'s inverse.

    Raises:
        HeadError: it is no mesh of the dense head's.
    """
    if np.shape(vertices) != (dense.vertex_count, 3):
        raise HeadError(
            f"The mesh has {len(vertices):,} vertices, but the dense head of {dense.model.name} has "
            f"{dense.vertex_count:,}; a mesh that is baked must keep the vertices of the dense head that it was."
        )
    if coefficients is None:
        return vertices - dense.rest()
    c = coefficients
    bare, rest = dense.vertices(c.identity, c.expression, c.pose), dense.rest(c.identity)
    moved = (vertices - z_up(c.translation)) / c.scale - bare
    return dense.to_rest(moved, bare, rest)


def read_source(path: Path, dense: DenseHead, coefficients: Coefficients | None) -> np.ndarray:
    """(W, 3) of the rest head, from whatever holds detail.

    Args:
        path: registered.npz, a map, a dense mesh (.npz) in the head's own frame, or a dense .ply, which lies where the
            coefficients' similarity takes the head.
        dense: of the model.
        coefficients: the head that a mesh lies on.

    Raises:
        HeadError: as ``given_displacement``, or the mesh is another's.
    """
    path = Path(path)
    if path.suffix.lower() == ".ply":
        columns = read_ply_vertices(path)
        vertices = np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float64)
        if coefficients is not None and coefficients.similarity is not None:
            place = coefficients.similarity
            vertices = (vertices - place.translation) @ place.rotation / place.scale
        return sculpted_displacement(vertices, dense, coefficients)
    if path.suffix.lower() == REGISTERED and is_dense_mesh(path):
        return sculpted_displacement(read_dense_mesh(path).vertices.astype(np.float64), dense, coefficients)
    return given_displacement(path, dense, None if coefficients is None else coefficients.identity)


def mesh_of(dense: DenseHead, vertices: np.ndarray, residual: np.ndarray | None = None) -> DenseMesh:
    """A dense head (W, 3) with all that Blender's scene needs of it; ``residual`` (W,) metres to a scan."""
    layout = dense.layout_hash
    return DenseMesh(vertices, dense.faces, dense.uv, layout, residual, dense.regions, dense.smoothed)


def write_head_files(folder: Path, vertices: np.ndarray, dense: DenseHead) -> dict:
    """Write mesh.npz, head.ply and head.obj (with UVs) of a dense head, and say their names."""
    write_dense_mesh(folder / "mesh.npz", mesh_of(dense, vertices))
    write_ply(folder / "head.ply", vertices, dense.faces)
    write_obj(folder / "head.obj", vertices, dense.faces, dense.uv)
    return {"mesh": "mesh.npz", "ply": "head.ply", "obj": "head.obj"}
