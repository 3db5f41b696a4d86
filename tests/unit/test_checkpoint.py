"""Stages kept in a job's folder: what comes back is what was kept, or the stage is done again."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from backend import checkpoint
from backend.checkpoint import Checkpoints, fingerprint
from backend.formats.head import Head
from backend.geometry.grid import Grid
from backend.hair.field import DirectionField
from backend.hair.hull import Volumes
from backend.hair.report import StageClock
from backend.protocol import SilentReporter


class Run:
    """One run of a job in a folder: its checkpoints, its random numbers, and what it had to make."""

    def __init__(self, folder: Path, of: str = "the same", seed: int = 0):
        self.reporter, self.rng = SilentReporter(folder), np.random.default_rng(seed)
        self.clock = StageClock(self.reporter)
        self.clock.stage("stage", "A stage")
        self.kept, self.made = Checkpoints(self.reporter, of, self.rng, self.clock), []

    def stage(self, name: str, result):
        def make():
            self.made.append(name)
            self.rng.random(3)
            return result

        return self.kept(name, make)

    @property
    def logged(self) -> str:
        return "\n".join(m["text"] for m in self.reporter.messages if m["type"] == "log")


def volumes() -> Volumes:
    grid = Grid(np.array([0.1, -0.2, 0.3], np.float32), 0.002, (2, 3, 4))
    return Volumes(grid, torch.randn(2, 3, 4), torch.randn(2, 3, 4))


def test_everything_that_stages_give_comes_back_as_it_was(tmp_path):
    field = DirectionField(
        volumes().grid, np.arange(3), np.eye(3, dtype=np.float32), np.ones(3, np.float32), sparse.eye(3, format="csr")
    )
    head = Head(
        np.zeros((3, 3)), np.array([[0, 1, 2]]), regions={"scalp": np.array([2])}, landmarks={"a": (0, np.ones(3))}
    )
    history = [{"total": 0.1 + 0.2}, {"total": float("inf")}]
    given = {"v": volumes(), "field": field, "heads": (head, None), "history": history, 3: np.float32(0.1), "on": True}
    Run(tmp_path).stage("all", given)
    run = Run(tmp_path)
    found = run.stage("all", None)
    assert run.made == []
    assert type(found["v"]) is Volumes
    assert found["v"].grid.shape == (2, 3, 4) and found["v"].grid.spacing == 0.002
    assert torch.equal(found["v"].hair, given["v"].hair)
    assert (found["field"].laplacian != field.laplacian).nnz == 0
    assert isinstance(found["heads"], tuple) and found["heads"][1] is None
    assert found["heads"][0].regions["scalp"].tolist() == [2] and found["heads"][0].landmarks["a"][0] == 0
    assert found["history"] == history
    assert found[3].dtype == np.float32 and found["on"] is True
    assert not list((tmp_path / "checkpoint").glob("*.part"))


def test_random_numbers_and_seconds_go_on_as_in_the_first_run(tmp_path):
    first = Run(tmp_path)
    first.stage("one", 1)
    first.clock.credit(100.0, 1e6)
    first.stage("two", 2)
    again = Run(tmp_path)
    again.clock.credit(0.0, 0.0)
    assert (again.stage("one", None), again.stage("two", None)) == (1, 2)
    assert again.rng.random() == first.rng.random()
    again.clock.end()
    # Only what the stages themselves took is theirs.
    assert again.clock.seconds["stage"] < 50
    assert again.clock.peak_mb["stage"] == 1e6


def test_nothing_kept_is_a_result_too(tmp_path):
    Run(tmp_path).stage("curls", None)
    run = Run(tmp_path)
    assert run.stage("curls", "made") is None
    assert run.made == []


@pytest.mark.parametrize("trouble", ["cut", "turned", "empty", "of other settings"])
def test_a_checkpoint_that_does_not_serve_is_made_anew(tmp_path, trouble):
    Run(tmp_path).stage("hull", volumes())
    path = tmp_path / "checkpoint" / "hull.npz"
    data = bytearray(path.read_bytes())
    if trouble == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif trouble == "turned":
        with np.load(path) as file:
            where = bytes(data).index(file["1"].tobytes())
        data[where + 5] ^= 0xFF
        path.write_bytes(data)
    elif trouble == "empty":
        path.write_bytes(b"")
    run = Run(tmp_path, of="other" if trouble == "of other settings" else "the same")
    fresh = volumes()
    assert run.stage("hull", fresh) is fresh
    assert run.made == ["hull"]
    assert "hull" in run.logged and "made anew" in run.logged
    # And the new one serves.
    after = Run(tmp_path, of=run.kept._of)
    assert torch.equal(after.stage("hull", None).hair, fresh.hair)


def test_a_full_disk_costs_the_checkpoint_and_not_the_job(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    run = Run(tmp_path)
    assert run.stage("hull", 7) == 7
    assert "could not be kept" in run.logged
    assert not list((tmp_path / "checkpoint").iterdir())


def test_a_class_from_elsewhere_is_not_made(tmp_path, monkeypatch):
    Run(tmp_path).stage("hull", volumes())
    monkeypatch.setattr(checkpoint.dataclasses, "is_dataclass", lambda _: False)
    run = Run(tmp_path)
    assert run.stage("hull", 1) == 1


def test_the_fingerprint_tells_files_settings_and_absence_apart(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"abc")
    seen = [fingerprint({"seed": 0}, files=[picture])]
    assert fingerprint({"seed": 0}, files=[picture]) == seen[0]
    os.utime(picture, ns=(1, 1))
    seen.append(fingerprint({"seed": 0}, files=[picture]))
    picture.write_bytes(b"abcd")
    os.utime(picture, ns=(1, 1))
    seen.append(fingerprint({"seed": 0}, files=[picture]))
    seen.append(fingerprint({"seed": 1}, files=[picture]))
    picture.unlink()
    seen.append(fingerprint({"seed": 0}, files=[picture]))
    assert len(set(seen)) == 5


def test_a_part_of_a_stage_is_kept_now_and_then(tmp_path, monkeypatch):
    part = Run(tmp_path).kept.part("refinement")
    part.save(lambda: {"done": 1})
    assert part.state() is None
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_PARTS", -1.0)
    part.save(lambda: {"done": 2, "adam": {0: torch.ones(2)}})
    found = Run(tmp_path).kept.part("refinement").state()
    assert found["done"] == 2 and torch.equal(found["adam"][0], torch.ones(2))
