"""Sides of a task on another rig: the regime `retarget` learns the source's motion there."""

from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_model import side

from rae_bench.data import retarget as own
from rae_bench.data.retarget import retarget
from rae_bench.harness.identity import identity, pretraining_changes
from rae_bench.model.api import Budget
from rae_bench.objectives.tracks import KEYFRAMES, LIMBS, TRACKS
from rae_bench.rigs.file import load_rig
from rae_bench.task.cells import Cell, budget_of
from rae_bench.task.reading import task_from_table
from rae_bench.task.sides import Side, load_side
from rae_bench.task.task import Protocol

TABLE = {"source": {"kind": "builtin", "rig": "r4"}, "target": {"kind": "builtin", "rig": "quad"}}


@pytest.fixture(scope="module")
def source() -> Side:
    return side("r4")


def test_a_side_on_another_rig_has_the_same_folds(source: Side) -> None:
    rig = load_rig("quad")
    there = source.on(rig)
    assert there is source.on(rig)
    assert there.corpus.motion.rig is rig or there.corpus.motion.rig.content_hash == rig.content_hash
    assert there.corpus.name == "r4-locomotion-on-quad"
    for seed in range(5):
        for part in ("train", "test"):
            assert there.hash_of(getattr(there.split(seed), part)) == source.hash_of(getattr(source.split(seed), part))
    np.testing.assert_array_equal(there.corpus.motion.rotations, retarget(source.corpus.motion, rig).rotations)
    assert there.corpus.identity == source.identity_on(rig) != source.identity_on(load_rig("r2"))
    assert source.identity_on(None) == source.corpus.identity


def test_what_is_on_another_rig_is_kept_on_disk(
    source: Side, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = source.on(load_rig("quad"))
    assert list((home_folder / "generated").glob(f"r4-locomotion-on-quad-{first.corpus.identity[:16]}"))
    monkeypatch.setattr(own, "retarget", None)
    again = source.bare().on(load_rig("quad"))
    assert again is not first
    np.testing.assert_array_equal(again.corpus.motion.rotations, first.corpus.motion.rotations)


def test_a_part_of_a_corpus_is_another_one_on_a_rig(source: Side) -> None:
    """A task that takes some actions alone must not find what another task made of all."""
    some = Side(source.corpus[range(6)], source.protocol)
    assert some.corpus.identity == source.corpus.identity
    assert some.identity_on(load_rig("quad")) != source.identity_on(load_rig("quad"))


def test_results_know_the_version_of_retargeting(source: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    task, target = task_from_table("t", TABLE, "t.toml"), side("quad")

    def of(regime: str) -> dict[str, object]:
        return identity(None, {}, task, [source], target, Cell("m", {}, regime, 0.2, 0))

    before = of("retarget"), of("finetune")
    assert before[0] != before[1]
    assert pretraining_changes(before[0], before[1]) == ["data"]
    monkeypatch.setattr(own, "RETARGET_VERSION", own.RETARGET_VERSION + 1)
    assert of("finetune") == before[1]
    assert pretraining_changes(before[0], of("retarget")) == ["data"]


def test_without_target_data_nothing_trains() -> None:
    protocol = task_from_table("t", TABLE, "t.toml").protocol
    assert budget_of("retarget", 0.0, protocol) == Budget(0, 0)
    assert budget_of("retarget", 0.05, protocol) == budget_of("finetune", 0.05, protocol)
    assert budget_of("retarget", 0.05, protocol).updates == protocol.adapt_updates


def test_limbs_leaves_out_what_asks_nothing_of_a_limb() -> None:
    table = {"kind": "builtin", "rig": "r4", "clips": 140}
    kept = {track: load_side(table, Protocol(track=track)) for track in TRACKS}
    still = {"idle", "sit", "lie"}
    assert still & set(kept[KEYFRAMES].actions)
    assert not still & set(kept[LIMBS].actions)
    assert set(kept[KEYFRAMES].actions) - still == set(kept[LIMBS].actions)
    published = load_side(table, Protocol(mode="paper"))
    assert published.ids == kept[KEYFRAMES].ids
