"""``cameras.npz`` as IDR, NeuS and Neural Haircut write it: a projection matrix a picture, and no names.

``world_mat_<i>`` (or, Neural Haircut's own, one array of all) is P = K [R | t] of picture i in the order of its
picture's names, in OpenCV's axes; ``scale_mat_<i>`` takes the unit sphere around the subject to that world, in which
the cameras are kept (lioryariv/idr, DATA_CONVENTION.md).
"""

import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ...errors import CameraFileError
from .lens import without_skew
from .solved import Lens, SolvedCamera, SolvedCameras, check_count, in_pixels, pose_from_opencv

_LARGEST_ARRAY = 64 * 2**20


def read_projections(path: Path) -> SolvedCameras:
    """The cameras of such a file. Raises CameraFileError."""
    arrays = _arrays(path)
    world = {int(found[1]): arrays[name] for name in arrays if (found := re.fullmatch(r"world_mat_(\d+)", name))}
    if not world:
        every = next((a for name, a in arrays.items() if name in ("arr_0", "world_mats") and a.ndim == 3), None)
        if every is None:
            raise CameraFileError(
                f"{path.name} holds no projection matrices (world_mat_0, world_mat_1, ... or arr_0); choose the"
                " cameras.npz of IDR, NeuS or Neural Haircut."
            )
        world = dict(enumerate(every))
    check_count(len(world), path.name)
    cameras = []
    for index, matrix in sorted(world.items()):
        where = f"{path.name}: camera {index}"
        intrinsics, rotation, centre = decomposed(matrix, where)
        (fx, skew, cx), (_, fy, cy), _ = intrinsics
        lens = without_skew(skew, Lens(fx, fy, cx, cy), 2 * abs(cy), where)
        cameras.append(SolvedCamera(f"#{index}", pose_from_opencv(rotation.T, centre, where), in_pixels(lens)))
    report = _region(arrays, path)
    return SolvedCameras("cameras.npz", cameras, (path.parent,), report=report)


def decomposed(matrix: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K (3, 3) with K[2, 2] = 1, the rotation (3, 3) from the world to the camera, and its centre (3,) of a projection.

    RQ decomposition of the left block, as in Hartley and Zisserman, section 6.2.4.

    Args:
        matrix: (3, 4), or (4, 4) whose last row is left out; any multiple of it is the same camera.

    Raises:
        CameraFileError: it projects nothing.
    """
    matrix = np.asarray(matrix)
    if matrix.shape not in ((3, 4), (4, 4)) or matrix.dtype.kind not in "fiu":
        raise CameraFileError(f"{where} is no matrix of 4 by 4 numbers; write the file again.")
    matrix = matrix[:3].astype(np.float64)
    if not np.isfinite(matrix).all():
        raise CameraFileError(f"{where} holds NaN or infinity; solve the cameras again.")
    left = matrix[:, :3]
    sizes = np.linalg.svd(left, compute_uv=False)
    if not sizes[2] > 1e-9 * sizes[0]:
        raise CameraFileError(f"{where} is no projection, as it is singular; solve the cameras again.")
    if np.linalg.det(left) < 0:
        matrix, left = -matrix, -left
    # QR of the rows from the last to the first is RQ.
    q, r = np.linalg.qr(left[::-1].T)
    upper, rotation = r.T[::-1, ::-1], q.T[::-1]
    signs = np.sign(np.diag(upper))
    upper, rotation = upper * signs, signs[:, None] * rotation
    return upper / upper[2, 2], rotation, -np.linalg.solve(left, matrix[:, 3])


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.file_size > _LARGEST_ARRAY for entry in archive.infolist()):
                raise CameraFileError(f"{path.name} holds arrays too large to be cameras; choose another file.")
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in file.files if re.fullmatch(r"(world|scale)_mat_\d+|arr_0|world_mats", name)]
            return {name: file[name] for name in names}
    except OSError as error:
        raise CameraFileError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    except (ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise CameraFileError(f"{path.name} cannot be read ({error}); it may be cut off, so write it again.") from error


def _region(arrays: dict[str, np.ndarray], path: Path) -> dict | None:
    """The sphere around the subject, which ``scale_mat`` describes."""
    matrix = next((a for name, a in arrays.items() if name.startswith("scale_mat_") and a.shape == (4, 4)), None)
    if matrix is None:
        return None
    matrix = matrix.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise CameraFileError(f"{path.name}: its scale_mat holds NaN or infinity; write the file again.")
    radius = float(np.cbrt(abs(np.linalg.det(matrix[:3, :3]))))
    return {"subject": {"centre": matrix[:3, 3].tolist(), "radius": radius}}
