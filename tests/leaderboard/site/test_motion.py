"""The motion on the pages: sample clips over the truth, and what is not as it must be left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from helpers.browser import Browser
from helpers.made_entries import make_entry

from rae_bench.leaderboard.board.build import read_board
from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.entry_files import SAMPLE
from rae_bench.leaderboard.entries.quantised import OnGrid, on_grid
from rae_bench.leaderboard.entries.sample import choose_clips, write_sample
from rae_bench.leaderboard.site.motion import CLIPS, _samples, sample_scene
from rae_bench.leaderboard.site.write import write_site
from rae_bench.leaderboard.verify.sampled import Exams
from rae_bench.task.named import load_task
from rae_bench.viewer.errors import POSE

TASK = "quad2biped-control"
AWAY = 0.3
"""Metres by which every made root is beside the true one."""


@pytest.fixture(scope="module")
def exams() -> Exams:
    return Exams.of(load_task(TASK), None)


def sampled(entry: Path, exams: Exams, count: int, **damage: Any) -> None:
    """Write a sample: the true motion of the clips that the hash chooses, each a little aside."""
    task = load_task(TASK)
    clips: list[OnGrid] = []
    for chosen in choose_clips(load_entry(entry), {TASK: task})[:count]:
        truth = exams.on(chosen.cell.seed).truth[[chosen.clip]]
        length = int(truth.lengths[0])
        clips.append(on_grid(truth.root_positions[0, :length] + [AWAY, 0, 0], truth.rotations[0, :length], 17))
    if damage.get("short"):  # a frame less than the clip has
        first = clips[0]
        clips[0] = replace(first, roots=first.roots[:-1], turns=first.turns[:-1], largest=first.largest[:-1])
    write_sample(entry, clips)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, exams: Exams) -> Board:
    folder = tmp_path_factory.mktemp("board")
    for name in ("truth", "hold", "interpolate", "nearest"):
        make_entry(folder / "entries", name, tasks=[TASK])
    for name, skill in (("fe", 1.0), ("mann", 1.6), ("damaged", 2.0), ("silent", 2.5)):
        make_entry(folder / "entries", name, skill, tasks=[TASK])
    sampled(folder / "entries" / "fe", exams, 20)
    sampled(folder / "entries" / "mann", exams, 20, short=True)
    (folder / "entries" / "damaged" / SAMPLE).write_bytes(b"no sample")
    return read_board(folder)


def test_the_clips_are_those_of_the_hash(board: Board, exams: Exams) -> None:
    found = _samples([e for e in board.entries.values() if e.card.learns], {TASK: load_task(TASK)})[TASK]
    scene = sample_scene(board, TASK, exams, found)
    assert scene is not None
    assert [a.label for a in scene.actors] == ["truth", "fe 1 %", "fe 5 %", "mann 1 %", "mann 5 %"]
    assert [a.shown for a in scene.actors] == [True, True, False, True, False]
    assert len(scene.clips) <= CLIPS
    # A clip that is in both samples comes first; that of 'mann' with a frame too few is left out.
    counts = [sum(len(m) > 0 for m in clip.made) for clip in scene.clips]
    assert counts == sorted(counts, reverse=True)
    short = choose_clips(board.entries["mann"], {TASK: load_task(TASK)})[0]
    name = exams.on(short.cell.seed).ids[short.clip]
    column = 2 + [0.01, 0.05].index(short.cell.fraction)
    assert all(not len(clip.made[column]) for clip in scene.clips if clip.id == name)
    assert any(len(clip.made[column]) for clip in scene.clips)


def test_the_motion_is_that_of_the_sample(board: Board, exams: Exams) -> None:
    found = _samples([board.entries["fe"]], {TASK: load_task(TASK)})[TASK]
    scene = sample_scene(board, TASK, exams, found)
    assert scene is not None
    clip = scene.clips[0]
    made = next(m for m in clip.made if len(m))
    np.testing.assert_allclose(made - clip.truth[clip.start :], np.broadcast_to([AWAY, 0, 0], made.shape), atol=1e-3)
    errors = next(e for e in clip.errors if e)
    assert errors[POSE].max() < 1e-3  # the pose is the true one, the place is not
    np.testing.assert_allclose(errors["place"], AWAY, atol=1e-3)


def test_pages_show_the_motion(board: Board, tmp_path: Path, browser: Browser) -> None:
    write_site(board, tmp_path / "site")
    task = (tmp_path / "site" / "tasks" / f"{TASK}.html").read_text(encoding="utf-8")
    assert f'src="../view/{TASK}.html"' in task
    entry = (tmp_path / "site" / "entries" / "mann.html").read_text(encoding="utf-8")
    address = re.search(r'<iframe[^>]*src="([^"]*)"', entry)
    assert address is not None
    asked = parse_qs(address[1].partition("#")[2].replace("&amp;", "&"))
    assert asked["show"][0] == "truth"
    assert asked["show"][1].startswith("mann ")
    assert "<iframe" not in (tmp_path / "site" / "entries" / "silent.html").read_text(encoding="utf-8")
    page = tmp_path / "site" / "view" / f"{TASK}.html"
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(f"{page.as_uri()}#{address[1].partition('#')[2].replace('&amp;', '&')}", 1280, 800, calm=True)
    assert browser.run("seen().map((p) => data.characters[p.n].label)") == asked["show"]
    assert browser.run("clip().id") == asked["clip"][0]
    assert [c for c in browser.complaints if "GPU stall" not in c] == []
    assert [a for a in browser.requests if not a.startswith((page.as_uri(), "about:"))] == []


def test_motion_may_be_left_out(board: Board, tmp_path: Path) -> None:
    write_site(board, tmp_path / "site", motion=False)
    assert not (tmp_path / "site" / "view").exists()
    assert "<iframe" not in (tmp_path / "site" / "tasks" / f"{TASK}.html").read_text(encoding="utf-8")


def test_the_same_pages_for_any_order(board: Board, tmp_path: Path) -> None:
    turned = replace(board, entries=dict(reversed(board.entries.items())))
    for name, one in (("a", board), ("b", turned)):
        write_site(one, tmp_path / name)
    pages = [{p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.html")} for n in "ab"]
    assert pages[0] == pages[1]
    data = re.search(rb'id="data">(.*?)</script>', pages[0][Path("view") / f"{TASK}.html"], re.DOTALL)
    assert data is not None
    assert len(json.loads(data[1])["clips"]) > 1
