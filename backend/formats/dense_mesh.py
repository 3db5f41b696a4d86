"""A dense head as a job leaves it for Blender: everything that the scene needs of it, in one file of NumPy's."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import HeadError

FORMAT, VERSION = "maquette-dense-mesh", 1
_REGION = "region "


@dataclass(frozen=True, eq=False)
class DenseMesh:
    """A dense head in its own frame: metres, Z up, before the similarity that lays a head on its scan.

    Attributes:
        vertices: (W, 3) float32, with the displacement.
        faces: (G, 3) int32.
        uv: (G, 3, 2) float32 in the layout, of each triangle's corners.
        layout: the layout's hash.
        residual: (W,) float32 metres along the normal, above zero where a scan lies outside; NaN where there is none.
            None for a head that was laid on no scan.
        regions: name ("scalp", "face", "eyes", ...) → (K,) int32 vertices; empty where nobody said.
        smoothed: whether the head below the displacement was smoothed by region.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    layout: str = ""
    residual: np.ndarray | None = None
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    smoothed: bool = False

    def __post_init__(self):
        count, triangles = len(self.vertices), len(self.faces)
        parts = {"vertices": (count, 3), "faces": (triangles, 3), "uv": (triangles, 3, 2)}
        for part, shape in parts.items():
            values = np.ascontiguousarray(getattr(self, part), np.int32 if part == "faces" else np.float32)
            if values.shape != shape or not np.isfinite(values).all():
                raise HeadError(f"The dense mesh's {part} have the wrong shape or are not finite; run its job again.")
            object.__setattr__(self, part, values)
        if triangles and not (self.faces.min() >= 0 and self.faces.max() < count):
            raise HeadError("The dense mesh has triangles of vertices that it has not; run its job again.")
        if self.residual is not None:
            residual = np.ascontiguousarray(self.residual, np.float32)
            if residual.shape != (count,):
                raise HeadError("The dense mesh's residuals are not one a vertex; run its job again.")
            object.__setattr__(self, "residual", residual)
        regions = {name: np.asarray(vertices, np.int32).ravel() for name, vertices in self.regions.items()}
        if any(len(v) and not (v.min() >= 0 and v.max() < count) for v in regions.values()):
            raise HeadError("The dense mesh has regions of vertices that it has not; run its job again.")
        object.__setattr__(self, "regions", regions)


def write_dense_mesh(path: Path, mesh: DenseMesh) -> None:
    """Write a mesh as .npz, to a temporary name first."""
    path = Path(path)
    values = {"vertices": mesh.vertices, "faces": mesh.faces, "uv": mesh.uv, "layout": np.array(mesh.layout)}
    values["smoothed"] = np.array(mesh.smoothed)
    if mesh.residual is not None:
        values["residual"] = mesh.residual
    values |= {_REGION + name: vertices for name, vertices in mesh.regions.items()}
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez(file, format=np.array(FORMAT), version=np.array(VERSION), **values)
    temporary.replace(path)


def read_dense_mesh(path: Path) -> DenseMesh:
    """Read what ``write_dense_mesh`` wrote. Raises HeadError."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file.files or str(file["format"]) != FORMAT or int(file["version"]) > VERSION:
                raise HeadError(f"{path.name} is no dense mesh that this Maquette reads.")
            residual = file["residual"] if "residual" in file.files else None
            regions = {name[len(_REGION) :]: file[name] for name in file.files if name.startswith(_REGION)}
            smoothed = "smoothed" in file.files and bool(file["smoothed"])
            parts = file["vertices"], file["faces"], file["uv"], str(file["layout"]), residual, regions
            return DenseMesh(*parts, smoothed)
    except OSError as error:
        raise HeadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise HeadError(f"{path.name} cannot be read as a dense mesh: {error}.") from error


def is_dense_mesh(path: Path) -> bool:
    """Whether a file says that it is a dense mesh, readable or not."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return "format" in file.files and str(file["format"]) == FORMAT
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
        return False
