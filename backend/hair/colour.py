"""The colour of each strand: what the pictures show of it, and what its fibre is made of to look like that.

Hair is seen by light that has gone through many fibres, and by a white gleam from their surface that carries no colour
at all. A hair material asks for the colour of the fibre alone, so what was seen is no answer to it: hair made of it
would be duller and greyer than the hair in the pictures.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ..geometry.projection import sample_image
from ..protocol import Reporter
from .views import HairView
from .visibility import DepthMap


@dataclass(frozen=True)
class LightTransport:
    """How fibres of a colour look in a head of hair: ``gleam + gain * fibre / (1 + fibre / most)``, each channel alone.

    Measured on renders of one groom in black, brown, red, blond and grey, in soft studio light: the relation holds to
    4 % for one bounce of light and to 9 % for twelve. ``fibre`` is the middle of the strands' colours, as Principled
    Hair takes it, which turns it into absorption so that hair with all its bounces comes out near it (Chiang et al.,
    "A practical and controllable hair and fur model for production path tracing", 2016, section 4.2).

    Attributes:
        gleam: what a fibre's surface reflects, white.
        gain: brightness of dark fibres for their colour.
        most: fibres much lighter than this look alike, because the light's way through them is cut off.
    """

    gleam: float
    gain: float
    most: float

    def seen(self, fibre: np.ndarray) -> np.ndarray:
        """(..., 3) linear Rec. 709 that hair of fibres of (..., 3) shows."""
        return self.gleam + self.gain * fibre / (1 + fibre / self.most)

    def fibre(self, seen: np.ndarray) -> np.ndarray:
        """(..., 3) linear Rec. 709 of fibres, at most 1, whose hair shows (..., 3): the inverse of ``seen``."""
        # Black hair in little light is darker than the gleam of the measured light.
        coloured = seen - np.minimum(self.gleam, 0.8 * seen.min(axis=-1, keepdims=True))
        left = np.maximum(self.gain - coloured / self.most, 1e-6)
        return np.clip(coloured / left, 0.0, 1.0)


SINGLE_BOUNCE = LightTransport(gleam=0.0431, gain=1.956, most=0.0751)
"""Of pictures rendered with one bounce of light, as Render Ground Truth makes them."""
PHOTOGRAPHED = LightTransport(gleam=0.0443, gain=2.169, most=0.227)
"""Of photographs, and of renders with all of the light."""

_SPREAD = 4.0
"""A strand is at most so many times lighter or darker than the groom; beyond it are shadows and sparks."""
_OWN_BRIGHTNESS = 0.35
"""Share, as an exponent, of a strand's brightness against the groom's that is taken for its own colour."""


def transport_of(light_bounces: int | None) -> LightTransport:
    """How hair looks in a capture's pictures; ``light_bounces`` as in ``Capture``."""
    return SINGLE_BOUNCE if light_bounces == 1 else PHOTOGRAPHED


def fibre_colours(seen: np.ndarray, hair: np.ndarray, transport: LightTransport) -> np.ndarray:
    """(N, 3) float32 linear Rec. 709 colours of fibres.

    The groom as a whole is inverted, and its strands keep what tells them apart: their tint in full, their brightness
    in part, because most of it is their place in light and shadow, where the next light will put them again.

    Args:
        seen: (N, 3) of the strands, as the pictures show them.
        hair: (3,) of the hair as a whole in them, ``hair_colour``.
        transport: how hair looks in these pictures.
    """
    gleam = np.minimum(transport.gleam, 0.8 * seen.mean(axis=0).min())
    ratio = np.clip((seen - gleam) / (seen.mean(axis=0) - gleam + 1e-9), 1 / _SPREAD, _SPREAD)
    brightness = ratio.mean(axis=1, keepdims=True)
    ratio = ratio / brightness * brightness**_OWN_BRIGHTNESS
    middle = np.exp(np.log(ratio).mean(axis=0))
    return np.clip(transport.fibre(hair) * ratio / middle, 0.0, 1.0).astype(np.float32)


def hair_colour(views: list[HairView]) -> np.ndarray:
    """(3,) linear Rec. 709: the mean of the pixels that are all hair."""
    total, count = np.zeros(3), 0
    for view in views:
        pixels = torch.from_numpy(view.image[view.hair > 0.95].astype(np.float32) / 255)
        total += _linear(pixels).double().sum(dim=0).numpy()
        count += len(pixels)
    return total / max(count, 1)


def strand_colours(
    strands: np.ndarray, views: list[HairView], depths: list[DepthMap], visible: float, reporter: Reporter
) -> np.ndarray:
    """(N, 3) float32 linear Rec. 709 of strands (N, L, 3), metres, as the pictures show them.

    The mean of what the views see of some of its points; a strand that none sees takes the colour of the seen strand
    whose root is nearest. The light of the photographs stays in it.
    """
    from scipy.spatial import cKDTree

    points = torch.from_numpy(np.ascontiguousarray(strands[:, 2::8]))
    total, weight = torch.zeros(len(strands), 3), torch.zeros(len(strands))
    for view, depth_map in zip(views, depths):
        pixels, depth = view.project(points)
        behind = depth_map.behind(pixels.reshape(-1, 2), depth.reshape(-1)).reshape(depth.shape)
        linear = _linear(torch.from_numpy(view.image.astype(np.float32) / 255)).permute(2, 0, 1)
        read = sample_image(torch.cat([linear, torch.from_numpy(view.hair)[None]]), pixels)
        seen = (behind < visible).float() * (read[..., 3] > 0.9)
        total += (read[..., :3] * seen[..., None]).sum(1)
        weight += seen.sum(1)
        reporter.check()
    known = (weight > 0).numpy()
    colours = (total / weight.clamp(min=1e-6)[:, None]).numpy()
    if not known.any():
        return np.full((len(strands), 3), 0.1, np.float32)
    if not known.all():
        _, nearest = cKDTree(strands[known, 0]).query(strands[~known, 0])
        colours[~known] = colours[known][nearest]
    return colours.astype(np.float32)


def _linear(srgb: torch.Tensor) -> torch.Tensor:
    """Rec. 709 linear values of sRGB values in [0, 1]."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
