"""What each stage may spend, and the presets that are sets of such choices."""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class OrientationConfig:
    """Hair directions in the pictures (orientation.py). Lengths are pixels of the reduced picture."""

    method: str = "gabor"
    """"gabor", the bank of prior-guided-head equation 12, or "structure tensor", which is faster."""
    kernels: int = 32
    """Kernels of the bank, evenly over half a turn."""
    sigma_u: float = 1.8
    """Width of a kernel across the line."""
    sigma_v: float = 5.0
    """Length of a kernel along the line."""
    wavelength: float = 4.5
    """Period of the plane wave: about twice a strand's or wisp's width."""
    gradient: float = 1.0
    """Blur before the gradient of the structure tensor."""
    contrast: float = 8.0
    """Blur that is taken away from the picture, so that shading goes and strands stay."""
    normalise: float = 4.0
    """Neighbourhood whose energy bounds each pixel's weight."""
    smooth: float = 2.0
    """Neighbourhood over which doubled angles are averaged."""
    edge: float = 2.0
    """Width of the mask's rim, where responses see the mask's edge."""


@dataclass(frozen=True)
class VolumeConfig:
    """The volume of the hair (hull.py, visibility.py)."""

    spacing: float = 0.002
    """Metres between voxels."""
    mask_level: float = 0.3
    """Share of hair in a pixel from which it belongs to the volume."""
    closing: int = 5
    """Pixels: gaps in a hair mask up to this width are closed."""
    smallest_component: float = 0.02
    """Separate pieces smaller than this share of the largest are dropped."""
    margin: float = 0.008
    """Metres of grid kept around the hair."""
    visible: float = 0.004
    """Metres behind the first surface at which a point still counts as seen."""


@dataclass(frozen=True)
class ShadingConfig:
    """Hollows that the masks hide and the pictures show dark (shading.py)."""

    darkness: float = 0.1
    """Log intensity below the surroundings' from which hair counts as deeper."""
    depth: float = 0.025
    """Metres of depth for each unit of log intensity beyond that."""
    deepest: float = 0.006
    """Metres; nothing is drawn in farther."""
    share: float = 0.2
    """Of the hair's thickness over the head, the most that is drawn in."""
    thin: float = 0.004
    """Metres over the head below which nothing is drawn in."""
    edge: float = 0.0015
    """Metres from a mask's border within which the hull's surface is where hair was seen edge-on."""
    surroundings: float = 0.04
    """Metres around a place that it is compared with."""
    blur: float = 3.0
    """Pixels over which brightness is averaged, so that single strands do not count."""


@dataclass(frozen=True)
class ShellConfig:
    """Directions in space where the pictures see hair (shell.py)."""

    facing_power: float = 1.5
    """A view's weight falls with the cosine between its ray and the surface's normal to this power."""
    views_per_point: int = 10
    """The best views that speak for a point."""
    directions: int = 400
    """Directions on the half sphere that are tried."""
    kernel: float = 0.30
    """Sine of the angle at which a line no longer supports a direction."""
    neighbour_rounds: int = 3
    """Rounds in which neighbours on the shell share their support."""
    refine_rounds: int = 3
    """Rounds of reweighted closed form after the best tried direction."""


@dataclass(frozen=True)
class FieldConfig:
    """Directions through the whole volume (field.py, sign.py)."""

    screening: float = 0.05
    """Metres after which, without data, the field's certainty fades."""
    shell_weight: float = 4.0
    """Weight of a sure shell direction against a neighbour's agreement."""
    scalp_weight: float = 0.18
    """Weight of the scalp's normal on a node at the roots, where hair is short."""
    short: float = 0.04
    """Metres from the scalp, of three quarters of the shell, up to which hair is short."""
    prior_weight: float = 0.003
    """Weight of hair simply falling from the scalp, against a neighbour's agreement."""
    iterations: int = 60
    """Conjugate gradient steps."""
    axis_gravity: float = 0.9
    """Weight of down against away from the scalp, for the axes of curls."""
    axis_reach: float = 0.035
    """Metres under the hair's surface from which axes turn level with it."""
    axis_smooth: float = 0.008
    """Metres over which axes are smoothed."""
    gravity: float = 0.15
    """Pull downwards in the choice of the root-to-tip sign."""
    sign_rounds: int = 60
    """Rounds in which neighbours agree on the sign."""


@dataclass(frozen=True)
class CurlConfig:
    """Curls measured in the pictures and wound about the strands' axes (curls.py)."""

    step: float = 0.0015
    """Metres between the places along an axis at which the lean is compared."""
    shortest_pitch: float = 0.010
    """Metres; shorter turns are frizz, which pictures of this size do not resolve."""
    longest_pitch: float = 0.072
    """Metres; longer waves are followed by the direction field itself."""
    points: int = 8000
    """Places on the shell from which axes are followed."""
    regularity: float = 0.12
    """Strength of the wave in the lean's correlation, half a pitch on, from which hair counts as curly."""
    steepness: float = 0.8
    """Tangent of the lean from which hair counts as curly."""
    onset: float = 1.5
    """Turns over which a curl reaches its full radius, from the root."""
    strands_per_lock: int = 4
    """Strands that wind together."""
    loose: float = 0.5
    """Radians by which strands of one lock differ in phase."""
    spread: float = 0.06
    """Share by which locks differ in radius and pitch."""
    inset: float = 0.4
    """Radii by which axes stay inside the hair's surface."""


@dataclass(frozen=True)
class GrowthConfig:
    """Strands from the scalp along the field (growth.py, connection.py)."""

    step: float = 0.0015
    """Metres a step."""
    inertia: float = 0.1
    """Share of the last step's direction in the next."""
    normal_fade: float = 0.003
    """Metres from the root over which the scalp's normal gives way to the field."""
    longest: float = 0.8
    """Metres after which a strand ends."""
    slide: float = 0.2
    """Cosine to the hair's surface normal up to which a strand slides along the surface; steeper ones end there."""
    surplus: float = 1.25
    """Roots tried for each strand asked for."""
    adopt: float = 0.012
    """Metres within which a root that found no hair takes after its neighbour."""
    shortest: float = 0.01
    """Metres; shorter strands found no hair around them."""
    stunted: float = 0.3
    """Share of the median length below which a strand found no hair around it."""
    grace: float = 0.006
    """Metres from the root within which leaving the hair volume is forgiven, for the hairline."""
    head_gap: float = 0.0004
    """Metres that strands keep from the head's surface."""
    uncovered: float = 0.0025
    """Metres from any strand at which seen hair counts as uncovered."""
    bridge: float = 0.04
    """Longest bridge, in metres, from uncovered hair back to a root."""
    connected_share: float = 0.1
    """Most of the strands that may come from uncovered hair."""


@dataclass(frozen=True)
class RefineConfig:
    """Optimisation of the strands against volume, field and pictures (refine.py)."""

    steps: int = 120
    """Steps of Adam; 0 leaves the strands as they grew."""
    chamfer_reach: float = 0.002
    """Metres; surface farther from any strand is for back-connection, or it is no hair's: hulls bridge hollows."""
    coefficients: int = 24
    """Cosines a coordinate in a strand's basis."""
    learning_rate: float = 3e-4
    """Metres a step."""
    strands_per_step: int = 2500
    """Strands drawn in each step."""
    points_per_strand: int = 40
    """Points of each strand that are looked at in each step."""
    views_per_step: int = 3
    """Pictures looked at in each step."""
    surface_points: int = 5_000
    """Points of the shell that look for a strand in each step."""
    volume: float = 0.1
    """Weight of L_vol, mean of squared millimetres."""
    chamfer: float = 0.01
    """Weight of L_chm, mean of squared millimetres."""
    orientation: float = 5.0
    """Weight of L_orient."""
    image_orientation: float = 5.0
    """Weight of the reprojected directions."""
    image_mask: float = 0.3
    """Weight of strands outside the masks."""
    smoothness: float = 0.3
    """Weight of staying near the strand as it grew, in place and stretch."""

    def weights(self) -> dict[str, float]:
        """The weight of each loss by its name in the history."""
        names = ("volume", "chamfer", "orientation", "image_orientation", "image_mask", "smoothness")
        return {name.replace("_", " "): getattr(self, name) for name in names}


@dataclass(frozen=True)
class Preset:
    """One choice for every stage."""

    image_side: int
    """Longest side of the pictures, in pixels; larger ones are reduced."""
    most_views: int
    """Views used when the request leaves the choice open."""
    orientation: OrientationConfig = dataclasses.field(default_factory=OrientationConfig)
    volume: VolumeConfig = dataclasses.field(default_factory=VolumeConfig)
    shading: ShadingConfig = dataclasses.field(default_factory=ShadingConfig)
    shell: ShellConfig = dataclasses.field(default_factory=ShellConfig)
    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    curls: CurlConfig = dataclasses.field(default_factory=CurlConfig)
    growth: GrowthConfig = dataclasses.field(default_factory=GrowthConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)

    def settings(self) -> dict:
        """All choices as plain values, for the report."""
        return dataclasses.asdict(self)


PRESETS = {
    "draft": Preset(
        image_side=640,
        most_views=24,
        volume=VolumeConfig(spacing=0.003),
        shell=ShellConfig(directions=200),
        growth=GrowthConfig(step=0.002),
        refine=RefineConfig(steps=30),
    ),
    "standard": Preset(image_side=768, most_views=64),
}
