"""Settings of the surface on a grid, one dataclass a stage; ``draft`` and ``standard`` are instances of them."""

import dataclasses
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HullConfig:
    """The volume that the masks leave.

    Attributes:
        nodes: along the longest side of its grid.
        closing: pixels of gaps in the masks, as between strands, that are filled.
    """

    nodes: int = 80
    closing: int = 5


@dataclass(frozen=True)
class SweepConfig:
    """Stereo that sweeps the surface along each view's rays.

    Attributes:
        side: pixels of the pictures' longer side.
        reach: metres to both sides of the surface, for a head of 0.2 m.
        steps: places along the reach, odd.
        window: pixels across what is compared.
        neighbours: views that each view is compared with.
        best: how many of them count at a place, those that agree best, for the others may be hidden.
        narrowest, widest: degrees between two views' directions; pairs outside count less, and not at all at twice the
            widest.
        sure: correlation from which a match is believed.
    """

    side: int = 256
    reach: float = 0.012
    steps: int = 25
    window: int = 7
    neighbours: int = 4
    best: int = 2
    narrowest: float = 8.0
    widest: float = 50.0
    sure: float = 0.5


@dataclass(frozen=True)
class LevelConfig:
    """One round of gradient descent on the field.

    Attributes:
        nodes: along the longest side of its grid.
        steps: of Adam (Kingma and Ba, 2015).
        rate: of learning, in spacings of the grid.
        rays: drawn at random in each step.
        band: spacings to both sides of the surface in which the field is free.
        sweep: stereo before it, or None.
        patches: rays whose patches are compared between views in each step; 0 for none.
    """

    nodes: int
    steps: int
    rate: float = 0.12
    rays: int = 2400
    band: float = 4.0
    sweep: SweepConfig | None = None
    patches: int = 0


@dataclass(frozen=True)
class Weights:
    """Of the losses (equation 21, with the terms' scales on a grid).

    Attributes:
        rgb: patches that differ between views (in equation 17's place), and what stereo measured.
        mask: equation 18.
        eikonal: equation 20.
        proxy: equation 14.
        semantics: equation 15.
        direction: equation 16.
        smooth: curvature, where no picture says more.
    """

    rgb: float = 1.0
    mask: float = 1.0
    eikonal: float = 0.1
    proxy: float = 0.3
    semantics: float = 0.02
    direction: float = 0.02
    smooth: float = 1.0

    def times(self, factors: dict[str, float]) -> "Weights":
        """The weights, each by its factor."""
        return dataclasses.replace(self, **{name: getattr(self, name) * by for name, by in factors.items()})


@dataclass(frozen=True)
class Preset:
    """How much is spent on a surface.

    Attributes:
        image_side: pixels that pictures are reduced to.
        nodes: along the longest side of the field that becomes the mesh.
    """

    image_side: int
    nodes: int
    levels: tuple[LevelConfig, ...]
    hull: HullConfig = HullConfig()
    weights: Weights = field(default_factory=Weights)

    def settings(self) -> dict:
        """For a report."""
        return dataclasses.asdict(self)


PRESETS = {
    "draft": Preset(
        image_side=384,
        nodes=128,
        levels=(
            LevelConfig(nodes=48, steps=60),
            LevelConfig(nodes=80, steps=50, sweep=SweepConfig(side=192, reach=0.024, steps=37)),
            LevelConfig(nodes=104, steps=40, sweep=SweepConfig(side=256, reach=0.007, steps=21)),
        ),
    ),
    "standard": Preset(
        image_side=768,
        nodes=208,
        levels=(
            LevelConfig(nodes=56, steps=80),
            LevelConfig(nodes=80, steps=60, sweep=SweepConfig(side=192, reach=0.028, steps=45)),
            LevelConfig(nodes=120, steps=50, sweep=SweepConfig(side=320, reach=0.009, steps=31)),
            LevelConfig(
                nodes=176, steps=40, patches=1000, sweep=SweepConfig(side=512, reach=0.003, steps=17, window=9)
            ),
        ),
    ),
}
