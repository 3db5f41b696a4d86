"""What Maquette does in a Blender without a window, asked for from a shell."""

import argparse
import dataclasses
import os
import sys
import traceback
from pathlib import Path

from ..backend import contract
from ..backend.errors import Cancelled, MaquetteError, RequestError
from ..backend.protocol import Event, Reporter

_SETTINGS = ("views", "size", "samples", "seed", "denoise", "surface")
"""Of a ground truth, that mean something without a scene."""


def main(arguments: list[str]) -> int:
    """Run a subcommand. Returns the exit code: 0, 1 (a fault of ours), 2 (a sentence for the caller), 130 (stopped)."""
    commands = {"ground-truth": ground_truth, "demo": demo}
    try:
        name, *rest = arguments or [""]
        if name not in commands:
            raise RequestError(f"There is no command named {name!r}; choose one of {', '.join(sorted(commands))}.")
        commands[name](rest)
    except (KeyboardInterrupt, Cancelled):
        print("Stopped.", file=sys.stderr)
        return 130
    except MaquetteError as error:
        print(f"maquette: {error}", file=sys.stderr)
        return 2
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def demo(arguments: list[str]) -> None:
    """``demo``: the whole way once (addon/demo.py)."""
    from .demo import demo as run_demo

    run_demo(arguments)


def ground_truth(arguments: list[str]) -> None:
    """``ground-truth``: render a capture with its truth from files."""
    import bpy

    from .ground_truth.files import Files
    from .ground_truth.from_files import load_subject
    from .ground_truth.render import Subject, render_ground_truth

    options = _ground_truth_options().parse_args(arguments)
    values = {name: getattr(options, name) for name in _SETTINGS}
    settings = contract.check(contract.RenderGroundTruth, values)
    files = Files(options.strands, options.head, options.unit, options.up, _colour(options.hair_colour))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    reporter = Reporter(options.out.absolute(), print_event)
    hair, head = load_subject(files, settings.seed, reporter.warning)
    backend = os.environ.get("MAQUETTE_BACKEND_PYTHON", "")
    render_ground_truth(Subject.of(hair, head), settings, reporter.folder, reporter, backend_python=backend)
    print(f"Capture in {options.out}")


def _ground_truth_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ground-truth",
        description="Render pictures of hair and a head, with masks, depth, labels, landmarks and the truth.",
        epilog="example: python build.py ground-truth --strands wavy.npz --head built-in --out captures/wavy",
    )
    parser.add_argument("--strands", type=Path, help="File of strands.")
    parser.add_argument("--head", type=Path, help='Head model or mesh file, or "built-in".')
    parser.add_argument(
        "--unit",
        choices=tuple(contract.UNITS),
        default="m",
        help="Unit of these files; glTF, USD and head models say theirs. Default: m.",
    )
    parser.add_argument(
        "--up", choices=("Z", "Y"), default="Z", help="Axis that points up in them, likewise. Default: Z."
    )
    parser.add_argument("--hair-colour", metavar="R,G,B", help="Linear Rec. 709, each from 0 to 1. Default: brown.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="The capture's folder.")
    for field in dataclasses.fields(contract.RenderGroundTruth):
        if field.name not in _SETTINGS:
            continue
        about = f"{field.metadata['help']} Default: {field.default}."
        option = "--" + field.name.replace("_", "-")
        if isinstance(field.default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=field.default, help=about)
        else:
            parser.add_argument(option, type=type(field.default), default=field.default, help=about)
    return parser


def _colour(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"A hair colour is three numbers such as 0.08,0.04,0.02, not {text!r}.") from None
    return red, green, blue


def print_event(kind: Event, **data) -> None:
    """Say on standard error what a reporter is told."""
    if kind == Event.PROGRESS:
        left = data.get("seconds_left")
        tail = f", {left:.0f} s left" if left else ""
        print(f"{data['stage']}: {data['step']} of {data['total']}{tail}", file=sys.stderr, flush=True)
    elif kind in (Event.WARNING, Event.LOG):
        print(data["text"], file=sys.stderr, flush=True)
