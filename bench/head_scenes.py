"""The captures that head reconstruction is measured on: made once, kept in the user's cache under what shapes them.

The real scan wears a skin painted by program, and the built-in head wears hair of our own growing: both are rendered,
not photographed.
"""

import dataclasses
import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.contract import OuterSurface
from backend.errors import CaptureError
from backend.fit.surfaces import MovingSurface
from backend.formats.capture import MASK_KINDS, read_capture, write_capture
from backend.formats.head import Head, write_head
from backend.jobs import outer_surface
from backend.protocol import SilentReporter
from building import environments

from . import detail_scans, hair_scenes, painted_scan
from .blender import in_blender

HALF_CIRCLE = {12: range(12), 6: (0, 2, 4, 7, 9, 11), 3: (0, 5, 11)}
"""Of twelve pictures from profile to profile, which stand for fewer."""
NARROW = (2, 5, 9)
"""Three of the twelve, 115 degrees from the first to the last."""
HAIR_VIEWS = 12
NEAR = 0.008
"""Metres from the fitted head within which the scan takes over the name of its part."""
REGIONS = ("face", "scalp", "neck", "left_ear", "right_ear", "nose", "lips", "eyebrows", "eyes")


@dataclass(frozen=True)
class Photography:
    """How the scan is photographed."""

    views: int = 12
    size: int = 512
    samples: int = 16


def scan_capture(photography: Photography) -> Path:
    """The folder of the real scan's capture over 180 degrees, rendered now if it never was.

    ``ground_truth/head.ply`` is the scan. Raises CaptureError, HeadError where it cannot be made.
    """
    folder = environments.cache() / "bench" / f"head-scan-{_key(photography)}"
    if (folder / "transforms.json").is_file():
        return folder
    unfinished = folder.with_name(folder.name + ".part")
    print(f"The scan: painting it, kept in {folder}", flush=True)
    painted = painted_scan.painted_scan(unfinished / "painted")
    head = with_parts(painted_scan.read_scan(), painted_scan.read_fitted(painted))
    write_head(unfinished / "painted" / "scan.npz", head)
    print(f"The scan: rendering {photography.views} views", flush=True)
    done = in_blender(
        Path(__file__).with_name("head_pictures.py"),
        unfinished / "painted" / "scan.npz", unfinished / "painted" / "skin.png",
        photography.views, photography.size, photography.samples, unfinished, stdout=sys.stderr,
    )  # fmt: skip
    if done.returncode:
        raise CaptureError("The scan could not be rendered; what the renderer said is above.")
    shutil.rmtree(unfinished / "painted")
    unfinished.rename(folder)
    return folder


def hair_capture(style: str, samples: int) -> Path:
    """The folder of the built-in head with hair from all around, with ``ground_truth/surface.ply``."""
    folder = hair_scenes.capture_of(style, hair_scenes.Rendering(views=HAIR_VIEWS, samples=samples))
    close(folder / "ground_truth", "head.npz")
    return folder


def close(truth: Path, head: str) -> None:
    """Leave surface.ply beside a head's file and strands.npz, unless it is there: both closed into one surface."""
    if not (truth / "surface.ply").is_file():
        print("The head with hair: closing its outer surface", flush=True)
        outer_surface.run(OuterSurface(head=truth / head, strands=truth / "strands.npz"), SilentReporter(truth))


def some_views(source: Path, chosen, folder: Path) -> Path:
    """A capture of some views of another, its truth included, as a folder of its own."""
    capture = read_capture(source)
    views = [capture.views[k] for k in chosen]
    shutil.rmtree(folder, ignore_errors=True)
    moved = []
    for view in views:
        files = [view.image.relative_to(source)]
        files += [Path("masks") / kind / f"{view.name}.png" for kind in MASK_KINDS]
        files += [Path("labels") / f"{view.name}.png", Path("depth") / f"{view.name}.npy"]
        for file in files:
            if (source / file).is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / file, folder / file)
        moved.append(dataclasses.replace(view, image=folder / files[0]))
    for file in ("labels/classes.json", "landmarks.json"):
        if (source / file).is_file():
            shutil.copyfile(source / file, folder / file)
    shutil.copytree(source / "ground_truth", folder / "ground_truth")
    write_capture(dataclasses.replace(capture, folder=folder, views=tuple(moved)))
    return folder


def with_parts(scan: Head, fitted: Head) -> Head:
    """The scan with the parts and landmarks of the head fitted to it, where that is near."""
    surface = MovingSurface(fitted.faces)
    surface.move(fitted.vertices.astype(np.float64))
    there, face, weights = surface.nearest(scan.vertices.astype(np.float64))
    vertex = surface.faces[face, weights.argmax(axis=1)]
    near = np.linalg.norm(there - scan.vertices, axis=1) < NEAR
    parts = {}
    for name in REGIONS:
        inside = np.zeros(len(fitted.vertices), bool)
        inside[fitted.regions[name]] = True
        parts[name] = np.flatnonzero(inside[vertex] & near)
    surface = MovingSurface(scan.faces)
    surface.move(scan.vertices.astype(np.float64))
    _, face, weights = surface.nearest(fitted.landmark_points().astype(np.float64))
    marks = {name: (int(f), w) for name, f, w in zip(fitted.landmarks, face, weights, strict=True)}
    return dataclasses.replace(scan, regions=parts, landmarks=marks, name="painted scan")


def _key(photography: Photography) -> str:
    digest = hashlib.sha256(repr(dataclasses.asdict(photography)).encode())
    here = Path(__file__)
    for path in (detail_scans.PERRY, here, here.with_name("painted_scan.py"), here.with_name("head_pictures.py"),
                 *hair_scenes.RENDERER):  # fmt: skip
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:12]
