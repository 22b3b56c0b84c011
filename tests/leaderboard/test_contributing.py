"""The page of CONTRIBUTING.md about submitting: every command on it, in its order, as it stands there."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers.forger import MODEL
from helpers.places import ROOT

from rae_bench.cli import main
from rae_bench.leaderboard.entries.entry import load_entry

PAGE = ROOT / "CONTRIBUTING.md"


def _commands() -> list[list[str]]:
    page = PAGE.read_text(encoding="utf-8").partition("## Submitting an entry\n")[2].partition("\n## ")[0]
    blocks = page.split("```\n")[1::2]
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_the_page_works(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a fast model in place of the author's, and a small task in place of biped2quad, nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sway.py").write_text(MODEL.replace("Sway", "MyModel"), encoding="utf-8")
    commands = _commands()
    assert [words[1] for words in commands] == ["run", "submit", "verify", "verify"]
    for words in commands:
        words = [w.replace("path/to/my_model.py", "sway.py").replace("biped2quad", str(tiny_task)) for w in words[1:]]
        words += ["--task", str(tiny_task)] if "--task" not in words else []
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code, capsys.readouterr()
    entry = load_entry("leaderboard/entries/my-model")
    assert [entry.level(task) for task in entry.tasks] == ["reproduced"]
    assert entry.card.authors == "My Name"
