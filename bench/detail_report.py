"""The detail bench's results as JSON and as tables to read."""

import json
import os
import platform
from pathlib import Path


def write_report(folder: Path, results: dict) -> None:
    """Write results.json and results.md of what is measured by now."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    (folder / "results.json").write_text(json.dumps(results | {"machine": machine}, indent=1), encoding="utf-8")
    parts = [f"Preset {results['preset']}; {machine['cores']} cores. Synthetic heads are labelled so."]
    parts += [build(results[key]) for key, build in _TABLES.items() if results.get(key)]
    (folder / "results.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _scans(rows: list[dict]) -> str:
    lines = _head(
        "Scans registered",
        "", "preset", "scan to mesh mm: mean", "median", "95 %", "face", "scalp", "mesh to scan mm",
        "whole scan: mean", "95 %", "self-intersecting %", "clipped", "points", "s in all", "fit", "stage 1", "stage 2",
    )  # fmt: skip
    for row in rows:
        to_mesh, seconds = row["scan_to_mesh_mm"], row["stage_seconds"]
        regions = to_mesh["regions"]
        values = [_mm(to_mesh[key]) for key in ("mean", "median", "p95")]
        values += [_mm(regions[name]["mean"]) for name in ("face", "scalp")]
        values += [_mm(row["mesh_to_scan_mm"]["mean"]), *(_mm(row["whole_scan_mm"][key]) for key in ("mean", "p95"))]
        values += [f"{100 * row['self_intersecting_share']:.3f}"]
        values += [str(row["clipped_vertices"]), f"{row['scan_points']:,}", f"{row['seconds']:.0f}"]
        values += [f"{seconds[name]:.0f}" if name in seconds else "" for name in ("fit", "vector", "normal")]
        lines.append(_line(row["scan"], row["preset"], *values))
    lines += [
        "",
        *_head("Their maps at 1024², there and back, mm", "", "mean", "99.9 %", "seam: mean", "99.9 %", "max"),
    ]
    for row in rows:
        off, seam = row["round_trip"]["off"], row["round_trip"]["seam"]
        lines.append(_line(f"{row['scan']}, {row['preset']}", *map(_fine, (off[0], off[2], seam[0], seam[2], seam[3]))))
    return "\n".join(lines)


def _stages(found: dict) -> str:
    lines = _head(
        "Either stage alone (HeadCraft, figure 10)",
        "", "", "scan to mesh mm: mean", "95 %", "scalp", "mesh to scan mm", "whole scan: mean",
        "self-intersecting %", "folded edges %",
    )  # fmt: skip
    for scan, ways in found.items():
        for way, figures in ways.items():
            to_mesh = figures["scan_to_mesh_mm"]
            values = [_mm(to_mesh["mean"]), _mm(to_mesh["p95"]), _mm(to_mesh["regions"]["scalp"]["mean"])]
            whole = [_mm(figures["whole_scan_mm"]["mean"])]
            shares = [f"{100 * figures[key]:.3f}" for key in ("self_intersecting_share", "folded_share")]
            lines.append(_line(scan, way, *values, _mm(figures["mesh_to_scan_mm"]["mean"]), *whole, *shares))
    return "\n".join(lines)


def _layouts(found: dict) -> str:
    charts = [name for kinds in found.values() for kind in kinds.values() for name in kind if name != "used"]
    charts = list(dict.fromkeys(charts))
    keys = [key for kinds in found.values() for kind in kinds.values() for key in kind[charts[0]]]
    keys = list(dict.fromkeys(keys))
    columns = [f"{chart}: {key.replace('_', ' ')}" for chart in charts for key in keys]
    lines = _head("UV layouts", "", "", "used of the square", *columns)
    for model, kinds in found.items():
        for kind, figures in kinds.items():
            values = [f"{figures.get(chart, {}).get(key, '')}" for chart in charts for key in keys]
            lines.append(_line(model, kind, f"{figures['used']:.2f}", *values))
    return "\n".join(lines)


def _losses(rows: list[dict]) -> str:
    lines = _head("Losses, forwards and backwards", "", "ms", "PyTorch3D ms", "relative difference")
    for row in rows:
        theirs = "not here" if row["pytorch3d_ms"] is None else f"{row['pytorch3d_ms']:.1f}"
        difference = "" if row["relative_difference"] is None else f"{row['relative_difference']:.1e}"
        lines.append(_line(row["operator"], f"{row['ms']:.1f}", theirs, difference))
    return "\n".join(lines)


def _head(title: str, *columns: str) -> list[str]:
    return [f"### {title}", "", _line(*columns), "|" + "---|" * len(columns)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _mm(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _fine(value: float) -> str:
    return f"{value:.4f}"


_TABLES = {"scans": _scans, "stages": _stages, "layouts": _layouts, "losses": _losses}
