"""Where what belongs to a file of solved cameras lies. Standard library only."""

from pathlib import Path

_COLMAPS_OWN = ("sparse", "dense", "colmap")


def project_of(path: Path) -> Path:
    """The folder of the project that a file of cameras, or a COLMAP model's folder, belongs to: its own, or the one
    around those that COLMAP keeps its models in."""
    place = path if path.is_dir() else path.parent
    while place.name.isdigit() or place.name.lower() in _COLMAPS_OWN:
        place = place.parent
    return place


def new_capture_of(path: Path) -> Path:
    """Where the capture of a file of cameras goes, if nobody says."""
    project = project_of(path)
    return project / f"{project.name or 'new'}_capture"
