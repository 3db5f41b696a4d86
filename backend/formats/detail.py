"""Displacements of a dense head's vertices, as a registration leaves them.

NumPy and the standard library only.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import HeadError

FORMAT, VERSION = "maquette-detail", 1
LARGEST_BYTES = 1_000_000_000
TEXTS = ("model", "model_hash", "layout")


@dataclass(frozen=True, eq=False)
class Detail:
    """What a dense head has beyond its model.

    Attributes:
        displacement: (W, 3) float32 metres, object axes of the rest head (Z up, looking along -Y).
        observed: (W,) bool, whether the scan showed where a vertex lies; False where it was frozen or nothing was seen.
        model: name of the head model, and ``model_hash`` its hash.
        layout: hash of the custom UV layout that goes with the dense head.
        smoothed: whether the displacement is from a head whose surface was smoothed by region.
    """

    displacement: np.ndarray
    observed: np.ndarray
    model: str
    model_hash: str
    layout: str = ""
    smoothed: bool = False

    def __post_init__(self):
        displacement = np.asarray(self.displacement, np.float32)
        observed = np.asarray(self.observed, bool)
        if displacement.ndim != 2 or displacement.shape[1] != 3 or observed.shape != displacement.shape[:1]:
            raise HeadError(
                f"The displacements have the shape {displacement.shape} and their mask {observed.shape}; they must be "
                "(W, 3) and (W,)."
            )
        if not np.isfinite(displacement).all():
            raise HeadError("The displacements have numbers that are not finite; register the scan again.")
        object.__setattr__(self, "displacement", displacement)
        object.__setattr__(self, "observed", observed)


def write_detail(path: Path, detail: Detail) -> None:
    """Write ``.npz``, to a temporary name first."""
    path = Path(path)
    texts = {key: np.array(getattr(detail, key)) for key in TEXTS}
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file, format=np.array(FORMAT), version=np.array(VERSION), displacement=detail.displacement,
            observed=detail.observed, smoothed=np.array(detail.smoothed), **texts,
        )  # fmt: skip
    temporary.replace(path)


def read_detail(path: Path) -> Detail:
    """Read what ``write_detail`` wrote. Raises HeadError."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise HeadError(f"{path.name} is larger than {LARGEST_BYTES // 10**6} MB; a dense head's detail never is.")
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file.files or str(file["format"]) != FORMAT:
                raise HeadError(f"{path.name} holds no registered detail; choose the registered.npz of a registration.")
            if int(file["version"]) > VERSION:
                raise HeadError(f"{path.name} was made by a newer Maquette; update the extension.")
            smoothed = "smoothed" in file.files and bool(file["smoothed"])
            return Detail(file["displacement"], file["observed"], *(str(file[key]) for key in TEXTS), smoothed)
    except KeyError as error:
        raise HeadError(f"{path.name} lacks {error.args[0]}.") from error
    except OSError as error:
        raise HeadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (ValueError, TypeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise HeadError(f"{path.name} cannot be read as detail: {error}.") from error
