"""A head model fitted to the surface of a scan, by Gauss-Newton from coarse to fine.

In each round every point of one surface is paired with the nearest of the other, both ways, and one linear system moves
identity, expression, pose and place together so that the points come onto the tangent planes of their partners (Chen
and Medioni, "Object modelling by registration of multiple range images", 1992), under Geman and McClure's robust
weights, with the landmarks as further rows and the model's own distribution (coefficients are standard deviations) as
the prior. The bases are linear, so a few tens of rounds are all it takes, and nothing is random.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ..errors import LandmarkError, ScanError
from ..formats.coefficients import Similarity
from ..formats.flame_model import FlameModel, z_up
from ..formats.landmarks import Landmarks3D
from .model import named_points, skin
from .place import rotation_by, umeyama
from .scan import ScanSurface
from .shape import Parameters, Shape
from .surfaces import MovingSurface

LANDMARK_NOISE = 0.002
"""Metres: how far a click lies from where the model has the landmark, one standard deviation."""
CONTOUR_NOISE = 0.008
"""The same for the 17 points of the jaw's outline, which is another line on the face from every side."""
SURFACE_NOISE = (0.00015, 0.003)
"""Metres, at least and at most, between a scan and the best head of a model, as measured while it is fitted: what a
model cannot show is no reason to strain it, and what it can show exactly is believed."""
SPREADS = {"neck": 0.15, "jaw": 0.15}
"""Standard deviations of what is no identity: radians. A scan is of a calm face, most often."""
LIMITS = {"identity": (-4.5, 4.5), "expression": (-4.5, 4.5), "named expression": (-0.7, 1.5)}
"""What coefficients may be: beyond these a head is nobody's. Modes that have names are gestures, of which 1 is all."""
SIZE_SPREAD = 0.08
"""Standard deviation of the logarithm of the scale, where the scan's unit is unknown: of grown people's heads."""
SAMPLES = 7000
"""Points of the scan that look for the head."""
ALIKE = 0.4
"""Cosine between normals of partners, at least."""


@dataclass(frozen=True)
class Stage:
    """Rounds of one kind.

    Attributes:
        name: for the artist.
        modes: of identity, at most.
        free: whether expression and pose move.
        reach: metres between partners, at most.
        evidence: how many independent measurements the surface counts for; the prior fades as it grows.
        rounds: at most.
    """

    name: str
    modes: int
    free: bool
    reach: float
    evidence: float
    rounds: int


STAGES = (
    Stage("Laying the head on the landmarks", 10, False, 0.0, 0.0, 6),
    Stage("Finding the size and place", 5, False, 0.03, 30, 6),
    Stage("Finding the person", 30, True, 0.02, 100, 10),
    Stage("Fitting the surface", 10_000, True, 0.012, 300, 12),
    Stage("Fitting the surface closely", 10_000, True, 0.008, 600, 16),
)
STALE = 0.01
"""Radians that the pose may change before derivatives are taken anew; in identity and expression they are linear."""
ENOUGH = 2e-5
"""Metres: a round that moves the skin by less on average was the stage's last."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted head.

    Attributes:
        parameters: identity, expression, pose.
        place: from the head (metres, Z up) to the scan in metres.
        vertices: (V, 3) metres, the head in its own frame, Z up.
    """

    parameters: Parameters
    place: Similarity
    vertices: np.ndarray


def start(model: FlameModel, landmarks: Landmarks3D) -> tuple[list[str], Similarity]:
    """The names that model and landmarks share, and where the mean head lies by them.

    Args:
        landmarks: on the scan, metres.

    Raises:
        LandmarkError: they share too few, or left and right are swapped.
        ScanError: the scan's unit makes the face no person's.
    """
    points = named_points(model)
    names = [name for name in landmarks.names if name in points]
    if len(names) < 4:
        raise LandmarkError(
            f"Only {len(names)} of the {len(landmarks.names)} landmarks are ones that the model {model.name} knows; "
            "at least 4 are needed."
        )
    here, there = _points_of(model, names), landmarks.of(names)
    spread = np.linalg.svd(there - there.mean(axis=0), compute_uv=False)
    if spread[1] < 0.05 * spread[0]:
        raise LandmarkError("The landmarks lie on one line, so nobody can tell how the head is turned; click more.")
    place = umeyama(here, there)
    if not 0.5 < place.scale < 2:
        raise ScanError(
            f"In the unit that was given the scan's face is {place.scale:.3g} times as large as a head's; give another "
            "unit, or none for a guess."
        )
    error = _off(place, here, there)
    if _off(umeyama(here * [-1, 1, 1], there), here * [-1, 1, 1], there) < 0.5 * error and error > 0.004:
        raise LandmarkError(
            "The landmarks fit a mirrored head: left and right are the person's own, so swap them, or the scan is "
            "mirrored."
        )
    if error > 0.03:
        raise LandmarkError(
            f"The landmarks are {error * 1000:.0f} mm off a head's on average; check their names and the scan's unit."
        )
    return names, place


def fit_scan(
    shape: Shape, surface: ScanSurface, landmarks: Landmarks3D, place: Similarity, free_size: bool, reporter,
    trust: float = 1.0,
) -> Fit:  # fmt: skip
    """Fit a model to a scan.

    Args:
        shape: the model.
        surface: the scan, metres.
        landmarks: on it, metres; all are the model's.
        place: where the mean head lies roughly.
        free_size: whether the scale is to be found as well, for scans whose unit is unknown.
        reporter: told of stages and rounds; may stop the fit.
        trust: times the surface's evidence; below 1 the head stays nearer to the model's mean.
    """
    return _ScanFit(shape, surface, landmarks, place, free_size, trust).run(reporter)


class _ScanFit:
    def __init__(self, shape, surface, landmarks, place, free_size, trust):
        self.shape, self.surface, self.free_size, self.trust = shape, surface, free_size, trust
        model = shape.model
        self.head = MovingSurface(model.faces)
        outer = skin(model)
        self.skin, self.seen = np.flatnonzero(outer), outer[model.faces].all(axis=1)
        self.samples, self.sample_normals = surface.samples(SAMPLES)
        points = named_points(model)
        self.marks = landmarks.points
        triangles, weights = (np.array(part) for part in zip(*(points[name] for name in landmarks.names)))
        self.mark_corners, self.mark_weights = model.faces[triangles], weights
        contour = np.array([name.startswith("jaw ") for name in landmarks.names])
        self.mark_noise = np.where(contour, CONTOUR_NOISE, LANDMARK_NOISE)
        self.vector = shape.vector(shape.zero())
        self._jacobian, self._jacobian_pose = None, None
        self.place = place
        if not free_size:
            here, there = _points_of(model, landmarks.names), landmarks.points
            self.place = umeyama(here, there, with_scale=False)
        self.first_scale = self.place.scale
        names = {model.joint[name]: name for name in SPREADS if name in model.joint}
        gestures = shape.model.expression_names[:1] != ("expression 1",)
        spreads = [np.ones(shape.identity_count), np.full(shape.expression_count, 0.35 if gestures else 1.0)]
        low, high = LIMITS["named expression" if gestures else "expression"]
        self.low, self.high = (np.full(shape.count, x) for x in (-np.pi / 3, np.pi / 3))
        self.low[: shape.identity_count], self.high[: shape.identity_count] = LIMITS["identity"]
        self.low[shape.identity_count : shape.shapes], self.high[shape.identity_count : shape.shapes] = low, high
        spreads += [np.full(3, SPREADS[names[joint]]) for joint in shape.joints]
        self.spread = np.concatenate(spreads)

    def run(self, reporter) -> Fit:
        for stage in STAGES:
            reporter.stage(stage.name, stage.rounds)
            for k in range(stage.rounds):
                moved = self.round(stage)
                reporter.step(k + 1)
                if moved < ENOUGH:
                    break
        at = self.shape.parameters(self.vector)
        return Fit(at, self.place, self.shape.vertices(at))

    def round(self, stage: Stage) -> float:
        """One Gauss-Newton step. Returns how far the skin moved on average, metres."""
        vertices = self.vertices()
        parts = [self.landmark_rows(vertices)] + (self.surface_rows(vertices, stage) if stage.evidence else [])
        rows = sparse.vstack([part.on_vertices(len(vertices)) for part in parts], format="csr")
        weights, residuals = (np.concatenate([getattr(p, key) for p in parts]) for key in ("weights", "residuals"))
        middle = vertices[self.skin].mean(axis=0)
        free = np.flatnonzero(self.moving(stage))
        # The place turns what the model moves; the model's own derivatives stay in the head's frame.
        turned = sparse.kron(sparse.eye_array(len(vertices)), self.place.scale * self.place.rotation, format="csr")
        own = (rows @ turned).astype(np.float32) @ self.jacobian()[:, free]
        placed = np.concatenate([part.on_place(middle, self.free_size) for part in parts])
        design = np.concatenate([own, placed], axis=1)
        # Of a matrix and its own transpose only half need be computed, so both sides take the root of the weights.
        roots = np.sqrt(weights)
        weighted = design * roots[:, None]
        precision, pull = np.zeros(design.shape[1]), np.zeros(design.shape[1])
        precision[: len(free)] = 1 / self.spread[free] ** 2
        pull[: len(free)] = precision[: len(free)] * self.vector[free]
        if self.free_size:
            precision[-1] = 1 / SIZE_SPREAD**2
            pull[-1] = precision[-1] * np.log(self.place.scale / self.first_scale)
        normal = weighted.T @ weighted + np.diag(precision)
        # A little of Levenberg and Marquardt's damping, for what no row tells anything of.
        normal[np.diag_indices_from(normal)] *= 1 + 1e-6
        step = self.bounded(normal, -(weighted.T @ (roots * residuals)) - pull, free)
        self.vector[free] += step[: len(free)]
        self.move(step[len(free) :], middle)
        return float(np.linalg.norm((self.vertices() - vertices)[self.skin], axis=1).mean())

    def bounded(self, normal: np.ndarray, right: np.ndarray, free: np.ndarray) -> np.ndarray:
        """(P,) the step that solves the normal equations (P, P), (P,), with the free numbers kept within their limits:
        those that would leave them stop there, and the others make up for it."""
        low, high = (np.full(len(right), sign * np.inf) for sign in (-1, 1))
        low[: len(free)], high[: len(free)] = self.low[free] - self.vector[free], self.high[free] - self.vector[free]
        step, held = np.zeros(len(right)), np.zeros(len(right), bool)
        for _ in range(8):
            loose = ~held
            step[loose] = np.linalg.solve(
                normal[np.ix_(loose, loose)], right[loose] - normal[np.ix_(loose, held)] @ step[held]
            )
            over = loose & ((step < low) | (step > high))
            if not over.any():
                break
            held |= over
            step[over] = np.clip(step[over], low[over], high[over])
        return np.clip(step, low, high)

    def moving(self, stage: Stage) -> np.ndarray:
        """(count,) bool: which of the model's numbers a stage may change."""
        free = np.full(len(self.vector), stage.free)
        free[: self.shape.identity_count] = np.arange(self.shape.identity_count) < stage.modes
        return free

    def vertices(self) -> np.ndarray:
        """(V, 3) metres on the scan."""
        return self.place.apply(self.shape.vertices(self.shape.parameters(self.vector)))

    def jacobian(self) -> np.ndarray:
        """(3 V, count) float32 of the head in its own frame; the last one as long as the pose hardly changed."""
        at = self.shape.parameters(self.vector)
        if self._jacobian is None or np.abs(at.pose - self._jacobian_pose).max() > STALE:
            self._jacobian, self._jacobian_pose = self.shape.jacobian(at), at.pose
        return self._jacobian

    def move(self, step: np.ndarray, middle: np.ndarray) -> None:
        """Change the place by a turn (3,) about the middle, a motion (3,) and the logarithm of a size."""
        turn = rotation_by(step[:3])
        size = float(np.exp(step[6])) if self.free_size else 1.0
        scale, rotation, translation = self.place
        self.place = Similarity(
            scale * size, turn @ rotation, size * turn @ (translation - middle) + middle + step[3:6]
        )

    def landmark_rows(self, vertices: np.ndarray) -> "_Rows":
        """The landmarks, each along three axes."""
        here = np.einsum("lk,lkc->lc", self.mark_weights, vertices[self.mark_corners])
        gap = here - self.marks
        weights = _geman(np.linalg.norm(gap, axis=1) / (3 * self.mark_noise)) / self.mark_noise**2
        thrice = [np.repeat(x, 3, axis=0) for x in (self.mark_corners, self.mark_weights, here, weights)]
        return _Rows(*thrice[:2], np.tile(np.eye(3), (len(gap), 1)), thrice[2], gap.reshape(-1), thrice[3])

    def surface_rows(self, vertices: np.ndarray, stage: Stage) -> list["_Rows"]:
        """Partners on the two surfaces, both ways."""
        self.head.move(vertices)
        # From the head to the scan: onto the scan's tangent planes.
        here = vertices[self.skin]
        there, normals, whole = self.surface.nearest(here)
        ok = whole & ((normals * self.head.vertex_normals[self.skin]).sum(axis=1) > ALIKE)
        corners, ones = self.skin[:, None], np.ones((len(here), 1))
        to_scan = self.paired(corners, ones, normals, here, there, ok, self.head.areas[self.skin], stage)
        # From the scan to the head: onto the head's.
        there, face, weights = self.head.nearest(self.samples)
        normals = self.head.normals_at(face, weights)
        ok = ~self.head.on_rim(face, weights) & ((normals * self.sample_normals).sum(axis=1) > ALIKE)
        ok &= self.seen[face]
        even = np.ones(len(there))
        to_head = self.paired(self.head.faces[face], weights, normals, there, self.samples, ok, even, stage)
        return [to_scan, to_head]

    def paired(self, corners, barycentric, normals, here, there, ok, areas, stage: Stage) -> "_Rows":
        """Rows of partners ``here`` (N, 3) on the head and ``there`` (N, 3) on the scan that are ``ok``."""
        gap = here - there
        chosen = np.flatnonzero(ok & (np.linalg.norm(gap, axis=1) < stage.reach))
        along = (gap * normals).sum(axis=1)[chosen]
        noise = 1.4826 * float(np.median(np.abs(along))) if len(along) else np.inf
        noise = min(max(noise, SURFACE_NOISE[0]), SURFACE_NOISE[1])
        weights = areas[chosen] * _geman(along / (3 * noise))
        weights *= 0.5 * self.trust * stage.evidence / noise**2 / max(areas[chosen].sum(), 1e-12)
        return _Rows(corners[chosen], barycentric[chosen], normals[chosen], here[chosen], along, weights)


class _Rows(NamedTuple):
    """Equations: that points of the head lie where they should along one direction each.

    Attributes:
        corners: (N, K) vertices between which the points lie.
        barycentric: (N, K)
        directions: (N, 3) unit.
        points: (N, 3) metres, where the points are now.
        residuals: (N,) metres off along the direction.
        weights: (N,) of the squared residuals.
    """

    corners: np.ndarray
    barycentric: np.ndarray
    directions: np.ndarray
    points: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray

    def on_vertices(self, count: int) -> sparse.csr_array:
        """(N, 3 V) derivatives of the residuals by the placed vertices."""
        columns = self.corners[:, :, None] * 3 + np.arange(3)
        values = self.barycentric[:, :, None] * self.directions[:, None]
        starts = np.arange(0, columns.size + 1, 3 * self.corners.shape[1])
        shape = (len(self.corners), 3 * count)
        return sparse.csr_array((values.reshape(-1), columns.reshape(-1), starts), shape=shape)

    def on_place(self, middle: np.ndarray, size: bool) -> np.ndarray:
        """(N, 6 or 7) by a turn about the middle, a motion, and the logarithm of the size."""
        arm = self.points - middle
        parts = [np.cross(arm, self.directions), self.directions]
        return np.concatenate(parts + ([(arm * self.directions).sum(axis=1, keepdims=True)] if size else []), axis=1)


def _geman(x: np.ndarray) -> np.ndarray:
    """Geman and McClure's weights of residuals in units of their scale."""
    return 1 / (1 + x * x) ** 2


def _points_of(model: FlameModel, names) -> np.ndarray:
    """(L, 3) metres, Z up: landmarks of the template."""
    points = named_points(model)
    triangles, weights = (np.array(part) for part in zip(*(points[name] for name in names)))
    return np.einsum("lk,lkc->lc", weights, z_up(model.template)[model.faces[triangles]])


def _off(place: Similarity, here: np.ndarray, there: np.ndarray) -> float:
    """Metres between points and their goals, on average, in the head's size."""
    return float(np.linalg.norm(place.apply(here) - there, axis=1).mean() / place.scale)
