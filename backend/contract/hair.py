"""Requests about strands of hair."""

from dataclasses import dataclass
from pathlib import Path

from .settings import DEVICES, PRESETS, UNITS, Request, head_unit, head_up, setting


@dataclass(frozen=True)
class ReconstructHair(Request):
    """Strands from a capture."""

    kind = "reconstruct-hair"
    exclusive = True
    capture: Path = setting("Folder of the capture (transforms.json, images, masks).", positional=True)
    head: Path | None = setting(
        "Head mesh (.npz, .obj, .ply, .stl, .glb); without one the built-in head is fitted.", None
    )
    unit: str = head_unit()
    up: str = head_up()
    scalp: Path | None = setting("File of vertex indices (.npy, .txt, .json) that are the scalp of the head.", None)
    preset: str = setting("How much time to spend.", "standard", choices=PRESETS)
    strands: int = setting("Strands to grow.", 10_000, minimum=100, maximum=100_000)
    points: int = setting("Points on each strand.", 100, minimum=8, maximum=256)
    views: int = setting("Views to use, spread evenly; 0 lets the preset choose.", 0, minimum=0, maximum=1000)
    device: str = setting("Where to compute.", "auto", choices=DEVICES)
    seed: int = setting("Seed of every random choice.", 0, minimum=0, maximum=2**31 - 1)
    metres_per_unit: float = setting(
        "Metres in one unit of a capture whose transforms.json does not say; 0 takes them from the built-in head.",
        0.0, minimum=0.0,
    )  # fmt: skip
    scale_source: str = setting(
        "Where metres_per_unit comes from.", "measured", choices=("measured", "head fit", "assumed")
    )
    stages: str = setting(
        "The last stage to run; earlier ones show what each stage gains.",
        "all",
        choices=("hull", "shell", "growth", "connection", "all"),
    )


@dataclass(frozen=True)
class EvaluateStrands(Request):
    """Precision, recall and F-score of strands against the truth."""

    kind = "evaluate-strands"
    leaves_files = False
    prediction: Path = setting("Strands to judge.", positional=True)
    truth: Path = setting("Strands that are true.", positional=True)
    points: int = setting("Points a strand is resampled to, on both sides.", 100, minimum=2, maximum=1000)
    seed: int = setting("Seed of the choice of strands where there are too many.", 0, minimum=0)
    maximum_points: int = setting(
        "Most points asked on a side; beyond it a random choice of strands is.", 1_000_000, minimum=1000
    )


@dataclass(frozen=True)
class ConvertStrands(Request):
    """One strand file format to another."""

    kind = "convert-strands"
    leaves_files = False
    source: Path = setting("File to read.", positional=True)
    destination: Path = setting("File to write; its ending chooses the format.", positional=True)
    unit: str = setting("Unit of the file read.", "m", choices=tuple(UNITS))
    up: str = setting("Axis that points up in the file read.", "Z", choices=("Z", "Y"))


@dataclass(frozen=True)
class MakeHairstyle(Request):
    """A hairstyle by our own generator, on a head."""

    kind = "make-hairstyle"
    style: str = setting("Which hairstyle.", "wavy", choices=("straight", "wavy", "curly", "short", "layered"))
    head: Path | None = setting("Head mesh with a scalp; without one the built-in head.", None)
    unit: str = head_unit()
    up: str = head_up()
    strands: int = setting("Strands to make.", 10_000, minimum=10, maximum=200_000)
    points: int = setting("Points on each strand; 0 lets the style choose.", 0, minimum=0, maximum=512)
    seed: int = setting("Seed of every random choice.", 0, minimum=0, maximum=2**31 - 1)
