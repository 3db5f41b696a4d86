"""Heads fitted to photographs of known, random ones: millimetres and seconds."""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from backend.contract import BUILT_IN, FitPhotos
from backend.fit.model import model_to_fit
from backend.fit.place import umeyama
from backend.formats.mesh_ply import read_ply_vertices
from backend.jobs import fit_photos
from backend.protocol import SilentReporter
from tests.unit.photo_scene import random_head, render_scene, ring

HELP = "A head fitted to photographs of random ones, cameras known and unknown: millimetres and seconds."
EXPRESSION = 0.15
"""Of every expression's mode, for every other person."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench photo-fit``."""
    parser.add_argument("--people", type=int, default=3, help="Random heads. Default: 3.")
    parser.add_argument("--photographs", type=int, default=12, help="Of each. Default: 12.")
    parser.add_argument("--size", type=int, default=512, help="Pixels of a side. Default: 512.")
    parser.add_argument("--spread", type=float, default=360.0, help="Degrees about the face. Default: 360.")
    parser.add_argument("--no-masks", action="store_true", help="Photographs without masks of skin.")
    parser.add_argument("--model", default=BUILT_IN, help=f"Head model. Default: {BUILT_IN}.")
    parser.add_argument("--captures", type=Path, nargs="*", default=[],
                        help="Captures with truth.npy (vertices, metres), in place of random heads.")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Render, fit, and write results.json and results.md."""
    model = model_to_fit(options.model)
    rows = []
    for person in range(len(options.captures) or options.people):
        if options.captures:
            folder, truth = options.captures[person], np.load(options.captures[person] / "truth.npy")
            name = folder.name
        else:
            name, folder = f"person {person + 1}", options.out / f"person{person + 1}"
            truth = random_head(model, person, EXPRESSION * (person % 2))
            cameras = ring(options.photographs, options.size, options.spread, seed=person)
            render_scene(folder, model, truth, cameras, masks=not options.no_masks, seed=person)
        for known in ("known", "unknown"):
            out = options.out / f"{folder.name}-{known}"
            start = time.perf_counter(), time.process_time()
            request = FitPhotos(capture=folder, model=options.model, cameras=known)
            fit_photos.run(request, SilentReporter(out))
            seconds, processor = time.perf_counter() - start[0], time.process_time() - start[1]
            found = read_ply_vertices(out / "head.ply")
            found = np.stack([found[axis] for axis in "xyz"], axis=1).astype(np.float64)
            # Without known cameras nobody knows the size: 7 degrees of freedom, else 6.
            placed = umeyama(found, truth, with_scale=known == "unknown").apply(found)
            miss = 1000 * np.linalg.norm(placed - truth, axis=1)
            face = miss[model.regions["face"]].mean() if "face" in model.regions else float("nan")
            rows.append({"head": name, "cameras": known, "mean_mm": miss.mean(), "face_mm": face, "max_mm": miss.max(),
                         "seconds": seconds, "processor_s": processor})  # fmt: skip
            print(f"  {name}, cameras {known}: {miss.mean():.2f} mm (face {face:.2f}), {seconds:.0f} s", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    about = {"photographs": options.photographs, "size": options.size, "spread": options.spread,
             "masks": not options.no_masks, "model": model.name}  # fmt: skip
    (options.out / "results.json").write_text(json.dumps(about | {"results": rows}, indent=1))
    lines = ["| head | cameras | mean mm | face mm | max mm | s | processor s |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        numbers = (row[key] for key in ("mean_mm", "face_mm", "max_mm"))
        lines.append(f"| {row['head']} | {row['cameras']} | " + " | ".join(f"{n:.2f}" for n in numbers)
                     + f" | {row['seconds']:.0f} | {row['processor_s']:.0f} |")  # fmt: skip
    (options.out / "results.md").write_text("\n".join(lines) + "\n")
    print(f"Results in {options.out / 'results.md'}")
