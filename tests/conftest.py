"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.browser import Browser

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


@pytest.fixture(autouse=True, scope="session")
def no_columns() -> None:
    """A pipe has no width: pytest-xdist sets one in its workers."""
    os.environ.pop("COLUMNS", None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium of the module's own."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium here; Debian: apt-get install chromium")
    with Browser(program, tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(autouse=True, scope="session")
def data_root() -> Iterator[str]:
    """`$RAE_BENCH_DATA`, taken out of the environment: tests find recordings only where they ask for them."""
    named = os.environ.pop("RAE_BENCH_DATA", "")
    yield named
    if named:
        os.environ["RAE_BENCH_DATA"] = named


@pytest.fixture(scope="session")
def recordings(data_root: str) -> Path:
    """The folder of real recordings, which are no part of the project: `$RAE_BENCH_DATA`.

    Tests that need it are skipped where it is not there; they fail where `$RAE_BENCH_REQUIRE_RECORDINGS` is 1.
    """
    folder = Path(data_root)
    if data_root and folder.is_dir():
        return folder
    reason = f"RAE_BENCH_DATA={data_root}: no such folder" if data_root else "RAE_BENCH_DATA names no folder of them"
    if os.environ.get("RAE_BENCH_REQUIRE_RECORDINGS") == "1":
        pytest.fail(f"no recordings, which RAE_BENCH_REQUIRE_RECORDINGS=1 asks for: {reason}", pytrace=False)
    pytest.skip(f"no recordings here: {reason}")


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
        [budget]
        full_updates = 12
        quick_updates = 10
        [protocol]
        """,
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What `fe` leaves on that task with the regimes and controls of a plain `run`."""
    from helpers.running import run_cells

    return run_cells("fe", str(tiny_task), out=tmp_path_factory.mktemp("tiny_run"), workers=1)
