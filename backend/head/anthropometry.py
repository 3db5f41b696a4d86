"""Published measures of adult heads, and how they are taken from the built-in head.

Sources:
    ANSUR II: Gordon et al., "2012 Anthropometric Survey of U.S. Army Personnel: Methods and Summary Statistics",
        NATICK/TR-15/007, 2014. Mean and standard deviation over all 6,068 people (4,082 men, 1,986 women) of the
        public data.
    Farkas 2005: Farkas, Katic, Forrest et al., "International anthropometric study of facial morphology in various
        ethnic groups/races", J. Craniofacial Surgery 16(4), 615-646, 2005. Not its own 1,470 subjects of 18 to 30
        years, but the norms of North American whites with which it compares them; men and women are pooled here with
        equal weight. The five pairs below have not been held against the printed tables yet.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from ..formats.head import Head

ANSUR_II, FARKAS_2005 = "ANSUR II", "Farkas 2005"


@dataclass(frozen=True)
class Measure:
    """A measure in mm: mean, standard deviation, source, and what is measured."""

    mean: float
    deviation: float
    source: str
    what: str


def _pooled(men: tuple[float, float], women: tuple[float, float], what: str) -> Measure:
    mean = (men[0] + women[0]) / 2
    variance = (men[1] ** 2 + women[1] ** 2) / 2 + ((men[0] - women[0]) / 2) ** 2
    return Measure(mean, variance**0.5, FARKAS_2005, what)


MEASURES = {
    "head_breadth": Measure(152.18, 6.24, ANSUR_II, "greatest breadth above the ears"),
    "head_length": Measure(196.33, 8.49, ANSUR_II, "glabella to the farthest point of the back of the head"),
    "head_circumference": Measure(570.04, 18.29, ANSUR_II, "around the head above the brows"),
    "bizygomatic_breadth": Measure(139.72, 7.31, ANSUR_II, "greatest breadth of the face at the cheek bones' arches"),
    "menton_sellion": Measure(119.52, 7.88, ANSUR_II, "bottom of the chin to the deepest point of the nose's root"),
    "interpupillary": Measure(63.26, 3.651, ANSUR_II, "between the pupils"),
    "neck_circumference": Measure(375.44, 39.77, ANSUR_II, "around the neck below the larynx, across its axis"),
    "ear_length": Measure(62.63, 4.88, ANSUR_II, "top to bottom of the auricle, along it"),
    "ear_breadth": Measure(35.13, 3.23, ANSUR_II, "across the auricle's length"),
    "ear_protrusion": Measure(22.26, 3.17, ANSUR_II, "from the head behind the ear out to the helix"),
    "intercanthal": _pooled((33.3, 2.7), (31.8, 2.3), "between the inner corners of the eyes (en-en)"),
    "biocular": _pooled((91.2, 3.0), (87.8, 3.2), "between the outer corners of the eyes (ex-ex)"),
    "nose_breadth": _pooled((34.9, 2.1), (31.4, 1.9), "between the wings of the nose (al-al)"),
    "nose_height": _pooled((54.8, 3.3), (50.6, 3.1), "nasion to subnasale (n-sn)"),
    "mouth_breadth": _pooled((54.5, 3.0), (50.2, 3.5), "between the corners of the mouth (ch-ch)"),
}


def measure(head: Head) -> dict[str, float]:
    """Measures in mm of a head with the built-in head's regions and landmarks, in metres."""
    v = head.vertices.astype(np.float64) * 1000
    points = dict(zip(head.landmarks, head.landmark_points().astype(np.float64) * 1000))
    region = {name: v[indices] for name, indices in head.regions.items()}
    skin = np.setdiff1d(np.arange(len(v)), np.concatenate([head.regions["ears"], head.regions["eyes"]]))
    faces = head.faces[np.isin(head.faces, skin).all(axis=1)]
    midline = v[skin][np.abs(v[skin][:, 0]) < 0.5]
    eyes = (region["left_eyeball"].mean(axis=0), region["right_eyeball"].mean(axis=0))
    level = eyes[0][2]

    front = midline[midline[:, 1] < eyes[0][1]]
    root = front[(front[:, 2] > level - 4) & (front[:, 2] < level + 16)]
    sellion = root[np.argmax(root[:, 1])]
    brow = front[(front[:, 2] > sellion[2] + 6) & (front[:, 2] < sellion[2] + 40)]
    glabella = brow[np.argmin(brow[:, 1])]
    back = midline[midline[:, 1] > 0]
    back = back[np.argmax(np.linalg.norm(back - glabella, axis=1) - 1000 * (back[:, 2] < level - 60))]
    chin = front[front[:, 2] < level - 70]
    menton = chin[np.argmin(chin[:, 2])]
    crown = np.concatenate([region["scalp"], region["forehead"]])
    beside = region["face"][(np.abs(region["face"][:, 2] - level + 20) < 20) & (region["face"][:, 1] < -12)]
    ear_length, ear_breadth = _ear(region["left_ear"])
    behind = v[skin][(np.abs(v[skin][:, 2] - level + 12) < 12) & (v[skin][:, 0] > 0)]
    behind = behind[np.argmin(np.abs(behind[:, 1] - region["left_ear"][:, 1].max()))]
    axis = np.array([0.0, 0.30, -0.954])  # the neck leans forward
    return {
        "head_breadth": 2 * crown[:, 0].max(),
        "head_length": float(np.linalg.norm(back - glabella)),
        "head_circumference": _girth(v, faces, (glabella + back) / 2, np.cross(back - glabella, [-1.0, 0, 0])),
        "bizygomatic_breadth": 2 * beside[:, 0].max(),
        "menton_sellion": float(np.linalg.norm(menton - sellion)),
        "interpupillary": float(eyes[0][0] - eyes[1][0]),
        "neck_circumference": _girth(v, faces, menton + [0, 50.0, -38.0], axis),
        "ear_length": ear_length,
        "ear_breadth": ear_breadth,
        "ear_protrusion": region["left_ear"][:, 0].max() - behind[0],
        "intercanthal": float(np.linalg.norm(points["left eye 1"] - points["right eye 4"])),
        "biocular": float(np.linalg.norm(points["left eye 4"] - points["right eye 1"])),
        "nose_breadth": 2 * region["nose"][region["nose"][:, 2] < level - 22][:, 0].max(),
        "nose_height": float(np.linalg.norm(sellion + [0, 0, 2.0] - points["nose base 3"])),
        "mouth_breadth": float(np.linalg.norm(points["outer lip 7"] - points["outer lip 1"])),
    }


def _ear(points: np.ndarray) -> tuple[float, float]:
    """Length and breadth in the side view, mm: the longest line across, and the extent at right angles to it."""
    side = points[:, 1:]
    outline = side[ConvexHull(side).vertices]
    apart = outline[:, None] - outline[None]
    length = np.linalg.norm(apart, axis=2)
    along = apart[np.unravel_index(length.argmax(), length.shape)] / length.max()
    return float(length.max()), float(np.ptp(outline @ [-along[1], along[0]]))


def _girth(vertices, faces, origin, normal) -> float:
    """A tape's length around the surface where a plane cuts it, mm: it bridges hollows, so it is the convex outline."""
    normal = np.asarray(normal) / np.linalg.norm(normal)
    height = (vertices - origin) @ normal
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    a, b = edges[(height[edges[:, 0]] < 0) != (height[edges[:, 1]] < 0)].T
    t = (height[a] / (height[a] - height[b]))[:, None]
    cut = vertices[a] * (1 - t) + vertices[b] * t
    first = np.cross(normal, [1.0, 0, 0] if abs(normal[0]) < 0.9 else [0, 1.0, 0])
    first /= np.linalg.norm(first)
    return float(ConvexHull(np.column_stack([cut @ first, cut @ np.cross(normal, first)])).area)
