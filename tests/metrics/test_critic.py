import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers.running import cell_job
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.cli.result_table import result_rows
from rae_bench.errors import UserError
from rae_bench.harness.cell import TRUTH, run_cells
from rae_bench.harness.isolation.models import Models
from rae_bench.kinematics import quat
from rae_bench.metrics import adversarial
from rae_bench.metrics.critic import NOISE, PRIOR, Sample, deal, pair_auc, rule
from rae_bench.metrics.smoothness import angular_speed, jerk
from rae_bench.metrics.windows import Windows, cut_windows, windows_of
from rae_bench.motion.contacts import stance_heights
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.results.files import read_result
from rae_bench.results.rows import rows
from rae_bench.results.text_table import text_table
from rae_bench.study import robustness
from rae_bench.task.cells import Cell
from rae_bench.task.named import load_task
from rae_bench.task.others import other_real_clips
from rae_bench.task.sides import Side, load_sides

CLIPS, FRAMES = 24, 60
TASKS = ("biped2quad", "quad2biped", "reach-biped2monster", "loco-r1-r2")


@pytest.fixture(scope="module")
def truth() -> Motion:
    return walk(CLIPS, FRAMES)


@pytest.fixture(scope="module")
def others() -> Motion:
    return walk(CLIPS, FRAMES, seed=30)


def _score(generated: Motion, truth: Motion, others: Motion, seed: int = 0) -> float:
    return adversarial(as_trajectory(generated), truth, others, seed=seed)["adversarial_score"]


def _rising(scores: list[float]) -> bool:
    return all(b >= a - 1e-3 for a, b in pairwise(scores)) and scores[-1] > scores[0] + 0.3


def _jerk(motion: Motion) -> float:
    """Mean jerk at 30 frames a second: at more, jerk is of tremors that nobody sees."""
    step = round(motion.fps / 30)
    coarse = make_motion(
        motion.rig, 30, motion.root_positions[:, ::step], motion.rotations[:, ::step],
        lengths=-(-motion.lengths // step), contacts=motion.contacts[:, ::step],
    )  # fmt: skip
    return float(jerk(coarse)[coarse.valid[:, 3:]].mean())


def _jerky(motion: Motion, ratio: float) -> Motion:
    """Jitter that gives so many times the motion's own jerk, by bisection."""
    low, high, real = 1e-6, 5.0, _jerk(motion)
    for _ in range(18):
        middle = float(np.sqrt(low * high))
        found = _jerk(robustness.jitter(motion, middle))
        low, high = (low, middle) if found > ratio * real else (middle, high)
    return robustness.jitter(motion, low)


def _energy(motion: Motion) -> float:
    return float(angular_speed(motion)[motion.valid[:, 1:]].mean())


def _hasty(motion: Motion) -> tuple[Motion, Motion]:
    """The first half of the frames, and the whole motion in as many frames: twice as fast."""
    half = motion.root_positions.shape[1] // 2
    fast = replace(
        motion.cut(0, half), root_positions=motion.root_positions[:, ::2][:, :half],
        rotations=motion.rotations[:, ::2][:, :half],
    )  # fmt: skip
    return motion.cut(0, half), fast


def test_the_truth_scores_exactly_zero(truth: Motion, others: Motion) -> None:
    values = adversarial(as_trajectory(truth), truth, others)
    assert values["adversarial_score"] == pytest.approx(0, abs=1e-6)
    assert abs(values["adversarial_level"]) < 0.15


def test_another_real_clip_scores_near_zero_and_does_not_have_to_be_the_truth() -> None:
    scores = [
        _score(walk(12, FRAMES, seed=300 + i), walk(12, FRAMES, seed=100 + i), walk(12, FRAMES, seed=200 + i), i)
        for i in range(20)
    ]
    assert np.mean(scores) == pytest.approx(0, abs=0.05)
    assert np.max(np.abs(scores)) < 0.4


def test_rises_with_noise(truth: Motion, others: Motion) -> None:
    scores = [_score(noisy(truth, degrees), truth, others) for degrees in (0, 0.03, 0.1, 0.3, 1, 10)]
    assert _rising(scores)
    assert scores[-1] > 0.9


def test_rises_with_slow_error(truth: Motion, others: Motion) -> None:
    rng = np.random.default_rng(0)
    knots = rng.standard_normal((CLIPS, 1, len(truth.rig), 3))
    scores = []
    for degrees in (0.0, 1.0, 3.0, 10.0, 30.0):
        angle = np.radians(degrees) * np.linalg.norm(knots, axis=-1)
        turn = quat.from_axis_angle(knots / np.linalg.norm(knots, axis=-1, keepdims=True), angle)
        made = make_motion(truth.rig, 30, truth.root_positions, quat.mul(turn, truth.rotations))
        scores.append(_score(made, truth, others))
    assert scores[1] < 0.1
    assert scores[-1] > scores[-2] > 0.1


def test_rises_with_foot_slide(truth: Motion, others: Motion) -> None:
    scores = [_score(walk(CLIPS, FRAMES, slide=slide), truth, others) for slide in (0, 0.01, 0.03, 0.1, 0.3, 0.6)]
    assert _rising(scores)
    assert scores[1] < 0.1


def test_rises_as_the_pose_freezes(truth: Motion, others: Motion) -> None:
    scores = [_score(robustness.freeze(truth, percent), truth, others) for percent in (0, 10, 30, 60, 100)]
    assert _rising(scores)
    assert scores[-1] > 0.8


def test_three_times_the_jerk_and_twice_the_motion_energy_are_seen(truth: Motion, others: Motion) -> None:
    shaky, wild = _jerky(truth, 3), robustness.exaggerate(truth, 100)
    assert _jerk(shaky) == pytest.approx(3 * _jerk(truth), rel=0.02)
    assert _energy(wild) == pytest.approx(2 * _energy(truth), rel=0.1)
    assert _score(shaky, truth, others) > 0.3
    assert _score(wild, truth, others) > 0.3
    half, fast = _hasty(truth)
    assert _energy(fast) == pytest.approx(2 * _energy(half), rel=0.1)
    assert _score(fast, half, others) > 0.3


def test_limbs_that_do_not_belong_together_are_noticed(truth: Motion, others: Motion) -> None:
    """Each limb moves as it should, but not with the others: only joint statistics show it."""
    half = truth.cut(0, 30)
    q = half.rotations.copy()
    for joint in ("right_thigh", "right_shin"):
        j = truth.rig.index(joint)
        q[:, :, j] = q[:, :, truth.rig.index(joint.replace("right", "left"))]
    hopping = make_motion(truth.rig, 30, half.root_positions, q, contacts=half.contacts)
    assert _score(hopping, half, others.cut(0, 30)) > 0.15


def test_deterministic_in_the_seed(truth: Motion, others: Motion) -> None:
    generated = noisy(truth, 0.05)
    assert _score(generated, truth, others, 1) == _score(generated, truth, others, 1)
    assert _score(generated, truth, others, 1) != _score(generated, truth, others, 2)
    assert _score(generated, truth, others, 1) == pytest.approx(_score(generated, truth, others, 2), abs=0.1)


def test_auc_is_the_expected_rank_statistic_under_noise() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal(40), rng.standard_normal(30) + 0.5
    hits = 0.0
    for a in real:
        for b in fake:
            hits += float(np.mean(b + rng.normal(0, 0.7, 400) > a + rng.normal(0, 0.7, 400)))
    assert pair_auc(real, fake, 0.7) == pytest.approx(hits / 1200, abs=5e-3)
    assert pair_auc(real, fake, 0.0) == pytest.approx(np.mean(fake[:, None] > real), abs=1e-9)


def test_the_rule_learns_what_clips_and_groups_agree_on() -> None:
    """Descriptor 0 differs alike in all groups; descriptor 1 differs as much on average, in one group of four."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 25)
    real, fake = 0.1 * rng.standard_normal((2, 100, 2))
    fake[:, 0] += 1
    fake[groups == 2, 1] += 4
    samples = [Sample.of(x, np.arange(100) // 5, groups) for x in (real, fake)]
    assert (samples[1].mean - samples[0].mean) == pytest.approx([1, 1], abs=0.05)
    w = rule(*samples)
    assert w[0] > 5 * abs(w[1])
    # Of a single descriptor, by hand: the difference shrunk by the prior, over the spread and the noise.
    one, two = (Sample.of(x[:, 1:], np.arange(100) // 5, groups) for x in (real, fake))
    by_clip, by_group = (
        sum(np.var([x[u == k, 1].mean() for k in np.unique(u)], ddof=1) / len(np.unique(u)) for x in (real, fake))
        for u in (np.arange(100) // 5, groups)
    )
    shrunk = (two.mean - one.mean) / (1 + (by_clip + by_group) / PRIOR)
    assert rule(one, two) == pytest.approx(shrunk / ((real[:, 1].var() + fake[:, 1].var()) / 2 + NOISE**2))


def test_folds_keep_groups_together_and_do_not_depend_on_the_order_of_clips(truth: Motion) -> None:
    def windows(motion: Motion) -> Windows:
        return windows_of(motion, stance_heights(motion.positions, motion.rig, motion.lengths))

    groups = np.arange(CLIPS) % 7
    folds = deal(windows(truth), groups, np.random.default_rng(0))
    assert len(np.unique(folds)) == 5
    assert all(len(np.unique(folds[groups == g])) == 1 for g in range(7))
    order = np.random.default_rng(1).permutation(CLIPS)
    assert (deal(windows(truth[order]), groups[order], np.random.default_rng(0)) == folds[order]).all()
    # A single group cannot be held out, so its clips are.
    alone = deal(windows(truth), np.zeros(CLIPS, int), np.random.default_rng(0))
    assert np.bincount(alone).max() <= 5


def test_windows_stay_within_clips() -> None:
    clips, frames = cut_windows(np.array([40, 10]), 30)
    assert clips.tolist() == [0, 0, 0, 0, 1]
    assert frames[0].tolist() == list(range(15))
    assert frames[-1].tolist() == [*range(10), *[9] * 5]


def test_one_clip_cannot_be_held_out() -> None:
    assert _score(walk(1, 30, seed=1), walk(1, 30), walk(1, 30, seed=2)) == 0


def test_what_cannot_be_compared_is_told(truth: Motion, others: Motion) -> None:
    with pytest.raises(UserError, match="5 other clips"):
        _score(truth, truth, others[:5])
    with pytest.raises(UserError, match="2 groups for 24 clips"):
        adversarial(as_trajectory(truth), truth, others, groups=["a", "b"])


@pytest.mark.slow
def test_fast() -> None:
    real, others = walk(30, 120), walk(30, 120, seed=1)
    start = time.perf_counter()
    _score(real, real, others)
    assert time.perf_counter() - start < 3


def _three_ways(side: Side, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    """Deal groups into a test part and two more; a clip of either for each test clip, of its action; the test part."""
    corpus = side.corpus
    groups, actions = np.array(corpus.groups), np.array(corpus.actions)
    names = rng.permutation(np.unique(groups))
    tests: list[int] = []
    for name in names:
        if len(tests) >= len(groups) / 10:
            break
        tests += list(np.flatnonzero(groups == name))
    rest = [name for name in names if name not in groups[tests]]
    picks = []
    for half in (rest[::2], rest[1::2]):
        pool = rng.permutation(np.flatnonzero(np.isin(groups, half)))
        left = list(pool)
        pick = []
        for i in tests:
            same = [j for j in left if actions[j] == actions[i]] or left or list(pool)
            pick.append(same[0])
            left = [j for j in left if j != same[0]]
        picks.append(np.array(pick))
    return picks, np.array(tests)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_real_motion_of_other_groups_scores_zero_on_average(task: str) -> None:
    """A model that draws another real clip of the same action, over 20 resamples of who is tested."""
    _, side = load_sides(load_task(task))
    motion = side.corpus.motion.cut(round(side.protocol.history * side.protocol.fps))
    groups = np.array(side.corpus.groups)
    scores = []
    for resample in range(20):
        (other, model), tests = _three_ways(side, np.random.default_rng([7, resample]))
        found = adversarial(
            as_trajectory(motion[model]), motion[tests], motion[other], groups=groups[tests].tolist(),
            other_groups=groups[other].tolist(), seed=resample,
        )  # fmt: skip
        scores.append(found["adversarial_score"])
    assert np.mean(scores) == pytest.approx(0, abs=0.03), sorted(scores)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_jerk_and_energy_are_seen_on_tasks(task: str) -> None:
    _, side = load_sides(load_task(task))
    exam = side.held_out_clips(side.split(0).test)
    others = other_real_clips(side, exam, 0)

    def score(motion: Motion, truth: Motion, real: Motion) -> float:
        return adversarial(
            as_trajectory(motion), truth, real, groups=others.held_out_groups, other_groups=others.groups
        )["adversarial_score"]  # fmt: skip

    assert score(_jerky(exam.truth, 3), exam.truth, others.motion) > 0.2
    assert score(robustness.exaggerate(exam.truth, 100), exam.truth, others.motion) > 0.2
    half, fast = _hasty(exam.truth)
    assert score(fast, half, others.motion.cut(0, half.root_positions.shape[1])) > 0.2


@pytest.mark.slow
def test_replayed_real_motion_looks_real_and_misses_its_objectives(tmp_path: Path) -> None:
    """`nearest` scores near 0, and is far from the objectives: the table shows both."""
    task = load_task("biped2quad")
    sides = load_sides(task)
    results = {}
    with Models() as models:
        for name, fraction in ((TRUTH, 1.0), ("hold", 1.0), ("interpolate", 1.0), ("nearest", 0.2)):
            job = cell_job(tmp_path / f"{name}.json", model=name, cell=Cell(name, {}, "none", fraction, 0))
            run_cells([job], task, *sides, lambda *_: None, models, lambda *_: None)
            results[name] = read_result(Path(job.path))
    found = {row.label: row.values for row in rows(list(results.values()))}
    (likeness,), (missed,) = (found["nearest"][name] for name in ("adversarial_score", "objective_error"))
    assert 0 <= likeness < 0.2
    assert found["hold"]["adversarial_score"][0] > 0.5
    assert found["interpolate"]["adversarial_score"][0] > 0.3
    assert found["truth"]["score"] == [0]
    assert found["hold"]["objective_error"][0] > missed > 50  # centimetres
    assert found["interpolate"]["objective_error"][0] < 1
    lines, _ = text_table(*result_rows(rows(list(results.values()))))
    (line,) = [line for line in lines if line.startswith("nearest")]
    assert f"{likeness:.3f}" in line
    assert f"{missed:.2f}" in line
