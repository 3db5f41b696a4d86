"""The fitted networks as a field of signed distances, and their file: one ``.npz`` of plain arrays.

- ``format``, ``version``, ``config``: JSON of NeuralConfig.
- ``world_to_field`` (4, 4): from metres to the unit sphere. ``low``, ``high`` (3,): metres, the head's box.
- ``network:NAME``: float32 weights, by their names in ``networks.Networks``.
"""

import dataclasses
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ...errors import FieldError
from ..priors.semantics import BACKGROUND, CLASSES
from ..sdf_mesh import BakedMesh
from .config import NeuralConfig, Weights
from .networks import Networks

FORMAT, VERSION = "maquette-neural-field", 1
AT_ONCE = 1 << 15
LARGEST_BYTES = 2 * 10**9
MOST = {"layers": 32, "width": 4096, "features": 4096, "bands": 16, "renderer_layers": 32, "renderer_width": 4096,
        "view_bands": 16, "semantic_layers": 32, "semantic_width": 4096}  # fmt: skip


@dataclass(eq=False)
class NeuralField:
    """A head's networks as ``sdf_field.Field``.

    Attributes:
        networks: fitted.
        config: their sizes.
        world_to_field: (4, 4) float64 similarity from the capture's world to the unit sphere.
        low, high: (3,) float64, the head's box in the capture's world.
        labelled: whether the semantic network was taught.
        cameras: view → (4, 4) float64 world to camera, where they moved.
        report: JSON-able.
        history: losses of each epoch.
    """

    networks: Networks
    config: NeuralConfig
    world_to_field: np.ndarray
    low: np.ndarray
    high: np.ndarray
    labelled: bool = False
    cameras: dict[str, np.ndarray] = field(default_factory=dict)
    report: dict = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def radius(self) -> float:
        """Of the unit sphere, in the capture's unit."""
        return float(1 / np.cbrt(np.linalg.det(self.world_to_field[:3, :3])))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Signed distances (N,) at points (N, 3). Outside of the unit sphere, where nothing was learnt, there is
        nothing."""
        inside = self._inside(points)
        found = self._asked(inside, lambda x: self.networks.surface.distance(x))
        return self.radius * np.maximum(found, np.linalg.norm(inside, axis=1) - 1)

    def labels(self, points: np.ndarray) -> np.ndarray:
        """(N,) uint8 into ``semantics.CLASSES`` at points (N, 3)."""

        def best(x: torch.Tensor) -> torch.Tensor:
            logits = self.networks.semantics(x)
            logits[:, BACKGROUND] = -torch.inf
            return logits.argmax(dim=1)

        return self._asked(self._inside(points), best).astype(np.uint8)

    def with_regions(self, mesh: BakedMesh) -> BakedMesh:
        """The mesh of this field with its vertices' classes as regions."""
        if not self.labelled:
            return mesh
        label = self.labels(mesh.vertices)
        regions = {name: np.flatnonzero(label == k) for k, name in enumerate(CLASSES)}
        return dataclasses.replace(mesh, regions={name: found for name, found in regions.items() if len(found)})

    def _inside(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(points, np.float64) @ self.world_to_field[:3, :3].T + self.world_to_field[:3, 3]

    @torch.no_grad()
    def _asked(self, inside: np.ndarray, network) -> np.ndarray:
        device = next(self.networks.parameters()).device
        parts = [
            network(torch.from_numpy(inside[start : start + AT_ONCE]).to(device, torch.float32)).cpu().numpy()
            for start in range(0, len(inside), AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def write_neural_field(path: Path, found: NeuralField) -> None:
    """Write a field to a temporary name, and rename it."""
    path = Path(path)
    arrays = {f"network:{name}": value.cpu().numpy() for name, value in found.networks.state_dict().items()}
    about = {
        "format": np.array(FORMAT), "version": np.array(VERSION), "labelled": np.array(found.labelled),
        "config": np.array(json.dumps(dataclasses.asdict(found.config))),
        "world_to_field": found.world_to_field, "low": found.low, "high": found.high,
    }  # fmt: skip
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez(file, **about, **arrays)
    temporary.replace(path)


def is_neural_field(path: Path) -> bool:
    """Whether a file is one that ``write_neural_field`` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "world_to_field.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_neural_field(path: Path, device: torch.device | str = "cpu") -> NeuralField:
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
            config = _config(json.loads(str(file["config"])), path.name)
            networks = Networks(config)
            named = {name: torch.from_numpy(file[f"network:{name}"]) for name in networks.state_dict()}
            networks.load_state_dict(named)
            matrix, low, high = (np.asarray(file[key], np.float64) for key in ("world_to_field", "low", "high"))
            labelled = bool(file["labelled"])
        finite = all(np.isfinite(part).all() for part in (matrix, low, high))
        if (matrix.shape, low.shape, high.shape) != ((4, 4), (3,), (3,)) or not finite or not (high > low).all():
            raise FieldError(f"{path.name} does not say where its head lies; fit it again.")
        return NeuralField(networks.to(device).eval(), config, matrix, low, high, labelled)
    except FieldError:
        raise
    except OSError as error:
        raise FieldError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (KeyError, ValueError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise FieldError(f"{path.name} cannot be read as a fitted network: {error}.") from error


def _config(values: dict, name: str) -> NeuralConfig:
    """Of a file that nobody has checked yet: sizes first, before any room is made for them."""
    for key, most in MOST.items():
        if not (isinstance(values.get(key), int) and 0 < values[key] <= most):
            raise FieldError(f"{name} asks for networks of {key} {values.get(key)!r}; at most {most} is read.")
    known = {field.name for field in dataclasses.fields(NeuralConfig)} - {"weights"}
    return NeuralConfig(
        **{key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if key in known},
        weights=Weights(**values.get("weights", {})),
    )
