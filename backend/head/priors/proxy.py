"""The fitted face as a prior (prior-guided-head, section III-C): where the surface of the face about is."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...contract import BUILT_IN
from ...errors import HeadError
from ...fit.model import HIDDEN, model_to_fit, regions_of
from ...formats.coefficients import check_belongs, read_coefficients
from ...formats.head import read_mesh
from ...formats.mesh_ply import read_ply_vertices
from ...geometry.raster import rasterise
from .semantics import CLASSES, HAIR, NOT_SAID
from .views import HeadView

LABELLED = {
    "neck": "body", "face": "face", "scalp": "face", "nose": "nose", "ears": "face", "left_ear": "face",
    "right_ear": "face", "lips": "lips", "eyebrows": "eyebrows", "eyes": "eyes",
}  # fmt: skip
"""Regions of a head → classes. They overlap: a later one wins."""
LINING = ("mouth_pocket", "left_eyeball", "right_eyeball", "eyes")
"""What no picture shows, or what moves in its socket: no part of the face's prior."""
SIDE = 256
"""Pixels of the pictures that tell which of the face is seen."""
SLACK = 0.02
"""How far behind the first surface a vertex still counts as seen, as a share of the head's size."""


@dataclass(frozen=True, eq=False)
class Proxy:
    """A head that was fitted to the photographs.

    Attributes:
        vertices: (V, 3) float64 in the capture's world and unit.
        faces: (F, 3) int32.
        regions: region → vertices, such as "face", "lips"; empty for a mesh that nobody divided.
        name: of its model or file.
    """

    vertices: np.ndarray
    faces: np.ndarray
    regions: dict[str, np.ndarray]
    name: str = ""

    def scaled(self, factor: float) -> "Proxy":
        """The head where every length of the world is ``factor`` times as long."""
        return replace(self, vertices=factor * self.vertices)

    def face(self) -> np.ndarray:
        """(F,) bool: triangles of the face's skin; all where nobody divided the mesh."""
        if "face" not in self.regions:
            return np.ones(len(self.faces), bool)
        inside = np.zeros(len(self.vertices), bool)
        inside[self.regions["face"]] = True
        for name in LINING:
            inside[self.regions.get(name, [])] = False
        return inside[self.faces].all(axis=1)

    def seen_face(self, views: list[HeadView]) -> np.ndarray:
        """(F,) bool: triangles of the face that the photographs show, and do not show hair before."""
        seen, bare = np.zeros((2, len(self.vertices)), int)
        size = np.linalg.norm(np.ptp(self.vertices, axis=0))
        for view in (view.reduced(SIDE) for view in views):
            camera = view.camera
            pixels, depth = camera.project(self.vertices)
            drawn = rasterise(pixels, depth, self.faces, (camera.width, camera.height))
            here = drawn.seen(pixels, depth, SLACK * size)
            column, row = np.floor(np.nan_to_num(pixels)).clip(0, [camera.width - 1, camera.height - 1]).astype(int).T
            skin = np.ones(len(here), bool)
            if view.person is not None:
                skin &= view.person[row, column] > 0.5
            if view.hair is not None:
                skin &= view.hair[row, column] < 0.5
            seen += here
            bare += here & skin
        good = (seen > 0) & (2 * bare > seen)
        return self.face() & good[self.faces].all(axis=1)

    def samples(self, triangles: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Points (count, 3) spread over triangles (F,) bool by their area, and those triangles' unit normals."""
        chosen = np.flatnonzero(triangles)
        corners = self.vertices[self.faces[chosen]]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(normal, axis=1)
        which = rng.choice(len(chosen), count, p=area / area.sum())
        # Even over a triangle (Turk, Generating Random Points in Triangles, 1990).
        root, other = np.sqrt(rng.random(count)), rng.random(count)
        weights = np.stack([1 - root, root * (1 - other), root * other], axis=1)
        points = np.einsum("nk,nkc->nc", weights, corners[which])
        return points, normal[which] / np.maximum(area[which], 1e-20)[:, None]

    def labels(self, view: HeadView) -> np.ndarray | None:
        """(H, W) uint8 classes that this head has in a picture, and hair where its mask has it.

        It says nothing that the head and the masks did not say before: a table of experiments counts it as no
        semantics. None where the mesh has no regions.
        """
        if not self.regions:
            return None
        vertex = np.full(len(self.vertices), NOT_SAID, np.uint8)
        for region, name in LABELLED.items():
            vertex[self.regions.get(region, [])] = CLASSES.index(name)
        corners = vertex[self.faces]
        triangle = np.where(corners[:, 1] == corners[:, 2], corners[:, 1], corners[:, 0])
        pixels, depth = view.camera.project(self.vertices)
        drawn = rasterise(pixels, depth, self.faces, (view.camera.width, view.camera.height))
        labels = np.where(drawn.covered, triangle[np.maximum(drawn.face, 0)], NOT_SAID).astype(np.uint8)
        if view.hair is not None:
            labels[view.hair > 0.5] = HAIR
        if view.person is not None:
            labels[view.person <= 0.5] = CLASSES.index("background")
        return labels


def read_proxy(path: Path, model: str = BUILT_IN) -> Proxy:
    """A fitted head from the folder that ``fit-photos`` left, or from any mesh file in the capture's world.

    Args:
        path: folder or file.
        model: the head model that was fitted, as ``fit-photos`` takes it.

    Raises:
        HeadError, CoefficientError: it cannot be read, or belongs to another model.
    """
    path = Path(path)
    if not path.is_dir():
        head = read_mesh(path)
        return Proxy(np.asarray(head.vertices, np.float64), head.faces, dict(head.regions), path.stem)
    if not (path / "coefficients.npz").is_file():
        raise HeadError(f"{path.name} holds no fitted head (coefficients.npz); choose the folder of a Fit to Photos.")
    fitted = model_to_fit(model)
    check_belongs(read_coefficients(path / "coefficients.npz"), fitted.name, fitted.hash)
    columns = read_ply_vertices(path / "head.ply")
    vertices = np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float64)
    if len(vertices) != len(fitted.template):
        raise HeadError(f"The head in {path.name} does not have the vertices of {fitted.name}; fit it again.")
    return Proxy(vertices, fitted.faces, regions_of(fitted, (*LABELLED, *HIDDEN, *LINING)), fitted.name)
