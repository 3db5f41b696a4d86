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
STRANDS = 20_000
"""Recall rises with their number; the button's 10,000 are the lighter default for a scene one works in."""
DILATION = 2
SHAKE = 0.5


@dataclass(frozen=True)
class Row:
    """One line of a scene's table.

    Attributes:
        run: the last stage of the reconstruction it is taken from, as in the request's ``stages``.
        after: the stage whose strands it shows, where that is an earlier one of the same run.
        fault: what was done to the capture.
        strands: how many are grown; 0 for as many as the options say.
    """

    name: str
    run: str = "all"
    after: str = ""
    fault: str = ""
    strands: int = 0


ROWS = (
    Row("hull only", "hull"),
    Row("+ shell from the pictures", "shell"),
    Row("+ growth", after="growth"),
    Row("+ back-connection", after="connection"),
    Row("+ refinement"),
    Row("as the button does, 10,000 strands", strands=10_000),
    Row(f"masks dilated by {DILATION} px", fault="masks"),
    Row(f"cameras off by {SHAKE} px", fault="cameras"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench hair``."""
    pinned = Rendering()
    parser.add_argument("--scenes", nargs="+", choices=tuple(SCENES), default=list(SCENES), metavar="SCENE")
    parser.add_argument("--rows", nargs="+", type=int, choices=range(1, len(ROWS) + 1), help="Only these rows, from 1.")
    parser.add_argument("--preset", default="standard", help="Default: standard.")
    parser.add_argument("--strands", type=int, default=STRANDS, help=f"Strands to grow. Pinned: {STRANDS}.")
    parser.add_argument("--captures", type=Path, metavar="DIR", help="Folder of captures named as the scenes are.")
    for name, what in (("views", "Cameras"), ("size", "Pixels"), ("samples", "Samples a pixel")):
        default = getattr(pinned, name)
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what}. Pinned: {default}.")


def run(options: argparse.Namespace) -> None:
    """Render what is not in the cache, reconstruct, evaluate, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    rendering = Rendering(options.views, options.size, options.samples)
    rows = ROWS if not options.rows else tuple(ROWS[i - 1] for i in options.rows)
    about = {"preset": options.preset, "strands": options.strands, "scenes": _scenes_in_words(options)}
    results, options.made = [], set()
    for scene in options.scenes:
        capture = options.captures / scene if options.captures else capture_of(scene, rendering)
        if not (capture / "ground_truth" / "strands.npz").is_file():
            raise RequestError(f"{capture} has no true strands; render it with `python build.py bench hair`.")
        for row in rows:
            print(f"{scene}: {row.name}", flush=True)
            results.append(_measure(scene, row, capture, options))
            print("  " + _summary(results[-1]), flush=True)
            write_report(options.out, results, about)
    print(f"Results in {options.out / 'results.md'}")


def _measure(scene: str, row: Row, capture: Path, options: argparse.Namespace) -> dict:
    folder = options.out / scene / "-".join(filter(None, (row.run, row.fault, str(row.strands or ""))))
    # Rows of one run share it, as long as this bench has made it.
    if folder not in options.made:
        _reconstruct(capture, row, folder, options)
        options.made.add(folder)
    found = folder / (f"strands_{row.after}.npz" if row.after else "strands.npz")
    scores = evaluate(read_npz(found), read_npz(capture / "ground_truth" / "strands.npz"))
    report = json.loads((folder / "report.json").read_text())
    if row.after:
        stages = report["stages"]
        until = list(stages)[: list(stages).index(row.after) + 1]
        report["stages"] = {stage: stages[stage] for stage in until}
        report["seconds"] = sum(report["stages"].values())
        report["peak_memory_mb"] = max(report["stage_peak_memory_mb"][stage] for stage in until)
    return {"scene": scene, "row": row.name, "scores": scores.as_dict(), "report": report}


def _reconstruct(capture: Path, row: Row, folder: Path, options: argparse.Namespace) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = folder / "head-given.npz"
    shutil.copyfile(capture / "ground_truth" / "head.npz", head)
    faulty = folder / "capture"
    if row.fault == "masks":
        used = with_dilated_masks(capture, faulty, DILATION)
    elif row.fault == "cameras":
        used = with_shaken_cameras(capture, faulty, SHAKE, seed=0)
    else:
        used = capture
    command = [
        sys.executable, "-P", "-m", "backend", "reconstruct-hair", used, "--head", head,
        "--preset", options.preset, "--stages", row.run, "--strands", row.strands or options.strands,
        "--out", folder,
    ]  # fmt: skip
    with (folder / "log.txt").open("w") as log:
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, env=environment)
    if faulty.exists():
        shutil.rmtree(faulty)
    if done.returncode:
        raise MaquetteError(f"'{row.name}' ended with code {done.returncode}; {folder / 'log.txt'} says why.")


def _scenes_in_words(options: argparse.Namespace) -> str:
    if options.captures:
        return f"captures given in {options.captures}"
    return f"{options.views} views of {options.size}², {options.samples} samples a pixel, denoised"


def _summary(result: dict) -> str:
    scores = [r for r in result["scores"]["rows"] if r["sign"] == "undirected"]
    places = ", ".join(f"{r['millimetres']:g}/{r['degrees']:g}: {r['f_score']:.1f}" for r in scores)
    return f"F {places}; {result['report']['seconds']:.0f} s"
