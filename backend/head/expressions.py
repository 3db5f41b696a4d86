"""What the built-in head's face does: one displacement field for each way that it moves without its joints.

A movement is a sum of hills: a place on the skin, how far its pull reaches, and where the skin goes there, as a muscle
pulls its insertion. Hills on the lips pull one lip only; lids slide over the eyeball. Positions and movements are in mm
of the built-in head (Z up, looking along -Y, its left at +X), written for the left side and mirrored.

The actions are those of the Facial Action Coding System (Ekman, Friesen, Hager, 2002) where it has them.
"""

from dataclasses import dataclass

import numpy as np

from . import rig
from .mouth import PARTING, upper
from .template import LEFT_EYE, MOUTH, Template

BOTH, UPPER, LOWER = "both", "upper", "lower"
# movement → (place, reach, displacement, lip): the displacement is towards the person's left, back and up; "both" lips
# take a hill together, "upper" and "lower" each by itself. Depth along the lips is not in the reach: they are thin.
_SIDED = {
    "smile": [
        ((25.5, -86, -44), (11, 20, 8), (7.2, 6.4, 7.8), BOTH),
        ((13, -96, -46), (10, 20, 9), (2.2, 1.6, 0.4), BOTH),
        ((34, -76, -26), (13, 20, 12), (1.6, 0.6, 4.2), BOTH),
        ((38, -72, -8), (14, 22, 9), (0.8, -2.2, 3.0), BOTH),
        ((21, -90, -28), (6, 16, 9), (1.8, 1.8, 2.2), BOTH),
    ],
    "frown": [
        ((25, -86, -45), (9, 20, 8), (1.2, 1.0, -6.8), BOTH),
        ((15, -94, -47), (8, 18, 8), (0.3, 0.3, -2.0), BOTH),
        ((26, -80, -60), (12, 18, 10), (0.6, -0.6, -2.6), BOTH),
    ],
    "dimple": [
        ((26, -85, -44), (8, 18, 8), (3.6, 5.2, 0.4), BOTH),
        ((33, -78, -44), (7, 16, 9), (0.6, 2.4, 0.2), BOTH),
    ],
    "stretch": [
        ((25.5, -86, -45), (10, 20, 8), (6.2, 5.6, -2.6), BOTH),
        ((14, -95, -50), (9, 18, 6), (2.6, 1.2, -1.8), LOWER),
        ((38, -62, -66), (14, 22, 14), (1.4, 0.6, -2.4), BOTH),
    ],
    "upper lip up": [
        ((11, -98, -41), (9, 18, 8), (0.5, 0.5, 5.6), UPPER),
        ((17, -94, -33), (8, 16, 9), (0.8, -0.9, 2.6), UPPER),
        ((15, -99, -21), (6, 12, 8), (1.0, 0.2, 1.6), UPPER),
    ],
    "lower lip down": [
        ((11, -97, -47), (9, 18, 7), (1.0, 0.8, -5.8), LOWER),
        ((14, -92, -58), (11, 18, 8), (0.8, -0.6, -2.4), LOWER),
    ],
    "press": [
        ((13, -97, -44), (12, 20, 6), (0.4, 2.4, 0.3), BOTH),
        ((13, -97, -37), (11, 20, 3.6), (0.2, 0.6, -2.2), UPPER),
        ((13, -94, -51.5), (11, 20, 4), (0.2, 0.4, 2.8), LOWER),
        ((26, -85, -44), (6, 14, 6), (1.0, 1.8, 0.2), BOTH),
    ],
    "mouth aside": [
        ((6, -96, -44), (26, 26, 16), (8.4, 0.8, 0.4), BOTH),
        ((27, -84, -44), (10, 18, 10), (2.0, 2.6, 1.0), BOTH),
    ],
    "sneer": [
        ((13, -100, -19), (6.5, 12, 7), (1.6, 0.4, 4.4), UPPER),
        ((10, -101, -4), (7, 14, 9), (0.2, -0.6, 3.0), BOTH),
        ((15, -96, -35), (8, 16, 8), (0.8, -0.4, 3.6), UPPER),
        ((12, -96, -43), (7, 14, 5), (0.4, 0.2, 2.4), UPPER),
        ((15, -90, 28), (8, 16, 6), (-0.8, -0.4, -2.2), BOTH),
    ],
    "cheek squint": [
        ((37, -74, -6), (15, 22, 9), (0.4, -2.8, 5.4), BOTH),
        ((38, -68, -24), (13, 20, 10), (0.4, -0.8, 2.0), BOTH),
    ],
    "cheek puff": [
        ((42, -66, -38), (16, 26, 17), (9.0, -6.0, 0.0), BOTH),
        ((14, -96, -30), (12, 14, 7), (0.6, -2.4, -0.4), BOTH),
        ((12, -94, -60), (12, 14, 7), (0.6, -2.0, 0.2), BOTH),
        ((25, -86, -44), (6, 12, 6), (-0.6, -2.0, 0.0), BOTH),
    ],
    "brow down": [
        ((14, -93, 31), (9, 20, 9), (-3.0, -0.8, -6.4), BOTH),
        ((29, -87, 33), (11, 20, 9), (-1.8, -0.2, -5.2), BOTH),
        ((46, -73, 30), (11, 20, 9), (-0.2, 0.4, -2.2), BOTH),
    ],
    "brow inner up": [
        ((13, -93, 33), (11, 20, 11), (0.8, 0.9, 7.4), BOTH),
        ((17, -88, 56), (16, 26, 18), (0.0, 0.9, 2.6), BOTH),
        ((30, -86, 34), (8, 18, 9), (0.2, 0.2, 1.2), BOTH),
    ],
    "brow outer up": [
        ((44, -76, 32), (12, 22, 10), (0.6, 2.0, 7.2), BOTH),
        ((30, -87, 34), (9, 20, 10), (0.0, 0.8, 3.8), BOTH),
        ((42, -74, 56), (16, 26, 18), (0.0, 0.8, 2.4), BOTH),
    ],
    "nostril flare": [((14, -99, -21), (5, 9, 6), (3.0, 0.6, 0.6), UPPER)],
}
_WHOLE = {
    "pucker": [
        ((25, -86, -44), (10, 18, 9), (-11.0, -7.6, 0.2), BOTH),
        ((12, -97, -44), (8, 18, 9), (-3.0, -4.6, 0.0), BOTH),
        ((0, -99, -42), (10, 14, 6), (0.0, -4.6, 0.8), UPPER),
        ((0, -99, -48), (10, 14, 6), (0.0, -4.8, -0.8), LOWER),
        ((35, -76, -44), (10, 18, 14), (-4.6, 0.4, 0.0), BOTH),
    ],
    "funnel": [
        ((25, -86, -44), (9, 18, 9), (-7.6, -6.6, 0.0), BOTH),
        ((0, -99, -41), (16, 14, 6), (0.0, -6.2, 3.8), UPPER),
        ((0, -99, -47), (16, 14, 7), (0.0, -6.2, -4.2), LOWER),
        ((35, -76, -44), (10, 18, 14), (-3.2, 0.2, 0.0), BOTH),
    ],
    "roll upper": [
        ((0, -100, -43.5), (22, 16, 4.5), (0, 4.4, 0.4), UPPER),
        ((0, -100, -37.5), (20, 16, 3.6), (0, 2.2, -4.0), UPPER),
    ],
    "roll lower": [
        ((0, -99, -44.5), (22, 16, 5), (0, 4.4, -0.6), LOWER),
        ((0, -97, -52), (20, 16, 4.2), (0, 2.0, 5.0), LOWER),
    ],
    "shrug upper": [
        ((0, -100, -41), (19, 18, 8), (0, -1.0, 3.8), UPPER),
        ((0, -98, -32), (16, 14, 7), (0, -1.0, 1.8), UPPER),
    ],
    "shrug lower": [
        ((0, -98, -45), (18, 18, 8), (0, -1.8, 3.4), BOTH),
        ((0, -97, -50), (17, 16, 6), (0, -2.0, 0.7), LOWER),
        ((0, -88, -68), (15, 16, 12), (0, 0.6, 4.8), LOWER),
    ],
}
LIDS = {
    # how far each lid goes: 1 brings both margins to the line where they meet; below 0 they open
    "blink": (1.0, 1.0),
    "squint": (0.24, 0.95),
    "wide": (-0.26, -0.25),
}
LIDS_FOLLOW_DOWN, LIDS_FOLLOW_UP = (0.62, -0.55), (-0.30, 0.30)
"""How far the lids go with an eye that looks down, or up, by half a radian."""
_MEETING = 0.16
"""Where closed lids meet, from the lower margin (0) to the upper (1)."""
_CLOSED_GAP = 1.9
"""mm from the globe to the closed lids' margin: as much as a straight way down needs to pass over the cornea."""
_OVERLAP = 0.6
"""mm by which closed lids lie over one another."""
_INNER = np.array([1.0, 0.92, 0.7, 0.42, 0.2, 0.1, 0.04])
"""How much of its lip's movement each ring behind the parting takes."""
MIDLINE = 7.0
"""mm over which a one-sided movement fades across the midline."""


@dataclass(frozen=True)
class Face:
    """The head that moves.

    Attributes:
        plan: the template with the mouth's bag.
        vertices: (V, 3) mm.
        faces: (F, 3)
        jaw: (V,) the jaw's share of the skin, 0 to 1.
    """

    plan: Template
    vertices: np.ndarray
    faces: np.ndarray
    jaw: np.ndarray

    def mirrored(self, field: np.ndarray) -> np.ndarray:
        """A field (V, 3) of the left side for the right."""
        return field[self.plan.mirror] * [-1.0, 1.0, 1.0]


def expressions(face: Face) -> dict[str, np.ndarray]:
    """Name → (V, 3) mm: sided movements as "smile left" and "smile right", others whole."""
    fields = {}
    for name, hills in _SIDED.items():
        whole = _pulled(face, hills) + face.mirrored(_pulled(face, hills))
        left = 0.5 + 0.5 * np.tanh(face.vertices[:, :1] / MIDLINE)
        one = _pulled(face, hills) if name == "mouth aside" else left * whole
        fields[f"{name} left"], fields[f"{name} right"] = one, face.mirrored(one)
    for name, hills in _WHOLE.items():
        fields[name] = _pulled(face, hills) + face.mirrored(_pulled(face, [h for h in hills if h[0][0]]))
    for name, amounts in LIDS.items():
        fields[f"{name} left"] = lids(face, *amounts)
        fields[f"{name} right"] = face.mirrored(fields[f"{name} left"])
    for side in ("left", "right"):
        fields[f"squint {side}"] = fields[f"squint {side}"] + 0.4 * fields[f"cheek squint {side}"]
    fields["jaw forward"] = face.jaw[:, None] * [0.0, -7.0, -0.6]
    fields["mouth close"] = _closed(face)
    return fields


def _pulled(face: Face, hills) -> np.ndarray:
    v = face.vertices
    lips = {BOTH: np.ones(len(v)), UPPER: 1 - face.jaw, LOWER: face.jaw}
    field = np.zeros_like(v)
    for place, reach, move, lip in hills:
        pull = np.exp(-0.5 * np.sum(((v - place) / reach) ** 2, axis=1))
        field += (pull * lips[lip])[:, None] * move
    return _carried(face, field)


def _carried(face: Face, field: np.ndarray) -> np.ndarray:
    """The field with the mouth's inside following its lips, and with still eyes."""
    rings = face.plan.rings["mouth"]
    for ring, follow in zip(rings[PARTING + 1 :], [*_INNER, *[0.0] * len(rings)]):
        field[ring] = follow * field[rings[PARTING]]
    for name in ("left_eye", "right_eye"):
        for ring, follow in zip(face.plan.rings[name], (0.72, 0.4, 0.14, 0, 0, 0, 0)):
            field[ring] *= follow
    for part in face.plan.eyeballs.values():
        field[part] = 0
    return field


def lids(face: Face, above: float, below: float) -> np.ndarray:
    """(V, 3) mm: the left eye's lids moved so far towards each other; see ``LIDS``."""
    v, ring, half = face.vertices, face.plan.rings["left_eye"], LEFT_EYE.half
    count = 2 * half
    ball = face.plan.eyeballs["left"]
    centre = rig.eyeball_centre(face.plan, v, "left")
    radius = np.linalg.norm(v[ball[5]] - centre, axis=1).mean()
    places = np.arange(count)
    top = (places > 0) & (places < half)
    margin = v[ring[3]]
    across = margin[-places % count]
    low, high = np.where(top[:, None], across, margin), np.where(top[:, None], margin, across)
    meeting = low + _MEETING * (high - low)
    amount = np.where(top, above, below)[:, None]
    field = np.zeros_like(v)

    def out(points, gap):
        """Not nearer to the eyeball's middle than the globe and the gap."""
        arm = points - centre
        length = np.linalg.norm(arm, axis=1, keepdims=True)
        return centre + arm / length * np.maximum(length, radius + gap)

    # The upper lid comes to lie a little over the lower one, so that eyes wider than the mean's close too.
    down = (low - high) / np.maximum(np.linalg.norm(low - high, axis=1, keepdims=True), 1e-6)
    over = _OVERLAP * np.minimum(1.0, np.linalg.norm(low - high, axis=1) / 4)[:, None] * top[:, None]
    closed = out(meeting + over * down, _CLOSED_GAP + 0.5 * over)
    way = closed - margin
    field[ring[3]] = amount * way
    field[ring[4]] = amount * (out(meeting + over * down + [0, 0.9, 0], _CLOSED_GAP - 0.7) - v[ring[4]]) * [0.9, 1, 1]
    for k, part in ((2, 0.80), (1, 0.52), (0, 0.24)):
        rest = v[ring[k]]
        stretched = out(rest + part * way, _CLOSED_GAP + 0.4 * (3 - k))
        field[ring[k]] = amount * np.where(top[:, None], stretched - rest, 0.7 * part * way)
    # The lid's pocket stays on the globe, and opens no gap behind the margin.
    field[ring[5]] = 0.35 * field[ring[4]]
    edge = _edge(face.plan, LEFT_EYE)
    field[edge] = 0.06 * amount * way
    return field


def _edge(plan, block):
    columns = plan.grid.shape[1]
    return np.array([plan.grid[r, c % columns] for r, c in block.loop])


def _closed(face: Face) -> np.ndarray:
    """The lips brought together while the jaw is open: what ARKit's mouthClose adds to its jawOpen."""
    from ..formats.arkit import JAW_OPEN

    v, rings, half = face.vertices, face.plan.rings["mouth"], MOUTH.half
    joint = np.array(rig.JOINTS["jaw"])
    cosine, sine = np.cos(JAW_OPEN), np.sin(JAW_OPEN)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    opened = (1 - face.jaw[:, None]) * v + face.jaw[:, None] * ((v - joint) @ turn.T + joint)
    lip = opened[rings[PARTING]]
    across = lip[-np.arange(2 * half) % (2 * half)]
    # The lower lip comes most of the way, as it does.
    meeting = np.where(upper()[:, None] >= 0, 0.75 * lip + 0.25 * across, 0.25 * lip + 0.75 * across)
    wanted = meeting - lip
    # Each vertex of the skin about the mouth follows the lips' places that are near to it, the less the farther.
    apart = np.linalg.norm(v[:, None] - v[rings[PARTING]][None], axis=2)
    near = np.exp(-0.5 * (apart / 7.0) ** 2)
    same = np.where(upper() >= 0, (1 - face.jaw)[:, None], face.jaw[:, None])
    share = near * same
    mean = (share @ wanted) / np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    reach = np.exp(-0.5 * (np.where(same > 0.25, apart, 1e3).min(axis=1, keepdims=True) / 15.0) ** 2)
    field = mean * reach
    field[rings[PARTING]] = wanted
    blend = (1 - face.jaw)[:, None, None] * np.eye(3) + face.jaw[:, None, None] * turn
    return _carried(face, np.linalg.solve(blend, field[:, :, None])[:, :, 0])


def follow_gaze(face: Face) -> np.ndarray:
    """(V, 3) mm: what the left lids do for a sine of one of the eye's turn downwards.

    Lids do not follow a look up as they do one down; one linear function has to serve for both.
    """
    return (lids(face, *LIDS_FOLLOW_DOWN) - lids(face, *LIDS_FOLLOW_UP)) / (2 * np.sin(0.5))


def opening(face: Face) -> np.ndarray:
    """(V, 3) mm for a sine of one of the jaw's turn: an open mouth's corners come in, and the cheeks hollow."""
    hills = [
        ((26, -85, -44), (8, 16, 9), (-9.0, -2.0, 0.0), BOTH),
        ((44, -60, -40), (14, 22, 18), (-7.0, 3.0, 0.0), BOTH),
    ]
    return _pulled(face, hills) + face.mirrored(_pulled(face, hills))
