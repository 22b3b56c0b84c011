"""The pages in a browser, at both sizes: sorting, filtering, curves, stops of the tab key, axe, and without scripts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.axe import serious_faults
from helpers.browser import Browser
from helpers.pages import SIZES, look_at, make_board_of, nothing_amiss

from rae_bench.leaderboard.site.write import write_site

ROWS = "[...document.querySelectorAll('#board tbody tr{}')]"
SHOWN = ROWS.format(":not([hidden]) .entry a") + ".map((a) => a.getAttribute('href').slice(8, -5))"
COLUMN = ROWS.format("[data-kind=entry]:not([hidden]) td.score") + ".map((c) => +c.dataset.v)"


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
    look_at(browser, site / "tasks" / "biped2quad-control.html", size, dark=True)
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
        browser.send("Page.navigate", url=(site / "tasks" / "biped2quad-control.html").as_uri())
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


@pytest.mark.parametrize("page", ["index.html", "tasks/biped2quad-control.html"])
def test_few_stops_before_the_first_entry(page: str, site: Path, browser: Browser) -> None:
    look_at(browser, site / page, "desktop")
    stops = []
    while len(stops) < 20 and not browser.run("!!document.activeElement.closest('#board td, #board tbody th')"):
        browser.key("Tab")
        stops.append(browser.run("document.activeElement.textContent.trim()"))
    assert len(stops) <= 10, stops
    assert stops[0] == "Skip to the content"
    assert stops[-1] == "fe"
    browser.run("document.querySelector('#board th[data-key=score] button').focus()")
    browser.key("ArrowRight")
    assert browser.run("document.activeElement.closest('th').dataset.key") == "scorecold"
    look_at(browser, site / page, "desktop")
    browser.key("Tab")
    browser.key("Enter")
    browser.until("location.hash === '#board'")
    browser.key("Tab")
    browser.key("Tab")
    assert browser.run("document.activeElement.textContent") == "fe"  # the head, then the first entry


def test_a_table_says_that_it_goes_on(site: Path, browser: Browser) -> None:
    look_at(browser, site / "tasks" / "biped2quad-control.html", "desktop")
    box = "document.querySelector('#board').parentElement"
    hint = f"getComputedStyle({box}, '::before').content"
    browser.read_as(768, 1000)
    browser.until(f"{hint}.includes('goes on')")
    browser.run(f"{box}.scrollLeft = 9999")
    browser.until(f"{hint}.includes('back')")
    entry = "document.querySelector('#board tr[data-kind=entry] .entry').getBoundingClientRect().left"
    assert browser.run(entry) >= browser.run(f"{box}.getBoundingClientRect().left")  # names stay in sight
    browser.read_as(1600, 1000)
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
@pytest.mark.parametrize(
    "page", ["index.html", "tasks/biped2quad-control.html", "entries/mann.html", "entries/hostile.html"]
)
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
    task = load_task("biped2quad-control")
    side = Side(load_side(task.target, task.protocol), task.protocol)
    truth: Any = side.held_out_clips(side.split(0).test).truth
    folder = tmp_path / "results" / "fe-44136fa3" / "biped2quad-control"
    shutil.copytree(tmp_path / "entries" / "fe" / "cells" / "biped2quad-control", folder)
    made = Trajectory.of(truth)
    cell = json.loads((folder / "finetune-f0.05-s0.json").read_text())
    (folder / "finetune-f0.01-s0.json").write_text(json.dumps(cell | {"fraction": 0.01}))
    for name in ("finetune-f0.05-s0", "finetune-f0.01-s0"):
        save_trajectory(folder / f"{name}.npz", made, truth.rig, truth.fps, truth.lengths)
    write_site(board, tmp_path / "site", tmp_path / "results")
    look_at(browser, tmp_path / "site" / "entries" / "fe.html", "desktop")
    shown = browser.run("document.querySelector('iframe.view').getAttribute('src')")
    assert shown == "../view/fe-biped2quad-control.html"
    nothing_amiss(browser, tmp_path / "site")
    browser.open((tmp_path / "site" / "view" / "fe-biped2quad-control.html").as_uri(), 1280, 800)
    browser.until("state.playing && state.at > 2", 60)
    names = browser.run("[...document.querySelectorAll('#legend .name')].map((n) => n.textContent)")
    assert names[:2] == ["truth", "finetune 5 %"]
