"""A folder of scans registered one by one, each in a process of its own."""

import csv
import dataclasses
import os
import statistics
import time
from pathlib import Path

from ..child_job import ChildJob
from ..contract import RegisterScan, RegisterScans, encode
from ..detail.scan_folder import STAMP, FoundScan, find_scans, stamp
from ..formats.job_folder import JobFolder, read_json, write_json
from ..protocol import Reporter

OWN = ("folder", "workers")
"""Settings that are this job's and not those of each registration."""
COLUMNS = (
    "name", "state", "mean_mm", "median_mm", "p95_mm", "face_mm", "scalp_mm", "mesh_to_scan_mm",
    "self_intersecting_share", "clipped_vertices", "observed_vertices", "landmark_error_mm", "unit", "unit_source",
    "scan_points", "seconds", "sentence", "scan",
)  # fmt: skip
DONE, KEPT, FAILED = "done", "kept", "failed"
"""States: registered now, registered earlier with the same settings, and not registered."""
POLL = 0.1


def run(request: RegisterScans, reporter: Reporter) -> dict:
    """Leave a folder a scan, as register-scan does, and quality.csv and quality.json: a row a scan.

    What was finished earlier with the same settings and the same files is kept. A scan that cannot be registered is
    told, and the others go on. When it is stopped, so are the registrations that run.
    """
    reporter.stage("Looking for scans")
    out = reporter.folder
    scans = find_scans(request.folder, out)
    workers = request.workers or max(1, (os.cpu_count() or 2) // 2)
    threads = max(1, (os.cpu_count() or 1) // workers)
    rows: dict[str, dict] = {}
    waiting: list[tuple[FoundScan, RegisterScan]] = []
    for found in scans:
        if found.landmarks is None:
            sentence = f"There are no landmarks beside {found.scan.name}; save them as {found.scan.stem}.json."
            rows[found.name] = _failed(found, sentence)
            reporter.warning(f"{found.name}: {sentence}")
            continue
        single = _single(request, found)
        if _finished(out / found.name, stamp(encode(single), found)):
            rows[found.name] = _row(found, out / found.name, KEPT)
        else:
            waiting.append((found, single))
    if rows:
        reporter.log(f"{len(scans)} scans; {sum(row['state'] == KEPT for row in rows.values())} were finished earlier.")
    _write(out, scans, rows)
    running: dict[str, tuple[FoundScan, ChildJob]] = {}
    reporter.stage("Registering scans", len(scans))
    try:
        reporter.step(len(rows))
        while waiting or running:
            while waiting and len(running) < workers:
                found, single = waiting.pop(0)
                (out / found.name / STAMP).unlink(missing_ok=True)
                running[found.name] = found, ChildJob(single, out / found.name, threads)
            for name, (found, job) in [*running.items()]:
                if job.running:
                    continue
                del running[name]
                rows[name] = _ended(found, job, out / name, _single(request, found), reporter)
                _write(out, scans, rows)
                reporter.step(len(rows))
            reporter.check()
            time.sleep(POLL)
    finally:
        for _, job in running.values():
            job.stop()
    states = [row["state"] for row in rows.values()]
    good = [row for row in rows.values() if row["state"] != FAILED]
    means = sorted(row["mean_mm"] for row in good if row["mean_mm"] is not None)
    return {
        "table": "quality.csv",
        "quality": "quality.json",
        "scans": len(scans),
        "registered": states.count(DONE),
        "kept": states.count(KEPT),
        "failed": states.count(FAILED),
        "median_mm": statistics.median(means) if means else None,
        "worst_mm": means[-1] if means else None,
    }


def _single(request: RegisterScans, found: FoundScan) -> RegisterScan:
    values = {f.name: getattr(request, f.name) for f in dataclasses.fields(request) if f.name not in OWN}
    # Its process runs elsewhere: paths as they are from anywhere.
    model = Path(values["model"]).expanduser()
    values["model"] = str(model.resolve()) if model.is_file() else values["model"]
    return RegisterScan(scan=found.scan.resolve(), landmarks=found.landmarks.resolve(), **values)


def _finished(folder: Path, wanted: dict) -> bool:
    made = read_json(folder / STAMP)
    report = read_json(folder / "report.json")
    return made is not None and made.get("hash") == wanted["hash"] and report is not None


def _ended(found: FoundScan, job: ChildJob, folder: Path, single: RegisterScan, reporter: Reporter) -> dict:
    if job.error is not None:
        reporter.warning(f"{found.name}: {job.error}")
        return _failed(found, job.error)
    write_json(folder / STAMP, stamp(encode(single), found))
    row = _row(found, folder, DONE) | {"sentence": " ".join(job.warnings)}
    reporter.log(f"{found.name}: {row['mean_mm']} mm on average, {row['seconds']} s")
    return row


def _failed(found: FoundScan, sentence: str) -> dict:
    empty = dict.fromkeys(COLUMNS)
    return empty | {"name": found.name, "state": FAILED, "sentence": sentence, "scan": str(found.scan)}


def _row(found: FoundScan, folder: Path, state: str) -> dict:
    report = read_json(folder / "report.json") or {}
    result = read_json(JobFolder(folder).result) or {}
    to_mesh, to_scan = report.get("scan_to_mesh_mm") or {}, report.get("mesh_to_scan_mm") or {}
    regions = to_mesh.get("regions", {})
    row = {column: report.get(column) for column in COLUMNS} | {key + "_mm": to_mesh.get(key) for key in _FIGURES}
    row |= {f"{name}_mm": regions.get(name, {}).get("mean") for name in ("face", "scalp")}
    row |= {
        "mesh_to_scan_mm": to_scan.get("mean"),
        "landmark_error_mm": report.get("landmark_error_mm", {}).get("mean"),
    }
    row |= {"seconds": report.get("seconds", result.get("seconds")), "sentence": ""}
    return row | {"name": found.name, "state": state, "scan": str(found.scan)}


_FIGURES = ("mean", "median", "p95")


def _write(out: Path, scans: list[FoundScan], rows: dict[str, dict]) -> None:
    """The table of what is known by now, whole at any time."""
    table = [rows[scan.name] for scan in scans if scan.name in rows]
    write_json(out / "quality.json", {"scans": table})
    temporary = out / "quality.csv.part"
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(table)
    temporary.replace(out / "quality.csv")
