"""Documentation: lines are short, links lead somewhere, and the code cites pages and sections that exist."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import chain
from pathlib import Path

import pytest
from helpers.places import ROOT

LONGEST = 120
GENERATED = ("leaderboard/README.md", "leaderboard/v1/board.md", "docs/reference/files.md")
"""Pages that a command writes or wrote: their links are checked, their lines are as long as the command makes them."""
FOLDERS = ("docs", "leaderboard", "rae_bench", "baselines", "tasks", "tests", ".github")
PAGES = tuple(
    sorted(
        str(page.relative_to(ROOT))
        for page in chain(ROOT.glob("*.md"), *((ROOT / folder).rglob("*.md") for folder in FOLDERS))
        if not {"entries", "site"} & set(page.relative_to(ROOT).parts)
    )
)
SOURCES = tuple(
    sorted(
        str(source.relative_to(ROOT))
        for folder in ("rae_bench", "baselines", "tasks", "tests")
        for source in (ROOT / folder).rglob("*.py")
    )
)


def prose(text: str) -> list[tuple[int, str]]:
    """(number, line) of every line outside code blocks, fenced or indented by four columns after an empty line."""
    lines, fence, indented, before = [], "", False, ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            indented = line.startswith("    ") and (indented or not before.strip())
            if not indented:
                lines.append((number, line))
        before = line
    return lines


def too_long(text: str) -> list[int]:
    """Numbers of the lines of prose that are longer than `LONGEST`; rows of tables and lone links may be."""
    lone = re.compile(r"\s*([-*] )?!?\[[^\]]*\]\([^)]*\)[.,;]?\s*")
    return [
        n for n, line in prose(text) if len(line) > LONGEST and line.lstrip()[0] != "|" and not lone.fullmatch(line)
    ]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page: a heading that stands twice gets -1 the second time."""
    seen: Counter[str] = Counter()
    found = set()
    for title in headings(text):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def headings(text: str) -> list[str]:
    """The titles of a page's headings, in order."""
    return [match[1] for _, line in prose(text) if (match := re.match(r"#{1,6} +(.*?) *#*$", line))]


def sections(text: str) -> set[str]:
    """The numbers of a page's numbered headings: "## 4. Protocol" is 4, "### 4.1 Folds" is 4.1."""
    return {match[1] for title in headings(text) if (match := re.match(r"(\d+(?:\.\d+)*)\.? ", title))}


@lru_cache
def page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def dead_links(text: str, folder: Path, here: Path) -> list[str]:
    """Relative links of a page, seen from `folder`, that lead to no file, or to no heading of a page.

    Args:
        here: the page itself, for links that are an anchor alone.
    """
    whole = "\n".join(re.sub(r"(`+)[^`]+\1", "", line) for _, line in prose(text))
    dead = []
    for link in re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", whole):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (folder / path).resolve() if path else here
        known = target.exists() and (not anchor or (target.suffix == ".md" and anchor in anchors(page(target))))
        if not known:
            dead.append(link)
    return dead


def dead_citations(source: str, docs: Path) -> list[str]:
    """Citations of a page of `docs` by the code that lead to no page, to no heading, or to no section of that number.

    They are `docs/<page>.md`, `docs/<page>.md#anchor` and `docs/<page>.md <section>`, on one line or on two.
    """
    text = re.sub(r"\s*\n\s*(?:#\s*)?", " ", source)
    dead = []
    for match in re.finditer(r"\bdocs/([\w/-]+\.md)(?:#([\w-]+)|(?: |,? section )(\d+(?:\.\d+)*)(?![\w%]))?", text):
        name, anchor, number = match.groups()
        path = docs / name
        known = path.exists() and (not anchor or anchor in anchors(page(path)))
        if not known or (number and number not in sections(page(path))):
            dead.append(match[0])
    return dead


def test_there_is_something_to_check() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/develop/design.md", "docs/reports/version1.md",
            "leaderboard/README.md", "leaderboard/v1/README.md"} <= set(PAGES)
    assert any(re.search(r"docs/develop/design\.md \d", (ROOT / source).read_text(encoding="utf-8")) for source in
    SOURCES)


@pytest.mark.parametrize("name", sorted({*PAGES} - {*GENERATED}))
def test_lines_are_short(name: str) -> None:
    assert not too_long(page(ROOT / name)), f"{name}: lines longer than {LONGEST} columns"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name: str) -> None:
    path = ROOT / name
    assert not dead_links(page(path), path.parent, path), name


def test_code_cites_pages_and_sections_that_exist() -> None:
    dead = {name: dead_citations((ROOT / name).read_text(encoding="utf-8"), ROOT / "docs") for name in SOURCES}
    assert not {name: cited for name, cited in dead.items() if cited}


def test_the_contract_is_in_the_repository() -> None:
    """Neither a page nor the package sends a reader to the design that lies outside."""
    outside = re.compile(r"\bDESIGN\b|\.\./shared\b")
    named = [name for name in (*PAGES, *SOURCES) if not name.startswith("tests/")]
    assert [name for name in named if outside.search((ROOT / name).read_text(encoding="utf-8"))] == []


def test_the_contract_has_all_of_its_sections() -> None:
    found = sections(page(ROOT / "docs" / "develop" / "design.md"))
    assert found >= {str(number) for number in range(1, 13)} | {f"4.{number}" for number in range(1, 11)} | {"7.1"}


def test_long_lines_are_found() -> None:
    long = "x " * 61
    assert too_long(f"short\n{long}\n") == [2]
    assert too_long(f"a list\n- {long}\n    {long}\n") == [2, 3]
    for fine in (f"| {long} |", f"```\n{long}\n```", f"text\n\n    {long}\n", f"[link]({'x' * 130})", "x" * LONGEST):
        assert too_long(fine) == []
    assert too_long(f"```\ncode\n```\n{long}\n") == [4]


def test_dead_links_are_found(tmp_path: Path) -> None:
    here = tmp_path / "here.md"
    here.write_text("# A `b` page: c\n\n## Twice\n\n## Twice\n\n```\n## no heading\n```\n", encoding="utf-8")
    good = "[a](here.md) [b](#twice-1) [c](here.md#a-b-page-c) [d](https://nowhere.example/x#y) ![e](.) `[f](g.md)`"
    assert dead_links(good, tmp_path, here) == []
    bad = "[a](gone.md) [b](#no-heading) [c](here.md#twice-2)"
    assert dead_links(bad, tmp_path, here) == ["gone.md", "#no-heading", "here.md#twice-2"]


def test_dead_citations_are_found(tmp_path: Path) -> None:
    (tmp_path / "rules.md").write_text("# Rules\n\n## 4. Protocol\n\n### 4.1 Folds\n", encoding="utf-8")
    place = "docs/"
    good = (
        "rules.md",
        "rules.md 4",
        "rules.md 4.1.",
        "rules.md,\n    # section 4.1",
        "rules.md#41-folds",
        "rules.md: 5 seeds",
    )
    for cited in good:
        assert dead_citations(f'"""See {place}{cited}"""', tmp_path) == [], cited
    for cited in ("gone.md", "rules.md 4.2", "rules.md\n    # 5", "rules.md#42-folds"):
        assert len(dead_citations(f'"""See {place}{cited}"""', tmp_path)) == 1, cited


MADE_ALONG_THE_WAY = {
    "baselines/cores/my_core.py",
    "rae_bench/metrics/heading.py",
    "rae_bench/rigs/stick.toml",
    "tasks/quad2hexapod.toml",
    "tests/metrics/test_heading.py",
}
"""Files that a reader of docs/develop writes."""


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("leaderboard")])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    folders, endings = "tests|rae_bench|baselines|docs|tasks", "py|md|toml|html"
    named = set(re.findall(rf"(?<![\w/.-])(?:{folders})/[\w/.-]+\.(?:{endings})\b", text))
    assert [name for name in sorted(named - MADE_ALONG_THE_WAY) if not (ROOT / name).is_file()] == []
