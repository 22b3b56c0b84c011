"""What numbers are made with, and how much a process computed and used."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def environment() -> dict[str, Any]:
    """What the numbers were made with."""
    return {
        "rae_bench": version("rae-bench"),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "torch": version("torch"),
    }


def reset_peak_memory(pid: int | str = "self") -> None:
    """Start counting the `peak_memory` of a process anew, where the system can (Linux)."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> float:
    """MB that this process has used at most since `reset_peak_memory`, or since it began where that does nothing."""
    seen = peak_memory_of("self")
    return _largest_memory() if seen is None else seen


def peak_memory_of(pid: int | str) -> float | None:
    """MB that a process has used at most since `reset_peak_memory`; None where the system lets nobody look."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def core_seconds_of(pid: int) -> float | None:
    """Seconds that a living process and its ended children have computed; None where the system lets nobody look.

    Of the process they are exact, of its children they are multiples of the clock tick (10 ms).
    """
    if sys.platform != "linux":
        return None
    try:
        own = time.clock_gettime(~pid << 3 | 2)  # the CPU clock of a process, as clock_getcpuclockid(3) names it
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return own + (int(stat[13]) + int(stat[14])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def ending(code: int) -> str:
    """How a process ended, in words, by its exit code."""
    if code < 0:  # never on Windows, which has no signal 9 (SIGKILL) either
        return f"was killed by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    return f"ended with exit code {code}"


if sys.platform == "win32":

    def _largest_memory() -> float:
        """MB that this process has used at most since it began: the peak of its working set."""
        import ctypes
        from ctypes import wintypes

        class Counters(ctypes.Structure):
            """PROCESS_MEMORY_COUNTERS, whose eight sizes begin with that peak."""

            _fields_ = (
                ("cb", wintypes.DWORD), ("PageFaultCount", wintypes.DWORD), ("PeakWorkingSetSize", ctypes.c_size_t),
                ("others", ctypes.c_size_t * 7),
            )  # fmt: skip

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        ask = kernel.K32GetProcessMemoryInfo
        ask.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
        counters = Counters(cb=ctypes.sizeof(Counters))
        if not ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
            raise ctypes.WinError(ctypes.get_last_error())
        return int(counters.PeakWorkingSetSize) / 1024**2

else:

    def _largest_memory() -> float:
        """MB that this process has used at most since it began."""
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
