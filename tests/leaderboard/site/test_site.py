"""The pages: text that stays text, no network, and in a browser at both sizes: sorting, filtering, curves, axe."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.axe import serious_faults
from helpers.browser import Browser
from helpers.made_entries import make_entry

from rae_bench.cli import cli
from rae_bench.errors import UserError
from rae_bench.leaderboard.board.build import read_board
from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.site.charts import rig_svg
from rae_bench.leaderboard.site.write import site_pages, write_site
from rae_bench.metrics import METRICS, primaries
from rae_bench.rigs.file import load_rig

MARKUP = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
CARD = {"title": MARKUP[:80], "authors": MARKUP, "description": MARKUP, "paper": MARKUP, "licence": "\"'>"}


def make_board_of(folder: Path) -> Board:
    for control in ("truth", "hold", "interpolate", "nearest"):
        make_entry(folder / "entries", control)
    make_entry(folder / "entries", "fe", 1.0)
    make_entry(folder / "entries", "mann", 1.6, regime="frozen", gain=2.2, seeds=5)
    make_entry(folder / "entries", "hostile", 2.5, card=CARD)
    make_entry(folder / "entries", "lacking", 1.2, leave_out=["finetune-f0.2-s1"])
    return read_board(folder)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return make_board_of(tmp_path_factory.mktemp("board"))


@pytest.fixture(scope="module")
def site(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "site"
    write_site(board, folder)
    return folder


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
    regimes, fractions = ("cold", "frozen", "finetune"), (0.05, 0.2)
    low = [f"{regime}-f{fraction}-s{seed}" for regime in regimes for fraction in fractions for seed in range(3)]
    make_entry(tmp_path / "entries", "fe", tasks=["biped2quad"], leave_out=low)
    page = site_pages(read_board(tmp_path))["entries/fe.html"]
    assert "<code>rae-bench run --model fe --task biped2quad --regimes full --budget full --seeds 3</code>" in page


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
    for page, words in (("index.html", "fe has the best score"), ("tasks/biped2quad.html", "fe has the best score")):
        about = re.search(r'<meta name="description" content="([^"]*)">', pages[page])
        assert about is not None
        assert words in about[1]
        assert f'<meta property="og:description" content="{about[1]}">' in pages[page]
    assert '<script>window' not in pages["entries/hostile.html"].partition("</head>")[0]


def test_pages_link_to_a_repository_that_is_named(board: Board, tmp_path: Path) -> None:
    linked = Tags()
    linked.feed(site_pages(board, repository="https://github.com/x/y/")["index.html"])
    for address in ("", "/tree/HEAD/docs", "/blob/HEAD/CONTRIBUTING.md"):
        assert f"https://github.com/x/y{address}" in linked.addresses
    assert not any("https://" in page for name, page in site_pages(board).items() if name == "index.html")
    make_entry(tmp_path / "entries", "truth")
    words = ["leaderboard", "build", "--folder", str(tmp_path), "--repository", "javascript:alert(1)"]
    with pytest.raises(UserError, match="no https address"):
        cli.main(words, standalone_mode=False)
    assert not (tmp_path / "site").exists()


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


# ---- in a browser ----------------------------------------------------------------------------------------------------

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SHOWN = "[...document.querySelectorAll('#board tbody tr:not([hidden]) .entry a')].map((a) => a.getAttribute('href').slice(8, -5))"  # noqa: E501
COLUMN = "[...document.querySelectorAll('#board tbody tr[data-kind=entry]:not([hidden]) td.score')].map((c) => +c.dataset.v)"  # noqa: E501


def look_at(browser: Browser, page: Path, size: str, dark: bool = False) -> None:
    """Open a page as a reader would who has never chosen a theme."""
    browser.complaints.clear()
    browser.requests.clear()
    width, height = SIZES[size]
    browser.send(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 640
    )
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.send("Emulation.setEmulatedMedia", features=scheme)
    browser.send("Page.navigate", url=page.as_uri())
    browser.until(f"document.readyState === 'complete' && location.href === {json.dumps(page.as_uri())}")
    browser.run("localStorage.clear()")
    browser.send("Page.reload")
    browser.until("document.readyState === 'complete' && !!document.documentElement.dataset.theme")
    assert browser.run("document.documentElement.dataset.theme") == ("dark" if dark else "light")


def nothing_amiss(browser: Browser, site: Path) -> None:
    assert browser.complaints == []
    assert [a for a in browser.requests if not a.startswith((site.as_uri(), "data:"))] == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("window.hacked") is None


@pytest.mark.parametrize("size", SIZES)
def test_the_table_sorts_and_filters(size: str, site: Path, browser: Browser) -> None:
    look_at(browser, site / "index.html", size)
    head = "#board th[data-key={}] button"
    assert browser.run(COLUMN) == sorted(browser.run(COLUMN))
    browser.run(f"document.querySelector('{head.format('score')}').focus()")
    browser.key(" ")  # by keyboard
    assert browser.run(COLUMN) == sorted(browser.run(COLUMN), reverse=True)
    assert browser.run("document.querySelector('#board th[data-key=score]').getAttribute('aria-sort')") == "descending"
    browser.run(f"document.querySelector('{head.format('entry')}').click()")
    names = browser.run(SHOWN)
    assert names == ["fe", "hostile", "mann"]
    rows = "[...document.querySelectorAll('#board tbody tr:not([hidden])')].map((r) => r.dataset.kind)"
    assert browser.run(rows).count("control") == 4
    browser.run("document.querySelector('.sift').open = true")
    browser.select("#regime", "frozen")
    browser.run("document.querySelector('#regime').dispatchEvent(new Event('input', { bubbles: true }))")
    assert browser.run(SHOWN) == ["mann"]
    assert browser.run("document.getElementById('shown').textContent") == "1 of 3 entries"
    browser.run("(() => { const r = document.querySelector('#regime'); r.value = '';"
                "const f = document.querySelector('#find'); f.value = 'HOST';"
                "f.dispatchEvent(new Event('input', { bubbles: true })); })()")  # fmt: skip
    assert browser.run(SHOWN) == ["hostile"]
    assert browser.run(rows) == ["entry"]
    browser.run("(() => { const f = document.querySelector('#find'); f.value = ''; f.form.reset();"
                "document.querySelector('#columns').click(); })()")  # fmt: skip
    assert browser.run("getComputedStyle(document.querySelector('#board .extra')).display") == "table-cell"
    browser.run("document.getElementById('theme').click()")
    assert browser.run("document.documentElement.dataset.theme") == "dark"
    nothing_amiss(browser, site)


@pytest.mark.parametrize("size", SIZES)
def test_curves_are_drawn(size: str, site: Path, browser: Browser) -> None:
    look_at(browser, site / "tasks" / "biped2quad.html", size, dark=True)
    first = "[...document.querySelectorAll('.curves .line[data-line=\"0\"]')]"
    seen = f"{first}.filter((g) => g.getBoundingClientRect().width > 100)"
    assert browser.run(f"{seen}.length") == 4
    browser.run("document.querySelector('.legend button').click()")
    assert browser.run("document.querySelector('.legend button').getAttribute('aria-pressed')") == "false"
    assert browser.run(f"{seen}.length") == 0
    assert "interpolate" in browser.run("document.querySelector('.panel .above').textContent")
    colours = "getComputedStyle(document.querySelector('.line[data-line=\"1\"]')).color"
    before = browser.run(colours)
    browser.run("document.getElementById('theme').click()")
    assert browser.run(colours) != before  # each ground has its own
    nothing_amiss(browser, site)


def test_without_scripts_all_is_there(site: Path, browser: Browser) -> None:
    """Curves, their numbers, the plot of cost and the table in its order need no script."""
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.send("Page.navigate", url=(site / "tasks" / "biped2quad.html").as_uri())
        browser.until("document.querySelector('main')?.innerText.includes('Data card')")
        drawn = "[...document.querySelectorAll('.chart .line, .chart .dot')]"
        tall = f"{drawn}.filter((g) => g.getBoundingClientRect().height > 5).length"
        assert browser.run(tall) == 4 * 3 + 3
        assert browser.run(COLUMN) == sorted(browser.run(COLUMN))
        rows = "[...document.querySelectorAll('#board tbody td.score')].map((c) => +c.dataset.v)"
        assert browser.run(rows) == sorted(browser.run(rows))  # controls stand where their scores lie
        assert browser.run("[...document.querySelectorAll('.copy, #theme')].every((b) => b.hidden)")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_filter_and_order_stand_in_the_address(site: Path, browser: Browser) -> None:
    look_at(browser, site / "index.html", "desktop")
    assert browser.run("location.hash") == ""
    browser.run("document.querySelector('#board th[data-key=gain] button').click()")
    browser.run("(() => { const f = document.querySelector('#regime'); f.value = 'frozen';"
                "f.dispatchEvent(new Event('input', { bubbles: true }));"
                "document.querySelector('#controls').click(); })()")  # fmt: skip
    assert browser.run("location.hash") == "#sort=-gain&regime=frozen&controls=off"
    browser.send("Page.reload")
    browser.until("document.readyState === 'complete' && document.querySelector('#regime').value === 'frozen'")
    assert browser.run(SHOWN) == ["mann"]
    assert browser.run("document.querySelector('#board th[data-key=gain]').getAttribute('aria-sort')") == "descending"
    assert browser.run("document.querySelector('.sift').open")
    browser.run("location.hash = '#sort=entry&level=7&regime=swim'")  # what is not there is passed over
    browser.until("document.querySelector('#board th[data-key=entry]').getAttribute('aria-sort') === 'ascending'")
    assert browser.run(SHOWN) == ["fe", "hostile", "mann"]
    browser.run("document.querySelector('#board th[data-key=score] button').click()")
    assert browser.run("location.hash") == ""
    nothing_amiss(browser, site)


@pytest.mark.parametrize("page", ["index.html", "tasks/biped2quad.html"])
def test_few_stops_before_the_first_entry(page: str, site: Path, browser: Browser) -> None:
    look_at(browser, site / page, "desktop")
    stops = []
    while len(stops) < 20 and not browser.run("!!document.activeElement.closest('#board td, #board tbody th')"):
        browser.key("Tab")
        stops.append(browser.run("document.activeElement.textContent.trim()"))
    assert len(stops) <= 9, stops
    assert stops[0] == "Skip to the content"
    assert stops[-1] == "fe"
    browser.run("document.querySelector('#board th[data-key=score] button').focus()")
    browser.key("ArrowRight")
    assert browser.run("document.activeElement.closest('th').dataset.key") == "gain"
    look_at(browser, site / page, "desktop")
    browser.key("Tab")
    browser.key("Enter")
    browser.until("location.hash === '#board'")
    browser.key("Tab")
    browser.key("Tab")
    assert browser.run("document.activeElement.textContent") == "fe"  # the head, then the first entry


def test_a_table_says_that_it_goes_on(site: Path, browser: Browser) -> None:
    look_at(browser, site / "tasks" / "biped2quad.html", "desktop")
    box = "document.querySelector('#board').parentElement"
    hint = f"getComputedStyle({box}, '::before').content"
    browser.send("Emulation.setDeviceMetricsOverride", width=768, height=1000, deviceScaleFactor=1, mobile=False)
    browser.until(f"{hint}.includes('goes on')")
    browser.run(f"{box}.scrollLeft = 9999")
    browser.until(f"{hint}.includes('back')")
    entry = "document.querySelector('#board tr[data-kind=entry] .entry').getBoundingClientRect().left"
    assert browser.run(entry) >= browser.run(f"{box}.getBoundingClientRect().left")  # names stay in sight
    browser.send("Emulation.setDeviceMetricsOverride", width=1600, height=1000, deviceScaleFactor=1, mobile=False)
    browser.until(f"{hint} === 'none'")


def test_commands_are_copied(site: Path, browser: Browser) -> None:
    look_at(browser, site / "entries" / "fe.html", "desktop")
    browser.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.run("document.querySelector('.copy').scrollIntoView({ block: 'center', behavior: 'instant' })")
    browser.click(".copy")
    browser.until("document.querySelector('.copy').textContent !== 'Copy'")
    said = browser.run("document.querySelector('.copy').textContent")
    copied = {"Copied": "navigator.clipboard.readText()", "Selected": "getSelection().toString()"}[said]
    assert browser.run(copied) == browser.run("document.querySelector('.command code').textContent")
    nothing_amiss(browser, site)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", "tasks/biped2quad.html", "entries/mann.html", "entries/hostile.html"])
def test_axe_finds_no_serious_fault(page: str, dark: bool, site: Path, browser: Browser) -> None:
    look_at(browser, site / page, "phone" if dark else "desktop", dark)
    assert serious_faults(browser) == []


@pytest.mark.slow
def test_the_viewer_plays_on_a_page_of_the_site(tmp_path: Path, browser: Browser) -> None:
    """A cell whose trajectory is the truth's own motion; one at a fraction that does not count, which is not shown."""
    from rae_bench.model.api import Trajectory
    from rae_bench.results.trajectories import save_trajectory
    from rae_bench.task.named import load_task
    from rae_bench.task.sides import Side, load_side

    board = make_board_of(tmp_path)
    task = load_task("biped2quad")
    side = Side(load_side(task.target, task.protocol), task.protocol)
    truth: Any = side.held_out_clips(side.split(0).test).truth
    folder = tmp_path / "results" / "fe-44136fa3" / "biped2quad"
    shutil.copytree(tmp_path / "entries" / "fe" / "cells" / "biped2quad", folder)
    made = Trajectory.of(truth)
    cell = json.loads((folder / "finetune-f0.05-s0.json").read_text())
    (folder / "finetune-f0.01-s0.json").write_text(json.dumps(cell | {"fraction": 0.01}))
    for name in ("finetune-f0.05-s0", "finetune-f0.01-s0"):
        save_trajectory(folder / f"{name}.npz", made, truth.rig, truth.fps, truth.lengths)
    write_site(board, tmp_path / "site", tmp_path / "results")
    look_at(browser, tmp_path / "site" / "entries" / "fe.html", "desktop")
    assert browser.run("document.querySelector('iframe.view').getAttribute('src')") == "../view/fe-biped2quad.html"
    nothing_amiss(browser, tmp_path / "site")
    browser.open((tmp_path / "site" / "view" / "fe-biped2quad.html").as_uri(), 1280, 800)
    browser.until("state.playing && state.at > 2", 60)
    names = browser.run("[...document.querySelectorAll('#legend .name')].map((n) => n.textContent)")
    assert names[:2] == ["truth", "finetune 5 %"]
