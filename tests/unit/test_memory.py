"""The most memory held between two moments."""

import sys
import time

import numpy as np
import pytest

from backend import memory
from backend.hair.report import StageClock
from backend.memory import Peak
from backend.protocol import SilentReporter

MANY = 200
"""MB."""


def held_for_a_moment(seconds: float = 0.0) -> None:
    taken = np.ones((MANY << 20) // 8)
    time.sleep(seconds)
    del taken


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is held now without more packages")
@pytest.mark.parametrize("way", ["counted", "sampled"])
def test_a_stage_does_not_inherit_the_peak_of_the_one_before(tmp_path, monkeypatch, way):
    if way == "sampled":
        monkeypatch.setattr(memory, "_begin_high_water_mark", lambda: False)
        monkeypatch.setattr(memory, "SECONDS_BETWEEN_SAMPLES", 0.005)
    clock = StageClock(SilentReporter(tmp_path))
    if way == "counted" and clock.memory.how != "counted by the system":
        pytest.skip("this system does not let its count begin again")
    assert way in clock.memory.how
    clock.stage("small", "Small")
    clock.stage("large", "Large")
    held_for_a_moment(0.1)
    clock.stage("small again", "Small again")
    clock.close()
    peaks = clock.peak_mb
    assert peaks["large"] > peaks["small"] + 0.9 * MANY
    assert peaks["small again"] < peaks["large"] - 0.9 * MANY
    assert clock.report()["peak_memory_mb"] == peaks["large"]


def test_where_nothing_can_be_asked_the_figure_says_so(monkeypatch):
    monkeypatch.setattr(memory, "_begin_high_water_mark", lambda: False)
    monkeypatch.setattr(memory, "held_mb", lambda: 0.0)
    peak = Peak()
    assert peak.how == "largest of the process so far"
    if sys.platform != "win32":
        assert peak.mb() > 10
