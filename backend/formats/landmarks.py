"""Landmarks clicked on a scan: points with the names of the 68-point scheme, and the files they come in.

Kinds of file: ``.npy`` (N, 3), MeshLab's picked points (``.pp``), and ``.json`` ({name: [x, y, z]}, or a list). Rows
without names are 68 or 51 in iBUG's order; named points may be any few of them. NumPy and the standard library
only, so that Blender reads and writes them too.
"""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contract import UNITS
from ..errors import LandmarkError
from .flame_model import scheme_68

SUFFIXES = (".npy", ".pp", ".json")
LARGEST_BYTES = 5_000_000
FEWEST = 4
"""A place, a size and a turn take three points; a fourth tells when one of them is wrong."""
ALIASES = {
    "chin": "jaw 9",
    "nose tip": "nose bridge 4",
    "nose root": "nose bridge 1",
    "under nose": "nose base 3",
    "right nostril": "nose base 1",
    "left nostril": "nose base 5",
    "right eye outer corner": "right eye 1",
    "right eye inner corner": "right eye 4",
    "left eye inner corner": "left eye 1",
    "left eye outer corner": "left eye 4",
    "right mouth corner": "outer lip 1",
    "left mouth corner": "outer lip 7",
    "upper lip": "outer lip 4",
    "lower lip": "outer lip 10",
}
"""Plain words for some of the 68. Right and left are the person's own."""
SIZES = (0.75, 1.3)
"""How much smaller and larger than the model's a face may be for its unit to be recognised: from a child's to a big
man's, with a bad click."""


@dataclass(frozen=True, eq=False)
class Landmarks3D:
    """Named points in space.

    Attributes:
        names: L different names of the 68-point scheme, or of a model's other landmarks ("mediapipe 33").
        points: (L, 3) float64, in the unit and axes of the scan that they lie on.
    """

    names: tuple[str, ...]
    points: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "points", np.asarray(self.points, np.float64).reshape(-1, 3))

    def of(self, names) -> np.ndarray:
        """(K, 3) the points of some names, in their order."""
        place = {name: i for i, name in enumerate(self.names)}
        return self.points[[place[name] for name in names]]


def guess_unit(landmarks: Landmarks3D, head: Landmarks3D) -> tuple[float, str]:
    """The unit of landmarks' coordinates, from the size of the face.

    Args:
        landmarks: in the unknown unit.
        head: a head's, in metres; those that both have are compared.

    Returns:
        Metres in one unit, and which of ``contract.UNITS`` that is; where it is none of them, the metres that make the
        face as large as the head's, and "".

    Raises:
        LandmarkError: they have fewer than two names in common, or lie all in one point.
    """
    shared = [name for name in landmarks.names if name in head.names]
    here, there = (_spread(points.of(shared)) for points in (landmarks, head))
    if len(shared) < 2 or not here > 0:
        raise LandmarkError("The landmarks lie all in one point, or are none that the head has; click them again.")
    ratio = float(there / here)
    for name, metres in UNITS.items():
        if SIZES[0] < ratio / metres < SIZES[1]:
            return metres, name
    return ratio, ""


def _spread(points: np.ndarray) -> float:
    """Root of the mean squared distance from their mean, whatever way they are turned."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean())) if len(points) else 0.0


def read_landmarks(path: Path) -> Landmarks3D:
    """Read landmarks from a file.

    A row or point that is nothing but NaN was not clicked, and is left out.

    Raises:
        LandmarkError: the file cannot be read, its points cannot be told apart, or they are too few.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise LandmarkError(f"{path.name} is no kind of landmark file; use one of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise LandmarkError(f"There is no landmark file at {path}.")
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise LandmarkError(f"{path.name} is larger than {LARGEST_BYTES // 10**6} MB; landmarks never are.")
        names, points = {".npy": _npy, ".pp": _picked_points, ".json": _json}[kind](path)
        points = np.asarray(points, np.float64)
    except OSError as error:
        raise LandmarkError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError, EOFError, RecursionError, ElementTree.ParseError) as error:
        raise LandmarkError(f"{path.name} cannot be read as landmarks: {error}.") from error
    return named_landmarks(names, points, path.name)


def named_landmarks(names: list[str] | None, points: np.ndarray, source: str) -> Landmarks3D:
    """Checked landmarks from names, or rows without any. Raises LandmarkError as ``read_landmarks`` does."""
    scheme = scheme_68()
    if not points.size:
        raise LandmarkError(f"{source} has no landmarks; click at least {FEWEST} on the scan.")
    if points.ndim != 2 or points.shape[1] != 3:
        raise LandmarkError(f"{source} has landmarks of the shape {points.shape}, not (N, 3).")
    if names is None or all(name.strip().isdigit() or not name.strip() for name in names):
        if len(points) not in (51, 68):
            raise LandmarkError(
                f"{source} has {len(points)} landmarks without names; give them names, or 51 or 68 in iBUG's order."
            )
        names = scheme[-len(points) :]
    else:
        names = [_plain(name) for name in names]
        unknown = [name for name in names if name not in scheme and not name.startswith("mediapipe ")]
        if unknown:
            raise LandmarkError(
                f"{source} has a landmark named '{unknown[0]}', which is not known; names are 'chin', 'nose tip', "
                "'left eye outer corner' and the like, or those of the 68 points, as 'left eye 4'."
            )
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise LandmarkError(f"{source} has two landmarks named '{twice}'; keep one of them.")
    finite = np.isfinite(points)
    clicked = finite.any(axis=1)
    broken = np.flatnonzero(clicked & ~finite.all(axis=1))
    if len(broken):
        raise LandmarkError(f"The landmark '{names[broken[0]]}' in {source} has a coordinate that is no finite number.")
    if clicked.sum() < FEWEST:
        raise LandmarkError(
            f"{source} has {int(clicked.sum())} landmarks; at least {FEWEST} are needed, better the corners of eyes "
            "and mouth, the tip of the nose and the chin."
        )
    return Landmarks3D(tuple(np.array(names, object)[clicked]), points[clicked])


def write_landmarks(path: Path, landmarks: Landmarks3D) -> None:
    """Write ``.json`` of names and points, to a temporary name first."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    values = dict(zip(landmarks.names, landmarks.points.tolist(), strict=True))
    temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
    temporary.replace(path)


def _plain(name: str) -> str:
    plain = " ".join(str(name).replace("_", " ").lower().split())
    return ALIASES.get(plain, plain)


def _npy(path: Path):
    return None, np.load(path, allow_pickle=False)


def _json(path: Path):
    values = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(values, dict) and isinstance(values.get("landmarks"), dict | list):
        values = values["landmarks"]
    if isinstance(values, dict):
        return list(values), [_point(p) for p in values.values()]
    if not isinstance(values, list):
        raise ValueError("it is neither a list of points nor points by name")
    return None, [_point(p) for p in values]


def _point(values) -> list[float]:
    if values is None:
        return [np.nan] * 3
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f"{str(values)[:40]} is no point of three numbers")
    return [np.nan if v is None else float(v) for v in values]


def _picked_points(path: Path):
    text = path.read_text(encoding="utf-8")
    if "<!ENTITY" in text:
        raise ValueError("it declares entities, which picked points never do")
    picked = [p for p in ElementTree.fromstring(text).iter("point") if p.get("active", "1") != "0"]
    return [p.get("name", "") for p in picked], [[float(p.get(axis, "nan")) for axis in "xyz"] for p in picked]
