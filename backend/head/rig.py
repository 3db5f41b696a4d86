"""Joints, skin weights and pose correctives of the built-in head.

Weights are biharmonic between where a bone surely moves the skin and where it surely does not. The correctives make
good what linear blending loses: a vertex of weight w should go along the arc of w times the turn, and the blend takes
its chord. All in mm and the project's frame (Z up, looking along -Y); ``backend.head.model`` turns it.
"""

import numpy as np
from scipy.optimize import nnls
from scipy.spatial.transform import Rotation

from .mouth import PARTING, upper
from .surface import biharmonic
from .template import EYEBALL_ANGLES, EYEBALL_COLUMNS, MOUTH, Template

JOINTS = {
    "root": (0.0, 40.0, -140.0),
    "neck": (0.0, 27.0, -62.0),  # the neck's one joint stands for seven vertebrae: between them and the skull's own
    "jaw": (0.0, -9.0, -7.0),  # the axis through both condyles, before and below the ear canals
}
"""mm. The eyes' joints are the eyeballs' centres."""


def joint_regressor(plan: Template, vertices: np.ndarray) -> np.ndarray:
    """(5, V): joints as weighted means of vertices, so that they move with the head's form."""
    regressor = np.zeros((5, len(vertices)))
    ears = np.concatenate([plan.rings["left_ear"].ravel(), plan.rings["right_ear"].ravel()])
    skin = np.setdiff1d(plan.grid[plan.grid >= 0], ears)
    for j, (name, target) in enumerate(JOINTS.items()):
        near = _around(vertices[skin], name)
        members = skin[near]
        # Few vertices could give the joint; the ridge spreads it over all of them, the last row adds up to one.
        system = np.vstack([vertices[members].T, 1e3 * np.ones(len(members)), 20 * np.eye(len(members))])
        found = nnls(system, np.concatenate([target, [1e3], np.full(len(members), 20 / len(members))]))[0]
        row = np.zeros(len(vertices))
        row[members] = found
        regressor[j] = (row + row[plan.mirror]) / 2
        regressor[j] /= regressor[j].sum()
    # Two rings of the globe, one before and one behind its middle, meet in the centre.
    front, behind = np.cos(EYEBALL_ANGLES[[5, 6]])
    for j, side in ((3, "left"), (4, "right")):
        regressor[j, plan.eyeballs[side][5]] = -behind / (front - behind) / EYEBALL_COLUMNS
        regressor[j, plan.eyeballs[side][6]] = front / (front - behind) / EYEBALL_COLUMNS
    return regressor


def _around(points, name):
    x, y, z = points.T
    if name == "jaw":
        return (np.abs(x) > 50) & (y > -30) & (y < 12) & (z > -32) & (z < 16)
    if name == "neck":
        return (z < -20) & (z > -100) & (y > -20)
    return (z < -115) & (z > -165)


def jaw_share(plan: Template, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) how far the jaw moves the skin: 1 on the chin and the lower lip, 0 on the upper lip and the skull."""
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    ball = _eyeballs(plan)
    skin = ~np.isin(np.arange(len(vertices)), ball)
    rings, side, half = plan.rings["mouth"], upper(), MOUTH.half
    known: dict[int, float] = {}
    # The mandible's body from the chin half the way back; its angle slides under the skin.
    moved = skin & (y < -46) & (z < np.interp(y, [-95, -60], [-60, -66])) & (x < np.interp(y, [-90, -46], [38, 56]))
    moved &= (z > np.interp(y, [-80, -46], [-96, -84])) & ~np.isin(np.arange(len(vertices)), rings)
    known |= dict.fromkeys(np.flatnonzero(moved), 1.0)
    still = skin & (
        (z > np.interp(y, [-80, -40, -10, 20], [-24, -20, -12, -30])) | (y > 22) | (z < -140) | ((y > 2) & (z > -50))
    )
    still[plan.rings["left_ear"]] = still[plan.rings["right_ear"]] = True
    known |= dict.fromkeys(np.flatnonzero(still), 0.0)
    # Between the corners the lips part: each goes with its own bone, the more the nearer to the middle.
    along = np.minimum(np.arange(2 * half) % half, half - np.arange(2 * half) % half) / (half / 2)
    share = 0.5 - 0.5 * side * np.sin(np.pi / 2 * np.minimum(1.0, along / 0.62))
    for ring in rings[2 : PARTING + 6]:
        known |= dict(zip(ring.tolist(), share))
    for ring in rings[-2:]:
        known |= dict.fromkeys(ring.tolist(), 0.35)
    return biharmonic(vertices, faces[skin[faces].all(axis=1)], known)


def neck_share(plan: Template, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) how far the neck's joint moves the skin: 1 on the head, 0 on the shoulders."""
    y, z = vertices[:, 1], vertices[:, 2]
    inside = np.isin(np.arange(len(vertices)), np.concatenate([_eyeballs(plan), plan.rings["mouth"][2:].ravel()]))
    head = z > np.interp(y, [-90, -70, -45, 0, 30, 70, 90], [-98, -88, -74, -34, -28, -26, -26])
    known = dict.fromkeys(np.flatnonzero(head | inside), 1.0)
    known |= dict.fromkeys(np.flatnonzero(z < np.interp(y, [-30, 60], [-160, -138])), 0.0)
    return biharmonic(vertices, faces[~np.isin(faces, _eyeballs(plan)).any(axis=1)], known)


def skin_weights(plan: Template, neck: np.ndarray, jaw: np.ndarray) -> np.ndarray:
    """(V, 5) for root, neck, jaw and the eyes, symmetric, each row adding up to 1."""
    weights = np.column_stack([1 - neck, neck * (1 - jaw), neck * jaw, 0 * jaw, 0 * jaw])
    for j, side in ((3, "left"), (4, "right")):
        ball = np.concatenate([plan.eyeballs[side].ravel(), plan.eyeballs[side + "_poles"]])
        weights[ball] = np.eye(5)[j]
    mirrored = weights[plan.mirror][:, [0, 1, 2, 4, 3]]
    weights = (weights + mirrored) / 2
    weights[weights < 1e-4] = 0
    return weights / weights.sum(axis=1, keepdims=True)


def blend_correctives(vertices: np.ndarray, joint: np.ndarray, share: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """What takes a linear blend onto the arc, as a linear function of R - 1.

    Args:
        vertices: (V, 3), any frame and unit: the correctives' too.
        joint: (3,)
        share: (V,) the joint's weight, the rest being its parent's.
        turns: (N, 3) axis times angle in radians, which it is fitted to by least squares.

    Returns:
        (V, 3, 9) a unit of R - 1, row by row.
    """
    moving = np.flatnonzero((share > 1e-3) & (share < 1 - 1e-3))
    arm, weight = vertices[moving] - joint, share[moving, None]
    features, wanted = [], []
    for turn in turns:
        whole = Rotation.from_rotvec(turn).as_matrix()
        arc = Rotation.from_rotvec(weight * turn).apply(arm)
        blend = (1 - weight[:, :, None]) * np.eye(3) + weight[:, :, None] * whole
        # The corrective is added before skinning, so it is taken back through the blend.
        wanted.append(np.linalg.solve(blend, arc[:, :, None])[:, :, 0] - arm)
        features.append((whole - np.eye(3)).ravel())
    features, wanted = np.array(features), np.array(wanted)
    ridge = 1e-3 * np.eye(9)
    found = np.linalg.solve(features.T @ features + ridge, features.T @ wanted.reshape(len(turns), -1))
    result = np.zeros((len(vertices), 3, 9))
    result[moving] = found.reshape(9, len(moving), 3).transpose(1, 2, 0)
    return result


JAW_TURNS = np.radians([[a, b, 0] for a in (6, 12, 18, 25, 32) for b in (-8, 0, 8)])
"""Opening about +X and aside about +Y, in the model's own frame."""
NECK_TURNS = np.radians([[a, b, c] for a in (-30, 0, 30) for b in (-50, 0, 50) for c in (-25, 0, 25) if a or b or c])
"""Nodding about +X, shaking about +Y, leaning about +Z, in the model's own frame."""


def eyeball_centre(plan: Template, vertices: np.ndarray, side: str) -> np.ndarray:
    """(3,) where the globe's middle lies: two of its rings, one before and one behind, meet there."""
    front, behind = np.cos(EYEBALL_ANGLES[[5, 6]])
    ball = plan.eyeballs[side]
    return (front * vertices[ball[6]].mean(axis=0) - behind * vertices[ball[5]].mean(axis=0)) / (front - behind)


def _eyeballs(plan):
    return np.concatenate([part.ravel() for part in plan.eyeballs.values()])
