"""A contact sheet of a head model, to look at: ``python -m backend.head.sheet MODEL --out PNG``.

Sixteen people, each from before and in profile, then every movement of the model's face, the jaw and a look down.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from ..flame.layer import FlameLayer
from ..formats.flame_files import read_flame_model
from ..formats.flame_model import FlameModel
from ..formats.head import BUILT_IN_HEAD
from .surface import normals

PICTURE = BUILT_IN_HEAD.with_name("built_in_head_skin.jpg")
TILE = (200, 250)
"""Pixels, width and height."""
COLUMNS = 8
_TURNS = {
    "jaw open": {"jaw": (0.44, 0, 0)},
    "jaw half open": {"jaw": (0.2, 0, 0)},
    "jaw left": {"jaw": (0.08, 0.14, 0)},
    "look down": {"left_eye": (0.5, 0, 0), "right_eye": (0.5, 0, 0)},
    "look up": {"left_eye": (-0.4, 0, 0), "right_eye": (-0.4, 0, 0)},
    "neck turned": {"neck": (0.1, 0.6, 0.1)},
}


def contact_sheet(model: FlameModel, people: int = 16, seed: int = 0) -> np.ndarray:
    """The sheet (H, W, 3) uint8, BGR, of a model with the built-in head's picture."""
    layer, random = FlameLayer(model), np.random.default_rng(seed)
    picture = cv2.imread(str(PICTURE)).astype(np.float32) / 255
    tiles = []

    def show(name, azimuth, focus=(0, -20, 0), scale=0.98, **parameters):
        vertices = layer(**parameters).vertices[0].double().numpy() * 1000
        tiles.append(_labelled(_tile(vertices, model, picture, azimuth, focus, scale), name))

    for person in range(people):
        draw = torch.from_numpy(random.standard_normal((1, layer.identity_count))).float()
        show(str(person + 1), 20, identity=draw)
        show("", -75, identity=draw)
    for k, name in enumerate(model.expression_names):
        one = torch.zeros(1, layer.expression_count)
        one[0, k] = 1
        side = -20 if name.endswith("right") else 20
        pose = torch.zeros(1, layer.joint_count, 3)
        if name == "mouth close":  # it closes an open jaw
            one, pose[0, model.joint["jaw"], 0] = 0.5 * one, 0.22
        show(name, side, (0, -60, -22), 1.3, expression=one, pose=pose)
    for name, turns in _TURNS.items():
        pose = torch.zeros(1, layer.joint_count, 3)
        for joint, turn in turns.items():
            pose[0, model.joint[joint]] = torch.tensor(turn)
        show(name, 20, (0, -60, -22), 1.3, pose=pose)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    return np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])


def _tile(vertices, model, picture, azimuth, focus, scale, supersampling=2):
    """One head, painted from the back to the front.

    Args:
        vertices: (V, 3) mm, Z up.
        azimuth: degrees from which it is seen, towards its left.
        focus: (3,) mm, what the tile's middle shows.
        scale: pixels a mm.
    """
    width, height = (supersampling * side for side in TILE)
    a = np.radians(azimuth)
    towards, right, up = np.array([np.sin(a), -np.cos(a), 0]), np.array([np.cos(a), np.sin(a), 0]), np.array([0, 0, 1])
    shade = normals(vertices, model.faces)
    corners, normal, uv = (_quartered(part) for part in (vertices[model.faces], shade[model.faces], model.uv))
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) @ towards
    seen = corners - focus
    screen = np.stack([seen @ right, -(seen @ up)], axis=-1) * scale * supersampling + [width / 2, height / 2]
    mean = normal.mean(axis=1)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    key, fill = 0.67 * towards - 0.5 * right + 0.55 * up, 0.6 * towards + 0.8 * right
    light = 0.85 * (mean @ key).clip(0) + 0.22 * (mean @ fill).clip(0) + 0.06 * (1 + mean @ up) + 0.05
    size = len(picture)
    texel = (uv.mean(axis=1) * [size, -size] + [0, size]).astype(int).clip(0, size - 1)
    colour = (picture[texel[:, 1], texel[:, 0]] ** 2.2 * 1.25 * light[:, None]).clip(0, 1) ** (1 / 2.2) * 255
    image = np.full((height, width, 3), 245, np.uint8)
    inside = ((screen.max(axis=1) > 0) & (screen.min(axis=1) < [width, height])).all(axis=1) & (facing > 0)
    points = np.round(screen * 16).astype(np.int32)
    for f in np.argsort((seen @ towards).mean(axis=1)):
        if inside[f]:
            cv2.fillConvexPoly(image, points[f], colour[f].tolist(), shift=4)
    return cv2.resize(image, TILE, interpolation=cv2.INTER_AREA)


def _quartered(corners):
    """Triangles' corners (F, 3, C), each triangle cut into four (4 F, 3, C)."""
    a, b, c = np.moveaxis(corners.astype(np.float64), 1, 0)
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    return np.concatenate([np.stack(three, axis=1) for three in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])


def _labelled(tile, name):
    return cv2.putText(tile, name, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the .npz that backend.head.model wrote")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write")
    parser.add_argument("--seed", type=int, default=0, help="which people")
    settings = parser.parse_args()
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(settings.out), contact_sheet(read_flame_model(settings.model), seed=settings.seed))


if __name__ == "__main__":
    main()
