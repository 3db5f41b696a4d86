"""What a reconstruction leaves beside its strands: times, memory, losses, orientation maps."""

import json
import time
from pathlib import Path

import numpy as np

from ..memory import Peak
from ..protocol import Reporter
from .orientation import OrientationMap, viewable
from .views import HairView


class StageClock:
    """Seconds and memory of each stage; also tells the reporter which stage runs.

    Attributes:
        seconds: of each stage.
        peak_mb: the most memory held in each stage, as ``memory.how`` says.
    """

    def __init__(self, reporter: Reporter):
        self.reporter = reporter
        self.seconds: dict[str, float] = {}
        self.peak_mb: dict[str, float] = {}
        self.memory = Peak()
        self._name, self._began, self._earlier_mb = "", time.monotonic(), 0.0

    def stage(self, key: str, title: str, total: int = 1) -> None:
        """End the running stage and begin another: key for programs, title for people."""
        self.end()
        self._name, self._began, self._earlier_mb = key, time.monotonic(), 0.0
        self.memory.begin()
        self.reporter.stage(title, total)

    def so_far(self) -> tuple[float, float]:
        """Seconds of the running stage, and its most memory in MB."""
        return time.monotonic() - self._began, max(self._earlier_mb, self.memory.mb())

    def so_far_in_all(self) -> float:
        """Seconds of all stages until now, an earlier run's too."""
        return sum(self.seconds.values()) + self.so_far()[0]

    def credit(self, seconds: float, peak_mb: float) -> None:
        """Count what an earlier run spent to the running stage."""
        self._began -= seconds
        self._earlier_mb = max(self._earlier_mb, peak_mb)

    def end(self) -> None:
        """End the running stage."""
        if self._name:
            seconds, peak_mb = self.so_far()
            self.seconds[self._name] = round(self.seconds.get(self._name, 0) + seconds, 2)
            self.peak_mb[self._name] = round(max(self.peak_mb.get(self._name, 0), peak_mb), 1)
        self._name = ""

    def close(self) -> None:
        """End the running stage, and the clock."""
        self.end()
        self.memory.end()

    def report(self) -> dict:
        """What a report tells of it."""
        return {
            "seconds": round(sum(self.seconds.values()), 2),
            "stages": self.seconds,
            "stage_peak_memory_mb": self.peak_mb,
            "peak_memory_mb": max(self.peak_mb.values(), default=0.0),
            "memory": self.memory.how,
        }


def write_orientation(folder: Path, view: HairView, found: OrientationMap) -> None:
    """One view's maps: NAME.npz (angle, confidence, variance, float16) and NAME.png to look at."""
    import cv2

    folder.mkdir(exist_ok=True)
    maps = {name: getattr(found, name).numpy().astype(np.float16) for name in ("angle", "confidence", "variance")}
    np.savez(folder / f"{view.name}.npz", **maps)
    # imencode and Python's own writing: cv2.imwrite fails on paths beyond ASCII on Windows.
    _, png = cv2.imencode(".png", viewable(found)[..., ::-1])
    (folder / f"{view.name}.png").write_bytes(png.tobytes())


def write_losses(folder: Path, history: list[dict[str, float]]) -> None:
    """losses.json (name to list) and losses.png."""
    losses = {name: [round(step[name], 6) for step in history] for name in history[0]} if history else {}
    (folder / "losses.json").write_text(json.dumps(losses))
    if not history:
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, values in losses.items():
        axes.plot(np.array(values) / max(abs(values[0]), 1e-9), label=f"{name} (from {values[0]:.3g})")
    axes.set_xlabel("step")
    axes.set_ylabel("loss, of its first value")
    axes.set_ylim(0, 1.6)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(folder / "losses.png", dpi=110)
    pyplot.close(figure)
