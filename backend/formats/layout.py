"""A custom UV layout as a file. NumPy and the standard library only, so that Blender reads it."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import HeadError

BUILT_IN_LAYOUT = Path(__file__).resolve().parents[2] / "assets" / "built_in_layout.npz"
FORMAT, VERSION = "maquette-layout", 1
_MAKING = 2
"""Counts up when the program comes to lay the same triangles out differently: maps of before do not fit then."""
LARGEST_BYTES = 200_000_000


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a head's triangles lie in the unit square.

    Attributes:
        uv: (F, 3, 2) float32 of each triangle's corners, V upwards.
        chart: (F,) int32 number of the chart.
        names: the charts'; "scalp" and "face" are first.
        seam: (S, 2) int32 edges of the mesh along which the layout is cut.
        topology: ``topology_hash`` of the triangles.
    """

    uv: np.ndarray
    chart: np.ndarray
    names: tuple[str, ...]
    seam: np.ndarray
    topology: str

    @property
    def hash(self) -> str:
        """16 hexadecimal digits of the triangles and the seam, from which the program makes all the rest.

        Not of the UVs: their last digits differ from one computer to the next, though no texel does.
        """
        seam = np.sort(np.asarray(self.seam, "<i4"), axis=1)
        seam = np.ascontiguousarray(seam[np.lexsort(seam.T)])
        return _digest(f"{FORMAT} {_MAKING} {self.topology}", seam)


def topology_hash(faces: np.ndarray) -> str:
    """16 hexadecimal digits of triangles (F, 3)."""
    return _digest("triangles", np.ascontiguousarray(faces, "<i4"))


def uv_hash(uv: np.ndarray) -> str:
    """16 hexadecimal digits of a model's own UVs (F, 3, 2), to a millionth of the square."""
    return _digest("uv", np.round(np.asarray(uv, np.float64) * 1e6).astype("<i4"))


def _digest(head: str, array: np.ndarray) -> str:
    return hashlib.sha256(f"{head} {array.shape}".encode() + array.tobytes()).hexdigest()[:16]


def write_layout(path: Path, layout: Layout) -> None:
    """Write a ``.npz`` to a temporary name first."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file, format=FORMAT, version=VERSION, names=np.array(layout.names), topology=layout.topology,
            uv=layout.uv.astype(np.float32), chart=layout.chart.astype(np.int32), seam=layout.seam.astype(np.int32),
        )  # fmt: skip
    temporary.replace(path)


def read_layout(path: Path) -> Layout:
    """Read what ``write_layout`` wrote. Raises HeadError."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise HeadError(f"{path.name} is larger than {LARGEST_BYTES // 10**6} MB; layouts never are.")
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT:
                raise HeadError(f"{path.name} is no UV layout of Maquette's.")
            if int(file["version"]) > VERSION:
                raise HeadError(f"{path.name} was made by a newer Maquette; update the extension.")
            uv, chart, seam = (file[key] for key in ("uv", "chart", "seam"))
            names, topology = tuple(map(str, file["names"])), str(file["topology"])
    except OSError as error:
        raise HeadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise HeadError(f"{path.name} cannot be read as a UV layout: {error}.") from error
    count = len(chart)
    fits = uv.shape == (count, 3, 2) and seam.ndim == 2 and seam.shape[1] == 2 and seam.dtype.kind == "i"
    if not (fits and chart.dtype.kind == "i" and names and uv.dtype == np.float32 and np.isfinite(uv).all()):
        raise HeadError(f"{path.name} cannot be read as a UV layout: its arrays do not fit each other.")
    if count and not 0 <= chart.min() <= chart.max() < len(names):
        raise HeadError(f"{path.name} cannot be read as a UV layout: a triangle lies in no chart.")
    return Layout(uv, chart, names, seam, topology)
