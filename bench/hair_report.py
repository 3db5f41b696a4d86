"""The hair bench's results as JSON and as tables to read."""

import json
import os
import platform
from pathlib import Path

PUBLISHED = {
    # Precision, recall, F-score at 2 mm/20 degrees, 3/30, 4/40: Sklyarova et al. 2023, table of synthetic scenes.
    "straight": ("Neural Haircut, published", ((59.9, 13.1, 21.5), (84.1, 22.7, 35.8), (92.1, 31.5, 46.9))),
    "curly": ("Neural Haircut, published", ((45.8, 6.4, 11.2), (72.1, 12.8, 21.7), (84.6, 21.0, 33.6))),
}
"""On the paper's own scenes, which are not ours: a measure of the task's difficulty, not of a race."""


def write_report(folder: Path, results: list[dict], about: dict) -> None:
    """Write results.json and results.md: F-scores, precision and recall, and where the time went."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    (folder / "results.json").write_text(json.dumps(about | {"machine": machine, "results": results}, indent=1))
    scenes = list(dict.fromkeys(r["scene"] for r in results))
    parts = [f"Preset {about['preset']}, {about['strands']:,} strands; {about['scenes']}; {machine['cores']} cores."]
    parts += [_scene_table(scene, [r for r in results if r["scene"] == scene]) for scene in scenes]
    parts.append(_time_table(results))
    (folder / "results.md").write_text("\n\n".join(parts) + "\n")


def _scene_table(scene: str, results: list[dict]) -> str:
    lines = [
        f"### {scene}",
        "",
        "| | F 2/20 | F 3/30 | F 4/40 | precision | recall | F signed | s | MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        rows = result["scores"]["rows"]
        plain = [r for r in rows if r["sign"] == "undirected"]
        signed = [r for r in rows if r["sign"] != "undirected"]
        values = [f"{r['f_score']:.1f}" for r in plain]
        values += [_slashed(plain, "precision"), _slashed(plain, "recall"), _slashed(signed, "f_score")]
        values += [f"{result['report']['seconds']:.0f}", f"{result['report'].get('peak_memory_mb', 0):.0f}"]
        lines.append(f"| {result['row']} | {' | '.join(values)} |")
    if scene in PUBLISHED:
        name, figures = PUBLISHED[scene]
        values = [f"{f:.1f}" for _, _, f in figures]
        values += ["/".join(f"{figure[k]:.1f}" for figure in figures) for k in (0, 1)]
        lines.append(f"| {name} (its own scene) | {' | '.join(values)} | | days | |")
    return "\n".join(lines)


def _time_table(results: list[dict]) -> str:
    stages = list(dict.fromkeys(stage for r in results for stage in r["report"]["stages"]))
    lines = ["### Seconds of each stage", "", f"| | {' | '.join(stages)} |", "|---" * (len(stages) + 1) + "|"]
    for result in results:
        seconds = [f"{result['report']['stages'].get(stage, 0):.1f}" for stage in stages]
        lines.append(f"| {result['scene']}: {result['row']} | {' | '.join(seconds)} |")
    return "\n".join(lines)


def _slashed(rows: list[dict], key: str) -> str:
    return "/".join(f"{r[key]:.1f}" for r in rows)
