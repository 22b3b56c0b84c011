"""Where the page opens, what it says of errors, and what its address names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.axe import serious_faults
from helpers.browser import Browser
from helpers.running import run_cells

from rae_bench.cli import cli
from rae_bench.errors import UserError
from rae_bench.harness.run import Outcome
from rae_bench.metrics import METRICS
from rae_bench.results.clips import read_clips
from rae_bench.results.rows import ERROR
from rae_bench.viewer import Scene, run_scene, write_page
from rae_bench.viewer.choice import ALL, Choice
from rae_bench.viewer.compare import compared_scene
from rae_bench.viewer.errors import PLACE, POSE, worst_second
from rae_bench.viewer.gather import domain_scene, open_domain, open_result
from rae_bench.viewer.packing import packed, unpacked
from rae_bench.viewer.page import page_data

SIZE = (1280, 800)


@pytest.fixture(scope="module")
def scene(tiny_run: Outcome) -> Scene:
    return run_scene(tiny_run, ALL.for_page)


@pytest.fixture(scope="module")
def file(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(scene, tmp_path_factory.mktemp("page") / "view.html")


def test_the_worst_second_by_hand() -> None:
    calm, late = np.zeros(90), np.r_[np.zeros(50), np.ones(20), np.zeros(20)]
    # 30 frames a second: the mean of both over the second that holds all 20 bad frames is 20 / 30 / 2.
    frame, far = worst_second([{POSE: calm}, {POSE: late}], 30)
    assert 40 <= frame <= 50
    assert far == pytest.approx(1 / 3)
    assert worst_second([{POSE: np.array([1.0, 3.0])}], 30) == (0, 2.0)  # shorter than a second
    assert worst_second([], 30) == (0, 0.0)


@pytest.mark.parametrize("kind", ["smooth", "wild"])
def test_whole_numbers_survive_packing(kind: str) -> None:
    rng = np.random.default_rng(1)
    long = np.cumsum(rng.integers(-3, 4, (50, 6)), 0) if kind == "smooth" else rng.integers(-(2**30), 2**30, (50, 6))
    short = rng.integers(0, 4, (50, 8)).astype(np.uint8)
    found = unpacked(packed([long, short, long[:0]]), [long.shape, short.shape, (0, 6)])
    np.testing.assert_array_equal(found[0], long)
    np.testing.assert_array_equal(found[1], short)
    assert found[2].shape == (0, 6)


def test_errors_are_those_of_the_metric(scene: Scene, tiny_run: Outcome) -> None:
    """The means over frames are what the table of clips has, to the digits of that table."""
    plan = next(p for p in tiny_run.cells if p.cell.regime == "finetune")
    table = read_clips(plan.path.with_suffix(".csv"))
    place = [actor.label for actor in scene.actors].index("finetune 5 %") - 1
    assert len(scene.clips) == len(table.clips)
    for clip in scene.clips:
        row = table.clips.index(clip.id)
        assert 100 * clip.errors[place][POSE].mean() == pytest.approx(table.values[ERROR][row], rel=1e-3)
    assert METRICS[ERROR].unit == "cm"


def test_the_place_is_that_of_the_root(scene: Scene, tiny_run: Outcome) -> None:
    clip = scene.clips[0]
    labels = [actor.label for actor in scene.actors][1:]
    hold = clip.errors[labels.index("hold")][PLACE]
    root = int(scene.rig.roles["pelvis"])
    truth, held = clip.truth[clip.start :, root], clip.made[labels.index("hold")][:, root]
    # The root frame stands below the pelvis, so both distances over the ground agree.
    np.testing.assert_allclose(hold, np.hypot(*(held - truth)[:, [0, 2]].T), atol=1e-4)


def test_the_page_knows_all_clips_and_opens_at_the_worst(scene: Scene, tiny_run: Outcome) -> None:
    exam = tiny_run.target.held_out_clips(tiny_run.target.split(0).test)
    assert sorted(clip.id for clip in scene.clips) == sorted(exam.ids)
    shown = [k for k, actor in enumerate(scene.actors[1:]) if actor.shown]
    worst = [worst_second([clip.errors[k] for k in shown], scene.fps) for clip in scene.clips]
    assert scene.first == int(np.argmax([far for _, far in worst]))
    opens = [clip.start + at for clip, (at, _) in zip(scene.clips, worst, strict=True)]
    assert [clip.opens for clip in scene.clips] == opens
    assert all(clip.about.replace(" \u00b7 ", "/") in exam.groups for clip in scene.clips)


def test_a_choice_of_clips_is_kept(tiny_run: Outcome) -> None:
    assert len(run_scene(tiny_run, Choice(clips=2).for_page).clips) == 2
    assert len(run_scene(tiny_run).clips) == min(4, len(run_scene(tiny_run, ALL.for_page).clips))


def second_model(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The folders of `fe` and of another model on the same task."""
    fe = next(p.path.parent for p in tiny_run.cells if p.cell.regime == "cold")
    asked = {"regimes": ["cold"], "fractions": [0.05], "controls": False, "workers": 1}
    outcome = run_cells("mann", str(tiny_task), out=tmp_path / "results", **asked)
    return fe, outcome.cells[0].path.parent


def test_two_models_on_one_clip(tiny_run: Outcome, tiny_task: Path, tmp_path: Path, browser: Browser) -> None:
    fe, mann = second_model(tiny_run, tiny_task, tmp_path)
    both = compared_scene([open_result(folder, str(tiny_task)) for folder in (fe, mann)])
    assert [a.label for a in both.actors if a.shown] == ["truth", "fe finetune 5 %", "mann cold 5 %"]
    assert [a.label for a in both.actors][-3:] == ["hold", "interpolate", "nearest"]
    assert len({a.colours for a in both.actors}) == len(both.actors)
    page = tmp_path / "both.html"
    cli.main(["view", str(fe), str(mann), "--task", str(tiny_task), "-o", str(page)], standalone_mode=False)
    browser.open(page.as_uri(), *SIZE, calm=True)
    cells = "stage.cells.map((c) => c.people.map((p) => data.characters[p.n].label))"
    assert browser.run(cells) == [["truth"], ["fe finetune 5 %"], ["mann cold 5 %"]]


def test_results_that_cannot_stand_together(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> None:
    fe, mann = second_model(tiny_run, tiny_task, tmp_path)
    results = [open_result(folder, str(tiny_task)) for folder in (fe, mann)]
    other = replace(results[1], exam=replace(results[1].exam, ids=["x", *results[1].exam.ids[1:]]))
    with pytest.raises(UserError, match="not of the same task and test clips"):
        compared_scene([results[0], other])
    twin = tmp_path / "again" / f"{fe.parent.name}x" / fe.name
    shutil.copytree(fe, twin)
    names = [a.label for a in compared_scene([results[0], open_result(twin, str(tiny_task))]).actors]
    assert f"{fe.parent.name} cold 5 %" in names
    assert f"{twin.parent.name} cold 5 %" in names


def test_motion_of_a_rig() -> None:
    reaching = domain_scene(open_domain("arm"), Choice(clips=1))
    assert reaching.clips[0].start == 0
    assert (reaching.clips[0].objectives.kinds == 3).any()  # targets, which the motion alone does not show
    with pytest.raises(UserError, match="cannot walk"):
        open_domain("arm", "locomotion")


# ---- in a browser ----------------------------------------------------------------------------------------------------


def complaints(browser: Browser) -> list[str]:
    """All but the driver's remark on reading pixels, which is of another test's doing."""
    return [words for words in browser.complaints if "GPU stall due to ReadPixels" not in words]


def test_it_opens_at_the_worst_second(scene: Scene, file: Path, browser: Browser) -> None:
    worst = scene.clips[scene.first]
    browser.open(file.as_uri(), *SIZE, calm=True)
    assert browser.run("[state.clip, state.at, state.playing]") == [scene.first, worst.opens, False]
    assert browser.run("[...document.querySelectorAll('#clip option')].length") == len(scene.clips)
    assert browser.run("data.clips.filter((c) => c.ready).length") == 1  # others come when looked at
    browser.open(file.as_uri(), *SIZE)
    browser.until(f"state.playing && state.at > {worst.opens}")  # who does not mind sees it move from there


def test_the_address_names_clip_moment_and_figures(scene: Scene, file: Path, browser: Browser) -> None:
    n = (scene.first + 1) % len(scene.clips)
    clip = scene.clips[n]
    link = f"{file.as_uri()}#clip={clip.id}&t=0.5&show=truth&show=nearest&show=nobody"
    browser.open(link, *SIZE)
    at = clip.start + round(0.5 * scene.fps)
    assert browser.run("[state.clip, state.at, state.playing]") == [n, at, False]
    assert browser.run("seen().map((p) => data.characters[p.n].label)") == ["truth", "nearest"]
    browser.key("End")
    now = "new URLSearchParams(location.hash.slice(1)).get('t')"
    browser.until(f"{now} === ((last() - clip().start) / data.fps).toFixed(2)")
    browser.open(f"{link}&camera=side&layout=beside&error=place", *SIZE, calm=True)
    assert browser.run("[state.camera, state.layout, MEASURES[state.measure]]") == ["side", "beside", "place"]
    browser.run("write()")
    assert browser.run("location.hash").endswith("&camera=side&layout=beside&error=place")
    browser.run(f"location.hash = '#clip={scene.clips[scene.first].id}'")  # a link within the open page
    browser.until(f"state.clip === {scene.first} && state.at === {scene.clips[scene.first].opens}")
    browser.open(f"{file.as_uri()}#clip=nobody&t=what", *SIZE, calm=True)
    assert browser.run("[state.clip, state.at]") == [scene.first, scene.clips[scene.first].opens]


def test_errors_below_the_scrubber_and_of_all_clips(scene: Scene, file: Path, browser: Browser) -> None:
    browser.open(file.as_uri(), *SIZE, calm=True)
    lines = "[...document.querySelectorAll('#strip polyline')].map((p) => p.points.numberOfItems)"
    clip = scene.clips[scene.first]
    assert browser.run(lines) == [len(clip.truth) - clip.start] * 4  # cold, frozen, finetune, full
    browser.key("2")
    assert len(browser.run(lines)) == 3
    browser.click("#strip", 0.999)
    assert abs(browser.run("state.at - last()")) <= 1
    shown = f"Math.abs(errorAt(3, state.at) - {clip.errors[2][POSE][-1]}) < 0.001"
    assert browser.run(shown)
    browser.key("e")
    rows = "[...document.querySelectorAll('#rows tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    found = browser.run(rows)
    assert len(found) == len(scene.clips)
    means = [max(float(v) for v in row[1:]) for row in found]
    assert means == sorted(means, reverse=True)
    browser.run("document.querySelector('#heads th:nth-child(2) button').click()")
    first = [float(row[1]) for row in browser.run(rows)]
    assert first == sorted(first, reverse=True)
    assert browser.run("document.querySelector('#heads th:nth-child(2)').getAttribute('aria-sort')") == "descending"
    browser.key("x")
    one, other = clip.errors[1][POSE], clip.errors[2][POSE]  # cold is hidden: frozen, finetune and full are left
    gap = np.ptp(np.stack([one, other, clip.errors[3][POSE]]), axis=0)
    assert browser.run("state.at - clip().start") == int(gap.argmax())
    name = browser.run(rows)[-1][0]
    browser.run("document.querySelector('#rows tr:last-child button').click()")
    browser.until(f"clip().name === {name!r} && state.at === clip().opens")
    unit = "document.getElementById('unit').textContent"
    assert browser.run(unit) == "pose error now, cm"
    browser.select("#measure", "1")
    assert browser.run(unit) == "place error now, cm"
    assert browser.run("data.measures[MEASURES[state.measure]]").startswith("distance of the root")
    assert complaints(browser) == []


def test_a_page_may_open_at_a_frame(scene: Scene, browser: Browser, tmp_path: Path) -> None:
    clips = [replace(scene.clips[0], opens=40), *scene.clips[1:]]
    file = write_page(replace(scene, clips=clips, first=0), tmp_path / "page.html")
    browser.open(file.as_uri(), *SIZE, calm=True)
    assert browser.run("[state.at, state.playing]") == [40, False]
    assert browser.run("[state.layout, document.getElementById('layout').value]") == ["over", "over"]


def test_a_page_of_two_sizes_opens_side_by_side(scene: Scene, browser: Browser, tmp_path: Path) -> None:
    file = write_page(replace(scene, beside=True), tmp_path / "page.html")
    browser.open(file.as_uri(), *SIZE)
    assert browser.run("[state.layout, document.getElementById('layout').value]") == ["beside", "beside"]
    assert browser.run("stage.cells.length === seen().length && stage.cells.length > 1")


def test_a_figure_may_lack_a_clip(scene: Scene, browser: Browser, tmp_path: Path) -> None:
    first = scene.clips[0]
    clips = [replace(first, made=[first.made[0], first.made[1][:0], *first.made[2:]]), *scene.clips[1:]]
    data = page_data(replace(scene, clips=clips))
    assert data["clips"][0]["has"] == [True, True, False, *[True] * (len(scene.actors) - 3)]
    lacking = write_page(replace(scene, clips=clips, first=0), tmp_path / "page.html")
    browser.complaints.clear()
    browser.open(lacking.as_uri(), *SIZE, calm=True)
    assert browser.run("seen().map((p) => p.n)") == [0, 1, 3, 4]
    assert browser.run("[...document.querySelectorAll('.absent')].map((b) => b.id)") == ["figure-2"]
    expected = 100 * float(scene.clips[0].errors[2][POSE].mean())
    assert browser.run("meanError(clip(), 3, 0) * 100") == pytest.approx(expected, rel=1e-3)
    now = "[...document.querySelectorAll('#legend .now')].map((n) => n.textContent)"
    browser.until(f"{now}[1] !== ''")
    assert [n for n, words in enumerate(browser.run(now)) if words == "no motion"] == [2]
    browser.select("#clip", "1")
    browser.until("seen().length === 5")
    browser.until(f"{now}[2] !== 'no motion'")
    assert complaints(browser) == []


def test_an_old_browser_is_told(file: Path, browser: Browser) -> None:
    script = browser.send("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
    try:
        browser.send("Page.navigate", url=file.as_uri())
        browser.until("!!document.getElementById('message')?.textContent")
        assert "a browser of 2023 or later" in browser.run("document.getElementById('message').innerText")
    finally:
        browser.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])


def test_motion_alone_has_no_errors(browser: Browser, tmp_path: Path) -> None:
    page = write_page(domain_scene(open_domain("arm"), Choice(clips=2)), tmp_path / "arm.html")
    browser.open(page.as_uri(), *SIZE, calm=True)
    assert browser.run("[$('strip').hidden, $('all').hidden, $('errors').hidden]") == [True, True, True]
    assert browser.run("state.at") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_fault(dark: bool, file: Path, browser: Browser) -> None:
    width, height = (390, 844) if dark else SIZE
    browser.open(file.as_uri(), width, height, dark=dark, calm=True)
    assert serious_faults(browser) == []
    browser.key("e")
    assert not browser.run("$('clips').hidden")
    assert serious_faults(browser) == []
