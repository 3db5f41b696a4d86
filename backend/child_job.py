"""A job in a process of its own, started by another job: for many that are independent of each other."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from .contract import Request, encode
from .errors import MaquetteError, Unexpected
from .formats.job_folder import JobFolder, write_json
from .protocol import Event, Order, decode
from .protocol import encode as message

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class ChildJob:
    """``python -m backend job FOLDER`` for a request; its folder is enough to run it again, here or elsewhere.

    It ends with the process that started it, whatever way that ends.

    Args:
        request: what to do.
        folder: for its files; made if it is not there.
        threads: that it may compute with.

    Attributes:
        warnings: sentences for the artist, so far.
        stage: that it is in, and ``seconds_left`` of it; None while unknown.
        error: the sentence that it ended with, or None.
        code: of the error.
        result: what it returned, or None.
    """

    def __init__(self, request: Request, folder: Path, threads: int):
        self.files = JobFolder(folder)
        self.files.path.mkdir(parents=True, exist_ok=True)
        self.files.forget_outcome()
        write_json(self.files.request, encode(request))
        self.warnings: list[str] = []
        self.stage, self.seconds_left = "", None
        self.error, self.code, self.result = None, "", None
        package = Path(__file__).resolve().parent
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", package.name, "job", str(self.files.path.absolute())],
            cwd=package.parent,
            env=environment | dict.fromkeys(THREADS, str(threads)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # its log has it
            # Ctrl-C at a shell goes to us alone: we ask the children to stop.
            start_new_session=os.name == "posix",
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        for line in self._process.stdout:
            told = decode(line, Event)
            kind = told["type"] if told else None
            if kind is Event.WARNING:
                self.warnings.append(told["text"])
            elif kind is Event.PROGRESS:
                self.stage, self.seconds_left = told["stage"], told["seconds_left"]
            elif kind is Event.RESULT:
                self.result = told["result"]
            elif kind is Event.ERROR:
                self.error, self.code = told["sentence"], told["code"]

    @property
    def running(self) -> bool:
        """Whether it goes on. When it has ended, ``result`` or ``error`` is there."""
        if self._process.poll() is None:
            return True
        self._reader.join(5)
        if self.result is None and self.error is None:
            last = (self.files.last_lines(1) or [""])[0]
            trouble: MaquetteError = Unexpected(f"Its process ended ({self._process.returncode}). {last}".strip())
            self.error, self.code = str(trouble), trouble.code
        return False

    def stop(self, seconds: float = 5.0) -> None:
        """Ask it to stop, and end it where it does not."""
        if self._process.poll() is None:
            try:
                self._process.stdin.write(message(Order.CANCEL))
                self._process.stdin.flush()
                self._process.wait(seconds)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
        self._process.wait()
