"""A head laid into a capture by silhouettes: scale, rotation over the full circle, translation.

The full circle is about the vertical, which the cameras tell where the capture's world does not stand upright.
What is used, in each view: the head lies inside the person (hair and visible skin together); where skin meets the
background, the head's own outline runs; skin is seen where the head is no scalp. First many poses are scored on a few
points, then the best are refined by matching outlines, as in iterative closest points (Besl & McKay, 1992; point to
line, Chen & Medioni, 1992), with a robust loss because hair and clothes hide and add outlines.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from ..capture.upright import upright_turn
from ..errors import CaptureError
from ..formats.head import Head
from .silhouette import Outline, Shape, moved, outline, sample

COARSE_SIDE, FINE_SIDE = 96, 320
COARSE_VIEWS, FINE_VIEWS = 6, 12
YAWS = 24
KEPT = 3
"""Poses that are refined at low resolution, at least 60 degrees of yaw apart: refinement turns a head that far."""


@dataclass(frozen=True)
class Alignment:
    """Where a head lies in a capture.

    Attributes:
        matrix: (4, 4) float64 similarity from the head's frame to the capture's, metres.
        overlap: intersection over union of the head's visible part and the skin's masks, over all views used.
        outline_error: median distance in pixels of the original pictures between skin's edge and the head's outline.
        ambiguous: another, different pose explains the masks nearly as well, or the masks say too little.
        reason: one sentence for the artist, empty where nothing is doubtful.
    """

    matrix: np.ndarray
    overlap: float
    outline_error: float
    ambiguous: bool
    reason: str = ""


def align_head(head: Head, views: list, reporter=None) -> Head:
    """The head in the capture's frame; a doubtful pose is reported as a warning.

    Args:
        head: metres.
        views: ``hair.views.HairView`` without distortion, with masks.
        reporter: of a job, or None.
    """
    alignment = fit_pose(head, views, reporter)
    if alignment.reason and reporter is not None:
        reporter.warning(alignment.reason)
    return head.transformed(alignment.matrix)


def fit_pose(head: Head, views: list, reporter=None) -> Alignment:
    """Find the similarity that lays a head into the views. Raises CaptureError when their masks cannot tell."""
    _enough(views)
    tick = (lambda n: None) if reporter is None else reporter.step
    shape = Shape(head)
    turn = upright_turn([np.asarray(view.world_to_camera) for view in views])

    def seen(most: int, side: int) -> list[Outline]:
        return [outline(view, side).turned(turn) for view in _spread(views, most)]

    coarse = seen(COARSE_VIEWS, COARSE_SIDE)
    if not any((o.hair | o.skin).any() for o in coarse):
        raise CaptureError("All masks are empty, so there is nothing to lay the head into.")
    with_skin = any(o.skin.any() for o in coarse)

    candidates = _search(shape, coarse)
    tick(1)
    refined = sorted(
        (_refined(shape, coarse, matrix, rounds=4) for matrix in candidates),
        key=lambda matrix: _cost(shape, coarse, matrix),
    )
    tick(2)
    # Most starts end in one pose; where the second best is another, both get a closer look.
    rivals = [refined[0], *(m for m in refined[1:] if _apart(refined[0], m) > 20)][:2]
    middle = seen(COARSE_VIEWS, (COARSE_SIDE + FINE_SIDE) // 2)
    finalists = [_refined(shape, middle, matrix, rounds=3) for matrix in rivals]
    costs = [_cost(shape, middle, matrix) for matrix in finalists]
    best = int(np.argmin(costs))
    tick(3)
    fine = seen(FINE_VIEWS, FINE_SIDE)
    matrix = _refined(shape, fine, finalists[best], rounds=4)
    tick(4)

    overlap, error = _agreement(shape, fine, matrix, views)
    ambiguous, reason = False, ""
    if not with_skin:
        ambiguous = True
        reason = (
            "The capture has no masks of visible skin, so the head was only laid inside the hair; "
            "check that it looks the right way."
        )
    elif len(costs) > 1 and _apart(*finalists) > 20 and min(costs) > 0.8 * max(costs):
        ambiguous = True
        reason = "Two different poses of the head fit the masks about equally well; check that it looks the right way."
    elif overlap < 0.6:
        ambiguous = True
        reason = (
            f"The head covers the visible skin only to {overlap:.0%}; move, turn or scale it where it is not right."
        )
    back = np.eye(4)
    back[:3, :3] = turn.T
    return Alignment(back @ matrix, overlap, error, ambiguous, reason)


def judged_pose(head: Head, views: list) -> Alignment:
    """How well a head that stands in its place already fits the views: the alignment is the identity.

    Raises CaptureError where there are fewer than two.
    """
    _enough(views)
    outlines = [outline(view, FINE_SIDE) for view in _spread(views, FINE_VIEWS)]
    return Alignment(np.eye(4), *_agreement(Shape(head), outlines, np.eye(4), views), ambiguous=False)


def _enough(views) -> None:
    if len(views) < 2:
        raise CaptureError("Laying a head into a capture needs at least 2 photographs with masks.")


def _agreement(shape: Shape, outlines: list[Outline], matrix: np.ndarray, views: list) -> tuple[float, float]:
    """An Alignment's overlap and outline_error."""
    pixels = max(views[0].hair.shape) / max(outlines[0].hair.shape)
    off = [np.abs(distances) for distances in _edge_distances(shape, outlines, matrix)]
    return _overlap(shape, outlines, matrix, above=True), pixels * float(np.median(np.concatenate(off or [[np.nan]])))


def _spread(views, most):
    """At most so many views, evenly taken from the list."""
    if len(views) <= most:
        return list(views)
    return [views[i] for i in np.round(np.linspace(0, len(views) - 1, most)).astype(int)]


def _search(shape: Shape, views: list[Outline]) -> list[np.ndarray]:
    """The best poses of a grid over yaw, scale and place, the best for each of a few yaws, best first."""
    top, middle, breadth = _person(views)
    size = np.ptp(shape.vertices, axis=0)
    crown = shape.vertices[:, 2].max()
    upper = shape.vertices[shape.vertices[:, 2] > crown - 0.6 * size[2]]
    centre = (upper.min(axis=0) + upper.max(axis=0)) / 2
    own_breadth = np.sqrt(np.prod(np.ptp(upper, axis=0)[:2]))
    shifts = 0.18 * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    scored = []
    for yaw in 2 * np.pi * np.arange(YAWS) / YAWS:
        turn = Rotation.from_euler("z", yaw).as_matrix()
        best = (-np.inf, None)
        for scale in breadth / own_breadth * np.geomspace(0.48, 1.05, 6):
            for gap in (0.02, 0.10, 0.2):  # hair above the crown, in breadths of the head
                for shift in shifts:
                    matrix = np.eye(4)
                    matrix[:3, :3] = scale * turn
                    place = scale * turn @ [centre[0], centre[1], crown]
                    matrix[:2, 3] = middle + shift * scale * own_breadth - place[:2]
                    matrix[2, 3] = top - gap * scale * own_breadth - place[2]
                    score = _score(shape, views, matrix)
                    if score > best[0]:
                        best = (score, matrix)
        scored.append(best)
    kept = []
    for place in np.argsort([-score for score, _ in scored], kind="stable"):
        if all(min(abs(place - k), YAWS - abs(place - k)) >= YAWS // 6 for k in kept):
            kept.append(int(place))
        if len(kept) == KEPT:
            break
    return [scored[k][1] for k in kept]


def _person(views: list[Outline]) -> tuple[float, np.ndarray, float]:
    """Top (m), middle (2,) and breadth of the upper part of the person's visual hull."""
    axes = np.array([v.world_to_camera[2, :3] for v in views])
    centres = np.array([v.centre for v in views])
    # The point nearest to all viewing directions through the masks' middles.
    system, side = np.zeros((3, 3)), np.zeros(3)
    reach = []
    for view, centre in zip(views, centres):
        rows, columns = np.nonzero(view.hair | view.skin)
        if not len(rows):
            continue
        pixel = np.array([columns.mean() + 0.5, rows.mean() + 0.5, 1.0])
        ray = view.world_to_camera[:3, :3].T @ np.linalg.solve(view.intrinsics, pixel)
        ray /= np.linalg.norm(ray)
        across = np.eye(3) - np.outer(ray, ray)
        system += across
        side += across @ centre
        reach.append(max(np.ptp(rows), np.ptp(columns)) / view.intrinsics[0, 0])
    target = np.linalg.lstsq(system, side, rcond=None)[0]
    distance = np.median(np.abs(np.einsum("vc,vc->v", target - centres, axes)))
    half = 0.75 * max(reach) * distance
    line = np.linspace(-half, half, 48)
    grid = target + np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    seen = np.zeros(grid.shape[:3], int)
    for view in views:
        seen += sample(view.outside_person, view.project(grid), outside=0.0) < 1.0
    hull = seen >= len(views) - (1 if len(views) > 5 else 0)
    if not hull.any():
        hull = seen >= seen.max()
    levels = np.flatnonzero(hull.any(axis=(0, 1)))
    upper = levels[len(levels) // 2 :]
    step = line[1] - line[0]
    areas = hull[:, :, upper].sum(axis=(0, 1)) * step**2
    spots = np.argwhere(hull[:, :, upper])[:, :2]
    middle = target[:2] + line[0] + step * spots.mean(axis=0)
    return float(target[2] + line[levels[-1]]), middle, float(2 * np.sqrt(np.percentile(areas, 80) / np.pi))


def _score(shape: Shape, views: list[Outline], matrix: np.ndarray, points: int = 200, cells: int = 24) -> float:
    """How well a pose explains the masks, higher is better; rough and quick."""
    chosen = slice(0, points)
    world = moved(shape.points[chosen], matrix)
    normals = shape.normals[chosen] @ matrix[:3, :3].T
    total = 0.0
    for view in views:
        pixels = view.project(world)
        towards = np.einsum("sc,sc->s", normals, view.centre - world) > 0
        column = np.nan_to_num(pixels[:, 0], nan=-1).astype(int)
        row = np.nan_to_num(pixels[:, 1], nan=-1).astype(int)
        height, width = view.hair.shape
        framed = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        column, row = column.clip(0, width - 1), row.clip(0, height - 1)
        hair, skin = view.hair[row, column] & framed, view.skin[row, column] & framed
        total -= 2.0 * np.mean(framed & ~hair & ~skin)
        if shape.scalp is not None:
            scalp = shape.scalp[chosen]
            total += np.mean(towards & (scalp & hair)) + np.mean(towards & (~scalp & skin))
            total -= 2.0 * np.mean(towards & (scalp & skin))
        if view.skin.any():
            # Skin that no point of the head comes near.
            block = max(height, width) // cells + 1
            covered = np.zeros((height // block + 1, width // block + 1), bool)
            covered[row[framed] // block, column[framed] // block] = True
            rows, columns = np.nonzero(view.skin)
            total -= 1.0 * np.mean(~covered[rows // block, columns // block])
    return total


def _refined(shape: Shape, views: list[Outline], matrix: np.ndarray, rounds: int) -> np.ndarray:
    """The pose after a few rounds of matching outlines and solving for the seven numbers of a similarity."""
    centre = shape.vertices.mean(axis=0)
    for round_ in range(rounds):
        reach = 12.0 * 0.75**round_ + 3.0  # pixels within which outlines are matched
        matches = []
        for view in views:
            rim = shape.rim(view, matrix)
            if not len(rim):
                continue
            nearest = partner = np.zeros(0, int)
            if len(view.edge):
                distance, nearest = cKDTree(view.project(moved(rim, matrix))).query(view.edge)
                partner = np.flatnonzero((distance < reach) & ~shape.ends(rim)[nearest])
                nearest = nearest[partner]
            matches.append((view, rim, nearest, partner))
        labelled = _labelled(shape, views, matrix)
        weight = 1.0 / np.sqrt(max(1, sum(len(m[1]) for m in matches)))
        edge_weight = 2.0 / np.sqrt(max(1, sum(len(m[2]) for m in matches)))
        label_weight = 0.5 / np.sqrt(max(1, sum(len(p) for _, p, _ in labelled)))

        def residuals(change, base=matrix, matches=matches, labelled=labelled, reach=reach,
                      weights=(weight, edge_weight, label_weight)):  # fmt: skip
            pose = _changed(base, centre, change)
            parts = []
            for view, rim, nearest, partner in matches:
                pixels = view.project(moved(rim, pose))
                parts.append(weights[0] * np.minimum(sample(view.outside_person, pixels, 20.0), 20.0))
                gap = pixels[nearest] - view.edge[partner]
                along = np.einsum("ec,ec->e", gap, view.edge_normal[partner])
                parts.append(weights[1] * np.clip(along, -reach, reach))
            for view, points, field in labelled:
                parts.append(weights[2] * np.minimum(sample(field, view.project(moved(points, pose)), 0.0), 6.0))
            # Heads are held about upright, and a similarity of masks fixes the tilt only loosely.
            parts.append(0.02 * change[1:3])
            return np.nan_to_num(np.concatenate(parts), nan=20.0 * weights[0])

        solved = least_squares(
            residuals, np.zeros(7), loss="soft_l1", f_scale=1.0 * weight, max_nfev=12, diff_step=1e-4
        )
        matrix = _changed(matrix, centre, solved.x)
    return matrix


def _changed(matrix, centre, change):
    """The pose after a small similarity about the head's middle: log scale, rotation vector, shift in head sizes."""
    middle = moved(centre, matrix)
    size = np.cbrt(np.linalg.det(matrix[:3, :3]))
    step = np.eye(4)
    step[:3, :3] = np.exp(change[0]) * Rotation.from_rotvec(change[1:4]).as_matrix()
    step[:3, 3] = middle - step[:3, :3] @ middle + 0.2 * size * change[4:7]
    return step @ matrix


def _labelled(shape, views, matrix):
    """Per view, points of the head that are seen, with a field that is 0 where the masks agree with their label."""
    if shape.scalp is None:
        return []
    world = moved(shape.points, matrix)
    normals = shape.normals @ matrix[:3, :3].T
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    result = []
    for view in views:
        if not view.skin.any():
            continue
        ray = view.centre - world
        seen = np.einsum("sc,sc->s", normals, ray) > 0.35 * np.linalg.norm(ray, axis=1)
        result.append((view, shape.points[seen & shape.scalp], view.inside_skin))
        result.append((view, shape.points[seen & ~shape.scalp], view.outside_skin))
    return result


def _edge_distances(shape, views, matrix):
    for view in views:
        rim = shape.rim(view, matrix)
        if len(rim) and len(view.edge):
            _, nearest = cKDTree(view.project(moved(rim, matrix))).query(view.edge)
            own = ~shape.ends(rim)[nearest]
            if own.any():
                gap = view.project(moved(rim[nearest[own]], matrix)) - view.edge[own]
                yield np.einsum("ec,ec->e", gap, view.edge_normal[own])


def _cost(shape, views, matrix) -> float:
    """How badly a refined pose explains the masks: pixels off at the outline, outside, and under the wrong label."""
    edges = list(_edge_distances(shape, views, matrix))
    off = np.minimum(np.abs(np.concatenate(edges)), 10).mean() if edges else 0.0
    world = moved(shape.points, matrix)
    out = np.mean([np.minimum(sample(v.outside_person, v.project(world), 10.0), 10).mean() for v in views])
    labelled = [(v, p, f) for v, p, f in _labelled(shape, views, matrix) if len(p)]
    wrong = [np.minimum(sample(f, v.project(moved(p, matrix)), 0.0), 10).mean() for v, p, f in labelled]
    return float(off + 2 * out + (np.mean(wrong) if wrong else 0.0) + 4 * (1 - _overlap(shape, views, matrix)))


def _overlap(shape, views, matrix, above: bool = False) -> float:
    """Intersection over union of the head where no hair covers it and the visible skin, over all views; ``above`` the
    head's lower end only, as shoulders are no fault of a pose, though poses are not told apart by that: the smallest
    head would have the least to answer for."""
    both = either = 0
    for view in views:
        visible = shape.mask(view, matrix) & ~view.hair
        counted = visible | view.skin
        if above:
            counted &= shape.reaches(view, matrix)
        both += np.count_nonzero(counted & visible & view.skin)
        either += np.count_nonzero(counted)
    return both / max(1, either)


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Degrees between two poses."""
    a, b = (m[:3, :3] / np.cbrt(np.linalg.det(m[:3, :3])) for m in (a, b))
    return float(np.degrees(Rotation.from_matrix(a @ b.T).magnitude()))
