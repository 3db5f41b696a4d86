"""Measurements of strands without Blender, each in a process of its own: python -m bench.strands_measures PART ..."""

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from backend.evaluate.strands import THRESHOLDS, OrientedPoints, evaluate
from backend.formats.strand_files import SUPPORTED, read_strands, write_strands
from backend.formats.strands import Strands, read_npz
from backend.memory import Peak


def timed(action, repeats: int) -> tuple[list[float], object]:
    """Seconds of each call, and what the last gave."""
    seconds, given = [], None
    for _ in range(repeats):
        began = time.perf_counter()
        given = action()
        seconds.append(time.perf_counter() - began)
    return seconds, given


def measure_evaluate(prediction: str, truth: str, repeats: str, baseline_points: str, style: str) -> list[dict]:
    """The evaluation, and beside it a plain one on a random part of the points, scaled up to all."""
    two = read_npz(Path(prediction)), read_npz(Path(truth))
    points = two[0].counts[0]
    peak = Peak()
    seconds, scores = timed(lambda: evaluate(*two, points=points, maximum_points=10**9), int(repeats))
    peak_mb = peak.mb()
    sides = [OrientedPoints.of(side.resampled(points)) for side in two]
    rng = np.random.default_rng(0)
    asked = rng.choice(len(sides[0]), min(int(baseline_points), len(sides[0])), replace=False)
    plain, hits = timed(lambda: plain_hits(sides[0].rows(asked), sides[1]), 1)
    ours = scores.prediction.hits[0].reshape(len(THRESHOLDS), -1)[:, asked]
    share = len(asked) / (len(sides[0]) + len(sides[1]))
    name = f"{style}: {len(sides[0]):,} points against {len(sides[1]):,}"
    return [
        {
            "name": name,
            "seconds": seconds,
            "peak_mb": peak_mb,
            "baseline": "scipy's query_ball_point and a test of the angle, a threshold at a time, on all cores;"
            f" {len(asked):,} points asked, scaled up to both sides",
            "baseline_seconds": [value / share for value in plain],
            "agrees": bool((ours == hits).all()),
        }
    ]


def plain_hits(asked: OrientedPoints, points: OrientedPoints) -> np.ndarray:
    """(T, Q) bool, undirected: the definition word by word."""
    tree, found = cKDTree(points.positions), []
    for distance, angle in THRESHOLDS:
        least, hits = np.cos(np.radians(angle)), []
        for start in range(0, len(asked), 2000):
            part = asked.rows(slice(start, start + 2000))
            near = tree.query_ball_point(part.positions, distance, workers=-1)
            for direction, rows in zip(part.directions, near, strict=True):
                hits.append(bool(len(rows)) and bool((np.abs(points.directions[rows] @ direction) >= least).any()))
        found.append(hits)
    return np.array(found)


def measure_files(strands: str, folder: str, repeats: str) -> list[dict]:
    """Each format written and read; beside it the same points as one bare array."""
    hair, place, repeats = read_npz(Path(strands)), Path(folder) / "files", int(repeats)
    place.mkdir(exist_ok=True)
    bare = place / "bare.npy"
    wrote, _ = timed(lambda: np.save(bare, hair.points), repeats)
    read, _ = timed(lambda: np.load(bare), repeats)
    results = []
    for ending, kind in SUPPORTED.items():
        path = place / f"hair{ending}"
        if kind.write:
            seconds, _ = timed(lambda path=path: write_strands(path, hair), repeats)
            results.append(_file_result("write", path, seconds, wrote))
        else:
            path.write_bytes(FOREIGN[ending](hair))
        seconds, back = timed(lambda path=path: read_strands(path), repeats)
        same = np.array_equal(back.counts, hair.counts) and np.allclose(back.points, hair.points, atol=1e-6)
        results.append(_file_result("read", path, seconds, read) | {"agrees": bool(same)})
    return results


def _file_result(verb: str, path: Path, seconds: list[float], bare: list[float]) -> dict:
    return {
        "name": f"{verb} {path.suffix} ({path.stat().st_size / 1e6:.1f} MB)",
        "seconds": seconds,
        "baseline": f"NumPy {'saves' if verb == 'write' else 'loads'} the points as one bare array",
        "baseline_seconds": bare,
    }


def ct2hair(hair: Strands) -> bytes:
    """CT2Hair's .bin, which we read and do not write: seven numbers a point."""
    rows = np.hstack([hair.points, np.zeros((len(hair.points), 4), np.float32)]).astype("<f4")
    spans = zip(hair.offsets[:-1], hair.offsets[1:], strict=True)
    return struct.pack("<i", len(hair)) + b"".join(struct.pack("<i", b - a) + rows[a:b].tobytes() for a, b in spans)


def tressfx(hair: Strands) -> bytes:
    """TressFX's .tfx, likewise: four numbers a point."""
    header = struct.pack("<f4I", 4.0, len(hair), hair.counts[0], 160, 0).ljust(160, b"\0")
    return header + np.hstack([hair.points, np.ones((len(hair.points), 1), np.float32)]).astype("<f4").tobytes()


FOREIGN = {".bin": ct2hair, ".tfx": tressfx}
MEASURES = {"evaluate": measure_evaluate, "files": measure_files}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](*sys.argv[2:])))
