"""The mouth's inside: the lips' backs, the furrows behind them and a bag, so that a jaw can open the head's mouth.

The built-in head's lips are parted by a slit whose pocket is zipped shut. Here the zip goes, the pocket's rings are
laid along the lips' backs, and further rings lead on into the bag. Vertices that were there keep their numbers; what is
on the outside keeps its place.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from .template import MOUTH, Template, zip_ring

PARTING = 4
"""The mouth's ring on the line where the lips meet."""
_RINGS = np.array([
    # depth behind the parting, upper height, lower height (mm), breadth, how much of the lips' arch is left
    [2.2, 0.05, 0.05, 1.00, 1.00],
    [5.0, 0.9, 0.9, 0.99, 1.00],
    [7.4, 4.2, 4.6, 0.98, 0.98],
    [8.6, 8.6, 8.6, 0.97, 0.96],
    [11.4, 12.0, 11.4, 0.96, 0.93],
    [16.0, 13.2, 12.4, 0.95, 0.88],
    [25.0, 13.6, 12.4, 0.92, 0.72],
    [37.0, 12.4, 11.6, 0.85, 0.45],
    [48.0, 9.0, 9.0, 0.70, 0.20],
    [53.0, 4.0, 4.0, 0.45, 0.05],
])  # fmt: skip
"""From the ring behind the parting to the bag's back."""
ADDED = len(_RINGS) - (MOUTH.rings - PARTING - 1)


def upper(half: int = MOUTH.half) -> np.ndarray:
    """(2 half,) 1 along the upper lip, -1 along the lower, 0 at the two corners, for each place of the mouth's loop."""
    return np.r_[0.0, np.ones(half - 1), 0.0, -np.ones(half - 1)]


def with_bag(plan: Template) -> Template:
    """The template with the mouth opened: further rings, numbered after all that were there."""
    rings = plan.rings["mouth"]
    count = rings.shape[1]
    added = plan.vertex_count + np.arange(ADDED * count).reshape(ADDED, count)
    closed = {tuple(sorted(quad)) for quad in zip_ring(rings[-1], MOUTH.half)}
    quads = [quad for quad in plan.quads.tolist() if tuple(sorted(quad)) not in closed]
    layers, after = [rings[-1], *added], np.roll(np.arange(count), -1)
    for outer, inner in pairwise(layers):
        quads += np.stack([outer, inner, inner[after], outer[after]], axis=1).tolist()
    quads += zip_ring(added[-1], MOUTH.half)
    # The mirror takes a place of the loop to another place of it, the same on every ring.
    place = {int(v): k for k, v in enumerate(rings[-1])}
    order = [place[int(v)] for v in plan.mirror[rings[-1]]]
    return replace(
        plan,
        rings=plan.rings | {"mouth": np.concatenate([rings, added])},
        quads=np.array(quads),
        mirror=np.concatenate([plan.mirror, added[:, order].ravel()]),
        vertex_count=plan.vertex_count + added.size,
    )


def place(plan: Template, vertices: np.ndarray) -> np.ndarray:
    """Vertices (V, 3) mm with the mouth's inside laid behind its lips.

    Args:
        plan: the template with the bag.
        vertices: (V or fewer, 3) mm; those of the bag need not be there yet.
    """
    result = np.zeros((plan.vertex_count, 3))
    result[: len(vertices)] = vertices
    rings, half = plan.rings["mouth"], MOUTH.half
    parting = result[rings[PARTING]]
    middle = (parting + parting[-np.arange(2 * half) % (2 * half)]) / 2
    # Where along the mouth: 0 in its middle, 1 at its corners. Heights go to nothing there.
    along = np.abs(middle[:, 0]) / np.abs(middle[:, 0]).max()
    room, side = np.sqrt(np.maximum(1 - along**2, 0)), upper()
    front = middle[:, 1].min()
    for ring, (depth, above, below, breadth, arch) in zip(rings[PARTING + 1 :], _RINGS):
        height = np.where(side > 0, above, below) * side
        blend = min(1.0, depth / 12)
        y = front + (middle[:, 1] - front) * arch + depth
        # The lips touch along their line; deeper the bag is level.
        z = (1 - blend) * middle[:, 2] + blend * middle[:, 2].mean()
        result[ring] = np.column_stack([middle[:, 0] * breadth, y, z + height * room])
    return result


def uv_of_bag(plan: Template, uv: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Where the added vertices lie on the picture: rings within the oval that the pocket's last one leaves free.

    Args:
        uv: vertex → (2,) for those of the mouth's last ring that was there before.
    """
    rings = plan.rings["mouth"]
    outer = np.array([uv[int(v)] for v in rings[-ADDED - 1]])
    half = MOUTH.half
    across = outer[-np.arange(2 * half) % (2 * half)]
    spine = (outer + across) / 2
    spine = spine.mean(axis=0) + 0.55 * (spine - spine.mean(axis=0))
    found = {}
    for k, ring in enumerate(rings[-ADDED:], start=1):
        for v, point in zip(ring, outer + k / (ADDED + 1) * (spine - outer)):
            found[int(v)] = point
    return found
