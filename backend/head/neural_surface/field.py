"""The fitted networks as a field of signed distances, and to and from their file (formats/neural_field.py)."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ...errors import FieldError
from ...formats.neural_field import NeuralFieldFile, read_neural_file, write_neural_file
from ..priors.semantics import BACKGROUND, CLASSES
from ..sdf_mesh import BakedMesh
from .config import NeuralConfig
from .networks import Networks

AT_ONCE = 1 << 15
# Sizes above which a file's networks are not made.
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
            network(torch.from_numpy(inside[start : start + AT_ONCE].astype(np.float32)).to(device)).cpu().numpy()
            for start in range(0, len(inside), AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def write_neural_field(path: Path, found: NeuralField) -> None:
    """Write a field to a temporary name, and rename it."""
    weights = {name: value.cpu().numpy() for name, value in found.networks.state_dict().items()}
    config = dataclasses.asdict(found.config)
    write_neural_file(
        path, NeuralFieldFile(config, weights, found.world_to_field, found.low, found.high, found.labelled)
    )


def read_neural_field(path: Path, device: torch.device | str = "cpu") -> NeuralField:
    """Read a field.

    Raises:
        FieldError: it cannot be read, or is no such file; the sentence says why.
    """
    read, name = read_neural_file(path), Path(path).name
    config = _config(read.config, name)
    # Shapes first: a file may ask for any size, and has to bring as much.
    with torch.device("meta"):
        expected = {key: tuple(value.shape) for key, value in Networks(config).state_dict().items()}
    if {key: value.shape for key, value in read.weights.items()} != expected:
        raise FieldError(f"{name} does not hold the weights of networks of its own sizes; fit it again.")
    networks = Networks(config)
    networks.load_state_dict({key: torch.from_numpy(value) for key, value in read.weights.items()})
    place = (read.world_to_field, read.low, read.high, read.labelled)
    return NeuralField(networks.to(device).eval(), config, *place)


def _config(values: dict, name: str) -> NeuralConfig:
    """The sizes that a file tells; the rest of its config was of use while it was fitted."""
    for key, most in MOST.items():
        if not (isinstance(values.get(key), int) and 0 < values[key] <= most):
            raise FieldError(f"{name} asks for networks of {key} {values.get(key)!r}; from 1 to {most} are read.")
    return NeuralConfig(**{key: values[key] for key in MOST})
