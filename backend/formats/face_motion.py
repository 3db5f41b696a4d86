"""A face in motion: coefficients frame by frame, from trackers' files and from our own.

Trackers write FLAME's parameters under many names and name no model: what FLAME_PyTorch, DECA, EMOCA, SMIRK,
metrical-tracker and VHAP write is read from ``.npz`` with the keys in ``KEYS``. Rotations are axis times angle, or the
first two rows of the matrix (6D: Zhou, Barnes, Lu, Yang, Li, "On the continuity of rotation representations in neural
networks", 2019).

NumPy and the standard library only, so that Blender reads them by itself.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import CoefficientError

FORMAT, VERSION = "maquette-face-motion", 1
LARGEST_BYTES = 2_000_000_000
KEYS = {
    "identity": ("identity", "shape", "shape_params", "shapecode", "betas"),
    "expression": ("expression", "expr", "exp", "expression_params", "expcode"),
    "translation": ("translation", "transl", "trans", "t"),
    "root": ("root", "rotation", "global", "global_pose", "global_orient", "global_rotation", "pose_params", "R"),
    "neck": ("neck", "neck_pose", "neck_params"),
    "jaw": ("jaw", "jaw_pose", "jaw_params"),
    "eyes": ("eyes", "eyes_pose", "eye_pose", "eyes_params"),
    "left_eye": ("left_eye", "leye_pose"),
    "right_eye": ("right_eye", "reye_pose"),
    "pose": ("pose", "posecode", "full_pose"),
}
"""What a number is → how it is called in trackers' files, the first that is there counts."""
POSES = {6: ("root", "jaw"), 15: ("root", "neck", "jaw", "left_eye", "right_eye")}
"""Columns of one array of all turns → whose they are; DECA and EMOCA have the root and the jaw."""
RATES = ("fps", "frame_rate", "framerate")


@dataclass(frozen=True, eq=False)
class FaceMotion:
    """N frames of a face.

    Attributes:
        name: of the recording.
        times: (N,) float64 seconds from its beginning.
        identity: (I,) float64, one for all frames.
        expression: (N, E) float64.
        turns: joint → (N, 4) float64 unit quaternions w, x, y, z, in the model's own frame, each on the side of the one
            before.
        translation: (N, 3) float64 metres in the model's own frame, or None.
        model, model_hash: whose coefficients they are; empty where the file names none.
    """

    name: str
    times: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    turns: dict[str, np.ndarray] = field(default_factory=dict)
    translation: np.ndarray | None = None
    model: str = ""
    model_hash: str = ""

    def resampled(self, rate: float) -> "FaceMotion":
        """The same motion with a frame at every 1/rate seconds; between frames, values are mixed linearly."""
        duration = self.times[-1]
        times = np.arange(int(np.floor(duration * rate + 1e-6)) + 1) / rate
        if len(times) == len(self.times) and np.allclose(times, self.times, atol=1e-4 / rate):
            return self

        def mixed(values):
            if not values.shape[1]:
                return np.zeros((len(times), 0))
            return np.stack([np.interp(times, self.times, column) for column in values.T], axis=1)

        return replace(
            self,
            times=times,
            expression=mixed(self.expression),
            turns={joint: _unit(mixed(turn)) for joint, turn in self.turns.items()},
            translation=None if self.translation is None else mixed(self.translation),
        )


def quaternions(turns: np.ndarray) -> np.ndarray:
    """Axis times angle (N, 3) or 6D rotations (N, 6) as continuous unit quaternions (N, 4), w first."""
    turns = np.asarray(turns, np.float64)
    if turns.shape[1] == 3:
        angle = np.linalg.norm(turns, axis=1, keepdims=True)
        # sin(a / 2) / a is sinc(a / 2 pi) / 2, which is smooth at zero.
        found = np.concatenate([np.cos(angle / 2), turns * np.sinc(angle / (2 * np.pi)) / 2], axis=1)
    else:
        first = turns[:, :3] / np.maximum(np.linalg.norm(turns[:, :3], axis=1, keepdims=True), 1e-12)
        second = turns[:, 3:] - (first * turns[:, 3:]).sum(axis=1, keepdims=True) * first
        second /= np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-12)
        found = _of_matrices(np.stack([first, second, np.cross(first, second)], axis=1))
    return continuous(found)


def multiplied(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products of quaternions (N, 4): the turn ``second``, then ``first``."""
    a, b = first[:, :1], second[:, :1]
    u, v = first[:, 1:], second[:, 1:]
    scalar = a * b - (u * v).sum(axis=1, keepdims=True)
    return np.concatenate([scalar, a * v + b * u + np.cross(u, v)], axis=1)


def continuous(turns: np.ndarray) -> np.ndarray:
    """Quaternions (N, 4), each with the sign that brings it next to the one before."""
    flips = np.where((turns[1:] * turns[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    return turns * np.concatenate([[1.0], np.cumprod(flips)])[:, None]


def _of_matrices(matrices: np.ndarray) -> np.ndarray:
    """(N, 3, 3) → (N, 4): the eigenvector of the largest eigenvalue of Bar-Itzhack's matrix (2000), stable for all."""
    m = matrices
    k = np.zeros((len(m), 4, 4))
    k[:, 1:, 1:] = m + m.transpose(0, 2, 1) - np.trace(m, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    k[:, 0, 0] = np.trace(m, axis1=1, axis2=2)
    axis = np.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], axis=1)
    k[:, 0, 1:] = k[:, 1:, 0] = axis
    return np.linalg.eigh(k)[1][:, :, -1]


def _unit(turns: np.ndarray) -> np.ndarray:
    return turns / np.maximum(np.linalg.norm(turns, axis=1, keepdims=True), 1e-12)


def read_face_motion(path: Path, rate: float = 25.0) -> FaceMotion:
    """Read a tracker's ``.npz`` or our own.

    Args:
        rate: frames a second, where the file tells none.

    Raises:
        CoefficientError: it cannot be read, or holds no motion of a face.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST_BYTES:
                raise CoefficientError(f"{path.name} unpacks to more than {LARGEST_BYTES // 10**9} GB.")
        with np.load(path, allow_pickle=False) as file:
            known = {"format", "version", "model", "model_hash", *RATES, *(k for keys in KEYS.values() for k in keys)}
            values = {key: file[key] for key in file.files if key in known}
    except FileNotFoundError:
        raise CoefficientError(f"There is no file at {path}.") from None
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise CoefficientError(f"{path.name} cannot be read as arrays: {error}.") from error
    return motion_of(values, path.stem, rate)


def write_face_motion(path: Path, motion: FaceMotion) -> None:
    """Write a motion as ``.npz``, to a temporary name first; ``read_face_motion`` reads it.

    Turns are written as axis times angle, (N, 3), under the joints' names, as trackers do.
    """
    rate = (len(motion.times) - 1) / motion.times[-1] if len(motion.times) > 1 else 25.0
    arrays = {"identity": motion.identity, "expression": motion.expression}
    for joint, turns in motion.turns.items():
        sine = np.linalg.norm(turns[:, 1:], axis=1, keepdims=True)
        angle = 2 * np.arctan2(sine, turns[:, :1])
        arrays[joint] = np.where(sine > 1e-12, turns[:, 1:] / np.maximum(sine, 1e-300) * angle, 2 * turns[:, 1:])
    if motion.translation is not None:
        arrays["translation"] = motion.translation
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file, format=FORMAT, version=VERSION, model=motion.model, model_hash=motion.model_hash, fps=rate,
            **{what: rows for what, rows in arrays.items() if rows.size},
        )  # fmt: skip
    temporary.replace(path)


def motion_of(values: Mapping[str, np.ndarray], name: str, rate: float) -> FaceMotion:
    """A motion from arrays by trackers' keys; see ``read_face_motion``."""
    if "version" in values and str(values.get("format")) == FORMAT and int(values["version"]) > VERSION:
        raise CoefficientError(f"{name} was made by a newer Maquette; update the extension.")
    found = {}
    for what, keys in KEYS.items():
        key = next((k for k in keys if k in values), None)
        if key is not None:
            found[what] = _rows(values[key], key, name)
    turns = _turns(found, name)
    if "expression" not in found and not turns:
        raise CoefficientError(
            f"{name} has no motion of a face: none of its arrays is called {', '.join(KEYS['expression'][:3])}, "
            "rotation, jaw_pose or the like."
        )
    moving = {what: rows for what, rows in (found | turns).items() if what in turns or what == "expression"}
    if "translation" in found:
        moving["translation"] = found["translation"]
    count = max(map(len, moving.values()))
    for what, rows in moving.items():
        if len(rows) not in (1, count):
            raise CoefficientError(f"{name} has {count} frames, but {len(rows)} of {what.replace('_', ' ')}.")
        moving[what] = np.repeat(rows, count, axis=0) if len(rows) != count else rows
    if "translation" in moving and moving["translation"].shape[1] != 3:
        raise CoefficientError(f"The translation in {name} has not three numbers a frame.")
    given = next((float(np.asarray(values[key]).ravel()[0]) for key in RATES if key in values), rate)
    if not (np.isfinite(given) and given > 0):
        raise CoefficientError(f"{name} tells {given:g} frames a second; that must be above 0.")
    return FaceMotion(
        name,
        np.arange(count) / given,
        found["identity"].mean(axis=0) if "identity" in found else np.zeros(0),
        moving.get("expression", np.zeros((count, 0))),
        {joint: quaternions(moving[joint]) for joint in turns},
        moving.get("translation"),
        str(values.get("model", "")),
        str(values.get("model_hash", "")),
    )


def _rows(value: np.ndarray, key: str, name: str) -> np.ndarray:
    """(N, K) float64 of an array with the frames first, whatever its further shape."""
    if value.dtype.kind not in "fiu" or value.size == 0:
        raise CoefficientError(f"{key} in {name} holds no numbers.")
    rows = value.astype(np.float64)
    rows = rows.reshape(1, -1) if rows.ndim < 2 else rows.reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        frame = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise CoefficientError(f"{key} in {name} has a number that is not finite, first in frame {frame}.")
    return rows


def _turns(found: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Joint → (N, 3) or (N, 6)."""
    turns = {}
    if "pose" in found:
        joints = POSES.get(found["pose"].shape[1])
        if joints is None:
            raise CoefficientError(f"The pose in {name} has {found['pose'].shape[1]} numbers a frame, not 6 or 15.")
        turns |= {joint: found["pose"][:, 3 * k : 3 * k + 3] for k, joint in enumerate(joints)}
    if "eyes" in found:
        half = found["eyes"].shape[1] // 2
        turns |= {"left_eye": found["eyes"][:, :half], "right_eye": found["eyes"][:, half:]}
    turns |= {joint: found[joint] for joint in ("root", "neck", "jaw", "left_eye", "right_eye") if joint in found}
    for joint, rows in turns.items():
        if rows.shape[1] == 9:
            turns[joint] = rows[:, :6]  # a whole matrix
        elif rows.shape[1] not in (3, 6):
            raise CoefficientError(
                f"The rotation of the {joint.replace('_', ' ')} in {name} has {rows.shape[1]} numbers a frame, "
                "neither 3 (axis times angle) nor 6."
            )
    return turns
