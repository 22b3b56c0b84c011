"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.browser import Browser
from helpers.places import ROOT

if TYPE_CHECKING:
    from rae_bench.harness.run import Outcome


@pytest.fixture(autouse=True, scope="session")
def home_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Domains and caches of the tests go to a folder of their own."""
    folder = tmp_path_factory.mktemp("rae_bench_home")
    before = os.environ.get("RAE_BENCH_HOME")
    os.environ["RAE_BENCH_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["RAE_BENCH_HOME"]
    else:
        os.environ["RAE_BENCH_HOME"] = before


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium of the module's own."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium here; Debian: apt-get install chromium")
    with Browser(program, tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings, which are no part of the project: `$RAE_BENCH_DATA`, else `../shared/data`."""
    named = os.environ.get("RAE_BENCH_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no recordings here; set RAE_BENCH_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task file whose every cell takes about a second."""
    path = tmp_path_factory.mktemp("tasks") / "tiny.toml"
    path.write_text(
        """
        title = "Tiny"
        [source]
        kind = "builtin"
        rig = "r4"
        clips = 24
        [target]
        kind = "builtin"
        rig = "quad"
        clips = 24
        [protocol]
        pretrain_updates = 6
        adapt_updates = 10
        """,
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What `fe` leaves on that task with the regimes and controls of a plain `run`."""
    from rae_bench.harness.run import run_cells

    return run_cells("fe", str(tiny_task), out=tmp_path_factory.mktemp("tiny_run"), workers=1)
