"""What a capture's check finds."""

from dataclasses import dataclass, field

import numpy as np

from .masks.pictures import Picture

GREEN, YELLOW, RED = "green", "yellow", "red"
ORDER = (GREEN, YELLOW, RED)
NAMED = 4
"""Photographs that a sentence names."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what: views, coverage, sharpness, exposure, size, masks, cameras or scale.
        light: "green", "yellow" or "red".
        sentence: what is so, and what to do about it.
        views: the photographs that it is about.
    """

    subject: str
    light: str
    sentence: str
    views: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Checked:
    """All that was found.

    Attributes:
        findings: worst first.
        pictures: as they were looked at.
        azimuths, elevations: (J,) degrees of the cameras about the head; NaN without cameras.
    """

    findings: list[Finding]
    pictures: list[Picture]
    azimuths: np.ndarray = field(default_factory=lambda: np.empty(0))
    elevations: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def light(self) -> str:
        """The worst of all."""
        return max((f.light for f in self.findings), key=ORDER.index, default=GREEN)

    def report(self) -> dict:
        """As JSON's values."""
        views: dict[str, str] = {p.name: GREEN for p in self.pictures}
        for finding in self.findings:
            for name in finding.views:
                views[name] = max(views.get(name, GREEN), finding.light, key=ORDER.index)
        return {
            "light": self.light,
            "findings": [vars(f) | {"views": list(f.views)} for f in self.findings],
            "views": views,
        }


def named(names) -> str:
    """Some names, as a sentence has them."""
    names = list(names)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest
