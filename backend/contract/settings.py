"""What requests are declared with: settings, and the words that many of them share."""

import dataclasses
import typing
from dataclasses import dataclass

PRESETS = ("draft", "standard")
REGISTRATION_PRESETS = ("draft", "standard", "paper")
HEAD_PRESETS = ("draft", "standard", "paper")
DEVICES = ("auto", "cpu", "cuda", "mps")
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
"""Metres in one unit of a file."""
BUILT_IN = "built-in"
"""The head model that comes with the extension, where a file of one may be named."""


def setting(
    help: str,
    default=dataclasses.MISSING,
    *,
    minimum=None,
    maximum=None,
    choices=None,
    unit: str = "",
    positional: bool = False,
):
    """Declare one field of a request.

    Args:
        help: one sentence, shown by ``--help`` and as a tooltip.
        default: leave out for a field that must be given.
        minimum, maximum: inclusive range of a number.
        choices: allowed values of a string.
        unit: unit of a number, in the words people read.
        positional: given on the command line by place rather than by name.
    """
    rules = {"minimum": minimum, "maximum": maximum, "choices": choices, "unit": unit, "positional": positional}
    return dataclasses.field(default=default, metadata={"help": help} | rules)


def head_unit() -> str:
    """The field of a request for the unit of its head's file."""
    return setting(
        "Unit of the head's file; head models (.npz) and glTF are always in metres.", "m", choices=tuple(UNITS)
    )


def head_up() -> str:
    """The field of a request for the up axis of its head's file."""
    return setting(
        "Axis that points up in the head's file; in head models (.npz) and glTF it is always Y.", "Z",
        choices=("Z", "Y"),
    )  # fmt: skip


def head_model() -> str:
    """The field of a request for the model that is fitted: a file of FLAME's kind, or the word for our own."""
    return setting('Head model of FLAME\'s kind (.pkl, .npz), or "built-in".', BUILT_IN)


def mesh_unit(whose: str) -> str:
    """The field of a request for the unit of a mesh that comes in any."""
    return setting(f"Unit of the {whose}: m, cm, mm, inch, or metres in one unit.", "m")


@dataclass(frozen=True)
class Request:
    """Base of all requests. ``kind`` is its name in messages and on the command line."""

    kind: typing.ClassVar[str]
    interactive: typing.ClassVar[bool] = False
    """Answered by the warm worker, in seconds, rather than by a process of its own."""
    exclusive: typing.ClassVar[bool] = False
    """Wants the card or all cores, so such jobs queue behind each other."""
    leaves_files: typing.ClassVar[bool] = True
    """Its files are worth keeping, so that the command line makes a folder for them even if none is named."""
