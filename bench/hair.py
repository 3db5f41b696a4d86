"""How near reconstructed strands come to the truth, stage by stage, on three pinned grooms."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from backend.errors import MaquetteError, RequestError
from backend.evaluate.strands import evaluate
from backend.formats.strands import read_npz
from backend.hair.styles import SCENES

from .hair_report import write_report
from .hair_scenes import CHECKOUT, Rendering, capture_of
from .robustness import with_dilated_masks, with_shaken_cameras

HELP = "Strands from 24 rendered views of three grooms against the true strands: each stage's gain, and faulty input."
DILATION = 2
SHAKE = 0.5


@dataclass(frozen=True)
class Row:
    """One reconstruction of one scene. ``stages`` is the request's; ``fault`` names what was done to the capture."""

    name: str
    stages: str = "all"
    fault: str = ""


ROWS = (
    Row("hull only", "hull"),
    Row("+ shell from the pictures", "shell"),
    Row("+ growth", "growth"),
    Row("+ back-connection", "connection"),
    Row("+ refinement", "all"),
    Row(f"masks dilated by {DILATION} px", fault="masks"),
    Row(f"cameras off by {SHAKE} px", fault="cameras"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench hair``."""
    pinned = Rendering()
    parser.add_argument("--scenes", nargs="+", choices=tuple(SCENES), default=list(SCENES), metavar="SCENE")
    parser.add_argument("--rows", nargs="+", type=int, choices=range(1, len(ROWS) + 1), help="Only these rows, from 1.")
    parser.add_argument("--preset", default="standard", help="Default: standard.")
    parser.add_argument("--strands", type=int, default=0, help="Strands to grow. Default: the request's.")
    parser.add_argument("--captures", type=Path, metavar="DIR", help="Folder of captures named as the scenes are.")
    for name, what in (("views", "Cameras"), ("size", "Pixels"), ("samples", "Samples a pixel")):
        default = getattr(pinned, name)
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what}. Pinned: {default}.")


def run(options: argparse.Namespace) -> None:
    """Render what is not in the cache, reconstruct, evaluate, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    rendering = Rendering(options.views, options.size, options.samples)
    rows = ROWS if not options.rows else tuple(ROWS[i - 1] for i in options.rows)
    results = []
    for scene in options.scenes:
        capture = options.captures / scene if options.captures else capture_of(scene, rendering)
        if not (capture / "ground_truth" / "strands.npz").is_file():
            raise RequestError(f"{capture} has no true strands; render it with `python build.py bench hair`.")
        for row in rows:
            print(f"{scene}: {row.name}", flush=True)
            results.append(_measure(scene, row, capture, options))
            print("  " + _summary(results[-1]), flush=True)
            about = {"preset": options.preset, "captures": "given" if options.captures else vars(rendering)}
            write_report(options.out, results, about)
    print(f"Results in {options.out / 'results.md'}")


def _measure(scene: str, row: Row, capture: Path, options: argparse.Namespace) -> dict:
    folder = options.out / scene / (row.fault or row.stages)
    folder.mkdir(parents=True, exist_ok=True)
    head = folder / "head-given.npz"
    shutil.copyfile(capture / "ground_truth" / "head.npz", head)
    faulty = folder / "capture"
    if row.fault == "masks":
        capture_used = with_dilated_masks(capture, faulty, DILATION)
    elif row.fault == "cameras":
        capture_used = with_shaken_cameras(capture, faulty, SHAKE, seed=0)
    else:
        capture_used = capture
    command = [
        sys.executable, "-P", "-m", "backend", "reconstruct-hair", capture_used, "--head", head,
        "--preset", options.preset, "--stages", row.stages, "--out", folder,
    ]  # fmt: skip
    if options.strands:
        command += ["--strands", options.strands]
    with (folder / "log.txt").open("w") as log:
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, env=environment)
    if faulty.exists():
        shutil.rmtree(faulty)
    if done.returncode:
        raise MaquetteError(
            f"The row '{row.name}' of '{scene}' ended with code {done.returncode}; see {folder}/log.txt."
        )
    scores = evaluate(read_npz(folder / "strands.npz"), read_npz(capture / "ground_truth" / "strands.npz"))
    report = json.loads((folder / "report.json").read_text())
    return {"scene": scene, "row": row.name, "scores": scores.as_dict(), "report": report}


def _summary(result: dict) -> str:
    scores = [r for r in result["scores"]["rows"] if r["sign"] == "undirected"]
    places = ", ".join(f"{r['millimetres']:g}/{r['degrees']:g}: {r['f_score']:.1f}" for r in scores)
    return f"F {places}; {result['report']['seconds']:.0f} s"
