"""Messages survive the way, and nothing that is no message is taken for one."""

import json
import random
import time

import numpy as np
import pytest

from backend import contract
from backend.errors import Cancelled, DeviceError, RequestError, explain
from backend.protocol import LONGEST_LINE, Event, Order, Reporter, SilentReporter, decode, encode, in_words


def test_a_message_survives_the_way():
    line = encode(Event.RESULT, result={"f": np.float32(0.5), "n": np.int64(3), "path": "Ärmel\nneu"})
    assert line.count(b"\n") == 1 and line.isascii()
    message = decode(line, Event)
    assert message == {"type": Event.RESULT, "result": {"f": 0.5, "n": 3, "path": "Ärmel\nneu"}}
    assert message["type"] is Event.RESULT


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"epoch 1/10 loss 0.3",
        b'{"type": "result"',
        b'{"type": "finished"}',
        b'{"type": ["result"]}',
        b'{"kind": "result"}',
        b"[1]",
        b"null",
        b"\xff\xfe",
        b'{"type": "run"}',
        b"[" * 100_000,
        b'{"type": "log", "text": "' + b"x" * LONGEST_LINE + b'"}',
    ],
)
def test_what_is_no_event_is_noise(line):
    assert decode(line, Event) is None


def test_every_type_of_one_side_is_known_to_it_and_not_to_the_other():
    for kinds, others in ((Event, Order), (Order, Event)):
        for kind in kinds:
            assert decode(encode(kind), kinds)["type"] is kind
            assert decode(encode(kind), others) is None


def test_random_bytes_never_raise():
    dice = random.Random(0)
    for _ in range(2000):
        decode(bytes(dice.randrange(256) for _ in range(dice.randrange(40))), Event)


def test_the_mailbox_puts_lines_together_and_keeps_only_the_newest_progress(extension_part):
    mailbox = extension_part("addon.supervisor").Mailbox()
    stream = b"".join(encode(Event.PROGRESS, stage="s", step=i, total=9) for i in range(9))
    stream += b"noise\n" + b"y" * (3 << 20) + b"\n" + encode(Event.RESULT, result={}) + encode(Event.HEARTBEAT)
    dice = random.Random(1)
    while stream:
        cut = dice.randrange(1, 100_000)
        mailbox.feed(stream[:cut])
        stream = stream[cut:]
    messages = mailbox.collect()
    assert [m["type"] for m in messages] == ["progress", "result"] and messages[0]["step"] == 8
    assert mailbox.heard == 11 and mailbox.noise == 2 and mailbox.empty


def test_a_mailbox_is_bounded(extension_part):
    mailbox = extension_part("addon.supervisor").Mailbox()
    mailbox.feed(encode(Event.LOG, text="again") * 20_000)
    count = 0
    while got := mailbox.collect():
        count += len(got)
    assert count == extension_part("addon.supervisor").MOST_MESSAGES


def test_silence_counts_only_while_somebody_looks(extension_part, monkeypatch):
    supervisor = extension_part("addon.supervisor")
    now = [100.0]
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now[0])
    silence = supervisor.Silence()
    for _ in range(4):
        now[0] += 0.5
        silence.look(0)
    assert silence.seconds == pytest.approx(2)
    now[0] += 600
    assert silence.look(0) == pytest.approx(3), "Blender rendered for ten minutes; the worker is not to blame"
    assert silence.look(1) == 0


def test_the_reporter_counts_tells_and_stops(tmp_path):
    reporter = SilentReporter(tmp_path / "new")
    assert reporter.folder.is_dir()
    reporter.stage("Growing", 3)
    for _ in range(3):
        reporter.step()
    assert (reporter.messages[-1]["step"], reporter.messages[-1]["total"]) == (3, 3)
    reporter.preview("map", reporter.folder / "maps" / "a.png")
    assert reporter.messages[-1] == {"type": Event.PREVIEW, "name": "map", "path": "maps/a.png"}
    reporter.cancelled.set()
    with pytest.raises(Cancelled):
        reporter.step()
    with pytest.raises(Cancelled):
        reporter.stage("Next")


def test_progress_does_not_flood(tmp_path):
    reporter = SilentReporter(tmp_path)
    reporter.stage("Counting", 100_000)
    began = time.monotonic()
    for _ in range(100_000):
        reporter.step()
    assert len(reporter.messages) <= 3 + (time.monotonic() - began) / Reporter.SECONDS_BETWEEN_PROGRESS


def test_time_left_follows_the_pace_and_not_the_steps_done_before(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("backend.protocol.time.monotonic", lambda: now[0])
    reporter = SilentReporter(tmp_path)
    reporter.stage("Refining", 100)
    assert reporter.seconds_left is None
    reporter.step(50)
    for _ in range(10):
        now[0] += 2.0
        reporter.step()
    assert reporter.seconds_left == pytest.approx(80)


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (40, "40 s"), (180, "3 min"), (7800, "2 h 10 min")])
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_request_survives_the_way(tmp_path):
    request = contract.ReconstructHair(capture=tmp_path / "Hände und Füße", strands=500)
    assert contract.decode(json.loads(json.dumps(contract.encode(request)))) == request


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kind": "no-such"}, "There is no request named 'no-such'"),
        ({"kind": ["fake-job"]}, "There is no request named"),
        ({}, "There is no request named None"),
        ({"kind": "fake-job", "steps": 2.5}, "'steps' must be a whole number, not 2.5"),
        ({"kind": "fake-job", "steps": True}, "must be a whole number"),
        ({"kind": "fake-job", "steps": "many"}, "must be a whole number, not 'many'"),
        ({"kind": "fake-job", "steps": None}, "must be a whole number"),
        ({"kind": "fake-job", "steps": -1}, "must be from 0 to 1000000, not -1"),
        ({"kind": "fake-job", "steps": float("nan")}, "must be a whole number"),
        ({"kind": "fake-job", "seconds_per_step": float("nan")}, "'seconds per step' must be a number"),
        ({"kind": "fake-job", "seconds_per_step": float("inf")}, "must be a number"),
        ({"kind": "fake-job", "behaviour": "badly"}, "must be one of well, fail"),
        ({"kind": "fake-job", "behaviour": 3}, "must be text"),
        ({"kind": "fake-job", "colour": "red"}, "has no setting named colour"),
        ({"kind": "convert-strands", "source": "a.hair"}, "needs destination"),
        ({"kind": "convert-strands", "source": "", "destination": "b"}, "'source' must be a path"),
        ({"kind": "convert-strands", "source": 7, "destination": "b"}, "'source' must be a path"),
    ],
)
def test_wrong_requests_are_told_in_a_sentence(values, sentence):
    with pytest.raises(RequestError) as caught:
        contract.decode(values)
    assert sentence in str(caught.value)


def test_what_python_and_torch_raise_is_told_in_words():
    out_of_memory = type("OutOfMemoryError", (RuntimeError,), {})
    assert "graphics card ran out of memory" in str(explain(out_of_memory("CUDA out of memory. Tried ...")))
    assert isinstance(explain(MemoryError()), DeviceError)
    assert "lacks skimage" in str(explain(ModuleNotFoundError("No module", name="skimage")))
    assert "disk is full" in str(explain(OSError(28, "No space left on device")))
    assert explain(KeyError("x")).code == "unexpected"
