"""The track `limbs`: next touch-downs and targets, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.walking import walk

from rae_bench.data.generators.reach.reach import generate_reach
from rae_bench.motion.course import course_of
from rae_bench.objectives.asked import asked_of
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.limbs import asks_after, limb_objectives
from rae_bench.objectives.objectives import CONTACT, NONE, TARGET
from rae_bench.objectives.phases import local_phases
from rae_bench.objectives.tracks import CONTROL, KEYFRAMES, LIMBS, TRACKS
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import ROLES


def test_feet_go_for_their_next_touch_down_alone() -> None:
    motion = walk(4, 90, seed=3)
    made, whole = limb_objectives(motion), keyframe_objectives(motion)
    feet = np.isin(np.arange(len(ROLES)), motion.rig.contact_slots)
    assert (made.kinds[..., ~feet] == NONE).all()
    assert (made.kinds[..., feet] == CONTACT).any()
    touched = whole.kinds == CONTACT
    np.testing.assert_array_equal(made.active, touched)  # what keyframes add of the last frame is gone
    for name in ("positions", "rotations", "arrivals"):
        np.testing.assert_array_equal(getattr(made, name)[touched], getattr(whole, name)[touched])


def test_nothing_is_said_of_pelvis_head_and_last_frame() -> None:
    made = limb_objectives(walk(3, 90, seed=4))
    assert not made.active[..., [ROLES.index("pelvis"), ROLES.index("head")]].any()
    assert not made.active[:, -1].any()
    assert not made.positions[~made.active].any()  # the transform of the frame itself would be the answer
    assert (made.rotations[~made.active] == [1, 0, 0, 0]).all()
    assert (made.arrivals[made.active] < 90).all()


def test_hands_are_given_their_targets_while_they_are_there() -> None:
    corpus = generate_reach(load_rig("r2"), clips=6, seconds=4.0, fps=30.0)
    made = limb_objectives(corpus.motion, corpus.targets)
    hands = [ROLES.index("left_hand"), ROLES.index("right_hand")]
    assert (made.kinds[..., hands] == TARGET).any()
    assert not made.active[..., [k for k in range(len(ROLES)) if k not in hands]].any()  # feet stay planted


@pytest.mark.parametrize("past_only", [False, True])
def test_hands_that_reach_have_phases(past_only: bool) -> None:
    corpus = generate_reach(load_rig("r2"), clips=6, seconds=4.0, fps=30.0)
    motion, objectives = corpus.motion, limb_objectives(corpus.motion, corpus.targets)
    hands = [ROLES.index("left_hand"), ROLES.index("right_hand")]
    size = np.linalg.norm(local_phases(motion, objectives, past_only=past_only), axis=-1)
    assert not local_phases(motion).any()  # standing feet alone have none
    assert size[..., hands].max() > 0.1
    assert (size[..., hands] > 1e-3).mean() > 0.2
    assert size[..., hands].std(1).mean() > 0.01
    assert not np.delete(size, hands, -1).any()


def test_a_phase_from_the_past_needs_nothing_of_the_future() -> None:
    corpus = generate_reach(load_rig("r2"), clips=4, seconds=4.0, fps=30.0)
    objectives = limb_objectives(corpus.motion, corpus.targets)
    whole = local_phases(corpus.motion, objectives, past_only=True)
    cut = local_phases(corpus.motion.cut(0, 70), objectives, past_only=True)
    np.testing.assert_allclose(cut[:, 30:], whole[:, 30:70], atol=1e-6)


def test_what_each_track_gives() -> None:
    motion = walk(2, 60)
    course = course_of(motion)
    given = {track: asked_of(track, motion, course) for track in TRACKS}
    assert given[CONTROL][1] is not None
    assert not given[CONTROL][0].active.any()
    for track in (LIMBS, KEYFRAMES):
        assert given[track][1] is None
    assert given[KEYFRAMES][0].active.sum() > given[LIMBS][0].active.sum() > 0


def test_a_clip_whose_feet_stay_asks_nothing() -> None:
    motion = walk(3, 90, seed=3)
    assert asks_after(motion, None, 29).all()
    still = replace(motion, contacts=np.ones_like(motion.contacts))
    assert not asks_after(still, None, 29).any()
    late = np.ones_like(motion.contacts)
    late[0, 18:20] = False  # one foot is lifted and comes down at frame 20, the last frame that is given is 29
    late[1, 28:30] = False
    found = asks_after(replace(motion, contacts=late), None, 29)
    np.testing.assert_array_equal(found, [False, True, False])
    # Of a clip that is too short to be tested, all that trains counts.
    short = replace(motion, contacts=late, lengths=np.array([25, 90, 90]))
    assert asks_after(short, None, 29)[0]
    # What lies in the padding does not count.
    padded = replace(motion, contacts=late, lengths=np.array([90, 29, 90]))
    assert not asks_after(padded, None, 29)[1]


def test_a_clip_with_a_target_asks_for_it() -> None:
    corpus = generate_reach(load_rig("r2"), clips=6, seconds=4.0, fps=30.0)
    assert asks_after(corpus.motion, corpus.targets, 29).all()
    assert not asks_after(corpus.motion, None, 29).any()  # feet stay planted
