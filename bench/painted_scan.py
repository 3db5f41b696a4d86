"""The real scan with a skin painted by program, and the head model fitted to it.

The scan's own colour map does not decode, so its colours here are synthetic: skin with the blotches, freckles and pores
that stereo and structure from motion need, brows, lips and eyes where the scan has them.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.ndimage import map_coordinates

from backend.contract import BUILT_IN
from backend.errors import HeadError
from backend.fit.head_on_scan import lay_head_on_scan
from backend.formats.head import Head, read_head, write_head
from backend.protocol import SilentReporter

from .detail_scans import PERRY, PERRY_LANDMARKS, PERRY_UNIT

SKIN, LIPS, BROWS = (0.50, 0.30, 0.21), (0.42, 0.17, 0.14), (0.10, 0.055, 0.035)
WHITE, IRIS, PUPIL = (0.62, 0.58, 0.54), (0.12, 0.16, 0.17), (0.01, 0.01, 0.01)
"""Linear Rec. 709."""
_BLOTCHES = ((0.045, 0.10), (0.016, 0.10), (0.006, 0.10), (0.0022, 0.14), (0.0009, 0.12))
"""Metres between blotches of a size, and by how much they darken or redden the skin."""
_FRECKLES = 900
_SEED = 5


@dataclass(frozen=True)
class PaintedScan:
    """The scan in metres, Z up, looking along -Y.

    Attributes:
        mesh: an .obj with its material and a painted texture beside it.
        fitted: the built-in head's fit as a head model's .npz, in the same frame: it has a scalp, regions, landmarks.
    """

    mesh: Path
    fitted: Path


def painted_scan(folder: Path, size: int = 2048) -> PaintedScan:
    """Paint the scan into a folder, unless it is there already.

    Args:
        size: of the texture, pixels.

    Raises:
        HeadError: the scan is not beside the checkout.
    """
    painted = PaintedScan(folder / "scan.obj", folder / "fitted_head.npz")
    if painted.mesh.is_file() and painted.fitted.is_file():
        return painted
    if not PERRY.is_file():
        raise HeadError(f"There is no scan at {PERRY}; put Lee Perry-Smith's there.")
    folder.mkdir(parents=True, exist_ok=True)
    scan = read_scan()
    fitted = _fitted(folder)
    write_head(painted.fitted, fitted)
    picture = paint(scan, fitted, size)
    cv2.imwrite(str(folder / "skin.png"), picture[..., ::-1])
    _write_obj(painted.mesh, scan, "skin.png")
    return painted


def paint(scan: Head, fitted: Head, size: int) -> np.ndarray:
    """(size, size, 3) uint8 sRGB: the skin in the scan's UVs.

    Args:
        scan: with UVs, metres, Z up.
        fitted: with the 68 landmarks, in the same frame.
    """
    positions, inside = _positions(scan, size)
    points = positions[inside]
    rng = np.random.default_rng(_SEED)
    shade, red = np.ones(len(points)), np.zeros(len(points))
    for spacing, strength in _BLOTCHES:
        shade += strength * _noise(points, spacing, rng)
        red += 0.5 * strength * _noise(points, spacing, rng)
    colours = np.array(SKIN) * np.stack([shade + 0.4 * red, shade - 0.3 * red, shade - 0.3 * red], axis=1)
    colours *= _freckles(points, rng)[:, None]
    for cover, colour in _features(points, fitted, rng):
        colours += cover[:, None] * (np.array(colour) * (0.8 + 0.2 * shade[:, None]) - colours)
    linear = np.tile(np.array(SKIN), (size, size, 1))
    linear[inside] = colours
    linear = np.clip(linear, 0.004, 0.9)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return _bled(np.round(255 * srgb).astype(np.uint8), inside)


def read_scan() -> Head:
    """The scan with the UVs of its triangles' corners; vertices stay joined across the seams of the UVs."""
    points, uv, corners = [], [], []
    for line in PERRY.read_text(encoding="utf-8").splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            points.append(words)
        elif kind == "vt":
            uv.append(words[:2])
        elif kind == "f":
            fan = [word.split("/")[:2] for word in words]
            corners += [(fan[0], fan[k], fan[k + 1]) for k in range(1, len(fan) - 1)]
    corners = np.array(corners, np.int64) - 1
    points = np.array(points, np.float64) * float(PERRY_UNIT)
    return Head(points[:, [0, 2, 1]] * [1, -1, 1], corners[..., 0], np.array(uv, np.float64)[corners[..., 1]])


def _fitted(folder: Path) -> Head:
    """The built-in head as it lies on the scan, in metres, Z up."""
    fit = lay_head_on_scan(
        PERRY, PERRY_LANDMARKS, BUILT_IN, PERRY_UNIT, 0, True, torch.device("cpu"), SilentReporter(folder)
    )
    return fit.model.head(fit.place.apply(fit.vertices))


def _positions(scan: Head, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(size, size, 3) metres where each texel lies, and (size, size) which texels belong to a triangle."""
    where = scan.uv.astype(np.float64) * size
    where[..., 1] = size - where[..., 1]
    corners = scan.vertices[scan.faces].astype(np.float64)
    positions, inside = np.zeros((size, size, 3)), np.zeros((size, size), bool)
    for flat, solid in zip(where, corners):
        low = np.maximum(np.floor(flat.min(axis=0) - 1.5).astype(int), 0)
        high = np.minimum(np.ceil(flat.max(axis=0) + 1.5).astype(int), size)
        edges = np.stack([flat[1] - flat[0], flat[2] - flat[0]], axis=1)
        if (high <= low).any() or abs(np.linalg.det(edges)) < 1e-9:
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        b, c = np.linalg.solve(edges, np.stack([x.ravel() - flat[0, 0], y.ravel() - flat[0, 1]]))
        near = (np.minimum(np.minimum(b, c), 1 - b - c) > -0.05).reshape(x.shape)
        place = (1 - b - c)[:, None] * solid[0] + b[:, None] * solid[1] + c[:, None] * solid[2]
        block = np.s_[low[1] : high[1], low[0] : high[0]]
        positions[block][near] = place.reshape(*x.shape, 3)[near]
        inside[block] |= near
    return positions, inside


def _noise(points: np.ndarray, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """(N,) smooth noise of unit variance or so, whose blotches lie ``spacing`` metres apart."""
    lattice = rng.normal(size=(32, 32, 32))
    turned = points @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return map_coordinates(lattice, (turned / spacing).T, order=1, mode="grid-wrap")


def _freckles(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) how much light freckles and moles leave."""
    from scipy.spatial import cKDTree

    left, tree = np.ones(len(points)), cKDTree(points)
    for middle in points[rng.choice(len(points), _FRECKLES, replace=False)]:
        radius, depth = rng.uniform(0.0007, 0.0022), rng.uniform(0.15, 0.5)
        near = tree.query_ball_point(middle, 1.5 * radius)
        off = np.linalg.norm(points[near] - middle, axis=1) / radius
        left[near] *= 1 - depth * np.clip(2 * (1.25 - off), 0, 1)
    return left


def _features(points: np.ndarray, fitted: Head, rng: np.random.Generator):
    """Pairs of a cover (N,), 0 to 1, and its colour: brows, lips and eyes, seen from the front."""
    marks = dict(zip(fitted.landmarks, fitted.landmark_points().astype(np.float64)))
    nose = np.mean([at for name, at in marks.items() if name.startswith("nose")], axis=0)
    front = points[:, 1] < nose[1] + 0.045

    def line(part: str) -> np.ndarray:
        return np.array([at for name, at in marks.items() if name.rsplit(" ", 1)[0] == part])

    for side in ("left", "right"):
        brow = line(f"{side} eyebrow")
        off = _from_line(points, brow)
        hairs = _noise(points * np.array([3.0, 1.0, 1.0]), 0.0012, rng)
        yield front * np.clip((0.0045 + 0.001 * hairs - off) / 0.002, 0, 0.85), BROWS
    yield front * _within(points, line("outer lip"), 0.0006), LIPS
    for side in ("left", "right"):
        eye = line(f"{side} eye")
        opening, middle = _within(points, eye, 0.0004) * front, eye.mean(axis=0)
        off = np.linalg.norm((points - middle)[:, [0, 2]], axis=1)
        yield opening, WHITE
        yield opening * np.clip((0.0058 - off) / 0.0006, 0, 1), IRIS
        yield opening * np.clip((0.0024 - off) / 0.0005, 0, 1), PUPIL


def _from_line(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(N,) metres to a polyline (L, 3)."""
    nearest = np.full(len(points), np.inf)
    for a, b in itertools.pairwise(line):
        along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(points - a - along[:, None] * (b - a), axis=1))
    return nearest


def _within(points: np.ndarray, loop: np.ndarray, soft: float) -> np.ndarray:
    """(N,) 1 inside a closed loop (L, 3) as it is seen from the front, 0 outside, soft over some metres."""
    low, fine = loop.min(axis=0) - 0.004, 2e-4
    size = np.ceil((loop.max(axis=0) + 0.004 - low) / fine).astype(int)
    picture = np.zeros((size[2], size[0]), np.uint8)
    cv2.fillPoly(picture, [np.round((loop - low)[:, [0, 2]] / fine).astype(np.int32)], 255)
    picture = cv2.GaussianBlur(picture, (0, 0), soft / fine)
    at = ((points - low)[:, [2, 0]] / fine).T
    return map_coordinates(picture / 255.0, at, order=1, mode="constant")


def _bled(picture: np.ndarray, inside: np.ndarray, rounds: int = 6) -> np.ndarray:
    """The picture with colours carried over its islands' borders, which filtering reads."""
    picture, inside = picture.copy(), inside.copy()
    for _ in range(rounds):
        grown = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~inside
        total = cv2.blur(np.where(inside[..., None], picture, 0).astype(np.float32), (3, 3))
        share = cv2.blur(inside.astype(np.float32), (3, 3))
        picture[grown] = (total[grown] / share[grown][:, None]).round()
        inside |= grown
    return picture


def _write_obj(path: Path, scan: Head, picture: str) -> None:
    """Z up; the vertices stay joined across the seams of their UVs."""
    uv, corner = np.unique(scan.uv.reshape(-1, 2), axis=0, return_inverse=True)
    faces = np.stack([scan.faces, corner.reshape(-1, 3)], axis=2) + 1
    lines = [f"mtllib {path.stem}.mtl", "usemtl Skin"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in scan.vertices.tolist()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in uv.tolist()]
    lines += ["f " + " ".join(f"{v}/{t}" for v, t in face) for face in faces.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Ns and Ks: Blender reads a roughness of 0.55 and dull highlights out of them.
    material = f"newmtl Skin\nKd 1 1 1\nKs 0.3 0.3 0.3\nNs 200\nillum 2\nmap_Kd {picture}\n"
    path.with_suffix(".mtl").write_text(material, encoding="utf-8")


def read_fitted(painted: PaintedScan) -> Head:
    """The built-in head as it lies on the painted scan."""
    return read_head(painted.fitted)
