"""Both UV layouts with a checker on the head, their distortion, and the checker over registered hairstyles."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from backend.contract import BUILT_IN
from backend.detail.dense import DenseHead, dense_head
from backend.detail.displacement_map import seam_jump
from backend.detail.frames import vertex_normals
from backend.detail.given import bake_map, given_coefficients, given_displacement, map_displacement
from backend.detail.layout import distortion
from backend.detail.packing import covered
from backend.detail.texels import texel_places
from backend.detail.transfer import texels_of, transferred
from backend.fit.model import model_to_fit
from backend.formats.displacement import OBJECT
from backend.formats.flame_model import z_up
from backend.geometry.raster import rasterise

HELP = "UV layouts on the head with their distortion; the checker over registered heads (HeadCraft, figure 19)."
TILE, CELLS, SUPERSAMPLING = 300, 24, 2
HALF, MIDDLE = 0.19, np.array([0, 0.02, 0.03])
"""Metres from a picture's middle to its edge, and where the middle lies."""
VIEWS = {"front": 0.0, "left": 90.0, "back": 180.0, "right": 270.0}
EMPTY = np.array([245.0, 245, 245])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench detail-layout``."""
    parser.add_argument("registered", nargs="*", type=Path, help="registered.npz files, or maps, of the model.")
    parser.add_argument(
        "--transfer", nargs=2, action="append", default=[], type=Path, metavar=("HAIR", "FACE"),
        help="Two of such files; the one's hair is put on the other's face.",
    )  # fmt: skip
    parser.add_argument("--model", default=BUILT_IN, help=f"Head model file. Default: {BUILT_IN}.")
    parser.add_argument("--pictures", type=Path, help="Folder for the pictures; default: the results' own.")


def run(options: argparse.Namespace) -> None:
    """Write results.json, detail_layout.jpg and, with registrations, detail_checker.jpg and detail_transfer.jpg."""
    options.out.mkdir(parents=True, exist_ok=True)
    pictures = options.pictures or options.out
    dense = dense_head(model_to_fit(options.model))
    results = {"layouts": {}, "maps": {}}
    rest, rows = dense.rest(), []
    for name, coarse, uv in _layouts(dense):
        results["layouts"][name] = figures(dense, coarse)
        tiles = [_labelled(flat(coarse), f"{name} layout")]
        tiles += [_labelled(seen(rest, dense.faces, uv, VIEWS[view]), view) for view in ("front", "left", "back")]
        rows.append(np.hstack(tiles))
        print(name, results["layouts"][name], flush=True)
    _write(pictures / "detail_layout.jpg", np.vstack(rows))
    rows = []
    for path in options.registered:
        moved = given_displacement(path, dense)
        label = path.parent.name
        results["maps"][label] = round_trip(dense, moved)
        print(label, results["maps"][label], flush=True)
        worn = _worn(dense, path, moved)
        looks = [seen(worn, dense.faces, None, 0.0)]
        looks += [seen(worn, dense.faces, dense.uv, degrees) for degrees in VIEWS.values()]
        rows.append(np.hstack([_labelled(looks[0], label), *looks[1:]]))
    if rows:
        _write(pictures / "detail_checker.jpg", np.vstack(rows))
    rows = []
    for hair, face in options.transfer:
        joined = transferred(*(texels_of(path, dense, 1024) for path in (hair, face)), dense)
        tiles = []
        for path in (hair, face):
            worn = _worn(dense, path, given_displacement(path, dense))
            tiles.append(_labelled(seen(worn, dense.faces, None, 20.0), path.parent.name))
        worn = _worn(dense, face, map_displacement(joined, dense, None, "map"))
        tiles += [_labelled(seen(worn, dense.faces, None, degrees), view) for view, degrees in VIEWS.items()]
        rows.append(np.hstack(tiles))
    if rows:
        _write(pictures / "detail_transfer.jpg", np.vstack(rows))
    (options.out / "results.json").write_text(json.dumps(results, indent=1))
    print(f"Results in {options.out / 'results.json'}, pictures in {pictures}")


def _worn(dense: DenseHead, path: Path, moved: np.ndarray) -> np.ndarray:
    """(W, 3) the person beside a registration, at rest, with displacements (W, 3)."""
    person = given_coefficients(dense.model, None, path)
    return dense.rest(None if person is None else person.identity) + moved


def _layouts(dense: DenseHead):
    yield "custom", dense.layout.uv, dense.uv
    if dense.model.uv is not None:
        yield "standard", dense.model.uv, dense.standard_uv


def figures(dense: DenseHead, uv: np.ndarray) -> dict:
    """Distortion over scalp and face, and how much of the square is used, of UVs (F, 3, 2) of the model's triangles."""
    model, vertices = dense.model, z_up(dense.model.template).astype(np.float64)
    found = {"used": round(float(covered(uv, 1024).mean()), 3)}
    for number, name in enumerate(dense.layout.names[:2]):
        mine = dense.layout.chart == number
        part = distortion(vertices, model.faces[mine], uv[mine], np.zeros(mine.sum(), int))
        corners = np.asarray(uv, np.float64)[mine]
        sides = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=1)
        area = float(np.abs(np.linalg.det(sides)).sum() / 2)
        found[name] = {key: round(value, 3) for key, value in asdict(part).items()} | {"of_square": round(area, 3)}
    return found


def round_trip(dense: DenseHead, moved: np.ndarray, size: int = 1024) -> dict:
    """Millimetres between displacements (W, 3) and what a map gives back, and across its seam."""
    baked = bake_map(moved, dense, size, frame=OBJECT)
    off = np.linalg.norm(map_displacement(baked, dense, None, "map") - moved, axis=1)
    jump = seam_jump(baked.values, dense.faces, dense.uv)
    named = {"clipped": baked.clipped}
    for name, values in (("off", 1000 * off), ("seam", 1000 * jump)):
        named[name] = [round(float(v), 4) for v in (values.mean(), *np.percentile(values, (99, 99.9, 100)))]
    return named


def checker(uv: np.ndarray) -> np.ndarray:
    """(..., 3) BGR of UVs (..., 2): cells whose hue tells the column and whose strength tells the row."""
    cell = np.floor(uv * CELLS)
    odd = (cell.sum(axis=-1) % 2)[..., None]
    hsv = np.concatenate([cell[..., :1] / CELLS * 179, 70 + 150 * cell[..., 1:] / CELLS, 170 + 75 * odd], axis=-1).clip(
        0, 255
    )
    flat = cv2.cvtColor(hsv.reshape(-1, 1, 3).astype(np.uint8), cv2.COLOR_HSV2BGR)
    return flat.reshape(uv.shape[:-1] + (3,)).astype(np.float64)


def flat(uv: np.ndarray) -> np.ndarray:
    """(TILE, TILE, 3) uint8 BGR: the checker where a layout (F, 3, 2) has a triangle, and its triangles' edges."""
    size = TILE * SUPERSAMPLING
    rows, columns = np.mgrid[:size, :size]
    place = np.stack([(columns + 0.5) / size, 1 - (rows + 0.5) / size], axis=-1)
    picture = np.where(covered(uv, size)[..., None], checker(place), EMPTY).astype(np.uint8)
    corners = np.round(texel_places(uv, size) * 16).astype(np.int32)
    lines = picture.copy()
    cv2.polylines(lines, list(corners), True, (60, 60, 60), 1, cv2.LINE_AA, 4)
    return _small(cv2.addWeighted(picture, 0.65, lines, 0.35, 0))


def seen(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray | None, degrees: float) -> np.ndarray:
    """(TILE, TILE, 3) uint8 BGR of a mesh (W, 3) from ``degrees`` to its left; plain clay without UVs."""
    size = TILE * SUPERSAMPLING
    a = np.radians(degrees)
    axes = np.array([[np.cos(a), np.sin(a), 0], [0, 0, 1], [np.sin(a), -np.cos(a), 0]])
    turned = (vertices - MIDDLE) @ axes.T
    pixels = (turned[:, :2] * [1, -1] / HALF + 1) * size / 2
    raster = rasterise(pixels, 1 - turned[:, 2], faces, (size, size), perspective=False)
    normals = raster.blend(vertex_normals(vertices, faces), faces) @ axes.T
    light = 0.3 + 0.7 * np.clip(normals @ np.array([0.3, 0.42, 0.86]), 0, 1)
    paint = np.array([205.0, 212, 222])
    if uv is not None:
        corner = np.asarray(uv, np.float64)[np.maximum(raster.face, 0)]
        paint = checker(np.einsum("hwk,hwkc->hwc", raster.weights, corner))
    picture = np.where(raster.covered[..., None], light[..., None] * paint, EMPTY)
    return _small(picture.astype(np.uint8))


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA)


def _labelled(tile: np.ndarray, text: str) -> np.ndarray:
    return cv2.putText(tile, text, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)


def _write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, 86])[1].tobytes())
