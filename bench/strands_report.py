"""The strands bench's results as JSON and as a table to read."""

import json
import os
import platform
from pathlib import Path
from statistics import median


def write_report(folder: Path, results: list[dict], about: dict) -> None:
    """Write results.json and results.md: medians with their range, peak memory, and how often the plain way's time."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    (folder / "results.json").write_text(json.dumps(about | {"machine": machine, "results": results}, indent=1))
    busy = "" if about["load"] is None else f"; load {about['load']} at the beginning"
    lines = [f"Median of {about['repeats']} (least to most); {machine['cores']} cores{busy}."]
    for part in dict.fromkeys(result["part"] for result in results):
        lines += [
            "",
            f"### {part}",
            "",
            "| | s | peak MB | plain way, s | plain / ours | |",
            "|---|---|---|---|---|---|",
        ]
        rows = [result for result in results if result["part"] == part]
        lines += [_row(result) for result in rows]
        ways = dict.fromkeys(result["baseline"] for result in rows if "baseline" in result)
        lines += ["", *(f"Plain way: {way}." for way in ways)]
    (folder / "results.md").write_text("\n".join(lines) + "\n")


def _row(result: dict) -> str:
    seconds, plain = result["seconds"], result.get("baseline_seconds")
    time = f"{median(seconds):.3g} ({min(seconds):.3g} to {max(seconds):.3g})"
    memory = f"{result['peak_mb']:.0f}" if result.get("peak_mb") else ""
    other = [f"{median(plain):.3g}", f"{median(plain) / median(seconds):.2g}"] if plain else ["", ""]
    return f"| {result['name']} | {time} | {memory} | {' | '.join(other)} | {_remark(result)} |"


def _remark(result: dict) -> str:
    said = []
    if "target" in result:
        met = "met" if median(result["seconds"]) < result["target"] else "missed"
        said.append(f"target {result['target']:g} s {met}")
    if not result.get("agrees", True):
        said.append("DIFFERS from the plain way")
    return "; ".join(said)
