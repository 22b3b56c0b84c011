"""The page of moving skeletons: complete in itself, deaf to hostile names, and it moves in a real browser."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.protocol.run import Outcome
from rae_bench.viewer import Scene, page, run_scene, write_page
from rae_bench.viewer.gather import open_result, pick_clips, result_scene
from rae_bench.viewer.page import page_data

HOSTILE = '</script><script>window.hacked = 1</script><!--<b>"\'&\u2028'
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader "
    "--window-size=800,600 --virtual-time-budget=20000 --dump-dom"
)


@pytest.fixture(scope="module")
def scene(tiny_run: Outcome) -> Scene:
    return run_scene(tiny_run, "fe")


def result_folder(outcome: Outcome) -> Path:
    return next(p.path.parent for p in outcome.cells if p.cell.regime == "cold")


def test_regimes_and_controls_are_there(scene: Scene) -> None:
    kinds = [c.label.split()[0] for c in scene.characters]
    assert kinds == ["truth", "cold", "frozen", "finetune", "full", "hold", "interpolate", "nearest"]
    assert [c.shown for c in scene.characters] == [True] * 5 + [False] * 3
    assert 1 <= len(scene.clips) <= 4


def test_positions_survive(scene: Scene) -> None:
    for clip, packed in zip(scene.clips, page_data(scene)["clips"], strict=True):
        for truth, track in zip(clip.positions, packed["tracks"], strict=True):
            assert truth is not None
            whole = np.frombuffer(base64.b64decode(track["data"]), "<i2").reshape(truth.shape)
            np.testing.assert_allclose(whole * track["step"] + track["offset"], truth, atol=1e-3)


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


def test_one_clip_of_each_action_first() -> None:
    assert pick_clips(["walk", "walk", "run", "jump"], np.array([5, 9, 3, 4]), 4) == [1, 3, 2, 0]


def test_a_result_folder_shows_what_the_run_showed(tiny_run: Outcome, tiny_task: Path, scene: Scene) -> None:
    again = result_scene(open_result(result_folder(tiny_run), str(tiny_task)))
    assert [c.label for c in again.characters] == [c.label for c in scene.characters]


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


def test_it_draws_plays_and_scrubs_in_a_browser(scene: Scene, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium here; Debian: apt-get install chromium")
    hostile = replace(scene, title=HOSTILE, characters=[replace(c, label=HOSTILE) for c in scene.characters])
    file = write_page(hostile, tmp_path / "page.html")
    command = [browser, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", f"{file.as_uri()}#selftest"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False).stdout
    found = re.search(r'<pre id="verdict"[^>]*>(.*?)</pre>', dom, re.DOTALL)
    assert found is not None, dom[-500:]
    verdict = json.loads(html.unescape(found[1]))
    assert verdict.pop("errors") == []
    assert verdict["drawn"] > 500
    assert all(verdict.values()), verdict
