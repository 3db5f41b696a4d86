"""What pictures have in common: SIFT features (Lowe 2004), matched between pairs and verified, in a COLMAP database."""

import hashlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pycolmap

EXHAUSTIVE = 24
"""Pictures up to which every pair is matched; of more, only those that seem to show the same."""
_FEATURES = 8192
_GLANCE = 400
"""Features, those of the largest scale, by which pairs are told apart beforehand (Wu 2013, preemptive matching)."""
_SEEMING = 4
"""Matches of those from which two pictures seem to show the same."""
_NEIGHBOURS = 16
"""Pairs that each picture keeps at most, beside the ones next to it in order."""
_RATIO = 0.8
_ROWS = 2048
"""Features of one picture that are compared at a time: 64 MB."""
_EDGE = 3
"""Pixels that a mask is widened by, where features may still lie."""


@dataclass(frozen=True)
class Lens:
    """How a group of pictures sees.

    Attributes:
        width, height: pixels.
        focal: pixels.
        known: whether the focal length comes from somewhere, or is a guess.
    """

    width: int
    height: int
    focal: float
    known: bool


@dataclass(frozen=True)
class Solvable:
    """A picture to be solved.

    Attributes:
        name: its file's, in the folder of pictures to solve.
        lens: pictures of one lens share the same object.
        mask: (H, W) bool where features may lie, at any size; None for everywhere.
    """

    name: str
    lens: Lens
    mask: np.ndarray | None = None


def make_database(
    database: Path, folder: Path, pictures: list[Solvable], threads: int, model: str, step: Callable[[], None]
) -> list[int]:
    """Write cameras, images and features, and return how many features each picture has. What a job that was broken
    off has written of the same pictures stays.

    Args:
        model: COLMAP's camera model, one focal length and radial terms: SIMPLE_RADIAL or RADIAL.
        step: called once a picture; may raise Cancelled.
    """
    if not _goes_on(database, folder, pictures, model):
        _begin(database, folder, pictures, model)
    counts, opened = [], pycolmap.Database.open(database)
    try:
        options = pycolmap.FeatureExtractionOptions(num_threads=threads)
        options.sift.max_num_features = _FEATURES
        extractor = pycolmap.FeatureExtractor.create(options, pycolmap.Device.cpu)
        for picture in pictures:
            image = opened.read_image_with_name(picture.name)
            if not opened.exists_descriptors(image.image_id):
                _extract(opened, image, folder, picture, extractor)
            counts.append(opened.num_keypoints_for_image(image.image_id))
            step()
    finally:
        opened.close()
    return counts


def _goes_on(database: Path, folder: Path, pictures: list[Solvable], model: str) -> bool:
    """Whether a database is of these very pictures, as a job that was broken off left it."""
    stamp = database.with_suffix(".json")
    try:
        return database.is_file() and stamp.read_text(encoding="utf-8") == _stamp(folder, pictures, model)
    except OSError:
        return False


def _stamp(folder: Path, pictures: list[Solvable], model: str) -> str:
    told = hashlib.sha256(model.encode())
    for picture in pictures:
        told.update(repr((picture.name, picture.lens)).encode())
        told.update((folder / picture.name).read_bytes())
        told.update(b"" if picture.mask is None else np.packbits(picture.mask).tobytes())
    return told.hexdigest()


def _begin(database: Path, folder: Path, pictures: list[Solvable], model: str) -> None:
    """A new database with the pictures' cameras, and the stamp by which a job goes on with it."""
    for path in database.parent.glob(database.name + "*"):
        path.unlink()
    pycolmap.Database.open(database).close()
    terms = ",0" * {"SIMPLE_RADIAL": 1, "RADIAL": 2}[model]
    for lens in dict.fromkeys(map(id, (p.lens for p in pictures))):
        group = [p for p in pictures if id(p.lens) == lens]
        seen = group[0].lens
        options = pycolmap.ImageReaderOptions(
            camera_model=model, camera_params=f"{seen.focal},{seen.width / 2},{seen.height / 2}{terms}"
        )
        pycolmap.import_images(
            database, folder, pycolmap.CameraMode.SINGLE, image_names=[p.name for p in group], options=options
        )
    opened = pycolmap.Database.open(database)
    try:
        for picture in pictures:
            image = opened.read_image_with_name(picture.name)
            camera = opened.read_camera(image.camera_id)
            if camera.has_prior_focal_length != picture.lens.known:
                camera.has_prior_focal_length = picture.lens.known
                opened.update_camera(camera)
    finally:
        opened.close()
    database.with_suffix(".json").write_text(_stamp(folder, pictures, model), encoding="utf-8")


def _extract(opened, image, folder: Path, picture: Solvable, extractor) -> None:
    grey = cv2.imdecode(np.fromfile(folder / picture.name, np.uint8), cv2.IMREAD_GRAYSCALE)
    keypoints, descriptors = extractor.extract(pycolmap.Bitmap.from_array(grey))
    places = pycolmap.keypoints_to_matrix(keypoints)
    kept = _inside(places[:, :2], picture.mask, grey.shape)
    opened.write_keypoints(image.image_id, places[kept])
    opened.write_descriptors(image.image_id, pycolmap.FeatureDescriptors(descriptors.type, descriptors.data[kept]))


def pairs_to_match(database: Path, in_order: bool, missing: frozenset[str] = frozenset()) -> list[tuple[int, int]]:
    """Pairs of image ids that may show the same: all of them, or those that seem to at a glance.

    Args:
        missing: names of pictures that are to be matched with all others, come what may.
        in_order: whether pictures next to each other were taken one after the other, as a video's are.
    """
    opened = pycolmap.Database.open(database)
    try:
        images = sorted(opened.read_all_images(), key=lambda image: image.name)
        ids = [image.image_id for image in images]
        if len(ids) <= EXHAUSTIVE:
            return list(itertools.combinations(ids, 2))
        wanted = {image.image_id for image in images if image.name in missing}
        glances = []
        for number in ids:
            scale = opened.read_keypoints(number)[:, 2]
            glances.append(_unit(opened.read_descriptors(number).data[np.argsort(-scale)[:_GLANCE]]))
    finally:
        opened.close()
    seeming = np.zeros((len(ids), len(ids)), int)
    for i, j in itertools.combinations(range(len(ids)), 2):
        seeming[i, j] = seeming[j, i] = len(matched(glances[i], glances[j]))
    found = set()
    for i, row in enumerate(seeming):
        best = np.argsort(-row, kind="stable")[:_NEIGHBOURS]
        found |= {(min(i, j), max(i, j)) for j in best.tolist() if row[j] >= _SEEMING}
        for j in range(i + 1, min(i + (5 if in_order else 2), len(ids))):
            found.add((i, j))
    pairs = {(ids[i], ids[j]) for i, j in found}
    pairs |= {pair for pair in itertools.combinations(ids, 2) if wanted & {*pair}}
    return sorted(pairs)


def match_pairs(database: Path, pairs: list[tuple[int, int]], threads: int, seed: int, step: Callable[[], None]) -> int:
    """Match and verify those pairs that were not yet, and return how many pairs belong together in all.

    Args:
        step: called with the pairs that are done already, then once a pair; may raise Cancelled.
    """
    opened = pycolmap.Database.open(database)
    try:
        images = {image.image_id: image for image in opened.read_all_images()}
        cameras = {camera.camera_id: camera for camera in opened.read_all_cameras()}
        points = {i: opened.read_keypoints(i)[:, :2].astype(np.float64) for i in images}
        # As they are, a quarter of what they take as floats.
        descriptors = {i: opened.read_descriptors(i).data for i in images}
        options = pycolmap.TwoViewGeometryOptions()
        options.ransac.random_seed = seed

        def work(pair):
            one, other = pair
            matches = matched(_unit(descriptors[one]), _unit(descriptors[other]))
            if len(matches) < options.min_num_inliers:
                return one, other, matches, None
            first, second = (cameras[images[i].camera_id] for i in pair)
            geometry = pycolmap.estimate_two_view_geometry(first, points[one], second, points[other], matches, options)
            return one, other, matches, geometry

        left = [pair for pair in pairs if not opened.exists_matches(*pair)]
        step(len(pairs) - len(left))
        with ThreadPoolExecutor(threads) as pool:
            # A few pairs at a time, so that a cancel waits for those only.
            for begin in range(0, len(left), 4 * threads):
                for one, other, matches, geometry in pool.map(work, left[begin : begin + 4 * threads]):
                    if geometry is not None:
                        opened.write_two_view_geometry(one, other, geometry)
                    # Last, as it says that the pair is done.
                    opened.write_matches(one, other, matches)
                    step()
        counts = opened.read_two_view_geometry_num_inliers()[1]
        return sum(count >= options.min_num_inliers for count in counts)
    finally:
        opened.close()


def _inside(places: np.ndarray, mask: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    """(N,) bool which features lie on what counts."""
    if mask is None:
        return np.ones(len(places), bool)
    wide = cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST)
    wide = cv2.dilate(wide, np.ones((2 * _EDGE + 1,) * 2, np.uint8)).astype(bool)
    column = np.clip(places[:, 0].astype(int), 0, shape[1] - 1)
    return wide[np.clip(places[:, 1].astype(int), 0, shape[0] - 1), column]


def matched(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(K, 2) uint32 pairs of unit descriptors (N, D), (M, D) that are each other's nearest and clearly so.

    Ours rather than COLMAP's, whose search on the CPU takes ten times as long.
    """
    if len(one) < 2 or len(other) < 2:
        return np.zeros((0, 2), np.uint32)
    best, clear = np.empty(len(one), np.int64), np.empty(len(one), bool)
    column, back = np.full(len(other), -np.inf, np.float32), np.zeros(len(other), np.int64)
    for begin in range(0, len(one), _ROWS):
        near = one[begin : begin + _ROWS] @ other.T
        rows = np.arange(len(near))
        top = near.max(axis=0)
        higher = top > column
        back[higher] = begin + near[:, higher].argmax(axis=0)
        column[higher] = top[higher]
        mine = near.argmax(axis=1)
        first = near[rows, mine]
        near[rows, mine] = -1.0
        second = near.max(axis=1)
        block = np.s_[begin : begin + len(near)]
        best[block] = mine
        # Lowe's ratio of distances; of unit vectors, the squared distance is 2 - 2 cos.
        clear[block] = (1 - first) < _RATIO**2 * (1 - second)
    kept = np.flatnonzero(clear & (back[best] == np.arange(len(one))))
    return np.stack([kept, best[kept]], axis=1).astype(np.uint32)


def _unit(descriptors: np.ndarray) -> np.ndarray:
    found = descriptors.astype(np.float32)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
