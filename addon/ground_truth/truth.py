"""What is true, written beside the pictures under ``ground_truth/``."""

import contextlib
import subprocess
import tempfile
from pathlib import Path

from ...backend.formats.head import Head, write_head
from ...backend.formats.mesh_ply import write_ply
from ...backend.formats.strands import Strands, write_npz
from ...backend.protocol import Reporter
from ..supervisor import environment


def write_truth(folder: Path, strands: Strands | None, head: Head | None) -> None:
    """``strands.npz`` as evaluated, ``head.ply``, and ``head.npz`` with its regions, landmarks and UVs."""
    folder.mkdir(parents=True, exist_ok=True)
    if strands is not None:
        write_npz(folder / "strands.npz", strands)
    if head is not None:
        write_ply(folder / "head.ply", head.vertices, head.faces)
        write_head(folder / "head.npz", head)


def write_surface(folder: Path, python: str, reporter: Reporter) -> bool:
    """``surface.ply`` by the backend, from what ``write_truth`` wrote; a warning where that is not possible.

    Args:
        folder: ``ground_truth/`` of a capture.
        python: the backend's interpreter.
    """
    with tempfile.TemporaryDirectory(prefix="maquette-") as scratch:
        command = [python, "-P", "-m", "backend", "outer-surface", "--out", scratch]
        for option, file in (("--strands", "strands.npz"), ("--head", "head.ply")):
            if (folder / file).is_file():
                command += [option, str((folder / file).absolute())]
        trouble = _run(command, Path(scratch), reporter)
        made = Path(scratch) / "surface.ply"
        if not made.is_file():
            reporter.warning(f"The outer surface was left out: {trouble}")
            return False
        # The scratch folder may lie on another disk.
        partial = folder / "surface.ply.part"
        partial.write_bytes(made.read_bytes())
        partial.replace(folder / "surface.ply")
    return True


def _run(command: list[str], scratch: Path, reporter: Reporter) -> str:
    """Run the backend, and return the last words it wrote to its log. Raises Cancelled."""
    with (scratch / "log.txt").open("wb") as log:
        try:
            worker = subprocess.Popen(
                command, env=environment(scratch / "pycache"), cwd=scratch, stdout=subprocess.DEVNULL, stderr=log
            )
        except OSError as error:
            return f"the backend's Python cannot be started ({error})"
        try:
            while worker.poll() is None:
                reporter.check()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.wait(0.3)
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
    lines = (scratch / "log.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), f"exit code {worker.returncode}")
