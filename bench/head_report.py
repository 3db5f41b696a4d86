"""The head benches' results as JSON and as tables to read."""

import json
import os
import platform
from pathlib import Path

PUBLISHED = {3: 3.869, 6: 2.598, 12: 2.301}
"""Views → mean mm of prior-guided-head on its phone captures of real people: how hard the task is, not a race."""
PUBLISHED_FACE = 1.228
"""Mean mm of the face from three views, likewise."""


def write_report(folder: Path, results: list[dict], title: str = "Heads from few pictures") -> None:
    """Write results.json and results.md."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    (folder / "results.json").write_text(json.dumps({"machine": machine, "results": results}, indent=1))
    lines = [
        f"# {title}",
        "",
        "Rendered pictures (the real scan wears painted skin). Millimetres from the true surface, where cameras see",
        f"it, to the reconstruction, and back. {machine['cores']} cores.",
        "",
        "| | mean | median | 95 % | bar | face | back | published | s | processor s | MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        row, visible, back = result["row"], result["visible"], result["back"]
        published = ""
        if row["scene"] == "scan" and not row["fault"] and row["preset"] == "standard":
            published = f"{PUBLISHED[row['views']]:.3f}" + (f", face {PUBLISHED_FACE}" if row["views"] == 3 else "")
        cells = [
            row["name"], number(visible["mean"], 3), number(visible["median"], 3), number(visible["p95"], 2),
            number(row["bar"], 1), number(result.get("face", {}).get("mean"), 3), number(back["mean"], 3), published,
            number(result["wall_s"], 0), number(result["processor_s"], 0), number(result.get("peak_memory_mb"), 0),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    (folder / "results.md").write_text("\n".join(lines) + "\n")


def number(value: float | None, digits: int) -> str:
    """A figure for a table's cell; "" where there is none."""
    return "" if value is None else f"{value:.{digits}f}"
