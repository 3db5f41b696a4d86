"""The custom UV layout: scalp on the left half, face on the right, the rest below (HeadCraft, Fig. 4)."""

from dataclasses import dataclass

import numpy as np

from ..errors import HeadError
from ..formats.layout import Layout, topology_hash
from ..geometry.unwrap import symmetric_dirichlet
from .charts import FACE, SCALP, adjacency, charts
from .flatten import Island, islands
from .packing import pack


@dataclass(frozen=True)
class Distortion:
    """How far charts are from the surface's own lengths, each chart at its own scale.

    Attributes:
        energy: symmetric Dirichlet, mean over the area; 4 is none.
        energy_95: what 95 % of the area is below.
        stretch: the larger over the smaller singular value, mean over the area; 1 is none.
        area: |log2| of a triangle's area against its chart's scale, mean over the area; 1 is a factor of two.
        flipped: triangles turned over.
    """

    energy: float
    energy_95: float
    stretch: float
    area: float
    flipped: int


def make_layout(
    vertices: np.ndarray, faces: np.ndarray, regions: dict[str, np.ndarray], seam: np.ndarray | None = None
) -> Layout:
    """Make the layout of a topology, from any head of it (the template, for one that all heads share).

    Args:
        vertices: (V, 3) metres, Z up.
        faces: (F, 3)
        regions: as for ``charts``.
        seam: (S, 2) vertices of edges that an artist marked, in place of the border between scalp and face; eyeballs,
            ears, and the linings of eyes and mouth stay apart.

    Raises:
        HeadError: regions are missing, or the seam leaves a piece that cannot be laid flat.
    """
    links = adjacency(faces)
    marked = None if seam is None else _among(links[:, 2:], np.asarray(seam), len(vertices))
    label, names = charts(vertices, faces, regions)
    cut = label[links[:, 0]] != label[links[:, 1]]
    if marked is not None:
        ours = np.isin(label, [names.index(SCALP), names.index(FACE)])
        cut &= ~(ours[links[:, 0]] & ours[links[:, 1]])
        cut |= marked
    pieces = islands(vertices, faces, cut)
    if seam is None:
        order = {label[piece.faces[0]]: piece for piece in pieces}
        pieces, chart_names = [order[k] for k in sorted(order)], [names[k] for k in sorted(order)]
    else:
        pieces, chart_names = _named_by_area(vertices, faces, label, names, pieces)
    uv = np.zeros((len(faces), 3, 2), np.float32)
    chart = np.zeros(len(faces), np.int32)
    placed = pack([_upright(vertices, piece, name) for piece, name in zip(pieces, chart_names)], pieces)
    for number, (piece, flat) in enumerate(zip(pieces, placed)):
        uv[piece.faces] = flat[piece.corners]
        chart[piece.faces] = number
    return Layout(uv, chart, tuple(chart_names), links[cut][:, 2:].astype(np.int32), topology_hash(faces))


def distortion(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, chart: np.ndarray) -> Distortion:
    """Figures over all charts of a layout: UVs (F, 3, 2), chart (F,); a layout without charts has zeros there."""
    corners = np.asarray(vertices, np.float64)[faces]
    flat = np.asarray(uv, np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    signed = np.linalg.det(np.stack([flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]], axis=1)) / 2
    total = np.bincount(chart, area) / np.maximum(np.bincount(chart, np.abs(signed)), 1e-20)
    scaled = flat * np.sqrt(total[chart])[:, None, None]
    fine = (area > 1e-12) & (signed > 1e-14)
    soup = np.arange(3 * fine.sum()).reshape(-1, 3)
    energy = symmetric_dirichlet(corners[fine].reshape(-1, 3), soup, scaled[fine].reshape(-1, 2))
    ratio = np.log2(signed[fine] * total[chart[fine]] / area[fine])
    # s1² + s2² + s1⁻² + s2⁻² = (s1² + s2²)(1 + 1/d²) with d = s1 s2, which gives the singular values back.
    d = 2.0**ratio
    squares = energy / (1 + d**-2)
    larger = (squares + np.sqrt(np.maximum(squares**2 - 4 * d**2, 0))) / 2
    weight = area[fine] / area[fine].sum()
    order = np.argsort(energy)
    at_95 = order[np.searchsorted(np.cumsum(weight[order]), 0.95)]
    return Distortion(
        float(weight @ energy), float(energy[at_95]), float(weight @ (larger / d)), float(weight @ np.abs(ratio)),
        int((signed < 0).sum()),
    )  # fmt: skip


def _upright(vertices: np.ndarray, piece: Island, name: str) -> np.ndarray:
    """(P, 2) the flat piece turned so that the head stands upright and is not mirrored, as seen from outside."""
    points = np.asarray(vertices, np.float64)[piece.points]
    centred = piece.uv - piece.uv.mean(axis=0)
    # Sideways is what both halves of the head agree on; an ear is seen from the side, where only up is.
    axis, wanted = (2, 1j) if name.endswith("_ear") else (0, -1.0 if name in (SCALP, "lower_mouth") else 1.0)
    slope = np.linalg.lstsq(centred, points[:, axis] - points[:, axis].mean(), rcond=None)[0]
    turn = wanted / complex(*slope)
    turn /= abs(turn)
    turned = (centred[:, 0] + 1j * centred[:, 1]) * turn
    return np.column_stack([turned.real, turned.imag])


def _among(edges: np.ndarray, marked: np.ndarray, count: int) -> np.ndarray:
    if marked.ndim != 2 or marked.shape[1] != 2 or (len(marked) and not 0 <= marked.min() <= marked.max() < count):
        raise HeadError("The seam must be a list of the head's own edges, two vertices each.")
    keys = [np.sort(np.asarray(e, np.int64), axis=1) @ [count, 1] for e in (edges, marked)]
    return np.isin(*keys)


def _named_by_area(vertices, faces, label, names, pieces):
    """Scalp is the piece with the most scalp, face the one with the most face among the others."""
    corners = np.asarray(vertices, np.float64)[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    share = np.array([np.bincount(label[p.faces], area[p.faces], len(names)) for p in pieces])
    scalp = int(share[:, names.index(SCALP)].argmax())
    others = share[:, names.index(FACE)].copy()
    others[scalp] = -1
    face = int(others.argmax())
    if others[face] <= 0:
        raise HeadError("The marked seam does not part scalp and face; mark edges all the way around the face.")
    rest = [k for k in range(len(pieces)) if k not in (scalp, face)]
    chart_names = [names[int(share[k].argmax())] for k in rest]
    chart_names = [f"{n} {i + 2}" if n in (SCALP, FACE) else n for i, n in enumerate(chart_names)]
    return [pieces[k] for k in (scalp, face, *rest)], [SCALP, FACE, *chart_names]
