"""A folder of pictures, or a video, as a capture."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..capture.found_face import Face, framed_faces
from ..capture.frame import POINTS, apply, assumed_world, moved, write_points
from ..capture.images import read_mask
from ..capture.picture_folder import (
    FEWEST,
    MOST,
    Photograph,
    focal_of_film,
    photograph,
    photographs_in,
    read_upright,
    too_few,
    write_picture,
)
from ..capture.pictures import SUFFIXES, names_in_capture
from ..capture.structure import Structure, solve
from ..capture.structure_matching import Lens, Solvable
from ..capture.video import VIDEOS, choose_frames
from ..contract import ImportPhotos
from ..errors import CaptureError
from ..formats.capture import Camera, Capture, View, write_capture
from ..formats.job_folder import write_json
from ..formats.undistortion import sampling_positions, undistorted_camera
from ..memory import Peak
from ..protocol import Reporter

_GUESSED_FOCAL = 1.0
"""In the longer side: between a telephone's first and second lens, where nobody says."""
_SURE = 0.5
"""Alpha, or mask, from which a pixel is the person's."""
_CLEAR = 0.02
"""Share of a picture's pixels that are transparent, from which its alpha is meant."""
MADE = ("masks", "strokes", "landmarks.json")
"""In a capture's folder: what is made for its pictures by hand, or by jobs that take long."""
CHECKED = ("check.json", "check.jpg")
_LOOKED_AT = 72
"""Pictures in which a face is looked for, of those that there are."""
_ROWS = 512
_NAMED = 4
_NARROW = 8.0
"""Degrees between the outermost cameras under which depth is hardly seen."""
_POOR = 1.5
"""Pixels of mean reprojection error, at the solved size, from which the artist is told."""


def run(request: ImportPhotos, reporter: Reporter) -> dict:
    """Write images/, transforms.json, sparse.npz and report.json to the capture's folder, which is the job's own unless
    another is named.

    The pictures have no lens distortion any more. The capture's unit is unknown: cameras stand about 0.8 of it from the
    head. ``sparse.npz`` holds points (P, 3) in it, colours (P, 3) uint8, tracks (P,) and errors (P,) in pixels.
    """
    began, memory = time.monotonic(), Peak()
    folder = reporter.folder if request.capture is None else Path(request.capture).expanduser().absolute()
    source = Path(request.pictures).expanduser()
    if source.is_dir() and source.resolve() in (folder.resolve(), (folder / "images").resolve()):
        raise CaptureError(f"The capture would replace the pictures in {source}; choose another folder for it.")
    _check_free(folder)
    solving = reporter.folder / "solving"
    in_order = source.suffix.lower() in VIDEOS
    photos = _photos(request, source, solving, reporter)
    if request.cameras == "none":
        return _unsolved(request, folder, photos, solving, reporter)
    pictures = _to_solve(request, photos, solving / "pictures", reporter)
    structure = solve(solving / "pictures", pictures, solving, in_order, request.seed, reporter)
    by_name = {picture.name: photo for picture, photo in zip(pictures, photos, strict=True)}
    world, upright, face = _world(solving / "pictures", structure, reporter)
    if not upright:
        reporter.warning(
            "The pictures do not say which way is up; By a Fitted Head (Scale, place-capture) sets the capture upright."
        )
    views, colours = _views(request, folder, structure, by_name, world, reporter)
    _forget(folder)
    write_capture(Capture(folder, tuple(views), None, "assumed"))
    write_points(
        folder, points=apply(world, structure.points).astype(np.float32),
        colours=np.round(colours[:, ::-1]).clip(0, 255).astype(np.uint8),
        tracks=structure.tracks, errors=structure.errors.astype(np.float32),
    )  # fmt: skip
    shutil.rmtree(solving, ignore_errors=True)
    report = _report(structure, by_name, views, time.monotonic() - began, memory.mb())
    report["face_seen_in"] = 0 if face is None else face.views
    memory.end()
    write_json(folder / "report.json", report)
    _warn(report, reporter)
    return {"capture": str(folder), "sparse": POINTS, "report": "report.json"} | {
        key: report[key] for key in ("pictures", "registered", "missing", "points", "error_pixels", "seconds")
    }


def _world(pictures: Path, structure: Structure, reporter: Reporter) -> tuple[np.ndarray, bool, Face | None]:
    """``assumed_world`` of the cameras that were solved, by faces in some of their pictures."""
    names = sorted(structure.cameras)
    some = names[:: -(-len(names) // _LOOKED_AT)]
    reporter.stage("Looking for the face", len(some))
    frames = {}
    for name in some:
        frames[name] = framed_faces(cv2.imread(str(pictures / name), cv2.IMREAD_GRAYSCALE))
        reporter.step()
    return assumed_world([structure.cameras[name] for name in names], [frames.get(name, []) for name in names])


def _unsolved(request: ImportPhotos, folder: Path, photos: list[Photograph], solving: Path, reporter: Reporter) -> dict:
    """The pictures as a capture whose cameras nobody knows, lens distortion and all."""
    names = names_in_capture([(photo.path.name, photo.path) for photo in photos])
    unfinished, views = _unfinished(folder), []
    reporter.stage("Reading pictures", len(photos))
    for photo, file in zip(photos, names, strict=True):
        try:
            pixels = read_upright(photo, request.side)
        except CaptureError as error:
            reporter.warning(f"{error} It is left out.")
            continue
        height, width = pixels.shape[:2]
        path = folder / "images" / _named(file, photo, pixels)
        write_picture(unfinished / path.name, pixels)
        focal = _lens(request, photo, width, height).focal
        views.append(View(path.stem, path, Camera(width, height, focal, focal, width / 2, height / 2, np.eye(4))))
        reporter.step()
    if len(views) < FEWEST:
        raise CaptureError(too_few(len(views)))
    _move_in(unfinished, folder)
    _forget(folder)
    for name in (POINTS, "report.json"):
        (folder / name).unlink(missing_ok=True)
    write_capture(Capture(folder, tuple(views), None, "assumed"), poses=False)
    shutil.rmtree(solving, ignore_errors=True)
    return {"capture": str(folder), "pictures": len(views), "registered": 0}


def _forget(folder: Path) -> None:
    """Remove what a check said of the pictures that were here before."""
    for name in CHECKED:
        (folder / name).unlink(missing_ok=True)


def _photos(request: ImportPhotos, source: Path, solving: Path, reporter: Reporter) -> list[Photograph]:
    if source.suffix.lower() not in VIDEOS:
        photos, trouble = photographs_in(source)
        for sentence in trouble:
            reporter.warning(sentence)
        return photos
    reporter.stage("Choosing frames")
    total = [0]

    def tick(done: int, frames: int) -> None:
        if frames != total[0]:
            total[0] = frames
            reporter.stage("Choosing frames", frames)
        reporter.step(done)

    paths = choose_frames(source, min(request.frames, MOST), solving / "frames", request.side, tick)
    return [photograph(path) for path in paths]


def _to_solve(request: ImportPhotos, photos: list[Photograph], folder: Path, reporter: Reporter) -> list[Solvable]:
    """Write every picture at the size to solve, grey, and say which lens it has and where features may lie."""
    folder.mkdir(parents=True, exist_ok=True)
    reporter.stage("Reading pictures", len(photos))
    masks = _mask_files(request, photos)
    lenses: dict[tuple, Lens] = {}
    pictures, left_out = [], []
    for number, photo in enumerate(photos):
        try:
            pixels = read_upright(photo, request.solve_side)
        except CaptureError as error:
            left_out.append(photo)
            reporter.warning(f"{error} It is left out.")
            continue
        name = f"{number:04d}.jpg"
        write_picture(folder / name, cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY))
        mask = None
        if photo.path in masks:
            mask = read_mask(masks[photo.path])
            mask = cv2.resize(mask, pixels.shape[1::-1], interpolation=cv2.INTER_AREA) > _SURE
        elif pixels.shape[2] == 4 and (pixels[..., 3] < 128).mean() > _CLEAR:
            mask = pixels[..., 3] >= 128
        key = {"kinds": (photo.camera,), "one": (), "each": (number,)}[request.lenses]
        width, height = pixels.shape[1::-1]
        key += (width, height)
        if key not in lenses:
            lenses[key] = _lens(request, photo, width, height)
        pictures.append(Solvable(name, lenses[key], mask))
        reporter.step()
    for photo in left_out:
        photos.remove(photo)
    if len(photos) < FEWEST:
        raise CaptureError(too_few(len(photos)))
    return pictures


def _lens(request: ImportPhotos, photo: Photograph, width: int, height: int) -> Lens:
    if request.focal:
        return Lens(width, height, focal_of_film(request.focal, width, height), True)
    if photo.focal:
        return Lens(width, height, photo.focal * width / photo.width, True)
    return Lens(width, height, _GUESSED_FOCAL * max(width, height), False)


def _check_free(folder: Path) -> None:
    """Raises CaptureError where a folder has what an artist made for the pictures that are in it now."""
    made = [name for name in MADE if (folder / name).exists()]
    if made:
        raise CaptureError(
            f"{folder} holds a capture with {' and '.join(made)} that belong to its pictures; choose another folder for"
            " the new capture, or remove that one first."
        )


def _mask_files(request: ImportPhotos, photos: list[Photograph]) -> dict[Path, Path]:
    """Picture → its mask."""
    if request.masks is None:
        return {}
    folder = Path(request.masks).expanduser()
    if not folder.is_dir():
        raise CaptureError(f"There is no folder {folder}; choose the one with the person's masks.")
    files = {path.stem.lower(): path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
    found = {p.path: files[p.path.stem.lower()] for p in photos if p.path.stem.lower() in files}
    if not found:
        raise CaptureError(
            f"No mask in {folder} is named as one of the pictures is, such as {photos[0].path.stem}.png."
        )
    return found


def _views(
    request: ImportPhotos, folder: Path, structure: Structure, by_name: dict[str, Photograph], world: np.ndarray,
    reporter: Reporter,
) -> tuple[list[View], np.ndarray]:  # fmt: skip
    """The registered pictures without distortion at the size to work with, and (P, 3) the points' mean colours, BGR."""
    kept = [(name, photo) for name, photo in by_name.items() if name in structure.cameras]
    names = names_in_capture([(photo.path.name, photo.path) for _, photo in kept])
    unfinished = _unfinished(folder)
    reporter.stage("Straightening pictures", len(kept))
    views, total, count = [], np.zeros((len(structure.points), 3)), np.zeros(len(structure.points))
    for (name, photo), file in zip(kept, names, strict=True):
        pixels = read_upright(photo, request.side)
        width, height = pixels.shape[1::-1]
        solved = structure.cameras[name]
        camera = solved.resized(width, height)
        pinhole = undistorted_camera(camera)
        _add_colours(pixels, camera, solved, structure.seen[name], total, count)
        straight = pixels if pinhole is camera else _straightened(pixels, camera, pinhole)
        path = folder / "images" / _named(file, photo, pixels)
        write_picture(unfinished / path.name, straight)
        views.append(View(path.stem, path, moved(pinhole, world)))
        reporter.step()
    _move_in(unfinished, folder)
    return views, total / np.maximum(count, 1)[:, None]


def _straightened(pixels: np.ndarray, camera: Camera, pinhole: Camera) -> np.ndarray:
    """A picture as its pinhole camera sees it, some rows at a time: the places of an 8K picture's pixels take 2 GB."""
    straight = np.empty((pinhole.height, pinhole.width, pixels.shape[2]), np.uint8)
    for top in range(0, pinhole.height, _ROWS):
        band = replace(pinhole, height=min(_ROWS, pinhole.height - top), cy=pinhole.cy - top)
        x, y = sampling_positions(camera, band)
        straight[top : top + band.height] = cv2.remap(
            pixels, x - 0.5, y - 0.5, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
    return straight


def _named(file: str, photo: Photograph, pixels: np.ndarray) -> str:
    """The working copy's name: a JPEG only where the picture was compressed already and nothing is transparent."""
    whole = pixels.shape[2] == 4 or photo.path.suffix.lower() in (".png", ".tif", ".tiff", ".bmp")
    return Path(file).with_suffix(".png" if whole else ".jpg").name


def _unfinished(folder: Path) -> Path:
    """Where pictures are written first: a capture that is there stays whole until the new one is."""
    unfinished = folder / "images.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    return unfinished


def _move_in(unfinished: Path, folder: Path) -> None:
    images = folder / "images"
    if (folder / "transforms.json").is_file():
        shutil.rmtree(images, ignore_errors=True)
    images.mkdir(parents=True, exist_ok=True)
    for path in unfinished.iterdir():
        path.replace(images / path.name)
    unfinished.rmdir()


def _add_colours(pixels, camera: Camera, solved: Camera, seen, total: np.ndarray, count: np.ndarray) -> None:
    at, points = seen
    scale = np.array([camera.width / solved.width, camera.height / solved.height])
    column, row = np.minimum((at * scale).astype(int), [camera.width - 1, camera.height - 1]).clip(0).T
    np.add.at(total, points, pixels[row, column, :3].astype(float))
    np.add.at(count, points, 1)


def _report(structure: Structure, by_name: dict[str, Photograph], views: list[View], seconds: float, mb: float) -> dict:
    placed = [name for name in by_name if name in structure.cameras]
    named = list(zip(placed, (view.name for view in views), strict=True))
    focal = {round(camera.fx / max(camera.width, camera.height), 4) for camera in structure.cameras.values()}
    return {
        "pictures": len(by_name),
        "registered": len(views),
        "missing": [photo.path.name for name, photo in by_name.items() if name not in structure.cameras],
        "points": len(structure.points),
        "observations": int(structure.tracks.sum()),
        "error_pixels": round(float(structure.error), 3),
        "pairs_matched": structure.pairs[1],
        "pairs_that_agree": structure.pairs[0],
        "focal_in_longer_sides": sorted(focal),
        "features": int(np.median(list(structure.features.values()))),
        "points_per_picture": {view: len(structure.seen[name][1]) for name, view in named},
        "error_per_picture": {view: round(structure.residuals[name], 3) for name, view in named},
        "degrees_apart": round(_degrees_apart(views), 1),
        "scale": "unknown",
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(mb),
    }


def _degrees_apart(views: list[View]) -> float:
    """The widest angle between the directions that two cameras look from."""
    looks = np.array([view.camera.direction for view in views])
    return float(np.degrees(np.arccos(np.clip((looks @ looks.T).min(), -1, 1))))


def _warn(report: dict, reporter: Reporter) -> None:
    if missing := report["missing"]:
        more = ", ..." if len(missing) > _NAMED else ""
        reporter.warning(
            f"{len(missing)} of {report['pictures']} pictures could not be placed ({', '.join(missing[:_NAMED])}{more})"
            " and are left out; pictures between them and the others would help."
        )
    if report["degrees_apart"] < _NARROW:
        reporter.warning(
            f"All pictures look from within {report['degrees_apart']:.0f} degrees. If the person turned before a still"
            " camera, give masks of the person; else walk farther round."
        )
    if report["error_pixels"] > _POOR:
        reporter.warning(
            f"Points are {report['error_pixels']:.1f} pixels off on average: something moved, or pictures are blurred;"
            " masks of the person may help."
        )
    reporter.warning("Pictures alone have no metres: set the scale by a fitted head, or by a distance that you know.")
