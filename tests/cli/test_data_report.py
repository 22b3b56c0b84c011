"""The report on a domain: numbers of a figure whose walk is known, the command, and the page in a real browser."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers.browser import Browser
from helpers.recordings import RECIPE, SHIN, THIGH, header, walk

from rae_bench.cli.data import data
from rae_bench.cli.data_report import print_summary
from rae_bench.data.corpus import Corpus
from rae_bench.data.formats.take import Take
from rae_bench.data.importing.domain_report import domain_report, domain_summary
from rae_bench.data.importing.recordings import import_folder
from rae_bench.data.importing.shared_rig import bone_drift
from rae_bench.data.store import save_domain
from rae_bench.errors import UserError
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import make_rig
from rae_bench.viewer.report_page import report_page

HOSTILE = "</script><script>window.hacked = 1</script><!--<b>\"'&\u2028"


def spoilt(text: str) -> str:
    """The walk with a knee bent by 60 degrees more in frame 200, and frames 300 to 309 alike."""
    lines = text.splitlines()
    first = lines.index("MOTION") + 3
    row = lines[first + 200].split()
    row[18] = str(float(row[18]) + 60)  # six channels of the hips, three each of head, hands and hip joint
    lines[first + 200] = " ".join(row)
    lines[first + 300 : first + 310] = [lines[first + 300]] * 10
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("strolls")
    (folder / "a.bvh").write_text(header() + walk(11, 60))
    (folder / "b.bvh").write_text(header() + spoilt(walk(6, 60)))
    (folder / "c.bvh").write_text(header() + walk(1, 60))
    return import_folder(folder, replace(RECIPE, licence="CC0"), "strolls")


def test_numbers_that_can_be_worked_out(corpus: Corpus) -> None:
    told = domain_report(corpus)
    bones = {bone["joint"]: bone for bone in told["bones"]}
    assert bones["LeftFoot"]["length"] == pytest.approx(THIGH / 100)
    assert bones["RightToe"]["length"] == bones["RightToe"]["other_side"] == pytest.approx(SHIN / 100)
    assert bones["Head"]["other_side"] is None
    assert all(bone["spread"] == bone["apart"] == 0 for bone in told["bones"])
    assert told["pelvis_height"] == pytest.approx(0.86, abs=1e-3)

    # The first second of a take stands, then it goes on at 0.6 m/s.
    first = next(clip for clip in told["clips"] if clip["id"] == "a#0")
    assert first["seconds"] == 5
    assert first["distance"] == pytest.approx(0.6 * (5 - 1 - 1 / 30), abs=1e-3)
    assert first["top_speed"] == pytest.approx(0.6, abs=1e-3)
    for plot in (told["speeds"], told["feet"][0]["heights"]):
        assert sum(plot["shares"]) == pytest.approx(1)
        assert len(plot["edges"]) == len(plot["shares"]) + 1
    assert told["speeds"]["edges"][-1] == pytest.approx(0.6, abs=1e-3)

    for foot in told["feet"]:
        assert foot["stance"] == pytest.approx(0, abs=1e-3)
        assert 0.6 < foot["share"] < 0.95  # six tenths of a stride, all of a second that stands, and the ends of steps
        assert foot["slide"] < 0.1
        assert foot["limit"] == pytest.approx(foot["stance"] + 0.07 * told["height"])


def test_faults_by_file_and_frame(corpus: Corpus) -> None:
    told = domain_report(corpus)
    files = {each["file"]: each for each in told["recordings"]}
    assert [files[f"{name}.bvh"]["segments"] for name in "abc"] == [2, 1, 0]
    assert [files[f"{name}.bvh"]["frames"] for name in "abc"] == [660, 360, 60]
    assert files["b.bvh"]["seconds"] == 6
    found = [(event["kind"], event["frame"], event["joint"], event["frames"]) for event in files["b.bvh"]["events"]]
    assert ("spike", 200, "LeftToe", 1) in found
    assert ("frozen", 300, "", 10) in found
    # The first second of every take stands still, and the walk begins, and goes on after the gap, with a jerk.
    assert [event[1] for event in found if event[0] == "spike"] == [60, 61, 200, 309, 310]
    assert [event[1] for event in found if event[0] == "frozen"] == [0, 300]
    assert files["b.bvh"]["jump"] == 0
    assert any("b.bvh" in line and " 200 (LeftToe" in line for line in told["warnings"])


def test_bones_that_files_only_round_keep_their_lengths() -> None:
    def take(shin: float, spread: dict[str, float]) -> Take:
        joints = [("hips", None, [0, 1, 0]), ("knee", "hips", [0, -0.5, 0]), ("toe", "knee", [0, -shin, 0])]
        rig, nobody = make_rig("r", joints, {}), np.zeros((1, 1, 0), bool)
        return Take(make_motion(rig, 30, np.zeros((1, 1, 3)), rig.rest[None, None], contacts=nobody), (), spread)

    rounded = [take(0.5, {"knee": 4e-6}), take(0.500002, {"toe": 9e-6})]
    assert bone_drift(rounded, rounded[0].motion.rig) == {}
    drift = bone_drift([take(0.5, {"knee": 2e-5}), take(0.501, {})], rounded[0].motion.rig)
    assert drift["knee"] == {"spread": 2e-5, "apart": 0.0}
    assert drift["toe"] == {"spread": 0.0, "apart": pytest.approx(1e-3, rel=1e-4)}


def run(*words: str) -> Result:
    return CliRunner().invoke(data, ["report", *words])


def test_the_command(corpus: Corpus, tmp_path: Path) -> None:
    save_domain(corpus)
    page = tmp_path / "report.html"
    text = run("strolls", "--page", str(page)).output
    assert "all 14 keep their lengths" in text
    assert re.search(
        r"^b\.bvh +360 +60 +6\.0 +1 +- +5: frame 60 61 200 309 \.\.\. +2: frame 0 300$", text, re.MULTILINE
    ), text
    assert "dropped       c: 1.00 s, shorter than 2 s" in text
    assert re.search(r"^LeftToe +\S+ (mm|cm) +\S+ (mm|cm) +\d\d\.\d % ", text, re.MULTILINE)
    assert text.rstrip().endswith(str(page))
    assert json.loads(run("strolls", "--json").output) == domain_report(corpus)
    for words, message in (
        (["strols"], "did you mean strolls"),
        (["strolls", "--page", str(tmp_path / "no" / "a.html")], "in a folder that is there"),
        (["strolls", "--page", str(tmp_path)], "cannot write"),
    ):
        error = run(*words).exception
        assert isinstance(error, UserError)
        assert re.search(message, str(error))
    assert list(tmp_path.iterdir()) == [page]


def test_actions_that_are_too_many_to_tell(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(domain_summary(corpus), Path("here"))
    assert "--action-by" not in capsys.readouterr().out
    print_summary(domain_summary(corpus) | {"speed": {f"walk_{n:02}": 1.0 for n in range(20)}}, Path("here"))
    text = capsys.readouterr().out
    assert "... and 8 more actions: --json; --action-by motion finds walks, runs and the like" in text


def test_domains_of_an_older_version_are_reported_too(corpus: Corpus) -> None:
    old = {k: v for k, v in corpus.provenance.items() if k not in ("recordings", "bones", "unit")}
    save_domain(replace(corpus, provenance=old))
    assert "import it again for what its files hold" in run("strolls").output
    assert "import it again" in report_page(corpus, domain_report(replace(corpus, provenance=old)))


def hostile(corpus: Corpus) -> Corpus:
    provenance = {
        **corpus.provenance,
        "warnings": [HOSTILE],
        "licence": HOSTILE,
        "recordings": [{**each, "file": HOSTILE + each["file"]} for each in corpus.provenance["recordings"]],
    }
    many = len(corpus.ids)
    names = tuple(HOSTILE + joint for joint in corpus.motion.rig.joint_names)
    motion = replace(corpus.motion, rig=replace(corpus.motion.rig, joint_names=names))
    ids = tuple(f"{'a_name_without_a_space' * 5}#{n}" for n in range(many))
    return replace(
        corpus, name=HOSTILE, motion=motion, ids=ids, actions=(HOSTILE,) * many, groups=(HOSTILE,) * many,
        provenance=provenance,
    )  # fmt: skip


def test_the_page_is_complete_in_itself(corpus: Corpus) -> None:
    text = report_page(corpus, domain_report(corpus))
    assert set(re.findall(r"https?://[^\s\"'`<>)&]+", text)) <= {"http://www.w3.org/1999/xhtml"}
    assert not re.search(r"<(link|img|script)[^>]*\s(src|href)=", text)
    assert "default-src 'none'" in text
    shown = re.sub(
        r"\s+", " ", unescape(re.sub(r"<iframe.*?</iframe>|<style.*?</style>|<[^>]+>", " ", text, flags=re.S))
    )
    for words in ("3 files of", "CC0", "Mended", "c: 1.00 s, shorter than 2 s", "LeftToe", "b.bvh", "a#0"):
        assert (words in shown) == (words != "Mended"), words
    assert "spike, frame 200: LeftToe" in shown


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_in_a_browser(corpus: Corpus, browser: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    bad = hostile(corpus)
    file = tmp_path / "report.html"
    file.write_text(report_page(bad, domain_report(bad)), encoding="utf-8")
    browser.complaints.clear()
    browser.requests.clear()
    browser.read_as(width, 900, dark)
    browser.send("Page.navigate", url=file.as_uri())
    browser.until("document.readyState === 'complete' && document.title !== ''")
    inside = "document.querySelector('iframe').contentDocument"
    browser.until(f"{inside}?.body?.className === 'ready'")
    assert browser.run(f"{inside}.getElementById('play').textContent") == "Pause"
    first = browser.run(f"{inside}.getElementById('time').textContent")
    browser.until(f"{inside}.getElementById('time').textContent !== {first!r}")  # it plays
    browser.run(f"{inside}.getElementById('play').click()")  # drawing in software keeps the machine busy
    assert browser.run(f"{inside}.documentElement.dataset.theme") == ("dark" if dark else "light")
    assert browser.run(f"{inside}.defaultView.hacked ?? 'safe'") == "safe"
    assert HOSTILE in browser.run(f"{inside}.getElementById('title').textContent")
    assert browser.run("window.hacked ?? document.querySelector('h1').textContent") == HOSTILE
    assert browser.run("document.querySelector('.warnings li').textContent") == HOSTILE
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    wide = "[...document.querySelectorAll('figcaption, h3')].filter((e) => e.scrollWidth > e.clientWidth).length"
    assert browser.run(wide) == 0
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (np.mean([int(v) for v in re.findall(r"\d+", paper)]) < 60) == dark
    bars = browser.run("[...document.querySelectorAll('.bar')].map((e) => e.getBoundingClientRect().height)")
    assert len(bars) == 3 * 32  # speeds, and the heights of two feet
    assert max(bars) == pytest.approx(100)
    boxes = browser.run(
        "[...document.querySelectorAll('section, iframe, figure')].map((e) => e.getBoundingClientRect()).map((r) =>"
        "[r.left, r.right, r.height])"
    )
    assert all(0 <= left < right <= width and tall > 20 for left, right, tall in boxes)
    time.sleep(0.3)
    # The software renderer grumbles about its own reading of pictures.
    assert [c for c in browser.complaints if "GPU stall due to ReadPixels" not in c] == []
    assert browser.requests == [file.as_uri()]
