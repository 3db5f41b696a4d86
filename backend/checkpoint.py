"""What a job's costly stages gave, kept in its folder, so that a job that was stopped goes on from the last of them.

    kept = Checkpoints(reporter, fingerprint(request, preset, files=photographs), rng, clock)
    volumes = kept("hull", lambda: hull.visual_hull(views, skull, preset.volume, reporter))

Each stage is one file, ``checkpoint/NAME.npz``: the arrays, and as JSON how they belong together. A checkpoint is an
aid: one that does not fit, is damaged or cannot be written costs the stage's time, never the job.
"""

import dataclasses
import functools
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from scipy import sparse

from .protocol import Reporter, plain

FOLDER = "checkpoint"
SECONDS_BETWEEN_PARTS = 10.0
"""Within a stage; writing takes well under a second."""
_PACKAGE = Path(__file__).parent

Result = TypeVar("Result")


class Clock(Protocol):
    """What a stage costs, as hair.report.StageClock counts it."""

    def so_far(self) -> tuple[float, float]:
        """Seconds of the running stage, and its most memory in MB."""

    def credit(self, seconds: float, peak_mb: float) -> None:
        """Count what an earlier run spent to the running stage."""


def fingerprint(*settings, files: Iterable[Path] = ()) -> str:
    """What results depend on, in one word: settings that JSON can hold, the sizes and times of the files read, and the
    code. A file that is not there counts as such."""
    seen = []
    for path in files:
        try:
            found = path.stat()
            seen.append((path, found.st_size, found.st_mtime_ns))
        except OSError:
            seen.append((path, None, None))
    versions = (platform.python_version(), np.__version__, str(torch.__version__))
    text = json.dumps([settings, seen, _code(), versions], default=plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _code() -> str:
    """This package's code, as it was when this process began to keep checkpoints."""
    code = hashlib.sha256()
    for source in sorted(_PACKAGE.rglob("*.py")):
        code.update(source.read_bytes())
    return code.hexdigest()


class Checkpoints:
    """The kept stages of one job. Calling it gives a stage's result: the kept one, or else a new one, then kept."""

    def __init__(self, reporter: Reporter, of: str, rng: np.random.Generator, clock: Clock):
        """
        Args:
            of: ``fingerprint`` of all that the results depend on.
            rng: goes on after a kept stage as it would have gone on after the stage itself.
        """
        self.folder = reporter.folder / FOLDER
        self._reporter, self._of, self._rng, self._clock = reporter, of, rng, clock

    def __call__(self, name: str, make: Callable[[], Result]) -> Result:
        """A stage's result: None, numbers, text, arrays, tensors (which come back on the CPU), sparse matrices and
        dataclasses of this package, nested in tuples, lists and dicts."""
        found, began = self._read(name), time.monotonic()
        if found is not None:
            result, about = found
            self._rng.bit_generator.state = about["rng"]
            self._clock.credit(about["seconds"] - (time.monotonic() - began), about["peak_mb"])
            self._reporter.log(f"“{name}” was done before; its checkpoint is used.")
            return result
        already, _ = self._clock.so_far()
        result = make()
        seconds, peak_mb = self._clock.so_far()
        about = {"rng": self._rng.bit_generator.state, "seconds": seconds - already, "peak_mb": peak_mb}
        self._write(name, result, about)
        return result

    def part(self, name: str) -> "Part":
        """For a long stage that keeps its own state as it goes."""
        return Part(self, name)

    def remove(self) -> None:
        """Once the job's results are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, name: str):
        path = self.folder / f"{name}.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                if about["of"] == self._of:
                    return _joined(about["tree"], file), about
            self._reporter.log(f"The checkpoint of “{name}” is of other settings or photographs; it is made anew.")
        except Exception as error:
            # A damaged file fails in whatever way it likes; the stage is then simply done again.
            self._reporter.log(f"The checkpoint of “{name}” cannot be read ({type(error).__name__}); it is made anew.")
        return None

    def _write(self, name: str, result, about: dict) -> None:
        arrays: list[np.ndarray] = []
        about = about | {"of": self._of, "tree": _taken_apart(result, arrays)}
        text = np.frombuffer(json.dumps(about, default=plain).encode(), np.uint8)
        path = self.folder / f"{name}.npz"
        temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            self.folder.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                np.savez(file, about=text, **{str(k): array for k, array in enumerate(arrays)})
            temporary.replace(path)
        except OSError as error:
            self._reporter.log(f"The checkpoint of “{name}” could not be kept ({error.strerror}).")
            # What is left of it would fill the disk that the result needs.
            temporary.unlink(missing_ok=True)


class Part:
    """The state of one stage in its midst, such as an optimiser's."""

    def __init__(self, kept: Checkpoints, name: str):
        self._kept, self._name = kept, f"{name}.part"
        self._written = time.monotonic()

    def state(self):
        """What was saved last, or None."""
        found = self._kept._read(self._name)
        if found is None:
            return None
        state, about = found
        self._kept._clock.credit(about["seconds"], about["peak_mb"])
        self._kept._reporter.log(f"“{self._name.removesuffix('.part')}” goes on from its checkpoint.")
        return state

    def save(self, state: Callable[[], object]) -> None:
        """Keep ``state()``, unless something was kept a moment ago."""
        if time.monotonic() - self._written > SECONDS_BETWEEN_PARTS:
            seconds, peak_mb = self._kept._clock.so_far()
            self._kept._write(self._name, state(), {"seconds": seconds, "peak_mb": peak_mb})
            self._written = time.monotonic()


def _taken_apart(value, arrays: list[np.ndarray]):
    """The tree of a value as JSON, with its arrays appended to a list and named by their place in it."""
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        arrays.append(np.asarray(value))
        return {"scalar" if isinstance(value, np.generic) else "array": len(arrays) - 1}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        arrays.append(value.detach().cpu().numpy())
        return {"tensor": len(arrays) - 1}
    if isinstance(value, sparse.csr_matrix | sparse.csr_array):
        parts = (value.data, value.indices, value.indptr)
        kind = "csr_array" if isinstance(value, sparse.csr_array) else "csr_matrix"
        return {kind: [_taken_apart(part, arrays) for part in parts], "shape": list(value.shape)}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_taken_apart(part, arrays) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[_taken_apart(key, arrays), _taken_apart(part, arrays)] for key, part in value.items()]}
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith(f"{__package__}."):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        # The package has one name in Blender and another at the shell.
        name = f"{type(value).__module__.removeprefix(__package__)}:{type(value).__qualname__}"
        return {"class": name, "fields": {key: _taken_apart(part, arrays) for key, part in fields.items()}}
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}")


def _joined(tree, arrays):
    """The value of a tree and its arrays. Only dataclasses of modules of this package that are loaded are made."""
    if not isinstance(tree, dict):
        return tree
    kind, content = next(iter(tree.items()))
    if kind == "array":
        return arrays[str(content)]
    if kind == "scalar":
        return arrays[str(content)][()]
    if kind == "tensor":
        return torch.from_numpy(arrays[str(content)])
    if kind in ("csr_matrix", "csr_array"):
        return getattr(sparse, kind)(tuple(_joined(part, arrays) for part in content), shape=tuple(tree["shape"]))
    if kind in ("tuple", "list"):
        return {"tuple": tuple, "list": list}[kind](_joined(part, arrays) for part in content)
    if kind == "dict":
        return {_joined(key, arrays): _joined(part, arrays) for key, part in content}
    if kind == "class":
        module, _, name = content.partition(":")
        made = getattr(sys.modules[__package__ + module], name)
        if not dataclasses.is_dataclass(made):
            raise TypeError(f"{content} is no dataclass")
        return made(**{key: _joined(part, arrays) for key, part in tree["fields"].items()})
    raise ValueError(f"unknown part {kind!r}")
