"""docs/guides/submitting.md: every command on it, in its order, as it stands there."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers.documents import commands_on
from helpers.forger import MODEL

from rae_bench.cli import main
from rae_bench.leaderboard.entries.entry import load_entry

IN_PLACE = {"1%,5%": "5%,20%", "1%": "5%"}  # the small task says nothing of ranking
TAKES_A_TASK = ("run", "submit", "verify", "rescore")


@pytest.mark.slow
def test_the_page_works(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a fast model in place of the author's, and a small task in place of the ranked one, nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sway.py").write_text(MODEL.replace("Sway", "MyModel"), encoding="utf-8")
    commands = [shlex.split(command) for command in commands_on("docs/guides/submitting.md")]
    assert [words[1] for words in commands] == [
        "run", "run", "submit", "verify", "leaderboard", "verify", "rescore", "rescore",
    ]  # fmt: skip
    for words in commands:
        words = [IN_PLACE.get(w, w).replace("path/to/my_model.py", "sway.py") for w in words[1:]]
        words = [w.replace("biped2quad-control", str(tiny_task)) for w in words]
        words += ["--task", str(tiny_task)] if words[0] in TAKES_A_TASK and "--task" not in words else []
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        if words[0] == "leaderboard":  # a board knows a task by its name alone, and this one has only a file
            assert "left out: my-model: task 'tiny' is none of this version" in said.out + said.err
            continue
        assert not ended.value.code, said
    entry = load_entry("leaderboard/entries/my-model")
    assert [entry.level(task) for task in entry.tasks] == ["reproduced"]
    assert entry.card.authors == "My Name"
