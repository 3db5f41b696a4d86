"""The scans that registration is measured on: a real one beside the checkout, and synthetic ones of our own."""

from dataclasses import dataclass
from pathlib import Path

from backend.contract import BUILT_IN, MakeScan
from backend.jobs import make_scan
from backend.protocol import SilentReporter

CHECKOUT = Path(__file__).resolve().parent.parent
DATA = CHECKOUT.parent / "shared" / "data"
PERRY = DATA / "lee_perry_smith" / "LeePerrySmith_2011.obj"
PERRY_LANDMARKS = CHECKOUT / "tests" / "unit" / "lee_perry_smith.json"
PERRY_UNIT = "0.048"
"""Metres in a unit of Lee Perry-Smith's scan."""
FLAME = DATA / "flame2023open" / "flame_basis.npz"
STYLES = ("bob", "afro", "ponytail")
SEED = 1


@dataclass(frozen=True)
class BenchScan:
    """A scan, and what is registered to it.

    Attributes:
        label: for people.
        scan, landmarks: files.
        unit: of the scan.
        model: as ``model_to_fit`` takes it.
        synthetic: whether it was made rather than scanned.
    """

    label: str
    scan: Path
    landmarks: Path
    unit: str
    model: str
    synthetic: bool


def real_scans(perry: Path, flame: Path) -> list[BenchScan]:
    """Lee Perry-Smith with both topologies, as far as the files are there."""
    if not perry.is_file():
        return []
    models = {"built-in head": BUILT_IN} | ({"FLAME's triangles": str(flame)} if flame.is_file() else {})
    return [
        BenchScan(f"Lee Perry-Smith, {name}", perry, PERRY_LANDMARKS, PERRY_UNIT, model, False)
        for name, model in models.items()
    ]


def synthetic_scans(folder: Path, styles: tuple[str, ...] = STYLES, spacing: float = 0.0012) -> list[BenchScan]:
    """The synthetic heads, made once a folder."""
    found = []
    for style in styles:
        place = folder / f"{style}-{spacing * 1e6:.0f}"
        if not (place / "coefficients.npz").is_file():
            print(f"Making the synthetic {style}.", flush=True)
            make_scan.run(MakeScan(style=style, seed=SEED, spacing=spacing), SilentReporter(place))
        files = place / "scan.ply", place / "landmarks.json"
        found.append(BenchScan(f"synthetic {style}, built-in head", *files, "m", BUILT_IN, True))
    return found
