"""The most memory that this process holds between two moments.

Linux counts it itself and lets the count be begun again. Elsewhere the count of the whole process cannot be begun
again: Windows is asked every few milliseconds how much is held now, and macOS tells its largest so far.
"""

import ctypes
import sys
import threading
from pathlib import Path

SECONDS_BETWEEN_SAMPLES = 0.05


class Peak:
    """Counts from when it is made, or from ``begin``.

    Attributes:
        how: what the figures are, for the report: "counted by the system", "sampled every 50 ms", or "largest of the
            process so far".
    """

    def __init__(self):
        self._sampler: threading.Thread | None = None
        self._most = 0.0
        if _begin_high_water_mark():
            self.how = "counted by the system"
        elif held_mb() > 0:
            self.how = f"sampled every {1000 * SECONDS_BETWEEN_SAMPLES:.0f} ms"
            self._stop = threading.Event()
            self._sampler = threading.Thread(target=self._sample, name="memory", daemon=True)
            self._sampler.start()
        else:
            self.how = "largest of the process so far"

    def begin(self) -> None:
        """Count from here."""
        self._most = 0.0
        if self._sampler is None:
            _begin_high_water_mark()

    def mb(self) -> float:
        """The most since it began, in MB; 0 where the system tells nothing."""
        if self._sampler is not None:
            self._most = max(self._most, held_mb())
            return self._most
        return _high_water_mark_mb() or _largest_mb()

    def end(self) -> None:
        """Stop sampling, where it samples."""
        if self._sampler is not None:
            self._stop.set()

    def _sample(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_SAMPLES):
            self._most = max(self._most, held_mb())


def held_mb() -> float:
    """MB of memory held now; 0 where the system does not tell."""
    if sys.platform == "win32":
        return _held_on_windows()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _page_bytes() / 2**20
    except (OSError, ValueError, IndexError):
        return 0.0


def _page_bytes() -> int:
    import resource

    return resource.getpagesize()


def _begin_high_water_mark() -> bool:
    """Linux: VmHWM begins again at what is held now (proc_pid_clear_refs(5), value 5). False where it may not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return _high_water_mark_mb() > 0


def _high_water_mark_mb() -> float:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0.0


def _largest_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows has no such module
        return 0.0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 1024


def _held_on_windows() -> float:
    """The working set, by GetProcessMemoryInfo."""

    class Counters(ctypes.Structure):
        _fields_ = [("cb", ctypes.c_ulong), ("PageFaultCount", ctypes.c_ulong)] + [
            (name, ctypes.c_size_t)
            for name in (
                "PeakWorkingSetSize", "WorkingSetSize", "QuotaPeakPagedPoolUsage", "QuotaPagedPoolUsage",
                "QuotaPeakNonPagedPoolUsage", "QuotaNonPagedPoolUsage", "PagefileUsage", "PeakPagefileUsage",
            )
        ]  # fmt: skip

    kernel, counters = ctypes.WinDLL("kernel32"), Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb):
        return 0.0
    return counters.WorkingSetSize / 2**20
