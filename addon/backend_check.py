"""What is known of the backend: the job that sets it up, and what the last check found."""

import shutil

from ..backend.contract import CheckBackend, SetUpBackend
from ..backend.errors import EnvironmentTrouble
from ..backend.formats.environment_record import GIGABYTES, choose_build
from . import job_places, jobs
from .backend_environment import check_version
from .job_record import JobRecord

_found: list[tuple[str, str]] = []


def set_up(**options) -> str:
    """Begin to make, or remake, the environment as the preferences have it; returns the job's id. Raises
    MaquetteError."""
    chosen = job_places.preferences()
    check_version(job_places.base_python())
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
    _found[:] = [("Looking ...", "SORTTIME")]
    return jobs.ask(CheckBackend(), title="Check the backend", **options)


def found() -> list[tuple[str, str]]:
    """(sentence, icon) for each thing the last check found."""
    return list(_found)


def room(build: str) -> str:
    """How much disk the set-up needs and how much there is, in words."""
    try:
        needed = GIGABYTES[choose_build(build)]
    except EnvironmentTrouble as trouble:
        return str(trouble)
    place = job_places.backend().place
    try:
        there = next(path for path in (place, *place.parents) if path.exists())
        free = f"{shutil.disk_usage(there).free / 1e9:.0f} GB are free"
    except (OSError, StopIteration):
        free = f"the drive of {place} is not there"
    return f"Needs about {needed} GB of disk while it is set up; {free}"


def job() -> JobRecord | None:
    """The newest job that sets the backend up."""
    return next((record for record in jobs.all_jobs() if record.kind == SetUpBackend.kind), None)


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
