"""Objectives of clips whose events can be read off the page."""

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, NONE, key_transforms, slot_contacts
from rae_bench.rigs.rig import ROLES, Rig, make_rig

FPS = 10.0  # a keyframe every 5 frames
PELVIS, HEAD, LEFT, RIGHT = (ROLES.index(role) for role in ("pelvis", "head", "left_foot", "right_foot"))


def legs() -> Rig:
    joints = [
        ("hips", None, [0, 0, 0]),
        ("head", "hips", [0, 0.6, 0]),
        ("left_foot", "hips", [0.1, -0.9, 0]),
        ("right_foot", "hips", [-0.1, -0.9, 0]),
    ]
    roles = {"pelvis": "hips", "head": "head", "left_foot": "left_foot", "right_foot": "right_foot"}
    return make_rig("legs", joints, roles, contact_joints=["left_foot", "right_foot"])


def walk(contacts: list[str], lengths: list[int] | None = None) -> Motion:
    """Clips that move 0.1 m a frame along x; contacts as strings "frame by frame", one word each foot."""
    words = [word.split() for word in contacts]
    count, frames = len(words), len(words[0][0])
    down = np.array([[[foot[t] == "#" for foot in clip] for t in range(frames)] for clip in words])
    root = np.zeros((count, frames, 3))
    root[..., 0] = 0.1 * np.arange(frames)
    root[..., 1] = 0.9
    rotations = np.zeros((count, frames, 4, 4))
    rotations[..., 0] = 1
    return make_motion(legs(), FPS, root, rotations, lengths=lengths and np.array(lengths), contacts=down)


def test_contacts_are_the_next_touch_down() -> None:
    #                     0123456789ab 0123456789ab
    made = keyframe_objectives(walk(["##...##..#.. ....########"]))
    # Row t: the event strictly after t. After the last touch-down a foot aims at the clip's last frame, 11.
    assert made.arrivals[0, :, LEFT].tolist() == [5, 5, 5, 5, 5, 9, 9, 9, 9, 11, 11, 11]
    assert made.arrivals[0, :, RIGHT].tolist() == [4, 4, 4, 4, *[11] * 8]
    assert made.kinds[0, :, LEFT].tolist() == [CONTACT] * 9 + [KEYFRAME] * 2 + [NONE]
    assert made.kinds[0, :, RIGHT].tolist() == [CONTACT] * 4 + [KEYFRAME] * 7 + [NONE]


def test_other_joints_aim_at_keyframes() -> None:
    made = keyframe_objectives(walk(["............ ............"]))
    assert made.arrivals[0, :, HEAD].tolist() == [5] * 5 + [10] * 5 + [11] * 2
    assert made.kinds[0, :, HEAD].tolist() == [KEYFRAME] * 11 + [NONE]
    assert made.arrivals[0, :, PELVIS].tolist() == made.arrivals[0, :, HEAD].tolist()


def test_a_last_frame_that_is_an_event_is_not_doubled() -> None:
    made = keyframe_objectives(walk([".....# ......"]))
    assert made.arrivals[0, :, LEFT].tolist() == [5] * 6
    assert made.kinds[0, :, LEFT].tolist() == [CONTACT] * 5 + [NONE]
    assert made.arrivals[0, :, HEAD].tolist() == [5] * 6


def test_a_foot_that_stands_from_the_start_has_no_touch_down() -> None:
    made = keyframe_objectives(walk(["##### #####"]))
    assert (made.kinds[0, :4, LEFT] == KEYFRAME).all()
    assert (made.arrivals[0, :4, LEFT] == 4).all()


def test_transforms_are_those_at_arrival() -> None:
    made = keyframe_objectives(walk(["##...##..#.. ....########"]))
    x = 0.1 * made.arrivals[0]
    asked = made.active[0]  # nothing is shown where nothing is asked
    np.testing.assert_allclose(made.positions[0, :, LEFT, 0], np.where(asked, x + 0.1, 0)[:, LEFT], atol=1e-6)
    np.testing.assert_allclose(made.positions[0, :, HEAD, 0], np.where(asked, x, 0)[:, HEAD], atol=1e-6)
    np.testing.assert_allclose(made.positions[0, :, HEAD, 1], np.where(asked, 1.5, 0)[:, HEAD], atol=1e-6)


def test_slots_without_a_role_are_inactive() -> None:
    made = keyframe_objectives(walk(["##...# ......"]))
    others = [k for k in range(len(ROLES)) if k not in (PELVIS, HEAD, LEFT, RIGHT)]
    assert not made.active[:, :, others].any()
    assert not made.positions[:, :, others].any()
    np.testing.assert_array_equal(
        made.rotations[:, :, others], np.broadcast_to(quat.IDENTITY, made.rotations[:, :, others].shape)
    )


def test_clips_end_at_their_own_length() -> None:
    short, alone = "##...##. ....####", "##...##..### ....####...."
    batch = keyframe_objectives(walk([short.replace(" ", ".... ") + "....", alone], lengths=[8, 12]))
    expected = keyframe_objectives(walk([short]))
    np.testing.assert_array_equal(batch.arrivals[0, :8], expected.arrivals[0])
    np.testing.assert_array_equal(batch.kinds[0, :8], expected.kinds[0])
    np.testing.assert_allclose(batch.positions[0, :8], expected.positions[0], atol=1e-6)
    assert not batch.active[0, 7:].any()
    assert not batch.time_to_arrival(FPS)[0, 7:].any()


def test_only_the_current_objective_is_known() -> None:
    """Rows up to t are the same whatever the clip does after the arrivals that they name."""
    motion = walk(["##...##..#.. ....########"])
    other = walk(["##...##..#.. ....########"])
    known = keyframe_objectives(motion)
    row = 3
    free = int(known.arrivals[0, : row + 1].max()) + 1
    other.root_positions[0, free:] += 5
    changed = keyframe_objectives(other)
    feet_and_head = [PELVIS, HEAD, LEFT, RIGHT]
    np.testing.assert_array_equal(
        known.positions[0, : row + 1, feet_and_head], changed.positions[0, : row + 1, feet_and_head]
    )
    assert np.abs(known.positions - changed.positions).max() > 1


def test_rotations_are_relative_to_the_rest_pose() -> None:
    """Standing as at rest is the identity, even where the rest pose turns the joint; a turn about y is that turn."""
    bent = quat.from_axis_angle(np.array([1.0, 0, 0]), np.array(0.7)).tolist()
    joints = [("hips", None, [0, 0.9, 0]), ("head", "hips", [0, 0.6, 0])]
    rig = make_rig("bent", joints, {"pelvis": "hips", "head": "head"}, rest={"head": bent})
    positions, rotations = rig.rest_global
    key = key_transforms(positions, rotations, rig)[1]
    np.testing.assert_allclose(np.abs(key @ quat.IDENTITY), 1, atol=1e-6)
    turn = quat.from_yaw(np.array(0.5))
    turned = key_transforms(positions, quat.mul(np.broadcast_to(turn, rotations.shape), rotations), rig)[1]
    np.testing.assert_allclose(np.abs(turned[[PELVIS, HEAD]] @ turn), 1, atol=1e-6)


def test_time_to_arrival_is_in_seconds() -> None:
    made = keyframe_objectives(walk(["............ ............"]))
    np.testing.assert_allclose(
        made.time_to_arrival(FPS)[0, :, HEAD], [0.5, 0.4, 0.3, 0.2, 0.1, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0], atol=1e-6
    )


def test_cut_counts_arrivals_from_its_start() -> None:
    made = keyframe_objectives(walk(["##...##..#.. ....########"]))
    part = made.cut(4, 9)
    assert part.arrivals[0, :, LEFT].tolist() == [1, 5, 5, 5, 5]
    np.testing.assert_array_equal(part.time_to_arrival(FPS), made.time_to_arrival(FPS)[:, 4:9])


def test_slot_contacts_take_any_joint_of_the_limb() -> None:
    joints = [("hips", None, [0, 0, 0]), ("ankle", "hips", [0, -0.9, 0]), ("toe", "ankle", [0, 0, 0.1])]
    rig = make_rig("foot", joints, {"pelvis": "hips", "left_foot": "ankle"}, contact_joints=["ankle", "toe"])
    down = slot_contacts(np.array([[False, True], [True, False], [False, False]]), rig)
    assert down[:, LEFT].tolist() == [True, True, False]
    assert down.sum() == 2
