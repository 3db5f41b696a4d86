"""Solved cameras of other programs, told apart by what is in their files."""

from pathlib import Path

from ...errors import CameraFileError
from .colmap import find_model, read_colmap
from .meshroom import read_meshroom
from .metashape import read_metashape
from .projections import read_projections
from .realitycapture import is_csv, read_realitycapture
from .solved import SolvedCamera, SolvedCameras, json_of
from .transforms import read_transforms

__all__ = ["FORMATS", "SolvedCamera", "SolvedCameras", "read_camera_file"]

FORMATS = (
    "a COLMAP model (its folder, or cameras and images as .bin or .txt)",
    "transforms.json of nerfstudio or instant-ngp",
    "Metashape's cameras (.xml)",
    "RealityCapture's internal/external camera parameters (.csv)",
    "Meshroom's cameras (.sfm)",
    "cameras.npz of IDR, NeuS or Neural Haircut",
)
_ELSEWHERE = {
    ".psx": "export its cameras from Metashape as XML",
    ".psz": "export its cameras from Metashape as XML",
    ".mg": "choose the cameras.sfm in its StructureFromMotion folder",
    ".abc": "choose the cameras.sfm beside it, or export one (ConvertSfMFormat)",
    ".rcproj": "export Internal/External camera parameters as CSV",
    ".rsproj": "export Internal/External camera parameters as CSV",
    ".xmp": "export Internal/External camera parameters as CSV",
    ".db": "choose the model's folder (sparse/0) instead",
    ".nvm": "export a COLMAP model instead",
    ".out": "export a COLMAP model instead",
}
"""Files of the same programs that hold no cameras, or not in a form that is read, and what to do instead."""


def read_camera_file(path: Path) -> SolvedCameras:
    """The solved cameras of a file, or of a folder with a COLMAP model or a ``transforms.json``.

    Raises:
        CameraFileError: a sentence naming the file and what to do.
    """
    path = Path(path)
    if not path.exists():
        raise CameraFileError(f"There is no {path.name} in {path.parent}; choose a file of cameras.")
    if find_model(path):
        return read_colmap(path)
    if path.is_dir():
        for name, read in (("transforms.json", read_transforms), ("cameras.npz", read_projections)):
            if (path / name).is_file():
                return read(path / name)
        raise CameraFileError(f"There are no cameras in the folder {path.name}; choose {_listed()}.")
    return _reader(path)(path)


def _reader(path: Path):
    with path.open("rb") as file:
        start = file.read(4096)
    ending = path.suffix.lower()
    if ending in _ELSEWHERE:
        raise CameraFileError(f"{path.name} is not read; {_ELSEWHERE[ending]}.")
    if start[:2] == b"PK" or ending == ".npz":
        return read_projections
    text = start.decode("utf-8-sig", "replace").lstrip()
    if text.startswith("<") or ending == ".xml":
        return read_metashape
    if text.startswith("{") or ending in (".json", ".sfm"):
        values = json_of(path)
        return read_meshroom if "views" in values or (ending == ".sfm" and "frames" not in values) else read_transforms
    if is_csv(text) or ending == ".csv":
        return read_realitycapture
    raise CameraFileError(f"{path.name} holds no cameras in a form that is known; choose {_listed()}.")


def _listed() -> str:
    return "; ".join(FORMATS[:-1]) + f"; or {FORMATS[-1]}"
