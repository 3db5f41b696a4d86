"""A job that passes time, or misbehaves in a chosen way; the process layer is tested with it."""

import ctypes
import json
import os
import signal
import sys
import time

from .. import worker
from ..contract import FakeJob
from ..errors import RequestError
from ..protocol import Reporter


def run(request: FakeJob, reporter: Reporter) -> dict:
    """Count ``steps``, keeping a checkpoint after each; a resumed job goes on from it and behaves well.

    Returns ``steps``, and ``resumed_at``, the steps it found done.
    """
    if request.behaviour == "die at start":
        os._exit(3)
    checkpoint = reporter.folder / "checkpoint.json"
    done = json.loads(checkpoint.read_text())["step"] if checkpoint.exists() else 0
    resumed_at = done
    reporter.stage("Counting", request.steps)
    reporter.step(done)
    while done < request.steps:
        if done == request.misbehave_at and not resumed_at:
            _misbehave(request.behaviour)
        time.sleep(request.seconds_per_step)
        done += 1
        temporary = checkpoint.with_suffix(".part")
        temporary.write_text(json.dumps({"step": done}))
        temporary.replace(checkpoint)
        reporter.step(done)
    counted = reporter.folder / "counted.txt"
    counted.write_text(str(done))
    reporter.preview("counted", counted)
    return {"steps": done, "resumed_at": resumed_at, "file": counted.name}


def _misbehave(behaviour: str) -> None:
    if behaviour == "fail":
        raise RequestError("The fake job was asked to fail, and did.")
    if behaviour == "crash":
        raise ZeroDivisionError("the fake job was asked to crash")
    if behaviour in ("kill", "resume"):
        print("the fake job ends itself now", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    if behaviour == "hang":
        # PyDLL keeps the interpreter's lock while it sleeps, so that no thread's heartbeat gets out either.
        if sys.platform == "win32":
            ctypes.PyDLL("kernel32").Sleep(3_600_000)
        else:
            ctypes.PyDLL(None).sleep(3600)
    if behaviour == "garbage":
        print("a library prints to standard output")
        os.write(1, b'\xff\xfe{"type": "result"\n[1, 2]\n' + b"x" * (3 << 20))
        # The private line to Blender is for the worker alone; garbage on that is the worst case.
        if worker.channel is not None:
            line = b'{"type": "result"\n\xff\xfe\n[1]\n{"type": 7}\n{}\n' + b"x" * (3 << 20) + b"\n"
            os.write(worker.channel.descriptor, line)
    if behaviour == "flood":
        line = b"the fake job complains again, at some length, as libraries do\n" * 1000
        for _ in range((100 << 20) // len(line)):
            os.write(2, line)
