"""The step grid of built-in locomotion (`sweep` in a task): its cells, steps in the world, planted feet, limits."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from rae_bench.cli.show import task_lines
from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.locomotion.body import read_body
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion, load_locomotion
from rae_bench.data.generators.locomotion.paths import DRAWS
from rae_bench.data.generators.locomotion.postures import Postures
from rae_bench.data.generators.locomotion.step_grid import step_grid_cells
from rae_bench.data.generators.locomotion.whole_body import make_poses
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import limit_angles
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.file import load_rig
from rae_bench.task.named import load_task
from rae_bench.task.reading import task_from_table
from rae_bench.task.sides import Side, load_side
from rae_bench.task.task import Protocol

NAMES = ("r1", "r2", "r3", "r4", "r5", "quad", "hexapod")
CLIPS, SECONDS, FPS = 120, 4.0, 60.0


@cache
def made(name: str) -> Corpus:
    """Every cell at least once, made once."""
    return generate_locomotion(load_rig(name), clips=CLIPS, seconds=SECONDS, fps=FPS, step_grid=True)


@pytest.fixture(params=NAMES)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return made(request.param)


def numbers(groups: tuple[str, ...]) -> np.ndarray:
    """(N, 3) frequency, step and lift that the groups' names say, in leg lengths and sqrt(leg length / g)."""
    found = [re.fullmatch(r"rate-([\d.]+)/step-([\d.]+)/lift-([\d.]+)", group) for group in groups]
    return np.array([[float(n) for n in match.groups()] for match in found if match])


def feet(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Contact joints (N, T, C, 3) above their rest, metres, and whether they lie still there, from positions alone."""
    rig = corpus.motion.rig
    at = corpus.motion.positions[:, :, rig.contact_joints].astype(np.float64)
    at[..., 1] -= rig.rest_global[0][rig.contact_joints, 1]
    moved = np.linalg.norm(np.diff(at, axis=1), axis=-1)
    moved = np.concatenate([moved[:, :1], moved], 1)
    return at, (moved < 1e-5) & (np.abs(at[..., 1]) < 1e-4)


def test_the_grid_and_what_is_left_out_of_it(corpus: Corpus) -> None:
    frequencies, steps, lifts = (0.16, 0.22, 0.28, 0.34, 0.4), (0.4, 0.6, 0.8, 1.0, 1.2, 1.4), (0.06, 0.12, 0.18, 0.24)
    whole = set(product(frequencies, steps, lifts))
    have = Counter(map(tuple, numbers(corpus.groups).tolist()))
    left_out = whole - set(have)
    assert set(have) <= whole
    # 0.4 x 1.4 = 0.56 is beyond a walk, 0.4 x 1.2 = 0.34 x 1.4 = 0.48 is not.
    too_fast = {(0.4, 1.4, lift) for lift in lifts}
    too_long = {cell for cell in whole if cell[1] == 1.4}  # for a dog's hind legs, not for a man's or a spider's
    assert left_out == (too_fast | too_long if corpus.motion.rig.name == "quad" else too_fast)
    assert max(have.values()) - min(have.values()) <= 1


def test_few_clips_cover_the_grid_too() -> None:
    few = numbers(generate_locomotion(load_rig("r4"), clips=24, seconds=0.5, step_grid=True).groups)
    assert [len(set(column)) for column in few.T.tolist()] == [5, 6, 4]


def test_steps_measure_what_the_cell_says(corpus: Corpus) -> None:
    leg = read_body(corpus.motion.rig).leg_length
    frequency, step, lift = (numbers(corpus.groups) * [np.sqrt(9.81 / leg), leg, leg]).T
    at, still = feet(corpus)
    assert np.abs(at[..., 1].max((1, 2)) / lift - 1).max() < 0.02  # a frame may miss the highest point
    counted = 0
    for clip in range(CLIPS):
        for foot in range(still.shape[2]):
            on = still[clip, :, foot]
            down = np.flatnonzero(on[1:] & ~on[:-1]) + 1
            prints = at[clip, down, foot][:, [0, 2]]
            strides = np.linalg.norm(np.diff(prints, axis=0), axis=-1)
            np.testing.assert_allclose(strides, step[clip], rtol=2e-3)
            times = np.diff(down) / FPS
            assert (np.abs(times - 1 / frequency[clip]) < 1.01 / FPS).all(), corpus.ids[clip]
            counted += len(strides)
    assert counted > CLIPS * still.shape[2]


def test_steps_of_the_man_in_metres_and_seconds() -> None:
    """r1's hip is 0.4287 + 0.4187 + 0.0748 = 0.9222 m over the balls of its feet; sqrt(9.81 / 0.9222) = 3.2615."""
    corpus = made("r1")
    clip = corpus.groups.index("rate-0.34/step-1.2/lift-0.24")
    at, still = (values[clip, ..., 0, :] if values.ndim == 4 else values[clip, :, 0] for values in feet(corpus))
    down = np.flatnonzero(still[1:] & ~still[:-1]) + 1
    assert len(down) >= 4  # 1.109 steps a second for 4 s
    assert (at[down[-1], 2] - at[down[0], 2]) / (len(down) - 1) == pytest.approx(1.1066, abs=1e-3)
    assert (len(down) - 1) * FPS / (down[-1] - down[0]) == pytest.approx(1.1089, abs=0.008)
    assert at[:, 1].max() == pytest.approx(0.2213, abs=1e-3)


def test_feet_fly_along_cycloids(corpus: Corpus) -> None:
    """The place along a flight follows from the height alone, whenever the frame was taken."""
    leg = read_body(corpus.motion.rig).leg_length
    _, step, lift = (numbers(corpus.groups) * leg).T
    at, still = feet(corpus)
    checked = 0
    for clip in range(0, CLIPS, 7):
        on = still[clip, :, 0]
        down = np.flatnonzero(on[1:] & ~on[:-1]) + 1
        for first, last in pairwise(down):
            path = at[clip, first : last + 1, 0]
            height, along = path[:, 1] / lift[clip], (path[:, 2] - path[0, 2]) / step[clip]
            rising = (height > 0.01) & (along < 0.45)
            turn = np.arccos(1 - 2 * height[rising])
            np.testing.assert_allclose(along[rising], (turn - np.sin(turn)) / (2 * np.pi), atol=2e-3)
            checked += rising.sum()
    assert checked > 100


def test_planted_feet_do_not_slide_and_nothing_is_under_the_ground(corpus: Corpus) -> None:
    contacts = corpus.motion.contacts[:, 1:] & corpus.motion.contacts[:, :-1]
    at, _ = feet(corpus)
    speed = np.linalg.norm(np.diff(at[..., [0, 2]], axis=1), axis=-1) * FPS
    assert speed[contacts].max() < 0.01
    assert speed[~contacts].mean() > 0.3 * corpus.motion.rig.height
    assert np.abs(at[..., 1][corpus.motion.contacts]).max() < 1e-4
    assert corpus.motion.positions[..., 1].min() > -2e-3
    duty = {2: 0.6, 4: 0.66, 6: 0.56}[at.shape[2]]
    assert contacts.mean() == pytest.approx(duty, abs=0.03)


def test_joint_limits_are_kept_and_joints_do_not_snap(corpus: Corpus) -> None:
    rig, rotations = corpus.motion.rig, corpus.motion.rotations
    angles = limit_angles(rotations.astype(np.float64), rig)
    over = np.maximum(angles - rig.limits[..., 1], rig.limits[..., 0] - angles).max((0, 1, 3))
    worst = int(over.argmax())
    assert over[worst] < 1e-3, f"{rig.joint_names[worst]} by {np.degrees(over[worst]):.1f} degrees"
    assert np.degrees(quat.angle(rotations[:, :-1], rotations[:, 1:])).max() * FPS < np.degrees(30)


def test_bodies_go_straight_ahead_at_the_speed_of_their_steps(corpus: Corpus) -> None:
    motion = corpus.motion
    leg = read_body(motion.rig).leg_length
    frequency, step, _ = numbers(corpus.groups).T
    gone = motion.root_positions[:, -1] - motion.root_positions[:, 0]
    speed = gone[:, 2] / (SECONDS - 1 / FPS)
    np.testing.assert_allclose(speed, frequency * step * np.sqrt(9.81 * leg), atol=0.01 * leg)
    assert np.abs(motion.root_positions[..., 0]).max() < 0.06 * leg
    assert motion.root_positions[..., 1].min() > motion.rig.rest_global[0][0, 1] - 0.15 * leg


def test_feet_of_a_giant_do_the_same_at_a_third_of_the_tempo() -> None:
    """At nine times the size a cycle of the slowest steps takes 5.8 s and reaches far past the clip's end."""
    man = load_rig("r1")
    giant = replace(man, offsets=9 * man.offsets)
    draw = np.random.default_rng(0).random((3, DRAWS))
    at = []
    for rig, seconds, fps in ((man, 4.0, 30.0), (giant, 12.0, 10.0)):
        body = read_body(rig)
        cells = [cell for cell in step_grid_cells(rig, body) if cell.group.startswith("rate-0.16/step-1.0")][:3]
        root, rotations, contacts = make_poses(rig, body, Postures(), cells, draw, seconds, fps)
        motion = make_motion(rig, fps, root, rotations, contacts=contacts)
        at.append(motion.positions[:, :, rig.contact_joints] / body.leg_length)
    np.testing.assert_allclose(at[1], at[0], atol=1e-4)


def test_whole_cells_are_held_out_over_all_actions() -> None:
    corpus = made("r1")
    split = Side(corpus, Protocol(fps=FPS, seconds=SECONDS)).split(0)
    train, test = ({corpus.groups[i] for i in part} for part in (split.train, split.test))
    assert not train & test
    assert {corpus.actions[i] for i in split.test} == {"slow-short", "slow-long", "quick-short", "quick-long"}
    for (frequency, step, _), action in zip(numbers(corpus.groups), corpus.actions, strict=True):
        assert action == f"{'slow' if frequency < 0.3 else 'quick'}-{'short' if step < 0.9 else 'long'}"
    assert len(set(corpus.ids)) == CLIPS


def test_same_seed_same_motion_other_seed_other_clips_of_the_same_cells() -> None:
    rig = load_rig("r3")
    one, two = (generate_locomotion(rig, clips=12, seconds=1, step_grid=True) for _ in range(2))
    np.testing.assert_array_equal(one.motion.rotations, two.motion.rotations)
    assert one.identity == two.identity
    other = generate_locomotion(rig, clips=12, seconds=1, seed=1, step_grid=True)
    assert other.groups == one.groups
    assert quat.angle(other.motion.rotations, one.motion.rotations).max() > 0.1
    gaits = generate_locomotion(rig, clips=12, seconds=1)
    assert len({one.identity, other.identity, gaits.identity}) == 3
    assert (one.name, gaits.name) == ("r3-sweep", "r3-locomotion")


def test_tasks_load_the_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    task = load_task("loco-r1-r2")
    assert "target      builtin: rig r2, motion locomotion, sweep" in task_lines(task)
    assert (task.protocol.fps, task.protocol.fractions, task.protocol.default_fraction) == (60, (0.05, 0.2), 0.2)
    corpus = load_side({**task.target, "clips": 8}, task.protocol)
    kept = load_locomotion(load_rig("r2"), clips=8, fps=60.0, step_grid=True)
    assert corpus.motion.root_positions.shape == (8, 300, 3)
    assert kept.identity == corpus.identity
    assert [folder.name for folder in (tmp_path / "generated").iterdir()] == [f"r2-sweep-{kept.identity[:16]}"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"motion": "reach", "sweep": True}, r"\[source\]: `sweep` belongs to the motion 'locomotion', not to 'reach'"),
        ({"sweep": "yes"}, r"\[source\]: sweep = 'yes' needs to be true or false"),
    ],
)
def test_a_wrong_sweep_is_refused(more: dict[str, object], message: str) -> None:
    side = {"kind": "builtin", "rig": "r1"}
    with pytest.raises(UserError, match=message):
        task_from_table("mine", {"source": side | more, "target": side}, "mine.toml")


def test_a_rig_too_stiff_for_every_cell_is_refused_in_one_line() -> None:
    rig = load_rig("r4")
    with pytest.raises(UserError, match="rig 'r4' cannot walk any cell of the sweep"):
        generate_locomotion(replace(rig, limits=0.05 * rig.limits), step_grid=True)
