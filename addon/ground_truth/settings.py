"""What may be chosen about a ground truth: one declaration for the panel, the operator and the command line."""

from dataclasses import dataclass
from pathlib import Path

from ...backend.contract import Request, setting


@dataclass(frozen=True)
class RenderGroundTruth(Request):
    """Render a capture of hair, a head, or both, with masks, depth, labels, landmarks and the truth beside it."""

    kind = "render-ground-truth"
    exclusive = True

    views: int = setting("Cameras on the rings around the subject.", 24, minimum=1, maximum=1000)
    size: int = setting("Width and height of a picture.", 512, minimum=16, maximum=8192, unit="pixels")
    samples: int = setting("Most samples a pixel; fewer are taken where a pixel is clean.", 64, minimum=1, maximum=4096)
    seed: int = setting("Seed of the render's noise and of the colours of strands.", 0, minimum=0, maximum=2**31 - 1)
    lighting: str = setting("Soft studio light, or the scene's own.", "studio", choices=("studio", "scene"))
    denoise: bool = setting("Remove the render's noise with OpenImageDenoise.", True)
    surface: bool = setting("Write the outer surface of head and hair; needs the backend.", True)


@dataclass(frozen=True)
class Files:
    """Which files a render from the shell takes its subject from.

    Attributes:
        strands, head: or None for none.
        unit: metres in one unit of those files.
        up: "Z" or "Y", the axis that points up in them.
        hair_colour: (3,) linear Rec. 709.
    """

    strands: Path | None
    head: Path | None
    unit: str = "m"
    up: str = "Z"
    hair_colour: tuple[float, float, float] | None = None
