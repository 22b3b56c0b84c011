"""What every refusal of a file looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from rae_bench.errors import UserError


def check_fault(caught: pytest.ExceptionInfo[UserError], path: Path, message: str) -> None:
    """The error is one line that begins with the file and holds the message."""
    text = str(caught.value)
    assert message in text
    assert text.startswith(str(path))
    assert "\n" not in text
