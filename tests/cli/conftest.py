"""Calling the command line from tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rae_bench.cli import main


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], tuple[int, str, str]]:
    """Call the command line in this process: exit code, stdout, stderr."""

    def do(arguments: list[str]) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return do
