import io
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers.running import cell_job
from helpers.walking import as_trajectory, noisy, walk
from rich.console import Console

from rae_bench.cli.run import render
from rae_bench.harness.cell import TRUTH, run_cell
from rae_bench.harness.isolation.models import Models
from rae_bench.kinematics import quat
from rae_bench.metrics import adversarial, null_interval
from rae_bench.metrics.critic import _pair_auc, _pick, critic_score
from rae_bench.metrics.windows import cut_windows, windows_of
from rae_bench.motion.contacts import stance_heights
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.results.rows import rows
from rae_bench.task.cells import Cell
from rae_bench.task.sides import Side, load_sides
from rae_bench.task.task import load_task

CLIPS, FRAMES = 24, 60


@pytest.fixture(scope="module")
def truth() -> Motion:
    return walk(CLIPS, FRAMES)


def _score(generated: Motion, truth: Motion, seed: int = 0) -> float:
    return adversarial(as_trajectory(generated), truth, seed)["adversarial_score"]


def _rising(scores: list[float]) -> bool:
    return all(b >= a - 1e-3 for a, b in pairwise(scores)) and scores[-1] > scores[0] + 0.3


def _toward_hold(motion: Motion, share: float) -> Motion:
    root, q = (np.repeat(a[:, :1], FRAMES, 1) for a in (motion.root_positions, motion.rotations))
    blended = quat.slerp(motion.rotations, q, share)
    return make_motion(motion.rig, 30, (1 - share) * motion.root_positions + share * root, blended)


def test_truth_against_itself_scores_zero_in_every_null_interval(truth: Motion) -> None:
    low, high = null_interval(truth, draws=10)
    assert low == 0 <= _score(truth, truth) < 1e-5 < high < 0.5


def test_real_against_other_real_is_near_zero() -> None:
    # Signed averages over many splits would be near 0; the absolute value of one is of the size of the null interval.
    scores = [_score(walk(CLIPS, FRAMES, seed=10 + i), walk(CLIPS, FRAMES, seed=20 + i)) for i in range(6)]
    assert np.mean(scores) < 0.2
    assert max(scores) < 0.4


def test_rises_with_noise(truth: Motion) -> None:
    scores = [_score(noisy(truth, degrees), truth) for degrees in (0, 0.1, 0.3, 1, 3, 10)]
    assert _rising(scores)
    assert scores[1] < 0.3
    assert scores[-1] > 0.9


def test_rises_with_slow_error(truth: Motion) -> None:
    rng = np.random.default_rng(0)
    knots = rng.standard_normal((CLIPS, 1, len(truth.rig), 3))
    scores = []
    for degrees in (0.0, 1.0, 3.0, 10.0, 30.0):
        angle = np.radians(degrees) * np.linalg.norm(knots, axis=-1)
        turn = quat.from_axis_angle(knots / np.linalg.norm(knots, axis=-1, keepdims=True), angle)
        scores.append(_score(make_motion(truth.rig, 30, truth.root_positions, quat.mul(turn, truth.rotations)), truth))
    assert _rising(scores)
    assert scores[1] < 0.3


def test_rises_with_foot_slide(truth: Motion) -> None:
    scores = [_score(walk(CLIPS, FRAMES, slide=slide), truth) for slide in (0, 0.01, 0.03, 0.1, 0.3, 0.6)]
    assert _rising(scores)
    assert scores[1] < 0.1


def test_rises_as_the_pose_freezes(truth: Motion) -> None:
    scores = [_score(_toward_hold(truth, share), truth) for share in (0, 0.1, 0.3, 0.6, 1)]
    assert _rising(scores)
    assert scores[-1] > 0.9


def test_limbs_that_do_not_belong_together_are_noticed(truth: Motion) -> None:
    """Each limb moves as it should, but not with the others: only joint statistics show it."""
    half = truth.cut(0, 30)
    q = half.rotations.copy()
    for joint in ("right_thigh", "right_shin"):
        j = truth.rig.index(joint)
        q[:, :, j] = q[:, :, truth.rig.index(joint.replace("right", "left"))]
    hopping = make_motion(truth.rig, 30, half.root_positions, q, contacts=half.contacts)
    assert _score(hopping, half) > 0.15


def test_deterministic_in_the_seed(truth: Motion) -> None:
    generated = noisy(truth, 0.3)
    assert _score(generated, truth, 1) == _score(generated, truth, 1)
    assert _score(generated, truth, 1) != _score(generated, truth, 2)
    assert _score(generated, truth, 1) == pytest.approx(_score(generated, truth, 2), abs=0.1)
    assert null_interval(truth, draws=3) == null_interval(truth, draws=3)


def test_auc_is_the_expected_rank_statistic_under_noise() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal(40), rng.standard_normal(30) + 0.5
    hits = 0.0
    for a in real:
        for b in fake:
            hits += float(np.mean(b + rng.normal(0, 0.7, 400) > a + rng.normal(0, 0.7, 400)))
    assert _pair_auc(real, fake, 0.7) == pytest.approx(hits / 1200, abs=5e-3)
    assert _pair_auc(real, fake, 0.0) == pytest.approx(np.mean(fake[:, None] > real), abs=1e-9)


def test_windows_stay_within_clips() -> None:
    vectors = np.arange(2 * 40).reshape(2, 40, 1).astype(float)
    windows = cut_windows(vectors, np.array([40, 10]), 30)
    assert windows.clips.tolist() == [0, 0, 0, 0, 1]
    assert windows.frames[0, :, 0].tolist() == list(range(15))
    assert windows.frames[-1, :, 0].tolist() == [*range(40, 50), *[49] * 5]


def test_one_clip_cannot_be_held_out() -> None:
    assert _score(walk(1, 30, seed=1), walk(1, 30)) == 0
    assert null_interval(walk(3, 30)) == (0.0, 1.0)


@pytest.mark.slow
def test_fast() -> None:
    real = walk(30, 120)
    start = time.perf_counter()
    _score(real, real)
    assert time.perf_counter() - start < 3


@pytest.fixture(scope="module")
def sides() -> tuple[Side, Side]:
    return load_sides(load_task("biped2quad"))


@pytest.mark.slow
def test_real_against_other_real_held_out_motion_is_inside_the_null_interval(sides: tuple[Side, Side]) -> None:
    """Disjoint halves of the held-out segments (val and test), dealt 20 times, against the test clips' interval."""
    _, target = sides
    history = round(target.protocol.history * target.protocol.fps)
    _, high = null_interval(target.held_out_clips(target.split(0).test).truth)
    pool = target.corpus.motion[np.concatenate([target.split(1).test, target.split(0).test])].cut(history)
    windows = windows_of(pool, stance_heights(pool.positions, pool.rig, pool.lengths))
    half, rng = len(target.split(0).test) // 2, np.random.default_rng(7)
    scores = []
    for fold in range(20):
        order = rng.permutation(len(pool))
        scores.append(critic_score(_pick(windows, order[:half]), _pick(windows, order[half : 2 * half]), half, fold))
    assert sum(score <= high for score in scores) >= 17, (high, sorted(scores))


@pytest.mark.slow
def test_replayed_real_motion_looks_real_and_misses_its_objectives(sides: tuple[Side, Side], tmp_path: Path) -> None:
    """`nearest` is inside the null interval or near it, and far from the objectives: the table shows both."""
    task = load_task("biped2quad")
    results = {}
    with Models() as models:
        for name, fraction in ((TRUTH, 1.0), ("hold", 1.0), ("interpolate", 1.0), ("nearest", 0.2)):
            job = cell_job(tmp_path / f"{name}.json", model=name, cell=Cell(name, {}, "none", fraction, 0))
            results[name] = run_cell(job, task, *sides, lambda *_: None, models)
    high = results[TRUTH]["null_interval"]["adversarial_score"][1]
    found = {row.label: row.values for row in rows(list(results.values()))}
    (likeness,), (missed,) = (found["nearest"][name] for name in ("adversarial_score", "objective_error"))
    assert likeness <= 1.25 * high
    assert found["hold"]["adversarial_score"][0] > 2 * high
    assert found["interpolate"]["adversarial_score"][0] > 2 * high
    assert missed > 0.5 * found["hold"]["objective_error"][0] > 50  # centimetres
    assert found["interpolate"]["objective_error"][0] < 1
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(render(rows(list(results.values())), "controls"))
    (line,) = [line for line in console.export_text().splitlines() if line.strip().startswith("nearest")]
    assert f"{likeness:.3f}" in line
    assert f"{missed:.2f}" in line
