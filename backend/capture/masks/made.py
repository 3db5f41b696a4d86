"""Masks made from the photographs themselves: colours, cameras, landmarks and strokes, and no network."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...formats.capture import Capture
from ...protocol import Reporter
from .hair import ROUNDS as HAIR_ROUNDS
from .hair import tell_hair
from .person import ROUNDS, cut_out_person, volume_of
from .pictures import Picture, as_stored, load_pictures
from .where import find_subject


@dataclass(frozen=True, eq=False)
class Cut:
    """One photograph's masks at the size that they were made at.

    Attributes:
        picture: which.
        hair, person: (H, W) bool.
    """

    picture: Picture
    hair: np.ndarray
    person: np.ndarray

    def stored(self) -> dict[str, np.ndarray]:
        """Kind → (H, W) float32 from 0 to 1 at the photograph's size."""
        person, hair = (soft(as_stored(blurred(mask), self.picture)) for mask in (self.person, self.hair))
        hair = np.minimum(hair, person)
        return {"hair": hair, "bust": person - hair, "person": person}


def make_masks(capture: Capture, posed: bool, strokes: Path, side: int, reporter: Reporter) -> list[Cut]:
    """Masks of all photographs of a capture.

    Args:
        posed: its cameras have places.
        strokes: folder of what the artist painted.
        side: pixels of a picture's longer side while it is cut out.

    Raises:
        CaptureError: a photograph cannot be read, or nobody can tell where the person is.
    """
    count = len(capture.views)
    reporter.stage("Reading the photographs", count)
    pictures = load_pictures(capture, strokes, side, warn=reporter.warning, tick=reporter.step)
    reporter.stage("Finding the head")
    subject = find_subject(capture, pictures, posed, reporter.warning)
    volume = volume_of(pictures, subject)
    reporter.stage("Cutting out the person", ROUNDS * count)
    persons, hull = cut_out_person(pictures, subject, volume, reporter)
    reporter.stage("Telling hair from skin", HAIR_ROUNDS * count)
    hair = tell_hair(pictures, persons, subject, volume, hull, reporter)
    return [Cut(*of) for of in zip(pictures, hair, persons, strict=True)]


def blurred(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32: a hard mask with its staircase taken off, ready to be enlarged."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)


def soft(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32: an enlarged mask whose border is about a pixel of the small one wide."""
    return ((mask - 0.5) * 2 + 0.5).clip(0, 1)
