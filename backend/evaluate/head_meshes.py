"""The two meshes that are compared: read, welded along UV seams, and the part of them that counts."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..contract import UNITS
from ..errors import HeadError, LandmarkError, MaquetteError
from ..fit.surfaces import boundary_edges, normals_and_areas
from ..formats.head import check_head, read_indices, read_mesh
from ..formats.landmarks import Landmarks3D, read_landmarks
from ..geometry.raster import rasterise
from ..geometry.surface import Surface

INDEX_FILES = (".npy", ".txt", ".json")
PICTURE = 256
"""Pixels across the pictures that tell what can be seen from outside."""


@dataclass(frozen=True, eq=False)
class HeadMesh:
    """A mesh with the vertices of its file, and welded: those that differ in nothing but their UVs are one.

    Attributes:
        vertices: (V, 3) float64 metres, Z up, as the file has them.
        faces: (F, 3) into ``vertices``.
        regions: name → vertices.
        landmarks: on the surface, or None.
        name: of its file.
    """

    vertices: np.ndarray
    faces: np.ndarray
    name: str
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    landmarks: Landmarks3D | None = None

    @cached_property
    def welding(self) -> tuple[np.ndarray, np.ndarray]:
        """First file vertex of each welded one (W,), and the welded one of each of the file's (V,)."""
        _, first, welded = np.unique(self.vertices, axis=0, return_index=True, return_inverse=True)
        return first, welded.reshape(-1)

    @cached_property
    def surface(self) -> Surface:
        """Of the welded vertices, without triangles that have no area."""
        first, welded = self.welding
        faces = welded[self.faces]
        faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
        if not len(faces):
            raise HeadError(f"{self.name} has no surface: all its faces are lines or points.")
        spacing = 0.008 * float(np.ptp(self.vertices, axis=0).max())  # 2 mm on a head, whatever its unit
        return Surface(self.vertices[first], faces, spacing)

    @cached_property
    def open_edges(self) -> np.ndarray:
        """(F, 3) of the surface, as ``boundary_edges``."""
        return boundary_edges(self.surface.faces)


def read_head_mesh(
    path: Path, unit: str = "m", up: str = "Z", landmarks: Path | None = None, any_size: bool = False
) -> HeadMesh:
    """Read a mesh, with the landmarks of its model or of a file.

    Args:
        unit: of ``contract.UNITS``, or metres in one unit as a number; "" for metres.
        up: axis that points up in the file.
        landmarks: file of points in the mesh's own unit and axes.
        any_size: its size says nothing, for its scale is going to be found.

    Raises:
        HeadError: it cannot be read, has no surface, or no head's size.
        LandmarkError: the landmarks cannot be read, or do not lie on it.
    """
    metres = metres_of(unit)
    head = read_mesh(path, metres, up)
    name, longest = Path(path).name, float(np.ptp(head.vertices, axis=0).max()) if len(head.vertices) else 0.0
    if not len(head.faces):
        raise HeadError(f"{name} has no faces; a cloud of points has to be made a mesh first.")
    sized = any_size and np.isfinite(longest) and longest > 0
    check_head(head.transformed(np.diag([0.25 / longest] * 3 + [1])) if sized else head, name)
    vertices = head.vertices.astype(np.float64)
    own = Landmarks3D(tuple(head.landmarks), head.landmark_points()) if head.landmarks else None
    if landmarks is not None:
        own = _landmarks_of_file(Path(landmarks), metres, up, vertices, name)
    return HeadMesh(vertices, _outward(vertices, head.faces.astype(np.int64)), name, head.regions, own)


def metres_of(unit: str) -> float:
    """Metres in a unit: one of ``contract.UNITS``, a number, or "" for metres. Raises HeadError."""
    said = unit.strip().lower()
    if said in UNITS or not said:
        return UNITS.get(said, 1.0)
    try:
        metres = float(said)
    except ValueError:
        metres = np.nan
    if not (np.isfinite(metres) and metres > 0):
        raise HeadError(f"'{unit}' is no unit; give one of {', '.join(UNITS)}, or how many metres one unit is.")
    return metres


def _landmarks_of_file(path: Path, metres: float, up: str, vertices: np.ndarray, name: str) -> Landmarks3D:
    read = read_landmarks(path)
    points = metres * read.points
    if up == "Y":
        points = points[:, [0, 2, 1]] * [1, -1, 1]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    slack = 0.1 * (high - low).max()
    off = ((points < low - slack) | (points > high + slack)).any(axis=1)
    if off.any():
        raise LandmarkError(
            f"The landmark '{read.names[int(off.argmax())]}' of {path.name} lies far off {name}; give both in the same "
            "unit and axes."
        )
    return Landmarks3D(read.names, points)


@dataclass(frozen=True, eq=False)
class Crop:
    """The part of the true mesh that counts.

    Attributes:
        faces: (F,) bool, of its surface.
        point, normal: (3,) of a plane below which nothing counts; None without one.
        said: in words, for the report.
    """

    faces: np.ndarray
    point: np.ndarray | None
    normal: np.ndarray | None
    said: str

    def inside(self, face: np.ndarray, points: np.ndarray) -> np.ndarray:
        """(N,) whether points (N, 3) of the true mesh, on its faces (N,), count."""
        kept = self.faces[face]
        return kept if self.point is None else kept & ((points - self.point) @ self.normal >= 0)


def crop_of(truth: HeadMesh, region: str = "", plane: str = "", within: float = 0.0) -> Crop:
    """The crop that settings ask for.

    Args:
        region: name of one of the mesh's regions, or a file of its vertices' indices; "" for all.
        plane: "x y z" or "x y z nx ny nz", metres, Z up: nothing below counts; "" for none.
        within: metres around the tip of the nose; 0 for all.

    Raises:
        HeadError: a setting makes no sense for this mesh, or nothing is left.
    """
    vertices, faces, words = truth.surface.vertices, truth.surface.faces, []
    kept = np.ones(len(faces), bool)
    if region.strip():
        members, word = _region(truth, region.strip())
        inside = np.zeros(len(vertices), bool)
        inside[truth.welding[1][members]] = True
        kept &= inside[faces].all(axis=1)
        words.append(word)
    point, normal = _plane(plane) if plane.strip() else (None, None)
    if point is not None:
        words.append(f"above the plane through {point[0]:g} {point[1]:g} {point[2]:g}")
        kept &= ((vertices[faces] - point) @ normal >= 0).any(axis=1)
    if within > 0:
        kept &= np.linalg.norm(vertices[faces] - _nose(truth), axis=2).max(axis=1) <= within
        words.append(f"within {1000 * within:g} mm of the tip of the nose")
    if not kept.any():
        raise HeadError(f"Nothing of {truth.name} is left to compare ({', '.join(words)}); choose a larger part of it.")
    return Crop(kept, point, normal, ", ".join(words) or "all of it")


def _region(truth: HeadMesh, region: str) -> tuple[np.ndarray, str]:
    if region in truth.regions:
        return truth.regions[region], f"region '{region}'"
    path = Path(region)
    if path.suffix.lower() not in INDEX_FILES:
        there = f"it has {', '.join(sorted(truth.regions))}" if truth.regions else "it has none"
        raise HeadError(
            f"{truth.name} has no region named '{region}' ({there}); name one, or a file of vertices "
            f"({', '.join(INDEX_FILES)})."
        )
    try:
        members = read_indices(path)
    except MaquetteError:
        raise HeadError(f"{path.name} cannot be read as vertices of {truth.name}; it needs whole numbers.") from None
    if not len(members) or members.min() < 0 or members.max() >= len(truth.vertices):
        raise HeadError(
            f"{path.name} names no vertices of {truth.name}, which has the vertices 0 to {len(truth.vertices) - 1}."
        )
    return members, f"vertices of {path.name}"


def _plane(said: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        numbers = np.array(said.replace(",", " ").split(), np.float64)
    except ValueError:
        numbers = np.zeros(0)
    if len(numbers) not in (3, 6) or not np.isfinite(numbers).all():
        raise HeadError(f"The plane must be 'x y z' or 'x y z nx ny nz' in metres, not '{said}'.")
    normal = numbers[3:] if len(numbers) == 6 else np.array([0, 0, 1.0])
    if np.linalg.norm(normal) < 1e-9:
        raise HeadError("The plane's normal has no length; give the direction of what is kept.")
    return numbers[:3], normal / np.linalg.norm(normal)


def _nose(truth: HeadMesh) -> np.ndarray:
    if truth.landmarks is None or "nose bridge 4" not in truth.landmarks.names:
        raise HeadError(f"{truth.name} has no landmark 'nose tip'; give landmarks of it, or crop in another way.")
    return truth.landmarks.of(["nose bridge 4"])[0]


def even_samples(surface: Surface, count: int, kept: np.ndarray | None = None, seed: int = 0):
    """Points spread over a surface evenly by area: where (N, 3), their face (N,), barycentric weights (N, 3).

    Args:
        kept: (F,) bool, of its faces; all without.
        seed: of their places within the faces.
    """
    areas = surface.areas if kept is None else np.where(kept, surface.areas, 0)
    shares = np.cumsum(areas)
    draw = np.random.default_rng(seed)
    face = np.searchsorted(shares, (np.arange(count) + draw.random()) / count * shares[-1])
    u, v = draw.random((2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], axis=1)
    return np.einsum("nk,nkc->nc", weights, surface.vertices[surface.faces[face]]), face, weights


def seen_from_outside(mesh: HeadMesh, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(N,) bool: points (N, 3) of a surface with normals (N, 3) that some of 17 far cameras around it see from the
    front, so that a mouth's lining, sockets behind eyeballs and the inner side of a shell do not count."""
    surface = mesh.surface
    middle = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2
    size = 2.05 * np.linalg.norm(surface.vertices - middle, axis=1).max()
    seen = np.zeros(len(points), bool)
    for elevation, yaws in ((0, 8), (40, 4), (-40, 4), (85, 1)):
        for yaw in range(yaws):
            a, e = 2 * np.pi * yaw / yaws, np.radians(elevation)
            right = np.array([np.cos(a), np.sin(a), 0.0])
            back = np.array([-np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])
            axes = np.stack([right, np.cross(back, right), back], axis=1)
            flat, asked = (surface.vertices - middle) @ axes, np.flatnonzero(~seen & (normals @ back > 0.1))
            raster = rasterise(
                (flat[:, :2] / size + 0.5) * PICTURE, size - flat[:, 2], surface.faces, (PICTURE, PICTURE),
                perspective=False,
            )  # fmt: skip
            there = (points[asked] - middle) @ axes
            seen[asked] = raster.seen((there[:, :2] / size + 0.5) * PICTURE, size - there[:, 2], size / PICTURE)
    return seen


def _outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The faces, turned round where they look inwards, by their normals away from the middle."""
    normals, areas = normals_and_areas(vertices, faces)
    middle = areas @ vertices / max(areas.sum(), 1e-30)
    return faces if (areas[:, None] * normals * (vertices - middle)).sum() >= 0 else faces[:, ::-1]
