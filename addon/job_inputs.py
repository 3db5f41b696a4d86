"""The files that a job's request names, written into its folder before it begins."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..backend.errors import MaquetteError
from . import jobs


@contextlib.contextmanager
def prepared(kind: str) -> Iterator[tuple[str, Path]]:
    """The id and the folder of a job to come, to write its inputs into; where that fails, the folder goes again.

    The job is submitted after this, with that id. Raises MaquetteError, also for a disk that is full or read-only.
    """
    job_id, folder = jobs.prepare(kind)
    try:
        yield job_id, folder
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MaquetteError(
            f"The job's files cannot be written in {folder.parent} ({error.strerror or error}); make room there, or"
            " choose another job folder in the preferences."
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
