"""A dense head as shape keys and skin, which Blender builds and plays without Python.

NumPy and the standard library only, so that Blender reads it.
"""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import HeadError

FORMAT, VERSION = "maquette-dense-keys", 1
LARGEST_BYTES = 4_000_000_000
_ARRAYS = (
    "basis", "faces", "uv", "weights", "identity", "expression_keys", "expression_places", "corrective_keys",
    "corrective_places", "identity_keys", "identity_places",
)  # fmt: skip
_REGION = "region "


@dataclass(frozen=True, eq=False)
class DenseKeys:
    """One person's dense head with displacement, before pose: metres, Z up, looking along -Y.

    Attributes:
        model, model_hash: whose coefficients move it.
        identity: (I,) float64 of the person, in the model's modes.
        basis: (W, 3) float32 without expression, in the rest pose.
        faces: (G, 3) int32, those of the model's own triangle i before those of i + 1.
        uv: (G, 3, 2) float32 in the custom layout.
        layout: the layout's hash.
        weights: (W, J) float32 of linear blend skinning; rows add up to 1.
        joints: names of the J joints.
        expression_keys: (K, W, 3) float16 metres a unit of the expression modes whose numbers are
            ``expression_places`` (K,) int32; modes that move nothing are not among them.
        corrective_keys: (C, W, 3) float16 metres a unit of R - 1 of a joint's turn, in the model's own frame; which
            joint, row and column is in ``corrective_places`` (C, 3) int32.
        identity_keys: (I', W, 3) float16 metres a unit by which the identity modes whose numbers are
            ``identity_places`` (I',) int32 are changed from the person's.
        regions: name → (R,) int32 vertices.
    """

    model: str
    model_hash: str
    identity: np.ndarray
    basis: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    layout: str
    weights: np.ndarray
    joints: tuple[str, ...]
    expression_keys: np.ndarray
    expression_places: np.ndarray
    corrective_keys: np.ndarray
    corrective_places: np.ndarray
    identity_keys: np.ndarray
    identity_places: np.ndarray
    regions: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many keys there are besides the basis."""
        return len(self.expression_keys) + len(self.corrective_keys) + len(self.identity_keys)


def write_dense_keys(path: Path, keys: DenseKeys) -> None:
    """Write ``.npz``, to a temporary name first."""
    path = Path(path)
    values = {part: getattr(keys, part) for part in _ARRAYS}
    values |= {_REGION + name: members for name, members in keys.regions.items()}
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file, format=FORMAT, version=VERSION, model=keys.model, model_hash=keys.model_hash, layout=keys.layout,
            joints=np.array(keys.joints), **values,
        )  # fmt: skip
    temporary.replace(path)


def read_dense_keys(path: Path) -> DenseKeys:
    """Read what ``write_dense_keys`` wrote. Raises HeadError."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST_BYTES:
                raise HeadError(f"{path.name} unpacks to more than {LARGEST_BYTES // 10**9} GB.")
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file.files or str(file["format"]) != FORMAT:
                raise HeadError(f"{path.name} holds no keys of a dense head; make them with Animate Detail.")
            if int(file["version"]) > VERSION:
                raise HeadError(f"{path.name} was made by a newer Maquette; update the extension.")
            values = {part: file[part] for part in _ARRAYS}
            values |= {part: str(file[part]) for part in ("model", "model_hash", "layout")}
            regions = {name[len(_REGION) :]: file[name] for name in file.files if name.startswith(_REGION)}
            keys = DenseKeys(**values, joints=tuple(map(str, file["joints"])), regions=regions)
    except OSError as error:
        raise HeadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (KeyError, ValueError, TypeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise HeadError(f"{path.name} cannot be read as a dense head's keys: {error}.") from error
    _check(keys, path.name)
    return keys


def _check(keys: DenseKeys, name: str) -> None:
    points, triangles, joints = len(keys.basis), len(keys.faces), len(keys.joints)
    expressions, correctives = len(keys.expression_places), len(keys.corrective_places)
    people = len(keys.identity_places)
    shapes = {
        "basis": (points, 3), "faces": (triangles, 3), "uv": (triangles, 3, 2),
        "weights": (points, joints), "expression_keys": (expressions, points, 3), "expression_places": (expressions,),
        "corrective_keys": (correctives, points, 3), "corrective_places": (correctives, 3),
        "identity_keys": (people, points, 3), "identity_places": (people,),
    }  # fmt: skip
    for part, shape in shapes.items():
        array = getattr(keys, part)
        whole = part == "faces" or part.endswith("places")
        if array.shape != shape or (array.dtype.kind != "i" if whole else not np.isfinite(array).all()):
            raise HeadError(f"{name} cannot be read as a dense head's keys: its {part} does not fit the rest.")
    if triangles and not 0 <= keys.faces.min() <= keys.faces.max() < points:
        raise HeadError(f"{name} cannot be read as a dense head's keys: it has triangles of vertices that it has not.")
    if correctives and not (
        keys.corrective_places.min() >= 0 and (keys.corrective_places.max(0) < (joints, 3, 3)).all()
    ):
        raise HeadError(f"{name} cannot be read as a dense head's keys: it turns a joint that it has not.")
