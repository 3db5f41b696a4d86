"""The three grooms that reconstruction is measured on, pinned: a number changed here changes every figure."""

from dataclasses import dataclass, replace

from .style import STYLES, Lengths, Style


@dataclass(frozen=True)
class Scene:
    """A groom with its seed and the colour it is rendered in.

    Attributes:
        colour: of the hair, linear Rec. 709.
    """

    style: Style
    strands: int
    seed: int
    colour: tuple[float, float, float]


SCENES: dict[str, Scene] = {
    # Every strand at least 25 cm, in layers, with a side parting.
    "straight": Scene(
        replace(
            STYLES["straight"],
            name="bench straight",
            lengths=Lengths(top=0.37, front=0.34, sides=0.335, back=0.33, nape=0.30),
            shortest=0.255,
            parting=0.026,
        ),
        strands=50_000,
        seed=11,
        colour=(0.22, 0.12, 0.06),
    ),
    # 4 to 10 cm, with a cowlick and a fringe.
    "layered": Scene(
        replace(STYLES["layered"], name="bench layered"),
        strands=40_000,
        seed=23,
        colour=(0.13, 0.065, 0.03),
    ),
    # Long, curls of 8 mm radius and 30 mm pitch, a phase of its own for each guide.
    "curly": Scene(
        replace(STYLES["curly"], name="bench curly", curl_spread=0.0),
        strands=30_000,
        seed=37,
        colour=(0.20, 0.09, 0.04),
    ),
}
