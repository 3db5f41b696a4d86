"""ARKit's 52 shapes on the built-in head's own movements."""

from ..formats.arkit import ArkitTable, table_from_rows, turning_rows
from ..formats.flame_model import FlameModel

_SIDED = {
    "eyeBlink": "blink", "eyeSquint": "squint", "eyeWide": "wide", "mouthSmile": "smile", "mouthFrown": "frown",
    "mouthDimple": "dimple", "mouthStretch": "stretch", "mouthPress": "press", "mouthLowerDown": "lower lip down",
    "mouthUpperUp": "upper lip up", "browDown": "brow down", "browOuterUp": "brow outer up",
    "cheekSquint": "cheek squint", "noseSneer": "sneer", "mouth": "mouth aside",
}  # fmt: skip
_WHOLE = {
    "jawForward": ("jaw forward",), "mouthClose": ("mouth close",), "mouthFunnel": ("funnel",),
    "mouthPucker": ("pucker",), "mouthRollLower": ("roll lower",), "mouthRollUpper": ("roll upper",),
    "mouthShrugLower": ("shrug lower",), "mouthShrugUpper": ("shrug upper",),
    "browInnerUp": ("brow inner up left", "brow inner up right"), "cheekPuff": ("cheek puff left", "cheek puff right"),
}  # fmt: skip


def arkit_table(model: FlameModel) -> ArkitTable:
    """The table of a model that ``backend.head.model`` made: all but tongueOut, for there is no tongue."""
    rows = {name: dict.fromkeys(modes, 1.0) for name, modes in _WHOLE.items()}
    for name, mode in _SIDED.items():
        for side in ("Left", "Right"):
            rows[name + side] = {f"{mode} {side.lower()}": 1.0}
    return table_from_rows(model, rows, turning_rows(model))
