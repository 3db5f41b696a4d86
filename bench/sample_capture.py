"""Makes assets/sample_capture, the small capture that an artist's first click opens."""

import argparse
import dataclasses
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np

from backend.formats.capture import View, read_capture, write_capture
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.strands import Strands, read_npz
from backend.hair.styles import STYLES, make_hairstyle

from .hair_scenes import CHECKOUT, Rendering, render

HELP = "Render the sample capture that the extension ships with (under 3 MB, truth included)."
STRANDS, SEED, COLOUR = 12_000, 7, (0.24, 0.125, 0.06)
TRUE_POINTS = 40
"""Of each true strand. All strands are kept: a precision against some of them would be too low."""
GRAIN = 2.0**-13
"""Metres that true points are rounded to, 0.12 mm: they then fit half precision, and compress."""
QUALITY = 90
MOST_BYTES = 3_000_000

README = """# Sample capture

{views} views of {size} x {size} pixels of the built-in head with wavy hair by Maquette's own generator, rendered with
Cycles: synthetic, not a photograph of anybody. Masks as in any capture; `ground_truth/strands.npz` holds all
{strands:,} true strands, of {points} points each. Made by

    python build.py bench sample --views {views} --size {size} --samples {samples}
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench sample``."""
    parser.set_defaults(out=CHECKOUT / "assets" / "sample_capture")
    for name, default in (("views", 14), ("size", 288), ("samples", 32)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"Default: {default}.")


def run(options: argparse.Namespace) -> None:
    """Grow, render, and pack what an artist needs of it."""
    hair = make_hairstyle(read_head(BUILT_IN_HEAD), STYLES["wavy"], STRANDS, SEED)
    with tempfile.TemporaryDirectory(prefix="maquette-sample-") as folder:
        rendering = Rendering(options.views, options.size, options.samples)
        render("sample", hair.strands, COLOUR, rendering, Path(folder) / "capture")
        pack(Path(folder) / "capture", options.out)
    words = README.format(
        views=options.views, size=options.size, samples=options.samples, strands=STRANDS, points=TRUE_POINTS
    )
    (options.out / "README.md").write_text(words, encoding="utf-8")
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {size / 1e6:.2f} MB")
    if size > MOST_BYTES:
        raise SystemExit(f"That is more than {MOST_BYTES / 1e6:g} MB; take fewer or smaller views.")


def pack(source: Path, destination: Path) -> None:
    """A capture with its truth, small: JPEG pictures, hair and bust masks, and the true strands, coarser."""
    if destination.exists():
        shutil.rmtree(destination)
    for part in ("images", "masks/hair", "masks/bust", "ground_truth"):
        (destination / part).mkdir(parents=True)
    capture, views = read_capture(source), []
    for view in capture.views:
        picture = cv2.imdecode(np.fromfile(view.image, np.uint8), cv2.IMREAD_COLOR)
        path = destination / "images" / f"{view.name}.jpg"
        path.write_bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
        for kind in ("hair", "bust"):
            shutil.copyfile(view.masks[kind], destination / "masks" / kind / f"{view.name}.png")
        views.append(View(view.name, path, view.camera))
    write_capture(dataclasses.replace(capture, folder=destination, views=tuple(views)))
    write_truth(read_npz(source / "ground_truth" / "strands.npz"), destination / "ground_truth" / "strands.npz")


def write_truth(truth: Strands, path: Path) -> None:
    """True strands in few bytes: the spacing of half precision is no wider than the grain under 0.25 m."""
    points = np.round(truth.resampled(TRUE_POINTS) / GRAIN) * GRAIN
    few = Strands.from_array(points)
    np.savez_compressed(path, points=few.points.astype(np.float16), counts=few.counts)
