"""Task files."""

from pathlib import Path
from typing import Any

import pytest

from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.rules import TASKS
from rae_bench.model.regimes import REGIMES
from rae_bench.objectives.tracks import TRACKS
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import ROLES
from rae_bench.task.named import adhoc_task, builtin_tasks, load_task
from rae_bench.task.reading import task_from_table
from rae_bench.task.task import Protocol

TABLE = {
    "source": {"kind": "builtin", "rig": "r1"},
    "target": {"kind": "builtin", "rig": "quad"},
}


@pytest.mark.parametrize("name", sorted(builtin_tasks()))
def test_every_task_loads(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert task.title
    assert task.description.endswith(".")
    protocol = task.protocol
    assert set(protocol.roles) <= set(ROLES)
    assert all(0 < fraction < 1 for fraction in protocol.fractions)
    assert protocol.default_fraction in protocol.fractions
    assert protocol.history < protocol.seconds
    for side in (task.source, task.target):
        if side["kind"] == "builtin":
            load_rig(side["rig"]).require_roles(protocol.roles, name)


def test_builtin_tasks_are_named_once() -> None:
    assert {"biped2quad", "human2dog"} <= set(builtin_tasks())
    names: dict[str, list[str]] = {}
    for name in builtin_tasks():
        names.setdefault(load_task(name).content_hash, []).append(name)
    # The thesis' first task is our task of reaching; it has a name of its own for the study, and other fractions.
    assert [alike for alike in names.values() if len(alike) > 1] == [["reach-biped2monster", "thesis-r2"]]


def test_unknown_task() -> None:
    with pytest.raises(UserError, match="unknown task 'biped2quat'; did you mean biped2quad"):
        load_task("biped2quat")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


SIDES = """
[source]
kind = "builtin"
rig = "r1"
[target]
kind = "builtin"
rig = "quad"
"""


def test_a_file_is_a_task(tmp_path: Path) -> None:
    text = f'title = "Mine"\n{SIDES}\n[protocol]\nfractions = [0.1]\ndefault_fraction = 0.1\nroles = ["pelvis", "head"]'
    task = load_task(written(tmp_path, text))
    assert (task.name, task.title) == ("mine", "Mine")
    assert task.protocol.fractions == (0.1,)
    assert task.protocol.roles == ("pelvis", "head")
    assert task.protocol.fps == Protocol().fps


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"titel = 'x'\n{SIDES}", r"mine.toml: unknown key 'titel'; did you mean title\?"),
        (SIDES.replace('rig = "r1"', 'rigg = "r1"'), r"mine.toml: \[source\]: unknown key 'rigg'; did you mean rig\?"),
        (SIDES.replace("builtin", "buildin", 1), r"\[source\]: unknown kind 'buildin'; did you mean builtin\?"),
        (SIDES.replace('kind = "builtin"\n', "", 1), r"\[source\]: unknown kind"),
        (f"{SIDES}[protocol]\nfraction = [0.1]", r"\[protocol\]: unknown key 'fraction'; did you mean fractions"),
        ('[source]\nkind = "builtin"\nrig = "r1"', r"no table \[target\]"),
        ("source = 3", r"no table \[source\]"),
        ("title = ", "mine.toml: not a TOML file"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_task(written(tmp_path, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such task file"):
        load_task(tmp_path / "nothing.toml")


def test_the_hash_is_of_what_decides_results() -> None:
    task = task_from_table("a", TABLE, "here")
    renamed = task_from_table("b", {**TABLE, "title": "Other words"}, "here")
    assert task.content_hash == renamed.content_hash
    for changed in (
        {**TABLE, "target": {"kind": "builtin", "rig": "hexapod"}},
        {**TABLE, "budget": {"full_updates": 3201}},
        {**TABLE, "budget": {"frames_per_update": 127}},
    ):
        assert task_from_table("a", changed, "here").content_hash != task.content_hash
    # The other budget's updates decide nothing.
    assert task_from_table("a", {**TABLE, "budget": {"quick_updates": 7}}, "here").content_hash == task.content_hash


def test_a_task_has_two_budgets() -> None:
    task = task_from_table("a", {**TABLE, "budget": {"full_updates": 50, "quick_updates": 5}}, "here")
    quick = task.at("quick")
    assert (task.budget, task.folder, task.protocol.adapt_updates, task.protocol.pretrain_updates) == (
        "full", "a", 50, 100,
    )  # fmt: skip
    assert (quick.budget, quick.folder, quick.protocol.adapt_updates, quick.protocol.pretrain_updates) == (
        "quick", "a-quick", 5, 10,
    )  # fmt: skip
    assert quick.at("full") == task
    assert quick.name == task.name
    assert quick.content_hash != task.content_hash
    assert task_from_table("a", quick.table(), "again").at("quick") == quick
    # Equal numbers do not make equal cells: one of them is for the board.
    same = task_from_table("a", {**TABLE, "budget": {"full_updates": 5, "quick_updates": 5}}, "here")
    assert same.content_hash != same.at("quick").content_hash
    with pytest.raises(UserError, match="unknown budget 'ful'; did you mean full"):
        task.at("ful")


@pytest.mark.parametrize(
    ("name", "more", "complaint"),
    [
        ("a", {"budget": {"quick_updates": 4000}}, r"quick_updates = 4000 is more than full_updates = 3200"),
        ("a", {"budget": {"full_updates": 0}}, r"\[budget\]: full_updates = 0 needs to be a whole number above 0"),
        ("a", {"budget": {"updates": 3}}, r"\[budget\]: unknown key 'updates'"),
        ("a", {"protocol": {"full_updates": 3}}, r"\[protocol\]: unknown key 'full_updates'"),
        ("a", {"protocol": {"budget": "quick"}}, r"\[protocol\]: unknown key 'budget'"),
        ("a", {"protocol": {"adapt_updates": 3}}, r"adapt_updates is of benchmark version 1; now a table \[budget\]"),
        ("mine-quick", {}, "must not end in -quick"),
    ],
)
def test_wrong_budgets_are_refused(name: str, more: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        task_from_table(name, {**TABLE, **more}, "here")


def test_budgets_of_the_built_in_tasks() -> None:
    """All have the cap, but for those in the track `control` whose target has an hour or more."""
    for name in builtin_tasks():
        task = load_task(name)
        for p in (task.protocol, task.in_track("control").protocol):
            updates = 1600 if 0.01 in p.fractions and p.track == "control" and len(p.fractions) == 2 else 3200
            assert (p.full_updates, p.quick_updates, p.frames_per_update) == (updates, updates // 10, 128), p


def test_the_board_has_the_tasks_whose_files_rank_them() -> None:
    tasks = [load_task(name).in_track(track) for name in builtin_tasks() for track in TRACKS]
    assert {task.name for task in tasks if task.ranking and task.ranking.fractions} == set(TASKS)


def test_adhoc_task_of_two_rigs() -> None:
    task = adhoc_task("r4", "quad")
    assert task.name == "r4-to-quad"
    assert task.source["rig"] == "r4"
    with pytest.raises(UserError, match="unknown domain 'quat'; did you mean quad"):
        adhoc_task("r4", "quat")
    assert load_task("r4-to-quad") == task
    with pytest.raises(UserError, match="unknown task 'r4-to-quat'"):
        load_task("r4-to-quat")


def test_regimes_are_the_designs() -> None:
    assert list(REGIMES) == ["cold", "cold-long", "frozen", "finetune", "retarget", "zero-shot"]


def ranked(**ranking: Any) -> Any:
    return task_from_table("t", {**TABLE, "ranking": ranking}, "t.toml")


def test_a_task_says_at_which_fractions_it_is_ranked() -> None:
    task = ranked(fractions=[0.2, 0.05], headroom=[2.5, 2.1, 3])
    assert task.ranking.fractions == (0.05, 0.2)
    assert task.ranking.headroom == (2.5, 2.1, 3.0)
    plain = task_from_table("t", TABLE, "t.toml")
    assert plain.ranking is None
    assert task.content_hash == plain.content_hash  # a measurement does not make its own cells stale
    assert task_from_table("t", task.table(), "t.toml") == task
    assert task.in_track("control").ranking is None  # the other track has not been measured


@pytest.mark.parametrize(
    ("ranking", "words"),
    [
        ({"fractions": [0.3]}, "fractions = 0.3 is none of the fractions"),
        ({"fractions": [0.05], "headroom": [2.0]}, "headroom needs three numbers"),
        ({"fractions": [0.05], "headroom": [2.0, "a", 3]}, "list of numbers above 0"),
        ({}, "either the fractions at which it is ranked, or the reason"),
        ({"fractions": [0.05], "reason": "too little"}, "either the fractions"),
        ({"fractions": [0.05], "score": 1}, "score"),
    ],
)
def test_a_ranking_that_makes_no_sense_is_refused(ranking: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        ranked(**ranking)


def test_keyframes_and_demos_are_never_ranked() -> None:
    ranking = {"fractions": [0.05], "headroom": [2.5, 2.1, 3]}
    keyframes = {**TABLE, "protocol": {**TABLE.get("protocol", {}), "track": "keyframes"}}
    for table, word in ((keyframes, "keyframes"), ({**TABLE, "demo": True}, "a demo")):
        with pytest.raises(UserError, match=f"{word} is never ranked"):
            task_from_table("t", {**table, "ranking": ranking}, "t.toml")
        reason = {"reason": "close to in-betweening"}
        assert task_from_table("t", {**table, "ranking": reason}, "t.toml").ranking is not None


def test_what_differs_in_a_track_stands_in_a_table_of_its_name() -> None:
    own = {
        "title": "By a path",
        "protocol": {"fractions": [0.1, 0.2], "default_fraction": 0.1},
        "budget": {"full_updates": 1600},
        "ranking": {"fractions": [0.1], "headroom": [2.5, 2.1, 3.0]},
    }
    base = {**TABLE, "budget": {"quick_updates": 200}, "ranking": {"reason": "a control leads"}}
    task = task_from_table("t", {**base, "control": own}, "t.toml")
    control = task.in_track("control")
    assert (control.name, control.title, control.protocol.track) == ("t-control", "By a path", "control")
    assert control.protocol.fractions == (0.1, 0.2)
    assert (control.protocol.full_updates, control.protocol.quick_updates) == (1600, 200)
    assert control.ranking is not None
    assert control.ranking.fractions == (0.1,)
    assert (control.source, control.target) == (task.source, task.target)
    assert task.at("quick").in_track("control").budget == "quick"
    assert task_from_table("t-control", control.table(), "t").content_hash == control.content_hash
    assert task.protocol == task_from_table("t", base, "t.toml").protocol
    assert task.in_track("keyframes").ranking is None


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (7, r"t.toml: \[control\] needs to be a table"),
        ({"source": {}}, r"unknown key.*source"),
        ({"protocol": 3}, r"control.protocol = 3 needs to be a table"),
        ({"protocol": {"track": "keyframes"}}, "another track than that of the task"),
        ({"protocol": {"fractions": 1}}, r"\[control\]: \[protocol\]: fractions = 1"),
        ({"ranking": {"fractions": [0.3]}}, "fractions = 0.3 is none of the fractions"),
        ({"target": 3}, r"control.target = 3 needs to be a table"),
        ({"target": {"rig": "r1"}}, r"\[control.target\]: rig is the same in every track"),
        ({"target": {"clips": "many"}}, r"\[control\]: \[target\]: clips = 'many' needs to be a whole number"),
    ],
)
def test_a_table_of_a_track_that_makes_no_sense_is_refused(own: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        task_from_table("t", {**TABLE, "control": own}, "t.toml")


def test_a_table_of_the_tasks_own_track_is_refused() -> None:
    with pytest.raises(UserError, match="another track than that of the task"):
        task_from_table("t", {**TABLE, "limbs": {}}, "t.toml")


def test_the_target_may_have_more_motion_in_another_track() -> None:
    task = task_from_table("t", {**TABLE, "control": {"target": {"clips": 1000}}}, "t.toml")
    control = task.in_track("control")
    assert control.target == {**task.target, "clips": 1000}
    assert control.source == task.source
    assert "clips" not in task.target


def test_a_task_may_be_another_one_reversed(tmp_path: Path) -> None:
    there, back = load_task("human2dog"), load_task("dog2human")
    assert (back.source, back.target) == (there.target, there.source)
    assert back.name == "dog2human"
    assert task_from_table("dog2human", back.table(), "t").content_hash == back.content_hash
    for words, message in (
        ('reverse = "human2god"', "t.toml: reverse: unknown task 'human2god'"),
        ("reverse = 3", "unknown task '3'"),
        ('reverse = "dog2human"', "needs to be a task with one source of its own"),
        ('reverse = "leave-one-out-quad"', "needs to be a task with one source of its own"),
        ('reverse = "human2dog"\n[source]\nkind = "builtin"\nrig = "r1"', "either `reverse` or the tables"),
    ):
        (tmp_path / "t.toml").write_text(words)
        with pytest.raises(UserError, match=message):
            load_task(tmp_path / "t.toml")
