"""A scan's file and its landmarks taken to a fitted head: what a fit and a registration both begin with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..formats.coefficients import Coefficients, Similarity
from ..formats.flame_model import FlameModel
from ..formats.landmarks import Landmarks3D, read_landmarks
from .model import landmarks_of, model_to_fit, named_points
from .one_head import of_one_head
from .scan import AVERAGE, REACH, Scan, ScanSurface, check_landmarks_on, metres_per_unit, read_scan, thinned
from .scan_fit import fit_scan, start
from .shape import Parameters, Shape
from .surfaces import MovingSurface

STRANGE = 0.05
"""Share of a scan, lying apart from the head, from which the artist is told."""


@dataclass(frozen=True, eq=False)
class HeadOnScan:
    """A model fitted to a scan.

    Attributes:
        model: what was fitted.
        scan: as its file has it.
        metres: in one unit of it; ``unit`` is its name, or "", and ``unit_source`` where that comes from, in words.
        landmarks: on the scan, metres, those that the model knows.
        parameters: identity, expression, pose.
        place: from the head (metres, Z up) to the scan in metres.
        vertices: (V, 3) metres, the head in its own frame.
        surface: the scan's head, metres, as the fit saw it.
    """

    model: FlameModel
    scan: Scan
    metres: float
    unit: str
    unit_source: str
    landmarks: Landmarks3D
    parameters: Parameters
    place: Similarity
    vertices: np.ndarray
    surface: ScanSurface

    @property
    def on_file(self) -> Similarity:
        """From the head (metres, Z up) to the scan's own unit and axes."""
        return Similarity(self.place.scale / self.metres, self.place.rotation, self.place.translation / self.metres)

    @property
    def coefficients(self) -> Coefficients:
        """The head with its place in the scan's file."""
        at = self.parameters
        return Coefficients.of(
            self.model, identity=at.identity, expression=at.expression, pose=at.pose, similarity=self.on_file
        )

    def landmark_errors(self) -> dict:
        """Millimetres between the head's landmarks and the scan's: mean, max, and each by name."""
        points, vertices = named_points(self.model), self.place.apply(self.vertices)
        names = self.landmarks.names
        here = np.stack([points[name][1] @ vertices[self.model.faces[points[name][0]]] for name in names])
        off = (1000 * np.linalg.norm(here - self.landmarks.points, axis=1)).round(3)
        each = dict(zip(names, off.tolist(), strict=True))
        return {"mean": round(float(off.mean()), 3), "max": float(off.max()), "each": each}

    def surface_within(self, reach: float) -> ScanSurface:
        """The scan's surface up to ``reach`` metres around the landmarks, its normals turned outwards by the head."""
        return _surface(self.scan, self.metres, self.landmarks, self.model, self.place.apply(self.vertices), reach)


def lay_head_on_scan(
    scan_file: Path, landmarks_file: Path, model_name: str, said_unit: str, identity: int, expression: bool, device,
    reporter, trust: float = 1.0,
) -> HeadOnScan:  # fmt: skip
    """Read a scan and fit a head model to it.

    Args:
        scan_file, landmarks_file: as ``read_scan`` and ``read_landmarks`` take them.
        model_name: as ``model_to_fit`` takes it.
        said_unit: of the scan, or "".
        identity: modes in use; 0 for all.
        expression: whether expression and jaw are in use.
        device: where derivatives are taken.
        reporter: told of stages and rounds; may stop the fit.
        trust: times the surface's evidence; below 1 the head stays nearer to the model's mean.
    """
    reporter.stage("Reading the scan", 3)
    model = model_to_fit(model_name, reporter.warning)
    landmarks = read_landmarks(landmarks_file)
    reporter.step()
    scan = read_scan(scan_file)
    check_landmarks_on(scan, landmarks)
    metres, unit, source = metres_per_unit(said_unit, landmarks, landmarks_of(model))
    in_metres = Landmarks3D(landmarks.names, landmarks.points * metres)
    names, place = start(model, in_metres)
    in_metres = Landmarks3D(tuple(names), in_metres.of(names))
    whole, scan = len(scan.points), thinned(scan, metres, in_metres.points.mean(axis=0))
    if len(scan.points) < whole:
        reporter.log(f"{len(scan.points):,} of the {whole:,} points of {scan.name} are used; a head needs no more.")
    reporter.step()
    shape = Shape(model, identity, expression, device)
    mean_head = shape.vertices(shape.zero())
    scan, others = of_one_head(scan, metres, place.apply(mean_head))
    if others > STRANGE:
        reporter.warning(
            f"{others:.0%} of what {scan.name} shows around the head lies apart from it and is left out; the head is "
            "the one with the landmarks."
        )
    surface = _surface(scan, metres, in_metres, model, place.apply(mean_head))
    reporter.step()
    fit = fit_scan(shape, surface, in_metres, place, source == AVERAGE, reporter, trust)
    place = fit.place
    if source == AVERAGE:
        # Nobody knows the scan's unit, so it is as large as the fitted head says, and its millimetres are the head's.
        metres, place = metres / place.scale, Similarity(1.0, place.rotation, place.translation / place.scale)
        in_metres = Landmarks3D(in_metres.names, landmarks.of(names) * metres)
        surface = _surface(scan, metres, in_metres, model, place.apply(mean_head))
    return HeadOnScan(model, scan, metres, unit, source, in_metres, fit.parameters, place, fit.vertices, surface)


def _surface(
    scan: Scan, metres: float, landmarks: Landmarks3D, model: FlameModel, vertices: np.ndarray, reach: float = REACH
) -> ScanSurface:
    head = MovingSurface(model.faces)
    head.move(vertices)

    def outward(points: np.ndarray) -> np.ndarray:
        return head.normals_at(*head.nearest(points)[1:])

    return ScanSurface(scan, metres, landmarks.points.mean(axis=0), outward, reach)
