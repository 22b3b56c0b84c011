"""The page of moving skeletons: complete in itself, deaf to hostile names, and it moves in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browser import Browser
from helpers.running import run_cells

from rae_bench.cli import cli
from rae_bench.data.store import save_domain
from rae_bench.errors import UserError
from rae_bench.harness.run import Outcome
from rae_bench.task.sides import load_side
from rae_bench.task.task import Protocol
from rae_bench.viewer import Scene, page, run_scene, write_page
from rae_bench.viewer.choice import Choice, pick_clips
from rae_bench.viewer.gather import domain_scene, open_domain, open_result, result_scene
from rae_bench.viewer.packing import unpacked
from rae_bench.viewer.page import page_data

HOSTILE = "</script><script>window.hacked = 1</script><!--<b>\"'&\u2028"


@pytest.fixture(scope="module")
def scene(tiny_run: Outcome) -> Scene:
    return run_scene(tiny_run)


def result_folder(outcome: Outcome) -> Path:
    return next(p.path.parent for p in outcome.cells if p.cell.regime == "cold")


def test_regimes_and_controls_are_there(scene: Scene) -> None:
    kinds = [c.label.split()[0] for c in scene.actors]
    assert kinds == ["truth", "cold", "frozen", "finetune", "full", "hold", "interpolate", "nearest"]
    assert [c.shown for c in scene.actors] == [True] * 5 + [False] * 3
    assert 1 <= len(scene.clips) <= 4


def test_positions_survive(scene: Scene) -> None:
    data = page_data(scene)
    for clip, packed in zip(scene.clips, data["clips"], strict=True):
        tracks = (clip.truth, *clip.made)
        for points, whole in zip(tracks, unpacked(packed["packed"], [t.shape for t in tracks]), strict=True):
            np.testing.assert_allclose(whole * data["step"], points, atol=0.51 * data["step"])
            assert data["step"] < 0.0005


def test_the_history_comes_before_what_was_made(scene: Scene, tiny_run: Outcome) -> None:
    motion, ids = tiny_run.target.corpus.motion, tiny_run.target.corpus.ids
    for clip in scene.clips:
        n = next(n for n, name in enumerate(ids) if f"({name})" in clip.name)
        assert clip.start == 30  # a second of it at 30 frames a second
        np.testing.assert_allclose(clip.truth, motion.positions[n, : motion.lengths[n]], atol=1e-6)
        np.testing.assert_array_equal(clip.contacts, motion.contacts[n, : motion.lengths[n]])
        assert {len(made) for made in clip.made} == {motion.lengths[n] - 30}
        # A model goes on from the last frame of the history: nobody jumps.
        step = np.abs(clip.made[0][0] - clip.truth[29]).max()
        assert step < 0.3


def test_the_page_asks_nothing_of_the_network(scene: Scene) -> None:
    text = page(scene)
    assert set(re.findall(r"https?://[^\s\"'`<>)]+", text)) <= {"http://www.w3.org/1999/xhtml"}
    assert not re.search(r"<(link|img|iframe|script)[^>]*\s(src|href)=", text)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|\bimport\(", text)
    assert "default-src 'none'" in text
    assert "The MIT License" in text
    assert len(text) < 3_000_000


def test_names_stay_text(scene: Scene) -> None:
    text = page(replace(scene, title=HOSTILE, clips=[replace(c, name=HOSTILE) for c in scene.clips]))
    assert "window.hacked = 1</script" not in text
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["title"] == HOSTILE


ACTIONS, IDS, LENGTHS = ["walk", "walk", "run", "jump"], ["w-1", "w-2", "r-1", "j-1"], np.array([5, 9, 3, 4])


@pytest.mark.parametrize(
    ("choice", "picked"),
    [
        (Choice(), [1, 3, 2, 0]),
        (Choice(clips=2), [1, 3]),
        (Choice(("walk",)), [1, 0]),
        (Choice(("w-1", "j*")), [0, 3]),
        (Choice(("walk", "run"), 1), [1]),
    ],
)
def test_one_clip_of_each_action_first(choice: Choice, picked: list[int]) -> None:
    assert pick_clips(IDS, ACTIONS, LENGTHS, choice) == picked


def test_a_clip_that_is_not_there() -> None:
    with pytest.raises(UserError, match="did you mean w-1"):
        pick_clips(IDS, ACTIONS, LENGTHS, Choice(("w-11",)))


def test_a_result_folder_shows_what_the_run_showed(tiny_run: Outcome, tiny_task: Path, scene: Scene) -> None:
    again = result_scene(open_result(result_folder(tiny_run), str(tiny_task)))
    assert [c.label for c in again.actors] == [c.label for c in scene.actors]


def test_folders_that_cannot_be_shown(tiny_run: Outcome, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no cell results"):
        open_result(tmp_path)
    with pytest.raises(UserError, match="--task"):
        open_result(result_folder(tiny_run))
    with pytest.raises(UserError, match="made of another"):
        open_result(result_folder(tiny_run), "biped2quad")


def test_the_command_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom rae_bench.cli import cli\n"
        f"cli.main(['view', 'quad', '-o', {str(tmp_path / 'q.html')!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "q.html").stat().st_size < 3_000_000


def labels(folder: Path, task: Path, **choice: Any) -> list[str]:
    wanted = Choice(**choice)
    return [c.label for c in result_scene(open_result(folder, str(task), choice=wanted), wanted).actors]


def test_regimes_fractions_and_seeds_are_chosen(tiny_run: Outcome, tiny_task: Path) -> None:
    folder = result_folder(tiny_run)
    assert labels(folder, tiny_task, regimes=("finetune", "hold")) == ["truth", "finetune 5 %", "hold"]
    assert labels(folder, tiny_task, fraction=0.05, regimes=("cold",)) == ["truth", "cold 5 %"]
    for choice, words in (
        ({"regimes": ("colt",)}, "did you mean cold"),
        ({"regimes": ("zero-shot",)}, "no such cells"),
        ({"fraction": 0.5}, "there are 5 %, 100 %"),
        ({"seed": 7}, "there are 0"),
    ):
        with pytest.raises(UserError, match=words):
            labels(folder, tiny_task, **choice)


def test_a_control_that_was_asked_for_is_seen(tiny_run: Outcome, tiny_task: Path) -> None:
    choice = Choice(regimes=("hold",))
    shown = result_scene(open_result(result_folder(tiny_run), str(tiny_task), choice=choice), choice).actors
    assert [c.shown for c in shown] == [True, True]


def test_what_failed_is_named(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "fe-1" / result_folder(tiny_run).name
    shutil.copytree(result_folder(tiny_run), folder)
    file = next(folder.glob("frozen*.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "failed", "metrics": {}}))
    next(folder.glob("finetune*.npz")).unlink()
    made = result_scene(open_result(folder, str(tiny_task)))
    assert [c.label for c in made.actors] == ["truth", "cold 5 %", "full"]
    assert "frozen 5 % (failed)" in made.subtitle
    assert "finetune 5 % (no trajectory)" in made.subtitle
    for trajectory in folder.glob("*.npz"):
        trajectory.unlink()
    with pytest.raises(UserError, match="nothing to show") as refused:
        open_result(folder, str(tiny_task))
    assert "\n" not in str(refused.value)


def test_motion_of_a_rig() -> None:
    reaching = domain_scene(open_domain("arm"), Choice(clips=1))
    assert reaching.clips[0].start == 0
    assert (reaching.clips[0].objectives.kinds == 3).any()  # targets, which the motion alone does not show
    with pytest.raises(UserError, match="cannot walk"):
        open_domain("arm", "locomotion")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quad", "--fraction", "5%"], "no result folder"),
        (["quad", "--clips", "0"], "above 0"),
        (["quad", "--motion", "reach", "--task", "x.toml"], "no result folder"),
        (["quad", "--clip", "swim"], "unknown clip or action"),
        (["nobody"], "unknown result folder or domain"),
    ],
)
def test_words_that_do_not_fit(words: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(UserError, match=said):
        cli.main(["view", *words, "-o", str(tmp_path / "v.html")], standalone_mode=False)
    assert not list(tmp_path.iterdir())


# ---- in a browser ----------------------------------------------------------------------------------------------------

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
PIXELS = """(() => {
  const gl = renderer.getContext(), w = gl.drawingBufferWidth, h = gl.drawingBufferHeight;
  const read = () => { const out = new Uint8Array(4 * w * h); gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, out); return out; };
  draw(); const full = read();
  const kept = people.slice(); people.forEach((p) => p.group.traverse((o) => o.layers.set(1))); gems.forEach((g) => g.layers.set(1));
  draw(); const empty = read();
  people.forEach((p) => p.group.traverse((o) => o.layers.set(0))); gems.forEach((g) => g.layers.set(0));
  const cells = stage.cells.map(() => 0); let sum = 0, edge = 0;
  for (let i = 0; i < full.length; i += 4) {
    if (Math.abs(full[i] - empty[i]) + Math.abs(full[i + 1] - empty[i + 1]) + Math.abs(full[i + 2] - empty[i + 2]) <= 24) continue;
    const x = (i / 4) % w, y = h - 1 - Math.floor(i / 4 / w);
    cells[stage.cells.findIndex((c) => x >= Math.floor(c.x) && x <= c.x + c.wide && y >= Math.floor(c.y) && y <= c.y + c.tall)] += 1;
    sum = (sum * 31 + i + full[i]) % 1000000007;
  }
  return { drawn: cells.reduce((a, b) => a + b, 0), sum, cells };
})()"""  # noqa: E501


OUTSIDE = """[...document.querySelectorAll('footer *, header *')].filter((e) => {
  const r = e.getBoundingClientRect();
  return r.width && (r.left < 0 || r.right > innerWidth || r.bottom > innerHeight);
}).map((e) => e.id || e.tagName)"""
SHIFT = """new Promise((done) => {
  const sum = (list) => list.getEntries().filter((e) => !e.hadRecentInput).reduce((all, e) => all + e.value, 0);
  new PerformanceObserver((list) => done(sum(list))).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(0), 300);
})"""


def test_results_of_a_domain_that_was_imported_again_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are roll-outs of other clips than those that stand in the domain now."""
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path / "home"))
    quad = load_side({"kind": "builtin", "rig": "quad", "motion": "locomotion", "clips": 24}, Protocol())
    for name in ("man", "dog"):
        save_domain(replace(quad, name=name))
    asked = {"regimes": ["cold"], "fractions": [0.05, 1.0], "controls": False, "workers": 1}
    outcome = run_cells("hold", "man-to-dog", out=tmp_path / "results", **asked)
    folder = outcome.cells[0].path.parent
    assert [each.label for each in open_result(folder).rollouts] == ["cold 5 %", "full"]
    cold = next(folder.glob("cold-f0.05-*.json"))
    earlier = json.loads(cold.read_text(encoding="utf-8"))
    earlier["identity"]["data"] = "0" * 64
    cold.write_text(json.dumps(earlier), encoding="utf-8")
    assert [each.label for each in open_result(folder).rollouts] == ["full"]
    save_domain(replace(quad, name="dog", identity="another"))
    with pytest.raises(UserError, match="hold other motion now, as they were imported again; run it again"):
        open_result(folder)


def test_a_page_may_open_at_a_frame(scene: Scene, browser: Browser, tmp_path: Path) -> None:
    clips = [replace(scene.clips[0], opens=40), *scene.clips[1:]]
    file = write_page(replace(scene, clips=clips, first=0), tmp_path / "page.html")
    browser.open(file.as_uri(), *next(iter(SIZES.values())), calm=True)
    assert browser.run("[state.at, state.playing]") == [40, False]
    assert browser.run("[state.layout, document.getElementById('layout').value]") == ["over", "over"]


def test_a_page_of_two_sizes_opens_side_by_side(scene: Scene, browser: Browser, tmp_path: Path) -> None:
    file = write_page(replace(scene, beside=True), tmp_path / "page.html")
    browser.open(file.as_uri(), *next(iter(SIZES.values())))
    assert browser.run("[state.layout, document.getElementById('layout').value]") == ["beside", "beside"]
    assert browser.run("stage.cells.length === seen().length && stage.cells.length > 1")


@pytest.mark.parametrize("size", SIZES)
def test_it_draws_plays_and_scrubs_in_a_browser(size: str, scene: Scene, browser: Browser, tmp_path: Path) -> None:
    hostile = [replace(c, label=f"{HOSTILE}{n}") for n, c in enumerate(scene.actors)]
    clips = [replace(c, name=f"{HOSTILE}{c.name}" * 5) for c in scene.clips]
    file = write_page(replace(scene, title=HOSTILE, actors=hostile, clips=clips), tmp_path / "page.html")
    browser.complaints.clear()
    browser.requests.clear()
    width, height = SIZES[size]
    browser.open(file.as_uri(), width, height, dark=size == "phone")
    assert browser.run("state.theme") == ("dark" if size == "phone" else "light")
    assert browser.run("window.hacked ?? document.getElementById('title').textContent") == HOSTILE

    browser.until("state.playing && state.at > 2")  # it plays by itself
    browser.click("#play")
    assert not browser.run("state.playing")
    browser.click("#scrub", 0.5)
    assert abs(browser.run("state.at / last()") - 0.5) < 0.05
    middle = browser.run(PIXELS)
    browser.key("Home")
    assert browser.run("state.at") == 0
    first = browser.run(PIXELS)
    assert min(first["drawn"], middle["drawn"]) > 1000
    assert first["sum"] != middle["sum"]
    browser.key("ArrowRight")
    assert browser.run("state.at") == 1
    browser.run("state.at = last() - 1; state.speed = 2; play(true)")
    browser.until("state.at < 20")  # it loops
    browser.key("l")
    browser.key("End")
    browser.run("state.at = last() - 1; play(true)")
    browser.until("!state.playing && state.at === last()")  # and does not
    other = (browser.run("state.clip") + 1) % len(clips)
    browser.select("#clip", str(other))
    browser.until(f"state.clip === {other} && state.at === 0")
    assert browser.run(PIXELS)["sum"] != first["sum"]
    browser.key("ArrowUp")
    browser.until(f"state.clip === {(other or len(clips)) - 1}")

    browser.key("4")
    assert browser.run("state.shown[3]") is False
    browser.key("4")
    for name in ("side", "front", "top", "fixed") if size == "phone" else ():
        browser.select("#camera", name)
        assert browser.run(PIXELS)["drawn"] > 300, name
    browser.select("#camera", "follow")
    stood = browser.run("eye.position.toArray()")
    browser.drag("#canvas", 60)
    browser.until(f"Math.hypot(...eye.position.toArray().map((v, k) => v - {stood}[k])) > 0.1")  # it turns
    browser.select("#layout", "beside")
    counts = browser.run(PIXELS)["cells"]
    assert len(counts) == sum(c.shown for c in scene.actors)
    assert min(counts) > 300
    for mark in "ocp":
        browser.key(mark)
    bare = browser.run(PIXELS)["cells"]
    assert all(0 < less < more for less, more in zip(bare, counts, strict=True))
    browser.key("d")
    assert browser.run("document.documentElement.dataset.theme") == ("light" if size == "phone" else "dark")

    # All is within the window, and nothing lies over the picture.
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.run(OUTSIDE) == []
    box = "document.getElementById('{}').getBoundingClientRect()"
    legend, stage = (browser.run(f"{box.format(name)}.toJSON()") for name in ("legend", "stage"))
    assert legend["right"] <= stage["left"] or legend["bottom"] <= stage["top"]
    assert stage["height"] > 0.4 * height

    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    controls = [n for n in nodes if n.get("role", {}).get("value") in ("button", "slider", "combobox")]
    assert len(controls) > 10
    assert all(n.get("name", {}).get("value", "").strip() for n in controls)
    browser.key("Tab")
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert browser.run(SHIFT) == 0
    assert [
        c for c in browser.complaints if "GPU stall due to ReadPixels" not in c
    ] == []  # that is this test's reading
    assert browser.requests == [file.as_uri()]  # what is in the address behind "#" is no request


@pytest.mark.parametrize("factor", [0.004, 1.0, 30.0])
def test_rigs_of_any_size_fill_the_picture(factor: float, scene: Scene, browser: Browser, tmp_path: Path) -> None:
    """An insect of 3 mm looks as a giant of 25 m does."""
    rig = replace(scene.rig, offsets=scene.rig.offsets * factor)
    clips = [
        replace(
            c,
            truth=c.truth * factor,
            made=[m * factor for m in c.made],
            objectives=replace(c.objectives, positions=c.objectives.positions * factor),
        )
        for c in scene.clips[:1]
    ]
    file = write_page(replace(scene, rig=rig, clips=clips), tmp_path / "page.html")
    browser.open(file.as_uri(), 800, 600)
    browser.run("play(false); seek(40)")
    assert 0.02 < browser.run(PIXELS)["drawn"] / (546 * 480) < 0.3
    ground = {0.004: "1 mm", 1.0: "50 cm", 30.0: "10 m"}[factor]
    assert ground in browser.run("document.getElementById('grid').textContent")
