"""A model process, as its driver sees it: started, asked, measured from outside, and ended."""

from __future__ import annotations

import os
import queue
import shutil
import site
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from rae_bench.harness.isolation.messages import Command, Raised, Reply, Returned, Trained
from rae_bench.harness.machine import core_seconds_of, ending, peak_memory_of, reset_peak_memory
from rae_bench.storage import remove_leftovers, scratch_folder

LONGEST = 1 << 24
"""Bytes of an answer that is read: a description or a trace has thousands."""
PATIENCE = 1.0
"""Seconds between looks whether a silent process lives."""
GRACE = 5.0
"""Seconds in which a process whose pipe is closed should have ended."""
_HIDDEN = ("RAE_BENCH_", "RAY_", "XDG_")
"""Environment variables that begin so stay with the driver: where data and caches lie, and the key to a cluster."""
_PLACES = ("PWD", "OLDPWD", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE", "TRANSFORMERS_CACHE", "MPLCONFIGDIR",
           "NUMBA_CACHE_DIR", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")  # fmt: skip
"""Say where the command was called, which is where results lie, and where the user's caches are."""
Report = Callable[[int, int, float], None]


class ModelFailed(Exception):
    """What a model raised, or the end of its process.

    Attributes:
        reason: in a line.
        trace: of what is no user's error.
        died: whether the process ended, so that the job may be begun again.
    """

    def __init__(self, reason: str, trace: str = "", died: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.trace, self.died = reason, trace, died


class ModelProcess:
    """A process for the code of models, with a home, a cache and a working directory of its own that are empty.

    Args:
        threads: for each library that asks the environment.
    """

    def __init__(self, threads: int = 1) -> None:
        parent = Path(tempfile.gettempdir())
        remove_leftovers(parent)
        self._scratch = scratch_folder(parent)
        home, work, temporary = (self._scratch / name for name in ("home", "work", "tmp"))
        self.files = self._scratch / "files"
        for folder in (home, work, temporary, self.files):
            folder.mkdir()
        # -P: the installed package, not a source folder of the same name.
        command = [sys.executable, "-P", "-m", "rae_bench.harness.isolation.served", str(self._scratch)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=work, start_new_session=True,
            env=environment(home, temporary, threads),
        )  # fmt: skip  # a session of its own: Ctrl-C is the driver's to handle
        self._replies: queue.Queue[Reply | None] = queue.Queue()
        self._last: Returned | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        decoder = msgspec.json.Decoder(Reply)
        # A line is cut short by the process' death; one that is none of ours was written by a model.
        with self._process.stdout as lines, suppress(msgspec.DecodeError, OSError, ValueError):
            while line := lines.readline(LONGEST):
                self._replies.put(decoder.decode(line))
        self._replies.put(None)

    def ask(self, command: Command, report: Report | None = None) -> dict[str, Any]:
        """Have a command done.

        Args:
            report: is given (update, updates, loss) as training goes on.

        Returns:
            The command's facts.

        Raises:
            ModelFailed: the model raised, or the process is gone.
        """
        assert self._process.stdin is not None
        with suppress(OSError):  # BrokenPipeError; EINVAL on Windows: its end is told below
            self._process.stdin.write(msgspec.json.encode(command) + b"\n")
            self._process.stdin.flush()
        while True:
            reply = self._next()
            if isinstance(reply, Trained):
                if report is not None:
                    report(reply.update, reply.updates, float("nan") if reply.loss is None else reply.loss)
            elif isinstance(reply, Returned):
                self._last = reply
                return reply.facts
            elif isinstance(reply, Raised):
                raise ModelFailed(reply.reason, reply.trace)
            else:
                raise ModelFailed(self._how_it_ended(), died=True)

    def _next(self) -> Reply | None:
        """The next answer; None where the process is gone, even if a child of it holds its pipe open."""
        while True:
            try:
                return self._replies.get(timeout=PATIENCE)
            except queue.Empty:
                if not self.alive and self._replies.empty():
                    return None

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.end()
            return "the model process sent a line that is no answer, and was ended"
        self.end()
        return f"the model process {ending(code)}"

    def core_seconds(self) -> float:
        """Seconds that it has computed so far, by the system's account where that can be asked, else by its own."""
        seen = core_seconds_of(self.pid) if self.alive else None
        return seen if seen is not None else self._last.core_seconds if self._last else 0.0

    def seconds(self) -> float:
        """What the last command took by the process' own clock, without the way there and back."""
        return self._last.seconds if self._last else 0.0

    def peak_memory(self) -> float:
        """MB that it has used at most since `reset_peak_memory`, likewise."""
        seen = peak_memory_of(self.pid)
        return seen if seen is not None else self._last.peak_memory_mb if self._last else 0.0

    def generated_clips(self) -> int:
        """Clips of built-in motion that the package's generators have made in it so far, by its own account."""
        return self._last.generated_clips if self._last else 0

    def reset_peak_memory(self) -> None:
        """Start counting its peak anew, where the system can."""
        reset_peak_memory(self.pid)

    def end(self) -> None:
        """Kill it, and remove its scratch folder with all that it left there."""
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def environment(home: Path, temporary: Path, threads: int) -> dict[str, str]:
    """The variables of a model process: this process' own, but those that say where data, caches and results lie.

    Args:
        home: what it takes for the user's home; caches of all kinds go there too.
        temporary: what it takes for the folder of temporary files.
        threads: for each library that asks for it here.
    """
    kept = {name: v for name, v in os.environ.items() if not name.startswith(_HIDDEN) and name not in _PLACES}
    if "PYTHONPATH" in kept:  # its relative folders mean those of the driver
        kept["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part) for part in kept["PYTHONPATH"].split(os.pathsep))
    if site.ENABLE_USER_SITE and site.USER_BASE:  # packages that were installed with --user are found by the home
        kept["PYTHONUSERBASE"] = site.USER_BASE
    # Training works through more memory than caches hold: huge pages save a seventh of its time
    # (docs/reports/performance.md).
    kept.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    count = str(threads)
    own = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), count)
    own |= dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    own |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    own |= {
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "RAE_BENCH_HOME": str(home / ".cache" / "rae-bench"),
    }
    return kept | own
