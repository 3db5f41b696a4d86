"""Solved cameras of another program, and their pictures, as a capture."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..capture.camera_files import SolvedCamera, SolvedCameras, read_camera_file
from ..capture.pictures import Pictures, bring, names_in_capture, numbered, size_of_picture
from ..capture.upright import held_up, turn_to_z
from ..contract import UNITS, ImportCameras
from ..errors import CameraFileError, CaptureError
from ..formats.camera_places import project_of
from ..formats.capture import Camera, Capture, View, write_capture
from ..formats.undistortion import undistorted_camera
from ..protocol import Reporter

_FAR = 1e4
"""Units from the origin, and radii of the cameras, beyond which single precision no longer places a head."""
_WORTH_TELLING = 0.05
"""Pixels."""
_NAMED = 3
"""How many of several pictures a sentence names."""


def run(request: ImportCameras, reporter: Reporter) -> dict:
    """Write transforms.json and images/ to the capture's folder, which is the job's own unless another is named."""
    source = Path(request.file).expanduser()
    folder = reporter.folder if request.capture is None else Path(request.capture).expanduser().absolute()
    if source.exists() and (folder / "transforms.json").exists() and source.samefile(folder / "transforms.json"):
        raise CameraFileError(f"The capture would replace {source}, which it is made of; choose another folder for it.")
    unit = _unit(request.unit)
    reporter.stage("Reading the cameras")
    solved = read_camera_file(source)
    for note in solved.notes:
        reporter.warning(note)
    images = None if request.images is None else Path(request.images).expanduser()
    found, missing = _pictures(solved, images, source, folder)
    if missing:
        reporter.warning(f"{_listed(missing, 'picture')} not there; {len(found)} of {len(solved.cameras)} are taken.")
    reporter.stage("Measuring the pictures", len(found))
    views = []
    for (camera, path), name in zip(found, names_in_capture([(c.name, p) for c, p in found])):
        views.append(View(Path(name).stem, folder / "images" / name, _camera(camera, path, source, reporter)))
        reporter.step()
    error = max(camera.error(view.camera.width, view.camera.height) for (camera, _), view in zip(found, views))
    if error > _WORTH_TELLING:
        reporter.warning(
            f"The lenses are read to {error:.2f} pixels, as their last terms (k4, B2) have no place in a capture."
        )
    unit, scale_source = (solved.metres_per_unit, solved.scale_source) if unit is None else (unit, "measured")
    if unit is None:
        reporter.warning("Nobody says how large the file's unit is: Fit Head finds out, or import it with its unit.")
    views, up, moved = _placed(views, request.up, reporter)
    views = _within_folder(views, [path for _, path in found], folder)
    reporter.stage("Copying the pictures" if request.pictures == "copy" else "Linking the pictures", len(found))
    for (_, path), view in zip(found, views):
        try:
            if view.image != path:
                bring(path, view.image, request.pictures == "link")
        except OSError as error:
            raise CameraFileError(f"{path.name} cannot be copied to {folder}: {error.strerror or error}.") from error
        reporter.step()
    capture = Capture(folder, tuple(views), None, "assumed")
    write_capture(capture if unit is None else capture.in_metres(unit, scale_source))
    return (
        {
            "capture": str(folder),
            "format": solved.format,
            "views": len(views),
            "missing": len(missing),
            "distorted": sum(bool(view.camera.distortion) for view in views),
            "lens_error_pixels": round(error, 4),
            "scale": "unknown" if unit is None else scale_source,
            "up": up,
            "pictures": _common_folder([path for _, path in found]),
        }
        | ({"metres_per_unit": unit} if unit is not None else {})
        | ({"moved_by": moved} if moved else {})
        | (solved.report or {})
    )


def _common_folder(paths: list[Path]) -> str:
    try:
        return os.path.commonpath([path.absolute().parent for path in paths])
    except ValueError:  # on several drives
        return str(paths[0].absolute().parent)


def _unit(said: str) -> float | None:
    """Metres in a unit, as the artist says it; None where nothing is said."""
    said = said.strip().lower()
    if not said:
        return None
    try:
        metres = UNITS[said] if said in UNITS else float(said)
    except ValueError:
        metres = np.nan
    if not (np.isfinite(metres) and metres > 0):
        raise CameraFileError(f"'{said}' is no unit; give one of {', '.join(UNITS)}, or how many metres one unit is.")
    return metres


def _pictures(
    solved: SolvedCameras, images: Path | None, source: Path, folder: Path
) -> tuple[list[tuple[SolvedCamera, Path]], list[str]]:
    """(camera, picture) for each whose picture is there, and the names of the others."""
    pictures = Pictures(solved.roots, images, project_of(source), folder)
    if all(camera.name.startswith("#") for camera in solved.cameras):
        indices = [int(camera.name[1:]) for camera in solved.cameras]
        paths = numbered(pictures.in_order(), indices)
        return [(camera, paths[index]) for camera, index in zip(solved.cameras, indices)], []
    pairs = [(camera, pictures.find(camera.name)) for camera in solved.cameras]
    found = [(camera, path) for camera, path in pairs if path is not None]
    missing = [camera.name for camera, path in pairs if path is None]
    if not found:
        raise CameraFileError(
            f"None of the pictures that {source.name} names ({_some(missing)}) is in {pictures.place}; name the"
            " folder with the pictures (Pictures, --images)."
        )
    seen: dict[Path, str] = {}
    for camera, path in found:
        if (other := seen.setdefault(path.resolve(), camera.name)) is not camera.name:
            raise CameraFileError(
                f"{other} and {camera.name} are both the picture {path.name}; choose the folder in which each has its"
                " own (Pictures, --images)."
            )
    return found, missing


def _camera(solved: SolvedCamera, path: Path, source: Path, reporter: Reporter) -> Camera:
    """Ours, at the size of its picture."""
    where = f"{source.name}: {path.name}"
    width, height = size_of_picture(path)
    if solved.size and solved.size != (width, height):
        _check_size(solved.size, (width, height), where)
        reporter.warning(
            f"{path.name} has {width} by {height} pixels and was solved with {solved.size[0]} by {solved.size[1]}; its"
            " camera is scaled to it."
        )
    camera = solved.camera(width, height, where)
    try:
        undistorted_camera(camera)
    except CaptureError:
        raise CameraFileError(
            f"{where}: the lens distortion folds the picture over itself; solve the cameras again."
        ) from None
    return camera


def _check_size(solved: tuple[int, int], picture: tuple[int, int], where: str) -> None:
    """Raises CameraFileError where a picture is not the solved one made smaller or larger."""
    scale = picture[0] / solved[0]
    if abs(picture[1] - solved[1] * scale) <= max(1.0, scale):
        return
    turned = solved == picture[::-1]
    raise CameraFileError(
        f"{where} has {picture[0]} by {picture[1]} pixels, but its camera was solved with {solved[0]} by {solved[1]}; "
        + (
            "it was turned on its side since, so turn it back (its pixels, not its EXIF)."
            if turned
            else "choose the folder with the very pictures that were solved (Pictures, --images)."
        )
    )


def _placed(views: list[View], up: str, reporter: Reporter) -> tuple[list[View], str, list[float] | None]:
    """The views with up where it is asked for, a word on which way that is, and by how much they were moved."""
    matrix = np.eye(4)
    centres = np.array([view.camera.centre for view in views])
    middle = centres.mean(axis=0)
    moved = None
    if np.linalg.norm(middle) > _FAR and np.linalg.norm(middle) > _FAR * 1e-2 * np.ptp(centres, axis=0).max():
        moved = np.round(middle).tolist()
        matrix[:3, 3] = -np.round(middle)
        reporter.warning(
            f"The cameras stand {np.linalg.norm(middle):,.0f} units from the origin; they are moved to it, by"
            f" {moved[0]:.0f}, {moved[1]:.0f}, {moved[2]:.0f}."
        )
    held = held_up([view.camera.world_to_camera for view in views])
    if held is None:
        said = "+Z of the file, which its cameras neither bear out nor deny"
    elif up == "cameras":
        turn = np.eye(4)
        turn[:3, :3] = turn_to_z(held)
        matrix, said = turn @ matrix, "+Z, turned there as the cameras were held"
    elif held[2] > 0.9:
        said = "+Z of the file, as the cameras were held"
    else:
        axis = int(np.abs(held).argmax())
        name = f"{'+-'[int(held[axis] < 0)]}{'XYZ'[axis]}"
        said = f"+Z of the file, though its cameras were held with {name} up"
        reporter.warning(
            f"The cameras were held with {name} of their file up; its axes are kept. Import them with Up as the"
            " cameras were held (--up cameras) to set the head upright."
        )
    if np.array_equal(matrix, np.eye(4)):
        return views, said, moved
    turned = [replace(v, camera=replace(v.camera, camera_to_world=matrix @ v.camera.camera_to_world)) for v in views]
    return turned, said, moved


def _within_folder(views: list[View], paths: list[Path], folder: Path) -> list[View]:
    """The views, those whose picture lies in the capture's folder already with that one."""
    stems = [path.stem for path in paths]
    return [
        replace(view, name=path.stem, image=path.absolute())
        if path.absolute().is_relative_to(folder) and stems.count(path.stem) == 1
        else view
        for view, path in zip(views, paths)
    ]


def _listed(names: list[str], what: str) -> str:
    return f"{len(names)} {what}s ({_some(names)}) are" if len(names) > 1 else f"The {what} {_some(names)} is"


def _some(names: list[str]) -> str:
    short = [name.replace("\\", "/").rpartition("/")[2] for name in names[:_NAMED]]
    return ", ".join(short) + (", ..." if len(names) > _NAMED else "")
