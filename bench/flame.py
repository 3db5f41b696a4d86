"""How long a batch of heads takes, forward and backward, and how near the layer is to the written-out model."""

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
import torch

from backend import device as devices
from backend.errors import MaquetteError
from backend.flame.layer import FlameLayer
from backend.formats.flame_files import read_flame_model
from backend.formats.flame_model import FlameModel, write_flame_model
from backend.memory import Peak
from tests.unit.flame_example import example_model, random_parameters
from tests.unit.flame_reference import posed_head

from .blender import in_blender
from .fit_times import scan_fits
from .hair_scenes import CHECKOUT

HELP = "A batch of heads through the FLAME layer against the plain NumPy reference, and fits to scans."
VERTICES = 5023
POSE = 0.2
"""Radians: standard deviation of the joints' turns."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench flame``."""
    parser.add_argument("--model", type=Path, help="A FLAME file. Default: random numbers in FLAME's shape.")
    parser.add_argument("--heads", type=int, default=64, help="In a batch. Default: 64.")
    parser.add_argument("--repeats", type=int, default=20, help="Medians are of so many. Default: 20.")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps.")
    parser.add_argument("--fits", type=int, default=2, help="Scans the built-in head is fitted to. Default: 2.")
    parser.add_argument("--frames", type=int, default=1000, help="Keyframed in Blender; 0 for none. Default: 1000.")
    parser.add_argument("--threads", type=int, default=0, help="Of the processor. Default: as PyTorch chooses.")


def run(options: argparse.Namespace) -> None:
    """Measure, and write results.json and results.md."""
    if options.threads:
        torch.set_num_threads(options.threads)
    device = devices.choose(options.device)
    if options.model:
        model, what = read_flame_model(options.model), options.model.name
    else:
        model, what = example_model(VERTICES), "random numbers in FLAME's shape (synthetic)"
    parameters = random_parameters(model, options.heads, angle=POSE)
    about = {
        "model": what,
        "vertices": len(model.template),
        "modes": model.identity.shape[2] + model.expression.shape[2],
        "heads": options.heads,
        "repeats": options.repeats,
        "device": devices.name(device),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__},
    }
    print(f"{options.heads} heads of {what} on {about['device']}", flush=True)
    start = time.perf_counter(), time.process_time()
    expected = _reference(model, parameters)
    spent = {"ms": 1e3 * (time.perf_counter() - start[0]), "cpu_ms": 1e3 * (time.process_time() - start[1])}
    rows = [{"row": "NumPy reference, float64, forward"} | spent]
    _say(rows[-1])
    kinds = [torch.float32] if device.type == "mps" else [torch.float32, torch.float64]
    for kind in kinds:
        layer = FlameLayer(model, up="Y", dtype=kind, device=device)
        whole = {name: torch.tensor(value, dtype=kind, device=device) for name, value in parameters.items()}
        name = str(kind).removeprefix("torch.")
        with torch.no_grad():
            away = np.abs(layer(**whole).vertices.cpu().numpy() - expected).max()
        cases = {"": whole, ", one identity for all": whole | {"identity": whole["identity"][:1]}}
        for words, given in cases.items():
            steps = {"forward": _forward(layer, given), "forward and backward": _backward(layer, given)}
            for step, work in steps.items():
                rows.append({"row": f"layer, {name}, {step}{words}"} | _timed(work, device, options.repeats))
                if not words:
                    rows[-1]["largest_difference_m"] = float(away)
                _say(rows[-1])
    options.out.mkdir(parents=True, exist_ok=True)
    for row in [*scan_fits(options.fits, options.out), *_keyframing(options.frames)]:
        rows.append(row)
        _say(row)
    (options.out / "results.json").write_text(json.dumps(about | {"results": rows}, indent=1))
    (options.out / "results.md").write_text(_table(about, rows))
    print(f"Results in {options.out / 'results.md'}")


def _reference(model: FlameModel, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """(B, V, 3) vertices, one head after another."""
    heads = range(len(parameters["scale"]))
    return np.stack([posed_head(model, **{name: v[i] for name, v in parameters.items()})[0] for i in heads])


def _keyframing(frames: int, repeats: int = 3) -> list[dict]:
    """How long a tracker's sequence takes to become F-curves in Blender, measured in a process of its own."""
    if not frames:
        return []
    model, random = example_model(VERTICES), np.random.default_rng(0)
    motion = {"expr": random.normal(0, 1, (frames, model.expression.shape[2])), "fps": 24}
    motion |= {key: random.normal(0, 0.1, (frames, 3)) for key in ("rotation", "neck_pose", "jaw_pose", "translation")}
    motion["eyes_pose"] = random.normal(0, 0.1, (frames, 6))
    with tempfile.TemporaryDirectory(prefix="maquette-") as folder:
        write_flame_model(Path(folder) / "model.npz", model)
        np.savez(Path(folder) / "motion.npz", **motion)
        done = in_blender(
            CHECKOUT / "bench" / "keyframing_in_blender.py", Path(folder) / "model.npz", Path(folder) / "motion.npz",
            repeats, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    answer = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("{")), None)
    if done.returncode or answer is None:
        raise MaquetteError(f"Keyframing in Blender ended with code {done.returncode}; what it said is above.")
    return [json.loads(answer)]


def _forward(layer: FlameLayer, given: dict[str, torch.Tensor]) -> Callable[[], None]:
    def work() -> None:
        with torch.no_grad():
            layer(**given)

    return work


def _backward(layer: FlameLayer, given: dict[str, torch.Tensor]) -> Callable[[], None]:
    """All parameters' gradients of a loss that reaches every vertex."""
    leaves = {name: value.detach().clone().requires_grad_() for name, value in given.items()}

    def work() -> None:
        vertices = layer(**leaves).vertices
        torch.autograd.grad((vertices * vertices).sum(), list(leaves.values()))

    return work


def _timed(work: Callable[[], None], device: torch.device, repeats: int) -> dict[str, float]:
    """Medians of wall and processor time in milliseconds, and the most memory above what was held before, in MB."""
    cuda, peak = device.type == "cuda", None
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
    else:
        _return_freed_memory()
        peak = Peak()
        before = peak.mb()
    work()
    wall, processor = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        work()
        if cuda:
            torch.cuda.synchronize()
        wall.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    most = torch.cuda.max_memory_allocated() / 2**20 if peak is None else peak.mb()
    if peak is not None:
        peak.end()
    return {"ms": 1e3 * median(wall), "cpu_ms": 1e3 * median(processor), "memory_mb": most - before}


def _return_freed_memory() -> None:
    """Let glibc hand back what it keeps of earlier rows; otherwise they hide what this one needs."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _say(row: dict) -> None:
    print(f"  {row['row']}: {row['ms']:.1f} ms", flush=True)


def _table(about: dict, rows: list[dict]) -> str:
    lines = [
        f"{about['heads']} heads of {about['vertices']} vertices and {about['modes']} modes, {about['model']}; "
        f"{about['device']}, {about['machine']['cores']} cores; medians of {about['repeats']}, the reference once.",
        "",
        "| | ms | processor ms | MB above rest | largest difference, m | mean distance to the scan, m |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        memory = f"{row['memory_mb']:.0f}" if "memory_mb" in row else ""
        away = f"{row['largest_difference_m']:.1e}" if "largest_difference_m" in row else ""
        off = f"{row['mean_distance_m']:.1e}" if "mean_distance_m" in row else ""
        lines.append(f"| {row['row']} | {row['ms']:.1f} | {row['cpu_ms']:.1f} | {memory} | {away} | {off} |")
    return "\n".join(lines) + "\n"
