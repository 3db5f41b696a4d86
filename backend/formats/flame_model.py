"""FLAME and models of its kind: what a model is, in memory, and its own ``.npz``.

NumPy and the standard library only, so that Blender reads models without the backend's environment. Everything stays in
the model's own frame (metres, Y up, looking along +Z) and its own convention for poses, so that parameters are what
FLAME's are; ``head()`` gives the mesh turned to Z up, as ``backend.flame.layer`` does.

Source: Li, Bolkart, Black, Li, Romero, "Learning a model of facial shape and expression from 4D scans", 2017.
"""

import hashlib
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import HeadError
from .head import Head, check_head

FORMAT, VERSION = "maquette-flame", 1
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
"""FLAME's own five, in its order."""
IDENTITY_MODES = 300
"""Of FLAME's 400 modes the first 300 are identity, the rest expression; a file with names may say otherwise."""
CONTOUR_YAWS = 79
"""Rows of a dynamic contour: head yaws of 0 to 39 degrees, then 1 to 39 degrees the other way."""


def scheme_68() -> tuple[str, ...]:
    """The names of the 68-point scheme: 17 of the jaw's contour, then the 51 that FLAME's static embedding has."""
    counts = {
        "jaw": 17, "right eyebrow": 5, "left eyebrow": 5, "nose bridge": 4, "nose base": 5, "right eye": 6,
        "left eye": 6, "outer lip": 12, "inner lip": 8,
    }  # fmt: skip
    return tuple(f"{part} {i + 1}" for part, count in counts.items() for i in range(count))


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Points fixed to a model's triangles.

    Attributes:
        faces: (L,) int32 triangles; a dynamic contour has (A, L), one row a head yaw.
        weights: (L, 3) float32 barycentric; a dynamic contour's are (A, L, 3).
        names: one for each of the L.
    """

    faces: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...] = ()

    def __post_init__(self):
        faces = np.ascontiguousarray(self.faces, np.int32)
        object.__setattr__(self, "faces", faces)
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, np.float32))
        if len(self.names) != faces.shape[-1]:
            object.__setattr__(self, "names", tuple(f"landmark {i + 1}" for i in range(faces.shape[-1])))


@dataclass(frozen=True, eq=False)
class FlameModel:
    """A head model: M(beta, theta, psi) = W(T_P(beta, theta, psi), J(beta), theta, W), FLAME's equation 1.

    Attributes:
        name: as people and files refer to it.
        template: (V, 3) float32, metres, Y up, looking along +Z.
        faces: (F, 3) int32.
        identity: (V, 3, I) float32, metres a standard deviation of beta.
        expression: (V, 3, E) float32, metres a unit of psi.
        pose_correctives: (V, 3, 9 (J - 1)) float32, metres a unit of R_j - 1, row by row, for every joint but the root.
        joint_regressor: (J, V) float32; joints are this times the shaped template.
        weights: (V, J) float32, of linear blend skinning; rows add up to 1.
        parents: (J,) int32; -1 for the root, which is first, and every parent before its children.
        joint_names, identity_names, expression_names: J, I and E of them.
        regions: name → (K,) int32 sorted vertices.
        landmarks: scheme → Landmarks: "full" (68), "static" (51), "mediapipe" (105), as far as there are any.
        contour: the 17 points of the jaw's outline for each of 79 head yaws, or None.
        uv: (F, 3, 2) float32 for each triangle's corners, or None.
    """

    name: str
    template: np.ndarray
    faces: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    pose_correctives: np.ndarray
    joint_regressor: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    joint_names: tuple[str, ...]
    identity_names: tuple[str, ...]
    expression_names: tuple[str, ...]
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    landmarks: dict[str, Landmarks] = field(default_factory=dict)
    contour: Landmarks | None = None
    uv: np.ndarray | None = None

    def __post_init__(self):
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                kind = np.int32 if part.name in ("faces", "parents") else np.float32
                object.__setattr__(self, part.name, np.ascontiguousarray(value, kind))
        regions = {name: np.unique(np.asarray(v, np.int32)) for name, v in self.regions.items()}
        object.__setattr__(self, "regions", regions)

    @cached_property
    def hash(self) -> str:
        """Of the numbers that coefficients mean something with: 16 hexadecimal digits.

        The same for one model in any file form and precision from float32 up, whatever its names, regions, landmarks.
        """
        digest = hashlib.sha256(f"{FORMAT} {VERSION}".encode())
        for part in ("template", "identity", "expression", "pose_correctives", "joint_regressor", "weights", "parents"):
            array = getattr(self, part)
            digest.update(f"{part} {array.shape}".encode())
            # Adding zero makes one of the two zeros; little-endian is what every file form has.
            digest.update((array + array.dtype.type(0)).astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()[:16]

    @property
    def joint(self) -> dict[str, int]:
        """Name → place of a joint."""
        return {name: i for i, name in enumerate(self.joint_names)}

    @property
    def embeddings(self) -> dict[str, Landmarks]:
        """All landmarks by scheme, the dynamic contour among them as "contour"."""
        return self.landmarks | ({} if self.contour is None else {"contour": self.contour})

    def head(self, vertices: np.ndarray | None = None) -> Head:
        """The model as a plain mesh, Z up.

        Args:
            vertices: (V, 3) metres, Y up, in place of the template.
        """
        vertices = self.template if vertices is None else np.asarray(vertices)
        points = self.landmarks.get("full") or self.landmarks.get("static")
        named = {} if points is None else dict(zip(points.names, zip(points.faces.tolist(), points.weights)))
        return Head(z_up(vertices), self.faces, self.uv, self.regions, named, self.name)


def z_up(points: np.ndarray) -> np.ndarray:
    """Points or directions (..., 3) of a model's frame (Y up, looking along +Z) in the project's (Z up, along -Y)."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def y_up(points: np.ndarray) -> np.ndarray:
    """Points or directions (..., 3) of the project's frame in a model's: the inverse of ``z_up``."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def check_model(model: FlameModel, source: str) -> None:
    """Raise HeadError with one sentence if a model's parts do not fit together."""
    vertices, joints = len(model.template), len(model.parents)
    check_head(model.head(), source)
    expected = {
        "shape basis (shapedirs)": (model.identity, (vertices, 3, len(model.identity_names))),
        "expression basis": (model.expression, (vertices, 3, len(model.expression_names))),
        "pose correctives (posedirs)": (model.pose_correctives, (vertices, 3, 9 * (joints - 1))),
        "joint regressor (J_regressor)": (model.joint_regressor, (joints, vertices)),
        "skin weights (weights)": (model.weights, (vertices, joints)),
    }
    for what, (array, shape) in expected.items():
        if array.shape != shape:
            raise HeadError(f"{source} is no usable head model: its {what} has the shape {array.shape}, not {shape}.")
        if not np.isfinite(array).all():
            raise HeadError(f"{source} is no usable head model: its {what} has numbers that are not finite.")
    if len(model.joint_names) != joints or len(set(model.joint_names)) != joints:
        raise HeadError(f"{source} has {joints} joints, which need as many different names.")
    if model.parents[0] != -1 or any(not 0 <= p < i for i, p in enumerate(model.parents[1:].tolist(), start=1)):
        raise HeadError(f"{source} is no usable head model: its joints (kintree_table) are in no order from the root.")
    if (np.abs(model.weights.sum(axis=1, dtype=np.float64) - 1) > 1e-3).any() or model.weights.min() < -1e-4:
        raise HeadError(f"{source} is no usable head model: its skin weights do not add up to 1 at every vertex.")
    for name, members in model.regions.items():
        if len(members) and not (members[0] >= 0 and members[-1] < vertices):
            raise HeadError(f"The region {name} names vertex {members[-1]}, but {source} has {vertices} vertices.")
    for points in model.embeddings.values():
        if points.weights.shape != (*points.faces.shape, 3) or not np.isfinite(points.weights).all():
            raise HeadError(f"The landmarks of {source} have no three weights each.")
        if points.faces.size and not (points.faces.min() >= 0 and points.faces.max() < len(model.faces)):
            raise HeadError(f"A landmark of {source} lies on a triangle that the model does not have.")
    if model.contour is not None and model.contour.faces.shape[:1] != (CONTOUR_YAWS,):
        raise HeadError(f"The dynamic contour of {source} has {len(model.contour.faces)} rows, not {CONTOUR_YAWS}.")


def write_flame_model(path: Path, model: FlameModel) -> None:
    """Write a model as ``.npz`` with FLAME's keys and names for its modes, to a temporary name first.

    ``backend.formats.flame_files.read_flame_model`` reads it, and ``backend.formats.head.read_head`` its mesh.
    """
    kinds = np.concatenate([np.asarray(model.parents)[None], np.arange(len(model.parents), dtype=np.int32)[None]])
    arrays = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "name": np.array(model.name),
        "v_template": model.template,
        "f": model.faces,
        "shapedirs": np.concatenate([model.identity, model.expression], axis=2),
        "posedirs": model.pose_correctives,
        "J_regressor": model.joint_regressor,
        "weights": model.weights,
        "kintree_table": kinds,
        "region_names": np.array(list(model.regions), np.str_),
        "region_offsets": np.cumsum([0, *(len(v) for v in model.regions.values())]).astype(np.int32),
        "region_vertices": np.concatenate([*model.regions.values(), np.zeros(0, np.int32)]).astype(np.int32),
    }
    for what in ("joint_names", "identity_names", "expression_names"):
        arrays[what] = np.array(getattr(model, what), np.str_)
    for scheme, points in model.embeddings.items():
        prefix = "lmk" if scheme == "full" else f"{scheme}_lmk"
        arrays |= {f"{prefix}_face_idx": points.faces, f"{prefix}_b_coords": points.weights}
        arrays[f"{prefix}_names"] = np.array(points.names, np.str_)
    for basis in ("shapedirs", "posedirs"):
        # Bases that were made for 16 bits take half the room; the reader's float32 gets the same numbers back.
        half = arrays[basis].astype(np.float16)
        if np.array_equal(half, arrays[basis]):
            arrays[basis] = half
    if model.uv is not None:
        arrays["vt"], corner = np.unique(model.uv.reshape(-1, 2), axis=0, return_inverse=True)
        arrays["ft"] = corner.reshape(-1, 3).astype(np.int32)
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    temporary.replace(path)
