import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.metrics.one_step import one_step_error
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.task.held_out import HeldOutClips, SingleSteps, cut_clips

HISTORY = 10


def _exam() -> tuple[Motion, HeldOutClips]:
    whole = walk(3, 50)
    motion = make_motion(
        whole.rig, 30, whole.root_positions, whole.rotations, lengths=np.array([50, 26, 41]), contacts=whole.contacts
    )
    names = ["a", "b", "c"]
    return motion, cut_clips(motion, HISTORY, names, names, names, keyframe_objectives(motion))


def _check(motion: Motion, exam: HeldOutClips, steps: SingleSteps, starts: list[int], size: int) -> None:
    plan = keyframe_objectives(motion)
    prompt, following, clips = steps
    for m, (n, s) in enumerate(zip(clips, starts, strict=True)):
        np.testing.assert_array_equal(prompt.history.rotations[m], motion.rotations[n, s : s + size])
        np.testing.assert_array_equal(prompt.history.root_positions[m], motion.root_positions[n, s : s + size])
        np.testing.assert_array_equal(following.root_positions[m, 0], motion.root_positions[n, s + size])
        rows = slice(s, s + size + 1)
        np.testing.assert_array_equal(prompt.objectives.positions[m], plan.positions[n, rows])
        np.testing.assert_array_equal(prompt.objectives.arrivals[m], plan.arrivals[n, rows] - s)
    assert prompt.history.root_positions.shape[1] == size
    assert prompt.frames.tolist() == [1] * len(clips)


def test_histories_are_true_and_lie_with_what_follows_in_the_given_history() -> None:
    motion, exam = _exam()
    steps = exam.single_steps()
    # Of the 10 frames given: 5 frames from the frames 0 to 4 on; the sixth is asked for.
    assert steps.clips.tolist() == [n for n in range(3) for _ in range(4)]
    starts = [0, 1, 3, 4] * 3
    _check(motion, exam, steps, starts, 5)
    assert max(starts) + 5 == HISTORY - 1
    given = exam.prompt.history.root_positions
    for n, s, after in zip(steps.clips, starts, steps.following.root_positions, strict=True):
        np.testing.assert_array_equal(given[n, s + 5], after[0])


@pytest.mark.parametrize(("history", "sizes"), [(1, []), (2, [1]), (3, [2]), (4, [2, 2]), (30, [15] * 4)])
def test_short_histories_have_few_shorter_ones_or_none(history: int, sizes: list[int]) -> None:
    whole = walk(2, 50)
    exam = cut_clips(whole, history, *(["a", "b"] for _ in range(3)), keyframe_objectives(whole))
    prompt, following, clips = exam.single_steps()
    assert clips.tolist() == [n for n in range(2) for _ in sizes]
    assert following.root_positions.shape[:2] == (2 * len(sizes), 1)
    assert sizes[:1] in ([], [prompt.history.root_positions.shape[1]])
    assert one_step_error(as_trajectory(following), following, clips, 2).measured == bool(sizes)


def test_the_published_protocol_asks_over_the_whole_clip() -> None:
    motion, exam = _exam()
    steps = exam.single_steps(everywhere=True)
    # Of 40, 16 and 31 generated frames: those 0, 15 and 30 frames in.
    assert steps.clips.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    _check(motion, exam, steps, [0, 15, 30, 0, 15, 0, 15, 30], HISTORY)
    first = [0, 3, 5]
    np.testing.assert_allclose(steps.prompt.phases[first], exam.prompt.phases, atol=1e-6)
    np.testing.assert_array_equal(steps.prompt.history.contacts[first], exam.prompt.history.contacts)


def test_a_prompt_holds_nothing_of_the_frame_to_come() -> None:
    _, exam = _exam()
    prompt, following, _ = exam.single_steps()
    assert prompt.history.rotations.base is None
    prompt.history.rotations[:] = 0
    assert np.abs(following.rotations).max() > 0.5
    np.testing.assert_array_equal(exam.single_steps()[1].rotations, following.rotations)


def test_error_against_loops() -> None:
    _, exam = _exam()
    _, following, clips = exam.single_steps()
    made = [noisy(following, 4, seed=s) for s in range(2)]
    errors = np.zeros((3, 2))
    for m, n in enumerate(clips):
        for motion in made:
            p = [x.root.points_in(x.positions)[m, 0].astype(float) for x in (motion, following)]
            errors[n] += 100 * np.linalg.norm(p[0] - p[1], axis=-1).mean() / 2, 0.5
    sums = one_step_error(as_trajectory(*made), following, clips, 3)
    np.testing.assert_allclose(sums.per_clip(), errors[:, 0] / errors[:, 1], rtol=1e-4)
    assert sums.value() == pytest.approx(errors[:, 0].sum() / 12, rel=1e-4)
    assert one_step_error(as_trajectory(following), following, clips, 3).value() == pytest.approx(0, abs=1e-4)
