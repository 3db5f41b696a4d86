"""Files that FLAME is given out in: 2017 to 2023 and 2023 Open as pickles, our own ``.npz``, and what goes with them.

What goes with it are region masks (``FLAME_masks.pkl``), the landmark embeddings (``landmark_embedding.npy``,
``flame_static_embedding.pkl``, ``flame_dynamic_embedding.npy``, ``mediapipe_landmark_embedding.npz``) and UVs
(``FLAME_texture.npz``, ``vt`` and ``ft``). Each is known by its contents, not by its name, and one reading of keys
serves them all, so that any of them may also be part of a model's own ``.npz``.
"""

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import HeadError
from .flame_model import (
    CONTOUR_YAWS,
    FORMAT,
    IDENTITY_MODES,
    JOINTS,
    VERSION,
    FlameModel,
    Landmarks,
    check_model,
    scheme_68,
)
from .inert_pickle import LARGEST_BYTES, array, read_npy, read_pickle

SUFFIXES = (".pkl", ".pickle", ".npz", ".npy")
BESIDE = (
    "FLAME_masks.pkl",
    "flame_static_embedding.pkl",
    "flame_dynamic_embedding.npy",
    "landmark_embedding.npy",
    "mediapipe_landmark_embedding.npz",
    "FLAME_texture.npz",
)
"""What is looked for beside a model file, in FLAME's own names."""
SCHEMES = {51: "static", 68: "full", 105: "mediapipe", 17: "contour"}
"""How many landmarks an embedding without a name has → which it is."""
COLOURS = ("mean", "tex_dir")
"""FLAME_texture.npz's model of colours, over a gigabyte, which nothing here needs."""
FACES, WEIGHTS = ("lmk_face_idx", "lmk_faces_idx"), ("lmk_b_coords", "lmk_bary_coords")


def read_flame_model(
    path: Path,
    extras: Iterable[Path] | None = None,
    name: str | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> FlameModel:
    """Read a head model of FLAME's kind.

    A file may lack what it has no use for: without a skin, the model is rigid with one joint at its origin; without
    expressions or pose correctives, it has none.

    Args:
        path: a FLAME pickle or a ``.npz`` with FLAME's keys.
        extras: files of masks, landmark embeddings or UVs; None takes those in ``BESIDE`` that lie beside the model,
            and warns of those that cannot be used.
        name: of the model; else the file's own, else the file's name without its suffix.
        warn: called with one sentence for each extra that was left out.

    Raises:
        HeadError: the file cannot be read, is no head model, or is hostile; the sentence says which.
    """
    path = Path(path)
    model = _model(read_values(path), path, name)
    check_model(model, path.name)
    if extras is not None:
        for extra in extras:
            model = with_extra(model, Path(extra))
        return model
    for beside in (path.with_name(known) for known in BESIDE):
        if beside.is_file() and beside != path:
            try:
                model = with_extra(model, beside)
            except HeadError as error:
                warn(str(error))
    return model


def with_extra(model: FlameModel, path: Path) -> FlameModel:
    """The model with the regions, landmarks or UVs of one more file. Raises HeadError if they are not this model's."""
    extended = _with_parts(model, read_values(path), path.name)
    if extended is model:
        raise HeadError(f"{path.name} has no regions, landmarks or UVs of a head model.")
    check_model(extended, path.name)
    return extended


def read_values(path: Path) -> dict[str, object]:
    """The named parts of a pickle, ``.npz`` or ``.npy`` of a dict, nothing run. Raises HeadError."""
    if not path.is_file():
        raise HeadError(f"There is no file at {path}.")
    if path.suffix.lower() not in SUFFIXES:
        raise HeadError(f"{path.name} is not a kind of head model file; choose one of {', '.join(SUFFIXES)}.")
    if path.suffix.lower() == ".npz":
        return _npz(path)
    values = read_npy(path) if path.suffix.lower() == ".npy" else read_pickle(path)
    if not isinstance(values, dict):
        raise HeadError(f"{path.name} holds no named parts, so it is no file of a head model.")
    return values


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {Path(info.filename).stem: info.file_size for info in archive.infolist()}
            if sum(size for key, size in sizes.items() if key not in COLOURS) > LARGEST_BYTES:
                raise HeadError(f"{path.name} unpacks to more than {LARGEST_BYTES // 10**9} GB; no head model does.")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if key not in COLOURS}
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise HeadError(f"{path.name} cannot be read as arrays: {error}.") from error


def _model(values: dict[str, object], path: Path, name: str | None) -> FlameModel:
    source = path.name
    if "format" in values:
        if str(values["format"]) != FORMAT:
            raise HeadError(f"{source} is a file of {values['format']}, not a head model.")
        if int(_numbers(values, "version", source)) > VERSION:
            raise HeadError(f"{source} was made by a newer Maquette; update the extension.")
    style = str(values.get("bs_style", "lbs")), str(values.get("bs_type", "lrotmin"))
    if style != ("lbs", "lrotmin"):
        raise HeadError(f"{source} is skinned by {' and '.join(style)}; only FLAME's lbs and lrotmin are supported.")
    try:
        template = _numbers(values, "v_template", source)
        faces = _numbers(values, "f" if "f" in values else "faces", source)
        if template.ndim != 2 or template.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
            raise HeadError(f"{source} has no triangle mesh: {template.shape} vertices and {faces.shape} faces.")
        parts = _modes(values, len(template), source) | _skin(values, len(template), source)
        own = str(values["name"]) if "name" in values else path.stem
        # Indices past what an int32 holds would wrap round into valid ones.
        model = FlameModel(name or own, template, faces.astype(np.int64).clip(-1, 2**31 - 1), **parts)
        return _with_parts(model, values, source)
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise HeadError(f"{source} is no usable head model: {error}.") from error


def _numbers(values: dict[str, object], key: str, source: str) -> np.ndarray:
    if key not in values:
        raise HeadError(f"{source} is no head model: it lacks {key}.")
    return array(values[key], f"{key} in {source}")


def _modes(values: dict[str, object], vertices: int, source: str) -> dict[str, object]:
    """Identity and expression out of FLAME's one basis of shapes; named modes say how many there are of each."""
    shapes = _numbers(values, "shapedirs", source) if "shapedirs" in values else np.zeros((vertices, 3, 0))
    if shapes.ndim != 3:
        raise HeadError(f"{source} has a shape basis of {shapes.ndim} dimensions instead of 3.")
    if "identity_names" in values:
        identity = tuple(str(n) for n in np.atleast_1d(values["identity_names"]))
    else:
        identity = tuple(f"identity {i + 1}" for i in range(min(shapes.shape[2], IDENTITY_MODES)))
    rest = shapes.shape[2] - len(identity)
    expression = tuple(f"expression {i + 1}" for i in range(max(rest, 0)))
    if "expression_names" in values:
        expression = tuple(str(n) for n in np.atleast_1d(values["expression_names"]))
    if len(expression) != rest:
        raise HeadError(
            f"{source} names {len(identity)} identity and {len(expression)} expression modes, "
            f"but its basis has {shapes.shape[2]}."
        )
    return {
        "identity": shapes[:, :, : len(identity)],
        "expression": shapes[:, :, len(identity) :],
        "identity_names": identity,
        "expression_names": expression,
    }


def _skin(values: dict[str, object], vertices: int, source: str) -> dict[str, object]:
    if "weights" not in values:
        return {
            "pose_correctives": np.zeros((vertices, 3, 0)),
            "joint_regressor": np.zeros((1, vertices)),
            "weights": np.ones((vertices, 1)),
            "parents": np.array([-1]),
            "joint_names": JOINTS[:1],
        }
    tree = np.atleast_2d(_numbers(values, "kintree_table", source))
    parents = tree[0].astype(np.int64)
    # The root's parent is -1, in files as an unsigned number of 32 or 64 bits.
    parents[(parents < 0) | (parents >= parents.size)] = -1
    names = JOINTS if parents.size == len(JOINTS) else tuple(f"joint {i}" for i in range(parents.size))
    if "joint_names" in values:
        names = tuple(str(n) for n in np.atleast_1d(values["joint_names"]))
    correctives = np.zeros((vertices, 3, 9 * (parents.size - 1)))
    return {
        "pose_correctives": _numbers(values, "posedirs", source) if "posedirs" in values else correctives,
        "joint_regressor": _numbers(values, "J_regressor", source),
        "weights": _numbers(values, "weights", source),
        "parents": parents,
        "joint_names": names,
    }


def _with_parts(model: FlameModel, values: dict[str, object], source: str) -> FlameModel:
    """The model with whatever regions, landmarks and UVs the values have; the very same model if none."""
    landmarks = _landmarks(values, source)
    contour = landmarks.pop("contour", None)
    if contour is not None and contour.faces.ndim != 2:
        raise HeadError(f"{source} has a contour of 17 landmarks for one head yaw instead of {CONTOUR_YAWS}.")
    regions = _regions(values, source)
    uv = None
    if {"vt", "ft"} <= values.keys():
        corners, points = _numbers(values, "ft", source), _numbers(values, "vt", source)
        if corners.shape != model.faces.shape or corners.min() < 0 or corners.max() >= len(points):
            raise HeadError(f"The UVs in {source} are for another mesh: {corners.shape} corners.")
        uv = np.asarray(points, np.float32)[corners.astype(np.int64)]
    if not (landmarks or regions or contour is not None or uv is not None):
        return model
    return replace(
        model,
        regions=model.regions | regions,
        landmarks=model.landmarks | landmarks,
        contour=model.contour if contour is None else contour,
        uv=model.uv if uv is None else uv,
    )


def _regions(values: dict[str, object], source: str) -> dict[str, np.ndarray]:
    if {"region_names", "region_offsets", "region_vertices"} <= values.keys():
        offsets, members = (_numbers(values, f"region_{part}", source) for part in ("offsets", "vertices"))
        spans = zip(np.atleast_1d(values["region_names"]), offsets, offsets[1:])
        return {str(name): members[start:stop] for name, start, stop in spans}
    # FLAME_masks.pkl is nothing but names and vertices.
    if values and all(isinstance(v, np.ndarray) and v.ndim == 1 and v.dtype.kind in "iu" for v in values.values()):
        return {key: value for key, value in values.items() if "idx" not in key and "indices" not in key}
    return {}


def _landmarks(values: dict[str, object], source: str) -> dict[str, Landmarks]:
    """Scheme → embedding. Keys are ``lmk_face_idx`` and ``lmk_b_coords`` or another spelling of them, alone (then their
    number says which scheme it is) or after ``static_``, ``full_``, ``dynamic_`` or ``mediapipe_``."""
    found = {}
    for key in values:
        prefix, spelling = next(((key[: -len(f)], f) for f in FACES if key.endswith(f)), (None, ""))
        weights = next((prefix + w for w in WEIGHTS if prefix is not None and prefix + w in values), None)
        if weights is None:
            continue
        faces, coordinates = _numbers(values, key, source), _numbers(values, weights, source)
        # "full" embeddings come as one row.
        if faces.ndim == 2 and len(faces) == 1:
            faces, coordinates = faces[0], coordinates.reshape(-1, 3)
        if coordinates.shape != (*faces.shape, 3) or faces.dtype.kind not in "iu":
            raise HeadError(f"The landmarks {prefix or spelling} in {source} have no three weights each.")
        count = faces.shape[-1]
        scheme = prefix.rstrip("_") or SCHEMES.get(count, source.rsplit(".", 1)[0])
        scheme = "contour" if scheme == "dynamic" else scheme
        names = ()
        if f"{prefix}lmk_names" in values:
            names = tuple(str(n) for n in np.atleast_1d(values[f"{prefix}lmk_names"]))
        elif scheme == "mediapipe" and "landmark_indices" in values:
            names = tuple(f"mediapipe {i}" for i in _numbers(values, "landmark_indices", source).reshape(-1).tolist())
        elif scheme in ("static", "full", "contour"):
            names = {"static": scheme_68()[17:], "full": scheme_68(), "contour": scheme_68()[:17]}[scheme]
        found[scheme] = Landmarks(faces.astype(np.int64).clip(-1, 2**31 - 1), coordinates, names)
    return found
