"""What a hairstyle is, in numbers a hairdresser would know: lengths, parting, volume, curl, locks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lengths:
    """Metres of hair at five places of the scalp; between them the lengths blend."""

    top: float
    front: float
    sides: float
    back: float
    nape: float


@dataclass(frozen=True)
class Style:
    """One hairstyle. Lengths in metres, shares and strengths from 0 to 1 unless said otherwise.

    Attributes:
        lengths: the length map; a curl's length is measured along its axis.
        shortest, longest: no strand is cut outside these.
        length_spread: relative spread of the lengths of the locks, and half of it again between their strands.
        parting: side of the parting as metres from the middle, positive to the head's left; None radiates from the
            crown without a parting.
        comb: how strongly hair follows the comb next to the scalp; comb_reach: metres over which that fades.
        back: share of the comb that goes backwards at the front; negative combs forward, into a fringe.
        swirl: turn of the whorl at the crown, radians.
        cowlick: how strongly the hair over the forehead turns up and aside at one place.
        root_angle: 0 leaves the scalp flat along the comb, 1 along the scalp's normal.
        stiffness: share of its direction a strand keeps over a centimetre.
        gravity: pull over a centimetre, beside a stiffness of 1.
        volume: metres that the outermost hair lies above the head; volume_reach: metres of travel at which a strand has
            risen to half of it. Strands that come from farther up have travelled longer, so they lie over the others.
        waver: how far locks stray from the comb, radians; waver_length: metres a stray lasts.
        lock_size, lock_strength: metres between locks, and how far strands are gathered to them at the tips.
        wisp_size, wisp_strength: the same for the fine strands' gathering within locks.
        curl_radius, curl_pitch: metres, of the helix; curl_start: metres from the root at which the radius is full.
        curl_flatness: 0 is a helix, 1 a wave in one plane.
        curl_spread: relative spread of radius and pitch between locks.
        curl_together: 0 gives every lock its own phase and hand, 1 lets neighbouring locks swing together.
        frizz: metres a strand strays from its neighbours by itself; flyaway: share of strands that stand off.
        face_shield: hair parts before the face instead of falling over it.
        points: points of a strand.
        step: metres between the points while growing.
    """

    name: str
    lengths: Lengths
    shortest: float = 0.0
    longest: float = 1.0
    length_spread: float = 0.08
    parting: float | None = 0.0
    comb: float = 1.0
    comb_reach: float = 0.06
    back: float = 0.45
    swirl: float = 0.0
    cowlick: float = 0.0
    root_angle: float = 0.35
    stiffness: float = 0.75
    gravity: float = 0.25
    volume: float = 0.022
    volume_reach: float = 0.08
    waver: float = 0.25
    waver_length: float = 0.06
    lock_size: float = 0.011
    lock_strength: float = 0.35
    wisp_size: float = 0.004
    wisp_strength: float = 0.3
    curl_radius: float = 0.0
    curl_pitch: float = 0.03
    curl_start: float = 0.05
    curl_flatness: float = 0.0
    curl_spread: float = 0.12
    curl_together: float = 0.0
    frizz: float = 0.0008
    flyaway: float = 0.007
    face_shield: bool = True
    points: int = 100
    step: float = 0.003


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style(
            "straight",
            Lengths(top=0.36, front=0.34, sides=0.33, back=0.32, nape=0.29),
            back=0.6,
            parting=0.022,
            lock_size=0.014,
            lock_strength=0.45,
        ),
        Style(
            "wavy",
            Lengths(top=0.30, front=0.27, sides=0.26, back=0.25, nape=0.22),
            parting=-0.018,
            volume=0.030,
            lock_size=0.016,
            lock_strength=0.6,
            curl_radius=0.008,
            curl_pitch=0.072,
            curl_start=0.11,
            curl_flatness=0.45,
            curl_together=0.75,
            frizz=0.0008,
            points=120,
        ),
        Style(
            "curly",
            Lengths(top=0.27, front=0.24, sides=0.24, back=0.24, nape=0.20),
            parting=0.0,
            back=0.6,
            volume=0.045,
            root_angle=0.6,
            lock_size=0.012,
            lock_strength=0.75,
            wisp_strength=0.5,
            curl_radius=0.008,
            curl_pitch=0.030,
            curl_start=0.05,
            frizz=0.0012,
            flyaway=0.012,
            points=160,
        ),
        Style(
            "short",
            Lengths(top=0.045, front=0.042, sides=0.022, back=0.025, nape=0.014),
            parting=None,
            back=-0.35,
            swirl=0.5,
            root_angle=0.55,
            volume=0.012,
            volume_reach=0.03,
            comb_reach=0.05,
            gravity=0.12,
            stiffness=0.85,
            lock_size=0.009,
            lock_strength=0.45,
            waver=0.35,
            waver_length=0.03,
            face_shield=False,
            points=40,
            step=0.0015,
        ),
        Style(
            "layered",
            Lengths(top=0.092, front=0.056, sides=0.060, back=0.070, nape=0.048),
            shortest=0.044,
            longest=0.097,
            length_spread=0.12,
            parting=None,
            back=-0.45,
            swirl=0.6,
            cowlick=0.85,
            root_angle=0.5,
            volume=0.020,
            volume_reach=0.035,
            comb_reach=0.08,
            gravity=0.16,
            stiffness=0.82,
            lock_size=0.012,
            lock_strength=0.55,
            wisp_strength=0.35,
            waver=0.4,
            waver_length=0.04,
            face_shield=False,
            points=40,
            step=0.0015,
        ),
    )
}
