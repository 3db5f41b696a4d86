"""The backend from a shell. Every request's options come from its dataclass in contract/, and nowhere else.

python -m backend reconstruct-hair CAPTURE --preset draft --out DIR
python -m backend job FOLDER          a job that Blender laid down
python -m backend worker              answers requests from standard input; ends when idle
"""

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import typing
from pathlib import Path

from . import contract, worker
from .errors import Cancelled, RequestError, Unexpected, explain
from .formats.job_folder import write_json
from .protocol import Event, Reporter, in_words, plain

EXAMPLES = {
    "reconstruct-hair": "reconstruct-hair captures/anna --head anna.obj --preset standard --out out/anna",
    "evaluate-strands": "evaluate-strands out/anna/strands.npz captures/anna/ground_truth/strands.npz --json",
    "evaluate-head": "evaluate-head out/anna/head.ply scans/anna.obj --truth-unit mm --json",
    "convert-strands": "convert-strands groom.tfx groom.hair --unit cm",
    "make-hairstyle": "make-hairstyle --style wavy --strands 10000 --out out/wavy",
    "align-head": "align-head captures/anna --out out/anna-head",
    "fit-head": "fit-head scan.obj --landmarks clicks.pp --model built-in --out out/anna",
    "fit-photos": "fit-photos captures/anna --cameras known --out out/anna-head",
    "make-scan": "make-scan --style bob --seed 1 --out out/bob",
    "register-scan": "register-scan scan.obj --landmarks clicks.pp --model built-in --preset standard --out out/anna",
    "register-scans": "register-scans scans --model built-in --workers 2 --out out/registered",
    "bake-detail": "bake-detail out/anna/registered.npz --size 2048 --frame tangent --format exr --out out/map",
    "apply-detail": "apply-detail out/anna/displacement.png --coefficients out/ben/coefficients.npz --out out/both",
    "transfer-detail": "transfer-detail out/anna/registered.npz out/ben/registered.npz --out out/ben-with-annas-hair",
    "make-layout": "make-layout --model FLAME2023/flame2023.pkl --out out/layout",
    "animate-detail": "animate-detail out/anna/registered.npz --mode exact --motion take.npz --out out/take",
    "fit-arkit": "fit-arkit FLAME2023/flame2023.pkl --out out/arkit",
    "import-photos": "import-photos anna.mp4 --frames 60 --capture captures/anna",
    "place-capture": "place-capture captures/anna --by distance --metres 0.12",
    "import-cameras": "import-cameras anna/sparse/0 --images anna/images --out captures/anna",
    "make-masks": "make-masks captures/anna --out out/anna-masks",
    "find-landmarks": "find-landmarks captures/anna",
    "check-capture": "check-capture captures/anna --out out/anna-check",
    "outer-surface": "outer-surface --head anna.obj --strands groom.npz --out out/surface",
    "reconstruct-head": "reconstruct-head captures/anna --preset standard --out out/anna-head",
    "bake-texture": "bake-texture anna.glb captures/anna --size 4096 --out out/anna-texture",
    "bake-sdf": "bake-sdf out/anna/field.npz --resolution 512 --faces 100000 --out out/anna-mesh",
    "check-backend": "check-backend --json",
    "set-up-backend": "set-up-backend ~/maquette-backend --torch cpu",
    "fake-job": "fake-job --steps 20",
}


CALLED = "MAQUETTE_CALLED"
"""Environment variable: what the caller typed to get here, for --help."""


class Parser(argparse.ArgumentParser):
    """Wrong options end in a sentence like any other trouble."""

    def error(self, message: str):
        raise RequestError(f"{message[:1].upper()}{message[1:]}. Add --help to see the options.")


def parser() -> Parser:
    """All requests as subcommands, with their settings as options."""
    prog = os.environ.get(CALLED, "python -m backend")
    top = Parser(
        prog=prog,
        description="Maquette's compute, without Blender.",
        epilog=f"example: {prog} {EXAMPLES['reconstruct-hair']}",
    )
    commands = top.add_subparsers(dest="command", metavar="REQUEST", required=True, parser_class=Parser)
    for kind, request in sorted(contract.REQUESTS.items()):
        what = " ".join(request.__doc__.split())
        example = f"{prog} {EXAMPLES.get(kind, kind)}"
        command = commands.add_parser(kind, help=what, description=what, epilog=f"example: {example}")
        _add_settings(command, request)
        command.add_argument("--out", type=Path, metavar="DIR", help=_about_out(request))
        command.add_argument("--json", action="store_true", help="Print the result as JSON.")
    job = commands.add_parser("job", help="Run the request in a job's folder; events go to standard output.")
    job.add_argument("folder", type=Path)
    job.add_argument("--detached", action="store_true", help="Go on when whoever started it is gone.")
    warm = commands.add_parser("worker", help="Answer requests from standard input one after another.")
    warm.add_argument("--log", type=Path, help="File that takes standard error.")
    warm.add_argument("--idle", type=float, default=worker.IDLE_SECONDS, help="Seconds without a request to end after.")
    return top


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0, 1 (a fault of ours), 2 (a sentence for the caller), 130 (stopped)."""
    if not arguments:
        parser().print_help(sys.stderr)
        return 2
    try:
        if not arguments[0].startswith("-") and arguments[0] not in ("job", "worker"):
            contract.find(arguments[0])
        options = parser().parse_args(arguments)
        if options.command == "job":
            return worker.run_job(options.folder.absolute(), options.detached)
        if options.command == "worker":
            return worker.run_warm(options.log, options.idle)
        return _run(contract.REQUESTS[options.command], options)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except Exception as error:
        trouble = explain(error)
        if isinstance(trouble, Unexpected):
            traceback.print_exception(error)
        print("Stopped." if isinstance(trouble, Cancelled) else f"maquette: {trouble}", file=sys.stderr)
        return 130 if isinstance(trouble, Cancelled) else 1 if isinstance(trouble, Unexpected) else 2


def _add_settings(command: Parser, request: type[contract.Request]) -> None:
    hints = typing.get_type_hints(request)
    for field in dataclasses.fields(request):
        rules, required = field.metadata, field.default is dataclasses.MISSING
        about = rules["help"] + (f" In {rules['unit']}." if rules["unit"] else "")
        if not required and field.default not in (None, ""):
            about += f" Default: {field.default}."
        about = about.replace("%", "%%")
        if rules["positional"]:
            command.add_argument(field.name, metavar=field.name.upper(), help=about)
            continue
        # Left as text: the contract checks values, in its own sentences, for the panels and the shell alike.
        look = {"default": argparse.SUPPRESS, "required": required, "help": about}
        if hints[field.name] is bool:
            look["action"] = argparse.BooleanOptionalAction
        else:
            choices = rules["choices"]
            look["metavar"] = "|".join(choices) if choices else field.name.upper()
        command.add_argument("--" + field.name.replace("_", "-"), dest=field.name, **look)


def _about_out(request: type[contract.Request]) -> str:
    otherwise = f"Default: out/{request.kind}." if request.leaves_files else "Without it they are not kept."
    return f"Folder for its files. {otherwise}"


def _run(request_type: type[contract.Request], options: argparse.Namespace) -> int:
    names = {field.name for field in dataclasses.fields(request_type)}
    values = {name: value for name, value in vars(options).items() if name in names}
    request = contract.decode({"kind": request_type.kind} | values)
    with contextlib.ExitStack() as stack:
        out = options.out
        if out is None and request.leaves_files:
            out = Path("out") / request.kind
        elif out is None:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maquette-")))
        terminal = stack.enter_context(Terminal())
        answers = stack.enter_context(_standard_output_kept_for_answers())
        result = worker.serve(request, Reporter(out.absolute(), terminal.send, terminal.cancelled))
        terminal.clear()
        if options.out is not None or request.leaves_files:
            write_json(out / "result.json", result)
        else:
            # Its files go with the folder, so nobody is sent to look for them.
            gone = {path.name for path in out.iterdir()}
            result = {key: value for key, value in result.items() if not (isinstance(value, str) and value in gone)}
        text = json.dumps(result, indent=2, default=plain) if options.json else _for_people(result)
        print(text, file=answers, flush=True)
    return 0


@contextlib.contextmanager
def _standard_output_kept_for_answers():
    """What libraries print goes to standard error meanwhile; yields a stream for the answer alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(kept, "w", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 (a descriptor)
            # Closed as a file, the private copy is gone; so the way back is a copy of its own.
            back = os.dup(kept)
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(back, 1)
        os.close(back)


def _for_people(result: dict, indent: str = "") -> str:
    lines = []
    for key, value in result.items():
        name = str(key).replace("_", " ")
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", _for_people(value, indent + "  ")]
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            lines += [indent + line for line in _table(value)]
        else:
            lines.append(f"{indent}{name}: {f'{value:.4g}' if isinstance(value, float) else value}")
    return "\n".join(lines)


def _table(rows: list[dict]) -> list[str]:
    """Rows with the same keys, as columns."""
    cells = [[str(key).replace("_", " ") for key in rows[0]]]
    cells += [[f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]


class Terminal:
    """Events on standard error: one line that updates on a terminal, a line a stage otherwise. Ctrl-C asks the job to
    stop at its next step, so that it keeps its checkpoint; a second one ends it where it is."""

    def __init__(self):
        self.cancelled = threading.Event()
        self._live = sys.stderr.isatty()
        self._stage, self._width, self._told = None, 0, 0.0

    def __enter__(self):
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_):
        self.clear()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, *_):
        if self.cancelled.is_set():
            raise KeyboardInterrupt
        self.cancelled.set()
        self._line("Stopping at the next step; press Ctrl-C again to stop at once.")

    def send(self, kind: Event, **data) -> None:
        if kind is Event.PROGRESS:
            self._progress(**data)
        elif kind is Event.WARNING:
            self._line(f"Warning: {data['text']}")
        elif kind is Event.LOG:
            self._line(data["text"])
        elif kind is Event.PREVIEW:
            self._line(f"{data['name']}: {data['path']}")

    def clear(self) -> None:
        if self._live and self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)
            self._width = 0

    def _progress(self, stage: str, step: int, total: int, seconds_left: float | None) -> None:
        if self._live:
            text = f"{stage} {step}/{total}" if total > 1 else stage
            if seconds_left:
                text += f", {in_words(seconds_left)} left"
            text = text[: (os.get_terminal_size(2).columns or 80) - 1]
            print("\r" + text.ljust(self._width), end="", file=sys.stderr, flush=True)
            self._width = len(text)
        elif stage != self._stage or time.monotonic() - self._told > 10:
            self._told = time.monotonic()
            print(f"{stage} ({step}/{total})" if step else stage, file=sys.stderr, flush=True)
        self._stage = stage

    def _line(self, text: str) -> None:
        self.clear()
        print(text, file=sys.stderr, flush=True)
