"""Files and folders whose names are no text: Python keeps such bytes as surrogates, which no page or table can hold."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from helpers.bvh import bvh

from rae_bench.cli import main
from rae_bench.viewer import report_page

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")


def _imported(folder: Path, name: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["data", "import", str(folder), "--name", name])
    return int(ended.value.code or 0)


def test_a_recording_whose_name_is_not_utf8_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.bvh")).write_text(bvh())
    assert _imported(tmp_path, "latin") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].endswith("the name of 'caf\\udce9.bvh' is not UTF-8; rename the file (convmv does many at once)")


def test_a_report_holds_names_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the folder, say: its recordings are refused, and it is only shown."""
    monkeypatch.setattr(report_page, "report_page", lambda corpus, measured: "<p>caf\udce9</p>")
    path = report_page.write_report(None, {}, tmp_path / "report.html")  # type: ignore[arg-type]
    assert path.read_text(encoding="utf-8") == "<p>caf\\udce9</p>"
