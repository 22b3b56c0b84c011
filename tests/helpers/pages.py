"""Pages of a board with a hostile entry, and how a reader's browser opens them."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.browser import Browser
from helpers.made_entries import make_entry

from rae_bench.leaderboard.board.build import read_board
from rae_bench.leaderboard.board.make import Board

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
MARKUP = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
CARD = {"title": MARKUP[:80], "authors": MARKUP, "description": MARKUP, "paper": MARKUP, "licence": "\"'>"}


def make_board_of(folder: Path) -> Board:
    for control in ("truth", "hold", "interpolate", "nearest"):
        make_entry(folder / "entries", control)
    make_entry(folder / "entries", "fe", 1.0)
    make_entry(folder / "entries", "mann", 1.6, regime="frozen", gain=2.2, seeds=5)
    make_entry(folder / "entries", "hostile", 2.5, card=CARD)
    make_entry(folder / "entries", "lacking", 1.2, leave_out=["finetune-f0.05-s1"])
    return read_board(folder)


def look_at(browser: Browser, page: Path, size: str, dark: bool = False) -> None:
    """Open a page as a reader would who has never chosen a theme."""
    browser.complaints.clear()
    browser.requests.clear()
    width, height = SIZES[size]
    browser.read_as(width, height, dark)
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
