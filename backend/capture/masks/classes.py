"""Which classes of a segmentation are hair, and which the rest of a person.

A table is the name of one that is known here, or a JSON file such as ``{"17": "hair", "1": "bust"}``; colours of label
pictures stand in it as ``"#ff0000"``. What is in no table is background. With ``"classes"``, ``"mean"``, ``"std"`` and
``"scale"`` it also says how a network wants its pixels.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from ...errors import CaptureError

KINDS = ("hair", "bust", "person", "background")
_PARTS = "skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck cloth"
_BISENET = "skin l_brow r_brow l_eye r_eye eye_g l_ear r_ear ear_r nose mouth u_lip l_lip neck neck_l cloth hair hat"


def _table(names: str) -> dict[str, str]:
    return {str(number): "hair" if name == "hair" else "bust" for number, name in enumerate(names.split(), start=1)}


KNOWN = {"celebamask-hq": _table(_PARTS), "face-parsing": _table(_BISENET)}
"""The 19 classes of CelebAMask-HQ (Lee et al., MaskGAN, 2020) in their own order, and in that of the widely used
BiSeNet that was trained on them."""


@dataclass(frozen=True)
class Classes:
    """A table.

    Attributes:
        kinds: class number, or colour as (R, G, B), → "hair", "bust" or "person".
        mean, std, scale: a network's pixels are (value / scale - mean) / std, by channel.
    """

    kinds: dict
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    scale: float = 255.0


def read_classes(table: str) -> Classes:
    """A table by its name, or from its file.

    Raises:
        CaptureError: there is no such table, or it says something else.
    """
    if table in KNOWN:
        return Classes({int(number): kind for number, kind in KNOWN[table].items()})
    path = Path(table)
    if not path.is_file():
        raise CaptureError(f"There is no table of classes {table}; name one of {', '.join(KNOWN)}, or a JSON file.")
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise CaptureError(f"{path.name} cannot be read as JSON ({error}); correct it.") from error
    if not isinstance(values, dict):
        raise CaptureError(f'{path.name} must be a table such as {{"17": "hair", "1": "bust"}}.')
    said = values.get("classes", {k: v for k, v in values.items() if k not in ("mean", "std", "scale")})
    if not isinstance(said, dict) or not said:
        raise CaptureError(f'{path.name} must be a table such as {{"17": "hair", "1": "bust"}}.')
    kinds = {_key(key, path): _kind(kind, path) for key, kind in said.items()}
    kinds = {key: kind for key, kind in kinds.items() if kind != "background"}
    try:
        mean = tuple(float(x) for x in values.get("mean", Classes.mean))
        std = tuple(float(x) for x in values.get("std", Classes.std))
        scale = float(values.get("scale", Classes.scale))
    except (TypeError, ValueError):
        mean = std = ()
        scale = 0.0
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0 or not scale > 0:
        raise CaptureError(f"{path.name}: mean and std must be three numbers each, and scale one above zero.")
    return Classes(kinds, mean, std, scale)


def _key(key: str, path: Path):
    try:
        if key.startswith("#"):
            return tuple(bytes.fromhex(key[1:7].ljust(6, "?")))
        return int(key)
    except ValueError:
        raise CaptureError(f"{path.name}: {key!r} is neither a class's number nor a colour such as #ff0000.") from None


def _kind(kind, path: Path) -> str:
    if kind not in KINDS:
        raise CaptureError(f"{path.name}: a class must be one of {', '.join(KINDS)}, not {kind!r}.")
    return kind
