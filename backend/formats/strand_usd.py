"""USD BasisCurves, linear, one prim for all strands.

OpenUSD's own library (``pxr``) is imported only when it is needed: the backend has it, and so has Blender where it
exposes its own. Text (``.usda``, and ``.usd`` without it) is written without any library.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import StrandFileError
from .strands import Strands

WIDTH = 0.00007
"""Metres; a scalp hair is 60 to 100 micrometres thick."""


def read_usd(path: Path, warn: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) points in world metres, Z up, of all BasisCurves of a stage, and (N,) counts. Raises StrandFileError."""
    usd = _library()
    if usd is None:
        raise StrandFileError(
            f"Reading {path.name} needs OpenUSD, which this Blender does not offer: "
            "import it through File > Import > Universal Scene Description."
        )
    try:
        stage = usd["Usd"].Stage.Open(str(path))
    except Exception as error:
        raise StrandFileError(f"{path.name} cannot be read as USD: {str(error).strip().splitlines()[-1]}") from None
    points, counts = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    transforms = usd["UsdGeom"].XformCache()
    for prim in stage.Traverse():
        curves = usd["UsdGeom"].BasisCurves(prim)
        if not curves:
            continue
        local = np.array(curves.GetPointsAttr().Get() or [], np.float64).reshape(-1, 3)
        lengths = np.array(curves.GetCurveVertexCountsAttr().Get() or [], np.int64)
        if (lengths < 0).any() or lengths.sum() != len(local):
            raise StrandFileError(f"{path.name}: the counts of {prim.GetPath()} do not add up to its points.")
        matrix = np.array(transforms.GetLocalToWorldTransform(prim))  # USD multiplies rows
        points.append(local @ matrix[:3, :3] + matrix[3, :3])
        counts.append(lengths)
    world = np.concatenate(points) * usd["UsdGeom"].GetStageMetersPerUnit(stage)
    if usd["UsdGeom"].GetStageUpAxis(stage) == "Y":
        world = np.stack([world[:, 0], -world[:, 2], world[:, 1]], axis=1)
    if not len(world):
        raise StrandFileError(f"{path.name} has no BasisCurves.")
    return world, np.concatenate(counts)


def write_usd(path: Path, strands: Strands) -> None:
    """Metres, Z up. Raises StrandFileError for a binary file where OpenUSD is missing."""
    usd = _library() if path.suffix.lower() != ".usda" else None
    if usd is None:
        if path.suffix.lower() in (".usdc", ".usdz"):
            raise StrandFileError(f"Writing {path.suffix} needs OpenUSD, which is not here; choose .usda or .usd.")
        _write_text(path, strands)
        return
    stage = usd["Usd"].Stage.CreateInMemory()
    geometry = usd["UsdGeom"]
    geometry.SetStageMetersPerUnit(stage, 1.0)
    geometry.SetStageUpAxis(stage, geometry.Tokens.z)
    root = geometry.Xform.Define(stage, "/Hair")
    stage.SetDefaultPrim(root.GetPrim())
    curves = geometry.BasisCurves.Define(stage, "/Hair/Strands")
    curves.CreateTypeAttr(geometry.Tokens.linear)
    curves.CreateWrapAttr(geometry.Tokens.nonperiodic)
    curves.CreatePointsAttr(usd["Vt"].Vec3fArray.FromNumpy(strands.points))
    curves.CreateCurveVertexCountsAttr(usd["Vt"].IntArray.FromNumpy(strands.counts))
    curves.CreateWidthsAttr(usd["Vt"].FloatArray.FromNumpy(np.full(1, WIDTH, np.float32)))
    curves.SetWidthsInterpolation(geometry.Tokens.constant)
    if len(strands):
        curves.CreateExtentAttr(
            usd["Vt"].Vec3fArray.FromNumpy(np.stack([strands.points.min(axis=0), strands.points.max(axis=0)]))
        )
    if not stage.GetRootLayer().Export(str(path)):
        raise StrandFileError(f"{path.name} could not be written.")


def _write_text(path: Path, strands: Strands) -> None:
    low, high = (f(strands.points, axis=0) if len(strands) else np.zeros(3) for f in (np.min, np.max))
    with path.open("w", encoding="ascii", newline="\n") as out:
        out.write(
            '#usda 1.0\n(\n    defaultPrim = "Hair"\n    metersPerUnit = 1\n    upAxis = "Z"\n)\n\n'
            'def Xform "Hair"\n{\n    def BasisCurves "Strands"\n    {\n'
            '        uniform token type = "linear"\n        uniform token wrap = "nonperiodic"\n'
            f'        float[] widths = [{WIDTH}] (\n            interpolation = "constant"\n        )\n'
            f"        float3[] extent = [{_tuple(low)}, {_tuple(high)}]\n"
        )
        out.write(f"        int[] curveVertexCounts = [{', '.join(map(str, strands.counts.tolist()))}]\n")
        out.write("        point3f[] points = [")
        for start in range(0, len(strands.points), 100_000):
            block = strands.points[start : start + 100_000]
            out.write((", " if start else "") + ", ".join(map(_tuple, block)))
        out.write("]\n    }\n}\n")


def _tuple(point: np.ndarray) -> str:
    return "({:.9g}, {:.9g}, {:.9g})".format(*point.tolist())


def _library() -> dict | None:
    try:
        from pxr import Usd, UsdGeom, Vt
    except ImportError:
        return None
    return {"Usd": Usd, "UsdGeom": UsdGeom, "Vt": Vt}
