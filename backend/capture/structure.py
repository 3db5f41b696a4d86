"""Cameras from pictures alone: structure from motion (Schönberger and Frahm 2016) by COLMAP's library, on the CPU."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from ..errors import CaptureError
from ..formats.capture import Camera
from ..protocol import Reporter
from .picture_folder import FEWEST
from .structure_matching import Solvable, make_database, match_pairs, pairs_to_match

_OPENGL = np.diag([1.0, -1.0, -1.0])
_LONGEST_ERROR = 2.0
"""Pixels of reprojection beyond which an observation is taken away before the last adjustment."""
_RADIAL_FROM = 8
"""Pictures of one lens from which two radial terms are solved; fewer do not fix the second."""


@dataclass(frozen=True, eq=False)
class Structure:
    """What was solved, in a world of its own: no metres, no up.

    Attributes:
        cameras: by the name of a picture's file, at the size that was solved; those that were registered.
        points: (P, 3), with tracks (P,) the number of pictures that see each and errors (P,) in pixels.
        seen: by picture, (K, 2) pixels and (K,) the points that are seen there; residuals, how far off they are on
            average, pixels.
        features: by picture, how many were found.
        error: mean reprojection error, pixels of the pictures as they were solved.
        pairs: how many pairs belong together, of those that were matched.
    """

    cameras: dict[str, Camera]
    points: np.ndarray
    tracks: np.ndarray
    errors: np.ndarray
    seen: dict[str, tuple[np.ndarray, np.ndarray]]
    residuals: dict[str, float]
    features: dict[str, int]
    error: float
    pairs: tuple[int, int]


def solve(
    folder: Path, pictures: list[Solvable], scratch: Path, in_order: bool, seed: int, reporter: Reporter
) -> Structure:
    """Where the cameras stood and how they see.

    Args:
        folder: holds the pictures' files.
        scratch: a folder for the database and the models; features and matches that an earlier try at the same
            pictures left there are taken.
        in_order: whether pictures were taken one after the other, as a video's are.

    Raises:
        CaptureError: fewer than 3 pictures hang together; the sentence says what to do.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    _quiet()
    pycolmap.set_random_seed(seed)
    threads, database = max(os.cpu_count() or 1, 1), scratch / "features.db"
    sharing = max(sum(p.lens is lens for p in pictures) for lens in {id(p.lens): p.lens for p in pictures}.values())
    model = "RADIAL" if sharing >= _RADIAL_FROM else "SIMPLE_RADIAL"
    reporter.stage("Finding features", len(pictures))
    counts = make_database(database, folder, pictures, threads, model, reporter.step)
    features = {picture.name: count for picture, count in zip(pictures, counts, strict=True)}
    pairs = pairs_to_match(database, in_order)
    reporter.stage("Matching pictures", len(pairs))
    verified = match_pairs(database, pairs, threads, seed, reporter.step)
    if not verified:
        raise CaptureError(
            "No two pictures show the same things. Take them closer together, ten to twenty degrees from one to the"
            " next, sharp, with the same light."
        )
    model = _largest_model(database, folder, scratch, len(pictures), threads, seed, reporter)
    missing = frozenset(features) - {model.images[number].name for number in model.reg_image_ids()}
    more = pairs_to_match(database, in_order, missing) if missing else pairs
    if len(more) > len(pairs):
        reporter.stage("Matching the pictures that are left", len(more))
        verified, pairs = match_pairs(database, more, threads, seed, reporter.step), more
        model = _largest_model(database, folder, scratch, len(pictures), threads, seed, reporter)
    reporter.stage("Adjusting all cameras together")
    _adjust(model, threads)
    return _structure(model, features, (verified, len(pairs)))


def _largest_model(database, folder, scratch, count, threads, seed, reporter: Reporter) -> pycolmap.Reconstruction:
    """The model with most pictures; with gentler demands where the usual ones find none, as for three pictures."""
    best = None
    for gentle in (False, True):
        reporter.stage("Solving cameras", count)
        models = _map(database, folder, scratch / f"models{int(gentle)}", gentle, threads, seed, reporter)
        found = max(models, key=lambda m: (m.num_reg_images(), m.num_points3D()), default=None)
        if found is not None and (best is None or found.num_reg_images() > best.num_reg_images()):
            best = found
        if best is not None and best.num_reg_images() >= min(count, max(FEWEST, 0.8 * count)):
            break
    registered = 0 if best is None else best.num_reg_images()
    if registered < FEWEST:
        raise CaptureError(
            f"Only {registered} of {count} pictures hang together; take more between them, ten to twenty degrees"
            " from one to the next, sharp, with something to see behind the person, and everybody still. If the person"
            " turned before a still camera, give masks of the person (Masks, --masks)."
        )
    return best


def _map(database, folder, models, gentle, threads, seed, reporter: Reporter) -> list[pycolmap.Reconstruction]:
    models.mkdir(exist_ok=True)
    options = pycolmap.IncrementalPipelineOptions(
        min_model_size=FEWEST, num_threads=threads, random_seed=seed, extract_colors=False
    )
    options.mapper.random_seed = options.triangulation.random_seed = seed
    if gentle:
        options.mapper.init_min_num_inliers, options.mapper.init_min_tri_angle = 25, 3.0
        options.mapper.abs_pose_min_num_inliers, options.mapper.abs_pose_min_inlier_ratio = 12, 0.15
        options.min_num_matches = 10
        options.triangulation.ignore_two_view_tracks = False
    token, trouble, done = pycolmap.CancellationToken(), [], [0]

    def registered():
        # A C++ frame is above us: the exception waits until the mapper has come to an end.
        try:
            done[0] += 1
            reporter.step(done[0])
        except BaseException as error:
            trouble.append(error)
            token.cancel()

    try:
        found = pycolmap.incremental_mapping(
            database, folder, models, options,
            initial_image_pair_callback=registered, next_image_callback=registered, cancellation_token=token,
        )  # fmt: skip
    except Exception:
        if not trouble:
            raise
        found = {}
    if trouble:
        raise trouble[0]
    return list(found.values())


def _quiet() -> None:
    """COLMAP tells its log every step; what is worth telling is told by us."""
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.WARNING)


def _adjust(model: pycolmap.Reconstruction, threads: int) -> None:
    """Take the worst observations away and adjust everything once more under a robust loss."""
    options = pycolmap.BundleAdjustmentOptions(print_summary=False)
    options.ceres.solver_options.num_threads = threads
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.loss_function_scale = 0.5
    for limit in (2 * _LONGEST_ERROR, _LONGEST_ERROR):
        manager = pycolmap.ObservationManager(model)
        manager.filter_all_points3D(limit, 1.5)
        pycolmap.bundle_adjustment(model, options)
    model.update_point_3d_errors()


def _structure(model: pycolmap.Reconstruction, features: dict[str, int], pairs: tuple[int, int]) -> Structure:
    ids = sorted(model.points3D)
    place = {number: row for row, number in enumerate(ids)}
    points = np.array([model.points3D[i].xyz for i in ids]).reshape(-1, 3)
    tracks = np.array([model.points3D[i].track.length() for i in ids], np.int32)
    errors = np.array([model.points3D[i].error for i in ids])
    cameras, seen, residuals = {}, {}, {}
    for number in model.reg_image_ids():
        image = model.images[number]
        cameras[image.name] = _camera(image)
        mine = [p for p in image.points2D if p.has_point3D() and p.point3D_id in place]
        pixels = np.array([p.xy for p in mine]).reshape(-1, 2)
        rows = np.array([place[p.point3D_id] for p in mine], np.int32)
        seen[image.name] = pixels, rows
        off = np.linalg.norm(cameras[image.name].project(points[rows])[0] - pixels, axis=1)
        residuals[image.name] = float(off.mean()) if len(off) else 0.0
    if not len(points):
        raise CaptureError("The pictures have no points in common; take them sharper and closer together.")
    error = model.compute_mean_reprojection_error()
    return Structure(cameras, points, tracks, errors, seen, residuals, features, error, pairs)


def _camera(image: pycolmap.Image) -> Camera:
    lens, pose = image.camera, image.cam_from_world().matrix()
    to_world = np.eye(4)
    to_world[:3, :3] = pose[:, :3].T @ _OPENGL
    to_world[:3, 3] = -pose[:, :3].T @ pose[:, 3]
    focal, cx, cy, *radial = lens.params.tolist()
    return Camera(lens.width, lens.height, focal, focal, cx, cy, to_world, tuple(radial))
