"""Displacement maps as files: a 16-bit PNG with its JSON, and an OpenEXR for renderers.

NumPy and the standard library only at module level.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import HeadError
from .exr import read_exr, write_exr
from .png import write_png

FORMAT, VERSION = "maquette-displacement", 1
RANGE = 1 / 6
"""Metres either way that a map can hold: HeadCraft's 20 units of 1/120 m."""
OBJECT, TANGENT = "object", "tangent"
FRAMES = {
    OBJECT: "object axes of the rest pose, Z up, looking along -Y",
    TANGENT: "tangent, normal, bitangent (MikkTSpace) of the rest pose's smooth surface in the layout",
}
SIZES = (16, 8192)


@dataclass(frozen=True, eq=False)
class DisplacementMap:
    """Displacements over the unit square of a layout.

    Attributes:
        values: (N, N, 3) float32, metres; the first row is the top (V = 1).
        frame: "object" (axes of the rest pose, Z up) or "tangent" (tangent, normal, bitangent: the order in which
            Blender's Vector Displacement takes a picture's channels).
        clipped: vertices whose displacement was cut to the range.
        layout: hash of the layout.
        model: name of the head model, and ``model_hash`` its hash; empty for a plain mesh.
        smoothed: whether they are from a head whose surface was smoothed by region.
    """

    values: np.ndarray
    frame: str = OBJECT
    clipped: int = 0
    layout: str = ""
    model: str = ""
    model_hash: str = ""
    smoothed: bool = False


def write_displacement(path: Path, displacement: DisplacementMap) -> None:
    """Write ``path`` (.png: 16 bits over [-1/6, 1/6] m, with ``path``.json; .exr: metres as they are, with .json)."""
    path = Path(path)
    values = displacement.values
    if path.suffix.lower() == ".exr":
        write_exr(path, {name: values[..., k].astype(np.float32) for k, name in enumerate("RGB")})
        stored = {"stored_range": None}
    else:
        whole = np.rint((values.astype(np.float64).clip(-RANGE, RANGE) / RANGE + 1) / 2 * 65535)
        write_png(path, whole.astype(np.uint16))
        stored = {"stored_range": [0, 65535]}
    facts = {
        "format": FORMAT, "version": VERSION, "frame": displacement.frame, "axes": FRAMES[displacement.frame],
        "unit": "m", "range": [-RANGE, RANGE], **stored, "size": len(values), "clipped_vertices": displacement.clipped,
        "layout": displacement.layout, "model": displacement.model, "model_hash": displacement.model_hash,
        "smoothed": displacement.smoothed,
    }  # fmt: skip
    temporary = path.with_name(path.name + ".json.part")
    temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path.with_name(path.name + ".json"))


def read_displacement(path: Path) -> DisplacementMap:
    """Read what ``write_displacement`` wrote, perhaps painted on since.

    Raises:
        HeadError: the picture or its JSON is missing, or is no displacement map.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".json")
    for file in (path, beside):
        if not file.is_file():
            raise HeadError(f"There is no {file.name}; a displacement map is a PNG or EXR with its JSON beside it.")
    try:
        facts = json.loads(beside.read_text(encoding="utf-8"))
        if facts.get("format") != FORMAT or facts.get("version") != VERSION or facts.get("frame") not in FRAMES:
            raise ValueError("it is not the description of a displacement map")
        low, high = (float(v) for v in facts["range"])
        if not low < high:
            raise ValueError("its range is empty")
        clipped = int(facts["clipped_vertices"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HeadError(f"{beside.name} cannot be read: {error}.") from error
    if path.suffix.lower() == ".exr":
        values = _read_metres(path)
    else:
        values = (low + (high - low) * _read_whole(path).astype(np.float64) / 65535).astype(np.float32)
    if not SIZES[0] <= len(values) <= SIZES[1]:
        raise HeadError(f"{path.name} is {len(values)} texels wide; a map has {SIZES[0]} to {SIZES[1]}.")
    return DisplacementMap(values, facts["frame"], clipped, **said_by(facts))


def said_by(facts: dict) -> dict[str, str | bool]:
    """Of a map's JSON, what it says of the head that it belongs to: layout, model, model_hash, smoothed."""
    texts = {key: str(facts.get(key, "")) for key in ("layout", "model", "model_hash")}
    return texts | {"smoothed": bool(facts.get("smoothed", False))}


def _read_whole(path: Path) -> np.ndarray:
    """(N, N, 3) uint16"""
    import cv2

    whole = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if whole is None or whole.ndim != 3 or whole.dtype != np.uint16 or whole.shape[0] != whole.shape[1]:
        raise HeadError(f"{path.name} is no square PNG of three channels of 16 bits; save it as one, without colour.")
    return whole[..., 2::-1]


def _read_metres(path: Path) -> np.ndarray:
    """(N, N, 3) float32"""
    try:
        channels = read_exr(path)[0].channels
        values = np.stack([channels[name] for name in "RGB"], axis=-1).astype(np.float32)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise HeadError(f"{path.name} is no EXR of R, G and B in scan lines (ZIP or none); save it as one.") from error
    if values.shape[0] != values.shape[1] or not np.isfinite(values).all():
        raise HeadError(f"{path.name} is not square, or has numbers that are not finite.")
    return values
