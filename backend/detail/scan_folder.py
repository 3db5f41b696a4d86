"""A folder of scans with their landmarks: which belong together, and whether a result is still that of its scan."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import ScanError
from ..fit.scan import SUFFIXES as SCANS
from ..formats.landmarks import SUFFIXES as LANDMARKS

ENDINGS = ("", "_landmarks", "-landmarks", ".landmarks")
"""What a landmark file's name may have after its scan's."""
STAMP = "scan.stamp.json"
RESULT = "registered.ply"


@dataclass(frozen=True)
class FoundScan:
    """A scan of a folder.

    Attributes:
        name: different from that of every other, fit for a folder.
        scan: its file.
        landmarks: the landmarks' file, or None where there is none.
    """

    name: str
    scan: Path
    landmarks: Path | None


def find_scans(folder: Path, leave_out: Path) -> list[FoundScan]:
    """The scans in a folder and the folders in it, by name.

    A landmark file lies beside its scan: ``anna.obj`` with ``anna.json`` (or .pp, .npy; or ``anna_landmarks.json``). In
    a folder with one scan alone it may be called ``landmarks.json``, and the scan then has the folder's name. Folders
    with the result of a registration are passed over.

    Args:
        folder: that is looked through.
        leave_out: a folder whose files are no scans: that of the results.

    Raises:
        ScanError: there is no such folder, or no scan in it.
    """
    if not folder.is_dir():
        raise ScanError(f"There is no folder at {folder}.")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _within(path, leave_out)]
    by_place: dict[Path, list[Path]] = {}
    for path in files:
        by_place.setdefault(path.parent, []).append(path)
    found = []
    for place, here in by_place.items():
        if any(path.name == RESULT for path in here):
            continue
        marks = {path.name.lower(): path for path in here if path.suffix.lower() in LANDMARKS}
        scans = []
        for path in here:
            mine = _beside(path, marks)
            # An .npz may be anything; it is a scan if somebody put landmarks beside it.
            if path.suffix.lower() in SCANS and (mine is not None or path.suffix.lower() != ".npz"):
                scans.append((path, mine))
        shared = next((marks[f"landmarks{end}"] for end in LANDMARKS if f"landmarks{end}" in marks), None)
        if len(scans) == 1 and scans[0][1] is None and shared is not None and place != folder:
            found.append(FoundScan("-".join(place.relative_to(folder).parts), scans[0][0], shared))
            continue
        stems = [path.stem for path, _ in scans]
        for path, mine in scans:
            own = path.stem if stems.count(path.stem) == 1 else path.name
            found.append(FoundScan("-".join([*place.relative_to(folder).parts, own]), path, mine))
    if not found:
        raise ScanError(f"There is no scan in {folder}; scans are {', '.join(SCANS)} with landmarks beside them.")
    names = [scan.name for scan in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ScanError(f"Two scans in {folder} would both be called '{twice}'; rename one of them.")
    return sorted(found, key=lambda scan: scan.name)


def stamp(request: dict, found: FoundScan) -> dict:
    """What a result depends on: the settings (of ``contract.encode``), and the files as they are now."""
    files = {}
    for path in (found.scan, found.landmarks, Path(request["model"])):
        if path is not None and path.is_file():
            facts = path.stat()
            files[path.name] = [facts.st_size, facts.st_mtime_ns]
    settings = {key: value for key, value in request.items() if key not in ("scan", "landmarks")}
    text = json.dumps([settings, files], sort_keys=True, default=str)
    return {"settings": settings, "files": files, "hash": hashlib.sha256(text.encode()).hexdigest()}


def _beside(scan: Path, marks: dict[str, Path]) -> Path | None:
    names = (f"{scan.stem}{ending}{kind}".lower() for ending in ENDINGS for kind in LANDMARKS)
    return next((marks[name] for name in names if name in marks), None)


def _within(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents
