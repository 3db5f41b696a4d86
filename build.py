"""The one door for people at a shell: `python build.py --help`.

Everything it needs it sets up by itself, once, into the user's cache folder: one environment for each version of
Blender's Python module (bpy), one for the compute backend (PyTorch); neither has the other.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (before the imports, which an older Python cannot read)
    sys.exit("build.py runs on Python 3.11 or newer: start it with python3.11 or python3.13.")

import argparse

from building import checks, environments, extension, launch
from building.trouble import Trouble


def main(argv: list[str]) -> int:
    arguments = parse(argv)
    try:
        return arguments.run(arguments)
    except Trouble as trouble:
        print(f"build.py: {trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("build.py: stopped.", file=sys.stderr)
        return 130


def parse(argv: list[str]) -> argparse.Namespace:
    """The command and its options; what another program is to understand is left in `arguments`, in order."""
    parser = build_parser()
    if argv[:1] in (["backend"], ["bench"]) and argv[1:2] not in (["-h"], ["--help"]):
        known, rest = parser.parse_args(argv[:1]), argv[1:]  # theirs to the last option, --help included
    else:
        known, rest = parser.parse_known_args(argv)
    if rest and known.rest is None:
        parser.error(f"unknown: {' '.join(rest)}")
    known.arguments = rest[1:] if rest[:1] == ["--"] else rest
    return known


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__.split("\n", 2)[2].strip())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, help, example, rest=None):
        added = commands.add_parser(
            name,
            help=help,
            description=f"{help[0].upper()}{help[1:]}.{f' Takes also: {rest}.' if rest else ''}",
            epilog=f"example: python build.py {example}",
            allow_abbrev=False,
        )
        added.set_defaults(run=run, rest=rest)
        return added

    demo = command(
        "demo",
        lambda a: launch.in_blender(["demo", *a.arguments], a.blender),
        "render a head of hair, reconstruct its strands, measure and picture them",
        "demo --out out/demo",
        rest="--out DIR, --preset draft|standard, --style NAME, --strands N, --views N, --size N, --samples N",
    )
    add_blender_version(demo)

    test = command(
        "test",
        checks.run,
        "run every test; with --blender, only those that depend on Blender's version",
        "test --blender 4.5.15 -k registration",
    )
    add_blender_version(test)
    test.add_argument("--lint", action="store_true", help="only ruff's check and format")
    test.add_argument("--unit", action="store_true", help="only the tests without Blender")
    test.add_argument("--bpy", action="store_true", help="only the tests with Blender's Python module")
    test.add_argument("--smoke", action="store_true", help="only build the zip, install it as Blender does, and use it")
    test.add_argument("--window", action="store_true", help="only the tests in a real Blender window ($BLENDER)")
    test.add_argument("-k", metavar="EXPRESSION", help="only tests whose names match, as in pytest")

    zipped = command("zip", extension.run, "build and validate the extension with Blender's own command", "zip")
    zipped.add_argument("--out", metavar="DIR", help="where the zip goes (dist)")

    command(
        "bench",
        launch.bench,
        "measure against known truth, and print a table",
        "bench hair",
        rest="the name of a bench and its options (none: what there is)",
    )
    command(
        "backend",
        launch.backend,
        "run the backend's command line in its environment",
        "backend reconstruct-hair CAPTURE --preset draft --out DIR",
        rest="a request and its options (none: what there is)",
    )

    truth = command(
        "ground-truth",
        lambda a: launch.in_blender(["ground-truth", *a.arguments], a.blender),
        "render a capture with its truth from strands, a head, or both",
        "ground-truth --strands hair.npz --views 24 --size 512 --out DIR",
        rest="--strands FILE, --head FILE, --views N, --size N, --samples N, --seed N, --[no-]denoise, --[no-]surface,"
        " --hair-colour R,G,B, --unit m|cm|mm|inch, --up Z|Y, --out DIR",
    )
    add_blender_version(truth)

    blender = command(
        "blender",
        launch.blender,
        "open an installed Blender, or the one in $BLENDER, with this checkout as the extension",
        "blender --resources ~/maquette-blender scene.blend",
        rest="Blender's own arguments",
    )
    blender.add_argument("--resources", metavar="DIR", help="Blender's user folder (default: one in the cache folder)")

    setup = command("setup", environments.run, "make the environments now, and say where they are", "setup")
    add_blender_version(setup)
    setup.add_argument("--remove", action="store_true", help="remove them all instead")
    return parser


def add_blender_version(parser):
    parser.add_argument(
        "--blender", metavar="VERSION", choices=environments.blender_versions(), help="version of bpy (this Python's)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
