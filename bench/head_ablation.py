"""The published experiments on the head with hair: each prior left out, the orders they join in, the losses' weights.

Tables I and II and figure 6 of prior-guided-head, in the preset ``standard`` and from its twelve views.
"""

import argparse
import json
from pathlib import Path

from .head import Row, measured, told
from .head_report import number
from .head_scenes import Photography

HELP = "What each prior, their order and the losses' weights do to the head with hair, as published for networks."

EXPERIMENTS: dict[str, dict[str, tuple[tuple[str, ...], str]]] = {
    "Table I: priors": {
        "all priors": ((), "2.301"),
        "none": (("--no-face-prior", "--no-semantics", "--no-orientation"), "2.669 (IDR)"),
        "without labels": (("--no-semantics",), "3.048"),
        "without the hair's label": (("--no-hair-label",), "2.388"),
        "without the fitted face": (("--no-face-prior",), "2.345"),
        "without hair directions": (("--no-orientation",), "2.473"),
    },
    "Figure 6: the order in which fitted face (P), labels (S) and directions (O) join": {
        order: (("--prior-order", order), "")
        for order in ("P-S-O", "P-O-S", "S-P-O", "S-O-P", "O-P-S", "O-S-P", "all")
    },
    "Table II: factors on weights": {
        f"{name} x {factor:g}": (("--weights", f"{name}={factor:g}"), f"{change:+.3f}")
        for name, factors in {
            "rgb": {0.5: 0.072, 20: 0.405}, "mask": {0.2: 0.122, 2: 0.100}, "eikonal": {0.1: 0.509, 10: 0.282},
            "proxy": {0.2: 0.205, 5: 0.184}, "semantics": {0.1: 0.145, 10: 0.184},
            "direction": {0.1: 0.075, 10: 0.435},
        }.items()
        for factor, change in factors.items()
    },
}  # fmt: skip
"""Table → row → options, and what was published: mean mm of 12 views, or its change against 2.301 mm."""

FIRST = "0-0"
"""Folder of the row that is measured first."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench head-ablation``."""
    pinned = Photography()
    parser.add_argument("--preset", default="standard", help="Default: standard.")
    parser.add_argument("--tables", nargs="+", type=int, choices=(1, 2, 3), help="Priors, orders, weights. All.")
    parser.set_defaults(scan=None, size=pinned.size, samples=pinned.samples)


def run(options: argparse.Namespace) -> None:
    """Reconstruct and measure each row, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, dict]] = {}
    tables = list(EXPERIMENTS.items())
    for table, rows in tables if not options.tables else [tables[k - 1] for k in options.tables]:
        for number_of, (name, (words, _)) in enumerate(rows.items()):
            known = next((found for each in results.values() for found in each.values() if _same(found, words)), None)
            row, folder = Row(name, "layered", preset=options.preset), f"{len(results)}-{number_of}"
            # All rows take the first one's fitted head; colours say nothing about the surface.
            fit = options.out / FIRST / "head_fit"
            same = ("--texture", "0", *(("--proxy", str(fit)) if (fit / "report.json").is_file() else ()))
            result = known or measured(row, options, words, folder, same)
            results.setdefault(table, {})[name] = result
            print(f"{name}: {told(result)}", flush=True)
            write(options.out, results)
    print(f"Results in {options.out / 'results.md'}")


def _same(result: dict, words: tuple[str, ...]) -> bool:
    """Whether a row was measured with the same settings already; the default order is named in one table only."""
    plain = tuple(word for word in words if word not in ("--prior-order", "P-S-O"))
    return tuple(result["row"]["options"]) in (words, plain)


def write(folder: Path, results: dict[str, dict[str, dict]]) -> None:
    """results.json and results.md."""
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    lines = ["# Priors, their order and weights, on the built-in head with hair from 12 views", ""]
    first = next(iter(next(iter(results.values())).values()))["visible"]["mean"]
    for table, rows in results.items():
        lines += [f"## {table}", "", "| | mean mm | change | median | 95 % | published | processor s |",
                  "|---|---|---|---|---|---|---|"]  # fmt: skip
        for name, result in rows.items():
            visible = result["visible"]
            cells = [
                name, number(visible["mean"], 3), f"{visible['mean'] - first:+.3f}", number(visible["median"], 3),
                number(visible["p95"], 2), EXPERIMENTS[table][name][1], number(result["processor_s"], 0),
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    (folder / "results.md").write_text("\n".join(lines))
