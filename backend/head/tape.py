"""Measures of small changes to a head: each of ``anthropometry``'s, to first order, between points that stay chosen.

``anthropometry.measure`` looks for the widest or deepest point anew in every head, so it jumps from vertex to vertex
where a head changes by a millimetre. Here the points are those of the mean head.
"""

import numpy as np

from ..formats.head import Head
from .anthropometry import measure
from .template import Template

NAMES = (
    "head_breadth", "head_length", "bizygomatic_breadth", "menton_sellion", "interpupillary", "neck_circumference",
    "ear_length", "ear_breadth", "ear_protrusion", "intercanthal", "biocular", "nose_breadth", "nose_height",
    "mouth_breadth",
)  # fmt: skip
"""All but the head's circumference, which follows from its breadth and length."""


def gradients(head: Head, plan: Template) -> np.ndarray:
    """(14, V, 3) by how many mm each measure of ``NAMES`` grows when a vertex moves by 1 mm along an axis.

    Args:
        head: the mean head, with regions and landmarks.
        plan: its topology.
    """
    v = head.vertices.astype(np.float64) * 1000
    found = {name: np.zeros_like(v) for name in NAMES}

    def between(name, a, b, along=None):
        """The distance of two points, each a vertex or (vertices, weights)."""
        ends = [(np.atleast_1d(p), np.ones(1)) if np.ndim(p) == 0 else p for p in (a, b)]
        places = [np.asarray(weights) @ v[indices] for indices, weights in ends]
        way = np.subtract(*places) if along is None else np.asarray(along, float)
        for (indices, weights), sign in zip(ends, (1, -1)):
            np.add.at(found[name], indices, sign * np.outer(weights, way / np.linalg.norm(way)))

    def mark(name):
        triangle, weights = head.landmarks[name]
        return head.faces[triangle], weights

    def widest(name, members):
        vertex = members[np.argmax(v[members, 0])]
        between(name, vertex, plan.mirror[vertex])

    region = head.regions
    left, right = (
        (region[f"{s}_eyeball"], np.full(len(region[f"{s}_eyeball"]), 1 / len(region[f"{s}_eyeball"])))
        for s in ("left", "right")
    )
    level = v[region["left_eyeball"], 2].mean()
    x, y, z = v.T
    midline = np.flatnonzero((np.abs(x) < 0.5) & ~np.isin(np.arange(len(v)), region["mouth_pocket"]))
    front = midline[y[midline] < -50]
    sellion = _among(front, (z[front] > level - 4) & (z[front] < level + 16), y)
    glabella = _among(front, (z[front] > z[sellion] + 6) & (z[front] < z[sellion] + 40), -y)
    menton = _among(front, z[front] < level - 70, -z)
    apart = np.linalg.norm(v - v[glabella], axis=1)
    back = _among(midline, (y[midline] > 0) & (z[midline] > level - 60), apart)
    widest("head_breadth", np.concatenate([region["scalp"], region["forehead"]]))
    between("head_length", glabella, back)
    face = region["face"]
    widest("bizygomatic_breadth", face[(np.abs(z[face] - level + 20) < 20) & (y[face] < -12)])
    between("menton_sellion", menton, sellion)
    between("interpupillary", left, right)
    ear = region["left_ear"]
    ends = np.linalg.norm(v[ear][:, None, 1:] - v[ear][None, :, 1:], axis=2)
    top, lobe = ear[np.array(np.unravel_index(ends.argmax(), ends.shape))]
    along = (v[top] - v[lobe]) * [0, 1, 1]
    across = np.array([0, -along[2], along[1]]) / np.linalg.norm(along)
    between("ear_length", top, lobe, along)
    reach = v[ear] @ across
    between("ear_breadth", ear[reach.argmax()], ear[reach.argmin()], across)
    # From the head's skin just behind the root.
    between("ear_protrusion", ear[x[ear].argmax()], plan.rings["left_ear"][0][np.argmax(y[plan.rings["left_ear"][0]])],
            [1.0, 0, 0])  # fmt: skip
    between("intercanthal", mark("left eye 1"), mark("right eye 4"))
    between("biocular", mark("left eye 4"), mark("right eye 1"))
    nose = region["nose"]
    widest("nose_breadth", nose[z[nose] < level - 22])
    between("nose_height", sellion, mark("nose base 3"))
    between("mouth_breadth", mark("outer lip 7"), mark("outer lip 1"))
    _around(found["neck_circumference"], v, plan, measure(head)["neck_circumference"])
    return np.stack(list(found.values()))


def _among(vertices, allowed, height):
    """Of the allowed vertices the one with the greatest height (V,)."""
    chosen = vertices[allowed]
    return int(chosen[np.argmax(height[chosen])])


def _around(gradient, v, plan, tape):
    """The girth of the grid's row that is as long as the tape."""
    loops = plan.grid[41:50]
    steps = np.roll(v[loops], -1, axis=1) - v[loops]
    length = np.linalg.norm(steps, axis=2)
    row = np.argmin(np.abs(length.sum(axis=1) - tape))
    way = steps[row] / length[row][:, None]
    np.add.at(gradient, np.roll(loops[row], -1), way)
    np.add.at(gradient, loops[row], -way)
