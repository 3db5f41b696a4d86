"""Which landmarks an artist is asked for, in which order, and what they are called in plain words (no bpy).

The names are those of the 68-point scheme. Right and left are the person's own, as in every landmark file.
"""

from ..backend.formats.flame_model import scheme_68
from ..backend.formats.landmarks import ALIASES, FEWEST

FIRST = (
    "right eye 1",
    "right eye 4",
    "left eye 1",
    "left eye 4",
    "nose bridge 4",
    "nose base 3",
    "outer lip 1",
    "outer lip 7",
    "jaw 9",
    "right eyebrow 1",
    "right eyebrow 5",
    "left eyebrow 1",
    "left eyebrow 5",
)
"""Those that say most about a face, and can be told to a millimetre or two."""
ENOUGH = 9
"""Of them; the brows after these help less."""
NEEDED = FEWEST

_MIDDLE = ("nose base 1", "nose base 5", "outer lip 4", "outer lip 10", "nose bridge 1")
_CONTOUR = tuple(f"jaw {i + 1}" for i in range(17))
ORDER = (
    *FIRST,
    *_MIDDLE,
    *(name for name in scheme_68() if name not in (*FIRST, *_MIDDLE, *_CONTOUR)),
)
"""All that are asked for. The jaw's contour is not: it slides with the view, and nobody could say where it is."""

_BROW = ("outer end", "outer quarter", "middle", "inner quarter", "inner end")
_OUTER_EYE = ("outer corner", "upper lid, outer third", "upper lid, inner third", "inner corner")
_OUTER_EYE += ("lower lid, inner third", "lower lid, outer third")
_INNER_EYE = ("inner corner", "upper lid, inner third", "upper lid, outer third", "outer corner")
_INNER_EYE += ("lower lid, outer third", "lower lid, inner third")
_LABELS = {
    **{f"right eyebrow {i + 1}": f"Right brow, {part}" for i, part in enumerate(_BROW)},
    **{f"left eyebrow {i + 1}": f"Left brow, {part}" for i, part in enumerate(_BROW[::-1])},
    **{f"right eye {i + 1}": f"Right eye, {part}" for i, part in enumerate(_OUTER_EYE)},
    **{f"left eye {i + 1}": f"Left eye, {part}" for i, part in enumerate(_INNER_EYE)},
    "nose bridge 1": "Root of the nose",
    "nose bridge 2": "Bridge of the nose, upper third",
    "nose bridge 3": "Bridge of the nose, lower third",
    "nose bridge 4": "Tip of the nose",
    "nose base 1": "Right nostril, outer edge",
    "nose base 2": "Right nostril, middle",
    "nose base 3": "Base of the nose",
    "nose base 4": "Left nostril, middle",
    "nose base 5": "Left nostril, outer edge",
    "outer lip 1": "Right corner of the mouth",
    "outer lip 2": "Upper lip's edge, right",
    "outer lip 3": "Upper lip's right peak",
    "outer lip 4": "Upper lip's edge, middle",
    "outer lip 5": "Upper lip's left peak",
    "outer lip 6": "Upper lip's edge, left",
    "outer lip 7": "Left corner of the mouth",
    "outer lip 8": "Lower lip's edge, left",
    "outer lip 9": "Lower lip's edge, left of the middle",
    "outer lip 10": "Lower lip's edge, middle",
    "outer lip 11": "Lower lip's edge, right of the middle",
    "outer lip 12": "Lower lip's edge, right",
    "inner lip 1": "Where the lips part, right",
    "inner lip 2": "Upper lip's inner edge, right",
    "inner lip 3": "Upper lip's inner edge, middle",
    "inner lip 4": "Upper lip's inner edge, left",
    "inner lip 5": "Where the lips part, left",
    "inner lip 6": "Lower lip's inner edge, left",
    "inner lip 7": "Lower lip's inner edge, middle",
    "inner lip 8": "Lower lip's inner edge, right",
    **{name: f"Jaw's contour {name.split()[1]}" for name in _CONTOUR},
    "jaw 9": "Chin",
}
_ENDS = {"distance 1": "First end of a distance", "distance 2": "Second end of a distance"}
"""No landmarks of a face: what the artist knows the length of, which gives a capture its metres."""
_HINTS = {
    "right eye 1": "the person's right eye, where the lids meet towards the ear",
    "right eye 4": "the person's right eye, where the lids meet towards the nose",
    "left eye 1": "the person's left eye, where the lids meet towards the nose",
    "left eye 4": "the person's left eye, where the lids meet towards the ear",
    "nose bridge 1": "the deepest point between the eyes",
    "nose bridge 4": "what stands out farthest",
    "nose base 3": "where the nose meets the upper lip, in the middle",
    "jaw 9": "its lowest point, in the middle",
    "right eyebrow 1": "towards the person's right ear",
    "left eyebrow 5": "towards the person's left ear",
    "outer lip 1": "on the person's right, where the lips meet",
    "outer lip 7": "on the person's left, where the lips meet",
    "outer lip 4": "the dip between its two peaks",
    "outer lip 10": "where the red of the lip ends below",
    "nose base 1": "where the person's right wing of the nose meets the cheek",
    "nose base 5": "where the person's left wing of the nose meets the cheek",
}
_STROKES = ((0, 17, False), (17, 22, False), (22, 27, False), (27, 31, False), (31, 36, False), (36, 42, True))
_STROKES += ((42, 48, True), (48, 60, True), (60, 68, True))


def label(name: str) -> str:
    """A landmark in plain words."""
    return _LABELS.get(name) or _ENDS.get(name, name)


def hint(name: str) -> str:
    """Where it lies; a few words."""
    if name in _HINTS:
        return _HINTS[name]
    if name in _ENDS:
        return "click it in two photographs or more"
    side = next((side for side in ("right", "left") if side in label(name).lower()), "")
    return f"on the person's {side}" if side else "in the middle of the face"


def strokes() -> list[list[str]]:
    """The lines that draw a face through the 68 points; what is closed ends where it begins."""
    names = scheme_68()
    return [[*names[a:b], *((names[a],) if closed else ())] for a, b, closed in _STROKES]


def known_name(text: str) -> str:
    """The landmark that an object's name means, plain words and Blender's ".001" allowed; "" for none."""
    stem, dot, number = text.rpartition(".")
    plain = " ".join((stem if dot and number.isdigit() else text).replace("_", " ").lower().split())
    plain = ALIASES.get(plain, plain)
    return plain if plain in _LABELS else ""


def next_missing(there, after: str = "") -> str:
    """The landmark to ask for next: the first that is missing after one, or from the beginning; "" if there is none."""
    start = ORDER.index(after) + 1 if after in ORDER else 0
    missing = [name for name in ORDER if name not in there]
    return next((name for name in ORDER[start:] if name in missing), missing[0] if missing else "")
