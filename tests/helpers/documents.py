"""What the documents print: pages, blocks and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from helpers.places import DOCS, ROOT

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(page.relative_to(ROOT)) for page in DOCS.rglob("*.md")),
)
"""Pages that are written by hand, from the root."""
PROGRAMS = ("rae-bench", "python", "python3", "pip", "uv", "cp", "git", "ray")


class Block(NamedTuple):
    """What the reader is to write or run; `names` stand in backticks in the paragraph before."""

    language: str
    names: list[str]
    text: str


def text_of(page: str) -> str:
    """The text of a page, by its path from the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    parts = re.split(r"^```(\w*)\n", text, flags=re.MULTILINE)  # prose, "language", block, "", prose, ...
    for before, language, inside in zip(parts[::4], parts[1::4], parts[2::4], strict=False):
        yield Block(language, re.findall(r"`([^`]+)`", before.rstrip().rpartition("\n\n")[2]), inside)


def commands_of(block: Block) -> list[str]:
    """The commands of a block, one a line once lines are joined; a figure has none."""
    if block.language not in ("", "sh"):
        return []
    found, whole = [], ""
    for line in block.text.replace("\\\n", " ").splitlines():
        whole = f"{whole}\n{line}" if whole else line
        try:
            words = shlex.split(whole, comments=True)
        except ValueError:  # a quotation goes on in the next line
            continue
        if words:
            found.append(whole if "\n" in whole else re.sub(r"  +# .*$", "", whole).rstrip())
        whole = ""
    plain = [re.sub(r"^(\w+=\S+ )+", "", command) for command in found]  # without variables that are set for it
    programs = [command.split()[0].rsplit("/", 1)[-1] for command in plain]
    return found if {*programs} <= {*PROGRAMS} else []


def commands_on(page: str) -> list[str]:
    """The commands of a page's blocks, in order."""
    return [command for block in blocks(text_of(page)) for command in commands_of(block)]


def import_commands() -> list[list[str]]:
    """The import commands of docs/guides/importing.md, one for each folder."""
    text = text_of("docs/guides/importing.md").replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^rae-bench data import \$DATA/.*$", text, re.MULTILINE)]
