"""The built-in head without its movements, of any proportions: ``python -m backend.head.built_in --out FILE``.

What is shipped is ``backend.head.model``'s, which begins with this one. Made by this program alone, from published
proportions (``anthropometry``); no scan and no other model enters it.
"""

import argparse
import dataclasses
from pathlib import Path

import cv2
import numpy as np

from ..formats.head import Head, write_head
from ..geometry.unwrap import unwrap
from . import finish, proportions, regions, shape, skin, template
from .anthropometry import MEASURES, measure

NAME = "maquette-built-in-1"


def build_head(measures: dict[str, float] | None = None) -> tuple[Head, np.ndarray]:
    """A head in metres, without measures the mean one, and its picture (S, S, 3) uint8 sRGB.

    Args:
        measures: name of an adjustable measure → mm. Topology, UVs, regions and landmarks' triangles never depend on
            them, so that heads of all proportions correspond.
    """
    plan = template.build()
    faces = plan.triangles
    sculpted = shape.place(plan)  # mm
    head = Head(
        vertices=sculpted / 1000,
        faces=faces,
        regions=regions.regions(plan, sculpted),
        landmarks=regions.landmarks(plan, sculpted, faces),
        name=NAME,
    )
    mean = proportions.fitted(head, plan, sculpted, {})  # before the last strokes, which are no reason to unwrap anew
    head = dataclasses.replace(head, uv=_uv(plan, mean.vertices.astype(np.float64) * 1000, faces))
    picture = skin.paint(plan, sculpted, faces, head.uv)
    return proportions.fitted(head, plan, finish.finished(plan, sculpted), measures or {}), picture


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
    """Each eyeball flattened as seen from the front; a power of the angle from its axis gives the iris more room."""
    radius = 0.11
    columns = plan.eyeballs["left"].shape[1]
    for side, u in (("left", 0.88), ("right", 0.12)):
        ball, (front, _) = plan.eyeballs[side], plan.eyeballs[side + "_poles"]
        angle = np.concatenate([np.repeat(template.EYEBALL_ANGLES, columns), [0.0]])
        azimuth = 2 * np.pi * np.arange(columns) / columns + np.pi / 2
        index = {int(v): k for k, v in enumerate(ball.ravel())}
        centre = np.array([u, 0.12])
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
                uv[f, c] = centre + radius * (r / np.pi) ** 0.62 * np.array([np.cos(a), np.sin(a)])
    return uv


def write_picture(head: Path, picture: np.ndarray) -> None:
    """Write a head's picture (S, S, 3) uint8 sRGB beside its file."""
    cv2.imwrite(str(head.with_name(head.stem + "_skin.jpg")), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write; its picture goes beside it")
    for name in proportions.ADJUSTABLE:
        about = f"{MEASURES[name].what}, mm (mean {MEASURES[name].mean:g}, deviation {MEASURES[name].deviation:g})"
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=about)
    settings = vars(parser.parse_args())
    out = settings.pop("out")
    head, picture = build_head({name: value for name, value in settings.items() if value is not None})
    out.parent.mkdir(parents=True, exist_ok=True)
    write_head(out, head)
    write_picture(out, picture)
    print(f"{out}: {len(head.vertices)} vertices, {len(head.faces)} triangles")
    for name, value in measure(head).items():
        known = MEASURES[name]
        print(f"  {name:20s} {value:6.1f} mm  ({known.mean:.1f} ± {known.deviation:.1f}, {known.source})")


if __name__ == "__main__":
    main()
