"""The pictures that cameras were solved from: found by the names that a file of cameras gives, measured, and brought
into a capture."""

import os
import re
import shutil
from collections import defaultdict
from pathlib import Path, PurePosixPath

from ..errors import CameraFileError, CaptureError
from ..formats.image_size import image_size
from .images import read_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
"""Of pictures that are read here and in Blender."""
_FOLDERS = ("images", "image", "input", "rgb", "photos", "pictures")
"""Where pictures lie beside a file of cameras, if nobody says."""
_MOST_FILES = 50_000
_DEEP = 3
"""Folders below a project's in which pictures are looked for, if nobody says where they are."""


class _Tables:
    """Pictures by their names and by their stems."""

    def __init__(self, every: list[Path]):
        self._by_name, self._by_stem = defaultdict(list), defaultdict(list)
        for path in every:
            self._by_name[path.name.lower()].append(path)
            self._by_stem[path.stem.lower()].append(path)

    def find(self, relative: PurePosixPath) -> list[Path]:
        """Those of that name, else of that name with an ending, else of that name with another ending."""
        name, stem = relative.name.lower(), relative.stem.lower()
        return self._by_name.get(name) or self._by_stem.get(name) or self._by_stem.get(stem) or []


class Pictures:
    """The pictures of some folders, by the names of cameras."""

    def __init__(
        self, roots: tuple[Path, ...], chosen: Path | None = None, project: Path | None = None, but: Path | None = None
    ):
        """
        Args:
            roots: folders that names may be relative to, best first.
            chosen: the folder that the artist named, if any; nothing is then looked for elsewhere, but in its folders.
            project: a folder that is looked through for what is nowhere else.
            but: a folder in it that is not: the capture that is being made.

        Raises:
            CameraFileError: the chosen folder is none, or has no pictures.
        """
        if chosen is not None and not chosen.is_dir():
            raise CameraFileError(f"There is no folder {chosen}; choose the folder with the pictures.")
        self._chosen = chosen
        self._roots = (chosen,) if chosen is not None else _unique(roots)
        every = _within(chosen) if chosen is not None else _beside(self._roots)
        if chosen is not None and not every:
            raise CameraFileError(f"The folder {chosen} holds no pictures; choose the one with the pictures.")
        self._tables, self._project, self._but = [_Tables(every)], project if chosen is None else None, but

    @property
    def place(self) -> str:
        """Where pictures were looked for, in the words of a sentence."""
        return str(self._roots[0])

    def find(self, name: str) -> Path | None:
        """The picture that a camera's file names, by its path, its name, or its name without the ending.

        Raises CameraFileError where it may be any of several.
        """
        windows = re.match(r"[A-Za-z]:[\\/]", name) or "\\" in name
        relative = PurePosixPath(name.replace("\\", "/") if windows else name)
        if self._chosen is None and Path(name).is_absolute() and _is_picture(Path(name)):
            return Path(name)
        if not relative.is_absolute() and not (windows and ":" in name):
            for root in self._roots:
                if _is_picture(root / relative):
                    return root / relative
        return self._named(relative)

    def _named(self, relative: PurePosixPath) -> Path | None:
        for tables in self._tables:
            if found := tables.find(relative):
                return _nearest(found, relative)
        if self._project is None:
            return None
        every = _within(self._project, _DEEP)
        if self._but is not None:
            every = [path for path in every if not path.is_relative_to(self._but)]
        self._tables.append(_Tables(every))
        self._project = None
        return self._named(relative)

    def in_order(self) -> list[Path]:
        """The pictures of the folder that has them, sorted by name: for files of cameras that give no names."""
        roots = (self._chosen,) if self._chosen is not None else self._roots
        for folder in (f for root in roots for f in (root, *(root / name for name in _FOLDERS))):
            if folder.is_dir() and (found := sorted(p for p in folder.iterdir() if _is_picture(p))):
                return found
        return []


def numbered(pictures: list[Path], indices: list[int]) -> dict[int, Path]:
    """Which picture is whose, for cameras that have a number instead of a name: in order where there are as many of
    each, else by the number at the end of the pictures' names. Raises CameraFileError."""
    if len(pictures) == len(indices):
        return dict(zip(sorted(indices), pictures))
    by_number = {int(found[1]): path for path in pictures if (found := re.search(r"(\d+)\D*$", path.stem))}
    if pictures and all(index in by_number for index in indices):
        return {index: by_number[index] for index in indices}
    raise CameraFileError(
        f"There are {len(indices)} cameras without names, and {len(pictures)} pictures"
        + (f" in {pictures[0].parent}" if pictures else "")
        + "; choose the folder with the very pictures that they were solved from."
    )


def size_of_picture(path: Path) -> tuple[int, int]:
    """(width, height) in pixels as stored. Raises CameraFileError."""
    try:
        if size := image_size(path):
            return size
        height, width = read_picture(path).shape[:2]
        return width, height
    except (CaptureError, OSError) as error:
        raise CameraFileError(f"{path.name} is no picture that can be read; export it again as PNG or JPEG.") from error


def names_in_capture(found: list[tuple[str, Path]]) -> list[str]:
    """File names for pictures, whose stems are unlike each other, as a capture wants them.

    Args:
        found: (name in the file of cameras, picture) each.
    """
    count = defaultdict(int)
    for _, path in found:
        count[path.stem.lower()] += 1
    names, taken = [], set()
    for name, path in found:
        stem = path.stem
        if count[stem.lower()] > 1:
            # Cameras of a rig name their pictures alike, in a folder each.
            parts = PurePosixPath(name.replace("\\", "/")).with_suffix("").parts
            stem = "_".join(part for part in parts[-3:] if part not in ("/", "..", ".") and ":" not in part) or stem
        while stem.lower() in taken:
            stem += "_"
        taken.add(stem.lower())
        names.append(stem + path.suffix.lower())
    return names


def bring(source: Path, target: Path, link: bool) -> None:
    """A picture into a capture: a copy, or a second name of the same file where the disk can. OSError as it comes."""
    if target.exists() and target.samefile(source) and (link or target.resolve() == source.resolve()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".part")
    temporary.unlink(missing_ok=True)
    try:
        if link:
            os.link(source, temporary)
        else:
            shutil.copyfile(source, temporary)
    except OSError:
        if not link:
            raise
        shutil.copyfile(source, temporary)
    temporary.replace(target)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _unique(roots: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(root for root in roots if root.is_dir())) or roots[:1]


def _within(folder: Path, deep: int = 64) -> list[Path]:
    """Every picture in a folder and its folders, so many below it.

    Raises CameraFileError where there are too many files, if it is the folder that the artist named.
    """
    found, count = [], 0
    for place, folders, files in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= deep:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        count += len(files)
        if count > _MOST_FILES:
            if deep == _DEEP:
                break
            raise CameraFileError(f"The folder {folder} holds more than {_MOST_FILES:,} files; choose a smaller one.")
        found += [path for path in (Path(place, name) for name in files) if _is_picture(path)]
    return sorted(found)


def _beside(roots: tuple[Path, ...]) -> list[Path]:
    """The pictures of folders, and of those in them that are named as folders of pictures are."""
    folders = dict.fromkeys(f for root in roots for f in (root, *(root / name for name in _FOLDERS)) if f.is_dir())
    return [path for folder in folders for path in sorted(folder.iterdir()) if _is_picture(path)]


def _nearest(found: list[Path], relative: PurePosixPath) -> Path:
    """Of pictures of one name, the one whose folders are named as the camera's file says."""
    if len(found) == 1:
        return found[0]
    wanted = [part.lower() for part in relative.parts[-2::-1]]

    def agreeing(path: Path) -> int:
        there = [part.lower() for part in path.parts[-2::-1]]
        return next((k for k, (a, b) in enumerate(zip(wanted, there)) if a != b), min(len(wanted), len(there)))

    best = max(map(agreeing, found))
    chosen = [path for path in found if agreeing(path) == best]
    if len(chosen) > 1:
        raise CameraFileError(
            f"{relative.name} may be {chosen[0]} or {chosen[1]}; choose the folder with the very pictures that were"
            " solved."
        )
    return chosen[0]
