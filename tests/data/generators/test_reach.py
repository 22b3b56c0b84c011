"""Built-in reaching: targets are reached, limits kept, feet planted; a hand sees its current target only."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.reach import reach
from rae_bench.data.generators.reach.limbs import read_reacher
from rae_bench.data.generators.reach.reach import generate_reach, load_reach
from rae_bench.data.generators.reach.solve_keys import reach_keys, standing_pose
from rae_bench.data.generators.reach.targets import choose_variants, spawn_places
from rae_bench.errors import UserError
from rae_bench.kinematics.inverse import limit_angles
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import TARGET
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import make_rig
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side

RIGS = ("r1", "r2", "r3", "r4", "r5", "quad", "hexapod", "arm")
MAN = 1.75  # metres; the thesis' lengths, speed and acceleration hold for a man


@cache
def _made(name: str) -> Corpus:
    """A clip of every spawn point, made once."""
    return generate_reach(load_rig(name), clips=40)


@pytest.fixture(params=RIGS)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return _made(request.param)


def _all_targets_are_reached(corpus: Corpus) -> None:
    motion, targets = corpus.motion, corpus.targets
    assert targets is not None
    # One target is followed by the rest position, so that there are never fewer than two; free hands have one each.
    planned = np.array([max(2, int(action.removeprefix("reach-"))) for action in corpus.actions])
    each = 2 if motion.rig.name.startswith("r") else 1
    np.testing.assert_array_equal((targets.slots >= 0).sum(1), each * planned)
    for clip, event in zip(*np.nonzero(targets.slots >= 0), strict=True):
        joint, last = motion.rig.key_joints[targets.slots[clip, event]], targets.arrivals[clip, event]
        assert 30 < last < 300
        path = motion.positions[clip, last - 4 : last + 1, joint]
        assert np.linalg.norm(path - targets.positions[clip, event], axis=-1).max() < 0.1 * motion.rig.height / MAN


def _hands_keep_to_their_limits(corpus: Corpus) -> None:
    rig, scale = corpus.motion.rig, corpus.motion.rig.height / MAN
    hands = corpus.motion.positions[:, :, [j for role, j in rig.roles.items() if "hand" in role]].astype(np.float64)
    assert np.linalg.norm(np.diff(hands, axis=1), axis=-1).max() * 60 < 5 * scale
    assert np.linalg.norm(np.diff(hands, 2, axis=1), axis=-1).max() * 3600 < 5 * scale


def _feet_stay(corpus: Corpus) -> None:
    motion = corpus.motion
    if not len(motion.rig.contact_joints):
        return
    feet = motion.positions[:, :, motion.rig.contact_joints].astype(np.float64)
    speed = np.linalg.norm(np.diff(feet, axis=1), axis=-1) * 60
    assert (speed * motion.contacts[:, 1:]).max() < 0.01
    off = np.linalg.norm(feet - motion.rig.rest_global[0][motion.rig.contact_joints], axis=-1)
    assert (off * motion.contacts).max() < 1e-3
    assert motion.contacts.sum(-1).min() >= len(motion.rig.contact_joints) - 1
    assert motion.positions[..., 1].min() > -1e-4


def _limits_are_kept(corpus: Corpus) -> None:
    rig = corpus.motion.rig
    angles = limit_angles(corpus.motion.rotations.astype(np.float64), rig)[..., 1:, :]
    over = np.maximum(angles - rig.limits[1:, :, 1], rig.limits[1:, :, 0] - angles)
    assert over.max() < 1e-3


def test_all_targets_are_reached_and_held(corpus: Corpus) -> None:
    _all_targets_are_reached(corpus)


def test_hands_keep_their_speed_and_acceleration(corpus: Corpus) -> None:
    _hands_keep_to_their_limits(corpus)


def test_feet_stay_where_they_stand_and_nothing_is_under_the_ground(corpus: Corpus) -> None:
    _feet_stay(corpus)


def test_limits_are_kept(corpus: Corpus) -> None:
    _limits_are_kept(corpus)


@pytest.mark.parametrize("name", ["r1", "quad", "arm"])
def test_rounding_does_not_decide_between_poses(name: str) -> None:
    """Targets all over the cylinder, of free hands on their own sides, and 1e-11 m beside."""
    reacher = read_reacher(load_rig(name))
    stand, crew = standing_pose(reacher), reacher.limbs if reacher.free_hands else reacher.limbs[:1]
    radius, level, point = (np.ravel(index) for index in np.indices((2, 5, 5 if reacher.free_hands else 8)))
    places = [
        spawn_places(radius, (level + 2 * i) % 5, point * (1, -1)[i], reacher.scale) + limb.foot_of_cylinder
        for i, limb in enumerate(crew)
    ]
    targets = np.stack(places, 1)
    beside = targets + 1e-11 * np.random.default_rng(0).normal(size=targets.shape)
    one, other = (reach_keys(reacher, crew, stand, at, None, at[:, 0]) for at in (targets, beside))
    np.testing.assert_allclose(one.angles, other.angles, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGS)
def test_a_thousand_clips(name: str) -> None:
    corpus = generate_reach(load_rig(name), clips=1000, seed=1)
    assert len(set(corpus.ids)) == 1000
    for check in (_all_targets_are_reached, _hands_keep_to_their_limits, _feet_stay, _limits_are_kept):
        check(corpus)


def test_on_three_legs_the_body_is_over_them() -> None:
    """The middle between pelvis and withers lies inside the triangle of the paws that stand, seen from above."""
    motion = _made("quad").motion
    withers = motion.rig.joint_names.index("withers")
    middle = motion.positions[:, :, [0, withers]].mean(2)[..., [0, 2]]
    clips, frames = np.nonzero((~motion.contacts).sum(-1) == 1)
    assert len(clips) > 40 * 60
    down = motion.contacts[clips, frames]
    paws = motion.positions[clips, frames][:, motion.rig.contact_joints][..., [0, 2]][down].reshape(-1, 3, 2)
    edges, to_middle = np.roll(paws, -1, 1) - paws, middle[clips, frames][:, None] - paws
    turn = edges[..., 0] * to_middle[..., 1] - edges[..., 1] * to_middle[..., 0]
    distance = np.abs(turn / np.linalg.norm(edges, axis=-1)).min(1)
    assert (np.abs(np.sign(turn).sum(1)) == 3).all()
    assert distance.min() > 0.01


def test_free_hands_reach_at_once_and_each_for_its_own() -> None:
    targets = _made("r1").targets
    assert targets is not None
    pairs = targets.slots.reshape(40, 3, 2)
    assert set(np.unique(pairs[..., 0])) <= {-1, 2}  # role slots of left and right hand
    assert set(np.unique(pairs[..., 1])) <= {-1, 3}
    arrivals, positions = targets.arrivals.reshape(40, 3, 2), targets.positions.reshape(40, 3, 2, 3)
    np.testing.assert_array_equal(arrivals[..., 0], arrivals[..., 1])
    both = pairs[..., 0] >= 0
    assert np.linalg.norm(positions[..., 0, :] - positions[..., 1, :], axis=-1)[both].min() > 0.05


def test_a_clip_short_of_time_gets_nearer_targets_and_a_cut_one_fewer() -> None:
    rig = load_rig("arm")
    whole, short = generate_reach(rig, clips=240).targets, generate_reach(rig, clips=240, seconds=3.0).targets
    assert whole is not None
    assert short is not None
    assert 0 < whole.respawned.sum() < short.respawned.sum()
    assert short.arrivals.max() < 180
    assert (short.slots >= 0).sum() <= (whole.slots >= 0).sum()


def test_only_the_current_target_is_shown(corpus: Corpus) -> None:
    targets = corpus.targets
    assert targets is not None
    made = keyframe_objectives(corpus.motion, targets)
    for clip, event in zip(*np.nonzero(targets.slots >= 0), strict=True):
        rows = slice(targets.starts[clip, event], targets.arrivals[clip, event])
        slot = targets.slots[clip, event]
        assert (made.kinds[clip, rows, slot] == TARGET).all()
        assert (made.arrivals[clip, rows, slot] == rows.stop).all()
        assert (made.positions[clip, rows, slot] == targets.positions[clip, event]).all()


def test_variants_groups_and_seeds() -> None:
    assert len({v.name for v in choose_variants(960)}) == 960
    assert len({v.group for v in choose_variants(240)}) == 40
    rig = load_rig("r4")
    one, same, other = (generate_reach(rig, clips=8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.motion.rotations, same.motion.rotations)
    assert np.abs(one.motion.rotations - other.motion.rotations).max() > 0.1


def test_cache_keeps_the_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    made = load_reach(load_rig("arm"), clips=4)
    monkeypatch.setattr(reach, "generate_reach", None)
    kept = load_reach(load_rig("arm"), clips=4)
    assert kept.targets is not None
    assert made.targets is not None
    for name, array in made.targets.arrays().items():
        np.testing.assert_array_equal(kept.targets.arrays()[name], array)


def test_a_rig_without_hands_is_refused() -> None:
    joints = [("hips", None, [0, 0, 0]), ("head", "hips", [0, 0.5, 0])]
    rig = make_rig("post", joints, {"pelvis": "hips", "head": "head"})
    with pytest.raises(UserError, match="rig 'post' cannot reach: it has no joint for role left_hand or right_hand"):
        generate_reach(rig)


def test_tasks_name_what_they_compare() -> None:
    for name, target in (("reach-biped2monster", "r2"), ("reach-biped2quad", "quad")):
        task = load_task(name)
        assert (task.source["rig"], task.target["rig"]) == ("r1", target)
        assert (task.protocol.fractions, task.protocol.default_fraction) == ((0.05, 0.2), 0.2)


def test_a_task_shows_targets_after_the_history(corpus: Corpus) -> None:
    side = Side(corpus, load_task("reach-biped2quad").protocol)
    exam = side.held_out_clips(side.split(0).test)
    assert (side.domain(side.split(0).train).objectives.kinds == TARGET).any()
    assert (exam.objectives.kinds[:, 0] == TARGET).any(1).all()
    assert exam.prompt.history.root_positions.shape[1] == 30
