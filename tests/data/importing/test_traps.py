"""Every trap that docs/guides/importing.md says is caught, by folder, in what an import refuses or its report tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from helpers.documents import import_commands
from helpers.places import DOCS

from rae_bench.cli.data import data
from rae_bench.errors import UserError

Reports = list[dict[str, Any]]
Check = tuple[str, tuple[str, ...], str | Callable[[Reports], bool]]


def told(pattern: str, *without: str) -> Check:
    """The report's text has it, where these options of the documented command are left out."""
    return "told", without, pattern


def refused(pattern: str, *without: str) -> Check:
    """The import ends with it."""
    return "refused", without, pattern


def holds(check: Callable[[Reports], bool], *without: str) -> Check:
    """It is true of the numbers of all domains that the command makes."""
    return "holds", without, check


def near(key: str, *values: float, rel: float = 0.02) -> Callable[[Reports], bool]:
    return lambda reports: [each[key] for each in reports] == pytest.approx(list(values), rel=rel)


def never(words: str) -> Callable[[Reports], bool]:
    return lambda reports: not any(words in line for each in reports for line in each["warnings"])


def rigid(reports: Reports) -> bool:
    return all(bone["spread"] == 0 and bone["apart"] < 0.006 for each in reports for bone in each["bones"])


STANDS = holds(lambda reports: all(each["raised"] == 0 for each in reports))
TRAPS: dict[str, dict[str, list[Check]]] = {
    "dog_mann": {
        "root OFFSET is a first-frame position, differs per file": [STANDS, holds(near("pelvis_height", 0.453))],
        "sitting first and last seconds": [
            holds(near("height", 0.503)),
            told(r"16 of 80 segments hardly move: D1_001_KAN01_001#1, .*D1_003_KAN01_001#0"),
        ],
        "no contact labels": [holds(lambda reports: all(0.5 < foot["share"] < 0.8 for foot in reports[0]["feet"]))],
    },
    "dog_labrador": {
        "six channels on every joint": [holds(rigid), told("all 36 keep their lengths")],
        "root OFFSET not to be added": [STANDS, holds(near("pelvis_height", 0.553))],
        "helper nodes": [told(r"helpers rather than body: Bip01_Footsteps", "--drop-joints:b_Tail002")],
        "first frames jump": [told(r"dog_back_001.bvh: frame 2 lies .*--skip-frames 2 drops it", "--skip-frames")],
        "single-frame spikes": [told(r"dog_quad_walkrun_001.bvh: joints leave their path for single frames: 652")],
        "tail offsets differ per file": [refused("offset of b_Tail002 differs by 0.84 cm", "--drop-joints")],
        "one hind paw sinks": [
            told(r"\nb_RightToe +-3\.\d+ cm +-4\.\d+ cm"),
            told(r"b_RightToe stands 2\.9 cm lower than b_LeftToe"),
        ],
        "zero-length End Sites": [told("joints of zero length: .*Dog_Jaw_end")],
        "doubled underscore on the left": [told("left_hand b__LeftFinger, right_hand b_RightFinger")],
    },
    "human_bandai": {
        "dummy root at the origin": [
            holds(lambda reports: {bone["parent"] for bone in reports[0]["bones"]}.isdisjoint({"joint_Root"})),
            holds(lambda reports: max(clip["distance"] for clip in reports[0]["clips"]) > 3),
        ],
        "six channels on every joint": [holds(lambda reports: all(b["spread"] == 0 for b in reports[0]["bones"]))],
        "mirrored right side": [holds(never("swapped")), holds(never("differ between left and right"))],
        "End Sites differ between files": [told("mended +End Sites differ between files")],
    },
    "human_lafan1": {
        "another Euler order than the dog": [holds(near("height", 1.566)), holds(never("lies down"))],
        "root OFFSET not to be added": [STANDS, holds(near("pelvis_height", 0.88))],
        "zero-length End Sites": [told("joints of zero length: LeftToe_end, RightToe_end")],
    },
    "human_cmu": {
        "unit of its own": [told(r"25\.\d cm high on 2 legs.*--unit 0\.056444", "--unit")],
        "a skeleton per subject, naming per conversion": [
            refused(r"1 of 4 files .*02_01.bvh \(lacks LeftHip", "--per-skeleton"),
            told("left_hand LeftHand, .*left_hand LeftWrist"),
        ],
        "zero-length joints": [told("joints of zero length: LHipJoint")],
        "frame time cut to four digits": [holds(lambda reports: all(r["recorded_fps"] == [120] for r in reports))],
        "fingers carry no capture": [told(r"never turn .*LFingers, RFingers")],
    },
    "deepmimic": {
        "two characters in one folder": [refused("3 of 17 files have another skeleton", "--per-skeleton")],
        "frame duration differs per clip": [
            holds(lambda reports: [each["recorded_fps"] for each in reports] == [[60], [24, 30, 60]])
        ],
        "duration varies within a clip (`roll`, not in its description)": [
            told("humanoid3d_roll.json: frames last 0.01667 to 0.03267 s: resampled to 60 fps")
        ],
        "last frame lasts 0 s": [
            holds(lambda reports: all(r["fps"] > 0 for each in reports for r in each["recordings"]))
        ],
        "quaternions not of unit length": [told(r"by up to 0.42 \(right_hip, frame 27\): normalised")],
        "revolute and fixed joints": [holds(lambda reports: [each["joints"] for each in reports] == [23, 15])],
        "faces +X": [told("turned to face \\+Z"), holds(never("swapped"))],
    },
    "insect_fly": {
        "two sets of points, one of them in one file only": [
            refused(r"several arrays of positions \(positions_raw, positions_fk\)", "--points"),
            refused("groom_fly6_aDN_180921.npz: no array 'positions_fk'", "--points:positions_fk"),
        ],
        "six trees, no root path": [refused("no root: 6 joints hang on none", "--root-path")],
        "the body frame is fixed": [told("the body never travels")],
        "raw segments vary": [told(r"vary by 5\.6 %.*vary by 5\.9 %")],
        "two flies": [refused("have another skeleton", "--per-skeleton")],
        "millimetres": [told(r"it stands 2\.5. m high on 6 legs.*mm\? --unit mm makes it", "--unit")],
        "stance on a ball moves": [told("never on the ground: LF_claw, LM_claw")],
    },
    "insect_stick": {
        "two sets of points": [refused("several arrays of positions", "--points")],
        "no frame rate": [refused("no frame rate", "--recorded-fps")],
        "up +Z": [told("the ground slopes by 4", "--up")],
        "floor below 0": [told("raised by 8.6 mm")],
        "side, leg and link letters mixed": [told("left_hand 20-f-l-claws-l, right_hand 36-f-r-claws-l")],
        "the end hardly moves": [told("2 of 9 segments hardly move: sungaya_0430_1500#6, sungaya_0430_1500#7")],
    },
    "arm_mouse": {
        "two sets of points": [refused(r"several arrays of positions \(keypoints, body_positions\)", "--points")],
        "no names or parents": [refused("no names|no parents", "--skeleton")],
        "no frame rate": [refused("no frame rate", "--recorded-fps")],
        "fixed base, no floor": [STANDS, holds(lambda reports: reports[0]["feet"] == [])],
    },
    "quadruped_mouse": {
        "axes of a camera": [told(r"the ground slopes by [67]\.\d degrees", "--up")],
        "sign of the normal unknown": [told("the pelvis lies below the feet", "--up")],
        "millimetres": [told(r"it stands 35\.5 m high on 4 legs.*--unit mm 3\.55 cm", "--unit")],
        "segments are not rigid": [
            told(r"vary by 13 % \(Forepaw_R 1\.1e\+02 %\).*hardly rigid|vary by 13 % \(Forepaw_R")
        ],
        "no parents, no frame rate": [refused("no parents", "--skeleton"), refused("no frame rate", "--recorded-fps")],
    },
    "thesis_unity": {
        "two rigs in one folder": [refused("1 of 2 files have another skeleton", "--per-skeleton")],
        "the pelvis is the origin, the feet at -0.94 m": [
            told("raised by 93.8 cm"),
            holds(near("pelvis_height", 0.94, 0.94)),
        ],
        "left-handed axes": [holds(never("swapped")), holds(never("mirrored"))],
        "no names, no parents, no rate": [
            refused("no frame rate", "--recorded-fps"),
            refused("skeleton", "--skeleton"),
        ],
        "the body travels though the root is said to stay at the origin": [
            refused("no root|root-path", "--root-path"),
            refused(r"the body travels 0\.93", "--root-path:fixed"),
        ],
        "`contact` means a target, not the ground": [
            holds(lambda reports: all(foot["share"] < 0.9 for each in reports for foot in each["feet"]))
        ],
        "the upper body hardly moves": [told("10 of 16 joints never turn .*16 of 22 joints never turn")],
    },
}


def documented() -> dict[str, dict[str, str]]:
    """Folder -> trap -> yes, partly or no, of the table in docs/guides/importing.md."""
    text = (DOCS / "guides" / "importing.md").read_text(encoding="utf-8")
    table: dict[str, dict[str, str]] = {}
    folder = ""
    for line in takewhile(str.strip, text[text.index("| folder | trap |") :].splitlines()[2:]):
        first, trap, caught, how = (cell.strip() for cell in line.strip("|").split("|"))
        assert how
        assert caught in ("yes", "partly", "no")
        folder = first or folder
        table.setdefault(folder, {})[trap] = caught
    return table


def test_what_the_table_says_is_caught_is_tested_here() -> None:
    caught = {folder: [trap for trap, word in traps.items() if word != "no"] for folder, traps in documented().items()}
    assert caught == {folder: list(traps) for folder, traps in TRAPS.items()}
    assert {words[3].removeprefix("$DATA/") for words in import_commands()} == set(caught)


def without(words: list[str], options: tuple[str, ...]) -> list[str]:
    """The words less some options with their values; "--a:b" puts --a b in the place of all of them."""
    words = list(words)
    for option in options:
        name, _, value = option.partition(":")
        kept: list[str] = []
        rest = iter(words)
        for word in rest:
            if word.split("=")[0] != name:
                kept.append(word)
            elif "=" not in word and name not in ("--per-skeleton", "--fixed-base"):
                next(rest)
        words = [*kept, *([name, value] if value else [])]
    return words


@lru_cache(maxsize=64)
def outcome(folder: str, options: tuple[str, ...], recordings: Path) -> str | tuple[str, Reports]:
    """What an import is refused with, or the text and the numbers of its domains' reports."""
    words = without(next(each for each in import_commands() if each[3] == f"$DATA/{folder}"), options)
    done = CliRunner().invoke(data, ["import", str(recordings / folder), *words[4:], "--json"])
    if done.exception:
        assert isinstance(done.exception, UserError), done.exception
        return str(done.exception)
    made = json.loads(done.stdout)
    names = [each["name"] for each in (made if isinstance(made, list) else [made])]
    text = "\n".join(CliRunner().invoke(data, ["report", name, "--all"]).output for name in names)
    return text, [json.loads(CliRunner().invoke(data, ["report", name, "--json"]).stdout) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("folder", TRAPS)
def test_traps(folder: str, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS.parent)
    for trap, checks in TRAPS[folder].items():
        for kind, options, wanted in checks:
            found = outcome(folder, options, recordings)
            if kind == "refused":
                assert isinstance(found, str), trap
                assert re.search(str(wanted), found), (trap, found)
            else:
                assert isinstance(found, tuple), (trap, found)
                text, reports = found
                if callable(wanted):
                    assert wanted(reports), trap
                else:
                    assert re.search(wanted, text, re.DOTALL), (trap, text)
