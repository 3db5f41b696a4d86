"""The built-in head: ``python -m backend.head.built_in [--out assets/built_in_head.npz]``.

Made by this program alone, from published proportions (``anthropometry``); no scan and no other model enters it.
"""

import argparse
from pathlib import Path

import numpy as np

from ..formats.head import BUILT_IN_HEAD, Head, write_head
from . import regions, shape, template
from .unwrap import unwrap

MILLIMETRE = 0.001
NAME = "maquette-built-in-1"


def build_head() -> Head:
    """The mean head: vertices placed, flattened, named."""
    plan = template.build()
    faces = plan.triangles
    vertices = shape.place(plan)  # mm
    head = Head(
        vertices=vertices * MILLIMETRE,
        faces=faces,
        uv=_uv(plan, vertices, faces),
        regions=regions.regions(plan, vertices),
        landmarks=regions.landmarks(plan, vertices, faces),
        name=NAME,
    )
    return head


def _uv(plan: template.Template, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3, 2): the skin as one island, cut along the back midline to the crown; the eyeballs as two discs."""
    ball = np.zeros(len(vertices), bool)
    for part in plan.eyeballs.values():
        ball[part] = True
    skin = np.flatnonzero(~ball[faces].any(axis=1))
    cut_vertices, cut_faces = _cut_at_back(plan, vertices, faces[skin])
    used, compact = np.unique(cut_faces, return_inverse=True)
    compact = compact.reshape(-1, 3)
    flat = unwrap(cut_vertices[used], compact)
    flat = _upright(flat, compact, cut_vertices[used])
    uv = np.zeros((len(faces), 3, 2))
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = 0.98 / max(high - low)
    island = 0.5 + (flat - (low + high) / 2) * scale
    island[:, 1] += 0.99 - island[:, 1].max()
    uv[skin] = island[compact]
    return _with_eyeballs(plan, faces, uv)


def _cut_at_back(plan, vertices, faces):
    """The mesh with the back midline's vertices doubled, so that it opens there; the right side takes the copies."""
    back = plan.grid.shape[1] // 2
    crown_middle = plan.crown[:, plan.crown.shape[1] // 2][::-1]  # from the back to the front
    line = [*plan.grid[::-1, back], *crown_middle[1 : len(crown_middle) * 5 // 8]]
    copies = np.arange(len(vertices))
    copies[line[:-1]] = len(vertices) + np.arange(len(line) - 1)
    right = vertices[faces].mean(axis=1)[:, 0] < 0
    cut = np.where(right[:, None], copies[faces], faces)
    return np.concatenate([vertices, vertices[line[:-1]]]), cut


def _upright(flat, faces, vertices):
    """Turned so that the face is upright and not mirrored as seen from outside."""
    front = np.argsort(np.abs(vertices[:, 0]) + np.maximum(vertices[:, 1] + 60, 0) * 9)[:40]
    up = np.polyfit(vertices[front, 2], flat[front], 1)[0]
    up /= np.linalg.norm(up)
    return flat @ np.array([[up[1], up[0]], [-up[0], up[1]]])


def _with_eyeballs(plan, faces, uv):
    """Each eyeball flattened as seen from the front, the angle from its axis being the radius (equidistant)."""
    radius = 0.045
    columns = plan.eyeballs["left"].shape[1]
    for side, u in (("left", 0.94), ("right", 0.06)):
        ball, (front, back) = plan.eyeballs[side], plan.eyeballs[side + "_poles"]
        angle = np.concatenate([np.repeat(template.EYEBALL_ANGLES, columns), [0.0]])
        azimuth = 2 * np.pi * np.arange(columns) / columns + np.pi / 2
        azimuth = azimuth if side == "left" else np.pi - azimuth
        place = np.full(uv.shape[0] * 3, -1)
        index = {int(v): k for k, v in enumerate(ball.ravel())}
        centre = np.array([u, 0.06])
        for f in np.flatnonzero(np.isin(faces, ball).any(axis=1)):
            corners = [index.get(int(v), -1) for v in faces[f]]
            others = [azimuth[k % columns] for k in corners if k >= 0]
            for c, k in enumerate(corners):
                if k >= 0:
                    a, r = azimuth[k % columns], angle[k]
                elif faces[f, c] == front:
                    a, r = 0.0, 0.0
                else:  # the back pole is drawn out to a circle: halfway between the other two corners
                    a, r = np.angle(np.exp(1j * np.array(others)).mean()), np.pi
                uv[f, c] = centre + radius * r / np.pi * np.array([np.cos(a), np.sin(a)])
    return uv


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=BUILT_IN_HEAD)
    out = parser.parse_args().out
    head = build_head()
    out.parent.mkdir(parents=True, exist_ok=True)
    write_head(out, head)
    print(f"{out}: {len(head.vertices)} vertices, {len(head.faces)} triangles")


if __name__ == "__main__":
    main()
