"""Strand files in and out: the ending of a name chooses the format.

NumPy and the standard library only (USD apart), so that Blender imports and exports strands by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contract import UNITS
from ..errors import StrandFileError
from .strand_cleaning import clean
from .strand_data import read_bin, read_data, write_data
from .strand_hair import read_hair, write_hair
from .strand_npz import read_npz_strands
from .strand_ply import read_ply, write_ply
from .strand_tfx import read_tfx
from .strand_usd import read_usd, write_usd
from .strands import Strands, write_npz

Reader = Callable[[Path, Callable[[str], None]], tuple[np.ndarray, np.ndarray]]
Writer = Callable[[Path, Strands], None]


@dataclass(frozen=True)
class StrandFormat:
    """One kind of file.

    Attributes:
        label: for people.
        read, write: None where the format is not read or not written.
        knows_units: the file says its unit and up axis itself.
    """

    label: str
    read: Reader | None
    write: Writer | None
    knows_units: bool = False


_USD = StrandFormat("Universal Scene Description curves", read_usd, write_usd, knows_units=True)

SUPPORTED: dict[str, StrandFormat] = {
    ".npz": StrandFormat("NumPy strands", read_npz_strands, write_npz),
    ".hair": StrandFormat("Cem Yuksel's hair model", read_hair, write_hair),
    ".data": StrandFormat("USC-HairSalon strands", read_data, write_data),
    ".ply": StrandFormat("PLY polylines", read_ply, write_ply),
    ".bin": StrandFormat("CT2Hair strands", read_bin, None),
    ".tfx": StrandFormat("TressFX hair", read_tfx, None),
    ".usd": _USD,
    ".usda": _USD,
    ".usdc": _USD,
}
"""By ending, the most general first; file dialogs and sentences list these."""


def readable() -> list[str]:
    """Endings that can be read."""
    return [ending for ending, kind in SUPPORTED.items() if kind.read]


def writable() -> list[str]:
    """Endings that can be written."""
    return [ending for ending, kind in SUPPORTED.items() if kind.write]


def read_strands(
    path: Path | str, unit: str = "m", up: str = "Z", warn: Callable[[str], None] = lambda sentence: None
) -> Strands:
    """Strands of a file, in metres, Z up, root first.

    Args:
        path: its ending names the format.
        unit: one of ``contract.UNITS``; of the file, which mostly does not say it. USD does, and is believed.
        up: "Z" or "Y", the file's axis that points up; ignored likewise.
        warn: called with a sentence when strands had to be dropped, or something in the file was left out.

    Raises StrandFileError, whatever is in the file.
    """
    path = Path(path)
    kind = _kind(path, "read", readable())
    if not path.is_file():
        raise StrandFileError(f"There is no file {path}.")
    points, counts = kind.read(path, warn)
    if not kind.knows_units:
        if up == "Y":
            points = np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)
        if UNITS[unit] != 1.0:
            with np.errstate(over="ignore", invalid="ignore"):
                points = points * UNITS[unit]
    strands, cleaning = clean(points, counts)
    if len(strands) == 0:
        why = cleaning.sentence(path.name, len(counts)) if len(counts) else f"{path.name} holds no strands."
        raise StrandFileError(f"There is no strand left to use. {why}")
    if cleaning.dropped:
        warn(cleaning.sentence(path.name, len(counts)))
    return strands


def write_strands(path: Path | str, strands: Strands) -> None:
    """Write strands in metres, Z up; the ending names the format. Raises StrandFileError.

    The file appears whole or not at all.
    """
    path = Path(path)
    kind = _kind(path, "written", writable())
    temporary = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind.write(temporary, strands)
        temporary.replace(path)
    except OSError as error:
        raise StrandFileError(f"{path.name} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _kind(path: Path, verb: str, endings: list[str]) -> StrandFormat:
    ending = path.suffix.lower()
    if ending not in endings:
        named = f"Files ending in {ending}" if ending else f"{path.name} has no ending, and files without one"
        raise StrandFileError(f"{named} are not {verb} as strands; choose one of {', '.join(endings)}.")
    return SUPPORTED[ending]
