"""A signed distance field saved as a regular grid: one ``.npz``.

- ``values`` (X, Y, Z) float16, float32 or float64: metres to the surface at each node, below zero inside. NaN where
  nobody knows. ``sdf`` is read as well.
- ``origin`` (3,): metres, of node (0, 0, 0), Z up, the face towards -Y.
- ``spacing``: metres between neighbouring nodes, the same along every axis. Without it, ``voxel_size`` is read.
- ``labels`` (X, Y, Z) uint8 and ``label_names`` (L,), both or none: what each node belongs to (hair, skin, ...).
- ``format``, ``version``: written by us; files of others need not have them.

NumPy and the standard library only, so that Blender reads and writes it too.
"""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import FieldError

FORMAT, VERSION = "maquette-sdf-grid", 1
VALUES, SPACING = ("values", "sdf"), ("spacing", "voxel_size")
MOST_NODES = 1100**3
LARGEST_SIDE = 20.0
"""Metres."""


@dataclass(frozen=True, eq=False)
class SdfGrid:
    """A field on the nodes of a grid.

    Attributes:
        values: (X, Y, Z) float32 metres, below zero inside, NaN where unknown.
        origin: (3,) float64 metres, of node (0, 0, 0).
        spacing: metres between nodes.
        labels: (X, Y, Z) uint8 into ``label_names``, or None.
        label_names: in the field's words, such as "hair".
    """

    values: np.ndarray
    origin: np.ndarray
    spacing: float
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = field(default=())

    def __post_init__(self):
        values = np.asarray(self.values)
        if values.ndim != 3 or min(values.shape, default=0) < 2 or values.dtype.kind != "f":
            raise FieldError(
                f"The field's values are {values.dtype} of the shape {values.shape}; they must be numbers (X, Y, Z)."
            )
        object.__setattr__(self, "values", np.ascontiguousarray(values, np.float32))
        origin, spacing = np.asarray(self.origin, np.float64), np.asarray(self.spacing, np.float64).reshape(-1)
        if origin.shape != (3,) or not np.isfinite(origin).all():
            raise FieldError("The field's origin must be three numbers, in metres.")
        if not len(spacing) or not np.isfinite(spacing).all() or not (spacing > 0).all():
            raise FieldError("The field's spacing must be a number above zero, in metres.")
        if np.ptp(spacing) > 1e-4 * spacing.max():
            raise FieldError("The field's spacing differs between its axes; sample it again with cubes.")
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "spacing", float(spacing.mean()))
        side = self.spacing * (max(self.values.shape) - 1)
        if side > LARGEST_SIDE:
            raise FieldError(f"The field is {side:.3g} m across, which is no head's size; is its spacing in metres?")
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.shape != self.values.shape or labels.dtype.kind not in "iu":
                raise FieldError("The field's labels do not have the shape of its values, or are no whole numbers.")
            if labels.size and (labels.min() < 0 or labels.max() >= min(len(self.label_names), 256)):
                raise FieldError("The field has labels without names; write label_names for all of them.")
            object.__setattr__(self, "labels", np.ascontiguousarray(labels, np.uint8))

    @property
    def low(self) -> np.ndarray:
        """(3,) metres, the first node."""
        return self.origin

    @property
    def high(self) -> np.ndarray:
        """(3,) metres, the last node."""
        return self.origin + self.spacing * (np.array(self.values.shape) - 1)


def write_sdf_grid(path: Path, grid: SdfGrid, compressed: bool = False) -> None:
    """Write a grid to a temporary name, and rename it. Compressed it is a third smaller and ten times slower."""
    path = Path(path)
    parts = {"values": grid.values, "origin": grid.origin, "spacing": np.array(grid.spacing)}
    if grid.labels is not None:
        parts |= {"labels": grid.labels, "label_names": np.array(grid.label_names, dtype=np.str_)}
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        (np.savez_compressed if compressed else np.savez)(
            file, format=np.array(FORMAT), version=np.array(VERSION), **parts
        )
    temporary.replace(path)


def read_sdf_grid(path: Path) -> SdfGrid:
    """Read a grid.

    Raises:
        FieldError: it cannot be read, is too large, or is no field; the sentence says why.
    """
    path = Path(path)
    if not path.is_file():
        raise FieldError(f"There is no field at {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            shapes = {name: _shape(archive, name) for name in names & {*VALUES, "labels"}}
        nodes = max((int(np.prod(shape, dtype=np.float64)) for shape in shapes.values()), default=0)
        if nodes > MOST_NODES:
            raise FieldError(f"{path.name} has {nodes:,} nodes; sample the field with at most {MOST_NODES:,}.")
        with np.load(path, allow_pickle=False) as file:
            ours = {"format", "version"} <= names and str(file["format"]) == FORMAT
            if ours and int(file["version"]) > VERSION:
                raise FieldError(f"{path.name} was written by a newer Maquette; update this one.")
            values, spacing = (next((n for n in keys if n in names), None) for keys in (VALUES, SPACING))
            if values is None or spacing is None or "origin" not in names:
                raise FieldError(f"{path.name} is no saved field: it needs values (X, Y, Z), origin (3,) and spacing.")
            labels = {"labels", "label_names"} <= names
            return SdfGrid(
                file[values],
                file["origin"],
                file[spacing],
                file["labels"] if labels else None,
                tuple(map(str, file["label_names"])) if labels else (),
            )
    except FieldError as error:
        raise FieldError(str(error).replace("The field", path.name, 1)) from None
    except OSError as error:
        raise FieldError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (KeyError, ValueError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise FieldError(f"{path.name} cannot be read as a saved field: {error}.") from error


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """Of an array, before any room is made for it."""
    with archive.open(f"{name}.npy") as file:
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        return read(file)[0]
