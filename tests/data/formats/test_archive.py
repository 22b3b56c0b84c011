"""Arrays of npz files, read from several threads at once."""

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rae_bench.data.formats.archive import Archive
from rae_bench.data.formats.source import Source


def _run_python(phase: str, info: dict[str, int]) -> None:
    """Long enough for the interpreter to turn to another thread."""
    sum(k for k in range(200))


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads that interrupt each other wherever memory is asked for, in the middle of a parser too."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    gc.callbacks.append(_run_python)
    yield
    gc.callbacks.remove(_run_python)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless_threads")
def test_files_may_be_opened_in_several_threads_at_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", **{f"a{k}": np.zeros(3) for k in range(20)})
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: len(Archive(Source(tmp_path / "many.npz")).shapes), range(40)))
    assert found == [20] * 40
