"""A head mesh in memory, and its files.

A head model is one ``.npz`` with FLAME's keys in FLAME's own frame (metres, Y up, looking along +Z); everything else
in the project is Z up and looks along -Y, so the axes are turned here, once. NumPy and the standard library only at
module level: Blender reads and writes heads without the backend's environment.
"""

import json
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..contract import UNITS
from ..errors import HeadError

BUILT_IN_HEAD = Path(__file__).resolve().parents[2] / "assets" / "built_in_head.npz"
MESH_SUFFIXES = (".npz", ".obj", ".ply", ".stl", ".glb", ".gltf", ".off")
GLTF_SUFFIXES = (".glb", ".gltf")
"""Files whose specification says their frame: metres, Y up."""
MOST_VERTICES = 5_000_000
LARGEST_BYTES = 2_000_000_000
HEAD_SIZE = (0.05, 5.0)
"""Metres: the longest side of a head's bounding box, from a doll's to a whole standing person's with room to spare."""


@dataclass(frozen=True)
class Head:
    """A triangle mesh of a head, or bust.

    Attributes:
        vertices: (V, 3) float32, metres, Z up, the face towards -Y.
        faces: (F, 3) int32, outward by the right-hand rule.
        uv: (F, 3, 2) float32 in the unit square for each triangle's corners, or None.
        regions: name → (K,) int32 sorted vertices; "scalp" is where hair grows. Empty for a plain mesh.
        landmarks: name → (triangle, (3,) barycentric weights), in the order of the 68-point scheme where there are 68.
        name: of the model, as coefficients and files refer to it.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None = None
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    landmarks: dict[str, tuple[int, np.ndarray]] = field(default_factory=dict)
    name: str = "head"

    def __post_init__(self):
        object.__setattr__(self, "vertices", np.ascontiguousarray(self.vertices, np.float32).reshape(-1, 3))
        object.__setattr__(self, "faces", np.ascontiguousarray(self.faces, np.int32).reshape(-1, 3))
        if self.uv is not None:
            object.__setattr__(self, "uv", np.ascontiguousarray(self.uv, np.float32).reshape(-1, 3, 2))
        regions = {name: np.unique(np.asarray(v, np.int32)) for name, v in self.regions.items()}
        object.__setattr__(self, "regions", regions)

    @property
    def scalp(self) -> np.ndarray | None:
        """(K,) int32 vertices where hair grows, or None where nobody said."""
        found = self.regions.get("scalp")
        return None if found is None or not len(found) else found

    @property
    def scalp_faces(self) -> np.ndarray | None:
        """(S,) indices of the triangles whose three corners are scalp, or None."""
        if self.scalp is None:
            return None
        inside = np.zeros(len(self.vertices), bool)
        inside[self.scalp] = True
        return np.flatnonzero(inside[self.faces].all(axis=1))

    def landmark_points(self) -> np.ndarray:
        """(L, 3) float32, metres, in the order of ``landmarks``."""
        if not self.landmarks:
            return np.zeros((0, 3), np.float32)
        triangles = np.array([t for t, _ in self.landmarks.values()])
        weights = np.array([w for _, w in self.landmarks.values()], np.float32)
        return np.einsum("lk,lkc->lc", weights, self.vertices[self.faces[triangles]])

    def transformed(self, matrix: np.ndarray) -> "Head":
        """The head under a (4, 4) similarity, metres."""
        matrix = np.asarray(matrix, np.float64)
        return replace(self, vertices=self.vertices @ matrix[:3, :3].T + matrix[:3, 3])

    def turned(self, turn: np.ndarray) -> "Head":
        """The head turned about the origin by the rotation (3, 3)."""
        return replace(self, vertices=(self.vertices @ np.asarray(turn, np.float64).T).astype(np.float32))

    def with_scalp(self, vertices: np.ndarray) -> "Head":
        """The head with another scalp. Raises HeadError for indices it does not have."""
        return replace(self, regions=self.regions | {"scalp": _checked_indices(vertices, len(self.vertices), "scalp")})


def read_head(path: Path, scalp: Path | None = None, unit: str = "m", up: str = "Z") -> Head:
    """Read a head model or any mesh file; the head comes in metres, Z up.

    Args:
        path: a ``.npz`` with FLAME's keys (``v_template``, ``f``), a ``.npz`` with ``vertices`` and ``faces``, or a
            mesh file.
        scalp: file of vertex indices (.npy, .txt, .json), which replaces the file's own scalp.
        unit: one of ``contract.UNITS``; of the file, where it is of a kind that says nothing of it. Head models and
            glTF are in metres and Y up.
        up: "Z" or "Y", the axis that points up in the file, likewise.

    Raises:
        HeadError: the file cannot be read, or is no usable head; the sentence says why.
    """
    head = read_mesh(path, UNITS[unit], up)
    check_head(head, Path(path).name)
    return head.with_scalp(read_indices(Path(scalp))) if scalp is not None else head


def read_mesh(path: Path, metres: float = 1.0, up: str = "Z") -> Head:
    """Read a mesh as ``read_head`` does, without asking whether it can serve as a head.

    Args:
        metres: in one unit of the file, where it is of a kind that says nothing of it.
        up: as for ``read_head``.

    Raises:
        HeadError: the file cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise HeadError(f"There is no head file at {path}.")
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise HeadError(f"{path.name} is not a kind of head file that is read; use one of {', '.join(MESH_SUFFIXES)}.")
    if path.stat().st_size > LARGEST_BYTES:
        raise HeadError(f"{path.name} is larger than {LARGEST_BYTES // 10**9} GB; reduce the mesh first.")
    if path.suffix.lower() == ".npz":
        return _read_npz(path, metres, up)
    own = path.suffix.lower() in GLTF_SUFFIXES
    return _in_our_frame(_read_mesh(path), 1.0 if own else metres, "Y" if own else up)


def write_head(path: Path, head: Head) -> None:
    """Write a head model with FLAME's keys (Y up), to a temporary name first."""
    arrays = {
        "v_template": head.vertices[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32),
        "f": head.faces,
        "region_names": np.array(list(head.regions), dtype=np.str_),
        "region_offsets": np.cumsum([0, *(len(v) for v in head.regions.values())]).astype(np.int32),
        "region_vertices": np.concatenate([*head.regions.values(), np.zeros(0, np.int32)]).astype(np.int32),
        "lmk_names": np.array(list(head.landmarks), dtype=np.str_),
        "lmk_face_idx": np.array([t for t, _ in head.landmarks.values()], np.int32),
        "lmk_b_coords": np.array([w for _, w in head.landmarks.values()], np.float32).reshape(-1, 3),
        "name": np.array(head.name),
    }
    if head.uv is not None:
        arrays["vt"], corner = np.unique(head.uv.reshape(-1, 2), axis=0, return_inverse=True)
        arrays["ft"] = corner.reshape(-1, 3).astype(np.int32)
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    temporary.replace(path)


def read_indices(path: Path) -> np.ndarray:
    """(K,) int64 vertex indices from .npy, .txt (one or more a line) or .json (a list, or {"scalp": list})."""
    try:
        if path.suffix.lower() == ".npy":
            indices = np.load(path, allow_pickle=False)
            if indices.dtype == bool:
                indices = np.flatnonzero(indices)
        elif path.suffix.lower() == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
            indices = np.asarray(content["scalp"] if isinstance(content, dict) else content)
        else:
            indices = np.array(path.read_text(encoding="utf-8").replace(",", " ").split(), np.int64)
        if indices.size and not np.issubdtype(indices.dtype, np.integer):
            raise ValueError("they are not whole numbers")
    except (OSError, ValueError, KeyError, EOFError, UnicodeDecodeError) as error:
        raise HeadError(f"{path.name} cannot be read as vertex indices of a scalp: {error}.") from error
    return indices.reshape(-1).astype(np.int64)


def check_head(head: Head, source: str) -> None:
    """Raise HeadError with one sentence if a mesh cannot serve as a head."""
    vertices, faces = head.vertices, head.faces
    if not len(vertices):
        raise HeadError(f"{source} has no vertices.")
    if not len(faces):
        raise HeadError(f"{source} has no faces; a head must be a surface.")
    if len(vertices) > MOST_VERTICES:
        raise HeadError(f"{source} has {len(vertices):,} vertices; reduce it to at most {MOST_VERTICES:,}.")
    bad = ~np.isfinite(vertices).all(axis=1)
    if bad.any():
        raise HeadError(f"{source} has {int(bad.sum())} vertices that are not finite numbers; export it again.")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise HeadError(
            f"{source} has a face that names vertex {int(faces.max())}, but only {len(vertices)} are there."
        )
    longest = float(np.ptp(vertices, axis=0).max())
    if not HEAD_SIZE[0] <= longest <= HEAD_SIZE[1]:
        raise HeadError(
            f"{source} is {longest:.3g} m across, which is no head's size (about 0.25 m high); "
            "say the unit of its file, or scale it."
        )
    if head.uv is not None and (len(head.uv) != len(faces) or not np.isfinite(head.uv).all()):
        raise HeadError(f"{source} has UVs that do not fit its {len(faces)} faces.")


def _checked_indices(indices, count, what):
    indices = np.asarray(indices)
    if not indices.size:
        raise HeadError(f"The {what} is empty; choose the vertices where hair grows.")
    if indices.min() < 0 or indices.max() >= count:
        worst = int(indices.max() if indices.max() >= count else indices.min())
        raise HeadError(f"The {what} names vertex {worst}, but the head has the vertices 0 to {count - 1}.")
    return np.unique(indices).astype(np.int32)


def _in_our_frame(head: Head, metres: float, up: str) -> Head:
    vertices = metres * head.vertices
    if up == "Y":
        vertices = vertices[:, [0, 2, 1]] * np.array([1, -1, 1], np.float32)
    return replace(head, vertices=vertices)


def _read_npz(path: Path, metres: float, up: str) -> Head:
    try:
        with np.load(path, allow_pickle=False) as file:
            if "v_template" in file.files:
                return _from_model(file, path.stem)
            if "vertices" not in file.files or "faces" not in file.files:
                raise HeadError(f"{path.name} has neither v_template and f nor vertices and faces.")
            scalp = {"scalp": file["scalp"]} if "scalp" in file.files else {}
            head = _mesh(file["vertices"], file["faces"], file["uv"] if "uv" in file.files else None, path.stem)
            head = replace(head, regions={k: _checked_indices(v, len(head.vertices), k) for k, v in scalp.items()})
            return _in_our_frame(head, metres, up)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise HeadError(f"{path.name} cannot be read as a head: {error}.") from error


def _from_model(file, stem: str) -> Head:
    keys = set(file.files)
    vertices = np.asarray(file["v_template"], np.float32)
    head = _mesh(vertices, file["f"] if "f" in keys else file["faces"], None, stem)
    uv = file["vt"][file["ft"]] if {"vt", "ft"} <= keys else None
    regions, landmarks = {}, {}
    if {"region_names", "region_offsets", "region_vertices"} <= keys:
        offsets, members = file["region_offsets"], file["region_vertices"]
        for name, start, stop in zip(file["region_names"], offsets, offsets[1:]):
            regions[str(name)] = _checked_indices(members[start:stop], len(vertices), f"region {name}")
    if {"lmk_face_idx", "lmk_b_coords"} <= keys:
        triangles, weights = file["lmk_face_idx"], file["lmk_b_coords"]
        names = file["lmk_names"] if "lmk_names" in keys else [f"landmark {i + 1}" for i in range(len(triangles))]
        if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(head.faces)):
            raise ValueError("a landmark lies on a triangle that is not there")
        landmarks = {str(n): (int(t), np.asarray(w)) for n, t, w in zip(names, triangles, weights)}
    name = str(file["name"]) if "name" in keys else stem
    return _in_our_frame(replace(head, uv=uv, regions=regions, landmarks=landmarks, name=name), 1.0, "Y")


def _mesh(vertices, faces, uv, name) -> Head:
    """A head of triangles from arrays whose shapes nobody has checked yet."""
    vertices, faces = np.asarray(vertices), np.asarray(faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f"its vertices have the shape {vertices.shape}, not (V, 3)")
    if faces.size and (faces.ndim != 2 or faces.shape[1] != 3 or not np.issubdtype(faces.dtype, np.integer)):
        raise ValueError("its faces are not triangles of vertex indices; triangulate it first")
    return Head(vertices.astype(np.float32), faces.astype(np.int64).clip(-1, 2**31 - 1), uv, name=name)


def _read_mesh(path: Path) -> Head:
    try:
        import trimesh
    except ImportError:
        raise HeadError(
            f"{path.suffix} heads are read by the backend and by Add Head only; use one of those."
        ) from None
    try:
        # Vertices stay as they are in the file, so that a scalp's indices keep their meaning.
        mesh = trimesh.load(path, force="mesh", process=False, maintain_order=True)
        uv = getattr(mesh.visual, "uv", None)
        faces = np.asarray(mesh.faces)
        corners = None if uv is None or len(uv) != len(mesh.vertices) else np.asarray(uv)[faces]
        return _mesh(np.asarray(mesh.vertices), faces, corners, path.stem)
    except HeadError:
        raise
    except Exception as error:  # readers of outside files raise whatever they stumble over
        raise HeadError(f"{path.name} cannot be read as a mesh: {error}.") from error
