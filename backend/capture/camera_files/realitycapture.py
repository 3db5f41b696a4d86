"""RealityCapture's and RealityScan's "Internal/External camera parameters" as CSV.

Heading, pitch and roll are in degrees: heading turns clockwise about the world's z, and a camera with all three 0 looks
straight down. Focal lengths are those of 35 mm film, 36 mm being the picture's longer side; the principal point counts
from the picture's middle, in its longer side. Columns t1, t2 are OpenCV's p2, p1 (so the program's own templates for
OpenCV order them). The file does not say how large the pictures are.
"""

import csv
from pathlib import Path

import numpy as np

from ...errors import CameraFileError
from .lens import brown_conrady, reduced
from .solved import Lens, SolvedCamera, SolvedCameras, check_count, checked_pose, number, short, text_of

COLUMNS = {
    "name": ("name",),
    "x": ("x",),
    "y": ("y",),
    "z": ("alt", "z"),
    "heading": ("heading", "yaw"),
    "pitch": ("pitch",),
    "roll": ("roll",),
    "f": ("f", "f_35mm"),
    "px": ("px", "px_norm"),
    "py": ("py", "py_norm"),
}
"""The columns that must be there, under the names of any version."""
RADIAL, TANGENTIAL = ("k1", "k2", "k3", "k4"), ("t2", "t1")
FILM = 36.0
"""Millimetres of 35 mm film along its longer side."""


def is_csv(first_lines: str) -> bool:
    """Whether a text begins as such a file does."""
    return any(
        {"name", "x", "y", "alt"} <= {word.strip().lstrip("#") for word in line.lower().split(",")}
        for line in first_lines.splitlines()[:3]
    )


def read_realitycapture(path: Path) -> SolvedCameras:
    """The cameras of such a file. Raises CameraFileError."""
    rows = [row for row in csv.reader(text_of(path).splitlines()) if row]
    head = next((k for k, row in enumerate(rows[:3]) if len(row) > 3), 0)
    names = [word.strip().lstrip("#").lower() for word in rows[head]] if rows else []
    places = {key: next((names.index(n) for n in spelt if n in names), None) for key, spelt in COLUMNS.items()}
    if missing := [COLUMNS[key][0] for key, place in places.items() if place is None]:
        raise CameraFileError(
            f"{path.name} lacks the columns {', '.join(missing)}; export Internal/External camera parameters from"
            " RealityCapture."
        )
    check_count(len(rows) - head - 1, path.name)
    cameras, only_first = [], False
    for count, row in enumerate(rows[head + 1 :], head + 2):
        where = f"{path.name}: {short(row[places['name']].strip()) if len(row) > places['name'] else f'line {count}'}"
        if len(row) < len(names):
            raise CameraFileError(
                f"{where} has {len(row)} of {len(names)} columns; the file is cut off, so export the cameras again."
            )
        values = {key: number(row[at], key, where) for key, at in places.items() if key != "name"}
        distortion = {key: number(row[names.index(key)], key, where) for key in (*RADIAL, *TANGENTIAL) if key in names}
        radial = [distortion.get(key, 0.0) for key in RADIAL]
        tangential = [distortion.get(key, 0.0) for key in TANGENTIAL]
        only_first |= bool(radial[0]) and not any(radial[1:])
        pose = np.eye(4)
        pose[:3, :3] = _rotation(values["heading"], values["pitch"], values["roll"])
        pose[:3, 3] = values["x"], values["y"], values["z"]
        lens = _lens(values, radial, tangential, where)
        cameras.append(SolvedCamera(row[places["name"]].strip(), checked_pose(pose, where), lens))
    _check_metric(np.array([camera.camera_to_world[:3, 3] for camera in cameras]), path.name)
    notes = ()
    if only_first:
        notes = (
            f"{path.name} has k1 and no other radial term, which is read as Brown's model; if RealityCapture aligned"
            " with Division, choose Brown3 there and align again, or export undistorted pictures.",
        )
    return SolvedCameras("RealityCapture CSV", cameras, (path.parent,), notes=notes)


def _check_metric(places: np.ndarray, name: str) -> None:
    """Positions (N, 3) in degrees of longitude and latitude are told by this: side by side they are nothing beside
    their heights, and they are away from the Gulf of Guinea. Raises CameraFileError."""
    (across, along, up), (longitude, latitude, _) = np.ptp(places, axis=0), places.mean(axis=0)
    on_globe = 1 < abs(longitude) <= 180 and abs(latitude) <= 90
    if on_globe and max(across, along) < 0.01 and up > 50 * max(across, along):
        raise CameraFileError(
            f"{name}: its positions are longitudes and latitudes; export it with the coordinate system Local"
            " (Euclidean)."
        )


def _rotation(heading: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3): a camera's OpenGL axes to the world's, from degrees."""
    (ch, cp, cr), (sh, sp, sr) = (f(np.radians([-heading, pitch, roll])) for f in (np.cos, np.sin))
    about_z = np.array([[ch, -sh, 0], [sh, ch, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    return about_z @ about_x @ about_y


def _lens(values: dict, radial: list[float], tangential: list[float], where: str):
    def lens(width: int, height: int) -> Lens:
        longer = max(width, height)
        f, cx, cy = values["f"] / FILM * longer, width / 2 + values["px"] * longer, height / 2 + values["py"] * longer
        k1, k2, k3, k4 = radial
        found = Lens(f, f, cx, cy, (k1, k2, *tangential, k3))
        if k4 and f > 0:
            found = reduced(found, brown_conrady(radial, tangential), width, height, where)
        return found

    return lens
