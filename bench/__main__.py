"""python -m bench NAME: run a bench; without a name, say which there are."""

import argparse
import importlib
import sys
from pathlib import Path

from backend.errors import MaquetteError

from . import BENCHES


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="build.py bench", description="Measure Maquette on pinned scenes.")
    commands = parser.add_subparsers(dest="name", metavar="NAME")
    for name, module_name in BENCHES.items():
        module = importlib.import_module(module_name)
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        command.add_argument("--out", type=Path, default=Path("out/bench") / name, metavar="DIR", help="For results.")
        module.add_options(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(argv)
    if options.name is None:
        parser.print_help()
        return 0
    try:
        options.run(options)
    except MaquetteError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
