"""The three grooms that reconstruction is measured on, pinned: a number changed here changes every figure."""

from dataclasses import dataclass, replace

from .style import STYLES, Lengths, Style


@dataclass(frozen=True)
class Scene:
    """A groom with its seed and the colour it is rendered in.

    Attributes:
        melanin, redness: of the Principled Hair shader, 0 to 1.
    """

    style: Style
    strands: int
    seed: int
    melanin: float
    redness: float


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
        melanin=0.55,
        redness=0.3,
    ),
    # 4 to 10 cm, with a cowlick and a fringe.
    "layered": Scene(
        replace(STYLES["layered"], name="bench layered"),
        strands=40_000,
        seed=23,
        melanin=0.7,
        redness=0.2,
    ),
    # Long, curls of 8 mm radius and 30 mm pitch, a phase of its own for each guide.
    "curly": Scene(
        replace(STYLES["curly"], name="bench curly", curl_spread=0.0),
        strands=30_000,
        seed=37,
        melanin=0.62,
        redness=0.45,
    ),
}
