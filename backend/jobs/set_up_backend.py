"""The backend's own environment: a virtual environment with the packages of the lock file.

Run by the Python that it is made from, before there is an environment, and so with the standard library only. It is
made under a temporary name and takes the old one's place when it is complete and has been seen to work.
"""

import contextlib
import importlib.util
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from ..contract import SetUpBackend
from ..errors import EnvironmentTrouble
from ..formats.environment_record import (
    GIGABYTES,
    PYTHONS,
    RECORD,
    choose_build,
    cuda_needs_an_index,
    interpreter,
    lock_hash,
)
from ..formats.job_folder import write_json
from ..pip_words import Progress, trouble_in
from ..protocol import Reporter

LOCK = Path(__file__).resolve().parents[2] / "locks" / "backend.txt"
WITHOUT_CUDA = (
    "the package index has PyTorch for this system without CUDA only. To use the NVIDIA card, name the index of "
    "PyTorch's CUDA builds as the extra package index in the preferences (its page on installing it gives the address "
    "for your version of CUDA), and set up again"
)


def run(request: SetUpBackend, reporter: Reporter) -> dict:
    """Make it. Returns ``python`` (the new one), ``torch_build`` (cpu or cuda), and what check-backend found."""
    place, lock = request.place.absolute(), (request.lock or LOCK).absolute()
    build = choose_build(request.torch)
    reporter.stage("Looking for room")
    _check_python()
    requirements = _requirements(lock)
    with_torch = any(requirement.startswith("torch==") for requirement in requirements)
    _check_room(place, GIGABYTES[build] if with_torch else 0.1)
    new, final, old = place / "environment.new", place / "environment", place / "environment.old"
    for left_over in (new, old):
        shutil.rmtree(left_over, ignore_errors=True)

    try:
        python = _make(new, reporter)
        extra = request.extra_index.strip()
        if (
            build == "cuda"
            and with_torch
            and cuda_needs_an_index()
            and not _has_cuda(python, requirements, extra, reporter)
        ):
            if request.torch == "cuda":
                raise EnvironmentTrouble(f"CUDA was chosen, but {WITHOUT_CUDA}; or choose CPU.")
            reporter.warning(f"There is an NVIDIA card, but {WITHOUT_CUDA}. Until then, everything runs on the CPU.")
            build = "cpu"
        _install(python, place, requirements, build, extra, reporter)
        reporter.stage("Trying it")
        found = _check(python, reporter) if with_torch else {}
        if build == "cuda" and found and found.get("device") != "cuda":
            reporter.warning(
                "PyTorch was installed with CUDA but finds no card that it can use, so everything runs on the CPU; "
                "update the NVIDIA driver, and check the backend again."
            )
        made = {
            "base": getattr(sys, "_base_executable", sys.executable),
            "python": ".".join(map(str, sys.version_info[:3])),
            "torch": request.torch,
            "torch_build": build,
            "lock": lock_hash(lock),
            "found": found,
        }
        write_json(new / RECORD, made)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _put_in_place(new, final, old)
    return {"python": str(interpreter(final)), "torch_build": build} | found


def _check_python() -> None:
    low, high = PYTHONS
    if not low <= sys.version_info[:2] <= high:
        have = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise EnvironmentTrouble(
            f"The backend needs Python {low[0]}.{low[1]} to {high[0]}.{high[1]}, and {sys.executable} is {have}; "
            "name another in the preferences."
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise EnvironmentTrouble(
                f"{sys.executable} comes without {module}, which makes environments; install it "
                "(Debian and Ubuntu: python3-venv), or name another Python in the preferences."
            )


def _requirements(lock: Path) -> list[str]:
    try:
        lines = [line.partition("#")[0].strip() for line in lock.read_text("utf-8").splitlines()]
    except OSError as error:
        raise EnvironmentTrouble(f"The list of packages at {lock} cannot be read ({error.strerror}).") from error
    return [line for line in lines if line]


def _check_room(place: Path, gigabytes: float) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        probe = place / "environment.probe"
        probe.touch()
        probe.unlink()
        free = shutil.disk_usage(place).free / 1e9
    except OSError as error:
        raise EnvironmentTrouble(
            f"{place} cannot be written ({error.strerror}); choose another place for the backend in the preferences."
        ) from error
    if free < gigabytes:
        raise EnvironmentTrouble(
            f"The backend needs {gigabytes:.0f} GB and there are {free:.1f} GB free at {place}; "
            "make room, or choose another place in the preferences."
        )


def _make(new: Path, reporter: Reporter) -> Path:
    reporter.stage("Making an environment")
    for _ in _lines([sys.executable, "-m", "venv", str(new)], reporter, "The environment could not be made"):
        pass
    return interpreter(new)


def _pip(python: Path, extra: str) -> list[str]:
    """pip's install command, which looks in one more index where that is named."""
    # Not compiled here: compiled files lie elsewhere (PYTHONPYCACHEPREFIX), under the environment's final name.
    pip = [str(python), "-m", "pip", "install", "--no-compile", "--no-input", "--disable-pip-version-check"]
    pip += ["--progress-bar", "raw" if _pip_version(python) >= (24, 1) else "off"]
    return pip + ["--extra-index-url", extra] * bool(extra)


def _torch(requirements: list[str]) -> str | None:
    return next((r for r in requirements if re.fullmatch(r"torch==[\d.]+", r)), None)


def _has_cuda(python: Path, requirements: list[str], extra: str, reporter: Reporter) -> bool:
    """Install PyTorch alone, in the best build that the indices have: pip prefers 2.13.0+cu130 over 2.13.0."""
    reporter.stage("Looking for PyTorch with CUDA")
    for _ in _lines([*_pip(python, extra), "--no-deps", _torch(requirements)], reporter):
        pass
    return any("+cu" in path.name for path in _packages(python) if path.name.startswith("torch-"))


def _install(python: Path, place: Path, requirements: list[str], build: str, extra: str, reporter: Reporter) -> None:
    pip, torch = _pip(python, extra), _torch(requirements)
    if build == "cpu" and torch and sys.platform != "darwin" and not cuda_needs_an_index():
        # A Mac's and a Windows wheel is a small one anyway; Linux has a build without CUDA where an index offers it.
        reporter.stage("Looking for PyTorch without CUDA")
        try:
            for _ in _lines([*pip, "--no-deps", f"{torch}+cpu"], reporter):
                pass
        except EnvironmentTrouble as trouble:
            if trouble.code_of_pip != "no version":
                raise
            reporter.warning(
                "No PyTorch without CUDA was found, so the full one is installed: it needs about 8 GB more. "
                "An extra package index that has the CPU build, named in the preferences, avoids that."
            )
            _check_room(place, GIGABYTES["cuda"])
    if not requirements:
        return
    listed = reporter.folder / "requirements.txt"
    listed.write_text("\n".join(requirements), "utf-8")
    progress = Progress(len(requirements))
    reporter.stage("Downloading packages", progress.total)
    stage = "Downloading packages"
    for line in _lines([*pip, "-r", str(listed)], reporter):
        progress.hear(line)
        if progress.phase != stage:
            stage = progress.phase
            reporter.stage(stage, progress.total)
        reporter.step(len(_packages(python)) if stage == "Installing packages" else progress.done)


def _check(python: Path, reporter: Reporter) -> dict:
    command = [str(python), "-m", "backend", "check-backend", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, env=_environment(code=True), check=False)
    print(answer.stderr, file=sys.stderr)
    with contextlib.suppress(ValueError):
        found = json.loads(answer.stdout)
        if answer.returncode == 0 and isinstance(found, dict):
            reporter.step()
            return found
    last = next((line for line in reversed(answer.stderr.splitlines()) if line.strip()), "it said nothing")
    raise EnvironmentTrouble(f"PyTorch was installed but does not run here: {last.removeprefix('maquette: ')}")


def _put_in_place(new: Path, final: Path, old: Path) -> None:
    try:
        if final.exists():
            final.rename(old)
        new.rename(final)
    except OSError as error:
        if old.exists() and not final.exists():
            old.rename(final)
        raise EnvironmentTrouble(
            f"The old environment at {final} is in use ({error.strerror}); stop all jobs and set up again."
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def _packages(python: Path) -> list[Path]:
    """Records of the packages that are installed, pip's left out."""
    libraries = "Lib/site-packages" if sys.platform == "win32" else "lib/python*/site-packages"
    return [path for path in python.parents[1].glob(f"{libraries}/*.dist-info") if not path.name.startswith("pip-")]


def _pip_version(python: Path) -> tuple[int, ...]:
    answer = subprocess.run(
        [str(python), "-m", "pip", "--version"], capture_output=True, text=True, env=_environment(), check=False
    )
    numbers = re.search(r"pip (\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, numbers.groups())) if numbers else (0, 0)


def _lines(command: list[str], reporter: Reporter, otherwise: str = "pip could not install the packages"):
    """Run a program; yield its output line by line, and "" at least every 0.3 s. Cancelled ends it. Raises
    EnvironmentTrouble with what its output means if it fails, and its ``code_of_pip``."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(),
        )
    except OSError as error:
        raise EnvironmentTrouble(f"{command[0]} does not start ({error.strerror}).") from error
    said: queue.Queue = queue.Queue()
    threading.Thread(target=_listen, args=(process.stdout, said), daemon=True).start()
    heard: list[str] = []
    try:
        line = ""
        while line is not None:
            reporter.check()
            try:
                line = said.get(timeout=0.3)
            except queue.Empty:
                line = ""
            if line:
                heard = [*heard[-400:], line]
                if not line.startswith("Progress "):
                    print(line, file=sys.stderr, flush=True)
            if line is not None:
                yield line
    finally:
        if process.poll() is None and line is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
            process.kill()
    if process.wait() != 0:
        code, sentence = trouble_in(heard, otherwise)
        trouble = EnvironmentTrouble(sentence)
        trouble.code_of_pip = code
        raise trouble


def _listen(stream, said: queue.Queue) -> None:
    for line in stream:
        said.put(line.decode("utf-8", "replace").rstrip())
    said.put(None)


def _environment(code: bool = False) -> dict[str, str]:
    """Variables for a child: without what would lead pip elsewhere, and without our own code unless asked for."""
    astray = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PYTHONHOME"}
    kept = {name: value for name, value in os.environ.items() if name not in astray}
    if code:
        return kept | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    kept.pop("PYTHONPATH", None)
    return kept
