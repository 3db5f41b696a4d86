"""Fitted networks of a head's surface: one ``.npz`` of plain arrays. NumPy and the standard library only.

- ``format``, ``version``; ``config``: JSON, sizes of the networks.
- ``world_to_field`` (4, 4): from the capture's world, metres, to the unit sphere that the networks know.
- ``low``, ``high`` (3,): metres, the head's box.
- ``labelled``: whether the network of semantic classes was taught.
- ``network:NAME``: float32 weights.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FieldError

FORMAT, VERSION = "maquette-neural-field", 1
LARGEST_BYTES = 2 * 10**9
WEIGHTS = "network:"


@dataclass(frozen=True, eq=False)
class NeuralFieldFile:
    """What a file holds.

    Attributes:
        config: sizes, unchecked.
        weights: name → array.
        world_to_field: (4, 4) float64 similarity.
        low, high: (3,) float64 metres.
        labelled: whether classes are known.
    """

    config: dict
    weights: dict[str, np.ndarray]
    world_to_field: np.ndarray
    low: np.ndarray
    high: np.ndarray
    labelled: bool


def write_neural_file(path: Path, field: NeuralFieldFile) -> None:
    """Write a field to a temporary name, and rename it."""
    path = Path(path)
    about = {
        "format": np.array(FORMAT), "version": np.array(VERSION), "labelled": np.array(field.labelled),
        "config": np.array(json.dumps(field.config)), "world_to_field": field.world_to_field, "low": field.low,
        "high": field.high,
    }  # fmt: skip
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez(file, **about, **{WEIGHTS + name: value for name, value in field.weights.items()})
    temporary.replace(path)


def is_neural_field(path: Path) -> bool:
    """Whether a file looks like one of these."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "world_to_field.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_neural_file(path: Path) -> NeuralFieldFile:
    """Read a field.

    Raises:
        FieldError: it cannot be read, or is no such file; the sentence says why.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise FieldError(f"{path.name} is larger than any network of a head; it is not read.")
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT:
                raise FieldError(f"{path.name} is no fitted network of Maquette's.")
            if int(file["version"]) > VERSION:
                raise FieldError(f"{path.name} was written by a newer Maquette; update this one.")
            matrix, low, high = (np.asarray(file[key], np.float64) for key in ("world_to_field", "low", "high"))
            weights = {name.removeprefix(WEIGHTS): file[name] for name in file.files if name.startswith(WEIGHTS)}
            config, labelled = json.loads(str(file["config"])), bool(file["labelled"])
    except FieldError:
        raise
    except OSError as error:
        raise FieldError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (KeyError, ValueError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise FieldError(f"{path.name} cannot be read as a fitted network: {error}.") from error
    finite = all(np.isfinite(part).all() for part in (matrix, low, high))
    placed = (matrix.shape, low.shape, high.shape) == ((4, 4), (3,), (3,)) and finite and (high > low).all()
    if not placed or not abs(np.linalg.det(matrix[:3, :3])) > 1e-12:
        raise FieldError(f"{path.name} does not say where its head lies; fit it again.")
    if not isinstance(config, dict) or not all(np.isfinite(part).all() for part in weights.values()):
        raise FieldError(f"{path.name} holds weights that are not finite numbers; fit it again.")
    return NeuralFieldFile(config, weights, matrix, low, high, labelled)
