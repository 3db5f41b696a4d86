"""The animated dense head: how far the live way is from the exact one, how fast both are, and what a .blend weighs."""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from backend.contract import BUILT_IN
from backend.detail.dense import DenseHead, dense_head
from backend.detail.frames import vertex_normals
from backend.detail.given import given_coefficients, given_displacement
from backend.detail.keys import dense_keys, live_from_exact
from backend.detail.poser import Poser
from backend.errors import MaquetteError
from backend.fit.model import model_to_fit
from backend.formats.coefficients import Coefficients, write_coefficients
from backend.formats.dense_keys import write_dense_keys
from backend.formats.face_motion import FaceMotion, quaternions, write_face_motion

from .blender import in_blender
from .dense_head_pictures import PICTURES
from .hair_scenes import CHECKOUT

HELP = "The animated dense head: live against exact, frames a second in Blender, megabytes."
FPS = 24
IDENTITY_SLIDERS = 20
"""What the job has unless it is told otherwise."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench detail-animation``."""
    parser.add_argument("--model", default=BUILT_IN, help="A FLAME file. Default: the built-in head.")
    parser.add_argument(
        "--detail", type=Path, help="A registration (registered.npz). Default: hair and bumps, synthetic."
    )
    parser.add_argument("--heads", type=int, default=50, help="Random expressions. Default: 50.")
    parser.add_argument("--picture", type=Path, help="A picture (.jpg) of the live head to draw.")
    parser.add_argument("--frames", type=int, default=48, help="Of the motion that is played. Default: 48.")


def run(options: argparse.Namespace) -> None:
    """Measure, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    model = model_to_fit(options.model)
    dense, random = dense_head(model), np.random.default_rng(0)
    if options.detail:
        given = given_coefficients(model, None, options.detail)
        identity = given.identity if given else np.zeros(0)
        displacement, what = given_displacement(options.detail, dense, identity), options.detail.name
    else:
        identity = random.normal(0, 1, min(20, model.identity.shape[2]))
        displacement, what = synthetic_detail(dense, identity), "hair of 3 cm and bumps of 1.5 mm (synthetic)"
    began = time.perf_counter(), time.process_time()
    keys = dense_keys(dense, displacement, identity, IDENTITY_SLIDERS)
    results = {"model": model.name, "detail": what, "vertices": dense.vertex_count, "keys": keys.count}
    results |= {"mean_displacement_mm": 1e3 * float(np.linalg.norm(displacement, axis=1).mean())}
    results |= {"keys_s": time.perf_counter() - began[0], "keys_cpu_s": time.process_time() - began[1]}
    results["live_from_exact_mm"] = live_from_exact(dense, keys, displacement, options.heads)
    results["exact_frame_ms"] = _exact_ms(dense, displacement, identity)
    print(json.dumps(results, indent=1), flush=True)
    write_dense_keys(options.out / "dense_keys.npz", keys)
    write_coefficients(options.out / "coefficients.npz", Coefficients.of(model, identity=identity))
    write_face_motion(options.out / "motion.npz", _everything_moves(model, options.frames, random))
    results["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
    files = [(options.out / name).absolute() for name in ("dense_keys.npz", "coefficients.npz", "motion.npz")]
    results |= json.loads(_in_blender("dense_head_in_blender.py", options.model, files).splitlines()[-1])
    if options.picture:
        _draw(options.model, files[:2], options.picture)
    (options.out / "results.json").write_text(json.dumps(results, indent=1))
    (options.out / "results.md").write_text(_table(results))
    print(f"Results in {options.out / 'results.md'}")


def synthetic_detail(dense: DenseHead, identity: np.ndarray) -> np.ndarray:
    """(W, 3) metres: a thick head of hair, and skin that is not smooth; nothing on the eyes and inside the mouth."""
    rest = dense.rest(identity)
    height = 0.0015 * np.sin(rest @ [150.0, 90.0, 120.0])
    height[dense.regions["scalp"]] += 0.03
    for name in ("eyes", "mouth_pocket"):
        height[dense.regions.get(name, np.zeros(0, np.int32))] = 0
    return height[:, None] * (vertex_normals(rest, dense.faces) + [0.0, 0.0, 0.2])


def _exact_ms(dense: DenseHead, displacement: np.ndarray, identity: np.ndarray, frames: int = 12) -> float:
    poser, carried, random = Poser(dense, identity), dense.carried(displacement, identity), np.random.default_rng(0)
    times = []
    for _ in range(frames):
        expression, pose = random.normal(0, 1, dense.model.expression.shape[2]), random.normal(0, 0.1, (5, 3))
        began = time.perf_counter()
        carried.on(poser.posed(expression, pose))
        times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times))


def _everything_moves(model, frames: int, random: np.random.Generator) -> FaceMotion:
    """A motion in which no slider and no bone ever rests, so that no key can be left out."""
    times = np.arange(frames) / FPS

    def waves(count, size):
        return size * np.sin(np.outer(times, random.uniform(2, 9, count)) + random.uniform(0.1, 6, count))

    turns = {joint: quaternions(waves(3, 0.15)) for joint in model.joint_names}
    expression = waves(model.expression.shape[2], 1.0)
    return FaceMotion("moving", times, np.zeros(0), expression, turns, waves(3, 0.01), model.name, model.hash)


def _draw(model: str, files: list[Path], picture: Path) -> None:
    """The live head in some expressions and poses, side by side in two rows."""
    import cv2

    with tempfile.TemporaryDirectory(prefix="maquette-") as folder:
        _in_blender("dense_head_pictures.py", model, [*files, Path(folder)])
        drawn = [cv2.imread(str(Path(folder) / f"{name}.png")) for name in PICTURES]
    rows = [np.hstack(drawn[:3]), np.hstack(drawn[3:])]
    cv2.imwrite(str(picture), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])


def _in_blender(script: str, model: str, files: list[Path]) -> str:
    """What a script of this folder says to standard output, run by an interpreter that has bpy."""
    where = model if model == BUILT_IN else Path(model).expanduser().absolute()
    done = in_blender(CHECKOUT / "bench" / script, where, *files, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise MaquetteError(f"The dense head in Blender ended with code {done.returncode}; what it said is above.")
    return done.stdout.strip()


def _times(results: dict, name: str) -> str:
    median, best, cpu = (results[f"{name}_{kind}"] for kind in ("ms", "ms_best", "cpu_ms"))
    return f"{median:.0f} (best {best:.0f}, processor {cpu:.0f})"


def _table(results: dict) -> str:
    off = results["live_from_exact_mm"]
    rows = [
        ("live from exact, mm, mean", f"{off['mean']:.3f}"),
        ("95 %, 99 %, largest", f"{off['p95']:.2f}, {off['p99']:.2f}, {off['max']:.1f}"),
        ("mean of face, scalp, neck", ", ".join(f"{off[r]:.3f}" for r in ("face", "scalp", "neck") if r in off)),
        ("shape keys", str(results["keys"])),
        (f"bpy {results['blender']}, ms a frame, every key in motion", _times(results, "frame")),
        ("with vertex normals", _times(results, "frame_with_normals")),
        (".blend, MB, compressed", f"{results['blend_compressed_mb']:.0f}"),
        ("exact way, ms a frame", f"{results['exact_frame_ms']:.0f}"),
        ("making the keys, s", f"{results['keys_s']:.0f}"),
    ]
    lines = [f"{results['model']}, {results['vertices']:,} vertices; {results['detail']}.", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows)]) + "\n"
