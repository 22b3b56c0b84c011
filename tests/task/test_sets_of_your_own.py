"""100STYLE, CMU and AMASS: the documented commands and the tasks, on made-up folders of the same layout.

The real sets are not part of the project. `helpers.public_sets` says which of their conventions the folders have.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import public_sets
from helpers.places import DOCS

from rae_bench.cli.data import data
from rae_bench.cli.show import show
from rae_bench.data.corpus import Corpus
from rae_bench.data.store import load_domain
from rae_bench.errors import UserError
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, load_side

WRITERS = {
    "100style2dog": public_sets.hundred_style,
    "cmu2dog": public_sets.cmu,
    "amass2dog": public_sets.amass,
}
GROUPS = {
    "100style2dog": {"Aeroplane", "Akimbo", "Angry", "Old", "Zombie"},
    "cmu2dog": {f"091/91_{n:02d}" for n in range(1, 7)},
    "amass2dog": {"ACCAD/Male1Walking_c3d", "ACCAD/Female1Running_c3d", "CMU/01", "CMU/02", "KIT/3"},
}
ACTIONS = {"100style2dog": set(public_sets.ACTIONS), "cmu2dog": {"run", "walk"}, "amass2dog": {"run", "walk"}}


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `--data` with a made-up copy of each set."""
    root = tmp_path_factory.mktemp("sets")
    for name, write in WRITERS.items():
        write(root / load_task(name).source["folder"])
    return root


def _command(name: str) -> list[str]:
    """The import command that docs/guides/importing.md gives for a domain."""
    text = (DOCS / "guides" / "importing.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(rf"^rae-bench data import \S+ --name {name} .*$", text, re.MULTILINE)
    return shlex.split(line)[4:]


def _imported(folder: Path, options: list[str]) -> dict[str, object]:
    result = CliRunner().invoke(data, ["import", str(folder), *options, "--json"])
    assert result.exit_code == 0, result.exception
    report: dict[str, object] = json.loads(result.stdout)
    return report


@pytest.mark.parametrize("task", WRITERS)
def test_the_documented_command_makes_the_domain_of_the_task(
    task: str, copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    source = load_task(task).source
    report = _imported(copies / source["folder"], _command(source["name"]))
    protocol = load_task(f"{task}-keyframes").protocol
    by_command, by_task = load_domain(source["name"]), load_side(source, protocol, copies)
    assert set(by_command.groups) == GROUPS[task]
    assert set(by_command.actions) == ACTIONS[task]
    for key in ("ids", "groups", "actions"):
        assert getattr(by_command, key) == getattr(by_task, key)
    np.testing.assert_allclose(by_command.motion.positions, by_task.motion.positions, atol=1e-5)
    assert by_command.motion.rig.roles.keys() == by_task.motion.rig.roles.keys()
    np.testing.assert_array_equal(by_command.motion.rig.contact_joints, by_task.motion.rig.contact_joints)
    assert 0.85 < float(str(report["pelvis_height"])) < 1.0


@pytest.mark.parametrize("track", ["-keyframes", "-control"])  # the made-up takes hardly step
@pytest.mark.parametrize("task", WRITERS)
def test_the_task_plans_on_the_takes_that_are_there(task: str, track: str, copies: Path) -> None:
    protocol = load_task(task + track).protocol
    corpus = load_side(load_task(task).source, protocol, copies)
    corpus.motion.rig.require_roles(protocol.roles, task)
    side = Side(corpus, protocol)
    assert not side.folds.blocks
    held_out = [{corpus.groups[i] for i in side.split(seed).test} for seed in range(5)]
    assert all(held_out)
    for seed, groups in enumerate(held_out):
        assert groups.isdisjoint({corpus.groups[i] for i in side.split(seed).train})
    if task == "100style2dog":
        assert set(corpus.actions) == ({"FR", "FW"} if track == "-control" else set(public_sets.ACTIONS))


def _first_hands(corpus: Corpus) -> np.ndarray:
    """How far the left hand is below the head in the first frame of each segment, metres."""
    rig, positions = corpus.motion.rig, corpus.motion.positions[:, 0]
    return np.asarray(positions[:, rig.roles["head"], 1] - positions[:, rig.roles["left_hand"], 1])


@pytest.mark.parametrize(("task", "key"), [("100style2dog", "frame_cuts"), ("cmu2dog", "skip_frames")])
def test_no_take_begins_in_a_t_pose(task: str, key: str, copies: Path) -> None:
    source, protocol = load_task(task).source, load_task(f"{task}-keyframes").protocol
    with_poses = load_side({k: v for k, v in source.items() if k != key}, protocol, copies)
    without = load_side(source, protocol, copies)
    first = [each.endswith("#0") for each in with_poses.ids]
    assert np.ptp(_first_hands(with_poses)[first]) < 1e-4  # arms to the sides in every take
    assert (_first_hands(without) > _first_hands(with_poses)[first].max() + 0.05).all()


def test_what_the_import_of_100style_says(copies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    result = CliRunner().invoke(data, ["import", str(copies / "human_100style"), *_command("100style")])
    for words in ("recorded at 60 fps", "20 in 5 groups", "first and last frames of 20 files, by Frame_Cuts.csv\n"):
        assert words in result.output
    whole = load_domain("100style").motion
    _imported(copies / "human_100style", [word for word in _command("100style") if word != "--median-bones"])
    np.testing.assert_array_equal(whole.positions, load_domain("100style").motion.positions)  # its bones are the same
    some = _imported(copies / "human_100style", [*_command("100style"), "--include", "A*/*.bvh"])
    assert some["groups"] == 3
    task = load_task("100style2dog")
    warnings = load_side(task.source, task.protocol, copies).provenance["warnings"]
    assert "the set is not whole: 20 of its 810 files are in the folder human_100style" in warnings


def test_subjects_of_cmu_have_skeletons_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "cmu-mocap"
    for subject, size in ((16, 1.0), (35, 1.02), (91, 1.3)):
        public_sets.cmu(folder, subject, takes=2, size=size)
    options = [word for word in _command("cmu91") if word not in ("--group-by", "file")]
    result = CliRunner().invoke(data, ["import", str(folder), *options])
    assert isinstance(result.exception, UserError)
    assert "--per-skeleton" in str(result.exception)
    result = CliRunner().invoke(data, ["import", str(folder), *options, "--per-skeleton", "--json"])
    assert [each["name"] for each in json.loads(result.stdout)] == ["cmu91-1", "cmu91-2", "cmu91-3"]
    near = _imported(folder, [*options, "--median-bones", "--include", "016/*.bvh", "--include", "035/*.bvh"])
    assert near["groups"] == 2
    assert set(load_domain("cmu91").groups) == {"016", "035"}


def test_the_recipe_of_cmu_reads_a_real_file(recordings: Path) -> None:
    task = load_task("cmu2dog")
    corpus = load_side({**task.source, "folder": "human_cmu", "include": ["02_01.bvh"]}, task.protocol, recordings)
    assert set(corpus.actions) == {"walk"}
    assert corpus.provenance["recorded_fps"] == [120.0]
    assert corpus.motion.positions[0, 0, corpus.motion.rig.roles["pelvis"], 1] == pytest.approx(1.0, abs=0.07)


def test_folds_of_both_sides(copies: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`show task --folds`, step 4 of the recipes."""
    for folder in (copies / "human_cmu91", recordings / "dog_full"):
        (tmp_path / folder.name).symlink_to(folder, target_is_directory=True)
    result = CliRunner().invoke(show, ["task", "cmu2dog", "--folds", "--data", str(tmp_path)])
    assert result.exit_code == 0, result.exception
    assert re.search(r"source cmu91 .*\ntakes( +\d+){5} +6\ngroups( +\d+){5} +6\n", result.output)
    assert re.search(r"target dog .*\ntakes( +\d+){5} +37\n", result.output)
