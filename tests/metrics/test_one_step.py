import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.metrics.one_step import one_step_error
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.task.sides import HeldOutClips, cut_clips

HISTORY = 10


def _exam() -> tuple[Motion, HeldOutClips]:
    whole = walk(3, 50)
    motion = make_motion(
        whole.rig, 30, whole.root_positions, whole.rotations, lengths=np.array([50, 26, 41]), contacts=whole.contacts
    )
    names = ["a", "b", "c"]
    return motion, cut_clips(motion, HISTORY, names, names, names, keyframe_objectives(motion))


def test_histories_are_true_and_half_a_second_apart() -> None:
    motion, exam = _exam()
    prompt, following, clips = exam.single_steps()
    # Of 40, 16 and 31 generated frames: those 0, 15 and 30 frames in.
    assert clips.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    starts = [0, 15, 30, 0, 15, 0, 15, 30]
    plan = keyframe_objectives(motion)
    for m, (n, s) in enumerate(zip(clips, starts, strict=True)):
        np.testing.assert_array_equal(prompt.history.rotations[m], motion.rotations[n, s : s + HISTORY])
        np.testing.assert_array_equal(prompt.history.root_positions[m], motion.root_positions[n, s : s + HISTORY])
        np.testing.assert_array_equal(following.root_positions[m, 0], motion.root_positions[n, s + HISTORY])
        rows = slice(s, s + HISTORY + 1)
        np.testing.assert_array_equal(prompt.objectives.positions[m], plan.positions[n, rows])
        np.testing.assert_array_equal(prompt.objectives.arrivals[m], plan.arrivals[n, rows] - s)
    assert prompt.frames.tolist() == [1] * 8
    first = [0, 3, 5]
    np.testing.assert_allclose(prompt.phases[first], exam.prompt.phases, atol=1e-6)
    np.testing.assert_array_equal(prompt.history.contacts[first], exam.prompt.history.contacts)


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
    assert sums.value() == pytest.approx(errors[:, 0].sum() / 8, rel=1e-4)
    assert one_step_error(as_trajectory(following), following, clips, 3).value() == pytest.approx(0, abs=1e-4)
