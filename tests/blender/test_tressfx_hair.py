"""An artist's hair, made for a game: it converts, renders as ground truth on a head, and comes back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
RATBOY = CHECKOUT.parent / "shared" / "data" / "tressfx" / "Ratboy_mohawk.tfx"
HEAD = CHECKOUT / "assets" / "built_in_head.npz"
FOLLOW_HAIRS = 12
VIEWS, SIZE = 9, 128

pytestmark = [
    pytest.mark.skipif(not RATBOY.is_file(), reason="the artist's TressFX hair is not here"),
    pytest.mark.skipif(
        not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend"
    ),
]


def run(*command) -> str:
    done = subprocess.run([*map(str, command)], cwd=CHECKOUT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def crest_on_head(strands, head):
    """The mane of a rat's head and back: its part above the head, laid on our head's middle.

    Its roots go to the nearest points of the scalp, each strand with its root.
    """
    crest = strands.subset(strands.roots[:, 2] > 0.8)
    scalp = head.vertices[head.scalp]
    middle = scalp[np.abs(scalp[:, 0]) < 0.05]
    points = crest.points.copy()
    for axis, place in ((1, middle[:, 1].mean()), (2, middle[:, 2].max())):
        mine = crest.roots[:, axis]
        points[:, axis] += place - (mine.mean() if axis == 1 else mine.max())
    roots = points[crest.offsets[:-1]]
    nearest = middle[np.linalg.norm(roots[:, None] - middle[None], axis=2).argmin(axis=1)]
    points += np.repeat(nearest - roots, crest.counts, axis=0)
    # A game draws follow hairs around each strand of the file; the file's alone are a comb with most teeth missing.
    guides = points.reshape(len(crest), -1, 3)
    beside = np.random.default_rng(0).normal(0, 0.002, (FOLLOW_HAIRS, len(crest), 1, 3)) * [1, 1, 0.3]
    followers = (guides + beside).reshape(-1, guides.shape[1], 3)
    return type(crest).from_array(followers.astype(np.float32))


def test_a_tressfx_mohawk_comes_back(maquette_part, tmp_path):
    backend = (os.environ["MAQUETTE_BACKEND_PYTHON"], "-m", "backend")
    run(*backend, "convert-strands", RATBOY, tmp_path / "mohawk.npz", "--up", "Y")
    files = maquette_part("backend.formats.strand_files")
    head = maquette_part("backend.formats.head").read_head(HEAD)
    crest = crest_on_head(files.read_strands(tmp_path / "mohawk.npz"), head)
    files.write_strands(tmp_path / "crest.npz", crest)

    capture = tmp_path / "capture"
    render = (sys.executable, CHECKOUT / "building" / "headless.py", "ground-truth", "--no-surface", "--seed", 1)
    size = ("--views", VIEWS, "--size", SIZE, "--samples", 8)
    run(*render, "--strands", tmp_path / "crest.npz", "--head", "built-in", *size, "--out", capture)
    rendered = files.read_strands(capture / "ground_truth" / "strands.npz")
    np.testing.assert_array_equal(rendered.counts, crest.counts)
    np.testing.assert_allclose(rendered.points, crest.points, atol=1e-5)

    came_back = tmp_path / "came back"
    settings = (
        "--head",
        HEAD,
        "--preset",
        "draft",
        "--strands",
        1000,
        "--points",
        32,
        "--device",
        "cpu",
        "--stages",
        "growth",
    )
    run(*backend, "reconstruct-hair", capture, *settings, "--out", came_back)
    truth = capture / "ground_truth" / "strands.npz"
    scores = json.loads(run(*backend, "evaluate-strands", came_back / "strands.npz", truth, "--points", 32, "--json"))
    print(scores["rows"])
    widest = scores["rows"][2]
    # Thin spikes on small pictures: chance alone would give a percent or two.
    assert widest["sign"] == "undirected" and widest["f_score"] > 10
