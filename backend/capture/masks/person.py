"""The person cut out of all photographs at once, without any network.

Colours are learnt from where the head is and where it cannot be; each photograph is cut (GrabCut); what the cuts agree
on in space (their visual hull) is drawn back into the photographs and corrects them; and again. After Campbell,
Vogiatzis, Hernandez and Cipolla, "Automatic 3D Object Segmentation in Multiple Views using Volumetric Graph-Cuts"
(2007), with the cuts in the pictures instead of the volume.
"""

import cv2
import numpy as np

from ...formats.mask_strokes import BACKGROUND, NOTHING
from ...protocol import Reporter
from .colours import ColourModel, bins_of
from .cut import cut
from .pictures import Picture
from .volume import FEWEST, Volume
from .where import Subject, breadth_and_aside

ROUNDS = 5
_HULL_INSIDE, _HULL_OUTSIDE = 1.5, -3.0
"""Log odds of a pixel in the hull that the last cuts left, and of one beside it."""
_RIM = 0.03
"""Share of a picture's longer side that is its rim: what ends there is mostly background, but for the lower one."""


def cut_out_person(
    pictures: list[Picture], subject: Subject, volume: Volume | None, reporter: Reporter
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Each picture's (H, W) bool, inside where the person is, and the hull (N,) bool on the volume's voxels.

    Args:
        volume: voxels about the person; None where fewer than three cameras are known.
    """
    places = [_first_odds(p, subject) for p in pictures]
    sure = [_sure(p) for p in pictures]
    colours = ColourModel([bins_of(p.lab) for p in pictures])
    shares = [_share(place, known) for place, known in zip(places, sure, strict=True)]
    beliefs, hull = places, None
    masks: list[np.ndarray] = []
    for number in range(ROUNDS):
        by_colour = colours.learn(shares, [1 - share for share in shares])
        masks = []
        for picture, odds, belief, known in zip(pictures, by_colour, beliefs, sure, strict=True):
            total = cv2.GaussianBlur(odds, (0, 0), 0.8) + belief
            masks.append(_without_specks(cut(total, picture.lab, sure=known), subject, picture, known))
            reporter.step()
        if volume is not None:
            hull = volume.carved([_known(mask, known) for mask, known in zip(masks, sure, strict=True)])
            inside = volume.drawn(hull)
            beliefs = [
                _belief(drawn, place if number == 0 else 0.3 * place)
                for drawn, place in zip(inside, places, strict=True)
            ]
            shares = [
                _share(2 * belief + np.where(mask, 1.5, -1.5), known)
                for belief, mask, known in zip(beliefs, masks, sure, strict=True)
            ]
        else:
            beliefs = [0.5 * place for place in places]
            shares = [
                _share(belief + np.where(mask, 3.0, -3.0), known)
                for belief, mask, known in zip(beliefs, masks, sure, strict=True)
            ]
    return masks, hull


def volume_of(pictures: list[Picture], subject: Subject) -> Volume | None:
    """The voxels about a person, where enough cameras are known."""
    if not subject.posed or subject.centre is None or len(pictures) < FEWEST:
        return None
    return Volume(subject, pictures)


def _first_odds(picture: Picture, subject: Subject) -> np.ndarray:
    """(H, W) float32 log odds for the person by place alone."""
    width, height = picture.size
    x, y = np.arange(width, dtype=np.float32) + 0.5, (np.arange(height, dtype=np.float32) + 0.5)[:, None]
    drawn = subject.head.drawn(picture) if subject.head else None
    if drawn is not None and drawn.covered.any():
        return _odds_about_head(drawn.covered)
    if subject.centre is not None:
        (middle,), (depth,) = picture.camera.project(subject.centre[None])
        radius = subject.radius * picture.camera.fx / max(float(depth), 1e-9)
        grow = 1.9
    else:
        # Somebody took a photograph of somebody.
        middle, radius, grow = np.array([width / 2, height * 0.4]), min(width, height) * 0.25, 1.8
    # Below the head there are neck and shoulders.
    down = np.where(y > middle[1], 0.35, 1.0)
    distance = np.hypot(x - middle[0], (y - middle[1]) * down) / radius
    return (3.0 * (1 - (distance / grow) ** 2)).clip(-3.0, 2.5).astype(np.float32)


def _odds_about_head(bare: np.ndarray) -> np.ndarray:
    """(H, W) float32 log odds about the outline of a head without hair (H, W) bool: hair stands off it by up to a
    head's breadth, and below it there are shoulders."""
    breadth, aside = breadth_and_aside(bare)
    inner = cv2.distanceTransform(bare.astype(np.uint8), cv2.DIST_L2, 3)
    # Distances beside and above the outline; below, its columns go on.
    beside = cv2.distanceTransform((~bare).astype(np.uint8), cv2.DIST_L2, 5)
    low = np.flatnonzero(bare.any(axis=1)).max()
    odds = np.where(bare, np.minimum(1.0 + inner / (0.03 * breadth), 4.0), 0.5 - 4.0 * beside / breadth)
    y = np.arange(bare.shape[0])[:, None]
    below = np.where(y > low, 0.5 - 1.2 * np.maximum(aside - 0.5, 0), -np.inf)
    return np.maximum(odds, below).clip(-4, 4).astype(np.float32)


def _belief(drawn: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(H, W) log odds from a hull drawn into a picture, and by place where a cut is not to be led astray."""
    soft = cv2.GaussianBlur(drawn, (0, 0), 1.5)
    return (_HULL_OUTSIDE + (_HULL_INSIDE - _HULL_OUTSIDE) * soft + 0.5 * place).astype(np.float32)


def _sure(picture: Picture) -> np.ndarray | None:
    """(H, W) int8 of what the artist said: 1 the person, -1 background; None where nothing."""
    said = picture.strokes
    if not said.any():
        return None
    return np.where(said == BACKGROUND, -1, np.where(said == NOTHING, 0, 1)).astype(np.int8)


def _share(odds: np.ndarray, sure: np.ndarray | None) -> np.ndarray:
    """(H, W) float64 how much a pixel counts as inside when colours are learnt."""
    share = 1 / (1 + np.exp(-odds.astype(np.float64)))
    if sure is not None:
        share[sure > 0], share[sure < 0] = 1.0, 0.0
    return share


def _known(mask: np.ndarray, sure: np.ndarray | None) -> np.ndarray:
    mask = mask.astype(np.float32)
    if sure is not None:
        mask[sure > 0], mask[sure < 0] = 1.0, 0.0
    return mask


def _without_specks(mask: np.ndarray, subject: Subject, picture: Picture, sure: np.ndarray | None) -> np.ndarray:
    """A mask without what hangs together with neither its largest piece nor a stroke, and without small holes."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.zeros(count, bool)
    keep[1:] = areas > 0.05 * areas.max()
    if sure is not None:
        keep[np.unique(pieces[sure > 0])] = True
    keep[0] = False
    mask = keep[pieces]
    count, holes, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < 2e-4 * mask.size
    small[0] = False  # the mask itself
    return mask | small[holes]
