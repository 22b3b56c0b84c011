"""Using an adapted model: run with keep, generate towards written objectives, and every way to ask wrongly."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.places import DOCS
from helpers.running import plan_cells, run_cells

import rae_bench as rb
from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.harness.generate import generate as make
from rae_bench.harness.kept import kept_folder, read_kept
from rae_bench.harness.run import Outcome
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.from_written import to_objectives
from rae_bench.objectives.objectives import CONTACT, KEYFRAME
from rae_bench.objectives.written import check_objectives
from rae_bench.rigs.rig import ROLES, make_rig

EXAMPLE = DOCS / "objectives.toml"
WALK = """
seconds = 1.5
[[objectives]]
role = "pelvis"
time = 1.0
position = [{x}, 0.4, 0.5]
"""


@pytest.fixture(scope="session")
def kept_run(tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return kept_on("keyframes", tiny_task, tmp_path_factory)


def kept_on(track: str, tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A kept model of a track."""
    out = tmp_path_factory.mktemp("kept_run")
    task = out / "tiny.toml"
    text = tiny_task.read_text(encoding="utf-8")
    task.write_text(text.replace("[protocol]", f'[protocol]\ntrack = "{track}"'), encoding="utf-8")
    return run_cells("fe", str(task), out=out, regimes=["cold"], keep=True, controls=False, workers=1)


@pytest.fixture(scope="session")
def model(kept_run: Outcome) -> Path:
    assert not kept_run.failed
    return kept_folder(kept_run.cells[0].path)


@pytest.fixture(scope="session")
def history(kept_run: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "clip.bvh"
    rb.write_bvh(path, kept_run.target.corpus.motion, 5)
    return path


Generate = Callable[..., Motion]


@pytest.fixture
def generate(model: Path, history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Generate:
    """Call the command in this process: (objectives, further options) -> what it wrote."""

    def do(text: str, *options: str, clip: str | None = None) -> Motion:
        (tmp_path / "objectives.toml").write_text(text, encoding="utf-8")
        out = tmp_path / "out.bvh"
        arguments = ["--objectives", str(tmp_path / "objectives.toml"), "--history", clip or str(history)]
        with pytest.raises(SystemExit) as ended:
            main(["generate", str(model), *arguments, "-o", str(out), *options])
        assert ended.value.code == 0, capsys.readouterr().err
        return rb.read_bvh(out)

    return do


def test_what_is_kept(kept_run: Outcome, model: Path) -> None:
    assert sorted(p.name for p in model.iterdir()) == ["adapted.json", "model.json", "model.safetensors", "rig.toml"]
    for path in model.iterdir():
        assert not path.read_bytes().startswith((b"\x80", b"PK")), f"{path.name}: a pickle or an archive"
    facts = json.loads((model / "adapted.json").read_text(encoding="utf-8"))
    planned = kept_run.cells[0]
    assert (facts["model"], facts["task"], facts["regime"], facts["fraction"]) == ("fe", "tiny", "cold", 0.05)
    assert facts["identity"] == dict(planned.identity)
    kept = read_kept(model)
    assert kept.rig.content_hash == kept_run.target.corpus.motion.rig.content_hash
    assert (kept.fps, kept.history) == (30, 1)
    assert (facts["benchmark"], kept.task, kept.budget) == (BENCHMARK_VERSION, "tiny", "quick")
    assert len(kept.stance) == len(kept.rig.contact_joints)


def test_a_cell_without_its_model_is_run_again(kept_run: Outcome, tmp_path: Path) -> None:
    shutil.copytree(kept_run.cells[0].path.parents[2], tmp_path, dirs_exist_ok=True)
    asked: dict[str, Any] = {"out": tmp_path, "regimes": ["cold"], "controls": False}
    folder = kept_folder(plan_cells("fe", kept_run.task, **asked).cells[0].path)
    shutil.rmtree(folder)

    def state(keep: bool) -> tuple[str, str]:
        planned = plan_cells("fe", kept_run.task, keep=keep, **asked).cells
        return planned[0].state, planned[0].why

    assert state(False) == ("done", "")
    assert state(True) == ("to do", "model not kept")
    run_cells("fe", kept_run.task, workers=1, keep=True, **asked)
    assert state(True) == ("done", "")
    facts = json.loads((folder / "adapted.json").read_text(encoding="utf-8"))
    facts["identity"]["data"] = "other"
    (folder / "adapted.json").write_text(json.dumps(facts), encoding="utf-8")
    assert state(True) == ("to do", "model not kept")


def test_a_model_of_another_benchmark_is_refused(model: Path, tmp_path: Path) -> None:
    """Its features may have meant something else."""
    old = Path(shutil.copytree(model, tmp_path / "old"))
    facts = json.loads((old / "adapted.json").read_text(encoding="utf-8"))
    del facts["benchmark"]
    (old / "adapted.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(UserError, match=r"kept by benchmark version 1, whose models .* run the cell again with --keep"):
        read_kept(old)


def test_the_budget_of_the_model_is_told(generate: Generate, capsys: pytest.CaptureFixture[str]) -> None:
    generate(WALK.format(x=0.0))
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("generate with ")
    assert first.endswith(": loading")
    assert last == "model: fe, cold 5 % of tiny, quick budget"


def test_controls_are_not_kept(tiny_task: Path, tmp_path: Path) -> None:
    planned = plan_cells("fe", str(tiny_task), out=tmp_path, keep=True).cells
    assert [p.cell.model for p in planned if not p.keep] == ["truth", "hold", "interpolate", "nearest"]


def test_frames_rate_and_start(generate: Generate, kept_run: Outcome) -> None:
    made = generate(WALK.format(x=0.0))
    past = kept_run.target.corpus.motion[[5]]
    assert (made.fps, int(made.lengths[0])) == (30, 45)
    assert made.rig.joint_names == past.rig.joint_names
    last = int(past.lengths[0]) - 1
    jump = np.linalg.norm(made.positions[0, 0] - past.positions[0, last], axis=-1).max()
    assert jump < 0.05
    assert int(generate(WALK.format(x=0.0), "--seconds", "1.2").lengths[0]) == 36

    whole = generate(WALK.format(x=0.0), "--with-history")
    assert int(whole.lengths[0]) == 75
    np.testing.assert_allclose(whole.positions[0, 30:], made.positions[0], atol=1e-5)
    np.testing.assert_allclose(whole.positions[0, :30], past.positions[0, last - 29 : last + 1], atol=1e-4)


def test_objectives_matter(generate: Generate) -> None:
    left, right = generate(WALK.format(x=0.3)), generate(WALK.format(x=-0.3))
    assert np.abs(left.positions - right.positions).max() > 1e-3
    again = generate(WALK.format(x=0.3))
    np.testing.assert_array_equal(left.rotations, again.rotations)


def test_from_standing_in_metres(generate: Generate, tmp_path: Path) -> None:
    generate(WALK.format(x=0.0), "--with-history", "--unit", "m", clip="rest")
    made = rb.read_bvh(tmp_path / "out.bvh", unit="m")
    assert np.ptp(made.positions[0, :30], axis=0).max() < 1e-6
    assert np.linalg.norm(made.positions[0, 30] - made.positions[0, 29], axis=-1).max() < 0.15  # hardly trained
    assert abs(made.positions[0, 0, 0, [0, 2]]).max() < 1e-5


def test_the_page_shows_history_motion_and_objectives(generate: Generate, tmp_path: Path) -> None:
    generate(EXAMPLE.read_text(encoding="utf-8"), "--page", str(tmp_path / "out.html"))
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert '"start":30' in page.replace(" ", "")
    assert "generated after 1 s of history" in page
    assert page.startswith("<!doctype html>")


def test_a_motion_that_is_asked_too_much_is_doubted(
    generate: Generate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten metres in a second: said in words, and the page opens at the worst frame."""
    far = WALK.replace("0.5]", "10.0]").format(x=0.0)
    capsys.readouterr()
    made = generate(far, "--page", str(tmp_path / "out.html"))
    told = capsys.readouterr().out
    assert "warning: asked for 10 m/s on the way to 1.00 s; it was trained at up to" in told
    assert re.search(r"warning: pelvis misses what it was asked by \S+ m at 1.00 s", told)
    assert re.search(r"feet: \S+ c?m?m below the ground at most, the lowest slides at \S+ cm/s", told)
    opens = re.search(r'"opens": ?(\d+)', (tmp_path / "out.html").read_text(encoding="utf-8"))
    assert opens is not None
    assert 30 <= int(opens[1]) < 30 + made.frames


def test_a_model_kept_before_its_training_was_written_down(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "old")
    facts = json.loads((tmp_path / "old" / "adapted.json").read_text(encoding="utf-8"))
    assert facts["trained"]["speed"] > 0
    del facts["trained"]
    (tmp_path / "old" / "adapted.json").write_text(json.dumps(facts), encoding="utf-8")
    assert read_kept(tmp_path / "old").trained == {}
    facts["trained"] = {"speed": "fast"}
    (tmp_path / "old" / "adapted.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        read_kept(tmp_path / "old")


def test_the_example_works(generate: Generate) -> None:
    made = generate(EXAMPLE.read_text(encoding="utf-8"))
    assert int(made.lengths[0]) == 120


def test_the_history_may_be_gltf(
    generate: Generate, kept_run: Outcome, model: Path, history: Path, tmp_path: Path
) -> None:
    motion, asked = kept_run.target.corpus.motion, WALK.format(x=0.0)
    one, two = tmp_path / "one.glb", tmp_path / "two.glb"
    rb.write_glb(one, motion, [5], names=["walk"])
    rb.write_glb(two, motion, [4, 5], names=["trot", "walk"])
    plain = generate(asked)
    for file, options in ((one, ()), (two, ("--clip", "walk"))):
        np.testing.assert_allclose(generate(asked, *options, clip=str(file)).positions, plain.positions, atol=2e-3)
    for past, clip, reason in (
        (two, None, r"two\.glb: 2 animations; choose with --clip: trot, walk"),
        (two, "wolk", "unknown animation 'wolk'; did you mean walk"),
        (history, "walk", "--clip walk chooses among the animations of a glTF file"),
        ("rest", "walk", "--clip walk chooses among the animations of a glTF file"),
    ):
        with pytest.raises(UserError, match=reason):
            make(model, tmp_path / "objectives.toml", past, clip=clip)


def test_further_joints_are_dropped(generate: Generate, history: Path, tmp_path: Path) -> None:
    text = history.read_text(encoding="utf-8")
    head, motion = text.split("MOTION\n")
    extra = "  JOINT Hat\n  {\n    OFFSET 0 50 0\n    CHANNELS 1 Zrotation\n  }\n}\n"
    frames = "".join(f"{line}{'' if line.startswith('Frame') else ' 7'}\n" for line in motion.splitlines())
    (tmp_path / "hat.bvh").write_text(head.rstrip()[:-1] + extra + "MOTION\n" + frames, encoding="utf-8")
    plain = generate(WALK.format(x=0.0))
    np.testing.assert_allclose(generate(WALK.format(x=0.0), clip=str(tmp_path / "hat.bvh")).positions, plain.positions)


def test_a_clip_of_the_same_character_calibrated_anew(
    generate: Generate, kept_run: Outcome, history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Siblings in another order, no End Sites, a bone a centimetre off: told, and the same motion."""
    plain = generate(WALK.format(x=0.0))
    motion = kept_run.target.corpus.motion[[5]]
    rig = motion.rig
    off = next(j for j in range(1, len(rig)) if np.linalg.norm(rig.offsets[j]) > 0.1)
    moved: list[tuple[str, str | None, Any]] = [
        (
            name,
            None if rig.parents[j] < 0 else rig.joint_names[rig.parents[j]],
            rig.offsets[j] + np.array([0.012 * (j == off), 0, 0]),
        )
        for j, name in enumerate(rig.joint_names)
    ]
    other = make_rig("other", [moved[0], *moved[:0:-1]], {})
    pick = [rig.joint_names.index(name) for name in other.joint_names]
    rb.write_bvh(
        tmp_path / "anew.bvh", make_motion(other, motion.fps, motion.root_positions, motion.rotations[:, :, pick])
    )
    text = (tmp_path / "anew.bvh").read_text(encoding="utf-8")
    (tmp_path / "anew.bvh").write_text(re.sub(r"End Site\s*\{[^}]*\}", "", text), encoding="utf-8")
    capsys.readouterr()
    made = generate(WALK.format(x=0.0), clip=str(tmp_path / "anew.bvh"))
    told = capsys.readouterr().err
    assert re.search(r"1 bone differs from the model's, most \S+ by 1\.2 cm: the model's are used", told), told
    np.testing.assert_allclose(made.positions, plain.positions, atol=2e-3)


def test_rows_are_the_protocols(kept_run: Outcome) -> None:
    """Two pelvis objectives and one contact, by hand, for a character at (1, 0, 2) that faces +X."""
    from rae_bench.motion.root import RootSpace

    rig = kept_run.target.corpus.motion.rig
    table = {
        "seconds": 1.0,
        "objectives": [
            {"role": "pelvis", "time": 0.8, "position": [0, 0.4, 1], "heading": 90},
            {"role": "pelvis", "time": 0.3, "position": [0.5, 0.4, 0]},
            {"role": "left_foot", "time": 1, "position": [0, 0, 0], "kind": "contact", "rotation": [0, 1, 0, 0]},
        ],
    }
    root = RootSpace(np.array([1.0, 0, 2]), np.array(np.pi / 2))
    made = to_objectives(check_objectives(table, "x.toml"), rig, 10, root, 4, "x.toml")
    assert made.positions.shape == (1, 14, 8, 3)
    pelvis, foot = ROLES.index("pelvis"), ROLES.index("left_foot")
    assert made.arrivals[0, :, pelvis].tolist() == [6] * 6 + [11] * 5 + [11, 12, 13]
    assert made.kinds[0, :, pelvis].tolist() == [KEYFRAME] * 11 + [0] * 3
    assert made.kinds[0, :, foot].tolist() == [CONTACT] * 13 + [0]
    np.testing.assert_allclose(made.positions[0, 0, pelvis], [1, 0.4, 1.5], atol=1e-6)  # left of +X is -Z
    np.testing.assert_allclose(made.positions[0, 6, pelvis], [2, 0.4, 2], atol=1e-6)
    assert quat.angle(made.rotations[0, 6, pelvis], quat.from_yaw(np.array(np.pi))) < 1e-3
    assert made.active[0].any(0).sum() == 2
    assert made.time_to_arrival(10)[0, 3, pelvis] == pytest.approx(0.3)


ONE = '[[objectives]]\nrole = "pelvis"\ntime = 1\nposition = [0, 0.4, 1]\n'
WRONG = {
    "syntax": ("seconds = ", "not a TOML file"),
    "key": ("second = 4\n" + ONE, "unknown key 'second'; did you mean seconds"),
    "no seconds": (ONE, "no `seconds`"),
    "seconds": ("seconds = -1\n" + ONE, "seconds = -1"),
    "too long": ("seconds = 1e9\n" + ONE, "up to 600"),
    "seconds nan": ("seconds = nan\n" + ONE, "not finite"),
    "seconds word": ('seconds = "4"\n' + ONE, "not a number"),
    "none": ("seconds = 4\n", "no [[objectives]]"),
    "a table": ("seconds = 4\n[objectives]\n", "[[objectives]]"),
    "role": ("seconds = 4\n" + ONE.replace("pelvis", "pelvic"), "unknown role 'pelvic'; did you mean pelvis"),
    "role of the rig": ("seconds = 4\n" + ONE.replace("pelvis", "left_mid"), "has no left_mid"),
    "objective's key": ("seconds = 4\n" + ONE + "headin = 3\n", "unknown key 'headin'; did you mean heading"),
    "missing": ('seconds = 4\n[[objectives]]\nrole = "pelvis"\ntime = 1\n', "no `position`"),
    "kind": ("seconds = 4\n" + ONE + 'kind = "contct"\n', "unknown kind 'contct'; did you mean contact"),
    "no kind": ("seconds = 4\n" + ONE + 'kind = "none"\n', "unknown kind 'none'"),
    "time zero": ("seconds = 4\n" + ONE.replace("= 1\n", "= 0\n"), "time = 0 needs to lie above 0"),
    "time beyond": ("seconds = 0.5\n" + ONE, "within the 0.5 s"),
    "time true": ("seconds = 4\n" + ONE.replace("= 1\n", "= true\n"), "not a number"),
    "position inf": ("seconds = 4\n" + ONE.replace("0.4", "inf"), "not finite"),
    "position short": ("seconds = 4\n" + ONE.replace(", 1]", "]"), "3 numbers"),
    "position far": ("seconds = 4\n" + ONE.replace("0.4", "1e30"), "in metres"),
    "rotation": ("seconds = 4\n" + ONE + "rotation = [2, 0, 0, 0]\n", "not a unit quaternion"),
    "both": ("seconds = 4\n" + ONE + "rotation = [1, 0, 0, 0]\nheading = 1\n", "exclude each other"),
    "twice": ("seconds = 4\n" + ONE + ONE, "two objectives of the pelvis"),
}


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["generate", *arguments])
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    lines = [line for line in said.err.splitlines(keepends=True) if not line.endswith(": loading\n")]
    assert len(lines) == 1, said.err
    return lines[0]


@pytest.mark.parametrize("case", WRONG)
def test_wrong_objectives(
    case: str, model: Path, history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, said = WRONG[case]
    (tmp_path / "o.toml").write_text(text, encoding="utf-8")
    arguments = ["--objectives", str(tmp_path / "o.toml"), "--history", str(history), "-o", str(tmp_path / "x.bvh")]
    assert said in fails([str(model), *arguments], capsys)
    assert not (tmp_path / "x.bvh").exists()


def test_other_bad_input(model: Path, history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = history.read_text(encoding="utf-8")
    joint = next(line.split()[1] for line in text.splitlines() if line.strip().startswith("JOINT"))
    short = text.splitlines(keepends=True)
    start = next(i for i, line in enumerate(short) if line.startswith("Frame Time"))
    frames = f"Frames: {len(short) - start - 1}\n"
    clips = {
        "renamed": text.replace(f"JOINT {joint}\n", "JOINT Other\n"),
        "longer": "".join(short).replace("OFFSET 0.000000 ", "OFFSET 4.000000 "),
        "short": "".join(short[: start + 11]).replace(frames, "Frames: 10\n"),
    }
    for name, content in clips.items():
        (tmp_path / f"{name}.bvh").write_text(content, encoding="utf-8")
    (tmp_path / "o.toml").write_text(WALK.format(x=0), encoding="utf-8")
    (tmp_path / "no_model").mkdir()

    def say(folder: Path = model, clip: str = str(history), *options: str, objectives: str = "o.toml") -> str:
        given = ["--objectives", str(tmp_path / objectives), "--history", clip]
        return fails([str(folder), *given, "-o", str(tmp_path / "x.bvh"), *options], capsys)

    assert f"no joint '{joint}'" in say(model, str(tmp_path / "renamed.bvh"))
    assert "offset of joint '" in say(model, str(tmp_path / "longer.bvh"))
    assert "is --unit right" in say(model, str(history), "--unit", "m")
    assert "0.33 s of motion; the model starts from 1 s" in say(model, str(tmp_path / "short.bvh"))
    assert "no such file" in say(model, str(tmp_path / "none.bvh"))
    assert "no kept model here" in say(tmp_path / "no_model")
    assert "no such objectives file" in say(objectives="none.toml")
    assert "unknown unit 'ells'" in say(model, str(history), "--unit", "ells")
    assert "seconds = nan" in say(model, str(history), "--seconds", "nan")
    assert "cannot write" in say(model, str(history), "-o", str(tmp_path / "nowhere" / "x.bvh"))
    assert "cannot write" in say(model, str(history), "-o", str(tmp_path))
    assert "ends in .bvh, .glb or .npz" in say(model, str(history), "-o", str(tmp_path / "x.fbx"))


@pytest.mark.parametrize("part", ["adapted.json", "rig.toml", "model.safetensors"])
def test_damaged_model(part: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m").mkdir()
    for path in model.iterdir():
        content = path.read_bytes()
        (tmp_path / "m" / path.name).write_bytes(content[: len(content) // 2] if path.name == part else content)
    (tmp_path / "o.toml").write_text(WALK.format(x=0), encoding="utf-8")
    given = ["--objectives", str(tmp_path / "o.toml"), "--history", "rest", "-o", str(tmp_path / "x.bvh")]
    fails([str(tmp_path / "m"), *given], capsys)
    facts = json.loads((model / "adapted.json").read_text(encoding="utf-8"))
    (tmp_path / "m" / "adapted.json").write_text(json.dumps(facts | {"stance_heights": [math.pi]}), encoding="utf-8")
    with pytest.raises(UserError):
        read_kept(tmp_path / "m")


def test_bad_input_is_told_before_torch_loads(model: Path, tmp_path: Path) -> None:
    (tmp_path / "o.toml").write_text("seconds = 4\n" + ONE.replace("pelvis", "tail"), encoding="utf-8")
    code = (
        "import sys\nfrom rae_bench.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as e:\n    assert e.code == 2\n"
        "assert 'torch' not in sys.modules\n"
    )
    given = ["generate", str(model), "--objectives", str(tmp_path / "o.toml"), "--history", "rest", "-o", "x.bvh"]
    command = [sys.executable, "-c", code, *given]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "unknown role 'tail'" in done.stderr


HIP = '[[objectives]]\nrole = "pelvis"\ntime = 1.0\nposition = [0, 0.4, 0.5]\n'
FOOT = HIP.replace("pelvis", "left_foot") + 'kind = "contact"\n'
WAY = "[[path]]\ntime = 1.0\nposition = [0, 0.8]\n"
STEPS = "[walk]\nstride = 0.8\ntouch_downs = { left_foot = 0.0, right_foot = 0.5 }\n"


@pytest.mark.parametrize(
    ("track", "good", "bad", "message"),
    [
        ("control", WAY, HIP, "which follows a path: give [[path]]"),
        ("limbs", HIP + STEPS, HIP, "objective 1 (pelvis) is a keyframe"),
        ("limbs", FOOT, WAY, "has no path: give [[objectives]]"),
    ],
)
def test_a_model_is_asked_for_what_its_track_taught_it(
    track: str, good: str, bad: str, message: str, tiny_task: Path, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    outcome = kept_on(track, tiny_task, tmp_path_factory)
    model = kept_folder(outcome.cells[0].path)
    for name, text in (("good", good), ("bad", bad)):
        (tmp_path / f"{name}.toml").write_text(f"seconds = 1.0\n{text}", encoding="utf-8")
    made = make(model, tmp_path / "good.toml", "rest")
    assert made.motion.root_positions.shape[1] == 30
    assert (made.path is not None) == (track == "control")
    arguments = ["--objectives", str(tmp_path / "bad.toml"), "--history", "rest", "-o", str(tmp_path / "x.bvh")]
    assert message in fails([str(model), *arguments], capsys)
