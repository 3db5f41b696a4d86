"""How far apart two heads are: from points of each to the surface of the other."""

from dataclasses import dataclass

import numpy as np

from ..fit.surfaces import on_rim
from ..formats.coefficients import Similarity
from ..protocol import Reporter
from .head_meshes import Crop, HeadMesh, even_samples, seen_from_outside

AT_ONCE = 50_000
"""Points asked between two looks at whether the artist has had enough."""
COLUMNS = ("mean", "median", "p95", "rms", "max")
DIRECTIONS = {"prediction_to_truth": "prediction to truth", "truth_to_prediction": "truth to prediction"}


@dataclass(frozen=True, eq=False)
class HeadDistances:
    """What was measured.

    Attributes:
        figures: direction (of ``DIRECTIONS``) → {mean, median, p95, rms, max: mm, None where nothing counts; points}.
        prediction_errors: (V,) metres of each vertex of the prediction's file to the truth, above 0 outside it; NaN
            where it does not count.
        truth_errors: (V',) likewise of the truth's vertices to the prediction.
    """

    figures: dict[str, dict]
    prediction_errors: np.ndarray
    truth_errors: np.ndarray

    def rows(self) -> list[dict]:
        return [{"direction": DIRECTIONS[key], **figures} for key, figures in self.figures.items()]

    def csv(self) -> str:
        lines = ["direction," + ",".join(f"{column}_mm" for column in COLUMNS) + ",points"]
        for row in self.rows():
            cells = ["" if row[column] is None else f"{row[column]:.5f}" for column in COLUMNS]
            lines.append(",".join([row["direction"], *cells, str(row["points"])]))
        return "\n".join([*lines, ""])


def measure_heads(
    prediction: HeadMesh,
    truth: HeadMesh,
    similarity: Similarity,
    crop: Crop,
    *,
    points: int,
    outside: bool,
    seed: int,
    reporter: Reporter,
) -> HeadDistances:
    """Point to surface both ways, after the prediction was moved by a similarity.

    A point of the prediction counts where the nearest of the truth is in the crop, and is not on the truth's open
    border: beyond it there is no truth. A point of the truth in the crop always counts, so that what the prediction
    lacks is an error.

    Args:
        similarity: from the prediction to the truth, metres.
        points: spread evenly over each surface.
        outside: leave out what cannot be seen from outside, of either mesh.
        seed: of the places of the points.
        reporter: told of every part of the points.
    """
    first, second = prediction.surface, truth.surface
    total = 2 * points + len(first.vertices) + len(second.vertices)
    reporter.stage("Measuring", total)
    done = 0

    def to_truth(there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed metres from points (N, 3), as they lie on the truth, and which of them count."""
        nonlocal done
        signed, counts = np.empty(len(there)), np.empty(len(there), bool)
        for part in _parts(len(there)):
            near, face, weights = second.nearest(there[part])
            signed[part] = _signed(there[part], near, second.pseudonormals(face, weights))
            counts[part] = crop.inside(face, near) & ~on_rim(truth.open_edges, face, weights)
            done += len(near)
            reporter.step(done)
        return signed, counts

    def to_prediction(there: np.ndarray) -> np.ndarray:
        nonlocal done
        back, signed = (there - similarity.translation) @ similarity.rotation / similarity.scale, np.empty(len(there))
        for part in _parts(len(there)):
            near, face, weights = first.nearest(back[part])
            signed[part] = similarity.scale * _signed(back[part], near, first.pseudonormals(face, weights))
            done += len(near)
            reporter.step(done)
        return signed

    def seen(mesh: HeadMesh, where: np.ndarray, face: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the samples, and which of the surface's vertices, count by being seen."""
        reporter.check()
        surface = mesh.surface
        points = np.concatenate([where, surface.vertices])
        normals = np.concatenate([surface.smooth_normals(face, weights), surface.vertex_normals])
        found = seen_from_outside(mesh, points, normals) if outside else np.ones(len(points), bool)
        return found[: len(where)], found[len(where) :]

    where, face, weights = even_samples(first, points, seed=seed)
    sampled, corners = seen(prediction, where, face, weights)
    signed, counts = to_truth(similarity.apply(where))
    figures = {"prediction_to_truth": _figures(np.abs(signed[sampled & counts]))}
    signed, counts = to_truth(similarity.apply(first.vertices))
    of_prediction = np.where(corners & counts, signed, np.nan)[prediction.welding[1]]

    where, face, weights = even_samples(second, points, crop.faces, seed)
    sampled, corners = seen(truth, where, face, weights)
    figures["truth_to_prediction"] = _figures(np.abs(to_prediction(where)[sampled & crop.inside(face, where)]))
    inside = np.zeros(len(second.vertices), bool)
    inside[second.faces[crop.faces]] = True
    if crop.point is not None:
        inside &= (second.vertices - crop.point) @ crop.normal >= 0
    of_truth = np.where(corners & inside, to_prediction(second.vertices), np.nan)[truth.welding[1]]
    return HeadDistances(figures, of_prediction, of_truth)


def _parts(count: int):
    return [slice(start, start + AT_ONCE) for start in range(0, count, AT_ONCE)]


def _signed(points: np.ndarray, near: np.ndarray, normals: np.ndarray) -> np.ndarray:
    offset = points - near
    return np.where((offset * normals).sum(axis=1) < 0, -1.0, 1.0) * np.linalg.norm(offset, axis=1)


def _figures(distance: np.ndarray) -> dict:
    if not len(distance):
        return dict.fromkeys(COLUMNS) | {"points": 0}
    values = {
        "mean": distance.mean(), "median": np.median(distance), "p95": np.quantile(distance, 0.95),
        "rms": np.sqrt((distance**2).mean()), "max": distance.max(),
    }  # fmt: skip
    return {key: round(1000 * float(value), 5) for key, value in values.items()} | {"points": len(distance)}
