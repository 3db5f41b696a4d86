"""A signed distance field as a mesh."""

import time

from ..contract import BakeSdf
from ..formats.head import Head, write_head
from ..formats.job_folder import write_json
from ..formats.mesh_obj import write_obj
from ..formats.mesh_ply import write_ply
from ..formats.sdf_grid import SdfGrid, read_sdf_grid
from ..head.sdf_mesh import BakedMesh, bake_grid
from ..protocol import Reporter


def run(request: BakeSdf, reporter: Reporter) -> dict:
    """Write head.npz (metres; Blender's), head.ply (with normals), with UVs head.obj, and report.json.

    Raises:
        FieldError: the field cannot be read, or has no surface.
    """
    began = time.monotonic()
    reporter.stage("Reading the field", 1)
    grid = read_sdf_grid(request.field)
    if request.positive_inside:
        grid = SdfGrid(-grid.values, grid.origin, grid.spacing, grid.labels, grid.label_names)
    reporter.step()
    mesh = bake_grid(grid, reporter, request.resolution, faces=request.faces, uv=request.uv, close=request.close)
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
