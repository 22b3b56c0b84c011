"""Built-in reaching: targets are reached, limits kept, feet planted; a hand sees its current target only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rae_bench.data.corpus import Corpus
from rae_bench.data.reach import generate, generate_reach, load_reach
from rae_bench.data.reach.plan import HOLD, HUMAN, MAX_ACCELERATION, MAX_SPEED, TOLERANCE, choose
from rae_bench.errors import UserError
from rae_bench.kinematics import limit_angles
from rae_bench.objectives import TARGET, objectives_of
from rae_bench.protocol.domains import Side
from rae_bench.protocol.task import load_task
from rae_bench.rig import load_rig

_MADE: dict[str, Corpus] = {}


@pytest.fixture(params=("r1", "r2", "r3", "r4", "r5", "hexapod", "arm"))
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """A clip of every spawn point, made once."""
    if request.param not in _MADE:
        _MADE[request.param] = generate_reach(load_rig(request.param), clips=40)
    return _MADE[request.param]


def test_targets_are_reached_and_held(corpus: Corpus) -> None:
    motion, targets = corpus.motion, corpus.targets
    assert targets is not None
    assert (targets.slots >= 0).sum() > 80
    for clip, event in zip(*np.nonzero(targets.slots >= 0), strict=True):
        joint, last = motion.rig.key_joints[targets.slots[clip, event]], targets.arrivals[clip, event]
        path = motion.positions[clip, last - HOLD + 1 : last + 1, joint]
        off = np.linalg.norm(path - targets.positions[clip, event], axis=-1)
        assert off.max() < TOLERANCE * motion.rig.height / HUMAN


def test_hands_keep_their_speed_and_acceleration(corpus: Corpus) -> None:
    rig, scale = corpus.motion.rig, corpus.motion.rig.height / HUMAN
    hands = corpus.motion.positions[:, :, [j for role, j in rig.roles.items() if "hand" in role]].astype(np.float64)
    speed = np.linalg.norm(np.diff(hands, axis=1), axis=-1) * 60
    assert speed.max() < MAX_SPEED * scale
    acceleration = np.linalg.norm(np.diff(hands, 2, axis=1), axis=-1) * 3600
    assert acceleration.max() < MAX_ACCELERATION * scale * 1.02


def test_feet_do_not_slide(corpus: Corpus) -> None:
    motion = corpus.motion
    feet = motion.positions[:, :, motion.rig.contact_joints].astype(np.float64)
    speed = np.linalg.norm(np.diff(feet, axis=1), axis=-1) * 60
    assert (speed * motion.contacts[:, 1:]).max(initial=0) < 0.01


def test_limits_are_kept(corpus: Corpus) -> None:
    rig = corpus.motion.rig
    angles = limit_angles(corpus.motion.rotations.astype(np.float64), rig)
    over = np.maximum(angles - rig.limits[..., 1], rig.limits[..., 0] - angles)
    assert over.max() < 1e-3


def test_four_legs_do_not_reach_yet() -> None:
    with pytest.raises(UserError, match="stands on four legs"):
        generate_reach(load_rig("quad"), clips=2)


def test_only_the_current_target_is_shown(corpus: Corpus) -> None:
    targets = corpus.targets
    assert targets is not None
    made = objectives_of(corpus.motion, targets)
    for clip, event in zip(*np.nonzero(targets.slots >= 0), strict=True):
        rows = slice(targets.starts[clip, event], targets.arrivals[clip, event])
        slot = targets.slots[clip, event]
        assert (made.kinds[clip, rows] == TARGET).sum(1).tolist() == [1] * (rows.stop - rows.start)
        assert (made.positions[clip, rows, slot] == targets.positions[clip, event]).all()


def test_variants_groups_and_seeds() -> None:
    assert len({v.name for v in choose(960)}) == 960
    assert len({v.group for v in choose(240)}) == 40
    rig = load_rig("r4")
    one, same, other = (generate_reach(rig, clips=8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.motion.rotations, same.motion.rotations)
    assert np.abs(one.motion.rotations - other.motion.rotations).max() > 0.1


def test_cache_keeps_the_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    made = load_reach(load_rig("arm"), clips=4)
    monkeypatch.setattr(generate, "generate_reach", None)
    kept = load_reach(load_rig("arm"), clips=4)
    assert kept.targets is not None
    assert made.targets is not None
    for name, array in made.targets.arrays().items():
        np.testing.assert_array_equal(kept.targets.arrays()[name], array)


def test_a_task_shows_targets_after_the_history(corpus: Corpus) -> None:
    side = Side(corpus, load_task("reach-biped2monster").protocol)
    exam = side.examination(side.split.test)
    assert (side.domain(side.split.train).objectives.kinds == TARGET).any()
    assert (exam.objectives.kinds[:, 0] == TARGET).any(1).all()
    assert exam.prompt.history.root_positions.shape[1] == 30
