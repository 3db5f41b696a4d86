"""Whether a capture is good enough to reconstruct from: each finding says what is amiss and what to do about it."""

import json
from dataclasses import replace

import cv2
import numpy as np

from ..errors import CaptureError
from ..formats.capture import Capture
from ..formats.capture_landmarks import read_capture_landmarks
from ..formats.mask_strokes import FOLDER
from .check_findings import GREEN, ORDER, RED, YELLOW, Checked, Finding, named
from .check_masks import mask_findings
from .images import load_photograph, read_mask
from .masks.pictures import Picture, load_pictures
from .masks.where import Subject, find_subject, placed_head, seen_landmarks

SIDE = 320
"""Pixels that a picture's longer side is reduced to, for all but its sharpness."""
SHARP_SIDE = 1600
"""Pixels, for its sharpness: a blur of a few pixels of the photograph must still be one here, its noise must not."""
FEWEST, FEW = 3, 8
GAP = 60.0
"""Degrees around the head without a photograph that leave a side unseen."""
BLURRED = 0.45
"""Times the sharpness of its neighbours below which a photograph is blurred."""
CLIPPED = 0.04
"""Share of the person that may be burnt out."""
STOPS = 1.2
"""Stops by which a photograph may be brighter or darker than those from about the same side."""
SMALL = 200
"""Pixels that a head ought to be high."""
RESIDUAL = 1.5
"""Pixels, at a picture of a thousand, by which cameras may be off."""


def check_capture(capture: Capture, posed: bool, warn, tick=lambda: None) -> Checked:
    """Look at all of a capture.

    Args:
        posed: its cameras have places.
        warn: takes sentences about what could not be read.
        tick: called twice for each photograph.

    Raises:
        CaptureError: a photograph cannot be read.
    """
    pictures = load_pictures(capture, capture.folder / FOLDER, SIDE, warn=warn, tick=tick)
    masks = [_masks(p, warn) for p in pictures]
    try:
        subject = find_subject(capture, pictures, posed, lambda sentence: None)
    except CaptureError as error:
        subject = Subject(None, 0.0, np.array([0.0, 0.0, 1.0]), None, False)
        findings = [Finding("cameras", RED, str(error))]
    else:
        findings = []
    azimuths, elevations = _angles(pictures, subject)
    persons = [_person(p, m, subject) for p, m in zip(pictures, masks, strict=True)]
    findings += _count(pictures)
    findings += _coverage(pictures, azimuths, subject)
    findings += _sharpness(pictures, persons, azimuths, tick)
    findings += _exposure(pictures, persons, azimuths)
    findings += _size(pictures, subject)
    findings += mask_findings(pictures, masks, subject)
    findings += _camera_findings(capture, pictures, posed)
    findings += _scale(capture, posed)
    findings.sort(key=lambda f: -ORDER.index(f.light))
    return Checked(findings, pictures, azimuths, elevations)


def _count(pictures: list[Picture]) -> list[Finding]:
    count = len(pictures)
    if count < FEWEST:
        return [Finding("views", RED, f"There are {_some_views(count)}; at least {FEWEST} are needed, 30 are good.")]
    if count < FEW:
        return [
            Finding("views", YELLOW, f"There are {_some_views(count)} only; 30 around the head show far more of it.")
        ]
    return [Finding("views", GREEN, f"There are {count} photographs.")]


def _coverage(pictures: list[Picture], azimuths: np.ndarray, subject: Subject) -> list[Finding]:
    if len(pictures) < FEWEST or not np.isfinite(azimuths).all():
        return []
    order = np.argsort(azimuths)
    gaps = np.diff(np.append(azimuths[order], azimuths[order[0]] + 360))
    found = []
    for k in np.flatnonzero(gaps > GAP):
        first, last = pictures[order[k]].name, pictures[order[(k + 1) % len(order)]].name
        side = _side(azimuths[order[k]] + gaps[k] / 2) if subject.head else ""
        where = f"{side}, between {first} and {last}" if side else f"between {first} and {last}"
        found.append(
            Finding(
                "coverage",
                YELLOW,
                f"Nothing is photographed for {gaps[k]:.0f} degrees {where}; take some there, one every 15 degrees.",
                (first, last),
            )
        )
    return found or [
        Finding("coverage", GREEN, f"The head is seen from all around, {gaps.max():.0f} degrees apart at most.")
    ]


def _side(azimuth: float) -> str:
    """Of the person, by the direction from the head in degrees: 0 in front, 90 on the person's left."""
    azimuth = (azimuth + 180) % 360 - 180
    names = ("in front", "on the person's left", "behind", "on the person's right")
    return names[round(azimuth / 90) % 4]


def _sharpness(pictures: list[Picture], persons: list[np.ndarray], azimuths: np.ndarray, tick) -> list[Finding]:
    values = []
    for picture, person in zip(pictures, persons, strict=True):
        values.append(_detail(picture, person))
        tick()
    values = np.array(values)
    if len(values) < FEWEST:
        return []
    usual = _around(values, azimuths)
    blurred = tuple(p.name for p, v, u in zip(pictures, values, usual, strict=True) if v < BLURRED * u)
    if blurred:
        what = "They are" if len(blurred) > 1 else "It is"
        return [
            Finding(
                "sharpness", YELLOW, f"{what} blurred: {named(blurred)}; take these again, or leave them out.", blurred
            )
        ]
    return [Finding("sharpness", GREEN, "All photographs are about equally sharp.")]


def _around(values: np.ndarray, azimuths: np.ndarray) -> np.ndarray:
    """(J,) the median of the photographs from about the same side: hair and face are neither equally fine nor equally
    light."""
    usual = np.full(len(values), np.median(values))
    for k, at in enumerate(azimuths):
        if np.isfinite(at):
            near = np.argsort(np.abs((azimuths - at + 180) % 360 - 180))[1:7]
            usual[k] = np.median(values[near])
    return usual


def _detail(picture: Picture, person: np.ndarray) -> float:
    """How much of the person's light and dark is fine: the Laplacian over the gradient, which contrast does not alter
    (Pech-Pacheco et al., "Diatom Autofocusing in Brightfield Microscopy", 2000, held against the contrast)."""
    image = load_photograph(replace(picture.view, masks={}), SHARP_SIDE)[0]
    person = cv2.resize(person.astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    rows, columns = np.flatnonzero(person.any(axis=1)), np.flatnonzero(person.any(axis=0))
    if len(rows):
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        image, person = image[box], person[box]
    grey = image.astype(np.float32).mean(axis=2)
    fine = np.abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=3))
    coarse = cv2.GaussianBlur(grey, (0, 0), 2.5)
    slope = np.hypot(cv2.Sobel(coarse, cv2.CV_32F, 1, 0), cv2.Sobel(coarse, cv2.CV_32F, 0, 1))
    inner = cv2.erode(person.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    inner = inner if inner.sum() > 200 else person
    inner = inner if inner.any() else np.ones_like(person)
    return float(fine[inner].mean() / (slope[inner].mean() + 1.0))


def _exposure(pictures: list[Picture], persons: list[np.ndarray], azimuths: np.ndarray) -> list[Finding]:
    burnt, levels = [], []
    for picture, person in zip(pictures, persons, strict=True):
        light = (picture.image[person if person.any() else ...].astype(np.float32) / 255).reshape(-1, 3)
        if (light.min(axis=1) > 0.985).mean() > CLIPPED:
            burnt.append(picture.name)
        levels.append(np.log2(float(np.median(light.mean(axis=1) ** 2.2)) + 1e-3))
    found = []
    if burnt:
        found.append(
            Finding(
                "exposure",
                YELLOW,
                f"The person is burnt out in {named(burnt)}; take these with less light.",
                tuple(burnt),
            )
        )
    levels = np.array(levels)
    off = tuple(p.name for p, v in zip(pictures, levels - _around(levels, azimuths), strict=True) if abs(v) > STOPS)
    if off and len(pictures) >= FEWEST:
        found.append(
            Finding(
                "exposure",
                YELLOW,
                f"{named(off)} {'are' if len(off) > 1 else 'is'} much brighter or darker than the others; lock the"
                " exposure, or expect uneven colours.",
                off,
            )
        )
    return found or [Finding("exposure", GREEN, "The exposure is even.")]


def _size(pictures: list[Picture], subject: Subject) -> list[Finding]:
    if subject.centre is None or not subject.posed:
        return []
    high, small = [], []
    for picture in pictures:
        lens = picture.view.camera
        _, (depth,) = lens.project(subject.centre[None])
        high.append(2 * subject.radius * lens.fy / max(float(depth), 1e-9))
        if high[-1] < SMALL:
            small.append(picture.name)
    if len(small) * 2 > len(pictures):
        return [
            Finding(
                "size",
                YELLOW,
                f"The head is {np.median(high):.0f} pixels high only; go nearer, or bring larger pictures in.",
                tuple(small),
            )
        ]
    return [Finding("size", GREEN, f"The head is about {np.median(high):.0f} pixels high.")]


def _camera_findings(capture: Capture, pictures: list[Picture], posed: bool) -> list[Finding]:
    if not posed:
        return [Finding("cameras", YELLOW, "Nobody knows where the cameras stood; solve them (Import Photographs).")]
    found = []
    report = _solved(capture)
    if report.get("missing"):
        names = tuple(map(str, report["missing"]))
        found.append(
            Finding(
                "cameras",
                YELLOW,
                f"No camera was found for {named(names)}; take more photographs between these and their neighbours.",
                (),
            )
        )
    error = report.get("error_pixels")
    if isinstance(error, (int, float)) and error > RESIDUAL:
        found.append(
            Finding(
                "cameras",
                YELLOW,
                f"The cameras are {error:.1f} pixels off on average; solve them again"
                " from sharper pictures of somebody who keeps still.",
                (),
            )
        )
    found += _far_off(report, {p.name for p in pictures})
    found += _landmark_residuals(capture, pictures)
    if not found:
        said = f", {error:.2f} pixels off" if isinstance(error, (int, float)) else ""
        found = [Finding("cameras", GREEN, f"All {len(pictures)} cameras are known{said}.")]
    return found


def _far_off(report: dict, names: set[str]) -> list[Finding]:
    """Pictures whose cameras fit the points that the others agree on far worse than those do."""
    errors = report.get("error_per_picture")
    errors = errors if isinstance(errors, dict) else {}
    errors = {name: e for name, e in errors.items() if name in names and isinstance(e, (int, float))}
    if len(errors) < FEWEST:
        return []
    limit = max(RESIDUAL, 3 * float(np.median(list(errors.values()))))
    off = tuple(name for name, error in errors.items() if error > limit)
    if not off:
        return []
    what = "The cameras of" if len(off) > 1 else "The camera of"
    return [Finding("cameras", YELLOW, f"{what} {named(off)} fit the others badly; leave them out.", off)]


def _landmark_residuals(capture: Capture, pictures: list[Picture]) -> list[Finding]:
    """Views whose clicked landmarks lie elsewhere than the others' rays meet."""
    if len([v for v in read_capture_landmarks(capture.folder, carried=False).values() if len(v) >= 6]) < 2:
        return []
    try:
        head = placed_head(capture, pictures, True, lambda sentence: None)
    except CaptureError as error:
        return [Finding("cameras", RED, str(error))]
    if head is None:
        return []
    seen = seen_landmarks(capture, pictures, set(head.landmarks))
    found = []
    for picture in pictures:
        marks = seen.get(picture.name, {})
        if len(marks) < 6:
            continue
        triangles = [head.landmarks[name] for name in marks]
        points = np.stack([weights @ head.vertices[head.model.faces[face]] for face, weights in triangles])
        off = np.linalg.norm(picture.camera.project(points)[0] - np.stack(list(marks.values())), axis=1)
        if np.median(off) > 0.02 * max(picture.size):
            found.append(picture.name)
    if not found:
        return []
    return [
        Finding(
            "cameras",
            YELLOW,
            f"The landmarks of {named(found)} do not lie on the head that the others show; click them again, or solve"
            " the cameras again.",
            tuple(found),
        )
    ]


def _scale(capture: Capture, posed: bool) -> list[Finding]:
    if not posed:
        return []
    if capture.metres_per_unit is None:
        return [
            Finding(
                "scale", YELLOW, "Nobody knows how large a unit is; fit a head, or give a distance between two points."
            )
        ]
    if capture.scale_source == "assumed":
        return [
            Finding(
                "scale",
                YELLOW,
                "The scale is assumed: millimetres mean nothing until a head is fitted, or a distance is given.",
            )
        ]
    return [Finding("scale", GREEN, f"The scale is known ({capture.scale_source}).")]


def _solved(capture: Capture) -> dict:
    """What the import left to say about its cameras."""
    try:
        values = json.loads((capture.folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _masks(picture: Picture, warn) -> dict[str, np.ndarray]:
    """Kind → (H, W) float32 at the picture's size."""
    if picture.view.camera.distortion:
        return load_photograph(picture.view, max(picture.size), warn)[2]
    masks = {}
    for kind, path in picture.view.masks.items():
        masks[kind] = cv2.resize(read_mask(path, warn), picture.size, interpolation=cv2.INTER_AREA)
    if "person" not in masks and {"hair", "bust"} <= masks.keys():
        masks["person"] = np.clip(masks["hair"] + masks["bust"], 0, 1)
    return masks


def _person(picture: Picture, masks: dict[str, np.ndarray], subject: Subject) -> np.ndarray:
    """(H, W) bool: where to look at light and detail."""
    if "person" in masks and (masks["person"] > 0.5).any():
        return masks["person"] > 0.5
    height, width = picture.image.shape[:2]
    y, x = np.mgrid[:height, :width]
    if subject.centre is None:
        return (np.abs(x - width / 2) < width / 4) & (np.abs(y - height / 2) < height / 4)
    (middle,), (depth,) = picture.camera.project(subject.centre[None])
    return np.hypot(x - middle[0], y - middle[1]) < subject.radius * picture.camera.fx / max(float(depth), 1e-9)


def _angles(pictures: list[Picture], subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """(J,) degrees each: about the head (0 in front where a head says which way that is) and above it."""
    if subject.centre is None or not subject.posed:
        return np.full(len(pictures), np.nan), np.full(len(pictures), np.nan)
    away = np.stack([p.camera.centre for p in pictures]) - subject.centre
    front = np.array([0.0, -1.0, 0.0])
    if subject.head is not None:
        vertices, regions = subject.head.vertices, subject.head.regions
        front = vertices[regions["face"]].mean(axis=0) - vertices[regions["scalp"]].mean(axis=0)
    up = subject.up
    front = front - (front @ up) * up
    front /= np.linalg.norm(front)
    left = np.cross(up, front)
    flat = np.degrees(np.arctan2(away @ left, away @ front))
    return flat, np.degrees(np.arctan2(away @ up, np.hypot(away @ front, away @ left)))


def _some_views(count: int) -> str:
    return "1 photograph" if count == 1 else f"{count} photographs"
