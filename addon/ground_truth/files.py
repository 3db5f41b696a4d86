"""What a render from the shell is of."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """Which files a render from the shell takes its subject from.

    Attributes:
        strands, head: or None for none.
        unit: one of ``contract.UNITS``; of those files, where they are of a kind that says nothing of it.
        up: "Z" or "Y", the axis that points up in them, likewise.
        hair_colour: (3,) linear Rec. 709.
    """

    strands: Path | None
    head: Path | None
    unit: str = "m"
    up: str = "Z"
    hair_colour: tuple[float, float, float] | None = None
