"""A signed distance field, on a grid or as networks, as a mesh."""

import time

from ..contract import BakeSdf
from ..errors import FieldError
from ..formats.head import Head, write_head
from ..formats.job_folder import write_json
from ..formats.mesh_obj import write_obj
from ..formats.mesh_ply import write_ply
from ..formats.neural_field import is_neural_field
from ..formats.sdf_grid import SdfGrid, read_sdf_grid
from ..head.sdf_mesh import BakedMesh, bake, bake_grid
from ..protocol import Reporter

NODES_OF_NETWORK = 256
"""Along the longest side, where nobody says: a network has no resolution of its own."""


def run(request: BakeSdf, reporter: Reporter) -> dict:
    """Write head.npz (metres; Blender's), head.ply (with normals), with UVs head.obj, and report.json.

    Raises:
        FieldError: the field cannot be read, or has no surface.
    """
    began = time.monotonic()
    mesh = _of_network(request, reporter) if is_neural_field(request.field) else _of_grid(request, reporter)
    reporter.stage("Writing", 1)
    name = request.field.stem
    head = Head(mesh.vertices, mesh.faces, mesh.uv, mesh.regions, name=name)
    write_head(reporter.folder / "head.npz", head)
    normals = dict(zip(("nx", "ny", "nz"), mesh.normals.T, strict=True))
    write_ply(reporter.folder / "head.ply", mesh.vertices, mesh.faces, normals)
    files = {"head": "head.npz", "ply": "head.ply"}
    if mesh.uv is not None:
        write_obj(reporter.folder / "head.obj", mesh.vertices, mesh.faces, mesh.uv, name)
        files["obj"] = "head.obj"
    report = mesh.report | {"seconds": round(time.monotonic() - began, 2)}
    write_json(reporter.folder / "report.json", report)
    reporter.step()
    _warn(mesh, reporter)
    return (
        files
        | {"report": "report.json"}
        | {key: value for key, value in report.items() if key != "holes"}
        | {"holes": len(report["holes"])}
    )


def _of_grid(request: BakeSdf, reporter: Reporter) -> BakedMesh:
    reporter.stage("Reading the field", 1)
    grid = read_sdf_grid(request.field)
    if request.positive_inside:
        grid = SdfGrid(-grid.values, grid.origin, grid.spacing, grid.labels, grid.label_names)
    reporter.step()
    return bake_grid(grid, reporter, request.resolution, faces=request.faces, uv=request.uv, close=request.close)


def _of_network(request: BakeSdf, reporter: Reporter) -> BakedMesh:
    # Torch takes seconds to load, and grids do not need it.
    from .. import device as devices
    from ..head.neural_surface.field import read_neural_field

    if request.positive_inside:
        raise FieldError("A fitted network is below zero inside; bake it without “positive inside”.")
    reporter.stage("Reading the networks", 1)
    field = read_neural_field(request.field, devices.choose())
    reporter.step()
    nodes = request.resolution or NODES_OF_NETWORK
    return field.with_regions(bake(field, nodes, reporter, faces=request.faces, uv=request.uv, close=request.close))


def _warn(mesh: BakedMesh, reporter: Reporter) -> None:
    report = mesh.report
    if report["closed_sides"]:
        reporter.warning(
            f"The surface leaves the field's box ({', '.join(report['closed_sides'])}); it was closed with a flat cap."
        )
    if not report["watertight"]:
        longest = report["holes"][0]["length_mm"] if report["holes"] else 0.0
        reporter.warning(f"The mesh has {len(report['holes'])} holes; the longest is {longest:.0f} mm around.")
    if report.get("unknown_share", 0) > 0.01:
        reporter.warning(
            f"{report['unknown_share']:.0%} of the surface is where the field knows nothing; those vertices are in the "
            "group 'unknown'."
        )
