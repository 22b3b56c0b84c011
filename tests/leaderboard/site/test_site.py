"""The pages: text that stays text, no network, no dead link."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.made_entries import make_entry
from helpers.places import DOCS

from rae_bench.cli import cli
from rae_bench.errors import UserError
from rae_bench.leaderboard.board.build import read_board
from rae_bench.leaderboard.board.charts import rig_svg
from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.site.write import site_pages, write_site
from rae_bench.metrics import METRICS, primaries
from rae_bench.rigs.file import load_rig


def test_a_task_of_control_has_the_columns_of_control(tmp_path: Path) -> None:
    for name in ("truth", "hold", "fe"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad-control"])
    primary = {"limbs": primaries("limbs"), "control": primaries("control")}
    for path in (tmp_path / "entries").rglob("cells/*/*"):
        text = path.read_text(encoding="utf-8")
        for category, old in primary["limbs"].items():
            text = re.sub(rf"(?<![\w@]){old}(?![\w@])", primary["control"][category], text)
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".json":
            result = json.loads(text) | {"track": "control"}
            for name, metric in result["metrics"].items():
                metric["unit"] = METRICS[name].unit
            path.write_text(json.dumps(result), encoding="utf-8")
    pages = site_pages(read_board(tmp_path))
    for page in ("tasks/biped2quad-control.html", "entries/fe.html"):
        heads = [METRICS[name].label.capitalize() for name in primary["control"].values()]
        heads = heads if page.startswith("tasks") else [METRICS[name].title for name in primary["control"].values()]
        assert all(head in pages[page] for head in heads), page
        assert METRICS["objective_error"].label.capitalize() not in pages[page]


class Tags(HTMLParser):
    """What a page has of elements and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        facts = dict(attrs)
        assert not any(name.startswith("on") for name in facts)
        self.ids |= {facts["id"] or ""} if "id" in facts else set()
        self.addresses += [facts[name] or "" for name in ("href", "src") if name in facts]


def test_text_of_a_card_stays_text(site: Path) -> None:
    """The page of a hostile entry has the elements that the page of a plain one has."""
    pages = {}
    for name in ("fe", "hostile"):
        pages[name] = Tags()
        pages[name].feed((site / "entries" / f"{name}.html").read_text(encoding="utf-8"))
    assert "img" not in pages["hostile"].tags
    assert pages["hostile"].tags.count("script") == pages["fe"].tags.count("script")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script>window" not in text
        assert "<img" not in text


def test_links_stay_on_the_web(tmp_path: Path, board: Board) -> None:
    """Entries with other links are refused when read; a page would not make a link of one all the same."""
    from dataclasses import replace

    facts = {**board.data["entries"]["fe"], "link": "javascript:alert(1)", "code": "https://example.org/code"}
    data = {**board.data, "entries": {**board.data["entries"], "fe": facts}}
    page = Tags()
    page.feed(site_pages(replace(board, data=data))["entries/fe.html"])
    assert "https://example.org/code" in page.addresses
    assert not any("javascript" in address for address in page.addresses)


def test_the_command_of_an_entry_that_ran_on_all_data_alone(tmp_path: Path) -> None:
    regimes, fractions = ("cold", "frozen", "finetune"), (0.01, 0.05)
    low = [f"{regime}-f{fraction}-s{seed}" for regime in regimes for fraction in fractions for seed in range(3)]
    make_entry(tmp_path / "entries", "fe", tasks=["biped2quad-control"], leave_out=low)
    page = site_pages(read_board(tmp_path))["entries/fe.html"]
    command = "rae-bench run --model fe --task biped2quad-control --regimes full --budget full --seeds 3"
    assert f"<code>{command}</code>" in page


def test_pages_ask_nothing_of_the_network(site: Path) -> None:
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    for page in site.rglob("*.html"):
        tags = Tags()
        text = page.read_text(encoding="utf-8")
        tags.feed(text)
        assert "default-src 'none'" in text
        for address in tags.addresses:
            if address.startswith("#"):
                assert address[1:] in tags.ids, address
            elif not address.startswith("data:"):
                file, _, place = address.partition("#")
                if place:
                    other = Tags()
                    other.feed((page.parent / file).read_text(encoding="utf-8"))
                    assert place in other.ids or "=" in place, address
                target = (page.parent / file).resolve().relative_to(site.resolve()).as_posix()
                assert target in there, address
    for script in (site / "assets").glob("*.js"):
        assert not re.search(r"\bfetch\(|XMLHttpRequest|\bimport\(", script.read_text(encoding="utf-8"))


def test_the_same_bytes_again(board: Board) -> None:
    assert site_pages(board) == site_pages(board)


def test_the_head_says_what_the_page_says(board: Board) -> None:
    pages = site_pages(board)
    words = "fe has the best score"
    for page in ("index.html", "tasks/biped2quad-control.html"):
        about = re.search(r'<meta name="description" content="([^"]*)">', pages[page])
        assert about is not None
        assert words in about[1]
        assert f'<meta property="og:description" content="{about[1]}">' in pages[page]
    assert '<script>window' not in pages["entries/hostile.html"].partition("</head>")[0]


def test_pages_link_to_a_repository_that_is_named(board: Board, tmp_path: Path) -> None:
    linked = Tags()
    linked.feed(site_pages(board, repository="https://github.com/x/y/")["index.html"])
    for address in ("", "/blob/HEAD/docs/index.md", "/blob/HEAD/docs/guides/submitting.md"):
        assert f"https://github.com/x/y{address}" in linked.addresses
    assert not any("https://" in page for name, page in site_pages(board).items() if name == "index.html")
    make_entry(tmp_path / "entries", "truth")
    words = ["leaderboard", "build", "--folder", str(tmp_path), "--repository", "javascript:alert(1)"]
    with pytest.raises(UserError, match="no https address"):
        cli.main(words, standalone_mode=False)
    assert not (tmp_path / "site").exists()


def test_the_documentation_lies_beside_the_pages(board: Board, tmp_path: Path) -> None:
    """The pages of the project's own documentation: every link from the board to them has its file."""
    made = tmp_path / "made"
    for page in DOCS.rglob("*.md"):
        file = (made / page.relative_to(DOCS)).with_suffix(".html")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a page", encoding="utf-8")
    write_site(board, tmp_path / "site", documentation=made, motion=False)
    found = set()
    for page in [p for p in (tmp_path / "site").rglob("*.html") if "docs" not in p.parts]:
        tags = Tags()
        tags.feed(page.read_text("utf-8"))
        for address in tags.addresses:
            file = (page.parent / address.partition("#")[0]).resolve()
            if "docs" in file.parts:
                assert file.is_file(), address
                found.add(file.name)
    assert found >= {"index.html", "glossary.html", "protocol.html", "submitting.html", "ranked-tasks.html"}
    make_entry(tmp_path / "entries", "truth")
    words = ["leaderboard", "build", "--folder", str(tmp_path), "--documentation", str(tmp_path / "none")]
    with pytest.raises(UserError, match="mkdocs build"):
        cli.main(words, standalone_mode=False)


def test_what_is_not_a_site_is_not_overwritten(board: Board, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        write_site(board, tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert write_site(board, tmp_path / "new").name == "index.html"
    write_site(board, tmp_path / "new")  # again is fine


@pytest.mark.parametrize("name", ["r1", "quad", "hexapod", "arm"])
def test_a_drawing_has_every_bone_in_its_frame(name: str) -> None:
    rig = load_rig(name)
    text = rig_svg(rig)
    assert text.count('class="bone"') == 2 * (len(rig) - 1)
    assert text.count('class="key"') == 2 * int(rig.role_mask.sum())
    points = np.array([[float(v) for v in pair] for pair in re.findall(r'cx="([-\d.]+)" cy="([-\d.]+)"', text)])
    assert (points >= 0).all()
    assert (points <= [300, 210]).all()
