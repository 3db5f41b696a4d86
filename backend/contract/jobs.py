"""Requests about the backend itself."""

from dataclasses import dataclass
from pathlib import Path

from .settings import Request, setting


@dataclass(frozen=True)
class FakeJob(Request):
    """A job that only passes time, or misbehaves in a chosen way; the tests of the process layer use it."""

    kind = "fake-job"
    leaves_files = False
    steps: int = setting("Steps to count.", 10, minimum=0, maximum=1_000_000)
    seconds_per_step: float = setting("Seconds a step takes.", 0.1, minimum=0.0, maximum=3600.0, unit="s")
    behaviour: str = setting(
        "What goes wrong, if anything.",
        "well",
        choices=("well", "fail", "crash", "kill", "hang", "garbage", "flood", "die at start", "resume"),
    )
    misbehave_at: int = setting("The step at which it goes wrong.", 3, minimum=0)


@dataclass(frozen=True)
class CheckBackend(Request):
    """What this environment has: torch, device, PyTorch3D."""

    kind = "check-backend"
    interactive = True
    leaves_files = False


@dataclass(frozen=True)
class SetUpBackend(Request):
    """Make the backend's own environment; run by the Python that it is made from, before there is one."""

    kind = "set-up-backend"
    exclusive = True
    leaves_files = False
    place: Path = setting("Folder that the environment is made in.", positional=True)
    torch: str = setting("Build of PyTorch.", "auto", choices=("auto", "cpu", "cuda"))
    lock: Path | None = setting("Lock file of packages; without one, the project's own.", None)
    extra_index: str = setting("A further package index to look in, besides pip's own settings.", "")
