"""The documentation as a site: it builds without a warning, asks nothing of the network, and fits a phone."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.browser import Browser
from helpers.places import DOCS, ROOT
from test_layout import LAYERS

PICTURED = tuple(tuple(name for name in layer if name != "__main__") for layer in LAYERS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; what the build said is in `build.txt` beside it."""
    pytest.importorskip("mkdocs", reason="no MkDocs here: pip install '.[docs]'")
    pytest.importorskip("material", reason="no MkDocs Material here: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("documentation")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder / "site")],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    (folder / "build.txt").write_text(said, encoding="utf-8")
    assert done.returncode == 0, said[-3000:]
    return folder / "site"


def test_the_way_back_to_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tab leads to the board where the variable says where it lies; the plain documentation has none."""
    structure = pytest.importorskip("mkdocs.structure.nav", reason="no MkDocs here: pip install '.[docs]'")
    found = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    assert found is not None
    assert found.loader is not None
    hooks = importlib.util.module_from_spec(found)
    found.loader.exec_module(hooks)
    monkeypatch.delenv("RAE_BENCH_BOARD", raising=False)
    assert hooks.on_nav(structure.Navigation([], []), None, None).items == []
    monkeypatch.setenv("RAE_BENCH_BOARD", "../index.html")
    (tab,) = hooks.on_nav(structure.Navigation([], []), None, None).items
    assert (tab.title, tab.url) == ("Board", "../index.html")


class Loads(HTMLParser):
    """What a page loads by itself, and the ids in it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect `src` and `srcset` of anything, `href` of `link`, links and ids."""
        given = {name: value or "" for name, value in attrs}
        self.loads += [given[name] for name in ("src", "srcset", "poster", "data") if name in given]
        self.loads += re.findall(r"url\(([^)]*)\)", given.get("style", ""))
        if tag == "link" and given.get("rel") not in ("prev", "next"):
            self.loads.append(given.get("href", ""))
        if tag == "a":
            self.links.append(given.get("href", ""))
        self.ids |= {given[name] for name in ("id", "name") if name in given}


def pages_of(site: Path) -> Iterator[tuple[Path, Loads]]:
    for page in sorted(site.rglob("*.html")):
        found = Loads()
        found.feed(page.read_text(encoding="utf-8"))
        yield page, found


def elsewhere(address: str) -> bool:
    return bool(re.match(r"\s*['\"]?(https?:)?//", address))


def test_it_builds_without_a_warning(site: Path) -> None:
    said = (site.parent / "build.txt").read_text(encoding="utf-8")
    assert not re.search(r"WARNING|ERROR", said)
    assert len(list(site.rglob("*.html"))) > 40


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = {str(page): [a for a in found.loads if elsewhere(a)] for page, found in pages_of(site)}
    assert {page: addresses for page, addresses in loaded.items() if addresses} == {}
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert [a for a in re.findall(r"url\(([^)]*)\)|@import\s+([^;]*)", text) if any(map(elsewhere, a))] == [], sheet
    # The theme fetches a program for diagrams where a page has one.
    assert not any('class="mermaid"' in page.read_text(encoding="utf-8") for page in site.rglob("*.html"))


def test_no_link_is_dead(site: Path) -> None:
    """Of the built pages, whatever their source is; MkDocs has checked those of the Markdown."""
    found = {page.resolve(): loads for page, loads in pages_of(site) if page.name != "404.html"}
    dead = []
    for page, loads in found.items():
        for link in [*loads.links, *loads.loads]:
            if not link or re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            if target.is_dir():
                target = target / "index.html"
            known = target.exists() and (not anchor or target not in found or anchor in {*found[target].ids, "__top"})
            if not known:
                dead.append((page.name, link))
    assert dead == []


def test_the_checks_find_what_they_look_for() -> None:
    assert [a for a in ("https://x/y", "//x/y", " 'http://x'", "x/y", "../x", "data:x") if elsewhere(a)] == [
        "https://x/y", "//x/y", " 'http://x'",
    ]  # fmt: skip
    found = Loads()
    found.feed('<link rel="stylesheet" href="https://x/y"><img src="a" id="b"><a href="c"><i style="x: url(d)">')
    assert (found.loads, found.links, found.ids) == (["https://x/y", "a", "d"], ["c"], {"b"})


def test_the_search_works_from_disk(site: Path) -> None:
    """A page that is opened from disk may not read a JSON file, so the index is a script."""
    text = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    index = json.loads(re.fullmatch(r"var __index = (.*)", text, re.DOTALL)[1])  # type: ignore[index]
    places = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"index.html", "concepts/glossary.html", "reference/cli.html", "leaderboard/index.html"} <= places


def test_the_reference_is_that_of_the_code(site: Path) -> None:
    from rae_bench.cli import COMMANDS
    from rae_bench.model import __all__ as offered

    commands = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f'id="rae-bench-{name}"' not in commands] == []
    names = (site / "reference" / "model-api.html").read_text(encoding="utf-8")
    assert [name for name in offered if not re.search(rf'id="rae_bench\.[\w.]*\b{name}"', names)] == []


def test_generated_files_are_up_to_date() -> None:
    made = runpy.run_path(str(DOCS / "generate.py"))["GENERATED"]
    stale = [name for name, make in made.items() if (DOCS / name).read_text(encoding="utf-8") != make()]
    assert stale == [], "run: python docs/generate.py"


def test_the_picture_has_the_layers_of_the_imports() -> None:
    code = runpy.run_path(str(DOCS / "generate.py"))
    assert [tuple(names) for names in code["layers"]()] == list(PICTURED)
    picture = (DOCS / "develop" / "architecture.svg").read_text(encoding="utf-8")
    rows = re.findall(r'<text x="22" y="(\d+)" font-size="15"[^>]*>([^<]*)<', picture)
    assert [tuple(text.split(", ")) for _, text in rows] == list(PICTURED)[::-1]
    heights = [int(y) for y, _ in rows]
    assert heights == sorted(heights)


def test_every_part_of_the_reference_entries_is_described() -> None:
    text = (DOCS / "reference" / "models.md").read_text(encoding="utf-8")
    cores = {path.stem.replace("_", "-") for path in (ROOT / "baselines" / "cores").glob("*.py")} - {"--init--"}
    found = set(re.findall(r"^\| `([\w-]+)`", text, re.MULTILINE)) | set(re.findall(r"`([\w-]+)`", text))
    assert cores - found == set()
    assert {"raw", "fe", "fc", "fs", "anyrig", "feedforward", "match", "patches", "hold", "nearest"} <= found


def show(browser: Browser, page: Path, width: int, *, dark: bool = False) -> None:
    browser.read_as(width, 844 if width < 640 else 800, dark)
    browser.send("Page.navigate", url=page.as_uri())
    browser.until(f"location.href.startsWith({json.dumps(page.as_uri())}) && document.readyState === 'complete'")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(site: Path, browser: Browser, width: int) -> None:
    """Wide tables and code scroll within themselves. And whatever a page loads lies beside it."""
    wide, strange = [], []
    for page in sorted(site.rglob("*.html")):
        if page.name == "404.html":  # it has addresses from the root of a server
            continue
        show(browser, page, width)
        if browser.run("document.documentElement.scrollWidth") > width:
            wide.append(page.name)
        loaded = browser.run("performance.getEntriesByType('resource').map(entry => entry.name)")
        strange += [name for name in loaded if not name.startswith(("file:", "data:", "blob:"))]
    assert (wide, strange) == ([], [])


def test_dark_is_the_choice_of_the_reader(site: Path, browser: Browser) -> None:
    for dark, scheme in ((False, "default"), (True, "slate")):
        browser.send("Page.navigate", url="about:blank")
        show(browser, site / "index.html", 1280, dark=dark)
        assert browser.run("document.body.getAttribute('data-md-color-scheme')") == scheme


def test_a_search_finds_the_glossary(site: Path, browser: Browser) -> None:
    show(browser, site / "index.html", 1280)
    browser.run("document.querySelector('.md-search__input').focus()")
    for letter in "glossary":
        browser.key(letter)
        time.sleep(0.02)
    browser.until("document.querySelector('.md-search-result__link') !== null")
    found = browser.run("[...document.querySelectorAll('.md-search-result__link')].map(link => link.href).join(' ')")
    assert "concepts/glossary.html" in found
