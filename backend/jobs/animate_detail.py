"""A dense head in motion: as shape keys that Blender plays live, or frame by frame as a point cache."""

import shutil
import time
from pathlib import Path

import numpy as np

from ..contract import BUILT_IN, AnimateDetail
from ..detail.dense import DenseHead
from ..detail.given import dense_head_in, given_coefficients, given_displacement, mesh_of
from ..detail.keys import dense_keys, live_from_exact, steps
from ..detail.poser import Poser
from ..errors import CoefficientError, HeadError
from ..fit.model import model_to_fit
from ..flame.motion import motion_for, poses
from ..formats.dense_keys import write_dense_keys
from ..formats.dense_mesh import write_dense_mesh
from ..formats.face_motion import FaceMotion
from ..formats.flame_model import FlameModel
from ..formats.head import BUILT_IN_HEAD
from ..formats.job_folder import write_json
from ..formats.point_cache import PointCacheWriter
from ..protocol import Reporter

CHECKED = 10
"""Random heads on which the live way is held against the exact one."""


def run(request: AnimateDetail, reporter: Reporter) -> dict:
    """Write dense_keys.npz and report.json, or cache.pc2 and mesh.npz, its first frame.

    Vertices are in metres, Z up, in the head's own frame; in the cache they have the motion's turns and translation.
    """
    began = time.monotonic()
    reporter.stage("Preparing the dense head", 3)
    model = model_to_fit(request.model, reporter.warning)
    motion = _motion(request, model, reporter)
    reporter.step()
    dense = dense_head_in(model, request.layout, Path(request.detail).expanduser())
    identity = _identity(request, model, motion)
    reporter.step()
    displacement = given_displacement(Path(request.detail).expanduser(), dense, identity)
    reporter.step()
    if request.mode == "live":
        result = _live(dense, displacement, identity, request.identity_sliders, reporter)
    else:
        if motion is None:
            raise CoefficientError("Choose a motion to lay the detail on (--motion), or mode live, which needs none.")
        motion = motion.resampled(request.rate) if request.rate else motion
        result = _exact(dense, displacement, identity, motion, reporter)
    return result | {"seconds": round(time.monotonic() - began, 2)}


def _live(dense: DenseHead, displacement: np.ndarray, identity: np.ndarray, sliders: int, reporter: Reporter) -> dict:
    reporter.stage("Computing dense keys", steps(dense.model, sliders))
    keys = dense_keys(dense, displacement, identity, sliders, reporter.step)
    reporter.stage("Comparing with the exact way", CHECKED)
    off = live_from_exact(dense, keys, displacement, CHECKED, step=reporter.step)
    reporter.stage("Writing")
    write_dense_keys(reporter.folder / "dense_keys.npz", keys)
    moving = len(keys.expression_keys)
    report = {
        "model": keys.model, "model_hash": keys.model_hash, "vertices": len(keys.basis), "keys": keys.count,
        "expression_keys": moving, "corrective_keys": len(keys.corrective_keys),
        "identity_keys": len(keys.identity_keys),
        "expressions_left_out": dense.model.expression.shape[2] - moving, "live_from_exact_mm": off,
    }  # fmt: skip
    write_json(reporter.folder / "report.json", report)
    return {"keys": "dense_keys.npz", "report": "report.json", "count": keys.count, "live_from_exact_mm": off["mean"]}


def _exact(
    dense: DenseHead, displacement: np.ndarray, identity: np.ndarray, motion: FaceMotion, reporter: Reporter
) -> dict:
    poser, carried = Poser(dense, identity), dense.carried(displacement, identity)
    turns, frames = poses(motion, dense.model), len(motion.times)
    need, free = 12 * frames * dense.vertex_count, shutil.disk_usage(reporter.folder).free
    if need > free:
        raise HeadError(
            f"{frames:,} frames of the dense head need {need / 1e9:.1f} GB, but {reporter.folder} has {free / 1e9:.1f} "
            "GB left; make room, or choose fewer frames."
        )
    reporter.stage("Writing frames", frames)
    with PointCacheWriter(reporter.folder / "cache.pc2", dense.vertex_count) as cache:
        for k in range(frames):
            shift = None if motion.translation is None else motion.translation[k]
            vertices = carried.on(poser.posed(motion.expression[k], turns[k], shift))
            if k == 0:
                write_dense_mesh(reporter.folder / "mesh.npz", mesh_of(dense, vertices))
            cache.add(vertices)
            reporter.step()
    rate = (frames - 1) / motion.times[-1] if frames > 1 else 0.0
    return {"cache": "cache.pc2", "mesh": "mesh.npz", "frames": frames, "fps": round(float(rate), 3)}


def _motion(request: AnimateDetail, model: FlameModel, reporter: Reporter) -> FaceMotion | None:
    if request.motion is None:
        return None
    file = BUILT_IN_HEAD if request.model == BUILT_IN else Path(request.model).expanduser()
    return motion_for(model, file, request.motion, request.fps, request.arkit, reporter.warning)


def _identity(request: AnimateDetail, model: FlameModel, motion: FaceMotion | None) -> np.ndarray:
    """(<= I,) the person: who was asked for or registered, else whom the motion names."""
    given = given_coefficients(model, request.coefficients, request.detail)
    if given is not None:
        return given.identity
    return np.zeros(0) if motion is None else motion.identity
