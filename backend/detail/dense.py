"""A model's dense head: what registration, baking and animation have in common.

``python -m backend.detail.dense`` makes the built-in head's layout, assets/built_in_layout.npz.
"""

import argparse
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ..errors import HeadError
from ..fit.shape import Parameters, Shape
from ..formats.flame_model import FlameModel, z_up
from ..formats.layout import BUILT_IN_LAYOUT, Layout, read_layout, topology_hash, uv_hash, write_layout
from .carried import Carried
from .layout import make_layout
from .regions import with_regions
from .smoothing import rounds_of, smoothed
from .subdivision import Subdivision, levels_for, subdivide
from .turning import Turning


@dataclass(frozen=True, eq=False)
class DenseHead:
    """A subdivided head model in its layout. Everything is in metres, Z up, looking along -Y.

    Attributes:
        model: that is subdivided.
        subdivision: from its V vertices and F triangles to W and G.
        layout: custom, of the model's own triangles.
        smoothed: whether ``subdivision`` smooths its surface by region (B.1); displacements are then from that surface.
    """

    model: FlameModel
    subdivision: Subdivision
    layout: Layout
    smoothed: bool = False

    @property
    def faces(self) -> np.ndarray:
        """(G, 3) int32"""
        return self.subdivision.faces

    @property
    def vertex_count(self) -> int:
        """W"""
        return self.subdivision.matrix.shape[0]

    @property
    def layout_hash(self) -> str:
        """Of the custom layout, as maps carry it."""
        return self.layout.hash

    @property
    def said(self) -> dict[str, str | bool]:
        """What files of detail say of the head that it belongs to: layout, model, model_hash, smoothed."""
        facts = {"layout": self.layout_hash, "model": self.model.name, "model_hash": self.model.hash}
        return facts | {"smoothed": self.smoothed}

    @cached_property
    def uv(self) -> np.ndarray:
        """(G, 3, 2) float32 of the dense triangles' corners in the custom layout."""
        return self.subdivision.corner_values(self.layout.uv)

    @cached_property
    def standard_uv(self) -> np.ndarray:
        """(G, 3, 2) float32 in the model's own UVs. Raises HeadError if it has none."""
        if self.model.uv is None:
            raise HeadError(
                f"The head model {self.model.name} has no UVs of its own; put FLAME_texture.npz beside its file, or "
                "use the custom layout."
            )
        return self.subdivision.corner_values(self.model.uv)

    @cached_property
    def standard_hash(self) -> str:
        """Of the model's own UVs, as maps carry it."""
        return uv_hash(self.model.uv) if self.model.uv is not None else ""

    @cached_property
    def chart(self) -> np.ndarray:
        """(G,) int32 number of each dense triangle's chart, in ``layout.names``."""
        return self.layout.chart[self.subdivision.parents]

    @cached_property
    def regions(self) -> dict[str, np.ndarray]:
        """Name → dense vertices, derived where the model has none."""
        return self.subdivision.regions(with_regions(self.model))

    @cached_property
    def _shape(self) -> Shape:
        return Shape(self.model)

    def coarse(self, identity=None, expression=None, pose=None) -> np.ndarray:
        """(V, 3) float64 of the model itself; what is None is zero, as are modes that are not given.

        Args:
            identity: (<= I,) standard deviations.
            expression: (<= E,)
            pose: (J, 3) axis times angle in radians, in the model's own frame.
        """
        zero = self._shape.zero()
        return self._shape.vertices(
            Parameters(_filled(identity, zero.identity), _filled(expression, zero.expression), _filled(pose, zero.pose))
        )

    def vertices(self, identity=None, expression=None, pose=None) -> np.ndarray:
        """(W, 3) float64 of the dense head without displacement; arguments as ``coarse`` has them."""
        return self.subdivision.dense(self.coarse(identity, expression, pose))

    def rest(self, identity=None) -> np.ndarray:
        """(W, 3) float64 without expression, in the rest pose: what displacements are stored against."""
        return self.vertices(identity)

    def displaced(self, displacement: np.ndarray, identity=None, expression=None, pose=None) -> np.ndarray:
        """(W, 3) float64 with the rest head's displacements (W, 3), turned along with the surface (B.1)."""
        rest = self.rest(identity)
        if expression is None and pose is None:
            return rest + displacement
        return self.carried(displacement, identity).on(self.vertices(identity, expression, pose))

    def carried(self, displacement: np.ndarray, identity=None) -> Carried:
        """The rest head's displacements (W, 3), ready to be laid on the person posed again and again."""
        return Carried(self.turning, self.rest(identity), displacement)

    def to_rest(self, displacement: np.ndarray, posed: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """(W, 3) float64 displacements of a posed head as the rest head has them: the inverse of ``displaced``.

        Args:
            displacement: (W, 3) metres, object axes of the posed head.
            posed, rest: (W, 3) the dense heads of one person without displacement.
        """
        turns = self.turning.between(self.turning.frames(rest), self.turning.frames(posed))
        return np.einsum("wba,wb->wa", turns, displacement)

    @cached_property
    def turning(self) -> Turning:
        """How its surface turns from one pose to another."""
        return Turning(self.subdivision, self.model.faces, self.layout.uv, self.coarse())


def dense_head(model: FlameModel, layout: Layout | None = None, smooth: bool = False) -> DenseHead:
    """The dense head of a model, kept for the last few models of this process.

    Args:
        model: as ``fit.model.model_to_fit`` reads it.
        layout: an artist's own; else the built-in head's, or one that is made now (3 s for FLAME).
        smooth: its surface by region, as HeadCraft does before it adds displacements (``smoothing``).

    Raises:
        HeadError: the layout belongs to other triangles, or none can be made.
    """
    if layout is None:
        return _dense_head(model, smooth)
    if layout.topology != topology_hash(model.faces) or len(layout.uv) != len(model.faces):
        raise HeadError(f"The layout was made for another mesh than {model.name}; make it for this head model.")
    return DenseHead(model, _subdivision(model, smooth), layout, smooth)


def built_in_layout(model: FlameModel) -> Layout | None:
    """The layout that comes with the extension, if the model has the built-in head's triangles."""
    layout = read_layout(BUILT_IN_LAYOUT)
    return layout if layout.topology == topology_hash(model.faces) else None


def layout_of(model: FlameModel, seam: np.ndarray | None = None) -> Layout:
    """Make the custom layout of a model's triangles on its template; ``seam`` (S, 2) is an artist's."""
    return make_layout(z_up(model.template).astype(np.float64), model.faces, with_regions(model), seam)


@lru_cache(maxsize=4)
def _dense_head(model: FlameModel, smooth: bool) -> DenseHead:
    return DenseHead(model, _subdivision(model, smooth), built_in_layout(model) or layout_of(model), smooth)


def _subdivision(model: FlameModel, smooth: bool) -> Subdivision:
    found = subdivide(model.faces, len(model.template), levels_for(len(model.template)))
    if not smooth:
        return found
    return smoothed(found, rounds_of(found.regions(with_regions(model)), found.matrix.shape[0]))


def _filled(given, zero: np.ndarray) -> np.ndarray:
    result = zero.copy()
    if given is not None:
        result[: len(given)] = given
    return result


def main():
    from ..formats.flame_files import read_flame_model
    from ..formats.head import BUILT_IN_HEAD

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[2])
    parser.add_argument("--out", type=Path, default=BUILT_IN_LAYOUT, help="the .npz to write")
    settings = parser.parse_args()
    layout = layout_of(read_flame_model(BUILT_IN_HEAD, extras=()))
    write_layout(settings.out, layout)
    print(f"{settings.out}: {len(layout.names)} charts, {settings.out.stat().st_size / 1e3:.0f} kB, {layout.hash}")


if __name__ == "__main__":
    main()
