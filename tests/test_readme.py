"""Pages keep their promises: the model shown is the tested one, commands and options exist, links lead somewhere."""

import json
import re
import shlex
import tomllib

import click
import pytest
from helpers.documents import PAGES
from helpers.places import ROOT

from rae_bench.cli import cli


def _blocks(page: str, language: str) -> list[str]:
    blocks: list[str] = []
    within: str | None = None
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            within = line[3:].strip() if within is None else None
            if within == language:
                blocks.append("")
        elif within == language:
            blocks[-1] += line + "\n"
    return blocks


def test_the_model_shown_is_the_model_tested() -> None:
    mine = (ROOT / "tests" / "my_model.py").read_text(encoding="utf-8")
    assert mine in _blocks("docs/guides/your-model.md", "python")


def _commands(page: str) -> list[list[str]]:
    lines = [line for block in _blocks(page, "") for line in block.replace("\\\n", " ").splitlines()]
    text = (ROOT / page).read_text(encoding="utf-8")
    lines += [span for span in re.findall(r"`([^`\n]+)`", text) if span.startswith("rae-bench ")]
    found = []
    for line in lines:
        for part in line.split("&&"):
            if "rae-bench" not in part:
                continue
            words = shlex.split(part, comments=True)
            if words and words[0].endswith("rae-bench") and len(words) > 1 and not words[1].startswith("-"):
                found.append(words[1:])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist_and_take_these_options(page: str) -> None:
    for words in _commands(page):
        command: click.Command = cli
        rest = words
        while isinstance(command, click.Group) and rest:
            context = click.Context(command)
            found = command.get_command(context, rest[0])
            assert found is not None, f"{page}: no command {' '.join(words)}"
            command, rest = found, rest[1:]
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        for word in rest:
            if word.startswith("-"):
                assert word in options, f"{page}: {' '.join(words)}: no option {word}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_readme_is_short_and_has_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert len(_commands("README.md")) > 5
    assert "## Install and run the tests\n\n```\npython3 -m venv .venv && " in text


def test_readme_has_the_overall_table_of_the_board() -> None:
    board = json.loads((ROOT / "leaderboard" / "board.json").read_text(encoding="utf-8"))["overall"]
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## What was found so far")[1].split("\n## ")[0]
    said = re.findall(r"^\| `([\w-]+)`[^|]*\| ([\d.]+)(?: \[([\d.]+), ([\d.]+)\])? \|", text, flags=re.MULTILINE)
    ends = ("value", "low", "high")
    known = {row["entry"]: tuple(f"{row['score'][end]:.3f}" for end in ends) for row in board["rows"]}
    known |= {row["control"]: (f"{row['score']:.3f}", "", "") for row in board["controls"] if row["control"] != "truth"}
    assert {name: tuple(numbers) for name, *numbers in said} == known


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_to_fill_in(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.findall(r"[A-Z0-9]+_PLACEHOLDER|\bTODO\b|\bTBD\b", text)


def test_the_page_of_a_package_index_stands_by_itself() -> None:
    """An index shows it without the repository: no picture, and no link but whole addresses."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / project["readme"]).read_text(encoding="utf-8")
    assert project["readme"] != "README.md"
    assert "![" not in text
    assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")] == []
