"""What is known of the backend: the job that sets it up, and what the last check found."""

import subprocess
from pathlib import Path

from ..backend.contract import CheckBackend, SetUpBackend
from ..backend.errors import EnvironmentTrouble
from . import job_places, jobs
from .job_record import JobRecord

PYTHONS = ((3, 11), (3, 13))
_found: list[tuple[str, str]] = []


def set_up(**options) -> str:
    """Begin to make, or remake, the environment as the preferences have it; returns the job's id. Raises
    MaquetteError."""
    chosen = job_places.preferences()
    python = job_places.base_python()
    check_version(python)
    environment = job_places.backend()
    request = SetUpBackend(
        place=environment.place,
        lock=environment.lock,
        torch=chosen.torch_build,
        extra_index=chosen.extra_index.strip(),
    )
    _found.clear()
    jobs.release_backend()
    return jobs.submit(request, title="Set up the backend", **options)


def remove() -> None:
    """Delete the environment. Raises EnvironmentTrouble."""
    _found.clear()
    jobs.release_backend()
    job_places.backend().remove()


def check(**options) -> str:
    """Ask the backend what it has. Raises MaquetteError."""
    check_version(Path(job_places.python("check-backend")))
    _found[:] = [("Looking ...", "SORTTIME")]
    return jobs.ask(CheckBackend(), title="Check the backend", **options)


def found() -> list[tuple[str, str]]:
    """(sentence, icon) for each thing the last check found."""
    return list(_found)


def job() -> JobRecord | None:
    """The newest job that sets the backend up."""
    return next((record for record in jobs.all_jobs() if record.kind == SetUpBackend.kind), None)


def check_version(python: Path) -> None:
    """The program is a Python that the backend runs on. Raises EnvironmentTrouble."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=False)
        version = tuple(map(int, answer.stdout.split()))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        version = ()
    low, high = PYTHONS
    if len(version) != 2:
        raise EnvironmentTrouble(f"{python} does not answer as a Python; name another in Maquette's preferences.")
    if not low <= version <= high:
        raise EnvironmentTrouble(
            f"The backend needs Python {low[0]}.{low[1]} to {high[0]}.{high[1]}, and {python} is "
            f"{version[0]}.{version[1]}; name another in Maquette's preferences."
        )


@jobs.on_result(SetUpBackend.kind, scene=False)
def _set_up_done(record: JobRecord, result: dict) -> None:
    if "torch" in result:
        _tell(result)


@jobs.on_result(CheckBackend.kind, scene=False)
def _checked(record: JobRecord, result: dict) -> None:
    _tell(result)
    _found.extend((warning, "ERROR") for warning in record.warnings)


@jobs.on_failure(CheckBackend.kind)
def _check_failed(record: JobRecord) -> None:
    _found[:] = [(record.message, "ERROR")]


def _tell(result: dict) -> None:
    pytorch3d = result.get("pytorch3d")
    _found[:] = [
        (f"PyTorch {result.get('torch')} on Python {result.get('python')}", "CHECKMARK"),
        (f"Device: {result.get('device', '').upper()} ({result.get('device_name')})", "CHECKMARK"),
        (f"PyTorch3D {pytorch3d}" if pytorch3d else "PyTorch3D: no (Maquette does without it)", "CHECKMARK"),
    ]
