"""The backend from a shell: answers on standard output, sentences on standard error, exit codes that mean something."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest


@pytest.fixture
def command(checkout, tmp_path):
    """A function giving the options of subprocess for ``python -m backend``, in an empty folder."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}

    def options(*arguments):
        return {
            "args": [sys.executable, "-m", "backend", *map(str, arguments)],
            "cwd": tmp_path,
            "env": environment,
            "encoding": "utf-8",
            "errors": "replace",
        }

    return options


def run(command, *arguments):
    return subprocess.run(**command(*arguments), capture_output=True, check=False)


def test_the_answer_alone_is_on_standard_output(command, tmp_path):
    done = run(command, "fake-job", "--steps", 4, "--seconds-per-step", 0, "--behaviour", "garbage", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"steps": 4, "resumed_at": 0}, "its file is gone"
    assert "Counting" in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was asked to be kept"


def test_files_that_are_not_kept_are_not_named(command, tmp_path):
    points = np.zeros((20, 3), np.float32)
    points[:, 2] = np.tile(np.linspace(0, 0.04, 10), 2)
    points[10:, 0] = 0.01
    np.savez(tmp_path / "a.npz", points=points, counts=np.full(2, 10, np.int32))
    asked = ("evaluate-strands", tmp_path / "a.npz", tmp_path / "a.npz", "--json")
    answer = json.loads(run(command, *asked).stdout)
    assert answer["rows"] and "csv" not in answer and "errors" not in answer
    answer = json.loads(run(command, *asked, "--out", tmp_path / "out").stdout)
    assert (tmp_path / "out" / answer["csv"]).is_file() and (tmp_path / "out" / answer["errors"]).is_file()


def test_out_keeps_the_files(command, tmp_path):
    done = run(command, "fake-job", "--steps", 2, "--seconds-per-step", 0, "--out", "of it")
    assert done.returncode == 0 and "steps: 2" in done.stdout
    assert json.loads((tmp_path / "of it" / "result.json").read_text())["steps"] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fake-job", "--behaviour", "fail", "--seconds-per-step", 0], "maquette: The fake job was asked to fail"),
        (["fake-job", "--steps", "many"], "maquette: The setting 'steps' must be a whole number, not 'many'."),
        (["fake-job", "--behaviour", "badly"], "must be one of well"),
        (["fake-job", "--colour", "red"], "nrecognized arguments: --colour red"),
        (["convert-strands", "a.hair"], "arguments are required: DESTINATION"),
        (["make-coffee"], "There is no request named 'make-coffee'"),
        ([], "REQUEST"),
        (["job", "nowhere"], "There is no job folder"),
    ],
)
def test_trouble_is_one_sentence_and_exit_2(command, arguments, sentence):
    done = run(command, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_a_fault_of_ours_is_exit_1_with_its_traceback(command):
    done = run(command, "fake-job", "--behaviour", "crash", "--seconds-per-step", 0)
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("maquette: Something went wrong")


def test_every_request_has_help_with_an_example(command):
    from backend import contract
    from backend.command_line import EXAMPLES, parser

    assert set(EXAMPLES) == set(contract.REQUESTS)
    done = run(command, "reconstruct-hair", "--help")
    assert done.returncode == 0 and "example: python -m backend reconstruct-hair" in done.stdout
    assert "Default: standard" in done.stdout and "CAPTURE" in done.stdout
    for kind, example in EXAMPLES.items():
        assert parser().parse_args(example.split()).command == kind


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_stops_at_the_next_step_and_keeps_the_checkpoint(command, tmp_path):
    process = subprocess.Popen(
        **command("fake-job", "--steps", 1000, "--seconds-per-step", 0.05, "--out", "kept"), stderr=subprocess.PIPE
    )
    checkpoint = tmp_path / "kept" / "checkpoint.json"
    end = time.monotonic() + 60
    while not checkpoint.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.strip().endswith("Stopped.") and "Traceback" not in said
    assert json.loads(checkpoint.read_text())["step"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_on_a_terminal_one_line_updates(command):
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        **command("fake-job", "--steps", 12, "--seconds-per-step", 0.1), stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            if not (piece := os.read(ours, 4096)):
                break
        except OSError:
            break
        said += piece
    os.close(ours)
    assert process.wait() == 0
    assert b"\rCounting 12/12" in said and b" left" in said


def test_the_warm_worker_answers_in_turn_and_ends_when_idle(command):
    request = {"kind": "fake-job", "steps": 2, "seconds_per_step": 0}
    orders = [{"type": "run", "id": str(i), "request": request, "folder": f"folder {i}"} for i in range(3)]
    orders.insert(1, {"type": "run", "id": "broken", "request": {"kind": "fake-job", "steps": -1}, "folder": "x"})
    orders.insert(1, {"type": "run", "id": "empty"})
    process = subprocess.Popen(
        **command("worker", "--idle", 1), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    process.stdin.write("this is no order\n" + "".join(json.dumps(order) + "\n" for order in orders))
    process.stdin.flush()
    assert process.wait(timeout=60) == 0, "it ended by itself, with its input still open"
    events = [json.loads(line) for line in process.stdout.read().splitlines()]
    process.stdin.close()
    process.stdout.close()
    ends = [(e["id"], e["type"]) for e in events if e["type"] in ("result", "error")]
    assert ends == [("0", "result"), ("empty", "error"), ("broken", "error"), ("1", "result"), ("2", "result")]
