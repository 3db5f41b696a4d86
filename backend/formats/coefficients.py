"""Coefficients of a head model, which belong to that model and to no other, and their files.

Bases of two models differ even where their triangles are the same (FLAME 2020 and 2023): the same numbers are another
face. So coefficients carry the name and the hash of their model, and are checked where they are applied.
"""

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import CoefficientError
from .flame_model import FlameModel

FORMAT, VERSION = "maquette-coefficients", 1
SUFFIXES = (".npz", ".json")
LARGEST_BYTES = 100_000_000
ARRAYS = ("identity", "expression", "pose", "translation", "scale")
SIMILARITY = ("similarity_scale", "similarity_rotation", "similarity_translation")


class Similarity(NamedTuple):
    """Where a fitted head lies: x = scale rotation v + translation.

    Attributes:
        scale: units of the scan or capture in a metre of the head.
        rotation: (3, 3)
        translation: (3,) in the unit of the scan or capture.
    """

    scale: float
    rotation: np.ndarray
    translation: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """(4, 4) float64."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.scale * self.rotation, self.translation
        return matrix

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the head, metres, Z up, where they lie on the scan or in the capture."""
        return self.scale * points @ self.rotation.T + self.translation


@dataclass(frozen=True, eq=False)
class Coefficients:
    """One head of a model.

    Attributes:
        model: the model's name.
        model_hash: the model's hash, ``FlameModel.hash``.
        identity: (I,) float64 standard deviations; may be fewer than the model has, the rest is zero.
        expression: (E,) float64; likewise.
        pose: (J, 3) float64, axis times angle in radians for each joint, in the model's own frame.
        translation: (3,) float64 metres, in the model's own frame, after scale.
        scale: times the model's metres.
        similarity: where a fitted head lies on its scan or in its capture: of the head's vertices after all of the
            above, in metres and turned to Z up. None for coefficients that were not fitted to anything.
    """

    model: str
    model_hash: str
    identity: np.ndarray
    expression: np.ndarray
    pose: np.ndarray
    translation: np.ndarray
    scale: float = 1.0
    similarity: Similarity | None = None

    def __post_init__(self):
        shapes = {"identity": (-1,), "expression": (-1,), "pose": (-1, 3), "translation": (3,), "scale": ()}
        for part in ARRAYS:
            try:
                value = np.asarray(getattr(self, part), np.float64).reshape(shapes[part])
            except (ValueError, TypeError) as error:
                raise CoefficientError(f"The coefficients' {part} has the wrong shape or kind: {error}.") from error
            if not np.isfinite(value).all():
                raise CoefficientError(f"The coefficients' {part} has numbers that are not finite; write them again.")
            object.__setattr__(self, part, float(value) if part == "scale" else value)
        if not self.scale > 0:
            raise CoefficientError(f"The coefficients' scale is {self.scale:g}; it must be above 0.")
        if self.similarity is not None:
            object.__setattr__(self, "similarity", _checked_similarity(self.similarity))

    @classmethod
    def of(cls, model: FlameModel, **parts) -> "Coefficients":
        """Coefficients of a model; what is not given is zero (scale: one)."""
        zero = {"identity": np.zeros(0), "expression": np.zeros(0), "translation": np.zeros(3)}
        zero["pose"] = np.zeros((len(model.parents), 3))
        return cls(model.name, model.hash, **(zero | parts)).applied_to(model)

    def applied_to(self, model: FlameModel) -> "Coefficients":
        """The same with every mode and joint of the model, (I,), (E,) and (J, 3).

        Raises:
            CoefficientError: they belong to another model, or are more than it has.
        """
        check_belongs(self, model.name, model.hash)
        counts = (("identity", model.identity.shape[2]), ("expression", model.expression.shape[2]))
        full = {}
        for part, count in counts:
            given = getattr(self, part)
            if len(given) > count:
                raise CoefficientError(f"There are {len(given)} {part} coefficients, but {model.name} has {count}.")
            full[part] = np.concatenate([given, np.zeros(count - len(given))])
        if len(self.pose) != len(model.parents):
            raise CoefficientError(f"The pose has {len(self.pose)} joints, but {model.name} has {len(model.parents)}.")
        return replace(self, model=model.name, **full)


def check_belongs(coefficients: Coefficients, name: str, model_hash: str) -> None:
    """Raise CoefficientError unless coefficients belong to the model of this name and hash."""
    if coefficients.model_hash != model_hash:
        raise CoefficientError(
            f"These coefficients belong to the model {coefficients.model} ({coefficients.model_hash[:8]}), but the "
            f"head is {name} ({model_hash[:8]}); apply them to a head of their own model."
        )


def _checked_similarity(given: Similarity) -> Similarity:
    try:
        rotation = np.asarray(given.rotation, np.float64).reshape(3, 3)
        placed = Similarity(float(given.scale), rotation, np.asarray(given.translation, np.float64).reshape(3))
    except (ValueError, TypeError) as error:
        raise CoefficientError(f"The coefficients' similarity has the wrong shape or kind: {error}.") from error
    if not all(np.isfinite(part).all() for part in placed) or not placed.scale > 0:
        raise CoefficientError("The coefficients' similarity has numbers that are not finite, or no size.")
    return placed


def read_coefficients(path: Path) -> Coefficients:
    """Read our own ``.npz`` or ``.json``. Raises CoefficientError."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CoefficientError(f"{path.name} is no kind of coefficient file; use one of {', '.join(SUFFIXES)}.")
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise CoefficientError(f"{path.name} is larger than {LARGEST_BYTES // 10**6} MB; coefficients never are.")
        if path.suffix.lower() == ".json":
            values = json.loads(path.read_text(encoding="utf-8"))
        else:
            with np.load(path, allow_pickle=False) as file:
                wanted = ("format", "version", "model", "model_hash", *ARRAYS)
                values = {key: file[key] for key in (*wanted, *(key for key in SIMILARITY if key in file.files))}
        if not isinstance(values, dict) or str(values.get("format")) != FORMAT:
            raise CoefficientError(f"{path.name} is no file of Maquette's coefficients.")
        if int(values["version"]) > VERSION:
            raise CoefficientError(f"{path.name} was made by a newer Maquette; update the extension.")
        placed = Similarity(*(values[key] for key in SIMILARITY)) if SIMILARITY[0] in values else None
        parts = (values[part] for part in ARRAYS)
        return Coefficients(str(values["model"]), str(values["model_hash"]), *parts, placed)
    except KeyError as error:
        raise CoefficientError(f"{path.name} lacks {error.args[0]}.") from error
    except OSError as error:
        raise CoefficientError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (ValueError, TypeError, EOFError, MemoryError, RecursionError, zipfile.BadZipFile) as error:
        raise CoefficientError(f"{path.name} cannot be read as coefficients: {error}.") from error


def write_coefficients(path: Path, coefficients: Coefficients) -> None:
    """Write ``.npz`` or ``.json``, as the name says, to a temporary name first. Raises CoefficientError for others."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CoefficientError(f"{path.name} is no kind of coefficient file; use one of {', '.join(SUFFIXES)}.")
    values = {"format": FORMAT, "version": VERSION, "model": coefficients.model, "model_hash": coefficients.model_hash}
    values |= {part: getattr(coefficients, part) for part in ARRAYS}
    if coefficients.similarity is not None:
        values |= dict(zip(SIMILARITY, coefficients.similarity, strict=True))
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        if path.suffix.lower() == ".npz":
            np.savez_compressed(file, **{key: np.asarray(value) for key, value in values.items()})
        else:
            plain = {key: v.tolist() if isinstance(v, np.ndarray) else v for key, v in values.items()}
            file.write(json.dumps(plain, indent=1).encode())
    temporary.replace(path)
