"""A scan: its file, its unit, and what a fit asks of it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from ..contract import UNITS
from ..errors import LandmarkError, ScanError
from ..formats.landmarks import Landmarks3D, guess_unit
from ..geometry.raster import rasterise
from ..geometry.surface import Surface
from .surfaces import boundary_edges, normals_and_areas, on_rim, unit

SUFFIXES = (".obj", ".ply", ".stl", ".glb", ".gltf", ".off", ".npz")
LARGEST_BYTES = 4_000_000_000
MOST_FACES = 300_000
"""Of a head. A finer mesh's vertices lie so near each other that their tangent planes are the surface."""
MOST_POINTS = 400_000
"""Of a cloud, around a head: they lie half a millimetre apart, and more says nothing more about a head."""
REACH = 0.26
"""Metres around the middle of the landmarks that are kept: a head with its neck, not the body."""
NEIGHBOURS = 16
"""Points whose plane gives a point its normal, where a cloud has none."""
ROUNDNESS = 0.5
"""Of Phong tessellation: 0 is flat, and at 0.5 the vertices of a sphere give the sphere back."""
FACET = 0.8
"""Cosine between the normals of a triangle's corners and their mean, from which it is a facet of something round."""
PICTURE = 320
"""Pixels across the pictures that tell which triangles can be seen."""
AVERAGE = "the model's average size"
"""Where the unit of a scan comes from whose face has the size of no known unit: its size is part of the fit."""
OFF_SCAN = 0.12
"""Share of the landmarks' own size that they may lie off the scan, for most of them."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan as its file has it.

    Attributes:
        points: (N, 3) float64, the file's unit and axes.
        faces: (F, 3) int64, or None for a cloud of points.
        normals: (N, 3) unit, or None.
        name: of its file.
    """

    points: np.ndarray
    faces: np.ndarray | None
    normals: np.ndarray | None
    name: str


def read_scan(path: Path) -> Scan:
    """Read a mesh or a cloud of points. Vertices that differ in nothing but their UVs become one.

    Raises:
        ScanError: the file cannot be read, is empty, or has numbers that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise ScanError(f"There is no scan at {path}.")
    if path.suffix.lower() not in SUFFIXES:
        raise ScanError(f"{path.name} is no kind of scan that is read; use one of {', '.join(SUFFIXES)}.")
    if path.stat().st_size > LARGEST_BYTES:
        raise ScanError(f"{path.name} is larger than {LARGEST_BYTES // 10**9} GB; reduce the mesh first.")
    try:
        points, faces, normals = (_arrays if path.suffix.lower() == ".npz" else _mesh)(path)
        points = np.asarray(points, np.float64)
        if points.size and (points.ndim != 2 or points.shape[1] != 3):
            raise ValueError(f"its points have the shape {points.shape}, not (N, 3)")
    except ScanError:
        raise
    except Exception as error:  # readers of outside files raise whatever they stumble over
        raise ScanError(f"{path.name} cannot be read as a scan: {error}.") from error
    if len(points) < 100:
        raise ScanError(f"{path.name} has {len(points)} points, too few for a head.")
    bad = int((~np.isfinite(points).all(axis=1)).sum())
    if bad:
        raise ScanError(f"{path.name} has {bad} points that are not finite numbers; export it again.")
    if faces is not None and len(faces):
        faces = np.asarray(faces)
        if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
            raise ScanError(f"{path.name} has faces that are no triangles; triangulate it first.")
        if faces.min() < 0 or faces.max() >= len(points):
            raise ScanError(f"{path.name} has a face that names vertex {int(faces.max())} of {len(points)}.")
        return _merged(points, faces.astype(np.int64), path.name)
    if normals is not None:
        normals = np.asarray(normals, np.float64)
        usable = normals.shape == points.shape and np.isfinite(normals).all()
        normals = unit(normals) if usable and np.linalg.norm(normals, axis=1).min() > 1e-6 else None
    return Scan(points, None, normals, path.name)


def metres_per_unit(said: str, landmarks: Landmarks3D, model: Landmarks3D) -> tuple[float, str, str]:
    """The unit of a scan.

    Args:
        said: by the artist: one of ``contract.UNITS``, metres in a unit as a number, or "" for a guess.
        landmarks: on the scan, in its unit.
        model: the model's, in metres.

    Returns:
        metres in one unit; its name, or ""; and where that comes from, in words: "as told", "guessed from the size of
        the face", or ``AVERAGE``.
    """
    said = said.strip().lower()
    if said in UNITS:
        return UNITS[said], said, "as told"
    if said:
        try:
            metres = float(said)
        except ValueError:
            metres = np.nan
        if not (np.isfinite(metres) and metres > 0):
            raise ScanError(f"'{said}' is no unit; give one of {', '.join(UNITS)}, or how many metres one unit is.")
        return metres, next((name for name, size in UNITS.items() if size == metres), ""), "as told"
    metres, name = guess_unit(landmarks, model)
    return metres, name, "guessed from the size of the face" if name else AVERAGE


def check_landmarks_on(scan: Scan, landmarks: Landmarks3D) -> None:
    """Raise LandmarkError if the landmarks do not lie on the scan: another unit, other axes, or another scan."""
    size = np.sqrt(((landmarks.points - landmarks.points.mean(axis=0)) ** 2).sum(axis=1).mean())
    off, _ = cKDTree(scan.points).query(landmarks.points)
    if scan.faces is not None:
        corners = scan.points[scan.faces]
        longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        off = np.maximum(off - np.quantile(longest, 0.9), 0)
    if np.median(off) > OFF_SCAN * size:
        extent, own = np.ptp(scan.points, axis=0).max(), np.ptp(landmarks.points, axis=0).max()
        raise LandmarkError(
            f"The landmarks do not lie on {scan.name}: most are {np.median(off):.3g} units away from it. They are "
            f"{own:.3g} units across and the scan {extent:.3g}; give both in the same unit and axes."
        )
    worst = int(off.argmax())
    if off[worst] > size:
        raise LandmarkError(
            f"The landmark '{landmarks.names[worst]}' lies {off[worst]:.3g} units off {scan.name}; click it again."
        )


def thinned(scan: Scan, metres: float, middle: np.ndarray) -> Scan:
    """A cloud with at most about ``MOST_POINTS`` around a head, drawn at random; any other scan as it is.

    Args:
        metres: in one unit of the scan.
        middle: (3,) metres, of the landmarks.
    """
    if scan.faces is not None:
        return scan
    around = int((np.linalg.norm(scan.points * metres - middle, axis=1) < REACH).sum())
    if around <= MOST_POINTS:
        return scan
    kept = np.random.default_rng(0).random(len(scan.points)) < MOST_POINTS / around
    return replace(scan, points=scan.points[kept], normals=None if scan.normals is None else scan.normals[kept])


class ScanSurface:
    """The head's part of a scan in metres: nearest points with normals, and even samples.

    Args:
        scan: as read.
        metres: in one unit of it.
        middle: (3,) metres, of the landmarks.
        towards: gives for points (N, 3) metres the outward normals (N, 3) of a head that lies roughly there; by it
            normals are turned outwards.
        reach: metres around the middle that are kept.

    Raises:
        ScanError: there is nothing around the landmarks.
    """

    def __init__(self, scan: Scan, metres: float, middle: np.ndarray, towards, reach: float = REACH):
        points = scan.points * metres
        near = np.linalg.norm(points - middle, axis=1) < reach
        if near.sum() < 100:
            raise ScanError(f"{scan.name} has nothing where the landmarks are; check that they belong to it.")
        self._surface, self._boundary = None, None
        if scan.faces is None:
            chosen = np.flatnonzero(near)
            self.points = points[chosen]
            tree = cKDTree(self.points)
            self.normals = _estimated_normals(self.points, tree) if scan.normals is None else scan.normals[chosen]
            outward = (self.normals * towards(self.points)).sum(axis=1)
            # Estimated normals point either way each; a file's are all right or all wrong.
            flips = np.sign(outward) if scan.normals is None else np.sign(np.median(outward))
            self.normals = self.normals * np.where(flips == 0, 1, flips).reshape(-1, 1)
            distances, _ = tree.query(self.points, k=5)
            spacing = distances[:, 1:].mean(axis=1)
            self.areas, self.spacing = spacing**2, float(np.median(spacing))
            self._tree = tree
            return
        faces = scan.faces[near[scan.faces].all(axis=1)]
        if not len(faces):
            raise ScanError(f"{scan.name} has no surface where the landmarks are; check that they belong to it.")
        used, faces = np.unique(faces, return_inverse=True)
        points, faces = points[used], faces.reshape(-1, 3)
        normals, areas = normals_and_areas(points, faces)
        if np.median((normals * towards(points)).sum(axis=1)) < 0:
            faces, normals = faces[:, ::-1], -normals
        self.points, self.normals, self.areas = points, normals, areas
        self.spacing = float(np.sqrt(2 * areas.sum() / len(faces)))
        if len(faces) > MOST_FACES:
            self._tree = cKDTree(points)
        else:
            self._surface = Surface(points, faces)
            self._boundary = boundary_edges(faces)
            self._seen = _seen_faces(points, faces)
        self.faces = faces

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest points of the scan.

        Args:
            points: (N, 3) metres.

        Returns:
            where (N, 3), unit normals (N, 3), and whether the scan's surface goes on around them (N,): False on the
            rim of a hole, whose points are nearest to much that was never scanned.
        """
        if self._surface is not None:
            there, face, weights = self._surface.nearest(points, candidates=4)
            return there, self._surface.smooth_normals(face, weights), ~on_rim(self._boundary, face, weights)
        _, found = self._tree.query(points, workers=-1)
        nearest, normals = self.points[found], self.normals[found]
        offset = points - nearest
        along = (offset * normals).sum(axis=1, keepdims=True) * normals
        aside = offset - along
        # Between the points of a cloud the surface is their tangent planes.
        size = np.linalg.norm(aside, axis=1)
        whole = size < np.maximum(3 * self.spacing, 0.5 * np.linalg.norm(along, axis=1))
        return nearest + np.where((size < 3 * self.spacing)[:, None], aside, 0), normals, whole

    def samples(self, count: int, curved: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """About ``count`` points (N, 3) spread evenly over the surface, and their normals: the same every time.

        Args:
            curved: points of coarse triangles lie on the surface that their shading shows (Boubekeur and Alexa, "Phong
                Tessellation", 2008), not on the facets.
        """
        draw = np.random.default_rng(0)
        if self._surface is None:
            chosen = draw.choice(len(self.points), min(count, len(self.points)), False, self.areas / self.areas.sum())
            return self.points[chosen], self.normals[chosen]
        shares = np.cumsum(self._surface.areas)
        face = np.searchsorted(shares, (np.arange(count) + 0.5) / count * shares[-1])
        face = face[self._seen[face]]
        u, v = draw.random((2, len(face)))
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        weights = np.stack([1 - u - v, u, v], axis=1)
        corners = self.points[self.faces[face]]
        points = np.einsum("nk,nkc->nc", weights, corners)
        if curved:
            normals = self.normals[self.faces[face]]
            # Where a triangle's corners look apart it is an edge, not a facet of something round.
            smooth = (normals * normals.sum(axis=1, keepdims=True) / 3).sum(axis=2).min(axis=1) > FACET
            above = ((corners - points[:, None]) * normals).sum(axis=2)
            points += ROUNDNESS * smooth[:, None] * np.einsum("nk,nk,nkc->nc", weights, above, normals)
        return points, self._surface.smooth_normals(face, weights)


def _seen_faces(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) bool: the triangles that can be seen from somewhere outside, so that the insides of a mouth, of a nose, or
    of a hollow bust are not taken for skin."""
    seen = np.zeros(len(faces), bool)
    middle, size = points.mean(axis=0), 2.1 * np.linalg.norm(points - points.mean(axis=0), axis=1).max()
    for elevation, yaws in ((0, 8), (40, 4), (-40, 4), (85, 1)):
        for yaw in range(yaws):
            a, e = 2 * np.pi * yaw / yaws, np.radians(elevation)
            right = np.array([np.cos(a), np.sin(a), 0.0])
            back = np.array([-np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])
            axes = np.stack([right, np.cross(back, right), back], axis=1)
            flat = (points - middle) @ axes
            pixels = (flat[:, :2] / size + 0.5) * PICTURE
            raster = rasterise(pixels, size - flat[:, 2], faces, (PICTURE, PICTURE), perspective=False)
            found = np.bincount(raster.face[raster.covered], minlength=len(faces))
            corners = pixels[faces]
            across, along = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
            area = (across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]) / 2
            # A glimpse between the lips is not enough, nor a back seen through the open neck (of negative area).
            seen |= (found > 0) & (area > 0) & (found > 0.5 * area)
    return seen


def _estimated_normals(points: np.ndarray, tree: cKDTree) -> np.ndarray:
    """(N, 3) unit normals of the planes through each point's neighbours, pointing either way."""
    normals = np.empty_like(points)
    for start in range(0, len(points), 50_000):
        part = slice(start, start + 50_000)
        _, found = tree.query(points[part], k=min(NEIGHBOURS, len(points)), workers=-1)
        spread = points[found] - points[found].mean(axis=1, keepdims=True)
        normals[part] = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread))[1][:, :, 0]
    return normals


def _merged(points: np.ndarray, faces: np.ndarray, name: str) -> Scan:
    _, first, inverse = np.unique(points, axis=0, return_index=True, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    if not len(faces):
        raise ScanError(f"{name} has no surface: all its faces are lines or points.")
    return Scan(points[first], faces, None, name)


def _arrays(path: Path):
    with np.load(path, allow_pickle=False) as file:
        key = next((key for key in ("vertices", "points", "v_template") if key in file.files), None)
        if key is None:
            raise ValueError("it has neither vertices nor points")
        faces = next((file[key] for key in ("faces", "f") if key in file.files), None)
        return file[key], faces, file["normals"] if "normals" in file.files else None


def _mesh(path: Path):
    import trimesh

    thing = trimesh.load(path, process=False, maintain_order=True)
    if isinstance(thing, trimesh.Scene):
        parts = [part for part in thing.dump() if isinstance(part, trimesh.Trimesh | trimesh.PointCloud)]
        meshes = [part for part in parts if isinstance(part, trimesh.Trimesh)]
        if not parts:
            raise ValueError("it holds no mesh and no points")
        thing = trimesh.util.concatenate(meshes) if meshes else parts[0]
    faces = getattr(thing, "faces", None)
    rows = thing.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
    names = getattr(getattr(rows, "dtype", None), "names", None) or ()
    normals = np.stack([rows[axis] for axis in ("nx", "ny", "nz")], axis=1) if "nx" in names else None
    return thing.vertices, faces, normals
