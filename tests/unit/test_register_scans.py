"""A folder of scans: what is found, kept, told, and stopped. Each registration is a process, as for an artist."""

import csv
import json
import os
import time

import numpy as np
import pytest

from backend.contract import BUILT_IN, FakeJob, RegisterScans, encode
from backend.detail.scan_folder import STAMP, find_scans
from backend.errors import Cancelled, ScanError
from backend.formats.head import BUILT_IN_HEAD
from backend.jobs import register_scans
from backend.protocol import SilentReporter


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    for name in (
        "anna.obj", "anna.json", "ben.ply", "ben_landmarks.pp", "carl.PLY", "notes.txt", "model.npz", "dora.npz",
        "dora.npy", "emil/scan.ply", "emil/landmarks.json", "emil/coefficients.npz", "out/ben/registered.ply",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def test_scans_are_found_with_what_lies_beside_them(scans):
    found = {scan.name: scan for scan in find_scans(scans, scans / "out")}
    assert sorted(found) == ["anna", "ben", "carl", "dora", "emil"]
    assert found["carl"].landmarks is None
    marks = {name: scan.landmarks.name for name, scan in found.items() if scan.landmarks}
    assert marks == {"anna": "anna.json", "ben": "ben_landmarks.pp", "dora": "dora.npy", "emil": "landmarks.json"}
    (scans / "anna.ply").write_bytes(b"")
    assert {"anna.obj", "anna.ply"} <= {scan.name for scan in find_scans(scans, scans / "out")}
    with pytest.raises(ScanError, match="no folder"):
        find_scans(scans / "nowhere", scans)
    (scans / "empty").mkdir()
    with pytest.raises(ScanError, match="no scan in"):
        find_scans(scans / "empty", scans / "out")


def stand_in(monkeypatch, **settings):
    """Registrations that only pass time; what they would leave is put there beforehand."""
    monkeypatch.setattr(register_scans, "_single", lambda request, found: Timed(found, **settings))


def Timed(found, behaviours=None, **settings):
    job = FakeJob(**({"steps": 2, "seconds_per_step": 0.01} | settings | (behaviours or {}).get(found.name, {})))
    return job


def rows_of(folder) -> dict[str, dict]:
    with (folder / "quality.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def report(folder, mean: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"mean": mean, "median": mean, "p95": 2 * mean, "regions": {"face": {"mean": mean}}}
    values = {"scan_to_mesh_mm": figures, "seconds": 3.5, "landmark_error_mm": {"mean": 1.0}, "clipped_vertices": 0}
    (folder / "report.json").write_text(json.dumps(values))


def test_a_bad_scan_is_told_the_others_go_on_and_finished_ones_are_kept(scans, tmp_path, monkeypatch):
    out = tmp_path / "out"
    for name, mean in (("anna", 0.1), ("ben", 0.2), ("emil", 0.4)):
        report(out / name, mean)
    real = register_scans.encode
    monkeypatch.setattr(register_scans, "encode", lambda request: {"model": BUILT_IN} | real(request))
    stand_in(monkeypatch, behaviours={"dora": {"behaviour": "fail", "misbehave_at": 1}})
    reporter = SilentReporter(out)
    result = register_scans.run(RegisterScans(folder=scans, workers=2), reporter)
    assert (result["registered"], result["kept"], result["failed"]) == (3, 0, 2)
    assert result["median_mm"] == pytest.approx(0.2) and result["worst_mm"] == 0.4
    rows = rows_of(out)
    assert rows["anna"]["state"] == "done" and float(rows["anna"]["p95_mm"]) == 0.2
    assert rows["carl"]["state"] == "failed" and "carl.json" in rows["carl"]["sentence"]
    assert rows["dora"]["state"] == "failed" and rows["dora"]["sentence"]
    told = " ".join(message.get("text", "") for message in reporter.messages)
    assert "carl" in told and "dora" in told

    # Again: what was finished is not begun, and what failed is tried anew.
    before = (out / "anna" / "request.json").stat().st_mtime_ns
    stand_in(monkeypatch)
    report(out / "dora", 0.3)
    result = register_scans.run(RegisterScans(folder=scans, workers=2), SilentReporter(out))
    assert (result["registered"], result["kept"], result["failed"]) == (1, 3, 1)
    assert (out / "anna" / "request.json").stat().st_mtime_ns == before
    assert rows_of(out)["anna"]["state"] == "kept" and rows_of(out)["dora"]["state"] == "done"
    # A scan that changed, or other settings, are registered anew.
    (scans / "anna.obj").write_bytes(b"changed")
    result = register_scans.run(RegisterScans(folder=scans, workers=2), SilentReporter(out))
    assert (result["registered"], result["kept"]) == (1, 3)
    stand_in(monkeypatch, steps=3)
    assert register_scans.run(RegisterScans(folder=scans, workers=3), SilentReporter(out))["registered"] == 4


def test_stopping_ends_the_registrations_and_what_was_finished_stays(scans, tmp_path, monkeypatch):
    out = tmp_path / "out"
    report(out / "anna", 0.1)
    monkeypatch.setattr(register_scans, "encode", lambda request: {"model": BUILT_IN} | encode(request))
    stand_in(monkeypatch, steps=100_000, behaviours={"anna": {"steps": 1}, "ben": {"behaviour": "hang"}})
    monkeypatch.setattr(register_scans.ChildJob.stop, "__defaults__", (0.5,))
    reporter = SilentReporter(out)
    begun = {}

    class Impatient(SilentReporter):
        def check(self):
            for name in ("ben", "dora"):
                lock = out / name / "lock.json"
                if name not in begun and lock.is_file():
                    begun[name] = json.loads(lock.read_text())["pid"]
            if len(begun) == 2 and (out / "anna" / STAMP).is_file():
                self.cancelled.set()
            super().check()

    reporter = Impatient(out)
    with pytest.raises(Cancelled):
        register_scans.run(RegisterScans(folder=scans, workers=2), reporter)
    assert len(begun) == 2
    time.sleep(0.2)
    for pid in begun.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert rows_of(out)["anna"]["state"] == "done" and "dora" not in rows_of(out)


def test_a_real_registration_says_what_is_wrong_with_its_scan(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    head = np.load(BUILT_IN_HEAD, allow_pickle=False)
    np.savez(folder / "broken.npz", vertices=np.full_like(head["v_template"], np.nan), faces=head["f"])
    (folder / "broken.json").write_text(json.dumps(np.zeros((51, 3)).tolist()))
    result = register_scans.run(RegisterScans(folder=folder, preset="draft"), SilentReporter(tmp_path / "out"))
    assert result["failed"] == 1 and result["median_mm"] is None
    assert "not finite numbers" in rows_of(tmp_path / "out")["broken"]["sentence"]
