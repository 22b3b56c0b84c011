"""Built-in locomotion: planted feet, kept limits, calm knees, actions, cells, and the same motion every time."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.locomotion import locomotion
from rae_bench.data.generators.locomotion.actions import action_cells
from rae_bench.data.generators.locomotion.body import read_body
from rae_bench.data.generators.locomotion.curves import GRAVITY
from rae_bench.data.generators.locomotion.gaits import GAITS
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion, load_locomotion
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import limit_angles
from rae_bench.motion.root import heading_angle
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig, make_rig
from rae_bench.task.sides import load_side
from rae_bench.task.task import Protocol

NAMES = [name for name in builtin_rigs() if len(load_rig(name).contact_joints)]
GAIT_ACTIONS = {"walk", "run", "trot", "pace", "tripod", "start", "stop", "speed-change"}
IN_PLACE = {"idle", "jump", "sit", "lie"}
_MADE: dict[str, Corpus] = {}


def every_cell(name: str) -> Corpus:
    """A clip of every cell, made once."""
    if name not in _MADE:
        rig = load_rig(name)
        _MADE[name] = generate_locomotion(rig, clips=len(action_cells(len(rig.contact_joints))))
    return _MADE[name]


def clips_of(corpus: Corpus, *actions: str) -> list[int]:
    """Indices of the clips of some actions."""
    return [i for i, action in enumerate(corpus.actions) if action in actions]


def travel(corpus: Corpus) -> np.ndarray:
    """(N, T - 1, 2) velocity of the root to its left and ahead, m/s."""
    motion = corpus.motion
    velocity = np.diff(motion.root_positions[..., [0, 2]], axis=1) * motion.fps
    yaw = heading_angle(motion.positions, motion.global_rotations, motion.rig)[:, 1:]
    s, c = np.sin(yaw), np.cos(yaw)
    x, z = velocity[..., 0], velocity[..., 1]
    return np.stack([c * x - s * z, s * x + c * z], -1)


def turned(corpus: Corpus) -> np.ndarray:
    """(N, T) degrees of heading since the first frame."""
    motion = corpus.motion
    yaw = np.unwrap(heading_angle(motion.positions, motion.global_rotations, motion.rig), axis=1)
    return np.degrees(yaw - yaw[:, :1])


@pytest.fixture(params=NAMES)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return every_cell(request.param)


def _foot_speed(corpus: Corpus) -> np.ndarray:
    """(N, T - 1, C) horizontal backward differences of the contact joints, m/s."""
    motion = corpus.motion
    feet = motion.positions[:, :, motion.rig.contact_joints][..., [0, 2]]
    return np.linalg.norm(np.diff(feet, axis=1), axis=-1) * motion.fps


def test_planted_feet_do_not_slide(corpus: Corpus) -> None:
    contacts = corpus.motion.contacts[:, 1:] & corpus.motion.contacts[:, :-1]
    speed = _foot_speed(corpus)
    assert speed[contacts].max() < 0.002
    # and those that are not planted do move: the contacts are neither all nor none
    assert speed[~contacts].mean() > 0.3 * corpus.motion.rig.height
    assert 0.25 < contacts.mean() < 0.85


def test_feet_stand_on_the_ground_and_nothing_is_under_it(corpus: Corpus) -> None:
    motion = corpus.motion
    heights = motion.positions[:, :, motion.rig.contact_joints, 1]
    rest = motion.rig.rest_global[0][motion.rig.contact_joints, 1]
    assert np.abs((heights - rest)[motion.contacts]).max() < 1e-4
    assert motion.positions[..., 1].min() > -2e-3
    assert heights.max() > 0.05 * motion.rig.rest_global[0][0, 1]


def test_joint_limits_are_kept(corpus: Corpus) -> None:
    rig = corpus.motion.rig
    angles = limit_angles(corpus.motion.rotations.astype(np.float64), rig)
    over = np.maximum(angles - rig.limits[..., 1], rig.limits[..., 0] - angles).max((0, 1, 3))
    worst = int(over.argmax())
    assert over[worst] < 1e-3, f"{rig.joint_names[worst]} by {np.degrees(over[worst]):.1f} degrees"


def test_joints_do_not_snap(corpus: Corpus) -> None:
    motion = corpus.motion
    turns = quat.mul(quat.inverse(motion.rotations[:, :-1]), motion.rotations[:, 1:]).astype(np.float64)
    turns *= np.where(turns[..., :1] < 0, -1, 1)
    speed = 2 * turns[..., 1:] * motion.fps
    assert np.linalg.norm(speed, axis=-1).max() < 32
    # A runner's knee reaches some 500 rad/s^2; small legs step faster, with the root of their length.
    bound = 800 * 0.9 / read_body(motion.rig).leg_length
    assert np.linalg.norm(np.diff(speed, axis=1), axis=-1).max() * motion.fps < min(bound, 1200)


def test_accelerations_are_continuous(corpus: Corpus) -> None:
    """At four times the frame rate a curve changes its acceleration less from frame to frame; a jump stays a jump."""
    rig, steps = corpus.motion.rig, []
    for fps in (240.0, 960.0):
        motion = generate_locomotion(rig, clips=30, seconds=2.5, fps=fps).motion
        joints = np.diff(quat.continuous(motion.rotations.astype(np.float64), 1), 3, axis=1) * fps**2
        root = np.diff(motion.root_positions.astype(np.float64), 3, axis=1) * fps**2
        steps.append((np.abs(joints).max(), np.abs(root).max()))
    assert steps[1][0] < 0.7 * steps[0][0]
    assert steps[1][1] < max(0.7 * steps[0][1], 3.0)  # 32-bit positions cannot tell less than 3 m/s^2


def test_the_root_is_carried_smoothly(corpus: Corpus) -> None:
    motion = corpus.motion
    acceleration = np.diff(motion.root_positions.astype(np.float64), 2, axis=1) * motion.fps**2
    peak = np.linalg.norm(acceleration, axis=-1).max(1)
    jumps = clips_of(corpus, "jump")
    assert np.delete(peak, jumps).max() < 2.4 * GRAVITY
    assert peak[jumps].max() < 3 * GRAVITY


def test_the_whole_body_moves(corpus: Corpus) -> None:
    rig, rotations = corpus.motion.rig, corpus.motion.rotations
    moved = quat.angle(rotations[:, :1], rotations).max(1)  # (clip, joint)
    body = read_body(rig)
    for joint in (*body.trunk, *body.neck, *(j for leg in body.legs for j in (leg.hip, leg.knee))):
        assert moved[:, joint].min() > np.radians(0.1), rig.joint_names[joint]
    going = clips_of(corpus, *GAIT_ACTIONS - {"start", "stop"})
    for arm in body.arms:
        assert moved[going, arm.shoulder].min() > np.radians(5)
        assert moved[going, arm.elbow].min() > np.radians(1)


def test_the_body_stands_upright_and_faces_where_it_goes(corpus: Corpus) -> None:
    motion = corpus.motion
    height = motion.root_positions[..., 1].min(1) / motion.rig.rest_global[0][0, 1]
    up = [i for i, action in enumerate(corpus.actions) if action not in IN_PLACE]
    assert height[up].min() > 0.6
    assert min(height[i] for i in up if "/tall-" in corpus.groups[i]) > 0.65
    velocity = travel(corpus)[clips_of(corpus, *GAIT_ACTIONS)]
    speed = np.linalg.norm(velocity, axis=-1)
    off = np.arctan2(velocity[..., 0], velocity[..., 1])[speed > 0.5 * speed.max()]
    assert np.degrees(np.abs(off)).mean() < 12


def test_turns_starts_stops_and_changes_are_what_they_say(corpus: Corpus) -> None:
    bend = turned(corpus)[:, -10:].mean(1)
    speed = np.linalg.norm(travel(corpus), axis=-1)
    first, last = speed[:, :10].mean(1), speed[:, -10:].mean(1)
    still = 0.08 * np.sqrt(GRAVITY * read_body(corpus.motion.rig).leg_length)  # shifting its weight
    for i, (group, action) in enumerate(zip(corpus.groups, corpus.actions, strict=True)):
        if action not in GAIT_ACTIONS:
            continue
        turn = group.split("/")[2]
        if action not in ("start", "stop"):
            sign = 1 if "left" in turn else -1
            assert abs(bend[i]) < 35 if turn == "straight" else bend[i] * sign > 12, corpus.ids[i]
        if action == "start":
            assert first[i] < min(still, 0.4 * last[i]), corpus.ids[i]
        if action == "stop":
            assert last[i] < min(still, 0.4 * first[i]), corpus.ids[i]
        if action == "speed-change":
            assert (last[i] > 1.3 * first[i]) if "faster" in group else (first[i] > 1.3 * last[i]), corpus.ids[i]


def test_steps_back_aside_and_on_the_spot_are_what_they_say(corpus: Corpus) -> None:
    leg = read_body(corpus.motion.rig).leg_length
    gone = travel(corpus).mean(1) * (149 / 30) / leg  # leg lengths to the left and ahead
    bend = turned(corpus)[:, -5:].mean(1)
    for i in clips_of(corpus, "back"):
        assert -gone[i, 1] > max(0.8, abs(gone[i, 0]) / 0.35), corpus.ids[i]
    for i in clips_of(corpus, "side"):
        left = 1 if "/left/" in corpus.groups[i] else -1
        assert left * gone[i, 0] > max(0.3, abs(gone[i, 1]) / 0.35), corpus.ids[i]
    for i in clips_of(corpus, "turn"):
        left = 1 if "/left/" in corpus.groups[i] else -1
        assert left * bend[i] > 60, corpus.ids[i]
        root = corpus.motion.root_positions[i, :, [0, 2]].T
        middle = (root.max(0) + root.min(0)) / 2
        assert np.linalg.norm(root - middle, axis=-1).max() < 0.75 * leg, corpus.ids[i]  # a quadruped's hip swings
    for action in ("back", "side", "turn"):
        assert len(clips_of(corpus, action)) == 8


def test_standing_sitting_and_jumping_are_what_they_say(corpus: Corpus) -> None:
    motion, leg = corpus.motion, read_body(corpus.motion.rig).leg_length
    root, feet = motion.root_positions, motion.positions[:, :, motion.rig.contact_joints]
    shift = np.linalg.norm(root - root[:, :1], axis=-1).max(1) / leg
    for i in clips_of(corpus, "idle", "sit", "lie"):
        assert np.ptp(feet[i], axis=0).max() < 1e-4, corpus.ids[i]
        assert motion.contacts[i].all()
    for i in clips_of(corpus, "idle"):
        assert 0.005 < shift[i] < 0.25, corpus.ids[i]
    for i in clips_of(corpus, "sit", "lie"):
        low, start, end = root[i, :, 1].min(), root[i, :5, 1].mean(), root[i, -5:, 1].mean()
        order = corpus.groups[i].split("/")[1]
        assert (start - low > 0.25 * leg) == (order != "up"), corpus.ids[i]
        assert (end - low > 0.25 * leg) == (order != "down"), corpus.ids[i]
    airborne = ~motion.contacts.any(-1)
    falls = np.diff(root[..., 1].astype(np.float64), 2, axis=1) * motion.fps**2
    for i in clips_of(corpus, "jump"):
        assert (np.diff(airborne[i].astype(int)) == 1).any(), corpus.ids[i]
        flight = airborne[i, :-2] & airborne[i, 1:-1] & airborne[i, 2:]
        # A dog's legs do not reach as far back as a leap takes it: they hold its body down a little.
        off = 1.3 if len(motion.rig.contact_joints) == 4 else 0.5
        assert np.median(falls[i][flight]) == pytest.approx(-GRAVITY, abs=off), corpus.ids[i]
        ahead = travel(corpus)[i, :, 1].sum() / 30 / leg
        assert ahead > 0.25 if "/forward/" in corpus.groups[i] else abs(ahead) < 0.1, corpus.ids[i]


def test_gaits_have_their_footfalls() -> None:
    def together(name: str, gait: str, a: str, b: str) -> float:
        corpus = every_cell(name)
        rig = corpus.motion.rig
        slots = [int(np.flatnonzero(rig.key_joints == rig.roles[role])[0]) for role in (a, b)]
        columns = [int(np.flatnonzero(rig.contact_slots == slot)[0]) for slot in slots]
        clips = [i for i, action in enumerate(corpus.actions) if action == gait]
        on = corpus.motion.contacts[clips]
        return float((on[..., columns[0]] == on[..., columns[1]]).mean())

    assert together("quad", "trot", "left_foot", "right_hand") > 0.95
    assert together("quad", "trot", "left_foot", "left_hand") < 0.4
    assert together("quad", "pace", "left_foot", "left_hand") > 0.85
    assert together("quad", "pace", "left_foot", "right_hand") < 0.4
    assert together("hexapod", "tripod", "left_foot", "right_mid") > 0.95
    assert together("hexapod", "tripod", "left_foot", "left_mid") < 0.4


def test_walking_keeps_a_foot_down_and_running_leaves_the_ground() -> None:
    corpus = every_cell("r1")
    airborne = ~corpus.motion.contacts.any(-1)
    gait = np.array(corpus.actions)
    assert not airborne[gait == "walk"].any()
    assert airborne[gait == "run"].mean() > 0.2


def test_dog_knees_point_forward_and_hocks_back() -> None:
    corpus = every_cell("quad")
    motion, rig = corpus.motion, corpus.motion.rig
    local = motion.root.points_in(motion.positions)
    hip, knee, hock, paw = (local[..., rig.index(n), :] for n in ("femur_l", "tibia_l", "hock_l", "hind_paw_l"))

    def ahead(joint: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        share = (above[..., 1] - joint[..., 1]) / (above[..., 1] - below[..., 1])
        return joint[..., 2] - (above[..., 2] + share * (below[..., 2] - above[..., 2]))

    assert ahead(knee, hip, hock).min() > 0.02
    assert (ahead(hock, knee, paw) < -0.02).mean() > 0.9


def test_groups_actions_and_ids() -> None:
    tables = {legs: action_cells(legs) for legs in GAITS}
    for cells in tables.values():
        assert len({cell.group for cell in cells}) == len(cells) >= 100
    corpus = generate_locomotion(load_rig("r4"))
    assert len(corpus.motion) == 240
    assert set(Counter(corpus.groups).values()) == {1, 2}
    assert len(set(corpus.ids)) == 240
    assert {"walk", "run", "back", "side", "turn", "idle", "jump", "sit"} < set(corpus.actions)
    assert set(corpus.groups) == {cell.group for cell in tables[2]} <= set(corpus.combinations)
    assert all(re.fullmatch(r"[a-z-]+/[a-z-]+/[a-z-]+/(tall|low)-(short|long)-(calm|lively)", g) for g in corpus.groups)
    assert corpus.motion.rotations.shape == (240, 150, 24, 4)
    assert corpus.motion.rotations.dtype == np.float32


def test_cells_are_alike_on_all_rigs() -> None:
    """What two bodies can both do has the same speeds, turns and styles on both."""
    names = {legs: {cell.group for cell in action_cells(legs)} for legs in GAITS}
    for a, b in pairwise(GAITS):
        families = [{name.partition("/")[0] for name in names[legs]} for legs in (a, b)]
        shared = families[0] & families[1]
        assert {"walk", "idle", "jump", "turn", "side", "back"} <= shared
        of = [{name for name in names[legs] if name.partition("/")[0] in shared - {"sit", "lie"}} for legs in (a, b)]
        assert of[1] <= of[0]  # some second gaits have fewer turns


def test_few_clips_hold_many_actions() -> None:
    for name, clips, least in (("r1", 24, 8), ("quad", 24, 8), ("hexapod", 12, 6)):
        corpus = generate_locomotion(load_rig(name), clips=clips, seconds=0.5)
        assert len(set(corpus.actions)) >= least
        assert len(set(corpus.groups)) == clips


def test_clips_of_a_group_differ() -> None:
    count = 2 * len(action_cells(2))
    corpus = generate_locomotion(load_rig("r4"), clips=count)
    for i in range(0, count, 2):
        assert corpus.groups[i] == corpus.groups[i + 1]
        assert quat.angle(corpus.motion.rotations[i], corpus.motion.rotations[i + 1]).mean() > np.radians(1)


def test_same_seed_same_motion_other_seed_or_rig_other_motion() -> None:
    rig = load_rig("r3")
    one, two = (generate_locomotion(rig, clips=12, seconds=2) for _ in range(2))
    np.testing.assert_array_equal(one.motion.rotations, two.motion.rotations)
    np.testing.assert_array_equal(one.motion.root_positions, two.motion.root_positions)
    assert one.identity == two.identity
    other = generate_locomotion(rig, clips=12, seconds=2, seed=1)
    assert other.identity != one.identity
    assert quat.angle(other.motion.rotations, one.motion.rotations).max() > 0.1
    assert generate_locomotion(load_rig("r5"), clips=12, seconds=2).identity != one.identity


def test_cache_gives_the_same_corpus_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    rig = load_rig("r4")
    made = load_locomotion(rig, clips=6, seconds=2)
    folders = list((tmp_path / "generated").iterdir())
    assert [f.name for f in folders] == [f"r4-locomotion-{made.identity[:16]}"]

    def refuse(*_: object, **__: object) -> Corpus:
        raise AssertionError("generated again")

    monkeypatch.setattr(locomotion, "generate_locomotion", refuse)
    kept = load_locomotion(rig, clips=6, seconds=2)
    np.testing.assert_array_equal(kept.motion.rotations, made.motion.rotations)
    np.testing.assert_array_equal(kept.motion.contacts, made.motion.contacts)
    assert (kept.ids, kept.groups, kept.actions, kept.identity) == (made.ids, made.groups, made.actions, made.identity)
    with pytest.raises(AssertionError, match="generated again"):
        load_locomotion(rig, clips=6, seconds=2, seed=1)


def test_a_rig_from_elsewhere_walks_too() -> None:
    """No limits, arbitrary rest rotations, heel and toe both contact joints."""
    source = load_rig("r3")
    turns = quat.normalize(np.random.default_rng(0).normal(size=(len(source), 4)))
    positions, names = source.rest_global[0].astype(float), source.joint_names
    joints, rest = [], {}
    for j, p in enumerate(source.parents):
        offset = np.zeros(3) if p < 0 else quat.rotate(quat.inverse(turns[p]), positions[j] - positions[p])
        joints.append((names[j], None if p < 0 else names[p], offset))
        rest[names[j]] = turns[j] if p < 0 else quat.mul(quat.inverse(turns[p]), turns[j])
    rig = make_rig(
        "elsewhere",
        joints,
        {role: names[j] for role, j in source.roles.items()},
        contact_joints=["left_foot", "left_toes", "right_foot", "right_toes"],
        rest=rest,
    )
    corpus = generate_locomotion(rig, clips=24)
    contacts = corpus.motion.contacts[:, 1:] & corpus.motion.contacts[:, :-1]
    assert _foot_speed(corpus)[contacts][:, None].max() < 0.05
    assert (contacts[..., [0, 2]].mean((0, 1)) > 0.1).all()
    assert not (contacts[..., 0] & ~contacts[..., 1]).any()
    assert corpus.motion.positions[..., 1].min() > -2e-3


def test_other_frame_rates_give_the_same_course() -> None:
    rig = load_rig("r1")
    slow, fast = (generate_locomotion(rig, clips=12, fps=fps).motion for fps in (30.0, 60.0))
    assert fast.root_positions.shape[1] == 300
    np.testing.assert_allclose(fast.root_positions[:, ::2, [0, 2]], slow.root_positions[..., [0, 2]], atol=5e-3)


def test_what_cannot_walk_is_refused_in_one_line() -> None:
    for rig in (load_rig("arm"), _stump()):
        with pytest.raises(UserError) as caught:
            generate_locomotion(rig)
        assert f"rig '{rig.name}' cannot walk" in str(caught.value)
        assert "\n" not in str(caught.value)


def _stump() -> Rig:
    """Feet right under the pelvis: no knees."""
    joints = [("hips", None, [0, 0, 0])]
    for side, x in (("left", 0.1), ("right", -0.1)):
        joints += [(f"{side}_leg", "hips", [x, -0.4, 0]), (f"{side}_foot", f"{side}_leg", [0, -0.4, 0])]
    return make_rig(
        "stump",
        joints,
        {"pelvis": "hips", "left_foot": "left_foot", "right_foot": "right_foot"},
        contact_joints=["left_foot", "right_foot"],
    )


def test_control_tasks_hold_what_a_path_determines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    side = {"kind": "builtin", "rig": "r4", "clips": 40}
    whole = load_side(side, Protocol(seconds=2.0, track="keyframes"))
    control = load_side(side, Protocol(seconds=2.0, track="control"))
    assert len(whole.ids) == 40
    assert set(whole.actions) - set(control.actions) == {"idle", "jump", "sit"}
    assert control.ids == tuple(i for i, a in zip(whole.ids, whole.actions, strict=True) if a in set(control.actions))
    some = load_side({**side, "actions": ["walk", "jump"]}, Protocol(seconds=2.0, track="control"))
    assert set(some.actions) == {"walk", "jump"}
