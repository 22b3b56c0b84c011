"""What numbers are made with, and how much memory a process used."""

from __future__ import annotations

import platform
import sys
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
        "machine": platform.machine(),
        "numpy": np.__version__,
        "torch": version("torch"),
    }


def reset_peak_memory() -> None:
    """Start counting `peak_memory` anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> float:
    """MB that this process has used at most since `reset_peak_memory`, or since it began where that does nothing."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource  # POSIX alone has it
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
