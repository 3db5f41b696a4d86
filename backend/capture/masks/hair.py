"""Hair told from skin and clothes within the person, by colour, by where the bare head is, and by what most
photographs say of a place on the surface."""

import cv2
import numpy as np

from ...formats.mask_strokes import BACKGROUND, BUST, HAIR
from ...protocol import Reporter
from .colours import ColourModel, bins_of, hue_bins_of
from .cut import cut
from .pictures import Picture
from .volume import Volume
from .where import PlacedHead, Subject, breadth_and_aside

ROUNDS = 3
_FACE, _EARS, _NECK, _SCALP, _BESIDE, _BELOW = -1.0, -0.4, -0.4, 0.7, 0.7, -0.4
"""Log odds for hair of what lies over a part of the bare head, beside the head, and below it. Small: hair may hang over
all of them."""
_LOWER, _ASIDE = 1.2, 1.2
"""What log odds lose with each of the head's breadths that a pixel lies farther below the chin than half a one, and
farther from the head's middle than one: there are clothes. Long hair that colour tells well stands against it."""
_CLOTHES = -2.0
"""Log odds below which a place teaches the colours of what is not hair from the beginning."""
_TOLD = 12.0
"""Times that a pixel under a stroke counts when colours are learnt."""
_FRONT, _FRONT_ODDS = 0.5, -4.0
"""The middle of a face that looks at the camera, with at least this cosine, is skin before anything is learnt."""
_BY_HUE = 0.3
"""Share of what hues say, against colours: shadow on skin is as dark as hair, but not of its hue."""
_VOTES = 1.5
"""Times the mean log odds of a place over the photographs that show it."""


def tell_hair(
    pictures: list[Picture],
    persons: list[np.ndarray],
    subject: Subject,
    volume: Volume | None,
    hull: np.ndarray | None,
    reporter: Reporter,
) -> list[np.ndarray]:
    """Each picture's (H, W) bool: hair, within the person (H, W) bool.

    Args:
        volume, hull: voxels and which of them are the person, where there are cameras enough.
    """
    places, first = zip(*(_by_place(p, person, subject) for p, person in zip(pictures, persons, strict=True)))
    sure = [_sure(p, person) for p, person in zip(pictures, persons, strict=True)]
    colours = ColourModel([bins_of(p.lab) for p in pictures], own=0.0)
    hues = ColourModel([hue_bins_of(p.image) for p in pictures], own=0.0)
    beliefs = [np.where(p.strokes > 0, 8.0 * known, odds) for p, known, odds in zip(pictures, sure, first, strict=True)]
    masks = persons
    surface = depths = None
    if volume is not None and hull is not None and hull.any():
        surface = volume.surface(hull)
        depths = volume.depth(hull)
    for _ in range(ROUNDS):
        # Odds of zero teach nothing.
        hair, rest = (
            [
                np.clip(np.tanh(side * b), 0, None) * person * np.where(picture.strokes > 0, _TOLD, 1.0)
                for picture, b, person in zip(pictures, beliefs, persons, strict=True)
            ]
            for side in (0.5, -0.5)
        )
        by_colour = [
            (1 - _BY_HUE) * colour + _BY_HUE * hue
            for colour, hue in zip(colours.learn(hair, rest), hues.learn(hair, rest), strict=True)
        ]
        odds = [cv2.GaussianBlur(colour, (0, 0), 0.8) + place for colour, place in zip(by_colour, places, strict=True)]
        if surface is not None:
            votes = volume.painted(volume.mean(odds, surface, depths), surface, depths)
            odds = [own + _VOTES * vote for own, vote in zip(odds, votes, strict=True)]
        masks = []
        for picture, own, known in zip(pictures, odds, sure, strict=True):
            masks.append(cut(own, picture.lab, sure=known, smoothness=5.0))
            reporter.step()
        beliefs = [
            np.where(known == 0, own.clip(-2, 2) + np.where(mask, 1.0, -1.0), 8.0 * known)
            for own, mask, known in zip(odds, masks, sure, strict=True)
        ]
    return [
        _rooted(mask & person, seeds > 0, picture)
        for mask, person, seeds, picture in zip(masks, persons, first, pictures, strict=True)
    ]


def _rooted(hair: np.ndarray, seeds: np.ndarray, picture: Picture) -> np.ndarray:
    """Hair (H, W) without what hangs together with no place where hair grows and no stroke: eyes, dark clothes."""
    _, pieces = cv2.connectedComponents(hair.astype(np.uint8), connectivity=4)
    rooted = np.unique(pieces[hair & (seeds | (picture.strokes == HAIR))])
    return hair & np.isin(pieces, rooted)


def _by_place(picture: Picture, person: np.ndarray, subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) float32 log odds for hair by place alone, twice: as they hold to the end, and as colours are first learnt
    from them, which is 0 where anything may be."""
    drawn = subject.head.drawn(picture) if subject.head else None
    if drawn is None or not drawn.covered.any():
        odds = _skin_tone_odds(picture)
        return 0.3 * odds, 2 * odds
    odds = np.full(person.shape, _BESIDE, np.float32)
    head: PlacedHead = subject.head
    faces = np.maximum(drawn.face, 0)
    of_faces = head.region_of_faces()
    parts = (("neck", _NECK), ("scalp", _SCALP), ("face", _FACE), ("left_ear", _EARS), ("right_ear", _EARS))
    known = np.zeros(person.shape, bool)
    for name, value in parts:
        if name in of_faces:
            there = drawn.covered & of_faces[name][faces]
            odds[there] = value
            known |= there
    odds[drawn.covered & ~known] = _FACE  # eyes and the mouth
    low = _lowest(drawn.covered)
    rows = np.arange(person.shape[0])[:, None]
    below = ~drawn.covered & (rows > low)
    # Beside the neck there may be a collar as well.
    chin = np.flatnonzero((drawn.covered & of_faces["face"][faces]).any(axis=1)).max(initial=0)
    above = rows < (chin if chin else low)
    odds[below] = (_BELOW + _far_below(drawn.covered, chin if chin else low))[below]
    first = np.where((odds == _SCALP) | ((odds == _BESIDE) & above), 3.0, 0.0).astype(np.float32)
    # The head is a likely one, not this one: borders between its parts are good to a few per cent of its size.
    soft = max(0.02 * float(np.sqrt(drawn.covered.sum())), 0.5)
    front = drawn.covered & head.front_of_face(picture.name, _FRONT)[faces]
    front = cv2.erode(front.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=round(2 * soft)) > 0
    first[front] = odds[front] = _FRONT_ODDS
    clothes = odds < _CLOTHES
    first[clothes] = odds[clothes]
    return cv2.GaussianBlur(odds, (0, 0), soft), first


def _lowest(bare: np.ndarray) -> float:
    """The row where a bare head ends, or a little above, where its neck widens."""
    rows = np.flatnonzero(bare.any(axis=1))
    return float(rows.max() - 0.08 * np.ptp(rows))


def _far_below(bare: np.ndarray, chin: float) -> np.ndarray:
    """(H, W) log odds that places below a head, drawn bare (H, W) bool, lose by how far away they are."""
    breadth, aside = breadth_and_aside(bare)
    lower = (np.arange(bare.shape[0])[:, None] - chin) / breadth
    return -_LOWER * np.maximum(lower - 0.5, 0) - _ASIDE * np.maximum(aside - 1, 0)


def _skin_tone_odds(picture: Picture) -> np.ndarray:
    """(H, W) float32 log odds for hair where nobody knows where the face is: skin of any shade is redder and yellower
    than grey, and lighter than most hair."""
    lab = picture.lab.astype(np.float32)
    chroma = np.hypot(lab[..., 1] - 128, lab[..., 2] - 128)
    hue = np.arctan2(lab[..., 2] - 128, lab[..., 1] - 128)
    skin = np.exp(-(((hue - 0.85) / 0.35) ** 2)) * np.clip((chroma - 8) / 12, 0, 1) * np.clip(lab[..., 0] / 110, 0, 1)
    return (1.0 - 3.0 * skin).astype(np.float32)


def _sure(picture: Picture, person: np.ndarray) -> np.ndarray:
    """(H, W) int8: 1 where a stroke says hair, -1 where one says anything else and outside the person."""
    said = picture.strokes
    sure = np.where(person, 0, -1).astype(np.int8)
    sure[(said == BUST) | (said == BACKGROUND)] = -1
    sure[said == HAIR] = 1
    return sure
